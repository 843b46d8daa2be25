package chaos_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"turkey/internal/connector"
)

// TestAServerWhoseClockJumps sets the clock of one of two servers an hour ahead and behind, and back, while people work with both in
// turns and runs are collected by both. Who brings the one a token of the other may have to ask for a new one; besides that nobody
// notices, nothing is lost, and nobody's credential counts as broken.
func TestAServerWhoseClockJumps(t *testing.T) {
	t.Parallel()
	if !canShift {
		t.Skip("only a process on Linux and amd64 can be given a clock of its own")
	}
	w := newWorld(t)
	w.env = append(w.env, "JWT_ACCESS_EXPIRES_IN=30m")
	file := filepath.Join(t.TempDir(), "shift")
	setClock(t, file, 0)
	one, other := port(t), port(t)
	jumps := start(t, append(w.env, "PORT="+one, "CLOCK_SHIFT="+file), "serve")
	jumps.healthy("http://localhost:" + one)
	stands := start(t, append(w.env, "PORT="+other), "serve")
	stands.healthy("http://localhost:" + other)
	bases := []string{"http://localhost:" + one, "http://localhost:" + other}

	through := w.at(bases[1])
	for range 3 {
		p := w.join(through, connector.GA4)
		p.furnishes(connector.GA4)
	}
	c := newCrowd(t, bases[1], 3, 1, bases[0])
	eventually(t, "people work", func() bool { return c.told() > 60 })

	for n, by := range []time.Duration{time.Hour, 0, -time.Hour, 0, time.Hour, -time.Hour, 0} {
		for _, p := range w.people {
			p.corrects(connector.GA4, w.ago(2), n+1)
			p.asks(through, connector.GA4, 10, 1)
		}
		setClock(t, file, by)
		if got := serverTime(t, bases[0]); (got - by).Abs() > time.Minute {
			t.Fatalf("the server's clock is %s off instead of %s", got, by)
		}
		before := c.told()
		eventually(t, "people go on", func() bool { return c.told() > before+60 })
	}
	w.settles()
	told, _, _ := c.ends()
	renewed := 0
	for _, a := range c.all {
		renewed += a.renewed
	}
	t.Logf("%d answers, %d new tokens", told, renewed)
	if renewed == 0 {
		t.Error("no token of the other server was refused: the clocks agreed")
	}
	for _, d := range w.differences(connector.GA4) {
		t.Error(d)
	}
	if n := w.number(`SELECT count(*) FROM credentials WHERE health NOT IN ('ok', 'unchecked')`); n > 0 {
		t.Errorf("%d credentials count as broken: %s", n, w.dump(`SELECT service, health, health_reason, health_message FROM credentials`))
	}
	if n := w.number(`SELECT count(*) FROM kpi_runs WHERE status <> 'completed'`); n > 0 {
		t.Errorf("%d runs have failed: %s", n, w.dump(`SELECT status, attempt, error FROM kpi_runs WHERE status <> 'completed'`))
	}
	w.leftovers()
}

// serverTime is how far a server is ahead, by the Date of its answers.
func serverTime(t testing.TB, base string) time.Duration {
	t.Helper()
	resp, err := http.Get(base + "/livez")
	must(t, err)
	_ = resp.Body.Close() // only the header counts
	at, err := http.ParseTime(resp.Header.Get("Date"))
	must(t, err)
	return time.Until(at)
}
