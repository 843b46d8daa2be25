package cli_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/dbtest"
)

// bare is a server of PostgreSQL on which nothing is set up, and which asks everybody but postgres for a password.
func bare(t *testing.T) (admin, log string) {
	t.Helper()
	s := dbtest.Private(t)
	hba := "local all postgres trust\nlocal all all scram-sha-256\n"
	must(t, os.WriteFile(filepath.Join(s.DataDir, "pg", "pg_hba.conf"), []byte(hba), 0o600))
	admin = dbtest.At(s, "postgres", "postgres")
	execute(t, admin, `SELECT pg_reload_conf()`)
	execute(t, admin, `ALTER ROLE postgres SET log_statement = 'all'`)
	return admin, filepath.Join(s.DataDir, "postgres.log")
}

var urlLine = regexp.MustCompile(`(?m)^DATABASE_URL=(\S+)$`)

// TestSetUpAsInTheGuide: set up, migrate with the admin's URL, and serve with a login that has no right of its own.
func TestSetUpAsInTheGuide(t *testing.T) {
	t.Parallel()
	admin, log := bare(t)
	env := []string{"TURKEY_DATA_DIR=" + dataDir(t)}
	const roles = `SELECT string_agg(concat_ws(' ', rolname, rolcanlogin, rolinherit, rolsuper, rolbypassrls), ', ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'turkey%'`

	// Printing changes nothing.
	o := run(t, env, "db", "setup", "--admin-url", admin, "--print-sql")
	for _, want := range []string{"CREATE ROLE \"turkey_app\" LOGIN NOINHERIT PASSWORD '<password>';", `CREATE DATABASE "turkey"`, `\connect "turkey"`,
		"GRANT CREATE, CONNECT ON DATABASE", "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO turkey_app;"} {
		if o.code != 0 || o.err != "" || !strings.Contains(o.out, want) {
			t.Errorf("--print-sql does not say %q: exit %d: %s%s", want, o.code, o.out, o.err)
		}
	}
	var found *string
	if must(t, query(t, admin, roles).Scan(&found)); found != nil {
		t.Fatalf("--print-sql made %s", *found)
	}

	o = run(t, env, "db", "setup", "--admin-url", admin)
	line := urlLine.FindStringSubmatch(o.out)
	if o.code != 0 || o.err != "" || line == nil || strings.Contains(o.out, "Warning") {
		t.Fatalf("exit %d: %s%s", o.code, o.out, o.err)
	}
	login, err := url.Parse(line[1])
	must(t, err)
	secret, _ := login.User.Password()
	if login.User.Username() != "turkey_app" || len(secret) < 26 || strings.Count(o.out, secret) != 1 {
		t.Errorf("%s", o.out)
	}
	must(t, query(t, admin, roles).Scan(&found))
	if want := "turkey_app t f f f, turkey_backup f t f t, turkey_owner f f f f, turkey_system f f f f"; *found != want {
		t.Errorf("roles: %s\nwant   %s", *found, want)
	}
	logged, err := os.ReadFile(log)
	must(t, err)
	if !strings.Contains(string(logged), "CREATE ROLE") || strings.Contains(string(logged), secret) {
		t.Error("PostgreSQL's log holds the password, or nothing at all")
	}

	// Twice is once, before and after the migrations. The roles and rights are the same to the byte.
	inside, err := url.Parse(admin)
	must(t, err)
	inside.Path = "/turkey"
	const state = `SELECT concat_ws('|', (SELECT string_agg(r::text, ' ' ORDER BY rolname) FROM pg_authid r WHERE rolname LIKE 'turkey%'),
		(SELECT string_agg(concat_ws(' ', roleid::regrole, member::regrole), ',' ORDER BY roleid::regrole::text, member::regrole::text) FROM pg_auth_members),
		(SELECT datacl::text FROM pg_database WHERE datname = 'turkey'), (SELECT nspacl::text FROM pg_namespace WHERE nspname = 'public'),
		(SELECT string_agg(d::text, ' ' ORDER BY d::text) FROM pg_default_acl d),
		(SELECT string_agg(relacl::text, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace))`
	again := func(args ...string) {
		t.Helper()
		var before, after string
		must(t, query(t, inside.String(), state).Scan(&before))
		var done struct {
			Changed     int
			DatabaseURL string `json:"databaseUrl"`
		}
		o := run(t, env, append([]string{"db", "setup", "--admin-url", admin, "--json"}, args...)...)
		must(t, json.Unmarshal([]byte(o.out), &done))
		must(t, query(t, inside.String(), state).Scan(&after))
		if o.code != 0 || done.Changed != 0 || before != after || strings.Contains(o.out, secret) {
			t.Errorf("again: exit %d: %s%s\nbefore %s\nafter  %s", o.code, o.out, o.err, before, after)
		}
	}
	again()
	file := filepath.Join(t.TempDir(), "login.pw")
	must(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
	again("--password-file", file)

	env = append(env, "DATABASE_URL="+line[1])
	if o := run(t, env, "db", "migrate"); o.code != 1 || !strings.Contains(o.err, "lacks a right") {
		t.Errorf("with the login: exit %d: %s%s", o.code, o.out, o.err)
	}
	if o := run(t, append(env, "DATABASE_ADMIN_URL="+inside.String()), "db", "migrate"); o.code != 0 {
		t.Fatalf("exit %d: %s%s", o.code, o.out, o.err)
	}
	again()

	// The server, the commands and the audit tables with the login alone.
	s := serve(t, env, "serve")
	u := s.user("shop")
	s.call("GET", "/v1/users/me", bearer(u), nil).want(t, 200, "")
	for _, args := range [][]string{{"db", "status"}, {"db", "stats"}, {"db", "health"}, {"user", "list"}, {"dev", "health"}} {
		if o := run(t, env, args...); o.code != 0 || o.err != "" {
			t.Errorf("%v: exit %d: %s%s", args, o.code, o.out, o.err)
		}
	}
	conn, err := pgx.Connect(t.Context(), line[1])
	must(t, err)
	defer conn.Close(t.Context())
	for _, sql := range []string{`DELETE FROM audit`, `UPDATE audit_logs SET status = 'success'`, `SELECT FROM keys`, `CREATE TABLE mine (id int)`} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("the login may %s", sql)
		}
	}
	var rows int
	must(t, query(t, inside.String(), `SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relowner = 'turkey_owner'::regrole
		AND NOT has_table_privilege('turkey_backup', c.oid, 'SELECT')`).Scan(&rows))
	if rows > 0 {
		t.Errorf("turkey_backup cannot read %d tables", rows)
	}
}

// TestSetUpMends: what a migration of a superuser left, and another login with a given password.
func TestSetUpMends(t *testing.T) {
	t.Parallel()
	admin, _ := bare(t)
	env := []string{"TURKEY_DATA_DIR=" + dataDir(t)}
	execute(t, admin, `CREATE DATABASE "kpi-etl"`)
	inside := strings.Replace(admin, "/postgres?", "/kpi-etl?", 1)
	if o := run(t, append(env, "DATABASE_URL="+inside), "db", "migrate"); o.code != 0 {
		t.Fatalf("exit %d: %s%s", o.code, o.out, o.err)
	}
	dir := t.TempDir()
	given, adminFile := filepath.Join(dir, "pw"), filepath.Join(dir, "admin")
	must(t, os.WriteFile(given, []byte("Given-Pass-4711/?#\n"), 0o600))
	must(t, os.WriteFile(adminFile, []byte(admin+"\n"), 0o600))
	set := []string{"db", "setup", "--admin-url-file", adminFile, "--database", "kpi-etl", "--login", "web", "--password-file", given}
	o := run(t, env, set...)
	if o.code != 0 || strings.Contains(o.out+o.err, "Given-Pass") || strings.Contains(o.out, "Warning") {
		t.Fatalf("exit %d: %s%s", o.code, o.out, o.err)
	}
	u, err := url.Parse(inside)
	must(t, err)
	u.User = url.UserPassword("web", "Given-Pass-4711/?#")
	if o := run(t, append(env, "DATABASE_URL="+u.String()), "user", "list"); o.code != 0 {
		t.Errorf("with the login: exit %d: %s%s", o.code, o.out, o.err)
	}
	if o := run(t, env, set...); o.code != 0 || !strings.Contains(o.out, "Nothing to do") {
		t.Errorf("again: exit %d: %s%s", o.code, o.out, o.err)
	}
	must(t, os.WriteFile(given, []byte("Another-Pass-4712\n"), 0o600))
	if o := run(t, env, set...); o.code != 0 || !strings.Contains(o.out, `did: ALTER ROLE "web" PASSWORD '<password>'`) {
		t.Errorf("another password: exit %d: %s%s", o.code, o.out, o.err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--login", "Robert'); DROP"}, 1, "lower-case"},
		{[]string{"--login", "turkey_owner"}, 1, "is no login"},
		{[]string{"--database", "a b"}, 1, "lower-case"},
		{[]string{"--admin-url", admin}, 2, "not both"},
	} {
		if o := run(t, env, append(set, c.args...)...); o.code != c.code || !strings.Contains(o.err, c.want) {
			t.Errorf("%v: exit %d: %s%s", c.args, o.code, o.out, o.err)
		}
	}
	must(t, os.WriteFile(given, []byte("short\n"), 0o600))
	if o := run(t, env, set...); o.code != 1 || !strings.Contains(o.err, "12 to 128") || strings.Contains(o.err, "short") {
		t.Errorf("a short password: exit %d: %s%s", o.code, o.out, o.err)
	}
	if o := run(t, env, "db", "setup"); o.code != 2 || !strings.Contains(o.err, "--admin-url") {
		t.Errorf("without a URL: exit %d: %s%s", o.code, o.out, o.err)
	}
}
