package cluster_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestRedisGoesAway under load, once dead and once hanging: limits go on in PostgreSQL, no request fails because of it, and when
// Redis is back it counts again.
func TestRedisGoesAway(t *testing.T) {
	pg := newPostgres(t)
	name := "redis-server"
	if _, err := os.Stat("/usr/bin/valkey-server"); err == nil {
		name = "valkey-server"
	}
	port := freePort(t)
	launch := func() *process {
		p := start(t, nil, nil, needs(t, name), "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
		eventually(t, "Redis answers", func() bool {
			p.alive()
			c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		})
		return p
	}
	redis := launch()
	env := settings(t, url(pg), "REDIS_URL=redis://127.0.0.1:"+port, "RATE_LIMIT_MAX_REQUESTS=1000000", "LOGIN_RATE_LIMIT_MAX_ATTEMPTS=1000000", "REFRESH_RATE_LIMIT_MAX_ATTEMPTS=1000000",
		"TRUST_PROXY=127.0.0.1", "REGISTER_RATE_LIMIT_MAX_ATTEMPTS=40")
	a, b := serve(t, env), serve(t, env)
	counts := func(s *server) bool { return s.call("GET", "/api/health", "", nil).at("redis", "connected") == true }
	if !counts(a) || !counts(b) {
		t.Fatal("Redis is not connected")
	}
	var people []*person
	for i := range 10 {
		people = append(people, newPerson([]*server{a, b}[i%2].caller))
	}
	l := drive(t, people, 5*time.Millisecond)
	// Logins ask the exact limits and the lockout, which live in Redis.
	var logins, refused atomic.Int64
	halt := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-halt:
				return
			default:
			}
			p := people[i%len(people)]
			ans, err := p.c.try("POST", "/v1/auth/login", "", object{"email": p.email, "password": password, "appId": app})
			if err != nil || ans.status != 200 {
				refused.Add(1)
				t.Errorf("login: %d %.200s %v", ans.status, ans.raw, err)
			}
			logins.Add(1)
		}
	}()
	working := func(what string) {
		t.Helper()
		before, signed := l.requests(), logins.Load()
		eventually(t, what, func() bool { return l.requests() > before+300 && logins.Load() > signed+10 })
	}
	working("with Redis")
	redis.stop(syscall.SIGKILL)
	working("without Redis")
	if counts(a) || counts(b) {
		t.Error("a dead Redis is said to be connected")
	}
	// Limits are still those of both servers together.
	passed := 0
	for i := range 60 {
		s := []*server{a, b}[i%2]
		if s.call("POST", "/v1/auth/register", "", object{}, "X-Forwarded-For", "203.0.113.7").status == 400 {
			passed++
		}
	}
	if passed != 40 {
		t.Errorf("%d passed a limit of 40 without Redis", passed)
	}
	redis = launch()
	died := time.Now()
	eventually(t, "Redis counts again", func() bool { return counts(a) && counts(b) })
	t.Logf("Redis counts again %s after its start", time.Since(died).Round(time.Millisecond))
	working("with Redis again")
	must(t, redis.cmd.Process.Signal(syscall.SIGSTOP)) // it takes connections and says nothing
	working("with a Redis that hangs")
	must(t, redis.cmd.Process.Signal(syscall.SIGCONT))
	eventually(t, "Redis counts again", func() bool { return counts(a) && counts(b) })
	working("after all")
	close(halt)
	<-done
	l.stop()
	l.none(nil)
	l.kept(a.caller)
	t.Logf("%d requests and %d logins, none failed", l.requests(), logins.Load())
	l.report()
	for _, s := range []*server{a, b} {
		if log := s.log.String(); strings.Contains(log, `"level":"ERROR"`) || !strings.Contains(log, "Redis does not answer") {
			t.Errorf("the log of %s:\n%s", filepath.Base(s.base), s.log.tail())
		}
	}
}
