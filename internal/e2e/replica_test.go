package e2e_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/db/pgdev"
)

// bound is how soon every replica's own routes must know of a revocation (issue 3).
const bound = time.Second

// follows waits until a replica answers by the feed: without a statement for the token.
func (s *replica) follows(t *testing.T) {
	t.Helper()
	eventually(t, "the replica listens", func() bool {
		return s.count(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'turkey-listen' AND datname = current_database()`) > 0
	})
}

// refusedWithin asks until the token is refused, and fails the test if that takes too long.
func (s *replica) refusedWithin(t *testing.T, what, access string, most time.Duration) {
	t.Helper()
	begin := time.Now()
	for {
		a := s.recognised(access)
		took := time.Since(begin)
		if a.status == 401 {
			if took > most {
				t.Errorf("%s: seen after %s", what, took)
			}
			return
		}
		if a.status != 200 && a.code() != "ACCESS_DENIED" || took > 10*most { // a deleted user is nobody to PostgreSQL before the feed tells
			t.Fatalf("%s: %d %s after %s", what, a.status, a.raw, took)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestRevocationsReachTheOtherReplica(t *testing.T) {
	t.Parallel()
	a := setup(t)
	b := a.again()
	for what, end := range map[string]func(u *user) answer{
		"logout":                 func(u *user) answer { return a.post("/v1/auth/logout", object{"refreshToken": u.refresh}) },
		"logout by access token": func(u *user) answer { return a.post("/v1/auth/logout", object{"refreshToken": u.access}) },
		"logout-all":             func(u *user) answer { return a.post("/v1/auth/logout-all", object{"refreshToken": u.more().refresh}) },
		"password change": func(u *user) answer {
			return a.call("POST", "/v1/users/change-password", u.more().access, object{"currentPassword": password, "newPassword": another})
		},
		"reset": func(u *user) answer {
			return a.post("/v1/auth/reset-password", object{"token": a.resetToken("shop", u.email), "newPassword": another})
		},
		"revoke the access token": func(u *user) answer { return a.post("/v1/auth/revoke", object{"token": u.access}) },
		"revoke the session":      func(u *user) answer { return a.post("/v1/auth/revoke", object{"token": u.refresh}) },
		"deletion":                func(u *user) answer { return a.call("DELETE", "/v1/users/me", u.access, nil) },
		"end the session": func(u *user) answer {
			return a.call("DELETE", "/v1/users/me/sessions/"+u.sid, u.more().access, nil)
		},
		"end the others": func(u *user) answer { return a.call("DELETE", "/v1/users/me/sessions", u.more().access, nil) },
		"reuse of a refresh token": func(u *user) answer {
			second := a.refresh("shop", u.refresh).text("data", "refreshToken")
			a.refresh("shop", second).want(t, 200, "")
			x := a.refresh("shop", u.refresh).want(t, 401, "invalid_grant")
			x.status = 200
			return x
		},
	} {
		u, bystander := a.user("shop"), a.user("shop")
		for _, s := range []*replica{a, b} {
			s.recognised(u.access).want(t, 200, "")
			s.me(u.access).want(t, 200, "")
		}
		end(u).want(t, 200, "")
		for _, s := range []*replica{a, b} { // introspection and /v1 at once
			if s.active(u.access) {
				t.Errorf("%s: introspected as active", what)
			}
			s.me(u.access).want(t, 401, "")
		}
		a.refusedWithin(t, what+" on the replica itself", u.access, bound)
		b.refusedWithin(t, what, u.access, bound)
		b.recognised(bystander.access).want(t, 200, "")
	}

	// They outlive a restart of both.
	u := a.user("shop")
	a.post("/v1/auth/revoke", object{"token": u.access}).want(t, 200, "")
	v := a.user("shop")
	a.post("/v1/auth/logout-all", object{"refreshToken": v.refresh}).want(t, 200, "")
	live := a.user("shop")
	a.halt()
	b.halt()
	c := a.again()
	for range 3 {
		for _, x := range []*user{u, v} {
			c.recognised(x.access).want(t, 401, "AUTH_FAILED")
			c.me(x.access).want(t, 401, "")
			if c.active(x.access) {
				t.Error("active after a restart")
			}
		}
		c.recognised(live.access).want(t, 200, "")
		c.follows(t)
	}
	c.refresh("shop", live.refresh).want(t, 200, "")
}

// TestAReplicaWithoutItsFeedAsksPostgreSQL: the connection that brings revocations is cut, again and again.
func TestAReplicaWithoutItsFeedAsksPostgreSQL(t *testing.T) {
	t.Parallel()
	a := setup(t)
	b := a.again()
	cut := func() {
		a.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'turkey-listen' AND datname = current_database()`)
	}
	for range 5 {
		a.follows(t)
		u, v := a.user("shop"), a.user("shop")
		b.recognised(u.access).want(t, 200, "")
		cut()
		a.post("/v1/auth/logout", object{"refreshToken": u.refresh}).want(t, 200, "")
		b.refusedWithin(t, "a logout without a feed", u.access, bound)
		b.recognised(v.access).want(t, 200, "")
	}
	a.follows(t)
	u := a.user("shop")
	a.post("/v1/auth/logout", object{"refreshToken": u.refresh}).want(t, 200, "")
	b.refusedWithin(t, "a logout after the feed was back", u.access, bound)

	// A replica that cannot listen at all (a pooler in the way, say) answers truly too.
	deaf := a.again(func(s *settings) { s.direct = "postgresql:///x?host=/nowhere" })
	u = a.user("shop")
	deaf.recognised(u.access).want(t, 200, "")
	a.post("/v1/auth/logout", object{"refreshToken": u.refresh}).want(t, 200, "")
	deaf.recognised(u.access).want(t, 401, "AUTH_FAILED")

	// And one whose feed is cut for good notices within the bound, not when the next answer is due.
	a.follows(t)
	u = a.user("shop")
	b.recognised(u.access).want(t, 200, "")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = a.sql.Exec(context.Background(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'turkey-listen' AND datname = current_database()`)
			}
		}
	}()
	time.Sleep(20 * time.Millisecond)
	a.post("/v1/auth/logout", object{"refreshToken": u.refresh}).want(t, 200, "")
	b.refusedWithin(t, "a logout while the feed is cut for good", u.access, bound)
	close(stop)
	<-done
}

// TestPostgreSQLStops: neither yes nor no while it is away, and everything as before when it is back.
func TestPostgreSQLStops(t *testing.T) {
	t.Parallel()
	pg := dbtest.Private(t)
	url := dbtest.At(pg, "postgres", "turkey")
	admin, err := pgxpool.New(t.Context(), dbtest.At(pg, "postgres", "postgres"))
	must(t, err)
	_, err = admin.Exec(t.Context(), `CREATE DATABASE turkey`)
	must(t, err)
	admin.Close()
	_, err = db.Migrate(t.Context(), db.MigrateConfig{URL: url})
	must(t, err)
	s := setup(t, on(url))
	u, out := s.user("shop"), s.user("shop")
	s.post("/v1/auth/logout", object{"refreshToken": out.refresh}).want(t, 200, "")
	s.recognised(u.access).want(t, 200, "")

	// A replica whose feed is cut for good, while PostgreSQL is there, must not go on by what it knew.
	s.exec(`CREATE ROLE listener LOGIN`)
	b := s.again(func(set *settings) { set.direct = dbtest.At(pg, "listener", "turkey") })
	deaf, live := s.user("shop"), s.user("shop")
	b.recognised(deaf.access).want(t, 200, "")
	eventually(t, "it listens", func() bool {
		return s.count(`SELECT count(*) FROM pg_stat_activity WHERE usename = 'listener' AND wait_event = 'ClientRead'`) > 0
	})
	s.exec(`ALTER ROLE listener NOLOGIN`)
	s.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'listener'`)
	s.post("/v1/auth/logout", object{"refreshToken": deaf.refresh}).want(t, 200, "")
	b.refusedWithin(t, "a logout while the feed is cut for good", deaf.access, bound)
	b.recognised(live.access).want(t, 200, "")
	b.halt()

	must(t, pg.Stop())
	s.broken.Store(true)

	gone := func(when string) {
		t.Helper()
		for _, r := range s.routes() {
			if !r.bearer {
				continue
			}
			var body any
			if r.method != "GET" && r.method != "DELETE" {
				body = "{}"
			}
			for _, token := range []string{u.access, out.access} {
				a := s.call(r.method, r.url, token, body)
				known := token == out.access && strings.HasPrefix(r.path, "/api/") && a.status == 401 // revoked is revoked
				early := strings.HasPrefix(r.path, "/api/") && (a.status == 400 || a.status == 404)   // nothing was asked of the database
				if a.status != 503 && !known && !early {
					t.Errorf("%s: %s %s: %d %s", when, r.method, r.path, a.status, a.raw)
				}
			}
		}
		for path, body := range map[string]object{"login": {"email": u.email, "password": password, "appId": "shop"}, "refresh": {"refreshToken": u.refresh, "appId": "shop"},
			"logout": {"refreshToken": u.refresh}, "logout-all": {"refreshToken": u.refresh}, "introspect": {"token": u.access}, "revoke": {"token": u.access},
			"revocation-check": {"jti": "at_" + strings.Repeat("0", 32)}, "register": {"email": "new@example.com", "password": password, "appId": "shop"},
			"request-password-reset": {"email": u.email, "appId": "shop"}, "resend-verification": {"email": u.email, "appId": "shop"},
			"verify-email": {"token": strings.Repeat("0", 64)}, "reset-password": {"token": strings.Repeat("0", 64), "newPassword": another}} {
			s.post("/v1/auth/"+path, body, keyed).want(t, 503, "service_unavailable")
		}
		s.me("junk").want(t, 401, "invalid_token") // that needs no database
		s.get("/livez", "").want(t, 200, "")
		s.get("/readyz", "").want(t, 503, "")
		if a := s.get("/health", "").want(t, 503, ""); a.text("status") != "unhealthy" || a.text("database") != "disconnected" {
			t.Errorf("health: %s", a.raw)
		}
		if a := s.get("/.well-known/jwks.json", "").want(t, 200, ""); a.at("keys", 0) == nil {
			t.Errorf("keys: %s", a.raw)
		}
	}
	gone("at once")
	time.Sleep(1500 * time.Millisecond) // longer than the feed may be silent
	gone("later")

	again, err := pgdev.Start(t.Context(), pgdev.Config{DataDir: filepath.Clean(pg.DataDir), Volatile: true})
	must(t, err)
	t.Cleanup(func() { _ = again.Stop() })
	if again.SocketDir != pg.SocketDir {
		t.Fatalf("it listens in %s, not in %s", again.SocketDir, pg.SocketDir)
	}
	eventually(t, "the server finds PostgreSQL again", func() bool { return s.get("/readyz", "").status == 200 && s.me(u.access).status == 200 })
	s.me(out.access).want(t, 401, "token_revoked")
	s.recognised(out.access).want(t, 401, "AUTH_FAILED")
	s.recognised(u.access).want(t, 200, "")
	next := s.refresh("shop", u.refresh).want(t, 200, "")
	s.sql.Reset()
	s.follows(t)
	s.post("/v1/auth/logout", object{"refreshToken": next.text("data", "refreshToken")}).want(t, 200, "")
	s.refusedWithin(t, "a logout after the outage", u.access, bound)
	s.halt() // before PostgreSQL
}
