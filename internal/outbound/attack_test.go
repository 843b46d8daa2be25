package outbound_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"turkey/internal/outbound"
)

// names answers every question for an A record with the addresses in turn, and is the process's resolver while the test runs.
func names(t *testing.T, addresses ...string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = old; conn.Close() })
	go func() {
		asked := 0
		for b := make([]byte, 512); ; {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			end := 12
			for b[end] != 0 {
				end += int(b[end]) + 1
			}
			question := b[12 : end+5]
			answer := append([]byte{b[0], b[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
			if kind := binary.BigEndian.Uint16(question[len(question)-4:]); kind == 1 && n > 12 {
				ip := netip.MustParseAddr(addresses[min(asked, len(addresses)-1)]).As4()
				asked++
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				answer = append(answer, ip[:]...)
			}
			_, _ = conn.WriteTo(answer, from)
		}
	}()
}

// inner is a server of the inside, which nobody is to be led to.
func inner(t *testing.T) (port string, hits *atomic.Int64) {
	t.Helper()
	hits = new(atomic.Int64)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(srv.Close)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, hits
}

// TestNoAddressLeadsInside: every spelling of an inner address, and names that lead there, are refused before a packet leaves.
func TestNoAddressLeadsInside(t *testing.T) { // not parallel: it replaces the resolver
	names(t, "127.0.0.1")
	port, hits := inner(t)
	client := outbound.Client(false)
	for _, host := range []string{
		"127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "localhost.", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]",
		"[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1%25lo]", "[fec0::1]", "[fd00:ec2::254]",
		// What other programs read as 127.0.0.1, and here is a name.
		"2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1", "0", "127.0.0.1.", "127.0.0.01", "0x7f.1", "127.0.0.1.nip.example", "inner.example",
		"169.254.169.254", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "100.100.100.200", "168.63.129.16", "192.0.0.192", "10.0.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1",
		"224.0.0.1", "255.255.255.255", "198.18.0.1", "203.0.113.1", "192.0.2.1", "240.0.0.1", "[ff02::1]", "[2001:db8::1]", "[100::1]",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+host+":"+port+"/", http.NoBody)
		if err == nil {
			var resp *http.Response
			if resp, err = client.Do(req); err == nil {
				resp.Body.Close()
			}
		}
		cancel()
		switch {
		case err == nil:
			t.Errorf("%s was called", host)
		case !errors.Is(err, outbound.ErrPrivate) && !strings.Contains(err.Error(), "invalid") && !strings.Contains(err.Error(), "no such host"): // Go reads no numbers as addresses
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the inner server was called %d times", n)
	}
}

// TestANameThatChangesItsAddress: whoever looked a name up and found it public has not checked the connection.
func TestANameThatChangesItsAddress(t *testing.T) { // not parallel: it replaces the resolver
	names(t, "142.250.185.74", "127.0.0.1")
	port, hits := inner(t)
	found, err := net.DefaultResolver.LookupNetIP(t.Context(), "ip4", "rebind.example")
	if err != nil || len(found) != 1 || !outbound.Public(found[0]) {
		t.Fatalf("%v %v", found, err)
	}
	for range 3 {
		resp, err := outbound.Client(false).Get("http://rebind.example:" + port + "/")
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, outbound.ErrPrivate) {
			t.Errorf("the second answer led inside: %v", err)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the inner server was called %d times", n)
	}
}

// TestNoRedirectAndNoProxyIsFollowed: the one who is called names nobody else.
func TestNoRedirectAndNoProxyIsFollowed(t *testing.T) {
	t.Parallel()
	port, hits := inner(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		public := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:"+port+"/latest/meta-data/", status)
		}))
		resp, err := outbound.Client(true).Post(public.URL, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		public.Close()
		if resp.StatusCode != status {
			t.Errorf("%d became %d", status, resp.StatusCode)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
	if outbound.Client(false).Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy of the environment would be dialled in place of the address")
	}
}

// otherWays are ways to call somebody that are not this package's.
var otherWays = regexp.MustCompile(`http\.(DefaultClient|DefaultTransport|Get|Post|PostForm|Head)\b|&?http\.(Client|Transport)\{|net\.Dial`)

// mayDial are files that call addresses which the operator names, or this machine's; nobody else's.
var mayDial = map[string]string{
	"internal/outbound/outbound.go": "this package",
	"internal/keyring/http.go":      "the key service",
	"internal/mail/mailgun.go":      "the mail service",
	"internal/mail/smtp.go":         "the mail server",
	"internal/cli/":                 "commands: the server on this machine, the sandbox, what is configured",
	"internal/trace/":               "the collector",
	"internal/db/":                  "PostgreSQL",
	"internal/sandbox/":             "fakes, which call nobody but who started them",
	"client/":                       "the SDK, in other programs",
	"bench/":                        "measures the server of this machine",
	"examples/":                     "programs of their own",
	"scripts/":                      "build tools",
	"deploy/":                       "build tools",
}

// TestThereIsOneWayOut: no other file of the program makes calls to addresses that others name.
func TestThereIsOneWayOut(t *testing.T) {
	t.Parallel()
	root := "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		for allowed := range mayDial {
			if name == allowed || strings.HasSuffix(allowed, "/") && strings.HasPrefix(name, allowed) {
				return nil
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if code, _, _ := strings.Cut(line, "//"); otherWays.MatchString(code) {
				t.Errorf("%s calls by a way of its own, which leads inside: %s", name, strings.TrimSpace(line))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
