package cli_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/dbtest"
	"turkey/internal/db/pgdev"
)

// startLines are what the guide shows of a start, in its order.
var startLines = []string{"Database connection established", "Database schema initialized", "Queue initialized", "Worker started",
	"Server running at http://localhost:", "API endpoints"}

func checkStart(t *testing.T, log string) {
	t.Helper()
	rest := log
	for _, line := range startLines {
		_, after, found := strings.Cut(rest, line)
		if !found {
			t.Errorf("no %q in its place in:\n%s", line, log)
			return
		}
		rest = after
	}
	for _, endpoint := range []string{"/v1/auth/login", "/api/credentials/save", "/api/v1/sync/ga4", "/health"} {
		if !strings.Contains(rest, endpoint) {
			t.Errorf("%s is not announced", endpoint)
		}
	}
}

// TestDemoServerKeepsItsData goes through a machine's life: first start, Ctrl-C, SIGTERM, kill -9, and a start after each.
func TestDemoServerKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	env := []string{"TURKEY_DATA_DIR=" + dir}
	start := func() *server {
		t.Helper()
		s := serve(t, env, "serve", "--demo")
		checkStart(t, s.log.String())
		return s
	}
	ends := func(s *server, sig syscall.Signal) {
		t.Helper()
		if code := s.stop(sig); code != 0 {
			t.Errorf("exit %d after %s", code, sig)
		}
		if left := postgresIn(t, dir); len(left) > 0 {
			t.Errorf("after %s there is still %q", sig, left)
		}
	}

	s := start()
	if a := s.call("GET", "/health", "", nil).want(t, 200, ""); len(a.body) != 4 || a.at("status") != "healthy" || a.at("database") != "connected" ||
		!regexp.MustCompile(`^0d 0h \d+m$`).MatchString(a.at("uptime").(string)) || a.at("version") == "" {
		t.Errorf("health is not the guide's: %s", a.raw)
	}
	if !strings.Contains(s.log.String(), "demo@turkey.local") {
		t.Error("the log does not say how to log in")
	}
	_, err := s.in("shop").Register(t.Context(), "first@example.com", password)
	must(t, err)
	g := s.google()
	g.edit("Google", "A1", "kept")
	jwks := s.call("GET", "/.well-known/jwks.json", "", nil).raw
	ends(s, syscall.SIGINT)

	finds := func(s *server, emails ...string) {
		t.Helper()
		if _, err := s.in("demo").Login(t.Context(), "demo@turkey.local", "Demo-Turkey-1"); err != nil {
			t.Errorf("the demo user: %v", err)
		}
		for _, email := range emails {
			if _, err := s.in("shop").Login(t.Context(), email, password); err != nil {
				t.Errorf("%s is lost: %v", email, err)
			}
		}
		g.url = s.sandbox
		if cells := g.tab("Google"); len(cells) != 1 || cells[0][0] != "kept" {
			t.Errorf("the sandbox's sheet holds %v", cells)
		}
		if now := s.call("GET", "/.well-known/jwks.json", "", nil).raw; now != jwks {
			t.Errorf("the keys changed from %s to %s", jwks, now)
		}
	}
	s = start()
	finds(s, "first@example.com")
	ends(s, syscall.SIGTERM)

	s = start()
	killed := registrations(t, s)
	next := start()
	finds(next, append(killed, "first@example.com")...)
	masters := 0
	for _, p := range postgresIn(t, dir) {
		if strings.Contains(p, "-D ") {
			masters++
		}
	}
	if masters != 1 {
		t.Errorf("%d PostgreSQL servers in the data directory", masters)
	}
	ends(next, syscall.SIGTERM)
}

// registrations kills the server while people register, and returns those who were told that they are.
func registrations(t *testing.T, s *server) (acknowledged []string) {
	t.Helper()
	enough := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	for w := range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				email := fmt.Sprintf("killed-%d-%d@example.com", w, i)
				if _, err := s.in("shop").Register(t.Context(), email, password); err != nil {
					return // the server is gone
				}
				mu.Lock()
				acknowledged = append(acknowledged, email)
				if len(acknowledged) == 4 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(patience):
		t.Error("nobody could register")
	}
	s.stop(syscall.SIGKILL)
	wg.Wait()
	return acknowledged
}

// TestThreeServersStartOnOneEmptyDatabase starts them at the same moment, on a cluster where not even the roles exist.
func TestThreeServersStartOnOneEmptyDatabase(t *testing.T) {
	t.Parallel()
	database := dbtest.At(dbtest.Private(t), "postgres", "postgres")
	var servers []*server
	for range 3 {
		servers = append(servers, launch(t, []string{"DATABASE_URL=" + database, "JWT_SECRET=" + strings.Repeat("s", 32),
			"ENCRYPTION_KEY_SALT=" + strings.Repeat("e", 32), "JWT_ISSUER=https://auth.example.com"}, "serve"))
	}
	for _, s := range servers {
		s.await()
		checkStart(t, s.log.String())
	}
	jwks := servers[0].call("GET", "/.well-known/jwks.json", "", nil).want(t, 200, "")
	if keys, _ := jwks.at("keys").([]any); len(keys) != 1 {
		t.Errorf("not one signing key: %s", jwks.raw)
	}
	u := servers[0].user("shop")
	for _, s := range servers {
		if other := s.call("GET", "/.well-known/jwks.json", "", nil).raw; other != jwks.raw {
			t.Errorf("key sets differ: %s and %s", jwks.raw, other)
		}
		s.call("GET", "/v1/users/me", bearer(u), nil).want(t, 200, "")
		s.call("GET", "/api/credentials/list", bearer(u), nil).want(t, 200, "")
		elsewhere := s.in("shop").Resume(u.Tokens())
		must(t, elsewhere.Refresh(t.Context()))
		u = elsewhere
	}
	for _, q := range []struct{ what, sql string }{
		{"migration", `SELECT count(*) - count(DISTINCT version_id) FROM goose_db_version`},
		{"migration of the queue", `SELECT count(*) - count(DISTINCT version) FROM river.river_migration`},
		{"signing key", `SELECT count(*) - 1 FROM keys`},
		{"vault root", `SELECT count(*) - 1 FROM vault_roots`},
	} {
		var extra int
		must(t, query(t, database, q.sql).Scan(&extra))
		if extra != 0 {
			t.Errorf("%d times more than one %s", extra, q.what)
		}
	}
	for _, s := range servers {
		if code := s.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit %d", code)
		}
	}
}

// TestStartWaitsForAMigration that takes longer than the few seconds a start waits for PostgreSQL itself.
func TestStartWaitsForAMigration(t *testing.T) {
	t.Parallel()
	database := dbtest.Empty(t)
	conn, err := pgx.Connect(t.Context(), database)
	must(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `SELECT pg_advisory_lock(7205759403792794)`) // db.migrateLock
	must(t, err)
	s := launch(t, []string{"DATABASE_URL=" + database}, "serve")
	select {
	case <-s.exited:
		t.Fatalf("the server gave up:\n%s", s.log)
	case <-time.After(5 * time.Second):
	}
	_, err = conn.Exec(t.Context(), `SELECT pg_advisory_unlock(7205759403792794)`)
	must(t, err)
	s.await()
}

func TestRequestInFlightFinishesAfterSIGTERM(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	id, err := u.SaveCredential(t.Context(), g.sheets())
	must(t, err)
	g.fault("/oauth2", map[string]any{"delayMs": 1500})
	verified := make(chan answer, 1)
	go func() { verified <- s.call("POST", fmt.Sprintf("/api/credentials/%d/verify", id), bearer(u), nil) }()
	eventually(t, "the call reaches the provider", func() bool { return !pending(t, s.sandbox) })

	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	eventually(t, "new connections are refused", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	select {
	case a := <-verified:
		t.Fatalf("the call was over before the drain: %s", a.raw)
	default:
	}
	if a := (<-verified).want(t, 200, ""); a.at("connectedAs") != g.email {
		t.Errorf("verified as %s", a.raw)
	}
	if code := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// pending reports whether the sandbox has a fault that nobody has run into.
func pending(t *testing.T, sandbox string) bool {
	t.Helper()
	resp, err := http.Get(sandbox + "/")
	must(t, err)
	defer resp.Body.Close()
	text := make([]byte, 1<<16)
	n, _ := resp.Body.Read(text)
	return !strings.Contains(string(text[:n]), "Failures to come (0)")
}

// TestBadStart: one clear line that says what is wrong and how to mend it, and nothing that must not be known.
func TestBadStart(t *testing.T) {
	t.Parallel()
	database := dbtest.URL(t)
	const dbPassword = "canary-database-password"
	elsewhere := func(change func(*url.URL)) string {
		u, err := url.Parse(database)
		must(t, err)
		change(u)
		return "DATABASE_URL=" + u.String()
	}

	// A database that was used with other secrets.
	used := []string{"JWT_SECRET=" + strings.Repeat("one", 12), "ENCRYPTION_KEY_SALT=" + strings.Repeat("two", 12)}
	first := serve(t, append(used, "DATABASE_URL="+database), "serve")
	first.stop(syscall.SIGTERM)

	busy, err := net.Listen("tcp", "localhost:0")
	must(t, err)
	defer busy.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, closed.Close())

	weak := "turkeytest_weak_" + freePort(t)
	execute(t, database, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", weak, dbPassword))
	t.Cleanup(func() { execute(t, database, "DROP OWNED BY "+weak+"; DROP ROLE "+weak) })
	port := func(l net.Listener) string { return strings.TrimPrefix(l.Addr().String(), "127.0.0.1:") }
	secrets := []string{"JWT_SECRET=" + strings.Repeat("s", 32), "ENCRYPTION_KEY_SALT=" + strings.Repeat("e", 32)}

	// t.Context ends before the parallel subtests do, so they run as a group.
	t.Run("", func(t *testing.T) {
		for _, c := range []struct {
			name string
			env  []string
			want []string // what the message names
		}{
			{"PostgreSQL does not run", []string{"DATABASE_URL=postgresql://ada:" + dbPassword + "@127.0.0.1:" + port(closed) + "/turkey"},
				[]string{"cannot reach PostgreSQL at 127.0.0.1:" + port(closed), "DATABASE_URL", "is it running"}},
			{"PostgreSQL does not answer", []string{"DATABASE_URL=postgresql://ada:" + dbPassword + "@127.0.0.1:" + port(silent) + "/turkey?sslmode=disable"},
				[]string{"cannot reach PostgreSQL at 127.0.0.1:" + port(silent), "DATABASE_URL"}},
			{"DB_HOST is wrong", []string{"DB_HOST=127.0.0.1", "DB_PORT=" + port(closed), "DB_PASSWORD=" + dbPassword},
				[]string{"cannot reach PostgreSQL", "DB_HOST"}},
			{"no such database", []string{elsewhere(func(u *url.URL) { u.Path = "/nowhere" })}, []string{`no database "nowhere"`, "createdb nowhere"}},
			{"DATABASE_URL is no URL", []string{"DATABASE_URL=postgresql://ada:" + dbPassword + "@:x:/"}, []string{"DATABASE_URL", "expected postgresql://"}},
			{"the login's privileges cannot be dropped", []string{elsewhere(func(u *url.URL) { u.User = url.UserPassword(weak, dbPassword) })},
				[]string{weak, "GRANT turkey_app", "privileges cannot be dropped", "DATABASE_ADMIN_URL"}},
			{"the port is taken", []string{"PORT=" + port(busy)}, []string{"port " + port(busy) + " is taken", "PORT"}},
			{"the port is no number", []string{"PORT=http"}, []string{"PORT", "whole number"}},
			{"the data directory is in a file", []string{"TURKEY_DATA_DIR=/dev/null/x"}, []string{"/dev/null/x", "TURKEY_DATA_DIR"}},
			{"the log file is in a file", []string{"LOG_FILE=/dev/null/x/app.log"}, []string{"LOG_FILE"}},
			{"another JWT_SECRET than the database's", []string{"DATABASE_URL=" + database, secrets[0], used[1]}, []string{"JWT_SECRET"}},
			{"another ENCRYPTION_KEY_SALT than the database's", []string{"DATABASE_URL=" + database, used[0], secrets[1]}, []string{"ENCRYPTION_KEY_SALT", "old value"}},
			{"a short JWT_SECRET", []string{"JWT_SECRET=canary-short"}, []string{"JWT_SECRET", "32 characters"}},
			{"production without TLS to the database", append(secrets, "NODE_ENV=production", "DATABASE_URL=postgresql://ada:"+dbPassword+"@db.example.com/turkey"),
				[]string{"DATABASE_URL", "TLS", "sslmode=require"}},
			{"production without JWT_SECRET", []string{"NODE_ENV=production", "DATABASE_URL=" + database}, []string{"JWT_SECRET: required in production"}},
			{"production without a database", append(secrets, "NODE_ENV=production"), []string{"DATABASE_URL: required in production"}},
			{"production with roles for all", append(secrets, "NODE_ENV=production", "DATABASE_URL="+database, "ALLOW_ROLE_ON_REGISTER=true"),
				[]string{"ALLOW_ROLE_ON_REGISTER"}},
			{"production with fake providers", append(secrets, "NODE_ENV=production", "DATABASE_URL="+database, "TURKEY_SANDBOX=true"), []string{"TURKEY_SANDBOX"}},
			{"production with a salt that the world knows", []string{secrets[0], "NODE_ENV=production", "DATABASE_URL=" + database,
				"ENCRYPTION_KEY_SALT=your-random-salt-change-in-production"}, []string{"ENCRYPTION_KEY_SALT", "publicly known"}},
			{"many problems", []string{"NODE_ENV=production", "LOG_LEVEL=loud", "LOG_FORMAT=xml", "JWT_ALGORITHM=HS256", "REFRESH_GRACE=10m", "DB_POOL_MAX=1"},
				[]string{"LOG_LEVEL", "LOG_FORMAT", "JWT_ALGORITHM", "REFRESH_GRACE", "DB_POOL_MAX", "JWT_SECRET", "DATABASE_URL"}},
			{"many values of the wrong form", []string{"PORT=x", "DB_POOL_MAX=many", "SHUTDOWN_TIMEOUT=10s", "JWT_ACCESS_EXPIRES_IN=soon", "LOG_CONSOLE=perhaps"},
				[]string{"PORT", "DB_POOL_MAX", "SHUTDOWN_TIMEOUT", "JWT_ACCESS_EXPIRES_IN", "LOG_CONSOLE"}},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				env := append([]string{"PORT=" + freePort(t), "TURKEY_DATA_DIR=" + dataDir(t)}, c.env...)
				o := run(t, env, "serve")
				if o.code != 1 || o.took > 10*time.Second {
					t.Errorf("exit %d after %s", o.code, o.took)
				}
				if strings.Count(o.err, "Error:") != 1 || !strings.HasPrefix(o.err, "Error: ") {
					t.Errorf("not one message: %q", o.err)
				}
				for _, want := range c.want {
					if !strings.Contains(o.err, want) {
						t.Errorf("the message does not say %q: %s", want, o.err)
					}
				}
				for _, e := range env { // a value may be echoed when it is no secret
					name, value, _ := strings.Cut(e, "=")
					if (strings.Contains(name, "SECRET") || strings.Contains(name, "SALT") || strings.Contains(name, "PASSWORD")) && strings.Contains(o.out+o.err, value) {
						t.Errorf("the output holds %s: %s%s", name, o.out, o.err)
					}
				}
				if text := o.out + o.err; strings.Contains(text, dbPassword) || regexp.MustCompile(`goroutine \d|panic:|\.go:\d|SQLSTATE`).MatchString(text) {
					t.Errorf("the output holds what it must not: %s", text)
				}
			})
		}
	})
}

func TestDemoIsRefusedInProduction(t *testing.T) {
	t.Parallel()
	o := run(t, []string{"NODE_ENV=production", "DATABASE_URL=postgresql:///x?host=/tmp", "JWT_SECRET=" + strings.Repeat("s", 32)}, "serve", "--demo")
	if o.code != 1 || !strings.Contains(o.err, "not with NODE_ENV=production") {
		t.Errorf("exit %d: %s", o.code, o.err)
	}
}

func TestVaultIsOffWithoutItsSecretAndTheRestRuns(t *testing.T) {
	t.Parallel()
	s := serve(t, []string{"DATABASE_URL=" + dbtest.URL(t), "NODE_ENV=production", "ALLOW_INSECURE_DATABASE=true", "JWT_SECRET=" + strings.Repeat("s", 32)}, "serve")
	u, err := s.in("").Register(t.Context(), "ada@example.com", s.secret(password))
	must(t, err)
	if _, err := u.Me(t.Context()); err != nil {
		t.Error(err)
	}
	a := s.call("GET", "/api/credentials/list", bearer(u), nil).want(t, 503, "SERVICE_ERROR")
	if !strings.Contains(a.raw, "ENCRYPTION_KEY_SALT") {
		t.Errorf("the answer does not say why: %s", a.raw)
	}
	s.call("POST", "/api/v1/sync/ga4", bearer(u), nil).want(t, 503, "SERVICE_ERROR")
	s.call("GET", "/api/webhooks", bearer(u), nil).want(t, 503, "SERVICE_ERROR")
}

// TestServerSaysWhenItsPostgreSQLDied: without its database it ends, so that whoever watches it starts it anew.
func TestServerSaysWhenItsPostgreSQLDied(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, "serve", "--demo")
	pid, err := os.ReadFile(filepath.Join(s.dir, "postgres", "pg", "postmaster.pid"))
	must(t, err)
	var postmaster int
	_, err = fmt.Sscan(string(pid), &postmaster)
	must(t, err)
	must(t, syscall.Kill(postmaster, syscall.SIGKILL))
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Fatal("the server lives on")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(s.log.String(), "Error: the private PostgreSQL ended") {
		t.Errorf("exit %d: %s", code, s.log)
	}
}

// TestDatabaseOutageIsToldAndPasses: health tells the truth, requests answer 503 and not 401, and all recovers.
func TestDatabaseOutageIsToldAndPasses(t *testing.T) {
	t.Parallel()
	pg := dbtest.Private(t)
	s := serve(t, []string{"DATABASE_URL=" + dbtest.At(pg, "postgres", "postgres")}, "serve")
	u := s.user("shop")
	must(t, pg.Stop())

	if a := s.call("GET", "/health", "", nil); a.status != 503 || a.at("status") != "unhealthy" || a.at("database") != "disconnected" {
		t.Errorf("health lies: %d %s", a.status, a.raw)
	}
	if a := s.call("GET", "/api/health", "", nil); a.status != 503 || a.at("database", "connected") != false {
		t.Errorf("health lies: %d %s", a.status, a.raw)
	}
	s.call("GET", "/readyz", "", nil).want(t, 503, "")
	s.call("GET", "/livez", "", nil).want(t, 200, "")
	login := map[string]string{"email": "user-1@example.com", "password": password, "appId": "shop"}
	for _, a := range []answer{
		s.call("GET", "/v1/users/me", bearer(u), nil).want(t, 503, "service_unavailable"),
		s.call("GET", "/api/credentials/list", bearer(u), nil).want(t, 503, "DATABASE_ERROR"),
		s.call("POST", "/v1/auth/login", "", login).want(t, 503, "service_unavailable"),
		s.call("POST", "/v1/auth/refresh", "", map[string]string{"refreshToken": u.Tokens().RefreshToken, "appId": "shop"}).want(t, 503, "service_unavailable"),
	} {
		if a.header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %s", a.raw)
		}
	}
	s.call("GET", "/.well-known/jwks.json", "", nil).want(t, 200, "")

	again, err := pgdev.Start(t.Context(), pgdev.Config{DataDir: pg.DataDir, Volatile: true})
	must(t, err)
	t.Cleanup(func() { _ = again.Stop() })
	eventually(t, "health is back", func() bool { return s.call("GET", "/health", "", nil).status == 200 })
	must(t, u.Refresh(t.Context()))
	s.call("POST", "/v1/auth/login", "", login).want(t, 200, "")
	s.stop(syscall.SIGTERM)
}
