package cluster_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bouncer is a PgBouncer in transaction mode before a PostgreSQL, with fewer sessions than its clients would like. Any database
// of the PostgreSQL can be reached.
func bouncer(t testing.TB, pg *postgres, sessions int) (address string) {
	t.Helper()
	as, dir := account(t)
	port := freePort(t)
	ini := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = trust
auth_file = %s/users
pool_mode = transaction
default_pool_size = %d
max_client_conn = 500
logfile =
`, pg.port, port, dir, sessions)
	for name, content := range map[string]string{"pgbouncer.ini": ini, "users": `"postgres" ""` + "\n"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	p := start(t, as, nil, needs(t, "pgbouncer"), filepath.Join(dir, "pgbouncer.ini"))
	address = net.JoinHostPort("127.0.0.1", port)
	eventually(t, "PgBouncer answers", func() bool {
		p.alive()
		_, err := query[int](t, "postgresql://postgres@"+address+"/"+database+"?sslmode=disable&default_query_exec_mode=simple_protocol", `SELECT 1`)
		return err == nil
	})
	return address
}

// TestThroughPgBouncer: two servers share four sessions of PostgreSQL. One hears notifications over an address of PostgreSQL's
// own, the other has only the pooler and asks instead. The URL says nothing of a pooler: it is found out.
func TestThroughPgBouncer(t *testing.T) {
	pg := newPostgres(t)
	fake := newProviders(t, 0)
	pooled := "postgresql://postgres@" + bouncer(t, pg, 4) + "/" + database + "?sslmode=disable"

	// Alone it cannot make tables, and says what it lacks.
	cmd := exec.CommandContext(t.Context(), program, "serve")
	cmd.Env, cmd.Dir = append(settings(t, pooled), "PORT="+freePort(t)), t.TempDir()
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "DATABASE_ADMIN_URL") {
		t.Errorf("an empty database behind a pooler: %v\n%s", err, out)
	}
	a := serve(t, settings(t, pooled, append(fake.env, "DATABASE_DIRECT_URL="+url(pg))...))
	b := serve(t, settings(t, pooled, fake.env...))
	if n := pg.count(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'turkey-listen'`); n == 0 {
		t.Error("nobody listens")
	}

	var people []*person
	for i := range 12 {
		p := newPerson([]*server{a, b}[i%2].caller)
		p.login()
		people = append(people, p)
	}
	l := drive(t, people, 5*time.Millisecond)
	runner := newPerson(a.caller)
	fake.connects(runner)
	for i, s := range []*server{a, b} {
		p := runner.through(s.caller)
		day := time.Now().AddDate(0, 0, -2-i).Format(time.DateOnly)
		run := p.c.call("POST", "/api/runs", p.access, object{"service": "ga4", "from": day, "to": day}).want(t, 201).text("id")
		eventually(t, "the run is completed", func() bool {
			a := p.c.call("GET", "/api/runs/"+run, p.access, nil).want(t, 200)
			if a.text("status") == "failed" {
				t.Fatal(a.raw)
			}
			return a.text("status") == "completed"
		})
	}
	revocationsReachAll(t, []*server{a, b, a}, a.caller)
	schedulesFireOnce(t, pg, b.caller)
	eventually(t, "some work", func() bool { return l.requests() > 2000 })
	l.stop()
	l.none(nil)
	l.kept(b.caller)
	l.report()
	if n := pg.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'turkey-listen' AND pid <> pg_backend_pid()`); n > 4 {
		t.Errorf("%d sessions of PostgreSQL", n)
	}
	for _, s := range []*server{a, b} {
		if strings.Contains(s.log.String(), `"level":"ERROR"`) {
			t.Errorf("errors in the log:\n%s", s.log.tail())
		}
	}
}

// TestIsolationThroughPgBouncer runs the matrices of tenants (every table, every scope, every attack; every route, every caller)
// with all statements of scopes going through a pooler whose few sessions they share.
func TestIsolationThroughPgBouncer(t *testing.T) {
	pg := newPostgres(t)
	pooler := bouncer(t, pg, 2)
	for pkg, tests := range map[string]string{
		"../db":  "^(TestIsolation|TestIsolationSeesMistakes|TestForeignCredentialCannotBeBound|TestUniquenessIsPerTenant|TestEachScopeSeesItsTenant|TestTheRoleOfAScope|TestWhoMayNotActHasNoScope|TestNothingLeaks|TestNoSequenceLeaks|TestInterleavedScopes|TestAFailedStatementLeavesNothing|TestTx|TestUUIDsPass)$",
		"../e2e": "^TestEveryRouteAndEveryCaller$",
	} {
		cmd := exec.CommandContext(t.Context(), "go", "test", pkg, "-count", "1", "-v", "-run", tests)
		cmd.Env = append(os.Environ(), "TURKEY_TEST_DATABASE_URL="+strings.Replace(url(pg), "/"+database, "/postgres", 1), "TURKEY_TEST_POOLER="+pooler)
		out, err := cmd.CombinedOutput()
		passed := strings.Count(string(out), "\n--- PASS: ")
		if err != nil || passed < strings.Count(tests, "|")+1 {
			t.Errorf("%s: %d tests passed, %v\n%s", pkg, passed, err, out)
		}
		t.Logf("%s: %d tests passed", pkg, passed)
	}
}
