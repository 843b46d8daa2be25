package e2e_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
)

// TestEveryActIsAudited is D37 and §9: who, what, app, address, device and request, in the same transaction; and no secret.
func TestEveryActIsAudited(t *testing.T) {
	t.Parallel()
	s := setup(t, behindProxy)
	const ip = "192.0.2.44"
	at := []header{from(ip), set("User-Agent", "Audit-Device/7")}
	post := func(path string, body any, more ...header) answer {
		t.Helper()
		return s.post(path, body, slices.Concat(at, more)...)
	}
	login := func(email, pass string) answer {
		t.Helper()
		return post("/v1/auth/login", object{"email": email, "password": pass, "appId": "shop"})
	}
	type row struct{ app, user, actor, action, ip, agent, meta string }
	rows := func(request string) (found []row) {
		t.Helper()
		all, err := s.sql.Query(t.Context(), `SELECT app_id, coalesce(user_id::text, ''), coalesce(actor, ''), action, coalesce(ip, ''), coalesce(user_agent, ''), coalesce(meta, '')
			FROM audit WHERE meta::jsonb ->> 'requestId' = $1 ORDER BY created_at, id`, request)
		must(t, err)
		found, err = pgx.CollectRows(all, func(r pgx.CollectableRow) (x row, err error) {
			return x, r.Scan(&x.app, &x.user, &x.actor, &x.action, &x.ip, &x.agent, &x.meta)
		})
		must(t, err)
		return found
	}
	var tokens []string
	want := func(name string, a answer, status int, id string, actions ...string) answer {
		t.Helper()
		a.want(t, status, "")
		got := rows(a.header.Get("X-Request-Id"))
		var names []string
		for _, r := range got {
			names = append(names, r.action)
			if r.app != "shop" || r.user != id || r.ip != ip || r.agent != "Audit-Device/7" {
				t.Errorf("%s: %+v", name, r)
			}
			if id != "" && r.action != "login_failed" && r.action != "account_locked" && r.action != "password_reset_requested" && r.actor != id {
				t.Errorf("%s: actor %q", name, r.actor)
			}
			if !json.Valid([]byte(r.meta)) {
				t.Errorf("%s: meta %q", name, r.meta)
			}
		}
		slices.Sort(names)
		slices.Sort(actions)
		if !slices.Equal(names, actions) {
			t.Errorf("%s: audited %v, want %v", name, names, actions)
		}
		for _, member := range []string{"accessToken", "refreshToken"} {
			if token := a.text("data", member); token != "" {
				tokens = append(tokens, token, token[strings.LastIndexByte(token, '.')+1:])
			}
		}
		return a
	}

	const email = "audited@example.com"
	a := post("/v1/auth/register", object{"email": email, "password": password, "appId": "shop"})
	id := a.text("data", "user", "id")
	want("register", a, 201, id, "register")
	verify := s.last(email, verifySubject).token(t)
	tokens = append(tokens, verify)
	want("verify", post("/v1/auth/verify-email", object{"token": verify}), 200, id, "email_verified")
	a = want("login", login(email, password), 200, id, "login")
	refresh := a.text("data", "refreshToken")
	want("login, wrong", login(email, wrong), 401, id, "login_failed")
	want("login, unknown", login("nobody@example.com", wrong), 401, "", "login_failed")
	a = want("refresh", post("/v1/auth/refresh", object{"refreshToken": refresh, "appId": "shop"}), 200, id, "refresh")
	want("refresh again", post("/v1/auth/refresh", object{"refreshToken": refresh, "appId": "shop"}), 200, id) // the same rotation
	want("refresh on", post("/v1/auth/refresh", object{"refreshToken": a.text("data", "refreshToken"), "appId": "shop"}), 200, id, "refresh")
	want("reuse", post("/v1/auth/refresh", object{"refreshToken": refresh, "appId": "shop"}), 401, id, "refresh_reuse_detected")
	want("refresh of an ended one", post("/v1/auth/refresh", object{"refreshToken": refresh, "appId": "shop"}), 401, id)

	a = want("login", login(email, password), 200, id, "login")
	want("logout", post("/v1/auth/logout", object{"refreshToken": a.text("data", "refreshToken")}), 200, id, "logout")
	want("logout again", post("/v1/auth/logout", object{"refreshToken": a.text("data", "refreshToken")}), 200, id)
	a = want("login", login(email, password), 200, id, "login")
	want("logout by access token", post("/v1/auth/logout", object{"refreshToken": a.text("data", "accessToken")}), 200, id, "logout", "token_revoked")
	a = want("login", login(email, password), 200, id, "login")
	want("revoke", post("/v1/auth/revoke", object{"token": a.text("data", "accessToken"), "reason": "lost"}), 200, id, "token_revoked")
	want("revoke again", post("/v1/auth/revoke", object{"token": a.text("data", "accessToken"), "reason": "lost"}), 200, id)
	want("revoke the session", post("/v1/auth/revoke", object{"token": a.text("data", "refreshToken")}), 200, id, "token_revoked")
	a = want("login", login(email, password), 200, id, "login")
	want("logout-all", post("/v1/auth/logout-all", object{"refreshToken": a.text("data", "refreshToken")}), 200, id, "logout_all")
	a = want("login", login(email, password), 200, id, "login")
	bearer := set("Authorization", "Bearer "+a.text("data", "accessToken"))
	want("change password", post("/v1/users/change-password", object{"currentPassword": password, "newPassword": another}, bearer), 200, id, "password_changed")
	want("ask for a reset", post("/v1/auth/request-password-reset", object{"email": email, "appId": "shop"}), 200, id, "password_reset_requested")
	want("ask for a stranger's", post("/v1/auth/request-password-reset", object{"email": "nobody@example.com", "appId": "shop"}), 200, "", "password_reset_requested")
	reset := s.last(email, resetSubject).token(t)
	tokens = append(tokens, reset)
	want("reset", post("/v1/auth/reset-password", object{"token": reset, "newPassword": password}), 200, id, "password_reset")
	a = want("login", login(email, password), 200, id, "login")
	bearer = set("Authorization", "Bearer "+a.text("data", "accessToken"))
	want("change e-mail", s.call("PATCH", "/v1/users/me", "", object{"email": "moved@example.com"}, slices.Concat(at, []header{bearer})...), 200, id, "email_changed")
	for range 4 {
		want("login, wrong", login("moved@example.com", wrong), 401, id, "login_failed")
	}
	want("the fifth", login("moved@example.com", wrong), 401, id, "login_failed", "account_locked")
	want("while locked", login("moved@example.com", wrong), 429, id)
	s.exec(`DELETE FROM login_locks`)
	for range 4 {
		login("ghost@example.com", wrong)
	}
	want("the fifth for nobody", login("ghost@example.com", wrong), 401, "", "login_failed", "account_locked")
	gone := s.call("DELETE", "/v1/users/me", "", nil, slices.Concat(at, []header{bearer})...)
	gone.want(t, 200, "")
	if got := rows(gone.header.Get("X-Request-Id")); len(got) != 1 || got[0] != (row{app: "shop", actor: "deleted", action: "account_deleted", meta: got[0].meta}) {
		t.Errorf("delete: %+v", got)
	}
	if left := one[int](s.world, `SELECT count(*) FROM audit WHERE position('`+id+`' in row_to_json(audit)::text) > 0`); left != 0 {
		t.Errorf("%d audit rows still name the person who is gone", left)
	}

	// Nothing in it opens anything.
	all := one[string](s.world, `SELECT string_agg(row_to_json(a)::text, E'\n') FROM audit a`)
	for _, secret := range append(tokens, password, wrong, another, serviceKey, "$argon2", "eyJ", "rt_") {
		if strings.Contains(all, secret) {
			t.Errorf("the audit log holds %q", secret)
		}
	}
	if found := regexp.MustCompile(`[0-9a-f]{64}`).FindString(all); found != "" {
		t.Errorf("the audit log holds %s", found)
	}
}

// TestAuditIsAppendOnly: for the application's role, whatever it asks for.
func TestAuditIsAppendOnly(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	d, err := db.Open(t.Context(), db.Config{URL: s.url, MaxConns: 2, ConnectTimeout: patience})
	must(t, err)
	t.Cleanup(d.Close)
	before := s.count(`SELECT count(*) FROM audit`)
	for name, scope := range map[string]db.Scope{"app": db.App("shop"), "system": db.System()} {
		for _, sql := range []string{`UPDATE audit SET action = 'nothing'`, `DELETE FROM audit`, `TRUNCATE audit`, `DROP TABLE audit`, `ALTER TABLE audit DISABLE ROW LEVEL SECURITY`,
			`INSERT INTO audit (app_id, action) VALUES ('shop', 'x') ON CONFLICT (id) DO UPDATE SET action = 'y'`} {
			if _, err := d.In(scope).Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "42501") {
				t.Errorf("%s: %s: %v", name, sql, err)
			}
		}
	}
	if _, err := d.In(db.App("shop")).Exec(t.Context(), `INSERT INTO audit (app_id, action) VALUES ('other', 'forged')`); err == nil {
		t.Error("an app writes into another's log")
	}
	var seen int
	must(t, d.In(db.App("other")).QueryRow(t.Context(), `SELECT count(*) FROM audit`).Scan(&seen))
	if seen != 0 {
		t.Errorf("another app reads %d rows", seen)
	}
	if after := s.count(`SELECT count(*) FROM audit`); after != before || s.actions(u.id) != "login" {
		t.Errorf("%d rows before, %d after", before, after)
	}
}
