package cluster_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// dial opens so many connections at once.
func dial(t testing.TB, address string, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	var all sync.WaitGroup
	places := make(chan struct{}, 500)
	var failed atomic.Int64
	for i := range conns {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			c, err := net.DialTimeout("tcp", address, patience)
			if err != nil {
				failed.Add(1)
				t.Error(err)
				return
			}
			conns[i] = c
		})
	}
	all.Wait()
	if failed.Load() > 0 {
		t.FailNow()
	}
	t.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
	return conns
}

// closed waits until the server has closed all of them, and tells how long the last one took.
func closed(t testing.TB, conns []net.Conn) time.Duration {
	t.Helper()
	began := time.Now()
	var all sync.WaitGroup
	var open atomic.Int64
	for _, c := range conns {
		all.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
				open.Add(1)
			}
		})
	}
	all.Wait()
	if open.Load() > 0 {
		t.Errorf("%d connections are still open", open.Load())
	}
	return time.Since(began)
}

// TestFloods: clients that mean no good get nothing for it, honest ones are served meanwhile, and memory stays bounded.
func TestFloods(t *testing.T) {
	pg := newPostgres(t)
	s := serve(t, append(settings(t, url(pg)), "TRUST_PROXY=127.0.0.1", "RATE_LIMIT_MAX_REQUESTS=1000000"))
	p := newPerson(s.caller)
	address := "127.0.0.1:" + s.port
	served := func(t *testing.T, flood func()) {
		t.Helper()
		before := s.rss(false)
		stop := probes(t, s, p)
		flood()
		honest(t, stop(), 250*time.Millisecond, 2*time.Second)
		t.Logf("RSS %d MiB before, %d after, %d at most so far", before, s.rss(false), s.rss(true))
		if s.rss(true) > 256 {
			t.Errorf("RSS %d MiB", s.rss(true))
		}
	}

	t.Run("one header byte a second", func(t *testing.T) {
		served(t, func() {
			conns := dial(t, address, 800)
			began := time.Now()
			var over sync.WaitGroup
			over.Go(func() { closed(t, conns) })
			for i := range 15 {
				for _, c := range conns {
					_, _ = c.Write([]byte("GET /v1/users/me HTTP/1.1\r\nX: y")[i : i+1]) // cut off at some point
				}
				time.Sleep(time.Second)
			}
			over.Wait()
			t.Logf("800 connections were cut off within %s", time.Since(began).Round(time.Second))
		})
	})
	t.Run("5,000 connections", func(t *testing.T) {
		served(t, func() {
			began := time.Now()
			conns := dial(t, address, 5000)
			t.Logf("5,000 connections after %s, RSS %d MiB", time.Since(began).Round(time.Millisecond), s.rss(false))
			t.Logf("closed %s later", closed(t, conns).Round(time.Second))
		})
	})
	t.Run("100,000 clients with junk for tokens", func(t *testing.T) {
		statements := pg.count(`SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()`)
		served(t, func() {
			var all sync.WaitGroup
			var n atomic.Int64
			began := time.Now()
			for range 8 {
				all.Go(func() {
					for i := n.Add(1); i <= 100_000; i = n.Add(1) {
						token := fmt.Sprintf("eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.%d.%064d", i, i)
						if i%3 == 0 {
							token = p.access[:len(p.access)-8] + fmt.Sprintf("%08d", i) // a signature of somebody's own
						}
						a, err := s.try("GET", "/v1/users/me", token, nil, "X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
						if err != nil || a.status != 401 {
							t.Errorf("%d %.100s %v", a.status, a.raw, err)
							return
						}
					}
				})
			}
			all.Wait()
			t.Logf("100,000 in %s", time.Since(began).Round(time.Millisecond))
		})
		spent := pg.count(`SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()`) - statements
		t.Logf("%d transactions of PostgreSQL meanwhile, those of honest probes included", spent)
		if spent > 20_000 {
			t.Errorf("%d transactions: junk is asked about", spent)
		}
	})
	t.Run("headers without end", func(t *testing.T) {
		served(t, func() {
			for range 50 {
				c := dial(t, address, 1)[0]
				go func() {
					_, _ = io.WriteString(c, "GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ") // the server hangs up in the middle
					for range 1 << 10 {
						if _, err := io.WriteString(c, strings.Repeat("a", 1<<10)); err != nil {
							return
						}
					}
				}()
				_ = c.SetReadDeadline(time.Now().Add(patience))
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err == nil {
					_ = resp.Body.Close()
					if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
						t.Errorf("%d", resp.StatusCode)
					}
				}
				_ = c.Close()
			}
		})
	})
	t.Run("garbage in a pipeline", func(t *testing.T) {
		served(t, func() {
			for i := range 200 {
				c := dial(t, address, 1)[0]
				_, err := fmt.Fprintf(c, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n%s\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("\x16\x03garbage ", i%40+1))
				must(t, err)
				_ = c.SetReadDeadline(time.Now().Add(patience))
				all, err := io.ReadAll(c)
				if answers := strings.Count(string(all), "HTTP/1.1 "); err != nil && !strings.Contains(err.Error(), "reset") || answers > 3 || !strings.HasPrefix(string(all), "HTTP/1.1 200") {
					t.Fatalf("%d answers, %v: %.300s", answers, err, all)
				}
				_ = c.Close()
			}
		})
	})
}
