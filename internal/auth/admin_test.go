package auth

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/fault"
	"turkey/internal/queue"
)

// office is a service on a database of its own, and an operator's context.
type office struct {
	*Service
	ctx context.Context
}

func openOffice(t *testing.T) office {
	t.Helper()
	database, log := dbtest.New(t), slog.New(slog.DiscardHandler)
	jobs := queue.New(database, log, 1)
	s, err := New(t.Context(), Config{DB: database, Log: log, Now: time.Now, Queue: jobs, Secret: bytes.Repeat([]byte("s"), 32), Issuer: issuer,
		PublicURL: issuer, DefaultApp: "default-app", AccessTTL: 15 * time.Minute, RefreshTTL: time.Hour, RefreshAbsolute: 24 * time.Hour,
		RefreshGrace: 30 * time.Second, ResetTTL: time.Hour, VerificationTTL: time.Hour, CleanupInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := jobs.Open(); err != nil {
		t.Fatal(err)
	}
	return office{s, AsOperator(t.Context(), "test", false)}
}

func (o office) count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	if err := o.cfg.DB.In(db.System()).QueryRow(o.ctx, sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAdminKeys(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	key, info, err := o.CreateAdminKey(o.ctx, "ci")
	if err != nil || info.Name != "ci" || len(key) != len(adminKeyPrefix)+43 {
		t.Fatalf("%q %+v %v", key, info, err)
	}
	if n := o.count(t, `SELECT count(*) FROM admin_keys k WHERE k::text LIKE '%' || $1 || '%'`, key[len(adminKeyPrefix):]); n != 0 {
		t.Error("the key itself is stored")
	}
	used := func() *time.Time {
		t.Helper()
		keys, err := o.AdminKeys(o.ctx)
		if err != nil || len(keys) != 1 {
			t.Fatal(keys, err)
		}
		return (*time.Time)(keys[0].UsedAt)
	}
	if used() != nil {
		t.Error("used before it was")
	}
	who := func(key string) error {
		a, _, err := o.administrator(o.ctx, "", key)
		if err == nil && (a.actor != "admin-key:ci" || a.app != "") {
			t.Errorf("%+v", a)
		}
		return err
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := who(key); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	first := used()
	if first == nil || who(key) != nil || !used().Equal(*first) {
		t.Error("the use is noted once a minute")
	}
	if _, err := o.cfg.DB.In(db.System()).Exec(o.ctx, `UPDATE admin_keys SET used_at = now() - interval '2 minutes'`); err != nil {
		t.Fatal(err)
	}
	if who(key) != nil || used().Before(*first) {
		t.Error("a use after a minute is noted")
	}
	for _, bad := range []string{"x", adminKeyPrefix, key + "A", key[:len(key)-1], strings.ToUpper(key), key + "\x00", adminKeyPrefix + strings.Repeat("A", 200)} {
		if err := who(bad); !errors.Is(err, errBadAdminKey) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, name := range []string{"", "a b", strings.Repeat("x", 81), "ключ", "a\x00"} {
		if _, _, err := o.CreateAdminKey(o.ctx, name); !errors.Is(err, errKeyName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := o.RevokeAdminKey(o.ctx, "ci"); err != nil || !errors.Is(who(key), errBadAdminKey) {
		t.Error("a revoked key works", err)
	}
	if _, err := o.RevokeAdminKey(o.ctx, "ci"); !errors.Is(err, errNoAdminKey) {
		t.Error(err)
	}
	// A name stands for one key for ever, of parallel calls too.
	made := make(chan error, 8)
	for range 8 {
		go func() { _, _, err := o.CreateAdminKey(o.ctx, "night"); made <- err }()
	}
	good := 0
	for range 8 {
		switch err := <-made; {
		case err == nil:
			good++
		case !errors.Is(err, errKeyTaken):
			t.Error(err)
		}
	}
	if _, _, err := o.CreateAdminKey(o.ctx, "ci"); good != 1 || !errors.Is(err, errKeyTaken) {
		t.Errorf("%d keys of one name, %v", good, err)
	}
	if n := o.count(t, `SELECT count(*) FROM audit WHERE action LIKE 'admin_key_%' AND actor = 'test' AND app_id = 'default-app'`); n != 3 {
		t.Errorf("%d rows in the audit log", n)
	}
}

// TestForcedActs: only whoever says so may take an app's last administrator away.
func TestForcedActs(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	if _, err := o.AddApp(o.ctx, "shop", AppChange{}); err != nil {
		t.Fatal(err)
	}
	u, err := o.AddUser(o.ctx, "shop", NewUser{Email: "ada@example.com", Role: "admin", Password: "Canary-Pass-4711!", Silent: true})
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.MustParse(u.ID)
	if _, err := o.RemoveUser(o.ctx, "shop", id); !errors.Is(err, errLastAdmin) {
		t.Error(err)
	}
	if n := o.count(t, `SELECT token_version FROM users WHERE id = $1`, id); n != 0 {
		t.Error("a refused act ended tokens")
	}
	if _, err := o.RemoveUser(AsOperator(t.Context(), "test", true), "shop", id); err != nil {
		t.Error(err)
	}
	if err := o.DeleteApp(o.ctx, "shop"); err != nil {
		t.Error(err)
	}
	if _, err := o.AddUser(o.ctx, "shop", NewUser{Email: "ada@example.com", Role: "user"}); !errors.Is(err, errNoApp) {
		t.Error(err)
	}
}

// TestActsThatChangeNothing leave no trace and end nothing.
func TestActsThatChangeNothing(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	u, err := o.AddUser(o.ctx, "default-app", NewUser{Email: "ada@example.com", Role: "user", Password: "Canary-Pass-4711!", Verified: true, Silent: true})
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.MustParse(u.ID)
	rows := o.count(t, `SELECT count(*) FROM audit`)
	for name, act := range map[string]func() (User, error){
		"activate": func() (User, error) { return o.ActivateUser(o.ctx, "default-app", id) },
		"verify":   func() (User, error) { return o.VerifyUser(o.ctx, "default-app", id) },
		"role":     func() (User, error) { return o.SetUserRole(o.ctx, "default-app", id, "user") },
	} {
		after, err := act()
		if err != nil || after.TokenVersion != 0 || !time.Time(after.UpdatedAt).Equal(time.Time(u.UpdatedAt)) {
			t.Errorf("%s: %+v %v", name, after, err)
		}
	}
	if n := o.count(t, `SELECT count(*) FROM audit`); n != rows {
		t.Errorf("%d rows were recorded", n-rows)
	}
	if n := o.count(t, `SELECT count(*) FROM mails`); n != 0 {
		t.Errorf("%d mails", n)
	}
}

// TestRevokedAppsEndTokensOfTheirPast, whatever this server's memory knows.
func TestRevokedAppsEndTokensOfTheirPast(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	_, tokens, err := o.AddTestUser(o.ctx, "default-app", NewUser{Email: "ada@example.com", Role: "user", Password: "Canary-Pass-4711!"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := caller.WithRequest(t.Context(), caller.Request{ID: "r", IP: "192.0.2.1"})
	if _, err := o.Authenticate(ctx, "Bearer "+tokens.AccessToken); err != nil {
		t.Fatal(err)
	}
	n, err := o.RevokeApp(o.ctx, "default-app", "")
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if _, err := o.Authenticate(ctx, "Bearer "+tokens.AccessToken); !errors.Is(err, errTokenRevoked) {
		t.Error(err)
	}
	if _, err := o.RevokeApp(o.ctx, "none", ""); !errors.Is(err, errNoApp) {
		t.Error(err)
	}
	if n := o.count(t, `SELECT count(*) FROM revocation_events WHERE kind = 'app'`); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestOriginsAndBases(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://shop.example": "https://shop.example", "https://SHOP.example:443": "https://shop.example", " https://shop.example:8443 ": "https://shop.example:8443",
		"http://localhost:3000": "http://localhost:3000", "http://localhost:80": "http://localhost", "http://app.localhost": "http://app.localhost",
		"http://127.0.0.1:5173": "http://127.0.0.1:5173", "http://[::1]:5173": "http://[::1]:5173", "https://192.0.2.1": "https://192.0.2.1",
		"https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
	} {
		got := []string{in}
		if broken := checkOrigins(got); len(broken) > 0 || got[0] != want {
			t.Errorf("%q: %v %v", in, got, broken)
		}
	}
	for _, bad := range []string{"", "*", "null", "shop.example", "https://", "https://*.example", "http://shop.example", "https://shop.example/", "https://shop.example/x",
		"https://a@shop.example", "https://shop.example?x", "https://shop.example?", "https://shop.example#x", "https://shop.example#", "https://shop.example:", "ftp://localhost",
		"javascript:alert(1)", "https://shop .example", "https://shop.example\x00", "https://-shop.example", "http://localhost.evil.example", "https://bücher.example",
		"https://shop.example,https://b.example", "https://" + strings.Repeat("a", 1000)} {
		if broken := checkOrigins([]string{bad}); len(broken) != 1 || broken[0].Name != "origins.0" {
			t.Errorf("%q passes as an origin: %v", bad, broken)
		}
	}
	for _, good := range []string{"https://shop.example", "https://shop.example/app/x", "http://localhost:3000", "http://localhost:3000/x"} {
		if !goodBase(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"", "http://shop.example", "https://shop.example?x=1", "https://shop.example#x", "//shop.example", "https://user@shop.example", "https://shop.example/a b", "javascript:x"} {
		if goodBase(bad) {
			t.Errorf("%q passes as a base", bad)
		}
	}
}

func TestAppChangeTakesTheBorders(t *testing.T) {
	t.Parallel()
	n := func(v int32) Setting[int32] { return Set(&v) }
	for _, c := range []struct {
		change AppChange
		field  string // "": good
	}{
		{AppChange{AccessTTL: n(30)}, ""}, {AppChange{AccessTTL: n(86400)}, ""}, {AppChange{AccessTTL: n(29)}, "accessTtl"}, {AppChange{AccessTTL: n(86401)}, "accessTtl"},
		{AppChange{RefreshGrace: n(0)}, ""}, {AppChange{RefreshGrace: n(300)}, ""}, {AppChange{RefreshGrace: n(-1)}, "refreshGrace"}, {AppChange{RefreshGrace: n(301)}, "refreshGrace"},
		{AppChange{RefreshAbsoluteTTL: n(0)}, ""}, {AppChange{RefreshAbsoluteTTL: n(59)}, "refreshAbsoluteTtl"}, {AppChange{RefreshTTL: n(0)}, "refreshTtl"},
		{AppChange{RefreshTTL: n(longestLife)}, ""}, {AppChange{RefreshTTL: n(longestLife + 1)}, "refreshTtl"}, {AppChange{RefreshTTL: Set[int32](nil)}, ""},
		{AppChange{PasswordMin: n(64).Value}, ""}, {AppChange{PasswordMin: n(65).Value}, "passwordMin"},
	} {
		broken := c.change.Validate()
		if c.field == "" && len(broken) > 0 || c.field != "" && (len(broken) != 1 || broken[0].Name != c.field) {
			t.Errorf("%+v: %v", c.change, broken)
		}
	}
}

// TestCursors: every place in a list comes back as it was, and nothing else passes.
func TestCursors(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := position{time.UnixMicro(rapid.Int64Range(0, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()).Draw(t, "at")).UTC(),
			uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))}
		at, id, err := Page{Cursor: *cursor(want.String())}.after()
		if err != nil || !at.Equal(want.at) || id != want.id {
			t.Fatalf("%v %v %v", at, id, err)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		p := Page{Cursor: rapid.String().Draw(t, "cursor")}
		_, _, err := p.after()
		if f, _ := fault.From(err); p.Cursor != "" && (f == nil || f.Kind != fault.Invalid) {
			t.Fatalf("%q: %v", p.Cursor, err)
		}
		if _, err := p.before(); p.Cursor != "" && err != nil && !errors.Is(err, errCursor) {
			t.Fatalf("%q: %v", p.Cursor, err)
		}
	})
}

// TestPagesAreWhole: whatever the limit, a list read page by page is the list.
func TestPagesAreWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.StringMatching(`[a-z]{3}`), 0, 20).Draw(t, "rows")
		slices.Sort(rows)
		rows = slices.Compact(rows)
		p := Page{Limit: rapid.IntRange(1, 8).Draw(t, "limit")}
		var read []string
		for {
			from := 0
			if p.Cursor != "" {
				after, err := p.text()
				if err != nil {
					t.Fatal(err)
				}
				from, _ = slices.BinarySearch(rows, after)
				from++
			}
			shown, next := pageOf(rows[from:min(len(rows), from+int(p.max()))], p, strings.ToUpper, func(r string) string { return r })
			read = append(read, shown...)
			if next == nil {
				break
			}
			p.Cursor = *next
		}
		if !slices.Equal(read, strings.Fields(strings.ToUpper(strings.Join(rows, " ")))) {
			t.Fatalf("%v of %v", read, rows)
		}
	})
}
