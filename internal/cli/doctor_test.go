package cli_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"turkey/internal/db/dbtest"
)

type finding struct{ Name, Status, Message, Remedy string }

// doctor runs gravy doctor and returns its checks by name.
func doctor(t testing.TB, code int, env ...string) map[string]finding {
	t.Helper()
	o := run(t, env, "doctor", "--json")
	var report struct {
		Status string
		Checks []finding
	}
	if err := json.Unmarshal([]byte(o.out), &report); err != nil || o.code != code || o.err != "" || (report.Status == "fail") != (code == 1) {
		t.Fatalf("gravy doctor: exit %d, want %d, %v: %s%s", o.code, code, err, o.out, o.err)
	}
	if strings.Contains(o.out, "canary") {
		t.Errorf("the report holds a secret: %s", o.out)
	}
	by := map[string]finding{}
	for _, c := range report.Checks {
		by[c.Name] = c
	}
	return by
}

func (f finding) is(t testing.TB, status string, words ...string) {
	t.Helper()
	if f.Status != status {
		t.Errorf("%+v, want %s", f, status)
	}
	for _, w := range words {
		if !strings.Contains(f.Message+" "+f.Remedy, w) {
			t.Errorf("%+v does not say %q", f, w)
		}
	}
}

// TestDoctorOverHTTP: operators get what gravy doctor says beside the server.
func TestDoctorOverHTTP(t *testing.T) {
	t.Parallel()
	w := administered(t, "JWT_SECRET=canary-jwt-secret-0123456789abcdef", "ENCRYPTION_KEY_SALT=canary-salt-0123456789-0123456789")
	beside := doctor(t, 0, w.env...)
	beside["keys.signing"].is(t, "ok", "key_")
	beside["keys.secret"].is(t, "ok")
	beside["vault.root"].is(t, "ok", "is active")
	beside["vault.recovery"].is(t, "warn", "gravy vault recovery create")
	beside["database.schema"].is(t, "ok")
	for who, a := range map[string]answer{"operator": w.op("GET", "/v1/admin/doctor", nil), "key": w.ci("GET", "/v1/admin/doctor", nil)} {
		a.want(t, 200, "")
		if strings.Contains(a.raw, "canary") || a.at("data", "status") != "warn" {
			t.Errorf("%s: %s", who, a.raw)
		}
		checks, _ := a.at("data", "checks").([]any)
		if len(checks) != len(beside) {
			t.Errorf("%s: %d checks, gravy makes %d", who, len(checks), len(beside))
		}
		for _, c := range checks {
			one := c.(map[string]any)
			if other := beside[one["name"].(string)]; other.Status != one["status"] && other.Name != "database.connections" {
				t.Errorf("%s: %v, gravy says %+v", who, one, other)
			}
		}
	}
	w.ask("GET", "/v1/admin/doctor", nil).want(t, 401, "missing_token")
	w.ask("GET", "/v1/admin/doctor", nil, "Authorization", w.admin("shop", "admin@shop.example")).want(t, 403, "insufficient_permissions")

	o := run(t, w.env, "doctor")
	if o.code != 0 || !strings.Contains(o.out, "keys.signing") || !strings.Contains(o.out, "-> Run gravy vault recovery create") || !strings.Contains(o.out, " 0 failed") {
		t.Errorf("exit %d: %s%s", o.code, o.out, o.err)
	}
}

// TestDoctorLeavesADatabaseAsItIs: without a server it makes no key, app or file, and migrates nothing.
func TestDoctorLeavesADatabaseAsItIs(t *testing.T) {
	t.Parallel()
	url, dir := dbtest.URL(t), dataDir(t)
	by := doctor(t, 0, "DATABASE_URL="+url, "TURKEY_DATA_DIR="+dir)
	by["keys.signing"].is(t, "ok", "first start")
	by["vault.root"].is(t, "ok", "first start")
	var rows int
	must(t, query(t, url, `SELECT (SELECT count(*) FROM keys) + (SELECT count(*) FROM server_secrets) + (SELECT count(*) FROM apps) + (SELECT count(*) FROM vault_roots)`).Scan(&rows))
	if _, err := os.Stat(dir); rows != 0 || !os.IsNotExist(err) {
		t.Errorf("%d rows and %s (%v) were made", rows, dir, err)
	}

	empty := dbtest.Empty(t)
	by = doctor(t, 0, "DATABASE_URL="+empty, "TURKEY_DATA_DIR="+dir)
	by["database.schema"].is(t, "warn", "gravy db migrate")
	by["queue"].is(t, "warn", "Not checked")
	doctor(t, 1, "DATABASE_URL="+empty, "TURKEY_DATA_DIR="+dir, "AUTO_MIGRATE=false")["database.schema"].is(t, "fail", "AUTO_MIGRATE")
	var tables int
	must(t, query(t, empty, `SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'river')`).Scan(&tables))
	if tables != 0 {
		t.Errorf("%d tables were made", tables)
	}
}

func TestDoctorWithoutADatabase(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	for _, address := range []string{"127.0.0.1:" + freePort(t), silent.Addr().String()} {
		begin := time.Now()
		by := doctor(t, 1, "DATABASE_URL=postgresql://ada:canary-password@"+address+"/x?sslmode=disable", "ENCRYPTION_KEY_SALT=default-salt-change-in-production")
		by["database"].is(t, "fail", "cannot reach PostgreSQL at "+address)
		by["configuration.encryption_key_salt"].is(t, "warn", "publicly known")
		by["configuration.jwt_secret"].is(t, "warn", "JWT_SECRET")
		by["providers.shopify_admin_graphql_api"].is(t, "ok", "2027-10-01")
		by["keys.signing"].is(t, "warn", "Not checked")
		if took := time.Since(begin); took > patience {
			t.Errorf("it took %s", took)
		}
	}
	doctor(t, 1, "TURKEY_DATA_DIR="+dataDir(t))["database"].is(t, "fail", "start it once")
}

func TestDoctorOfSettings(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	by := doctor(t, 1, "PORT=canary", "DATABASE_URL=canary://canary")
	by["configuration"].is(t, "fail", "PORT: expected a whole number")
	by["providers.meta_marketing_api"].is(t, "ok")
	by["database"].is(t, "warn", "Not checked")

	production := []string{"NODE_ENV=production", "DATABASE_URL=" + url, "JWT_SECRET=canary-jwt-secret-0123456789abcdef", "LOG_LEVEL=debug", "TURKEY_DATA_DIR=" + dataDir(t)}
	by = doctor(t, 0, append(production, "META_API_VERSION=v25.0", "SHOPIFY_API_VERSION=2099-01")...)
	by["configuration.log_level"].is(t, "warn")
	by["configuration.trust_proxy"].is(t, "warn")
	by["configuration.mail"].is(t, "warn", "EMAIL_SERVICE is none")
	by["database.login"].is(t, "warn", "DATABASE_ADMIN_URL")
	by["vault.root"].is(t, "warn", "off")
	by["providers.meta_marketing_api"].is(t, "warn", "v25.0", "META_API_VERSION")
	by["providers.shopify_admin_graphql_api"].is(t, "ok", "2099-01", "2100-01-01")
	doctor(t, 1, append(production, "SHOPIFY_API_VERSION=2020-01")...)["providers.shopify_admin_graphql_api"].is(t, "fail", "2021-01-01", "SHOPIFY_API_VERSION")
	doctor(t, 1, append(production, "EMAIL_SERVICE=smtp")...)["configuration.mail"].is(t, "fail", "SMTP_HOST")
	doctor(t, 1, append(production, "CLERK_PUBLIC_KEY=pk_test_canary")...)["issuers"].is(t, "fail", "CLERK_PUBLIC_KEY")
	ring := filepath.Join(t.TempDir(), "keyring.json")
	must(t, os.WriteFile(ring, []byte(`{"canary":1}`), 0o644)) // for all to read
	doctor(t, 1, append(production, "VAULT_KEYRING=file:"+ring)...)["vault.root"].is(t, "fail", ring)
}

// TestDoctorWithOtherSecrets: what keeps a server from starting is named, after it ran with other secrets.
func TestDoctorWithOtherSecrets(t *testing.T) {
	t.Parallel()
	r := newStrongroom(t)
	by := doctor(t, 0, append(slices.Clone(r.env), "ENCRYPTION_KEY_SALT="+oldSalt)...)
	by["vault.root"].is(t, "ok")
	by["keys.secret"].is(t, "ok")
	by = doctor(t, 1, append(slices.Clone(r.env), "ENCRYPTION_KEY_SALT="+newSalt, "JWT_SECRET="+strings.Repeat("k", 32))...)
	by["vault.root"].is(t, "fail", "ENCRYPTION_KEY_SALT_PREVIOUS")
	by["keys.secret"].is(t, "fail", "key_", "JWT_SECRET_PREVIOUS")
	by["keys.signing"].is(t, "ok")
}

// TestDoctorUsesThePrivatePostgreSQL beside its server, and when that has stopped.
func TestDoctorUsesThePrivatePostgreSQL(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	env := []string{"TURKEY_DATA_DIR=" + dir}
	s := serve(t, env, "serve")
	doctor(t, 0, env...)["keys.secret"].is(t, "ok")
	s.stop(syscall.SIGTERM)
	by := doctor(t, 0, env...)
	by["keys.signing"].is(t, "ok", "key_")
	by["vault.root"].is(t, "ok", "is active")
	if left := postgresIn(t, dir); len(left) > 0 {
		t.Errorf("there is still %q", left)
	}
}

// TestDoctorForProduction goes through the checklists: what is not so fails, and the server has to answer at its address.
func TestDoctorForProduction(t *testing.T) {
	t.Parallel()
	w := administered(t, "JWT_SECRET=canary-jwt-secret-0123456789abcdef", "ENCRYPTION_KEY_SALT=canary-salt-0123456789-0123456789", "PUBLIC_URL=http://localhost")
	look := func(code int, args []string, more ...string) map[string]finding {
		t.Helper()
		o := run(t, append(slices.Clone(w.env), more...), append([]string{"doctor", "--json"}, args...)...)
		var report struct{ Checks []finding }
		if err := json.Unmarshal([]byte(o.out), &report); err != nil || o.code != code || strings.Contains(o.out, "canary") {
			t.Fatalf("exit %d, %v: %s%s", o.code, err, o.out, o.err)
		}
		by := map[string]finding{}
		for _, c := range report.Checks {
			by[c.Name] = c
		}
		return by
	}
	backups := t.TempDir()
	by := look(0, nil, "BACKUP_DIR="+backups, "BACKUP_CRON=0 1 * * 1", "REDIS_URL=redis://:canary@127.0.0.1:"+freePort(t))
	by["backup.schedule"].is(t, "warn", "7 days")
	by["backup.recent"].is(t, "warn", "gravy backup create")
	by["redis"].is(t, "warn", "REDIS_URL")
	by["database.rls"].is(t, "ok")
	by["database.grants"].is(t, "ok")
	by["database.roles"].is(t, "ok")
	by["cleanup"].is(t, "ok")
	if _, made := by["server.health"]; made {
		t.Error("the address was asked without --production")
	}
	must(t, os.WriteFile(filepath.Join(backups, "last-failure.json"), []byte(`{"at":"2026-01-02T03:04:05Z","error":"no space left"}`), 0o600))
	look(1, nil, "BACKUP_DIR="+backups)["backup.recent"].is(t, "fail", "no space left")

	by = look(1, []string{"--production"}, "PUBLIC_URL="+w.base)
	by["server.health"].is(t, "ok", w.base)
	by["configuration.environment"].is(t, "fail", "NODE_ENV=production")
	by["configuration.https"].is(t, "fail", "PUBLIC_URL")
	by["configuration.operator"].is(t, "fail")
	by["backup.schedule"].is(t, "fail", "BACKUP_DIR")
	by["mail.delivery"].is(t, "warn", "--mail-to")
	by["database.rls"].is(t, "ok")
	look(1, []string{"--production"}, "PUBLIC_URL=http://127.0.0.1:"+freePort(t))["server.health"].is(t, "fail", "refused")

	// A mail really goes where it is told to.
	look(0, []string{"--mail-to", "ops@example.com"})["mail.delivery"].is(t, "ok")
	var sent int
	must(t, query(t, w.db, `SELECT count(*) FROM mailbox WHERE recipient = 'ops@example.com' AND subject LIKE '%gravy doctor'`).Scan(&sent))
	if sent != 1 {
		t.Errorf("%d mails", sent)
	}
	look(1, []string{"--mail-to", "ops@example.com"}, "EMAIL_SERVICE=none")["mail.delivery"].is(t, "fail", "EMAIL_SERVICE is none")
	look(1, []string{"--mail-to", "ops@example.com"}, "EMAIL_SERVICE=smtp", "SMTP_HOST=127.0.0.1", "SMTP_PORT="+freePort(t))["mail.delivery"].is(t, "fail")
	if o := run(t, w.env, "doctor", "--mail-to", "Ops <ops@example.com>"); o.code != 2 {
		t.Errorf("exit %d: %s", o.code, o.err)
	}
}
