package cli_test

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"

	"turkey/internal/db/dbtest"
)

// predecessor is a database of one, in a session zone that is not UTC.
func predecessor(t testing.TB, schema string) string {
	t.Helper()
	url := dbtest.Empty(t)
	execute(t, url, predecessorSQL(t, schema))
	execute(t, url, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Kolkata''', current_database()); END $$`)
	return url
}

func predecessorSQL(t testing.TB, schema string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", schema))
	must(t, err)
	return string(text)
}

// imported is the report that a command printed.
type imported struct {
	SourceTimezone string
	DryRun         bool
	Tables         map[string]struct{ Read, Imported, Skipped, Failed int }
	Rows           []struct{ Table, ID, Outcome, Reason string }
	Salts          []struct {
		Index, Opened int
		Public        bool
	}
	Notes []string
}

// importing runs an import and checks its exit code. The words are those of the command line.
func importing(t testing.TB, env []string, code int, args ...string) imported {
	t.Helper()
	o := run(t, env, append([]string{"import"}, append(args, "--json")...)...)
	if o.code != code {
		t.Fatalf("exit %d, expected %d\n%s%s", o.code, code, o.out, o.err)
	}
	var r imported
	if err := json.Unmarshal([]byte(o.out), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, o.out, o.err)
	}
	return r
}

func (r imported) counts(t testing.TB, table string, read, done, skipped, failed int) {
	t.Helper()
	if c := r.Tables[table]; c.Read != read || c.Imported != done || c.Skipped != skipped || c.Failed != failed {
		t.Errorf("%s: %+v, expected %d read, %d imported, %d skipped, %d failed\n%+v", table, c, read, done, skipped, failed, r.Rows)
	}
}

// says asserts that a row, and only it, was told with this outcome and these words.
func (r imported) says(t testing.TB, table, id, outcome, words string) {
	t.Helper()
	for _, row := range r.Rows {
		if row.Table == table && row.ID == id {
			if row.Outcome != outcome || !strings.Contains(row.Reason, words) {
				t.Errorf("%s %s: %s %q", table, id, row.Outcome, row.Reason)
			}
			return
		}
	}
	t.Errorf("nothing is said of %s %s: %+v", table, id, r.Rows)
}

func es256(t testing.TB) (key *ecdsa.PrivateKey, public, private string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	priv, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: priv}))
}

func TestImportTurkey(t *testing.T) {
	t.Parallel()
	source := predecessor(t, "turkey.sql")
	hash, err := bcrypt.GenerateFromPassword([]byte("Old-Pass-1"), bcrypt.MinCost)
	must(t, err)
	ada, bob, odd, upper := uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString()
	for id, who := range map[string][2]string{ada: {"ada@example.org", "shop"}, bob: {"Bob@Example.org", "shop"}, odd: {"x@example.org", "no app!"}, upper: {"ADA@example.org", "shop"}} {
		execute(t, source, `INSERT INTO users (id, email, password_hash, app_id, token_version, email_verified, created_at, role)
			VALUES ($1, $2, $3, $4, 3, true, '2026-01-01 05:30:00', 'admin')`, id, who[0], strings.Replace(string(hash), "$2a$", "$2b$", 1), who[1])
	}
	token := "rt_" + strings.Repeat("ab", 32)
	sum := sha256.Sum256([]byte(token))
	live := uuid.NewString()
	execute(t, source, `INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, revoked_at) VALUES ($1, $2, $3, now() AT TIME ZONE 'UTC' + interval '3 days', NULL),
		(gen_random_uuid(), $2, 'x', now() AT TIME ZONE 'UTC' + interval '3 days', now() AT TIME ZONE 'UTC'), (gen_random_uuid(), $2, 'y', now() AT TIME ZONE 'UTC' - interval '1 hour', NULL)`,
		live, ada, hex.EncodeToString(sum[:]))
	execute(t, source, `INSERT INTO revoked_jti (jti, user_id, expires_at) VALUES ('dead', $1, now() AT TIME ZONE 'UTC' + interval '1 hour'), ('gone', $1, now() AT TIME ZONE 'UTC' - interval '1 hour')`, ada)
	execute(t, source, `INSERT INTO audit (user_id, action, created_at) VALUES ($1, 'login', '2026-02-01 05:30:00'), ($2, 'login', now()), (NULL, 'key_rotated', now())`, ada, odd)
	execute(t, source, `INSERT INTO email_tokens (user_id, token_hash, expires_at) VALUES ($1, 'h', now() AT TIME ZONE 'UTC' + interval '1 hour')`, ada)
	signer, public, private := es256(t)
	_, retiredPublic, retiredPrivate := es256(t)
	execute(t, source, `INSERT INTO keys (kid, public_pem, private_pem, created_at, retired_at, is_active) VALUES ('key_old', $1, $2, now() - interval '9 days', NULL, true),
		('key_retired', $3, $4, now() - interval '90 days', now() AT TIME ZONE 'UTC' - interval '60 days', false), ('key_mixed', $1, $4, now(), NULL, true)`, public, private, retiredPublic, retiredPrivate)

	const issuer = "https://auth.example.org"
	target := dbtest.URL(t)
	env := []string{"DATABASE_URL=" + target, "TURKEY_DATA_DIR=" + dataDir(t), "JWT_ISSUER=" + issuer}
	from := []string{"turkey", "--from", source}
	dry := importing(t, env, 3, append(from, "--dry-run")...)
	if !dry.DryRun || dry.SourceTimezone != "Asia/Kolkata" {
		t.Errorf("%+v", dry)
	}
	var users int
	must(t, query(t, target, `SELECT count(*) FROM users`).Scan(&users))
	if users != 0 {
		t.Errorf("the dry run left %d users", users)
	}
	done := importing(t, env, 3, append(from, "--yes")...)
	for _, r := range []imported{dry, done} {
		r.counts(t, "users", 4, 2, 2, 0)
		r.says(t, "users", odd, "skipped", "app")
		r.says(t, "users", upper, "skipped", "case")
		r.counts(t, "refresh_tokens", 1, 1, 0, 0)
		r.counts(t, "revoked_jti", 1, 1, 0, 0)
		r.counts(t, "keys", 3, 2, 0, 1)
		r.says(t, "keys", "key_mixed", "failed", "P-256")
		r.counts(t, "audit", 3, 3, 0, 0)
		if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "1 links in mails") }) {
			t.Errorf("notes %q", r.Notes)
		}
	}
	again := importing(t, env, 3, append(from, "--yes")...)
	for _, table := range []string{"users", "refresh_tokens", "revoked_jti", "audit"} {
		if again.Tables[table].Imported != 0 {
			t.Errorf("a second run imported %+v of %s", again.Tables[table], table)
		}
	}
	execute(t, target, `DELETE FROM users WHERE id = $1`, bob)
	erased := importing(t, env, 3, append(from, "--yes")...)
	erased.says(t, "users", bob, "skipped", "deleted here")
	execute(t, target, `DELETE FROM import_map WHERE source_id = $1`, bob)
	importing(t, env, 3, append(from, "--yes")...)
	var created, event time.Time
	must(t, query(t, target, `SELECT u.created_at, a.created_at FROM users u JOIN audit a ON a.user_id = u.id WHERE u.id = $1 AND a.action = 'login'`, ada).Scan(&created, &event))
	if !created.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) || !event.Equal(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("times %v, %v", created, event)
	}

	s := serve(t, env, "serve")
	access := func(jti string) string {
		js, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: signer, KeyID: "key_old"}}, (&jose.SignerOptions{}).WithType("JWT"))
		must(t, err)
		now := time.Now().Unix()
		jws, err := js.Sign(encode(t, map[string]any{"iss": issuer, "sub": ada, "aud": "shop", "appId": "shop", "email": "ada@example.org", "role": "admin", "tokenVersion": 3,
			"jti": jti, "iat": now, "nbf": now, "scope": "", "exp": now + 600}))
		must(t, err)
		text, err := jws.CompactSerialize()
		must(t, err)
		return "Bearer " + text
	}
	if a := s.call("GET", "/v1/users/me", access("alive"), nil).want(t, 200, ""); a.at("data", "id") != ada {
		t.Error(a.raw)
	}
	s.call("GET", "/v1/users/me", access("dead"), nil).want(t, 401, "")
	s.call("POST", "/v1/auth/login", "", map[string]any{"email": "bob@example.org", "password": "Old-Pass-1", "appId": "shop"}).want(t, 200, "")
	next := s.call("POST", "/v1/auth/refresh", "", map[string]any{"refreshToken": token, "appId": "shop"}).want(t, 200, "")
	if rt, _ := next.at("data", "refreshToken").(string); !strings.HasPrefix(rt, "rt_"+live) {
		t.Errorf("the session has another id: %s", rt)
	}
	jwks := s.call("GET", "/.well-known/jwks.json", "", nil).want(t, 200, "")
	if strings.Contains(jwks.raw, "key_retired") || !strings.Contains(jwks.raw, "key_old") || strings.HasPrefix(fmt.Sprint(jwks.at("keys", 0, "kid")), "key_old") {
		t.Errorf("published: %s", jwks.raw)
	}
}

// sealedBy is what the KPI ETL backend stored.
func sealedBy(t testing.TB, user int64, salt, content string) string {
	t.Helper()
	key, err := pbkdf2.Key(sha256.New, strconv.FormatInt(user, 10), []byte(salt), 100_000, 32)
	must(t, err)
	block, err := aes.NewCipher(key)
	must(t, err)
	aead, err := cipher.NewGCMWithNonceSize(block, 16)
	must(t, err)
	iv := make([]byte, 16)
	rand.Read(iv)
	sealed := aead.Seal(nil, iv, []byte(content), nil)
	at := len(sealed) - 16
	return fmt.Sprintf(`{"iv":"%x","authTag":"%x","encryptedData":"%x","algorithm":"aes-256-gcm"}`, iv, sealed[at:], sealed[:at])
}

func TestImportKPI(t *testing.T) {
	t.Parallel()
	source := predecessor(t, "kpi_etl.sql")
	const salt = "the salt of the source"
	const meta = `{"access_token":"EAAB-canary-%d","account_id":"act_12345678"}`
	execute(t, source, `INSERT INTO users (id, clerk_id, email, name, status) VALUES (7, 'user_2Ada', 'Ada@Example.org', 'Ada', 'active'),
		(8, 'user_2Bob', 'bob@example.org', NULL, 'suspended')`)
	add := func(id, user int64, service, content string, more ...string) {
		execute(t, source, `INSERT INTO credentials (id, user_id, service, name, encrypted_data, verified, verified_at, created_at)
			VALUES ($1, $2, $3, 'from before', $4, true, '2026-03-01 05:30:00', '2026-03-01 05:30:00')`, id, user, service, content)
		for _, sql := range more {
			execute(t, source, sql, id)
		}
	}
	add(70, 7, "meta", sealedBy(t, 7, salt, fmt.Sprintf(meta, 70)))
	add(71, 7, "meta", sealedBy(t, 7, "default-salt-change-in-production", fmt.Sprintf(meta, 71)))
	add(72, 7, "meta", sealedBy(t, 7, salt, " "+fmt.Sprintf(meta, 70)))                                                         // the same as 70
	add(73, 7, "shopify", sealedBy(t, 7, salt, `{"shop_url":"evil.example.com","access_token":"shpat_1"}`))                     // not allowed here
	add(74, 7, "ga4", sealedBy(t, 7, salt, `{"refresh_token":"1//x","client_id":"c","client_secret":"s","property_id":"123"}`)) // never checked there
	add(75, 7, "meta", sealedBy(t, 7, "a lost salt", fmt.Sprintf(meta, 75)))
	add(76, 7, "meta", "", `UPDATE credentials SET deleted_at = now() - interval '3 days' WHERE id = $1`)
	add(77, 7, "meta", "", `UPDATE credentials SET deleted_at = now() - interval '100 days' WHERE id = $1`)
	add(80, 8, "meta", sealedBy(t, 8, salt, fmt.Sprintf(meta, 80)))
	execute(t, source, `INSERT INTO service_configs (id, user_id, service, credential_id, enabled) VALUES (1, 7, 'meta', 72, true), (2, 7, 'ga4', 80, true), (3, 8, 'meta', 80, NULL)`)
	execute(t, source, `INSERT INTO sheet_mappings (user_id, service, spreadsheet_id, sheet_name, updated_at) VALUES (7, 'meta', 'old', 'a', now() - interval '1 day'), (7, 'meta', 'new', 'b', now())`)
	execute(t, source, `INSERT INTO audit_logs (user_id, action, service, status, metadata, created_at) VALUES (7, 'credential_saved', 'meta', 'success', '{"credentialId":"[REDACTED]"}', '2026-03-01 05:30:00')`)

	execute(t, source, `INSERT INTO job_schedules (id, user_id, service, cron_expression, enabled, timezone, updated_at) VALUES (1, 7, 'meta', '0 2 * * *', true, 'Europe/Berlin', now()),
		(2, 7, 'meta', '0 3 * * *', true, 'Europe/Berlin', now() - interval '1 day'), (3, 7, 'ga4', '61 2 * * *', true, 'Mars/Olympus', now()), (4, 7, 'shopify', '5 4 * * 1', NULL, 'UTC', now())`)

	target := dbtest.URL(t)
	clerk, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(clerk.Public())
	must(t, err)
	key := strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "\n", `\n`)
	saltFile := filepath.Join(t.TempDir(), "salt")
	must(t, os.WriteFile(saltFile, []byte(salt+"\n"), 0o600))
	env := []string{"DATABASE_URL=" + target, "TURKEY_DATA_DIR=" + dataDir(t), "ENCRYPTION_KEY_SALT=a salt of our own, 1234567890", "CLERK_PUBLIC_KEY=" + key, "TURKEY_SANDBOX=true"}
	from := []string{"kpi-etl", "--from", source, "--salt-file", saltFile}
	check := func(r imported) {
		t.Helper()
		r.counts(t, "users", 2, 2, 0, 0)
		r.counts(t, "credentials", 9, 5, 2, 2)
		r.says(t, "credentials", "72", "skipped", "same")
		r.says(t, "credentials", "73", "failed", "Invalid shop_url")
		r.says(t, "credentials", "75", "failed", "salt")
		r.says(t, "credentials", "77", "skipped", "90 days")
		r.counts(t, "service_configs", 3, 2, 1, 0)
		r.says(t, "service_configs", "2", "skipped", "another user")
		r.counts(t, "sheet_mappings", 2, 1, 1, 0)
		r.counts(t, "audit_logs", 1, 1, 0, 0)
		r.counts(t, "job_schedules", 4, 3, 1, 0)
		r.says(t, "job_schedules", "2", "skipped", "newer")
		for _, words := range []string{"schedule 3 is disabled: Invalid cron expression", "schedule 3: its zone is unknown"} {
			if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, words) }) {
				t.Errorf("notes %q lack %q", r.Notes, words)
			}
		}
		if len(r.Salts) < 2 || r.Salts[0].Opened != 5 || r.Salts[0].Public || r.Salts[1].Opened != 1 || !r.Salts[1].Public {
			t.Errorf("salts %+v", r.Salts)
		}
		if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "credential 71") && strings.Contains(n, "rotate") }) {
			t.Errorf("notes %q", r.Notes)
		}
	}
	check(importing(t, env, 3, append(from, "--dry-run")...))
	var last int64
	must(t, query(t, target, `SELECT last_value FROM users_user_no_seq`).Scan(&last))
	if last != 1 {
		t.Errorf("the dry run gave out numbers up to %d", last)
	}
	check(importing(t, env, 3, append(from, "--yes")...))
	execute(t, source, `UPDATE users SET email = 'ada.new@example.org' WHERE id = 7`) // the same source all the same
	again := importing(t, env, 3, append(from, "--yes")...)
	for table, c := range again.Tables {
		if c.Imported != 0 {
			t.Errorf("a second run imported %+v of %s", c, table)
		}
	}

	s := serve(t, env, "serve")
	part := func(v any) string { return base64.RawURLEncoding.EncodeToString(encode(t, v)) }
	token := func(sub string) string {
		input := part(map[string]any{"alg": "RS256", "typ": "JWT"}) + "." + part(map[string]any{"iss": "https://clerk.example.com", "sub": sub, "exp": time.Now().Unix() + 600})
		digest := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, clerk, crypto.SHA256, digest[:])
		must(t, err)
		return "Bearer " + input + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	ada := token("user_2Ada")
	list := s.call("GET", "/api/credentials/list", ada, nil).want(t, 200, "")
	all, _ := list.at("credentials").([]any)
	if len(all) != 3 {
		t.Errorf("%d credentials: %s", len(all), list.raw)
	}
	for _, c := range all {
		c := c.(map[string]any)
		if want := c["service"] != "ga4"; c["verified"] != want || c["createdAt"] != "2026-03-01T00:00:00.000Z" {
			t.Errorf("%v", c)
		}
	}
	if strings.Contains(list.raw, "canary") {
		t.Error("a secret came back")
	}
	services := s.call("GET", "/api/services", ada, nil).want(t, 200, "")
	if services.at("services", 2, "name") != "meta" || services.at("services", 2, "enabled") != true || services.at("services", 2, "credential", "verified") != true {
		t.Error(services.raw)
	}
	if m := s.call("GET", "/api/sheet-mappings", ada, nil).want(t, 200, ""); m.at("mappings", 0, "spreadsheetId") != "new" || m.at("mappings", 1) != nil {
		t.Error(m.raw)
	}
	var due, off int
	must(t, query(t, target, `SELECT count(*) FILTER (WHERE enabled AND next_run_at > now() AND timezone = 'Europe/Berlin' AND cron_expression = '0 2 * * *'),
		count(*) FILTER (WHERE NOT enabled AND next_run_at IS NULL) FROM job_schedules`).Scan(&due, &off))
	if due != 1 || off != 2 {
		t.Errorf("%d schedules are due, %d are off", due, off)
	}
	s.call("GET", "/api/credentials/list", token("user_2Bob"), nil).want(t, 403, "ACCESS_DENIED")
	var number int64
	must(t, query(t, target, `SELECT user_no FROM users WHERE email = 'ada@example.org'`).Scan(&number))
	if number != 7 {
		t.Errorf("user 7 is number %d", number)
	}
	// It opens: the provider, and not the vault, refuses the made-up token.
	id := fmt.Sprint(all[len(all)-1].(map[string]any)["id"])
	s.call("POST", "/api/credentials/"+id+"/verify", ada, map[string]any{}).want(t, 400, "VERIFICATION_FAILED")
}

func TestImportRefusals(t *testing.T) {
	t.Parallel()
	turkey, kpi, target := predecessor(t, "turkey.sql"), predecessor(t, "kpi_etl.sql"), dbtest.URL(t)
	env := []string{"DATABASE_URL=" + target, "JWT_SECRET=" + strings.Repeat("s", 32), "ENCRYPTION_KEY_SALT=a salt of our own, 1234567890"}
	for what, c := range map[string]struct {
		env  []string
		code int
		want string
		args []string
	}{
		"nothing named":   {env, 2, "--from is needed", []string{"turkey"}},
		"ours":            {env, 1, "this TurKey already", []string{"turkey", "--from", target, "--yes"}},
		"empty":           {env, 1, "no database of a predecessor", []string{"turkey", "--from", dbtest.Empty(t), "--yes"}},
		"the other one":   {env, 1, "import kpi-etl", []string{"turkey", "--from", kpi, "--yes"}},
		"the other two":   {env, 1, "import turkey", []string{"kpi-etl", "--from", turkey, "--yes"}},
		"an unknown zone": {env, 1, "IANA", []string{"turkey", "--from", turkey, "--source-tz", "Mars/Olympus", "--yes"}},
		"no database":     {env, 1, "cannot be reached", []string{"turkey", "--from", "postgresql://nobody:canary-password@127.0.0.1:1/none", "--yes"}},
		"no URL":          {env, 1, "cannot be parsed", []string{"turkey", "--from", "postgres://:canary-password@[", "--yes"}},
		"without a yes":   {env, 0, "Import into", []string{"turkey", "--from", turkey}},
	} {
		o := run(t, c.env, append([]string{"import"}, c.args...)...)
		if o.code != c.code || !strings.Contains(o.err, c.want) || strings.Contains(o.out+o.err, "canary") {
			t.Errorf("%s: %d %s%s", what, o.code, o.out, o.err)
		}
	}
}
