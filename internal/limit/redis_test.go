package limit_test

import (
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"turkey/internal/limit"
)

// TestRedisAddresses: what an address says is what is done, also who one is and in which database.
func TestRedisAddresses(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	ask := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("redis-cli", append([]string{"-s", r.socket()}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ask("ACL", "SETUSER", "turkey", "on", ">sesame@1", "~*", "&*", "+@all")
	ask("CONFIG", "SET", "requirepass", "open")
	ask("-a", "open", "CONFIG", "SET", "port", port)
	here := "127.0.0.1:" + port
	for address, want := range map[string]string{ // what is refused, or the database
		"redis://:open@" + here:                    "0",
		"redis://open@" + here + "/":               "0", // as redis-cli takes it
		"redis://turkey:sesame%401@" + here:        "0",
		"redis://turkey:sesame%401@" + here + "/3": "3",
		"redis://turkey:wrong@" + here:             "WRONGPASS",
		"redis://" + here:                          "NOAUTH",
		"redis://:open@" + here + "/99":            "out of range",
		"rediss://:open@" + here:                   "redis:", // no TLS there
		"unix://:open@" + r.socket() + "?db=4":     "4",
		"unix://" + r.socket():                     "NOAUTH",
	} {
		err := limit.Ping(t.Context(), address)
		if _, number := strconv.Atoi(want); number == nil {
			if err != nil {
				t.Errorf("%s: %v", address, err)
			} else if n := ask("-a", "open", "-n", want, "DBSIZE"); !strings.HasSuffix(n, "1") { // for a second
				t.Errorf("%s: database %s holds %s", address, want, n)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "wrong@")) {
			t.Errorf("%s: the error tells the password: %v", address, err)
		}
	}
	for _, address := range []string{"", "localhost:6379", "http://localhost", "redis://host/zero", "redis://host/-1", "redis://host/0?pool=9", "unix://", "redis:x", "redis://[::1"} {
		if err := limit.Ping(t.Context(), address); err == nil || !strings.Contains(err.Error(), "REDIS_URL") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
