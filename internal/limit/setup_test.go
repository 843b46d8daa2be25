package limit_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/fault"
	"turkey/internal/limit"
	"turkey/internal/server"
)

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().Truncate(time.Millisecond)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bundle is the limits of one replica, on a clock of its own.
type bundle struct {
	*limit.Limits
	t     testing.TB
	clock *clock
	log   *lines
	db    *db.DB
}

// key is that of the keyed hashes.
var key = []byte("0123456789abcdef0123456789abcdef")

// setup makes limits on a fresh database; change adapts the Config. Nothing is merged unless the test does it.
func setup(t testing.TB, change func(*limit.Config)) *bundle {
	t.Helper()
	b := &bundle{t: t, clock: newClock(), log: &lines{}, db: dbtest.New(t)}
	cfg := limit.Config{DB: b.db, Key: key, Now: b.clock.Now, Log: slog.New(slog.NewTextHandler(b.log, nil))}
	if change != nil {
		change(&cfg)
	}
	b.Limits = open(t, cfg)
	return b
}

func open(t testing.TB, cfg limit.Config) *limit.Limits {
	t.Helper()
	l, err := limit.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := l.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return l
}

// inBoth runs a test on PostgreSQL and on Redis.
func inBoth(t *testing.T, test func(t *testing.T, store func(*limit.Config))) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, func(*limit.Config) {})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		r := startRedis(t)
		test(t, func(c *limit.Config) { c.RedisURL = r.url() })
	})
}

// lines collects a log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), s)
}

// redisServer is a real one, on a unix socket.
type redisServer struct {
	t   testing.TB
	dir string
	cmd *exec.Cmd
}

func startRedis(t testing.TB) *redisServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "redistest") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	r := &redisServer{t: t, dir: dir}
	t.Cleanup(func() {
		r.kill()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	r.start()
	return r
}

func (r *redisServer) socket() string { return filepath.Join(r.dir, "s") }

func (r *redisServer) url() string { return "unix://" + r.socket() }

func (r *redisServer) start() {
	r.t.Helper()
	program := ""
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		r.t.Fatal("this test needs a Redis: run sh scripts/setup.sh, or install redis-server or valkey-server")
	}
	r.cmd = exec.Command(program, "--port", "0", "--unixsocket", r.socket(), "--save", "", "--appendonly", "no", "--dir", r.dir)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, func() bool {
		c, err := net.Dial("unix", r.socket())
		if err != nil {
			return false
		}
		return c.Close() == nil
	}, "redis-server does not start")
}

func (r *redisServer) kill() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	r.cmd = nil
	_ = os.Remove(r.socket())
}

func eventually(t testing.TB, ok func() bool, otherwise string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}

// faultOf fails unless err is a fault.
func faultOf(t testing.TB, err error) *fault.Error {
	t.Helper()
	f, ok := fault.From(err)
	if !ok {
		t.Fatalf("not a fault: %v", err)
	}
	return f
}

// site is a real server with the layer and operations that answer as they are told by the query.
type site struct {
	t    testing.TB
	http *httptest.Server
}

func serve(t testing.TB, l *limit.Limits) *site {
	t.Helper()
	proxies, err := server.ParseTrustProxy("true")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Config{Ping: func(context.Context) error { return nil }, TrustProxy: proxies, Log: slog.New(slog.DiscardHandler)})
	s.Use(l.Layer(s.WriteError))
	for _, operation := range []string{"POST /v1/auth/login", "POST /v1/auth/revoke", "POST /v1/auth/refresh", "POST /v1/auth/register",
		"POST /v1/auth/reset-password", "POST /v1/auth/verify-email", "POST /v1/auth/revocation-check", "POST /auth/verify-email",
		"GET /v1/users/me", "GET /v1/users/admin-only", "GET /api/credentials/list"} {
		s.Handle(operation, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Query().Get("with") {
			case "panic":
				panic("boom")
			case "wait":
				time.Sleep(100 * time.Millisecond)
			case "fault":
				s.WriteError(w, r, fault.New(fault.Unauthenticated, "invalid_credentials", "Invalid email or password"))
			}
		}))
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(h.Close)
	return &site{t, h}
}

// reply is an answer that has been read.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request from an address; it is safe for use by many goroutines.
func (s *site) ask(method, path, ip string, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequest(method, s.http.URL+path, nil)
	if err != nil {
		s.t.Error(err)
		return reply{}
	}
	req.Header.Set("X-Forwarded-For", ip)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.http.Client().Do(req)
	if err != nil {
		s.t.Error(err)
		return reply{}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Error(err)
	}
	return reply{res.StatusCode, res.Header, string(body)}
}
