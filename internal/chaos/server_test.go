package chaos_test

import (
	"math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// TestKilledServersLoseNothingThatWasAcknowledged kills the server at random moments while people work with it.
func TestKilledServersLoseNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", *seed)
	chance := rand.New(rand.NewPCG(*seed, 1))
	w := newWorld(t)
	w.env = append(w.env, "PORT="+port(t))
	base := "http://localhost:" + w.env[len(w.env)-1][len("PORT="):]
	p := start(t, w.env, "serve")
	p.healthy(base)
	c := newCrowd(t, base, 4, *seed)
	for range *kills {
		time.Sleep(time.Duration(20+chance.IntN(400)) * time.Millisecond)
		p.stop(syscall.SIGKILL)
		p = start(t, w.env, "serve")
		p.healthy(base)
	}
	told, silent, wrong := c.ends()
	w.leftovers()
	t.Logf("%d kills: %d answers, %d requests without one, %d differences", *kills, told, silent, len(wrong))
	if told < int64(10**kills) {
		t.Errorf("only %d requests were answered", told)
	}
	w.reportServer(*kills, told, silent, len(wrong))
}

func port(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(freeAddress(t))
	must(t, err)
	return port
}

// answers is the status of a request, 0 without an answer.
func answers(url string) int {
	c := http.Client{Timeout: 30 * time.Second}
	resp, err := c.Get(url)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close() // only the status counts
	return resp.StatusCode
}
