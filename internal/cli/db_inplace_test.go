package cli_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"

	"turkey/internal/db/dbtest"
)

// What differs from dump to dump, and what an upgrade leaves as its mark.
var passing = regexp.MustCompile(`(?m)^\\(un)?restrict .*\n|^-- Dumped .*\n|^--\n-- Name: TABLE goose_db_version; Type: COMMENT.*\n--\n\nCOMMENT ON .*\n\n\n`)

// dumpOf is a database as pg_dump sees it.
func dumpOf(t testing.TB, url string, flags ...string) string {
	t.Helper()
	var bin string
	must(t, query(t, url, `SELECT setting FROM pg_config WHERE name = 'BINDIR'`).Scan(&bin))
	tool := filepath.Join(bin, "pg_dump")
	if _, err := os.Stat(tool); err != nil { // the server came without it
		tool = "pg_dump"
	}
	cmd := exec.Command(tool, append(flags, url)...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.Env = append(os.Environ(), "PGTZ=UTC")
	if err := cmd.Run(); err != nil {
		t.Fatalf("pg_dump: %v: %s", err, errOut.String())
	}
	return passing.ReplaceAllString(out.String(), "")
}

// unchanged fails the test unless a database is to the last byte what it was.
func unchanged(t testing.TB, url, before string) {
	t.Helper()
	if after := dumpOf(t, url); after != before {
		t.Errorf("the database changed:\n%s", firstDifference(before, after))
	}
}

func firstDifference(a, b string) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(left), len(right)) {
		if left[i] != right[i] {
			return fmt.Sprintf("line %d\n- %s\n+ %s", i+1, left[i], right[i])
		}
	}
	return fmt.Sprintf("%d lines, %d lines", len(left), len(right))
}

// oldTurkey is a database of the original TurKey with one of everything.
type oldTurkey struct {
	url                          string
	ada, bob                     string // ids of users
	token                        string // Ada's live refresh token
	session, second              string // its id, and that of a second row with the same token
	signer                       *ecdsa.PrivateKey
	signerID, otherID, retiredID string // ids of keys
}

const (
	oldPassword = `Old-Pass-1`
	oldWritten  = ` Tom & "Jerry" <1>/\` // as Bob types it; over HTTP the predecessor hashed another text
	oldRewrite  = `Tom &amp; &quot;Jerry&quot; &lt;1&gt;&#x2F;&#x5C;`
	oldIssuer   = "https://auth.example.org"
)

func newOldTurkey(t testing.TB, url string) *oldTurkey {
	t.Helper()
	o := &oldTurkey{url: url, ada: uuid.NewString(), bob: uuid.NewString(), token: "rt_" + strings.Repeat("ab", 32), session: uuid.NewString(), second: uuid.NewString(),
		signerID: uuid.NewString(), otherID: uuid.NewString(), retiredID: uuid.NewString()}
	o.user(t, o.ada, "ada@example.org", "shop", oldPassword)
	o.user(t, o.bob, "Bob@Example.org", "default-app", oldRewrite)
	sum := sha256.Sum256([]byte(o.token))
	execute(t, url, `INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, revoked_at, created_at) VALUES ($1, $2, $3, now() AT TIME ZONE 'UTC' + interval '3 days', NULL, '2026-03-01 05:30:00'),
		($4, $2, $3, now() AT TIME ZONE 'UTC' + interval '3 days', NULL, '2026-03-02 05:30:00'),
		(gen_random_uuid(), $2, 'x', now() AT TIME ZONE 'UTC' + interval '3 days', now() AT TIME ZONE 'UTC', now()), (gen_random_uuid(), $2, 'y', now() AT TIME ZONE 'UTC' - interval '1 hour', NULL, now())`,
		o.session, o.ada, hex.EncodeToString(sum[:]), o.second)
	execute(t, url, `INSERT INTO revoked_jti (jti, user_id, expires_at, created_at) VALUES ('dead', $1, now() AT TIME ZONE 'UTC' + interval '1 hour', '2026-03-01 05:30:00'),
		('gone', $1, now() AT TIME ZONE 'UTC' - interval '1 hour', now())`, o.ada)
	execute(t, url, `INSERT INTO audit (user_id, action, created_at) VALUES ($1, 'login', '2026-02-01 05:30:00'), (gen_random_uuid(), 'login', now()), (NULL, 'key_rotated', now())`, o.ada)
	execute(t, url, `INSERT INTO email_tokens (user_id, token_hash, expires_at) VALUES ($1, 'h', now() AT TIME ZONE 'UTC' + interval '1 hour')`, o.ada)
	var public, private string
	o.signer, public, private = es256(t)
	_, otherPublic, otherPrivate := es256(t)
	_, retiredPublic, retiredPrivate := es256(t)
	execute(t, url, `INSERT INTO keys (id, kid, public_pem, private_pem, created_at, retired_at, is_active) VALUES ($1, 'key_old', $2, $3, '2026-04-01 05:30:00', NULL, true),
		($4, 'key_later', $5, $6, '2026-04-02 05:30:00', NULL, true), ($7, 'key_retired', $8, $9, '2026-01-01 05:30:00', '2026-02-01 00:00:00', false)`,
		o.signerID, public, private, o.otherID, otherPublic, otherPrivate, o.retiredID, retiredPublic, retiredPrivate)
	return o
}

func (o *oldTurkey) user(t testing.TB, id, email, app, hashed string) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(hashed), bcrypt.MinCost)
	must(t, err)
	execute(t, o.url, `INSERT INTO users (id, email, password_hash, app_id, token_version, email_verified, created_at, role) VALUES ($1, $2, $3, $4, 3, true, '2026-01-01 05:30:00', 'admin')`,
		id, email, strings.Replace(string(hash), "$2a$", "$2b$", 1), app)
}

// access is a token that the predecessor issued to Ada.
func (o *oldTurkey) access(t testing.TB, jti string) string {
	t.Helper()
	js, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: o.signer, KeyID: "key_old"}}, (&jose.SignerOptions{}).WithType("JWT"))
	must(t, err)
	now := time.Now().Unix()
	jws, err := js.Sign(encode(t, map[string]any{"iss": oldIssuer, "sub": o.ada, "aud": "shop", "appId": "shop", "email": "ada@example.org", "role": "admin", "tokenVersion": 3,
		"jti": jti, "iat": now, "nbf": now, "scope": "", "exp": now + 600}))
	must(t, err)
	text, err := jws.CompactSerialize()
	must(t, err)
	return "Bearer " + text
}

// upgrade runs db migrate and checks exit code and report.
func (o *oldTurkey) upgrade(t testing.TB, env []string, code int, flags ...string) imported {
	t.Helper()
	out := run(t, env, append([]string{"db", "migrate", "--json"}, flags...)...)
	var r imported
	if err := json.Unmarshal([]byte(out.out), &r); out.code != code || err != nil {
		t.Fatalf("exit %d, expected %d: %v\n%s%s", out.code, code, err, out.out, out.err)
	}
	return r
}

func TestUpgradeInPlace(t *testing.T) {
	t.Parallel()
	o := newOldTurkey(t, predecessor(t, "turkey.sql"))
	env := []string{"DATABASE_URL=" + o.url, "TURKEY_DATA_DIR=" + dataDir(t), "JWT_ISSUER=" + oldIssuer}
	before := dumpOf(t, o.url)

	// Nothing but db migrate upgrades, and not without a yes.
	for _, c := range []struct {
		want string
		args []string
	}{
		{"gravy db migrate", []string{"serve"}},
		{"gravy db migrate", []string{"user", "list"}},
		{"gravy db migrate", []string{"db", "status"}},
		{"not upgraded", []string{"db", "migrate"}},
	} {
		out := run(t, append(env, "PORT="+freePort(t)), c.args...)
		if out.code != 1 || !strings.Contains(out.err, c.want) || !strings.Contains(out.err, "original TurKey") {
			t.Errorf("%v: exit %d %s%s", c.args, out.code, out.out, out.err)
		}
	}
	dry := o.upgrade(t, env, 0, "--dry-run")
	unchanged(t, o.url, before)

	// Two at once: one does it, the other one finds it done.
	reports := make([]imported, 2)
	var wg sync.WaitGroup
	for i := range reports {
		wg.Go(func() { reports[i] = o.upgrade(t, env, 0, "--yes") })
	}
	wg.Wait()
	if reports[0].Tables == nil {
		slices.Reverse(reports)
	}
	if reports[1].Tables != nil {
		t.Errorf("both upgraded: %+v", reports)
	}
	if !dry.DryRun || reports[0].DryRun || dry.SourceTimezone != "Asia/Kolkata" {
		t.Errorf("%+v %+v", dry, reports[0])
	}
	for _, r := range []imported{dry, reports[0]} {
		r.counts(t, "users", 2, 2, 0, 0)
		r.counts(t, "refresh_tokens", 2, 1, 1, 0)
		r.says(t, "refresh_tokens", o.second, "skipped", "same token")
		r.counts(t, "revoked_jti", 1, 1, 0, 0)
		r.counts(t, "keys", 3, 3, 0, 0)
		r.counts(t, "audit", 3, 3, 0, 0)
		for _, words := range []string{"2 refresh tokens had been revoked", "1 revocations", "1 links in mails", "JWT_ISSUER"} {
			if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, words) }) {
				t.Errorf("notes %q lack %q", r.Notes, words)
			}
		}
	}
	o.settled(t, env)
	o.serves(t, serve(t, env, "serve"))
}

// settled asserts what an upgraded database is and holds.
func (o *oldTurkey) settled(t *testing.T, env []string) {
	t.Helper()
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{0, "00001_auth.sql", []string{"db", "status"}},
		{0, "Nothing to do", []string{"db", "migrate"}},
		{0, "0 migrations are pending", []string{"db", "migrate", "--dry-run"}},
		{1, "cannot be undone", []string{"db", "rollback", "-y"}},
		{1, "cannot be undone", []string{"db", "rollback", "-y", "--force"}},
	} {
		out := run(t, env, c.args...)
		if out.code != c.code || !strings.Contains(out.out+out.err, c.want) {
			t.Errorf("%v: exit %d %s%s", c.args, out.code, out.out, out.err)
		}
	}
	if want, got := dumpOf(t, dbtest.URL(t), "--schema-only"), dumpOf(t, o.url, "--schema-only"); got != want {
		t.Errorf("the schema is not that of a new database:\n%s", firstDifference(want, got))
	}
	if all := dumpOf(t, o.url); strings.Contains(all, "PRIVATE KEY") || strings.Contains(all, "drizzle") {
		t.Error("a private key, or the predecessor's bookkeeping, stayed behind")
	}
	midnight := func(month time.Month, day int) time.Time { return time.Date(2026, month, day, 0, 0, 0, 0, time.UTC) }
	for what, c := range map[string]struct {
		sql  string
		want time.Time
	}{
		"user":    {`SELECT created_at FROM users WHERE id = '` + o.ada + `' AND email = 'ada@example.org' AND app_id = 'shop' AND token_version = 3 AND role = 'admin'`, midnight(1, 1)},
		"lower":   {`SELECT created_at FROM users WHERE id = '` + o.bob + `' AND email = 'bob@example.org' AND app_id = 'default-app'`, midnight(1, 1)},
		"session": {`SELECT created_at FROM refresh_tokens WHERE id = '` + o.session + `' AND user_id = '` + o.ada + `'`, midnight(3, 1)},
		"revoked": {`SELECT created_at FROM revoked_jti WHERE jti = 'dead'`, midnight(3, 1)},
		"signer":  {`SELECT created_at FROM keys WHERE id = '` + o.signerID + `' AND kid = 'key_old' AND is_active`, midnight(4, 1)},
		"other":   {`SELECT created_at FROM keys WHERE id = '` + o.otherID + `' AND NOT is_active`, midnight(4, 2)},
		"retired": {`SELECT retired_at FROM keys WHERE id = '` + o.retiredID + `' AND NOT is_active`, midnight(2, 1)},
		"event":   {`SELECT created_at FROM audit WHERE user_id = '` + o.ada + `' AND action = 'login'`, midnight(2, 1)},
	} {
		var at time.Time
		if err := query(t, o.url, c.sql).Scan(&at); err != nil || !at.Equal(c.want) {
			t.Errorf("%s: %v %v", what, at, err)
		}
	}
	var left float64 // of the session: its end was UTC
	must(t, query(t, o.url, `SELECT extract(epoch FROM expires_at - now()) / 3600 FROM refresh_tokens`).Scan(&left))
	if left < 71 || left > 72 {
		t.Errorf("the session ends in %.1f hours", left)
	}
}

// serves asserts that everybody goes on as before.
func (o *oldTurkey) serves(t *testing.T, s *server) {
	t.Helper()
	if a := s.call("GET", "/v1/users/me", o.access(t, "alive"), nil).want(t, 200, ""); a.at("data", "id") != o.ada {
		t.Error(a.raw)
	}
	s.call("GET", "/v1/users/me", o.access(t, "dead"), nil).want(t, 401, "")
	login := func(email, password, app string, status int) answer {
		return s.call("POST", "/v1/auth/login", "", map[string]any{"email": email, "password": password, "appId": app}).want(t, status, "")
	}
	login("ada@example.org", "not "+oldPassword, "shop", 401)
	login("bob@example.org", oldWritten, "default-app", 200)
	fresh := login("ada@example.org", oldPassword, "shop", 200)
	text, _ := fresh.at("data", "accessToken").(string)
	token, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || token.Signatures[0].Header.KeyID != "key_old" {
		t.Errorf("the new token is not signed by the signer of before: %v", err)
	}
	next := s.call("POST", "/v1/auth/refresh", "", map[string]any{"refreshToken": o.token, "appId": "shop"}).want(t, 200, "")
	if rt, _ := next.at("data", "refreshToken").(string); !strings.HasPrefix(rt, "rt_"+o.session) {
		t.Errorf("the session has another id: %s", rt)
	}
	s.call("POST", "/v1/auth/refresh", "", map[string]any{"refreshToken": "rt_" + strings.Repeat("cd", 32), "appId": "shop"}).want(t, 401, "")
	jwks := s.call("GET", "/.well-known/jwks.json", "", nil).want(t, 200, "")
	if strings.Contains(jwks.raw, "key_retired") || !strings.Contains(jwks.raw, "key_old") || !strings.Contains(jwks.raw, "key_later") {
		t.Errorf("published: %s", jwks.raw)
	}
	s.user("shop")
}

func TestUpgradeInPlaceRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sql string
		want      []string
	}{
		{"an older schema", `ALTER TABLE users DROP COLUMN app_id`, []string{"0004", "users.app_id"}},
		{"the first generation", `ALTER TABLE users ADD COLUMN tenant_id varchar(50)`, []string{"first generation", "gravy import turkey"}},
		{"a view on its tables", `CREATE VIEW admins AS SELECT email FROM users WHERE role = 'admin'`, []string{"view admins"}},
		{"a table of one of our names", `CREATE TABLE apps (id int)`, []string{`"apps" already exists`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOldTurkey(t, predecessor(t, "turkey.sql"))
			execute(t, o.url, c.sql)
			before := dumpOf(t, o.url)
			out := run(t, []string{"DATABASE_URL=" + o.url, "TURKEY_DATA_DIR=" + dataDir(t)}, "db", "migrate", "--yes")
			for _, want := range c.want {
				if out.code != 1 || !strings.Contains(out.err, want) {
					t.Errorf("exit %d %s%s", out.code, out.out, out.err)
				}
			}
			unchanged(t, o.url, before)
		})
	}
}

// Rows that cannot be kept are listed, all of them at once.
func TestUpgradeInPlaceCollision(t *testing.T) {
	t.Parallel()
	o := newOldTurkey(t, predecessor(t, "turkey.sql"))
	upper, odd, alone := uuid.NewString(), uuid.NewString(), uuid.NewString()
	o.user(t, upper, "ADA@example.org", "shop", oldPassword)
	o.user(t, odd, "odd@example.org", "no app!", oldPassword)
	o.user(t, alone, "bob@example.org", "shop", oldPassword) // another app's
	_, public, _ := es256(t)
	_, _, private := es256(t)
	execute(t, o.url, `INSERT INTO keys (kid, public_pem, private_pem) VALUES ('key_mixed', $1, $2)`, public, private)
	before := dumpOf(t, o.url)
	env := []string{"DATABASE_URL=" + o.url, "TURKEY_DATA_DIR=" + dataDir(t)}
	r := o.upgrade(t, env, 1, "--yes")
	r.says(t, "users", upper, "failed", "user "+o.ada+" in case alone")
	r.says(t, "users", odd, "failed", "app")
	r.says(t, "keys", "key_mixed", "failed", "P-256")
	if len(r.Rows) != 3 {
		t.Errorf("%+v", r.Rows)
	}
	out := run(t, env, "db", "migrate", "--yes")
	if !strings.Contains(out.out, "Nothing was changed") || !strings.Contains(out.out, upper) || !strings.Contains(out.err, "nothing was changed") || strings.Contains(out.out+out.err, "example.org") {
		t.Errorf("%s%s", out.out, out.err)
	}
	unchanged(t, o.url, before)
}

// A server of the predecessor that still works loses nothing: it is named, and the upgrade waits for another time.
func TestUpgradeInPlaceOfTablesInUse(t *testing.T) {
	t.Parallel()
	o := newOldTurkey(t, predecessor(t, "turkey.sql"))
	before := dumpOf(t, o.url)
	conn, err := pgx.Connect(t.Context(), o.url+"&application_name=old-server")
	must(t, err)
	defer conn.Close(t.Context())
	pid := conn.PgConn().PID()
	_, err = conn.Exec(t.Context(), `BEGIN; UPDATE users SET token_version = 9`)
	must(t, err)
	out := run(t, []string{"DATABASE_URL=" + o.url, "TURKEY_DATA_DIR=" + dataDir(t)}, "db", "migrate", "--yes")
	if out.code != 1 || !strings.Contains(out.err, fmt.Sprintf("pid %d", pid)) || !strings.Contains(out.err, "old-server") {
		t.Errorf("exit %d %s%s", out.code, out.out, out.err)
	}
	_, err = conn.Exec(t.Context(), `ROLLBACK`)
	must(t, err)
	unchanged(t, o.url, before)
}

// Killed wherever it is, it has changed nothing.
func TestUpgradeInPlaceKilled(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{"ALTER TABLE", "CREATE POLICY", "DROP SCHEMA"} {
		t.Run(tag, func(t *testing.T) {
			t.Parallel()
			o := newOldTurkey(t, predecessor(t, "turkey.sql"))
			execute(t, o.url, `CREATE SCHEMA stop; CREATE FUNCTION stop.here() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(4711); END $$;
				GRANT USAGE ON SCHEMA stop TO PUBLIC; CREATE EVENT TRIGGER here ON ddl_command_start WHEN TAG IN ('`+tag+`') EXECUTE FUNCTION stop.here()`)
			before := dumpOf(t, o.url)
			holder, err := pgx.Connect(t.Context(), o.url)
			must(t, err)
			defer holder.Close(t.Context())
			_, err = holder.Exec(t.Context(), `SELECT pg_advisory_lock(4711)`)
			must(t, err)
			cmd := program(t, []string{"DATABASE_URL=" + o.url, "TURKEY_DATA_DIR=" + dataDir(t)}, "db", "migrate", "--yes")
			must(t, cmd.Start())
			t.Cleanup(func() { _ = cmd.Process.Kill() }) // gone already is as good
			var pid int
			eventually(t, "the upgrade is in the middle", func() bool {
				return query(t, o.url, `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted
					AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&pid) == nil
			})
			must(t, cmd.Process.Signal(syscall.SIGKILL))
			_ = cmd.Wait() // it was killed
			must(t, holder.Close(t.Context()))
			eventually(t, "its connection is gone", func() bool {
				var n int
				must(t, query(t, o.url, `SELECT count(*) FROM pg_stat_activity WHERE pid = $1`, pid).Scan(&n))
				return n == 0
			})
			unchanged(t, o.url, before)
		})
	}
}

// The production guide's set-up: the server's login owns nothing, and an operator migrates as somebody else.
func TestUpgradeInPlaceByAnAdmin(t *testing.T) {
	t.Parallel()
	pg := dbtest.Private(t)
	admin := dbtest.At(pg, "postgres", "turkey")
	execute(t, dbtest.At(pg, "postgres", "postgres"), `CREATE DATABASE turkey`)
	execute(t, admin, `CREATE USER turkey_app WITH PASSWORD 'secure-password-here'; GRANT CONNECT ON DATABASE turkey TO turkey_app; GRANT USAGE ON SCHEMA public TO turkey_app;
		ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO turkey_app;
		ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO turkey_app; ALTER DATABASE turkey SET timezone = 'Asia/Kolkata'`)
	execute(t, admin, predecessorSQL(t, "turkey.sql"))
	o := newOldTurkey(t, admin)
	before := dumpOf(t, admin)
	env := []string{"DATABASE_URL=" + dbtest.At(pg, "turkey_app", "turkey"), "TURKEY_DATA_DIR=" + dataDir(t), "JWT_ISSUER=" + oldIssuer}
	out := run(t, env, "db", "migrate", "--yes")
	if out.code != 1 || !strings.Contains(out.err, "DATABASE_ADMIN_URL") {
		t.Errorf("exit %d %s%s", out.code, out.out, out.err)
	}
	unchanged(t, admin, before)
	o.upgrade(t, append(env, "DATABASE_ADMIN_URL="+admin), 0, "--yes")
	o.serves(t, serve(t, env, "serve"))
}
