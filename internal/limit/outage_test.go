package limit_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/fault"
	"turkey/internal/limit"
)

const (
	lostRedis   = "Redis does not answer"
	foundRedis  = "Redis is back"
	countsAlone = "each replica counts requests for itself"
	together    = "the replicas count requests together again"
)

// Redis dies and comes back, empty. Nobody gets an error.
func TestRedisIsKilledAndRestarted(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	b := setup(t, func(c *limit.Config) { c.RedisURL = r.url(); c.Login.Max = 3 })
	s := serve(t, b.Limits)
	connected := b.Redis()
	login := func(status int, remaining string) {
		t.Helper()
		res := s.ask("POST", "/v1/auth/login?with=fault", "192.0.2.1")
		if res.status != status || res.header.Get("RateLimit-Remaining") != remaining {
			t.Errorf("%d, %q remaining; want %d, %s", res.status, res.header.Get("RateLimit-Remaining"), status, remaining)
		}
	}
	rows := func() (n int) {
		t.Helper()
		if err := b.db.In(db.System()).QueryRow(t.Context(), `SELECT count(*) FROM limit_windows`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	login(401, "2")
	login(401, "1")
	attempt := b.let("shop", "ada@example.org", "192.0.2.1")
	if !connected() || rows() != 0 {
		t.Fatalf("Redis is connected: %t, and PostgreSQL holds %d windows", connected(), rows())
	}

	r.kill()
	login(401, "2") // counted anew in PostgreSQL
	if connected() || rows() != 1 {
		t.Errorf("Redis is connected: %t, and PostgreSQL holds %d windows", connected(), rows())
	}
	login(401, "1")
	login(401, "0")
	login(429, "0")
	if err := attempt.Failed(t.Context()); err != nil { // begun in Redis
		t.Error(err)
	}
	for range 4 {
		b.fail("shop", "ada@example.org", "192.0.2.1")
	}
	b.refused("shop", "ada@example.org", "192.0.2.1", "account_locked", 5*time.Minute)
	b.Merge(t.Context())
	time.Sleep(1200 * time.Millisecond) // several probes
	if n := b.log.count(lostRedis); n != 1 || b.log.count(countsAlone) != 0 {
		t.Errorf("the incident is %d lines", n)
	}

	r.start()
	eventually(t, connected, "Redis is not found again")
	login(401, "2")
	a := b.let("shop", "ada@example.org", "192.0.2.1")
	a.Done(t.Context())
	if b.log.count(lostRedis) != 1 || b.log.count(foundRedis) != 1 {
		t.Error("the end of the incident is not one line")
	}
	r.kill()
	login(429, "0") // PostgreSQL remembers
	r.start()
	eventually(t, connected, "Redis is not found again")
	if b.log.count(lostRedis) != 2 || b.log.count(foundRedis) != 2 {
		t.Error("the second incident is not one line at either end")
	}
}

func TestRedisThatIsAwayAtTheStart(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	r.kill()
	b := setup(t, func(c *limit.Config) { c.RedisURL = r.url() })
	if within, err := b.Quota(t.Context(), "x", 1, time.Hour); err != nil || !within {
		t.Errorf("%t, %v", within, err)
	}
	r.start()
	eventually(t, b.Redis(), "Redis is not found")
}

func TestABadRedisURLIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	_, err := limit.New(t.Context(), limit.Config{DB: dbtest.New(t), Key: key, RedisURL: "http://:hunter2@localhost"})
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "REDIS_URL") {
		t.Error(err)
	}
}

// PostgreSQL dies: what must be exact says 503, what is counted in the process goes on.
func TestPostgreSQLIsKilled(t *testing.T) {
	t.Parallel()
	pg := dbtest.Private(t)
	url := dbtest.At(pg, "postgres", "postgres")
	if _, err := db.Migrate(t.Context(), db.MigrateConfig{URL: url}); err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(t.Context(), db.Config{URL: url, MaxConns: 4, ConnectTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	r, log := startRedis(t), &lines{}
	clk := newClock()
	cfg := limit.Config{DB: d, Key: key, Now: clk.Now, Log: slog.New(slog.NewTextHandler(log, nil)), General: limit.Rule{Max: 5}}
	plain := open(t, cfg)
	cfg.RedisURL = r.url()
	redis := open(t, cfg)
	attempt, err := plain.Lockout().Begin(t.Context(), "shop", "ada@example.org", "192.0.2.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	plain.Hit("192.0.2.1")
	plain.Merge(t.Context())

	if err := pg.Stop(); err != nil {
		t.Fatal(err)
	}
	s := serve(t, plain)
	for range 2 {
		if res := s.ask("GET", "/v1/users/me", "192.0.2.1"); res.status != 200 {
			t.Errorf("general: %d", res.status)
		}
		res := s.ask("POST", "/v1/auth/login", "192.0.2.1")
		if res.status != 503 || res.header.Get("Retry-After") == "" {
			t.Errorf("login: %d %s", res.status, res.body)
		}
		plain.Merge(t.Context())
	}
	if res := s.ask("GET", "/v1/users/me", "192.0.2.1"); res.status != 429 {
		t.Errorf("the process forgot what it counted: %d", res.status)
	}
	if n := log.count(countsAlone); n != 1 {
		t.Errorf("the incident is %d lines", n)
	}
	_, quota := plain.Quota(t.Context(), "x", 1, time.Hour)
	_, begin := plain.Lockout().Begin(t.Context(), "shop", "ada@example.org", "192.0.2.1", nil)
	_, purge := plain.Purge(t.Context(), 10)
	for name, err := range map[string]error{"quota": quota, "begin": begin, "purge": purge, "failed": attempt.Failed(t.Context()),
		"clear": plain.Lockout().Clear(t.Context(), "shop", "ada@example.org")} {
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if f := faultOf(t, err); f.Kind != fault.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	if within, err := redis.Quota(t.Context(), "x", 1, time.Hour); err != nil || !within {
		t.Errorf("with Redis: %t, %v", within, err)
	}
	r.kill() // now there is nothing left
	if _, err := redis.Quota(t.Context(), "x", 1, time.Hour); err == nil || faultOf(t, err).Kind != fault.Unavailable {
		t.Errorf("without either: %v", err)
	}
	if !redis.Hit("192.0.2.9") {
		t.Error("without either nothing is let through")
	}
}

// The store comes back, and with it what was counted meanwhile.
func TestCountsSurviveAnIncident(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	pg := dbtest.Private(t)
	url := dbtest.At(pg, "postgres", "postgres")
	if _, err := db.Migrate(t.Context(), db.MigrateConfig{URL: url}); err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(t.Context(), db.Config{URL: url, MaxConns: 4, ConnectTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	clk, log := newClock(), &lines{}
	b := &bundle{t: t, clock: clk, db: d, log: log}
	if err := pg.Stop(); err != nil {
		t.Fatal(err)
	}
	r.kill()
	all := replicas(b, 2, limit.Rule{Window: time.Hour, Max: 10}, func(c *limit.Config) { c.RedisURL = r.url() })
	hits(all[0], "192.0.2.1", 10)
	all[0].Merge(t.Context())
	all[0].Merge(t.Context())
	if log.count(countsAlone) != 1 {
		t.Error("the incident is not one line")
	}
	r.start()
	eventually(t, func() bool { return all[0].Redis()() && all[1].Redis()() }, "Redis is not found")
	all[0].Merge(t.Context())
	if log.count(together) != 1 {
		t.Error("nor is its end")
	}
	all[1].Hit("192.0.2.1")
	all[1].Merge(t.Context())
	if all[1].Hit("192.0.2.1") {
		t.Error("what was counted in the incident is lost")
	}
}
