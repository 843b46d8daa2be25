package db_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/db/pgdev"
)

const password = "S3cret-that-nobody-prints"

// cluster is a server that asks everybody but postgres for a password.
type cluster struct {
	*pgdev.Server
	admin *pgx.Conn // postgres, in the database turkey
}

func newCluster(t *testing.T) cluster {
	t.Helper()
	s := dbtest.Private(t)
	hba := "local all postgres trust\nlocal all stranger reject\nlocal all all scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(s.DataDir, "pg", "pg_hba.conf"), []byte(hba), 0o600); err != nil {
		t.Fatal(err)
	}
	first := connect(t, dbtest.At(s, "postgres", "postgres"))
	mustExec(t, first, `SELECT pg_reload_conf()`)
	mustExec(t, first, `CREATE DATABASE turkey`)
	return cluster{s, connect(t, dbtest.At(s, "postgres", "turkey"))}
}

func (c cluster) url(t *testing.T, login string) string {
	t.Helper()
	u, err := url.Parse(dbtest.At(c.Server, login, "turkey"))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(login, password)
	return u.String()
}

// role makes a login with further attributes.
func (c cluster) role(t *testing.T, name, attributes string) {
	t.Helper()
	mustExec(t, c.admin, `CREATE USER `+name+` WITH PASSWORD '`+password+`' `+attributes)
}

func (c cluster) migrate(t *testing.T, login, app string) {
	t.Helper()
	if _, err := db.Migrate(t.Context(), db.MigrateConfig{URL: c.url(t, login), AppLogin: app}); err != nil {
		t.Fatal(err)
	}
}

// serves asserts that a login can do the server's work in scopes, and no more.
func (c cluster) serves(t *testing.T, login string) {
	t.Helper()
	d := open(t, c.url(t, login), 1)
	run := uuid.NewString() // it may be called more than once
	a, b := newTenant(t, d, run+"-a"), newTenant(t, d, run+"-b")
	for _, who := range []tenant{a, b} {
		var role string
		if err := d.In(db.App(who.app)).QueryRow(t.Context(), `SELECT current_user FROM users`).Scan(&role); err != nil || role != "turkey_app" {
			t.Errorf("%s acts as %q, %v", login, role, err)
		}
		for scope, sql := range map[string]string{"app": `SELECT app_id FROM users`, "user": `SELECT user_id::text FROM credentials`} {
			got, err := collect(t.Context(), d.In(scopesOf(who)[scope]), sql)
			want := map[string]string{"app": who.app, "user": who.key(table{Tenant: "user_id"})}[scope]
			if err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("%s in %s: %q, %v; want %q", login, scope, got, err, want)
			}
		}
		for _, sql := range []string{`TRUNCATE users CASCADE`, `ALTER TABLE users DISABLE ROW LEVEL SECURITY`, `DELETE FROM audit`, `SELECT FROM keys`} {
			if _, err := d.In(db.App(who.app)).Exec(t.Context(), sql); err == nil {
				t.Errorf("%s may %s", login, sql)
			}
		}
	}
	if n, err := db.Migrate(t.Context(), db.MigrateConfig{URL: c.url(t, login)}); n != 0 || err != nil {
		t.Errorf("%s, with nothing pending: %d, %v", login, n, err)
	}
	d.Close()
}

// refused asserts that Open says, in one line without the password, why a login will not do.
func refused(t *testing.T, url string, words ...string) (line string) {
	t.Helper()
	begin := time.Now()
	d, err := db.Open(t.Context(), db.Config{URL: url, ConnectTimeout: 2 * time.Second})
	if err == nil {
		d.Close()
	}
	says(t, err, words...)
	if err != nil && strings.Contains(err.Error(), password) {
		t.Errorf("the error tells the password: %v", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("refused only after %v", took)
	}
	return fmt.Sprint(err)
}

func TestOwnerWithoutSuperuser(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.role(t, "landlord", "CREATEROLE")
	mustExec(t, c.admin, `ALTER DATABASE turkey OWNER TO landlord`)
	c.migrate(t, "landlord", "")
	c.serves(t, "landlord")
	says(t, rollBack(t, c.url(t, "landlord")), "rows")

	// A second login for the server, without any right of its own.
	c.role(t, "web", "NOINHERIT")
	c.migrate(t, "landlord", "web")
	c.serves(t, "web")

	if _, err := db.Rollback(t.Context(), db.MigrateConfig{URL: c.url(t, "landlord")}, true); err != nil {
		t.Error(err)
	}
	_, err := db.Migrate(t.Context(), db.MigrateConfig{URL: c.url(t, "web")})
	says(t, err, `"web"`, "lacks a right", "DATABASE_ADMIN_URL")
	c.migrate(t, "landlord", "")
}

// The production guide makes the role turkey_app itself, as a login that inherits, and hands it rights by default.
func TestTheGuidesLogin(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.role(t, "turkey_app", "")
	mustExec(t, c.admin, `
		GRANT CONNECT ON DATABASE turkey TO turkey_app;
		GRANT USAGE ON SCHEMA public TO turkey_app;
		ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO turkey_app;
		ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO turkey_app`)
	c.migrate(t, "postgres", "turkey_app")
	c.serves(t, "turkey_app")
	if found := problems(t, c.admin); len(found) > 0 {
		t.Error(found)
	}
	own := connect(t, c.url(t, "turkey_app"))
	for _, b := range tables(t, own) {
		if b.Tenant != "" {
			if n := scalar[int](t, own, `SELECT count(*) FROM `+b.Name); n != 0 {
				t.Errorf("outside all scopes the login sees %d rows of %s", n, b.Name)
			}
		}
	}

	// An inheritance that comes back is refused; the line says what mends it, and it does.
	inherit := `ALTER ROLE turkey_app INHERIT`
	if scalar[int](t, c.admin, `SELECT current_setting('server_version_num')::int`) >= 160000 {
		inherit = `GRANT turkey_system TO turkey_app WITH INHERIT TRUE`
	}
	mustExec(t, c.admin, inherit)
	refused(t, c.url(t, "turkey_app"), "inherits turkey_system", "gravy db migrate")
	c.migrate(t, "postgres", "turkey_app")
	c.serves(t, "turkey_app")
}

func TestLoginsThatCannotDropTheirPrivileges(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.role(t, "web", "")
	refused(t, c.url(t, "web"), "turkey_app does not exist", "gravy db migrate")
	refused(t, c.url(t, "postgres"), "turkey_app does not exist")
	c.migrate(t, "postgres", "")

	line := refused(t, c.url(t, "web"), `login "web"`, "privileges cannot be dropped", `GRANT turkey_app TO "web"`)
	mustExec(t, c.admin, regexp.MustCompile(`GRANT \w+ TO "web"`).FindString(line)) // do what the line says
	c.serves(t, "web")

	c.role(t, "other", "")
	c.migrate(t, "postgres", "other") // nothing is pending, and the login is admitted all the same
	c.serves(t, "other")

	c.role(t, "mighty", "BYPASSRLS")
	mustExec(t, c.admin, `GRANT turkey_owner, turkey_app, turkey_system TO mighty`)
	c.serves(t, "mighty")
	c.role(t, "root", "SUPERUSER")
	c.serves(t, "root")

	mustExec(t, c.admin, `CREATE ROLE keeper`)
	for change, then := range map[string]struct{ undo, word string }{
		`ALTER ROLE turkey_app BYPASSRLS`:     {`ALTER ROLE turkey_app NOBYPASSRLS`, "NOBYPASSRLS"},
		`ALTER ROLE turkey_system SUPERUSER`:  {`ALTER ROLE turkey_system NOSUPERUSER`, "role turkey_system is a superuser"},
		`GRANT turkey_owner TO turkey_system`: {`REVOKE turkey_owner FROM turkey_system`, "REVOKE turkey_owner FROM turkey_system"},
		`ALTER TABLE users OWNER TO keeper; GRANT keeper TO turkey_system`: {
			`ALTER TABLE users OWNER TO turkey_owner; REVOKE keeper FROM turkey_system`, "the tables' owner"},
	} {
		mustExec(t, c.admin, `ALTER ROLE turkey_system INHERIT; `+change)
		refused(t, c.url(t, "web"), then.word)
		mustExec(t, c.admin, `ALTER ROLE turkey_system NOINHERIT; `+then.undo)
	}
	c.serves(t, "web")
}

func TestWhyOpenFails(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.role(t, "web", "")
	c.role(t, "stranger", "")
	c.role(t, "alone", "CONNECTION LIMIT 1")
	right := c.url(t, "web")
	alone := connect(t, c.url(t, "alone"))
	defer alone.Close(t.Context())

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, port, _ := strings.Cut(closed, ":")
	tcp := "postgresql://web:" + password + "@"
	for name, f := range map[string]struct {
		url   string
		words []string
	}{
		"unreachable":          {tcp + closed + "/turkey?sslmode=disable", []string{"cannot reach PostgreSQL at 127.0.0.1:" + port, "DATABASE_URL", "refused"}},
		"unreachable, any TLS": {tcp + closed + "/turkey", []string{"cannot reach PostgreSQL at 127.0.0.1:" + port, "refused"}},
		"unreachable, TLS":     {tcp + closed + "/turkey?sslmode=require", []string{"cannot reach PostgreSQL"}},
		"two addresses":        {tcp + closed + "," + closed + "/turkey", []string{"cannot reach PostgreSQL", "refused"}},
		"silent":               {tcp + silent.Addr().String() + "/turkey?sslmode=disable", []string{"cannot reach PostgreSQL", "no answer in time"}},
		"no such host":         {tcp + "nowhere.invalid:5432/turkey", []string{"cannot reach PostgreSQL at nowhere.invalid:5432"}},
		"no socket":            {"postgresql://web@/turkey?host=/nowhere", []string{"cannot reach PostgreSQL at socket /nowhere"}},
		"wrong password":       {strings.Replace(right, password, "wrong", 1), []string{"refused the password of user \"web\"", "DB_PASSWORD"}},
		"no such user":         {strings.Replace(right, "web:", "nobody:", 1), []string{"refused the password of user \"nobody\""}},
		"no password":          {strings.Replace(right, ":"+password, "", 1), []string{"\"web\""}},
		"not let in":           {strings.Replace(right, "web:", "stranger:", 1), []string{"does not let user \"stranger\" in"}},
		"no such database":     {strings.Replace(right, "/turkey", "/kiosk", 1), []string{"has no database \"kiosk\"", "createdb kiosk"}},
		"no connection left":   {strings.Replace(right, "web:", "alone:", 1), []string{"has no connection left", "DB_POOL_MAX"}},
		"not a URL":            {"postgresql://web:" + password + "@:port:/x", []string{"DATABASE_URL cannot be parsed"}},
		"no such parameter":    {tcp + closed + "/turkey?sslmode=perhaps", []string{"DATABASE_URL cannot be parsed"}},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, f.url, f.words...)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := db.Migrate(ctx, db.MigrateConfig{URL: f.url})
			says(t, err)
			if strings.Contains(err.Error(), password) {
				t.Errorf("Migrate tells the password: %v", err)
			}
		})
	}
}
