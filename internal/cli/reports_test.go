package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/client"
	"turkey/internal/db/dbtest"
)

// told runs a command with --json and reads what it prints.
func (w *world) told(code int, to any, args ...string) {
	w.t.Helper()
	o := w.gravy(code, append(args, "--json")...)
	if err := json.Unmarshal([]byte(o.out), to); err != nil {
		w.t.Errorf("%v: %v: %s%s", args, err, o.out, o.err)
	}
}

type tokenCheck struct {
	Valid, Signature bool
	Code             string
	Claims           map[string]any
}

func TestTokenCommands(t *testing.T) {
	t.Parallel()
	w := administered(t)
	u := w.user("shop")
	token := u.Tokens().AccessToken
	check := func(code int, token string) (c tokenCheck) {
		t.Helper()
		w.told(code, &c, "token", "verify", token)
		return c
	}
	c := check(0, token)
	if !c.Valid || !c.Signature || c.Claims["aud"] != "shop" {
		t.Fatalf("%+v", c)
	}
	jti, id := c.Claims["jti"].(string), c.Claims["sub"].(string)
	parts := strings.Split(token, ".")
	for name, junk := range map[string]string{"another signature": parts[0] + "." + parts[1] + "." + strings.Repeat("A", 86), "junk": "junk", "none": parts[0] + "." + parts[1] + "."} {
		if c := check(1, junk); c.Valid || c.Signature || c.Code == "" {
			t.Errorf("%s: %+v", name, c)
		}
	}
	// By the input, out of the list of processes; what nobody vouches for says so.
	cmd := program(t, w.env, "token", "verify", "-", "-v")
	cmd.Stdin = strings.NewReader(token + "\n")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "is valid until") || !strings.Contains(string(out), jti) {
		t.Errorf("%v: %s", err, out)
	}
	if o := w.gravy(1, "token", "verify", "-v", parts[0]+"."+parts[1]+"."+strings.Repeat("A", 86)); !strings.Contains(o.out, "nobody vouches for") {
		t.Errorf("%s", o.out)
	}

	// Revoked by the jti, once.
	end := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	revoke := []string{"token", "revoke-access", jti, "-u", id, "-a", "shop", "-e", end}
	w.gravy(0, "token", "check-revocation", jti)
	if o := w.gravy(0, revoke...); !strings.Contains(o.out, "Cancelled") {
		t.Errorf("without -y: %s%s", o.out, o.err)
	}
	w.gravy(0, "token", "check-revocation", jti)
	var revoked struct {
		Revoked       bool
		UserID, AppID string
		Reason        string
	}
	w.told(0, &revoked, append(revoke, "-y")...)
	if !revoked.Revoked {
		t.Errorf("%+v", revoked)
	}
	w.told(0, &revoked, append(revoke, "-y")...)
	if revoked.Revoked {
		t.Error("it was revoked before")
	}
	w.told(1, &revoked, "token", "check-revocation", jti)
	if !revoked.Revoked || revoked.UserID != id || revoked.AppID != "shop" || revoked.Reason != "admin_revoked" {
		t.Errorf("%+v", revoked)
	}
	if o := w.gravy(1, "token", "check-revocation", jti, "-v"); o.err != "" || !strings.Contains(o.out, "admin_revoked") {
		t.Errorf("%s%s", o.out, o.err)
	}
	if c := check(1, token); c.Valid || !c.Signature || c.Code != "token_revoked" {
		t.Errorf("%+v", c)
	}
	w.call("GET", "/v1/users/me", "Bearer "+token, nil).want(t, 401, "token_revoked")
	for want, args := range map[string][]string{
		"there is no user":    {"token", "revoke-access", "at_x", "-u", id, "-a", "default-app", "-e", end, "-y"},
		"needs no revocation": {"token", "revoke-access", "at_x", "-u", id, "-a", "shop", "-e", "2020-01-02T03:04:05Z", "-y"},
		"--expires":           {"token", "revoke-access", "at_x", "-u", id, "-a", "shop", "-e", "soon", "-y"},
		"is a UUID":           {"token", "revoke-access", "at_x", "-u", "ada", "-a", "shop", "-e", end, "-y"},
	} {
		if o := w.gravy(1, args...); !strings.Contains(o.err, want) {
			t.Errorf("%v: %s", args, o.err)
		}
	}
	w.gravy(2, "token", "revoke-access", "at_x", "-u", id, "-a", "shop")

	var n struct{ Total, Active, Expired int }
	execute(t, w.db, `INSERT INTO revoked_jti (jti, app_id, user_id, expires_at) VALUES ('old', 'shop', $1, now() - interval '8 days'), ('new', 'shop', $1, now() - interval '1 day')`, id)
	if w.told(0, &n, "token", "jti-stats"); n.Total != 3 || n.Active != 1 || n.Expired != 2 {
		t.Errorf("%+v", n)
	}
	if o := w.gravy(0, "token", "cleanup-jti", "-y"); !strings.Contains(o.out, "Forgot 1 ") {
		t.Errorf("%s", o.out)
	}
	if w.told(0, &n, "token", "jti-stats"); n.Total != 2 || n.Active != 1 {
		t.Errorf("%+v", n)
	}

	// Sessions with what became of them.
	must(t, u.Refresh(t.Context()))
	second, err := w.in("shop").Login(t.Context(), c.Claims["email"].(string), password)
	must(t, err)
	must(t, second.Logout(t.Context()))
	var list []struct {
		State, UserID string
		Refreshes     int
		Reason        *string
	}
	w.told(0, &list, "token", "list-refresh", "-u", id)
	if len(list) != 2 || list[0].State != "revoked" || list[1].State != "active" || list[1].Refreshes != 1 || list[1].UserID != id {
		t.Errorf("%+v", list)
	}
	w.told(0, &list, "token", "list-refresh", "-u", id, "--active-only")
	if len(list) != 1 || list[0].State != "active" {
		t.Errorf("%+v", list)
	}
	if o := w.gravy(0, "token", "list-refresh", "-l", "1"); strings.Count(o.out, "\n") != 2 || strings.Contains(o.out, "rt_") {
		t.Errorf("%s", o.out)
	}
}

func TestSecurityAndAnalytics(t *testing.T) {
	t.Parallel()
	w := administered(t)
	victim := w.user("shop")
	id := w.call("GET", "/v1/users/me", bearer(victim), nil).at("data", "id").(string)
	email := w.call("GET", "/v1/users/me", bearer(victim), nil).at("data", "email").(string)
	fail := func(email string, times int) {
		t.Helper()
		for range times {
			_, err := w.in("shop").Login(t.Context(), email, "Wrong-Pass-1!")
			if e, ok := err.(*client.Error); !ok || e.Status != 401 && e.Status != 429 { //nolint:errorlint // the client returns it unwrapped
				t.Fatal(err)
			}
		}
	}
	fail(email, 3)
	fail("nobody@example.com", 2)
	must(t, victim.Refresh(t.Context()))
	execute(t, w.db, `INSERT INTO audit (app_id, user_id, action, ip, created_at) SELECT 'shop', $1, 'login_failed', '203.0.113.9', now() - interval '20 days' FROM generate_series(1, 9)`, id)
	execute(t, w.db, `INSERT INTO audit (app_id, user_id, action, ip, user_agent) VALUES ('shop', $1, 'refresh_reuse_detected', '203.0.113.7', E'\x1b[31mred')`, id)

	type entry struct {
		Action, Email string
		UserID        *string
		IP            *string
	}
	var entries []entry
	w.told(0, &entries, "security", "audit-log", "-u", email, "-a", "login_failed")
	if len(entries) != 3 || *entries[0].UserID != id {
		t.Errorf("%+v", entries)
	}
	w.told(0, &entries, "security", "audit-log", "-u", id, "-a", "login_failed", "-d", "30")
	if len(entries) != 12 {
		t.Errorf("%d entries of 30 days", len(entries))
	}
	w.told(0, &entries, "security", "audit-log", "-l", "2")
	if len(entries) != 2 {
		t.Errorf("%d entries", len(entries))
	}
	if o := w.gravy(0, "security", "audit-log", "-a", "refresh_reuse_detected", "-v"); strings.Contains(o.out, "\x1b") || !strings.Contains(o.out, "203.0.113.7") {
		t.Errorf("%q", o.out)
	}
	if o := w.gravy(1, "security", "audit-log", "-u", "nobody@example.com"); !strings.Contains(o.err, "there is no user") {
		t.Errorf("%s", o.err)
	}
	w.told(0, &entries, "security", "failed-logins")
	nobodys := 0
	for _, e := range entries {
		if e.UserID == nil {
			nobodys++
		}
	}
	if len(entries) != 5 || nobodys != 2 {
		t.Errorf("%+v", entries)
	}
	w.told(0, &entries, "security", "failed-logins", "-u", email)
	if len(entries) != 3 || entries[0].Email != email {
		t.Errorf("%+v", entries)
	}

	var odd []struct {
		Kind, Subject, Email string
		Events               int
	}
	w.told(0, &odd, "security", "suspicious")
	seen := map[string]int{}
	for _, s := range odd {
		seen[s.Kind+" "+s.Email] = s.Events
	}
	if seen["failures_from_address "] != 5 || seen["refresh_reuse_detected "+email] != 1 || seen["failures_of_account "+email] != 0 {
		t.Errorf("%+v", odd)
	}
	w.told(0, &odd, "security", "suspicious", "-d", "30", "-t", "9")
	for _, s := range odd {
		seen[s.Kind+" "+s.Email] = s.Events
	}
	if seen["failures_of_account "+email] != 12 {
		t.Errorf("%+v", odd)
	}
	w.gravy(1, "security", "suspicious", "-t", "0")
	var counts []struct {
		Action string
		Events int
	}
	w.told(0, &counts, "security", "stats")
	for _, c := range counts {
		seen[c.Action] = c.Events
	}
	if seen["login_failed"] != 14 || seen["refresh"] != 1 {
		t.Errorf("%+v", counts)
	}

	var users []struct {
		AppID                    string
		Total, Admins, New, Seen int
	}
	w.told(0, &users, "analytics", "user-stats")
	if len(users) != 2 || users[0].AppID != "default-app" || users[0].Admins != 1 || users[1].Total != 1 || users[1].New != 1 || users[1].Seen != 1 {
		t.Errorf("%+v", users)
	}
	var tokens struct{ Live, Opened, Refreshes, Reused int }
	if w.told(0, &tokens, "analytics", "token-stats"); tokens.Live != 2 || tokens.Opened != 2 || tokens.Refreshes != 1 || tokens.Reused != 1 {
		t.Errorf("%+v", tokens)
	}
	var logins []struct {
		Day            string
		Hour           *int
		Logins, Failed int
	}
	w.told(0, &logins, "analytics", "login-stats", "-d", "7")
	if len(logins) == 0 || logins[0].Day == "" || logins[0].Failed != 5 || logins[0].Logins != 1 {
		t.Errorf("%+v", logins)
	}
	w.told(0, &logins, "analytics", "login-stats", "--by-hour")
	failed := 0
	for _, l := range logins {
		failed += l.Failed
	}
	if len(logins) != 24 || logins[23].Hour == nil || *logins[23].Hour != 23 || failed != 14 {
		t.Errorf("%+v", logins)
	}
	var top []struct {
		Email  string
		Events int
	}
	w.told(0, &top, "analytics", "top-users", "-m", "actions", "-l", "1")
	if len(top) != 1 || top[0].Email != email {
		t.Errorf("%+v", top)
	}
	w.told(0, &top, "analytics", "top-users", "-m", "refreshes")
	if len(top) != 1 || top[0].Events != 1 {
		t.Errorf("%+v", top)
	}
	for _, args := range [][]string{{"analytics", "top-users", "-m", "shoes"}, {"analytics", "user-stats", "-d", "-1"}, {"security", "stats", "-d", "99999"}} {
		if o := w.gravy(1, args...); !strings.Contains(o.err, "expected") {
			t.Errorf("%v: %s", args, o.err)
		}
	}
}

func TestDevSetupAndHealth(t *testing.T) {
	t.Parallel()
	url := dbtest.Empty(t)
	env := []string{"DATABASE_URL=" + url, "TURKEY_DATA_DIR=" + dataDir(t), "AUTO_MIGRATE=false"}
	if o := run(t, env, "dev", "health"); o.code != 1 || o.out != "" || !strings.Contains(o.err, "migrations are pending") {
		t.Errorf("before: exit %d: %s%s", o.code, o.out, o.err)
	}
	var made struct {
		Email, Password, AppID string
		Existed                bool
		Applied, Keys          int
	}
	o := run(t, env, "dev", "setup", "--json")
	must(t, json.Unmarshal([]byte(o.out), &made))
	if o.code != 0 || made.Email != "admin@turkey.local" || made.AppID != "default-app" || len(made.Password) < 20 || made.Applied == 0 || made.Keys != 1 {
		t.Fatalf("exit %d: %s%s", o.code, o.out, o.err)
	}
	if o := run(t, env, "dev", "setup"); o.code != 0 || !strings.Contains(o.out, "already") || strings.Contains(o.out, "Password") {
		t.Errorf("again: exit %d: %s%s", o.code, o.out, o.err)
	}
	var found struct {
		Database          string
		ActiveKeys, Users int
	}
	o = run(t, env, "dev", "health", "--json")
	must(t, json.Unmarshal([]byte(o.out), &found))
	if o.code != 0 || found.Database != "connected" || found.ActiveKeys != 1 || found.Users != 1 {
		t.Errorf("exit %d: %s%s", o.code, o.out, o.err)
	}
	s := serve(t, env, "serve")
	u, err := s.in("default-app").Login(t.Context(), made.Email, made.Password)
	must(t, err)
	if role := s.call("GET", "/v1/users/me", bearer(u), nil).at("data", "role"); role != "admin" {
		t.Errorf("role %v", role)
	}
}

func TestDatabaseHealthStatsAndReset(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	env := []string{"DATABASE_URL=" + url, "TURKEY_DATA_DIR=" + dataDir(t)}
	say := func(code int, want string, args ...string) outcome {
		t.Helper()
		o := run(t, env, args...)
		if o.code != code || !strings.Contains(o.out+o.err, want) || code == 0 && o.err != "" {
			t.Errorf("%v: exit %d, want %d and %q: %s%s", args, o.code, code, want, o.out, o.err)
		}
		return o
	}
	say(0, "App shop is registered", "app", "create", "shop")
	var tables []struct {
		Table       string
		Rows, Bytes int
	}
	must(t, json.Unmarshal([]byte(say(0, "", "db", "stats", "--json").out), &tables))
	rows := map[string]int{}
	for _, table := range tables {
		rows[table.Table] = table.Rows
		if table.Bytes < 0 {
			t.Errorf("%+v", table)
		}
	}
	if rows["apps"] != 2 || rows["keys"] != 1 || rows["users"] != 0 || len(tables) < 25 {
		t.Errorf("%v", rows)
	}

	// A lock that is waited for, a slow query with a secret in it, an invalid and an unused index, dead rows.
	conn := func(name string) *pgx.Conn {
		t.Helper()
		cc, err := pgx.ParseConfig(url)
		must(t, err)
		cc.RuntimeParams["application_name"] = name
		c, err := pgx.ConnectConfig(t.Context(), cc)
		must(t, err)
		t.Cleanup(func() { _ = c.Close(t.Context()) })
		return c
	}
	holder, waiter := conn("holder"), conn("waiter")
	execute(t, url, `CREATE TABLE zoo (a int, b text); INSERT INTO zoo SELECT i, repeat('x', 20) FROM generate_series(1, 100000) i; CREATE INDEX zoo_a ON zoo (a);
		CREATE INDEX zoo_b ON zoo (b); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'zoo_b'::regclass`)
	execute(t, url, `DELETE FROM zoo WHERE a % 5 <> 0`)
	_, err := holder.Exec(t.Context(), `BEGIN; LOCK TABLE zoo`)
	must(t, err)
	blocked := make(chan error, 1)
	go func() {
		_, err := waiter.Exec(t.Context(), `SELECT 'canary-secret-of-a-query', a FROM zoo`)
		blocked <- err
	}()
	var h struct {
		Version     string
		RoundTripMs float64
		Pools       []struct {
			Application              string
			Total, IdleInTransaction int
		}
		Waiting []struct {
			Lock, Query string
			BlockedBy   []int
		}
		Bloat          []struct{ Table string }
		InvalidIndexes []string
		UnusedIndexes  []struct{ Index string }
	}
	eventually(t, "the health shows who waits, and the dead rows", func() bool {
		o := say(0, "", "db", "health", "--json")
		must(t, json.Unmarshal([]byte(o.out), &h))
		if strings.Contains(o.out, "canary") {
			t.Fatalf("a query's value is shown: %s", o.out)
		}
		return len(h.Waiting) == 1 && len(h.Bloat) == 1 && len(h.UnusedIndexes) == 1
	})
	if h.RoundTripMs <= 0 || h.Version == "" || !strings.Contains(h.Waiting[0].Lock, "zoo") || len(h.Waiting[0].BlockedBy) != 1 || !strings.HasPrefix(h.Waiting[0].Query, "SELECT '…', a") ||
		len(h.InvalidIndexes) != 1 || h.InvalidIndexes[0] != "zoo_b" || h.UnusedIndexes[0].Index != "public.zoo_a" {
		t.Errorf("%+v", h)
	}
	in := map[string]int{}
	for _, p := range h.Pools {
		in[p.Application] = p.IdleInTransaction
	}
	if in["holder"] != 1 {
		t.Errorf("pools: %+v", h.Pools)
	}
	o := say(0, "Waiting for locks", "db", "health")
	for _, want := range []string{"round trip", "holder", "zoo_b", "zoo_a", "public.zoo"} {
		if !strings.Contains(o.out, want) {
			t.Errorf("no %q in %s", want, o.out)
		}
	}

	var left int
	// A reset leaves what is somebody else's, and is refused in production.
	_, err = holder.Exec(t.Context(), `COMMIT`)
	must(t, err)
	must(t, <-blocked)
	production := []string{"NODE_ENV=production", "JWT_SECRET=" + strings.Repeat("s3cret-", 10), "JWT_ISSUER=https://auth.example.com"}
	if o := run(t, append(env, production...), "db", "reset", "-y"); o.code != 1 || !strings.Contains(o.err, "this is production") {
		t.Errorf("in production: exit %d: %s%s", o.code, o.out, o.err)
	}
	if o := run(t, env, "db", "reset"); o.code != 0 || !strings.Contains(o.out, "Cancelled") {
		t.Errorf("without an answer: exit %d: %s%s", o.code, o.out, o.err)
	}
	must(t, query(t, url, `SELECT count(*) FROM apps`).Scan(&left))
	if left != 2 {
		t.Errorf("%d apps are left of a reset that was refused", left)
	}
	say(0, "with a new schema", "db", "reset", "-y")
	must(t, json.Unmarshal([]byte(say(0, "", "db", "stats", "--json").out), &tables))
	for _, table := range tables {
		if table.Rows != 0 && table.Table != "goose_db_version" && table.Table != "zoo" && !strings.HasPrefix(table.Table, "river.") {
			t.Errorf("after a reset %s holds %d rows", table.Table, table.Rows)
		}
	}
	must(t, query(t, url, `SELECT count(*) FROM zoo`).Scan(&left))
	if left != 20000 {
		t.Errorf("%d rows of somebody else's table are left", left)
	}
	say(1, "is not provided", "db", "generate")
	say(1, "psql", "db:studio")
}
