package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"turkey/internal/db/dbtest"
)

// environment are checks whose outcome is the machine's, not the test's.
var environment = []string{"database.version", "database.login", "database.pool", "database.connections"}

func TestAServerThatIsWell(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r, _ := b.examine()
	for _, c := range r.Checks {
		if c.Status != OK && !slices.Contains(environment, c.Name) {
			t.Errorf("%s is %s: %s", c.Name, c.Status, c.Message)
		}
	}
	want := slices.Concat([]string{"configuration", "configuration.environment", "configuration.encryption_key_salt", "configuration.jwt_secret", "configuration.database_password",
		"configuration.log_level", "configuration.trust_proxy", "configuration.origins", "configuration.limits", "configuration.https", "configuration.mail", "configuration.operator", "database"},
		databaseChecks, schemaChecks, signingChecks, vaultChecks, []string{"providers.some_api"}, issuerChecks, auditChecks, workChecks, upkeepChecks,
		[]string{"backup.schedule", "backup.recent", "backup.verified", "backup.keys"}, redisChecks)
	var got []string
	for _, c := range r.Checks {
		got = append(got, c.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("checks\n%v, want\n%v", got, want)
	}
}

// TestWhatIsWrong breaks one thing at a time.
func TestWhatIsWrong(t *testing.T) {
	t.Parallel()
	database := open(t, dbtest.URL(t))
	now := time.Now()
	days := func(n int) time.Time { return now.Add(time.Duration(n) * day) }
	signing := func(keys ...SigningKey) func(*Config) {
		return func(c *Config) {
			c.Keys = func(context.Context) (SigningKeys, error) { return SigningKeys{Keys: keys}, nil }
		}
	}
	roots := func(v VaultKeys) func(*Config) {
		return func(c *Config) { c.Vault = func(context.Context) (VaultKeys, error) { return v, nil } }
	}
	api := func(a API) func(*Config) {
		return func(c *Config) { a.Name, a.Source = "Some API", "https://example.com"; c.APIs = []API{a} }
	}
	issuers := func(keys ...string) func(*Config) {
		return func(c *Config) {
			c.Issuers = func(context.Context) (all []Issuer) {
				for i, k := range keys {
					all = append(all, Issuer{fmt.Sprintf("https://id%d.example.com", i), k})
				}
				return all
			}
		}
	}
	bundled := days(-1)
	root := RootKey{ID: "root-a", Active: true, Users: 3, CreatedAt: days(-1), BundledAt: &bundled}
	changed := func(change func(*RootKey)) RootKey { r := root; change(&r); return r }
	signer := SigningKey{ID: "key_a", State: "signing", CreatedAt: days(-1)}
	for what, c := range map[string]struct {
		change func(*Config)
		name   string
		status Status
		words  []string
	}{
		"known salt":        {func(c *Config) { c.Settings.EncryptionSalt = "default-salt-change-in-production" }, "configuration.encryption_key_salt", Warn, []string{"publicly known", "gravy vault rotate"}},
		"salt as secret":    {func(c *Config) { c.Settings.JWTSecret = c.Settings.EncryptionSalt }, "configuration.jwt_secret", Warn, []string{"JWT_SECRET_PREVIOUS"}},
		"debug":             {func(c *Config) { c.Settings.LogLevel = "debug" }, "configuration.log_level", Warn, []string{"LOG_LEVEL=info"}},
		"no proxy":          {func(c *Config) { c.Settings.TrustProxy = "" }, "configuration.trust_proxy", Warn, []string{"TRUST_PROXY=false"}},
		"no mail":           {func(c *Config) { c.Mail = func() (string, error) { return "none", nil } }, "configuration.mail", Warn, []string{"SMTP_HOST"}},
		"mail is logged":    {func(c *Config) { c.Mail = func() (string, error) { return "log", nil } }, "configuration.mail", Warn, []string{"EMAIL_SERVICE is log"}},
		"half a mail":       {func(c *Config) { c.Mail = func() (string, error) { return "", errors.New("SMTP_HOST\nSMTP_PORT") } }, "configuration.mail", Fail, []string{"SMTP_HOST; SMTP_PORT"}},
		"debug elsewhere":   {func(c *Config) { c.Settings.Env, c.Settings.LogLevel = "development", "debug" }, "configuration.log_level", OK, nil},
		"dev without proxy": {func(c *Config) { c.Settings.Env, c.Settings.TrustProxy = "development", "" }, "configuration.trust_proxy", OK, nil},
		"dev mailbox": {func(c *Config) {
			c.Settings.Env, c.Mail = "development", func() (string, error) { return "mailbox", nil }
		}, "configuration.mail", OK, nil},

		"pending, migrated at the start": {func(c *Config) { c.Pending = func(context.Context) (bool, error) { return true, nil } }, "database.schema", Warn, []string{"gravy db migrate"}},
		"pending, by hand": {func(c *Config) {
			c.Settings.AutoMigrate, c.Pending = false, func(context.Context) (bool, error) { return true, nil }
		}, "database.schema", Fail, []string{"AUTO_MIGRATE"}},
		"a newer schema": {func(c *Config) {
			c.Pending = func(context.Context) (bool, error) { return false, errors.New("the database is at migration 99") }
		}, "database.schema", Fail, []string{"99"}},
		"superuser":            {func(*Config) {}, "database.login", Warn, []string{"DATABASE_ADMIN_URL"}},
		"superuser elsewhere":  {func(c *Config) { c.Settings.Env = "development" }, "database.login", OK, nil},
		"PostgreSQL is behind": {func(c *Config) { c.Now = func() time.Time { return time.Now().Add(7 * time.Second) } }, "database.clock", Warn, []string{"NTP", "differ by 7"}},
		"PostgreSQL is ahead":  {func(c *Config) { c.Now = func() time.Time { return time.Now().Add(-7 * time.Second) } }, "database.clock", Warn, nil},
		"a small difference":   {func(c *Config) { c.Now = func() time.Time { return time.Now().Add(-3 * time.Second) } }, "database.clock", OK, nil},

		"keys cannot be read": {func(c *Config) {
			c.Keys = func(context.Context) (SigningKeys, error) { return SigningKeys{}, errors.New("boom") }
		}, "keys.signing", Fail, []string{"boom"}},
		"another secret": {func(c *Config) {
			c.Keys = func(context.Context) (SigningKeys, error) {
				return SigningKeys{Keys: []SigningKey{signer}, Problem: errors.New("key_a does not open")}, nil
			}
		}, "keys.secret", Fail, []string{"key_a", "JWT_SECRET_PREVIOUS"}},
		"a new database":    {signing(), "keys.signing", OK, []string{"first start"}},
		"nothing signs":     {signing(SigningKey{ID: "key_a", State: "retired"}, SigningKey{ID: "key_b", State: "published"}), "keys.signing", Fail, []string{"gravy key rotate"}},
		"the signer is old": {signing(SigningKey{ID: "key_a", State: "signing", CreatedAt: days(-91)}), "keys.age", Warn, []string{"91 days", "gravy key rotate"}},
		"the signer is 89":  {signing(SigningKey{ID: "key_a", State: "signing", CreatedAt: days(-89)}), "keys.age", OK, []string{"89 days"}},
		"a kept key is old": {signing(signer, SigningKey{ID: "key_b", State: "verifying", CreatedAt: days(-91)}), "keys.age", Warn, []string{"gravy key retire key_b"}},
		"a key gone is old": {signing(signer, SigningKey{ID: "key_b", State: "gone", CreatedAt: days(-900)}), "keys.age", OK, nil},
		"a rotation":        {signing(signer, SigningKey{ID: "key_b", State: "next", SignsFrom: now.Add(time.Minute)}), "keys.rotation", Warn, []string{"key_b"}},
		"a key for later":   {signing(signer, SigningKey{ID: "key_b", State: "published"}), "keys.rotation", Warn, []string{"gravy key activate key_b"}},

		"no vault":     {func(c *Config) { c.Vault = nil }, "vault.root", Warn, []string{"ENCRYPTION_KEY_SALT", "off"}},
		"no vault yet": {func(c *Config) { c.Vault, c.Settings.Env = nil, "development" }, "vault.root", OK, nil},
		"no root yet":  {roots(VaultKeys{}), "vault.root", OK, []string{"first start"}},
		"the vault cannot be read": {func(c *Config) {
			c.Vault = func(context.Context) (VaultKeys, error) {
				return VaultKeys{}, errors.New("VAULT_KEYRING: no such file")
			}
		}, "vault.root", Fail, []string{"no such file"}},
		"a root is missing":         {roots(VaultKeys{Roots: []RootKey{changed(func(r *RootKey) { r.Problem = "root key root-a needs another salt" })}}), "vault.root", Fail, []string{"root-a needs another", "ENCRYPTION_KEY_SALT_PREVIOUS"}},
		"no root is active":         {roots(VaultKeys{Roots: []RootKey{changed(func(r *RootKey) { r.Active = false })}}), "vault.root", Fail, []string{"gravy vault rotate"}},
		"an unused root is missing": {roots(VaultKeys{Roots: []RootKey{root, {ID: "root-b", Problem: "gone"}}}), "vault.root", OK, nil},
		"the root is old":           {roots(VaultKeys{Roots: []RootKey{changed(func(r *RootKey) { r.CreatedAt = days(-366) })}}), "vault.root_age", Warn, []string{"366 days"}},
		"an unused root is old":     {roots(VaultKeys{Roots: []RootKey{root, {ID: "root-b", CreatedAt: days(-999)}}}), "vault.root_age", OK, nil},
		"half a rotation":           {roots(VaultKeys{Roots: []RootKey{root, {ID: "root-b", Users: 7, CreatedAt: days(-2), BundledAt: &bundled}}}), "vault.rotation", Warn, []string{"root-b", "7 users"}},
		"half a reseal":             {roots(VaultKeys{Roots: []RootKey{root}, Older: 5}), "vault.reseal", Warn, []string{"5 texts", "gravy vault reseal"}},
		"a reseal's keys":           {roots(VaultKeys{Roots: []RootKey{root}, Resealing: 2}), "vault.reseal", Warn, []string{"2 users"}},
		"texts are lost":            {roots(VaultKeys{Roots: []RootKey{root}, Lost: 1}), "vault.reseal", Warn, []string{"never again"}},
		"never a bundle":            {roots(VaultKeys{Roots: []RootKey{changed(func(r *RootKey) { r.BundledAt = nil })}}), "vault.recovery", Warn, []string{"No recovery bundle", "gravy vault recovery create"}},
		"a bundle without the new root": {roots(VaultKeys{Roots: []RootKey{changed(func(r *RootKey) { r.ID, r.BundledAt = "root-new", nil }), changed(func(r *RootKey) { r.Active = false })}}),
			"vault.recovery", Warn, []string{"older than root key root-new"}},

		"an API in 61 days": {api(API{Version: "v1", Ends: now.Add(61 * day)}), "providers.some_api", OK, nil},
		"an API in 60 days": {api(API{Version: "v1", Ends: now.Add(60 * day)}), "providers.some_api", Warn, []string{"https://example.com"}},
		"an API today":      {api(API{Version: "v1", Ends: now}), "providers.some_api", Fail, []string{"ended on"}},
		"another version":   {api(API{Version: "v0", Setting: "META_API_VERSION"}), "providers.some_api", Warn, []string{"Remove META_API_VERSION"}},
		"an older version":  {api(API{Version: "v0", Setting: "SHOPIFY_API_VERSION", Ends: days(-1)}), "providers.some_api", Fail, []string{"Remove SHOPIFY_API_VERSION"}},
		"no other issuers":  {issuers(), "issuers", OK, []string{"own tokens"}},
		"a stale issuer":    {issuers("ok", "stale"), "issuers", Warn, []string{"https://id1.example.com"}},
		"an unread issuer":  {issuers("stale", "unread"), "issuers", Fail, []string{"https://id1.example.com"}},
		"an unusable key":   {issuers("off"), "issuers", Fail, []string{"CLERK_PUBLIC_KEY"}},
		"a mistake of ours": {func(c *Config) { c.Issuers = func(context.Context) []Issuer { panic("canary") } }, "issuers", Fail, []string{"mistake"}},
	} {
		t.Run(what, func(t *testing.T) {
			b := &bundle{t: t, cfg: well(database)}
			c.change(&b.cfg)
			_, by := b.examine()
			says(t, by[c.name], c.status, c.words...)
		})
	}
}

func TestAConfigurationThatDoesNotLoad(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.cfg.Settings, b.cfg.Issuers, b.cfg.Problem = nil, nil, errors.New("PORT: expected a number\nTZ: not a zone")
	r, by := b.examine()
	says(t, by["configuration"], Fail, "PORT: expected a number; TZ: not a zone")
	says(t, by["database"], Warn, "Not checked")
	says(t, by["queue"], Warn, "Not checked")
	says(t, by["providers.some_api"], OK)
	if r.Status != Fail {
		t.Error(r.Status)
	}
}

// TestWithoutADatabase: what needs none is still looked at.
func TestWithoutADatabase(t *testing.T) {
	t.Parallel()
	for what, away := range map[string]func(*bundle){
		"from the start": func(b *bundle) { b.cfg.DB, b.cfg.NoDB = nil, errors.New("cannot reach PostgreSQL at db:5432") },
		"now":            func(b *bundle) { b.cfg.DB.Close() },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			away(b)
			asked := false
			b.cfg.Keys = func(context.Context) (SigningKeys, error) { asked = true; return SigningKeys{}, nil }
			r, by := b.examine()
			says(t, by["database"], Fail, "DATABASE_URL")
			for _, name := range slices.Concat(databaseChecks, schemaChecks, signingChecks, vaultChecks, auditChecks, workChecks, upkeepChecks) {
				says(t, by[name], Warn, "Not checked: the database cannot be used")
			}
			for _, name := range []string{"configuration", "configuration.mail", "providers.some_api", "issuers", "backup.recent", "redis"} {
				says(t, by[name], OK)
			}
			if r.Status != Fail || asked {
				t.Errorf("%s, asked for keys: %v", r.Status, asked)
			}
		})
	}
}

func TestPendingMigrationsKeepFromAskingTables(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`DROP TABLE webhook_deliveries`)
	_, by := b.examine()
	says(t, by["queue"], Fail, "Could not be looked at")
	b.cfg.Pending = func(context.Context) (bool, error) { return true, nil }
	_, by = b.examine()
	says(t, by["queue"], Warn, "Not checked")
	says(t, by["database.tls"], OK)
}
