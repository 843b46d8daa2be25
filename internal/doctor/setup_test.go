package doctor

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/config"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// bundle is a doctor of a server that is well, on a database of its own.
type bundle struct {
	t     testing.TB
	cfg   Config
	admin *pgx.Conn
	now   time.Time
}

func setup(t testing.TB) *bundle {
	t.Helper()
	b := &bundle{t: t, now: time.Now()}
	url := dbtest.URL(t)
	b.admin = connect(t, url)
	b.cfg = well(open(t, url))
	return b
}

// well is a configuration that nothing is wrong with.
func well(database *db.DB) Config {
	made := time.Now().Add(-24 * time.Hour)
	return Config{Now: time.Now, DB: database,
		Settings: &config.Config{Env: "production", EncryptionSalt: "canary-salt-0123456789-0123456789", JWTSecret: "canary-secret-0123456789-0123456789", LogLevel: "info", TrustProxy: "1",
			PoolMax: 2, AutoMigrate: true, CleanupHours: 24, PublicURL: "https://auth.example.com", Origins: []string{"https://shop.example.com"}, FromEmail: "noreply@example.com", EmailTo: []string{"canary@example.com"}},
		Mail:    func() (string, error) { return "smtp", nil },
		Pending: func(context.Context) (bool, error) { return false, nil },
		Keys: func(context.Context) (SigningKeys, error) {
			return SigningKeys{Keys: []SigningKey{{ID: "key_a", State: "signing", CreatedAt: made}}}, nil
		},
		Vault: func(context.Context) (VaultKeys, error) {
			return VaultKeys{Roots: []RootKey{{ID: "root-a", Active: true, Users: 3, CreatedAt: made, BundledAt: &made}}}, nil
		},
		APIs:    []API{{Name: "Some API", Version: "v1", Source: "https://example.com"}},
		Issuers: func(context.Context) []Issuer { return []Issuer{{"https://id.example.com", "ok"}} },
		Backups: func() (Backups, error) {
			return Backups{Every: day, Newest: made, Verified: made}, nil
		},
		Redis: func(context.Context) error { return nil },
	}
}

func open(t testing.TB, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{URL: url, MaxConns: 4})
	must(t, err)
	t.Cleanup(d.Close)
	return d
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.admin.Exec(b.t.Context(), sql, args...)
	must(b.t, err)
}

// examine makes the checks and looks at what holds of every report.
func (b *bundle) examine() (Report, map[string]Check) {
	b.t.Helper()
	r := New(b.cfg).Examine(b.t.Context())
	by, worst := map[string]Check{}, OK
	for _, c := range r.Checks {
		if _, twice := by[c.Name]; twice {
			b.t.Errorf("%s was checked twice", c.Name)
		}
		by[c.Name] = c
		if c.Message == "" || strings.Contains(c.Message, "\n") || strings.Contains(c.Message, "%!") || (c.Remedy == "") != (c.Status == OK) {
			b.t.Errorf("%+v", c)
		}
		if c.Status == Fail || c.Status == Warn && worst == OK {
			worst = c.Status
		}
	}
	if r.Status != worst {
		b.t.Errorf("the report is %s, its worst check %s", r.Status, worst)
	}
	text, err := json.Marshal(r)
	must(b.t, err)
	if strings.Contains(string(text), "canary") {
		b.t.Errorf("the report tells what it must not: %s", text)
	}
	return r, by
}

// says asserts how one check came out.
func says(t testing.TB, c Check, status Status, words ...string) {
	t.Helper()
	if c.Status != status {
		t.Errorf("%s: %s, want %s: %s", c.Name, c.Status, status, c.Message)
	}
	for _, w := range words {
		if !strings.Contains(c.Message+" -> "+c.Remedy, w) {
			t.Errorf("%s does not say %q: %s -> %s", c.Name, w, c.Message, c.Remedy)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
