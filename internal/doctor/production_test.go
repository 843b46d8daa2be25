package doctor

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turkey/internal/config"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// TestChecklist breaks one line of the guides' checklists at a time: it is a warning, and with Production a failure.
func TestChecklist(t *testing.T) {
	t.Parallel()
	database := open(t, dbtest.URL(t))
	now := time.Now()
	no := false
	settings := func(change func(*config.Config)) func(*Config) { return func(c *Config) { change(c.Settings) } }
	backups := func(change func(*Backups)) func(*Config) {
		return func(c *Config) {
			b, _ := c.Backups()
			change(&b)
			c.Backups = func() (Backups, error) { return b, nil }
		}
	}
	mail := func(service string, change func(*config.Config)) func(*Config) {
		return func(c *Config) {
			c.Mail = func() (string, error) { return service, nil }
			change(c.Settings)
		}
	}
	for what, c := range map[string]struct {
		change func(*Config)
		name   string
		words  []string
	}{
		"known salt":            {settings(func(c *config.Config) { c.EncryptionSalt = "your-random-salt-CHANGE-THIS" }), "configuration.encryption_key_salt", []string{"publicly known"}},
		"short salt":            {settings(func(c *config.Config) { c.EncryptionSalt = "canary-0123456789" }), "configuration.encryption_key_salt", []string{"can guess it", "gravy vault rotate"}},
		"monotonous salt":       {settings(func(c *config.Config) { c.EncryptionSalt = config.Secret(strings.Repeat("canary", 8)) }), "configuration.encryption_key_salt", []string{"hardly random"}},
		"the guide's secret":    {settings(func(c *config.Config) { c.JWTSecret = "your-secure-secret-key-min-32-chars" }), "configuration.jwt_secret", []string{"publicly known", "JWT_SECRET_PREVIOUS"}},
		"monotonous secret":     {settings(func(c *config.Config) { c.JWTSecret = config.Secret(strings.Repeat("canary", 8)) }), "configuration.jwt_secret", []string{"hardly random"}},
		"the guide's password":  {settings(func(c *config.Config) { c.DatabaseURL = "postgresql://turkey_app:secure-password-here@db/turkey" }), "configuration.database_password", []string{"DATABASE_URL", "ALTER ROLE"}},
		"the guide's postgres":  {settings(func(c *config.Config) { c.DatabaseAdminURL = "postgresql://postgres:postgres@db/turkey" }), "configuration.database_password", []string{"DATABASE_ADMIN_URL"}},
		"no proxy":              {settings(func(c *config.Config) { c.TrustProxy = "" }), "configuration.trust_proxy", []string{"TRUST_PROXY=false"}},
		"localhost may call":    {settings(func(c *config.Config) { c.MoreOrigins = []string{"https://localhost:3000"} }), "configuration.origins", []string{"https://localhost:3000", "ALLOWED_ORIGINS"}},
		"http may call":         {settings(func(c *config.Config) { c.Origins = []string{"http://shop.example.com"} }), "configuration.origins", []string{"http://shop.example.com"}},
		"everybody may call":    {settings(func(c *config.Config) { c.Origins = []string{"*"} }), "configuration.origins", []string{"*"}},
		"no login limit":        {settings(func(c *config.Config) { c.LoginMax = -1 }), "configuration.limits", []string{"LOGIN_RATE_LIMIT_MAX_ATTEMPTS"}},
		"no API limit":          {settings(func(c *config.Config) { c.APILimitEnabled = &no }), "configuration.limits", []string{"API_RATE_LIMIT_ENABLED"}},
		"no https":              {settings(func(c *config.Config) { c.PublicURL = "http://auth.example.com" }), "configuration.https", []string{"PUBLIC_URL"}},
		"no mail":               {mail("none", func(*config.Config) {}), "configuration.mail", []string{"SMTP_HOST"}},
		"Mailgun's sandbox":     {mail("mailgun", func(c *config.Config) { c.MailgunDomain = "sandbox0123.mailgun.org" }), "configuration.mail", []string{"sandbox"}},
		"mail from nowhere":     {mail("smtp", func(c *config.Config) { c.FromEmail = "noreply@localhost" }), "configuration.mail", []string{"FROM_EMAIL"}},
		"nobody hears":          {settings(func(c *config.Config) { c.EmailTo = nil }), "configuration.operator", []string{"SLACK_WEBHOOK_URL"}},
		"superuser":             {func(*Config) {}, "database.login", []string{"DATABASE_ADMIN_URL"}},
		"migrations":            {func(c *Config) { c.Pending = func(context.Context) (bool, error) { return true, nil } }, "database.schema", []string{"gravy db migrate"}},
		"no vault":              {func(c *Config) { c.Vault = nil }, "vault.root", []string{"ENCRYPTION_KEY_SALT"}},
		"no backups":            {func(c *Config) { c.Backups = nil }, "backup.schedule", []string{"BACKUP_DIR", "other means"}},
		"no schedule":           {backups(func(b *Backups) { b.Every = 0 }), "backup.schedule", []string{"BACKUP_CRON"}},
		"weekly backups":        {backups(func(b *Backups) { b.Every = 7 * day }), "backup.schedule", []string{"7 days"}},
		"no backup yet":         {backups(func(b *Backups) { b.Newest = time.Time{} }), "backup.recent", []string{"gravy backup create"}},
		"an old backup":         {backups(func(b *Backups) { b.Newest = now.Add(-27 * time.Hour) }), "backup.recent", []string{"newest backup is of"}},
		"never restored":        {backups(func(b *Backups) { b.Verified = time.Time{} }), "backup.verified", []string{"gravy backup verify"}},
		"restored long ago":     {backups(func(b *Backups) { b.Verified = now.Add(-31 * day) }), "backup.verified", []string{"31 days"}},
		"Redis does not answer": {func(c *Config) { c.Redis = func(context.Context) error { return errors.New("connection refused") } }, "redis", []string{"connection refused", "REDIS_URL"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for production, status := range map[bool]Status{false: Warn, true: Fail} {
				b := &bundle{t: t, cfg: well(database)}
				c.change(&b.cfg)
				b.cfg.Production = production
				r, by := b.examine()
				says(t, by[c.name], status, c.words...)
				if (r.Status == Fail) != production {
					t.Errorf("the report is %s, production: %v", r.Status, production)
				}
			}
		})
	}
}

// TestOutsideProduction nobody is told to close what a developer needs open, unless it is asked for.
func TestOutsideProduction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.cfg.Settings
	s.Env, s.PublicURL, s.Origins, s.EmailTo, s.TrustProxy, s.DatabaseURL = "development", "http://localhost:3000", []string{"http://localhost:3000"}, nil, "", "postgresql://postgres:postgres@localhost/x"
	b.cfg.Backups = nil
	names := []string{"configuration.environment", "configuration.https", "configuration.origins", "configuration.operator", "configuration.trust_proxy", "configuration.database_password", "backup.schedule"}
	_, by := b.examine()
	for _, name := range names {
		says(t, by[name], OK)
	}
	b.cfg.Production = true
	_, by = b.examine()
	for _, name := range names {
		says(t, by[name], Fail)
	}
}

func TestBackupThatFailed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now := time.Now()
	state := Backups{Every: day, Newest: now.Add(-2 * time.Hour), FailedAt: now.Add(-time.Hour), Failure: "no space left", Verified: now, KeyFiles: []string{"/b/keyring.json"}}
	b.cfg.Backups = func() (Backups, error) { return state, nil }
	_, by := b.examine()
	says(t, by["backup.recent"], Fail, "no space left")
	says(t, by["backup.keys"], Warn, "/b/keyring.json")
	state.Newest = now
	_, by = b.examine()
	says(t, by["backup.recent"], OK)
	b.cfg.Backups = func() (Backups, error) { return Backups{}, errors.New("permission denied") }
	_, by = b.examine()
	says(t, by["backup.recent"], Fail, "permission denied")
}

func TestRoomOnDisk(t *testing.T) {
	t.Parallel()
	p := Place{Path: "/d", Need: 3 * gibibyte}
	for _, c := range []struct {
		free, total uint64
		status      Status
		word        string
	}{
		{11, 100, OK, ""}, {9, 100, Warn, "filling"}, {30, 4000, OK, ""}, {19, 4000, Warn, "filling"}, {2, 10, Warn, "another backup"}, {0, 100, Fail, "full"}, {1, 4000, Warn, "another backup"},
	} {
		says(t, p.check("disk.data", Space{c.free * gibibyte, c.total * gibibyte}), c.status, c.word)
	}
	s, err := spaceAt(filepath.Join(t.TempDir(), "not", "there", "yet"))
	if err != nil || s.Total == 0 || s.Free > s.Total {
		t.Errorf("%+v, %v", s, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	b := setup(t)
	b.cfg.Places = []Place{{Name: "data", Path: filepath.Join(file, "x")}, {Name: "backups", Path: t.TempDir(), Need: math.MaxUint64}}
	_, by := b.examine()
	says(t, by["disk.data"], Fail, "Could not be looked at")
	if c := by["disk.backups"]; c.Status == OK {
		t.Errorf("%+v", c)
	}
}

// TestProtection undoes one protection of the schema at a time, as somebody with psql might.
func TestProtection(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ sql, name, word string }{
		"no index":              {`DROP INDEX revoked_jti_expires_idx`, "database.indexes", "revoked_jti_expires_idx"},
		"no force":              {`ALTER TABLE credentials NO FORCE ROW LEVEL SECURITY`, "database.rls", "credentials"},
		"disabled":              {`ALTER TABLE users DISABLE ROW LEVEL SECURITY`, "database.rls", "users"},
		"a wide policy":         {`CREATE POLICY wide ON kpi_rows TO turkey_app USING (true)`, "database.rls", "policy wide shows every row of kpi_rows"},
		"no policy":             {`DROP POLICY apps_system ON apps`, "database.rls", "apps has no policy"},
		"the guide's grants":    {`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO turkey_app`, "database.grants", "turkey_app may UPDATE audit"},
		"keys for the app":      {`GRANT SELECT ON keys TO turkey_app`, "database.grants", "turkey_app may SELECT keys"},
		"everybody":             {`GRANT SELECT ON users TO PUBLIC`, "database.grants", "everybody may SELECT users"},
		"less than it needs":    {`REVOKE SELECT ON users FROM turkey_system`, "database.grants", "turkey_system may not SELECT users"},
		"anybody makes tables":  {`GRANT CREATE ON SCHEMA public TO PUBLIC`, "database.grants", "turkey_app may create"},
		"the system may forget": {`GRANT DELETE ON audit_logs TO turkey_system`, "database.grants", "turkey_system may DELETE audit_logs"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			_, by := b.examine()
			for _, name := range schemaChecks {
				says(t, by[name], OK)
			}
			b.exec(c.sql)
			_, by = b.examine()
			says(t, by[c.name], Fail, c.word)
			for _, name := range schemaChecks {
				if name != c.name {
					says(t, by[name], OK)
				}
			}
		})
	}
}

func TestAnIndexThatWasNotFinished(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO apps (id) VALUES ('a'), ('b')`)
	if _, err := b.admin.Exec(t.Context(), `CREATE UNIQUE INDEX CONCURRENTLY half ON apps (registration_open)`); err == nil {
		t.Fatal("the index was built")
	}
	_, by := b.examine()
	says(t, by["database.indexes"], Warn, "public.half", "REINDEX INDEX CONCURRENTLY")
}

// TestRoles are of a cluster, so it needs one of its own.
func TestRoles(t *testing.T) {
	t.Parallel()
	pg := dbtest.Private(t)
	url := dbtest.At(pg, "postgres", "postgres")
	_, err := db.Migrate(t.Context(), db.MigrateConfig{URL: url})
	must(t, err)
	b := &bundle{t: t, admin: connect(t, url)}
	b.cfg = well(open(t, url))
	for _, c := range []struct{ wrong, right, word string }{
		{`ALTER ROLE turkey_app BYPASSRLS`, `ALTER ROLE turkey_app NOBYPASSRLS`, "turkey_app is a superuser or bypasses"},
		{`GRANT turkey_owner TO turkey_system`, `REVOKE turkey_owner FROM turkey_system`, "turkey_system is a member of turkey_owner"},
	} {
		b.exec(c.wrong)
		_, by := b.examine()
		says(t, by["database.roles"], Fail, c.word)
		b.exec(c.right)
		_, by = b.examine()
		says(t, by["database.roles"], OK)
	}
}

func TestCleanup(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, by := b.examine()
	says(t, by["cleanup"], OK, "Nothing that should be gone")
	event := func(age string) {
		b.exec(`INSERT INTO revocation_events (app_id, kind, subject, expires_at) VALUES ('shop', 'user', 'x', now() - $1::text::interval)`, age)
	}
	event("48 hours")
	b.exec(`INSERT INTO river.river_job (kind, args, max_attempts, state, finalized_at) VALUES ('cleanup', '{}', 3, 'completed', '2026-01-02 03:04:05Z')`)
	_, by = b.examine()
	says(t, by["cleanup"], OK, "2026-01-02T03:04:05Z")
	event("50 hours")
	_, by = b.examine()
	says(t, by["cleanup"], Warn, "gravy db cleanup")
	b.cfg.Production = true
	_, by = b.examine()
	says(t, by["cleanup"], Fail)
}

func TestAppsWithoutAName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO apps (id, name) VALUES ('unused', ''), ('shop', 'shop'), ('docs', 'The documentation')`)
	b.exec(`INSERT INTO users (app_id, email, password_hash) SELECT a.id, 'canary@example.com', 'x' FROM apps a WHERE a.id <> 'unused'`)
	_, by := b.examine()
	says(t, by["apps"], Warn, "shop", "gravy app set")
	if strings.Contains(by["apps"].Message, "unused") || strings.Contains(by["apps"].Message, "docs") {
		t.Error(by["apps"])
	}
	b.exec(`UPDATE apps SET name = 'Shop', origins = '{http://shop.example.com}' WHERE id = 'shop'`)
	_, by = b.examine()
	says(t, by["apps"], Warn, "without https: shop")
	b.exec(`UPDATE apps SET origins = '{https://shop.example.com}'`)
	_, by = b.examine()
	says(t, by["apps"], OK, "3 apps")
}

// TestWhatIsAskedFor reaches others only when it is.
func TestWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.cfg.Production = true
	_, by := b.examine()
	says(t, by["mail.delivery"], Warn, "--mail-to")
	for _, err := range []error{nil, errors.New("550 no such domain")} {
		b.cfg.SendMail = func(context.Context) error { return err }
		b.cfg.Reach = b.cfg.SendMail
		_, by = b.examine()
		status, word := OK, ""
		if err != nil {
			status, word = Fail, "550"
		}
		says(t, by["mail.delivery"], status, word)
		says(t, by["server.health"], status, word)
	}
}
