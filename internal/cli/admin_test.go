package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/client"
	"turkey/internal/db/dbtest"
)

// world is a server with operators and the administrator of an app, made as on a real one: with gravy.
type world struct {
	*server
	env      []string
	key      string // an admin key named ci
	operator string // Bearer of an administrator of the default app
}

// unlimited keeps the limits of callers out of tests that are about something else.
var unlimited = []string{"RATE_LIMIT_MAX_REQUESTS=100000", "ADMIN_RATE_LIMIT_MAX_ATTEMPTS=100000", "LOGIN_RATE_LIMIT_MAX_ATTEMPTS=100000",
	"REGISTER_RATE_LIMIT_MAX_ATTEMPTS=100000", "REFRESH_RATE_LIMIT_MAX_ATTEMPTS=100000", "MAIL_RATE_LIMIT_MAX_ATTEMPTS=100000"}

func administered(t *testing.T, env ...string) *world {
	t.Helper()
	database := dbtest.URL(t)
	s := serve(t, append(append([]string{"DATABASE_URL=" + database, "TURKEY_SANDBOX=true", "EMAIL_SERVICE=mailbox"}, unlimited...), env...), "serve")
	w := &world{server: s, env: append([]string{"DATABASE_URL=" + database, "TURKEY_DATA_DIR=" + s.dir, "PORT=" + s.base[strings.LastIndex(s.base, ":")+1:]}, env...)}
	s.secret(password)
	w.key = s.secret(strings.TrimSpace(w.gravy(0, "admin-key", "create", "ci").out))
	w.operator = w.admin("default-app", "operator@example.com")
	return w
}

// gravy runs a command beside the server.
func (w *world) gravy(code int, args ...string) outcome {
	w.t.Helper()
	o := run(w.t, w.env, args...)
	if o.code != code || strings.Contains(o.out+o.err, password) {
		w.t.Errorf("gravy %v: exit %d, want %d: %s%s", args, o.code, code, o.out, o.err)
	}
	return o
}

// admin makes an administrator of an app and signs in.
func (w *world) admin(app, email string) string {
	w.t.Helper()
	w.gravy(0, "user", "create", "-e", email, "-p", password, "-a", app, "-r", "admin")
	return bearer(w.login(app, email))
}

func (w *world) login(app, email string) *client.Session {
	w.t.Helper()
	u, err := w.in(app).Login(w.t.Context(), email, password)
	must(w.t, err)
	return u
}

// never secret stands in no answer of administration.
var neverShown = regexp.MustCompile(`(?i)password_?hash|key_?hash|token_?hash|private|\$argon|argon2|turkey_admin_|"rt_|eyJ[A-Za-z0-9_-]{12}|sealed[^A]`)

// ask is call with any headers (name, value, …), and looks at what must not be in the answer.
func (w *world) ask(method, path string, body any, headers ...string) answer {
	w.t.Helper()
	var content *strings.Reader
	if body == nil {
		content = strings.NewReader("")
	} else {
		content = strings.NewReader(string(encode(w.t, body)))
	}
	req, err := http.NewRequest(method, w.base+path, content)
	must(w.t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	a := w.do(req)
	if found := neverShown.FindString(a.raw); found != "" && !strings.Contains(path, "/mailbox") {
		w.t.Errorf("%s %s: the answer holds %q: %s", method, path, found, a.raw)
	}
	return a
}

// op asks as the operator, ci with the admin key.
func (w *world) op(method, path string, body any) answer {
	w.t.Helper()
	return w.ask(method, path, body, "Authorization", w.operator)
}

func (w *world) ci(method, path string, body any) answer {
	w.t.Helper()
	return w.ask(method, path, body, "X-Turkey-Admin-Key", w.key)
}

// adminRoute is one operation under /v1/admin, as the server documents it.
type adminRoute struct{ method, path, id string }

// adminRoutes is every route of administration, so that a new one is tested or fails here.
func (w *world) adminRoutes() (all []adminRoute) {
	w.t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string                `json:"operationId"`
			Security    []map[string][]string `json:"security"`
		} `json:"paths"`
	}
	must(w.t, json.Unmarshal([]byte(w.call("GET", "/openapi.json", "", nil).raw), &doc))
	for path, operations := range doc.Paths {
		if !strings.HasPrefix(path, "/v1/admin") {
			continue
		}
		for method, o := range operations {
			if len(o.Security) != 2 {
				w.t.Errorf("%s %s: security %v", method, path, o.Security)
			}
			all = append(all, adminRoute{strings.ToUpper(method), path, o.OperationID})
		}
	}
	slices.SortFunc(all, func(a, b adminRoute) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	if len(all) < 25 {
		w.t.Fatalf("only %d routes of administration", len(all))
	}
	return all
}

const nobody = "00000000-0000-4000-8000-000000000000"

// in fills the path of a route: an app, and otherwise what does not exist.
func (r adminRoute) in(t *testing.T, app string) string {
	t.Helper()
	path := strings.NewReplacer("{id}", app, "{userId}", nobody, "{sid}", nobody, "{kid}", "key_none", "{kind}", "welcome", "{job}", "9000000000000000000").Replace(r.path)
	if strings.Contains(path, "{") {
		t.Fatalf("%s: tell this test what to put into its path", r.path)
	}
	return path
}

// harmless is a body that no route takes, so that whoever is let in changes nothing.
func (r adminRoute) harmless() any {
	if r.method == "GET" || r.method == "DELETE" {
		return nil
	}
	return map[string]any{"reason": 5, "role": 5, "email": 5, "id": 5, "kind": 5, "keepOld": 5, "name": 5}
}

func TestWhoMayAdminister(t *testing.T) {
	t.Parallel()
	w := administered(t)
	shop := w.admin("shop", "admin@shop.example")
	w.admin("other", "admin@other.example")
	user, consoleUser := bearer(w.user("shop")), bearer(w.user("default-app"))
	suspended := w.admin("default-app", "suspended@example.com")
	demoted := w.admin("default-app", "demoted@example.com")
	execute(t, w.db, `UPDATE users SET status = 'suspended' WHERE email = 'suspended@example.com'`)
	execute(t, w.db, `UPDATE users SET role = 'user' WHERE email = 'demoted@example.com'`)
	revokedKey := strings.TrimSpace(w.gravy(0, "admin-key", "create", "old").out)
	w.gravy(0, "admin-key", "revoke", "old", "-y")
	wrongKey := w.key[:len(w.key)-1] + map[bool]string{true: "B", false: "A"}[strings.HasSuffix(w.key, "A")]

	const auth, key = "Authorization", "X-Turkey-Admin-Key"
	for _, r := range w.adminRoutes() {
		own := strings.HasPrefix(r.path, "/v1/admin/apps/{id}") && !slices.Contains([]string{"updateApp", "deleteApp", "setMailTemplate", "resetMailTemplate"}, r.id)
		for _, c := range []struct {
			who     string
			headers []string
			app     string
			status  int // 0: let in
			code    string
		}{
			{"nobody", nil, "shop", 401, "missing_token"},
			{"garbage", []string{auth, "Bearer x.y.z"}, "shop", 401, "invalid_token"},
			{"a user", []string{auth, user}, "shop", 403, "insufficient_permissions"},
			{"a user of the console's app", []string{auth, consoleUser}, "shop", 403, "insufficient_permissions"},
			{"a suspended administrator", []string{auth, suspended}, "shop", 403, "forbidden"},
			{"a demoted administrator", []string{auth, demoted}, "shop", 403, "insufficient_permissions"},
			{"another app's administrator", []string{auth, shop}, "other", 403, "insufficient_permissions"},
			{"an app's administrator about no app", []string{auth, shop}, "nowhere", 403, "insufficient_permissions"},
			{"a wrong key", []string{key, wrongKey}, "shop", 403, "invalid_api_key"},
			{"a key that is none", []string{key, "x"}, "shop", 403, "invalid_api_key"},
			{"a revoked key", []string{key, revokedKey}, "shop", 403, "invalid_api_key"},
			{"a wrong key with an operator's token", []string{key, wrongKey, auth, w.operator}, "shop", 403, "invalid_api_key"},
			{"a good key with a bad token", []string{key, w.key, auth, "Bearer x.y.z"}, "shop", 401, "invalid_token"},
			{"an operator", []string{auth, w.operator}, "shop", 0, ""},
			{"a key", []string{key, w.key}, "shop", 0, ""},
			{"a key with a user's token", []string{key, w.key, auth, user}, "shop", 0, ""},
		} {
			a := w.ask(r.method, r.in(t, c.app), r.harmless(), c.headers...)
			if c.status != 0 && (a.status != c.status || a.code() != c.code) || c.status == 0 && (a.status == 401 || a.status == 403 || a.status >= 500) {
				t.Errorf("%s %s as %s: %d %s", r.method, r.path, c.who, a.status, a.raw)
			}
		}
		a := w.ask(r.method, r.in(t, "shop"), r.harmless(), auth, shop)
		if own == (a.status == 403) || a.status == 401 || a.status >= 500 {
			t.Errorf("%s %s as the app's administrator: %d %s", r.method, r.path, a.status, a.raw)
		}
	}
	if n := 0; query(t, w.db, `SELECT count(*) FROM apps WHERE id = 'nowhere'`).Scan(&n) != nil || n != 0 {
		t.Errorf("asking made an app")
	}
}

// TestRefusalsAreAudited: who asks for what is not theirs is on record, in their own app; an app's administrators read its log.
func TestRefusalsAreAudited(t *testing.T) {
	t.Parallel()
	w := administered(t)
	shop := w.admin("shop", "admin@shop.example")
	w.admin("other", "admin@other.example")
	u := w.user("shop")
	id := func(token string) string {
		t.Helper()
		v, _ := w.call("GET", "/v1/users/me", token, nil).at("data", "id").(string)
		return v
	}
	w.ask("GET", "/v1/admin/stats", nil, "Authorization", bearer(u)).want(t, 403, "")
	w.ask("DELETE", "/v1/admin/apps/other/users/"+nobody, nil, "Authorization", shop).want(t, 403, "")
	w.ask("GET", "/v1/admin/apps/%00"+strings.Repeat("x", 300), nil, "Authorization", shop).want(t, 403, "")
	w.ask("GET", "/v1/admin/keys", nil, "X-Turkey-Admin-Key", "turkey_admin_guess").want(t, 403, "")
	w.ask("GET", "/v1/admin/keys", nil).want(t, 401, "") // nobody asked
	rows := func(path string, headers ...string) (found []string) {
		t.Helper()
		a := w.ask("GET", path, nil, headers...).want(t, 200, "")
		list, _ := a.at("data").([]any)
		for i := range list {
			text := func(path ...any) string { v, _ := a.at(append([]any{"data", i}, path...)...).(string); return v }
			found = append(found, strings.Join([]string{text("appId"), text("actor"), text("meta", "method"), text("meta", "path"), text("meta", "reason")}, " "))
		}
		return found
	}
	long := "/v1/admin/apps/%00" + strings.Repeat("x", 182)
	want := []string{"shop " + id(shop) + " GET " + long + " insufficient_permissions",
		"shop " + id(shop) + " DELETE /v1/admin/apps/other/users/" + nobody + " insufficient_permissions",
		"shop " + id(bearer(u)) + " GET /v1/admin/stats insufficient_permissions"}
	if got := rows("/v1/admin/apps/shop/audit?action=admin_refused", "Authorization", shop); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := rows("/v1/admin/apps/shop/audit?action=admin_refused&user="+id(bearer(u)), "Authorization", w.operator); !slices.Equal(got, want[2:]) {
		t.Errorf("of one user: %q", got)
	}
	if got := rows("/v1/admin/audit?action=admin_refused&app=default-app", "Authorization", w.operator); !slices.Equal(got, []string{"default-app  GET /v1/admin/keys invalid_api_key"}) {
		t.Errorf("with a wrong key: %q", got)
	}
	for _, row := range rows("/v1/admin/apps/shop/audit?limit=100", "Authorization", shop) {
		if !strings.HasPrefix(row, "shop ") {
			t.Errorf("another app's: %s", row)
		}
	}
	w.ask("GET", "/v1/admin/apps/other/audit", nil, "Authorization", shop).want(t, 403, "")
	w.ask("GET", "/v1/admin/apps/shop/audit", nil, "Authorization", bearer(u)).want(t, 403, "")
	w.ask("GET", "/v1/admin/apps/shop/audit?from=yesterday", nil, "Authorization", shop).want(t, 400, "validation_error")
}

func TestAdminLimiterCountsRefusals(t *testing.T) {
	t.Parallel()
	w := administered(t, "ADMIN_RATE_LIMIT_MAX_ATTEMPTS=3")
	for range 50 {
		w.op("GET", "/v1/admin/stats", nil).want(t, 200, "")
	}
	for range 3 {
		w.ask("GET", "/v1/admin/apps/x/users/"+nobody, nil, "X-Turkey-Admin-Key", "guess").want(t, 403, "invalid_api_key")
	}
	a := w.ask("POST", "/v1/admin/keys/rotate", nil, "X-Turkey-Admin-Key", "guess").want(t, 429, "rate_limit_exceeded")
	if a.at("message") != "Too many admin requests. Please try again later." || a.header.Get("RateLimit-Limit") != "3" {
		t.Errorf("%s %v", a.raw, a.header)
	}
}

func TestAppsAreAdministered(t *testing.T) {
	t.Parallel()
	w := administered(t)
	a := w.ci("POST", "/v1/admin/apps", map[string]any{"id": "shop", "name": "  The shop ", "origins": []string{"https://Shop.example:443", "https://shop.example"},
		"baseUrl": "https://shop.example/", "accessTtl": 60, "refreshGrace": 0, "verificationRequired": false, "passwordMin": 10}).want(t, 201, "")
	if d := a.at("data").(map[string]any); d["id"] != "shop" || d["name"] != "The shop" || fmt.Sprint(d["origins"]) != "[https://shop.example]" ||
		d["baseUrl"] != "https://shop.example" || d["accessTtl"] != 60.0 || d["refreshTtl"] != nil || d["refreshGrace"] != 0.0 ||
		d["registrationOpen"] != true || d["verificationRequired"] != false || d["silentRegistration"] != false || d["passwordMin"] != 10.0 ||
		d["passwordClasses"] != true || d["default"] != false || d["notBefore"] != nil {
		t.Errorf("%s", a.raw)
	}
	w.op("POST", "/v1/admin/apps", map[string]any{"id": "shop"}).want(t, 409, "already_exists")
	w.op("GET", "/v1/admin/apps/none", nil).want(t, 404, "not_found")
	w.op("GET", "/v1/admin/apps/no%00ne", nil).want(t, 404, "not_found")
	w.op("PATCH", "/v1/admin/apps/none", map[string]any{"name": "x"}).want(t, 404, "not_found")
	w.op("PATCH", "/v1/admin/apps/shop", map[string]any{}).want(t, 400, "validation_error")
	w.op("PATCH", "/v1/admin/apps/shop", nil).want(t, 400, "validation_error")

	// Every rule that is broken is told, and nothing changes.
	a = w.op("PATCH", "/v1/admin/apps/shop", map[string]any{"name": "", "origins": []string{"https://ok.example", "http://shop.example", "https://x.example/path", "*"},
		"baseUrl": "http://shop.example", "accessTtl": 29, "refreshTtl": 1, "refreshAbsoluteTtl": -1, "refreshGrace": 301, "registrationOpen": "yes",
		"verificationRequired": 1, "silentRegistration": nil, "passwordMin": 7, "passwordClasses": "no"}).want(t, 400, "validation_error")
	var fields []string
	for _, d := range details(a) {
		fields = append(fields, d.field)
	}
	slices.Sort(fields)
	if want := "accessTtl baseUrl name origins.1 origins.2 origins.3 passwordClasses passwordMin refreshAbsoluteTtl refreshGrace refreshTtl registrationOpen " +
		"silentRegistration verificationRequired"; strings.Join(fields, " ") != want {
		t.Errorf("got %s\nwant %s", fields, want)
	}
	if a := w.op("GET", "/v1/admin/apps/shop", nil).want(t, 200, ""); a.at("data", "accessTtl") != 60.0 || a.at("data", "passwordMin") != 10.0 {
		t.Errorf("%s", a.raw)
	}

	// Settings hold at once.
	cors := func(origin string) bool {
		return w.ask("GET", "/health", nil, "Origin", origin).header.Get("Access-Control-Allow-Origin") == origin
	}
	if !cors("https://shop.example") || cors("https://new.example") {
		t.Error("origins of the app")
	}
	u := w.user("shop")
	if got := u.Tokens().ExpiresIn; got != 60 {
		t.Errorf("expiresIn %d", got)
	}
	w.op("PATCH", "/v1/admin/apps/shop", map[string]any{"origins": []string{"https://new.example"}, "accessTtl": nil, "registrationOpen": false}).want(t, 200, "")
	if cors("https://shop.example") || !cors("https://new.example") {
		t.Error("origins of the app after the change")
	}
	w.call("POST", "/v1/auth/register", "", map[string]any{"email": "late@example.com", "password": password, "appId": "shop"}).want(t, 403, "forbidden")
	again, err := w.in("shop").Login(t.Context(), "user-1@example.com", password)
	must(t, err)
	if again.Tokens().ExpiresIn != 900 {
		t.Errorf("expiresIn %d", again.Tokens().ExpiresIn)
	}

	// Revoking an app ends its tokens and sessions, and nobody else's.
	other := w.user("default-app")
	a = w.ci("POST", "/v1/admin/apps/shop/revoke", map[string]any{"reason": "leak\x00ed"}).want(t, 200, "")
	if a.at("data", "sessionsEnded") != 2.0 {
		t.Errorf("%s", a.raw)
	}
	for _, s := range []*client.Session{u, again} {
		w.call("GET", "/v1/users/me", bearer(s), nil).want(t, 401, "token_revoked")
		w.call("GET", "/api/credentials/list", bearer(s), nil).want(t, 401, "AUTH_FAILED")
		w.call("POST", "/v1/auth/refresh", "", map[string]any{"refreshToken": s.Tokens().RefreshToken, "appId": "shop"}).want(t, 401, "invalid_grant")
	}
	w.call("GET", "/v1/users/me", bearer(other), nil).want(t, 200, "")
	eventually(t, "a new sign-in works", func() bool {
		return w.call("GET", "/v1/users/me", bearer(w.login("shop", "user-1@example.com")), nil).status == 200
	})

	w.op("DELETE", "/v1/admin/apps/shop", nil).want(t, 409, "app_in_use")
	w.op("DELETE", "/v1/admin/apps/default-app", nil).want(t, 409, "app_in_use")
	w.op("POST", "/v1/admin/apps", map[string]any{"id": "empty"}).want(t, 201, "")
	w.op("DELETE", "/v1/admin/apps/empty", nil).want(t, 200, "")
	w.op("DELETE", "/v1/admin/apps/empty", nil).want(t, 404, "not_found")

	// The rows stay, without the person who is gone.
	var acts string
	must(t, query(t, w.db, `SELECT string_agg(action || ' ' || actor, ', ' ORDER BY created_at) FROM audit WHERE action LIKE 'app_%' AND app_id = 'shop'`).Scan(&acts))
	operator := w.call("GET", "/v1/users/me", w.operator, nil).at("data", "id").(string)
	if want := "app_created admin-key:ci, app_changed " + operator + ", app_revoked admin-key:ci"; acts != want {
		t.Errorf("audit: %s, want %s", acts, want)
	}
}

func TestUsersAreAdministered(t *testing.T) {
	t.Parallel()
	w := administered(t)
	admin := w.admin("shop", "admin@shop.example")
	ask := func(method, path string, body any) answer {
		t.Helper()
		return w.ask(method, "/v1/admin/apps/shop/users"+path, body, "Authorization", admin)
	}
	dead := func(u *client.Session) {
		t.Helper()
		if a := w.call("GET", "/v1/users/me", bearer(u), nil); a.status != 401 {
			t.Errorf("the access token works: %d", a.status)
		}
		w.call("GET", "/api/credentials/list", bearer(u), nil).want(t, 401, "AUTH_FAILED")
		if a := w.call("POST", "/v1/auth/refresh", "", map[string]any{"refreshToken": u.Tokens().RefreshToken, "appId": "shop"}); a.status != 401 {
			t.Errorf("the refresh token works: %d", a.status)
		}
	}
	mail := func(to string) string {
		t.Helper()
		var found string
		eventually(t, "a mail to "+to, func() bool {
			a := w.op("GET", "/v1/admin/mailbox?limit=1&recipient="+url.QueryEscape(to), nil).want(t, 200, "")
			found, _ = a.at("data", 0, "text").(string)
			return strings.Contains(found, "reset-password?token=")
		})
		return found
	}

	// An account without a password: nobody signs in before the mail's link was followed.
	a := ask("POST", "", map[string]any{"email": " Grace@Example.com "}).want(t, 201, "")
	if a.at("data", "email") != "grace@example.com" || a.at("data", "role") != "user" || a.at("data", "status") != "active" || a.at("data", "emailVerified") != false {
		t.Errorf("%s", a.raw)
	}
	ask("POST", "", map[string]any{"email": "grace@example.com"}).want(t, 409, "user_exists")
	ask("POST", "", map[string]any{"email": "x", "password": "short", "role": "root"}).want(t, 400, "validation_error")
	for _, guess := range []string{password, "!"} {
		w.call("POST", "/v1/auth/login", "", map[string]any{"email": "grace@example.com", "password": guess, "appId": "shop"}).want(t, 401, "invalid_credentials")
	}
	token := regexp.MustCompile(`token=([0-9a-f]{64})`).FindStringSubmatch(mail("grace@example.com"))[1]
	w.call("POST", "/v1/auth/reset-password", "", map[string]any{"token": token, "newPassword": password}).want(t, 200, "")
	grace := w.login("shop", "grace@example.com")
	id := a.at("data", "id").(string)

	if a := ask("GET", "/"+id, nil).want(t, 200, ""); a.at("data", "sessions") != 1.0 || a.at("data", "appId") != "shop" {
		t.Errorf("%s", a.raw)
	}
	ask("GET", "/"+nobody, nil).want(t, 404, "not_found")
	ask("GET", "/x", nil).want(t, 404, "not_found")
	ask("POST", "/"+nobody+"/suspend", nil).want(t, 404, "not_found")
	w.op("GET", "/v1/admin/apps/default-app/users/"+id, nil).want(t, 404, "not_found")

	ask("POST", "/"+id+"/suspend", nil).want(t, 200, "")
	dead(grace)
	w.call("POST", "/v1/auth/login", "", map[string]any{"email": "grace@example.com", "password": password, "appId": "shop"}).want(t, 403, "forbidden")
	if a := ask("POST", "/"+id+"/suspend", nil).want(t, 200, ""); a.at("data", "status") != "suspended" {
		t.Errorf("%s", a.raw)
	}
	ask("POST", "/"+id+"/reset-password", nil).want(t, 409, "not_active")
	ask("POST", "/"+id+"/activate", nil).want(t, 200, "")
	grace = w.login("shop", "grace@example.com")

	ask("POST", "/"+id+"/end-sessions", nil).want(t, 200, "")
	dead(grace)
	grace = w.login("shop", "grace@example.com")

	if a := ask("POST", "/"+id+"/verify", nil).want(t, 200, ""); a.at("data", "emailVerified") != true {
		t.Errorf("%s", a.raw)
	}
	execute(t, w.db, `DELETE FROM mailbox`)
	ask("POST", "/"+id+"/reset-password", map[string]any{"password": "Chosen-By-Admin-1"}).want(t, 200, "")
	dead(grace)
	mail("grace@example.com")
	grace = w.login("shop", "grace@example.com") // the old password: nobody else chose one

	ask("PUT", "/"+id+"/role", map[string]any{"role": "root"}).want(t, 400, "validation_error")
	ask("PUT", "/"+id+"/role", nil).want(t, 400, "validation_error")
	if a := ask("PUT", "/"+id+"/role", map[string]any{"role": "admin"}).want(t, 200, ""); a.at("data", "role") != "admin" || a.at("data", "sessions") != 0.0 {
		t.Errorf("%s", a.raw)
	}
	dead(grace)
	grace = w.login("shop", "grace@example.com")
	w.ask("GET", "/v1/admin/apps/shop/users", nil, "Authorization", bearer(grace)).want(t, 200, "")
	ask("PUT", "/"+id+"/role", map[string]any{"role": "user"}).want(t, 200, "")
	w.ask("GET", "/v1/admin/apps/shop/users", nil, "Authorization", bearer(grace)).want(t, 401, "token_expired")

	// The last administrator stays one.
	me := w.call("GET", "/v1/users/me", admin, nil).at("data", "id").(string)
	for _, c := range []struct{ method, path string }{{"PUT", "/role"}, {"POST", "/suspend"}, {"DELETE", ""}} {
		ask(c.method, "/"+me+c.path, map[string]any{"role": "user"}).want(t, 409, "last_admin")
		w.ci(c.method, "/v1/admin/apps/shop/users/"+me+c.path, map[string]any{"role": "user"}).want(t, 409, "last_admin")
	}
	w.ask("GET", "/v1/admin/apps/shop", nil, "Authorization", admin).want(t, 200, "")

	grace = w.login("shop", "grace@example.com")
	ask("DELETE", "/"+id, nil).want(t, 200, "")
	dead(grace)
	ask("DELETE", "/"+id, nil).want(t, 404, "not_found")

	var acts string
	must(t, query(t, w.db, `SELECT string_agg(action, ' ' ORDER BY created_at) FROM audit WHERE user_id IS NULL AND actor = $1`, me).Scan(&acts))
	if want := "user_created user_suspended user_activated sessions_ended email_verified password_reset_requested role_changed role_changed user_deleted"; acts != want {
		t.Errorf("audit: %s, want %s", acts, want)
	}
}

func TestSearchForUsers(t *testing.T) {
	t.Parallel()
	w := administered(t)
	w.admin("shop", "admin@shop.example")
	// All at one moment: only the id tells their order.
	execute(t, w.db, `INSERT INTO users (app_id, email, password_hash, created_at, email_verified, status)
		SELECT 'shop', 'c%_' || n || '@example.com', 'x', '2026-01-02 03:04:05.678901Z', n % 2 = 0, CASE n WHEN 3 THEN 'suspended' ELSE 'active' END FROM generate_series(1, 7) n`)
	list := func(query string) (emails []string) {
		t.Helper()
		for next, pages := "", 0; ; pages++ {
			a := w.op("GET", "/v1/admin/apps/shop/users?"+query+next, nil).want(t, 200, "")
			data := a.at("data").([]any)
			for i := range data {
				emails = append(emails, a.at("data", i, "email").(string))
			}
			cursor, ok := a.at("nextCursor").(string)
			if !ok {
				return emails
			}
			if len(data) == 0 || pages > 20 {
				t.Fatalf("a list without end: %s", a.raw)
			}
			next = "&cursor=" + url.QueryEscape(cursor)
		}
	}
	for query, n := range map[string]int{"": 8, "limit=1": 8, "limit=3": 8, "limit=7": 8, "limit=8": 8, "limit=100": 8, "q=EXAMPLE.com&limit=2": 7, "q=c%25_1": 1, "q=%25_": 7, "q=zzz": 0,
		"role=admin": 1, "role=user&limit=2": 7, "status=suspended": 1, "verified=true": 3, "verified=false&limit=2": 5, "verified=false&status=active&role=user": 3} {
		all := list(query)
		slices.Sort(all)
		if distinct := slices.Compact(slices.Clone(all)); len(all) != n || len(distinct) != n {
			t.Errorf("%q: %d users, want %d: %v", query, len(all), n, all)
		}
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "cursor=x", "cursor=AAAA", "cursor=MSB4", "role=root", "status=x", "verified=1", "q=%00", "q=%ff"} {
		w.op("GET", "/v1/admin/apps/shop/users?"+query, nil).want(t, 400, "validation_error")
	}
	w.op("GET", "/v1/admin/apps/none/users", nil).want(t, 404, "not_found")
	for _, path := range []string{"apps?cursor=x", "sessions?cursor=x", "sessions?user=x", "audit?cursor=x", "audit?from=x", "audit?action=%27", "audit?actor=%00", "revocations?cursor=LTE",
		"mailbox?cursor=x", "mailbox?recipient=%00", "sessions?app=%00"} {
		w.op("GET", "/v1/admin/"+path, nil).want(t, 400, "validation_error")
	}
	for page, n := "/v1/admin/apps?limit=1", 0; page != ""; n++ {
		a := w.op("GET", page, nil).want(t, 200, "")
		next, more := a.at("nextCursor").(string)
		if page = ""; more {
			page = "/v1/admin/apps?limit=1&cursor=" + next
		}
		if len(a.at("data").([]any)) != 1 || more != (n == 0) {
			t.Errorf("page %d of apps: %s", n, a.raw)
		}
	}
}

// TestTwoAdministratorsDemoteEachOther, delete and suspend each other: one stays, whoever comes first.
func TestTwoAdministratorsDemoteEachOther(t *testing.T) {
	t.Parallel()
	w := administered(t)
	for n, act := range []struct{ method, path string }{{"PUT", "/role"}, {"DELETE", ""}, {"POST", "/suspend"}} {
		app := fmt.Sprintf("duel-%d", n)
		w.gravy(0, "app", "create", app)
		execute(t, w.db, `INSERT INTO users (app_id, email, password_hash, role)
			SELECT $1, 'a' || n || '@example.com', 'x', 'admin' FROM generate_series(1, 16) n`, app)
		var ids []string
		must(t, query(t, w.db, `SELECT array_agg(id::text) FROM users WHERE app_id = $1`, app).Scan(&ids))
		var all sync.WaitGroup
		for _, id := range ids {
			all.Go(func() {
				a := w.ci(act.method, "/v1/admin/apps/"+app+"/users/"+id+act.path, map[string]any{"role": "user"})
				if a.status != 200 && a.code() != "last_admin" {
					t.Errorf("%d %s", a.status, a.raw)
				}
			})
		}
		all.Wait()
		var left int
		must(t, query(t, w.db, `SELECT count(*) FROM users WHERE app_id = $1 AND role = 'admin' AND status = 'active'`, app).Scan(&left))
		if left != 1 {
			t.Errorf("%s %s: %d administrators are left", act.method, act.path, left)
		}
	}
}

func TestSessionsAndRevocations(t *testing.T) {
	t.Parallel()
	w := administered(t)
	w.gravy(0, "app", "create", "shop")
	a, b, c, d := w.user("shop"), w.user("shop"), w.user("shop"), w.user("shop")
	id := func(u *client.Session) string {
		return w.call("GET", "/v1/users/me", bearer(u), nil).at("data", "id").(string)
	}
	ids := []string{id(a), id(b), id(c), id(d)}
	sessions := func(query string) []any {
		t.Helper()
		return w.op("GET", "/v1/admin/sessions?"+query, nil).want(t, 200, "").at("data").([]any)
	}
	if n := len(sessions("app=shop")); n != 4 {
		t.Errorf("%d sessions", n)
	}
	one := sessions("user=" + ids[0])
	if len(one) != 1 || one[0].(map[string]any)["email"] != "user-1@example.com" || one[0].(map[string]any)["ip"] == nil {
		t.Fatalf("%v", one)
	}
	sid := one[0].(map[string]any)["id"].(string)
	w.ci("DELETE", "/v1/admin/sessions/"+sid, nil).want(t, 200, "")
	w.ci("DELETE", "/v1/admin/sessions/"+sid, nil).want(t, 404, "not_found")
	w.ci("DELETE", "/v1/admin/sessions/"+nobody, nil).want(t, 404, "not_found")
	w.call("GET", "/v1/users/me", bearer(a), nil).want(t, 401, "token_revoked")
	w.call("GET", "/api/credentials/list", bearer(a), nil).want(t, 401, "AUTH_FAILED")
	if n := len(sessions("app=shop")); n != 3 {
		t.Errorf("%d sessions", n)
	}

	jti := w.call("GET", "/v1/users/me", bearer(b), nil).at("tokenInfo", "jti").(string)
	revoke := func(body map[string]any) answer { t.Helper(); return w.op("POST", "/v1/admin/revocations", body) }
	revoke(map[string]any{"kind": "jti", "subject": jti}).want(t, 400, "validation_error")
	revoke(map[string]any{"kind": "jti", "subject": jti, "userId": nobody}).want(t, 404, "not_found")
	for _, first := range []bool{true, false} {
		if a := revoke(map[string]any{"kind": "jti", "subject": jti, "userId": ids[1], "reason": "stolen"}).want(t, 201, ""); a.at("data", "revoked") != first {
			t.Errorf("%s", a.raw)
		}
	}
	w.call("GET", "/v1/users/me", bearer(b), nil).want(t, 401, "token_revoked")
	w.call("POST", "/v1/auth/refresh", "", map[string]any{"refreshToken": b.Tokens().RefreshToken, "appId": "shop"}).want(t, 200, "")

	csid := sessions("user=" + ids[2])[0].(map[string]any)["id"].(string)
	revoke(map[string]any{"kind": "session", "subject": csid}).want(t, 201, "")
	w.call("GET", "/v1/users/me", bearer(c), nil).want(t, 401, "token_revoked")
	revoke(map[string]any{"kind": "user", "subject": ids[3]}).want(t, 201, "")
	w.call("GET", "/v1/users/me", bearer(d), nil).want(t, 401, "token_expired")
	revoke(map[string]any{"kind": "app", "subject": "shop"}).want(t, 201, "")
	if n := len(sessions("app=shop")); n != 0 {
		t.Errorf("%d sessions", n)
	}
	for _, bad := range []map[string]any{{}, {"kind": "x", "subject": "y"}, {"kind": "user", "subject": "x"}, {"kind": "session", "subject": ""}, {"kind": "app", "subject": "a b"},
		{"kind": "jti", "subject": "", "userId": ids[1]}, {"kind": "jti", "subject": "x\x00", "userId": ids[1]}, {"kind": "jti", "subject": "x", "userId": "y"},
		{"kind": "app", "subject": "shop", "reason": strings.Repeat("x", 1001)}} {
		revoke(bad).want(t, 400, "validation_error")
	}
	for kind, subject := range map[string]string{"session": nobody, "user": nobody, "app": "none"} {
		revoke(map[string]any{"kind": kind, "subject": subject}).want(t, 404, "not_found")
	}
	events := w.ci("GET", "/v1/admin/revocations?app=shop", nil).want(t, 200, "")
	var kinds []string
	for i := range events.at("data").([]any) {
		kinds = append(kinds, events.at("data", i, "kind").(string))
	}
	if strings.Join(kinds, " ") != "app user session jti session" || events.at("data", 0, "subject") != "shop" || events.at("data", 0, "notBefore") == nil {
		t.Errorf("%s", events.raw)
	}
	if a := w.ci("GET", "/v1/admin/revocations?app=shop&limit=2", nil); a.at("nextCursor") == nil {
		t.Errorf("%s", a.raw)
	} else if b := w.ci("GET", "/v1/admin/revocations?app=shop&limit=3&cursor="+a.at("nextCursor").(string), nil); b.at("data", 0, "kind") != "session" || b.at("nextCursor") != nil {
		t.Errorf("%s", b.raw)
	}
}

func TestOperatorsSeeTheServer(t *testing.T) {
	t.Parallel()
	w := administered(t)
	u := w.user("default-app")

	keys := w.op("GET", "/v1/admin/keys", nil).want(t, 200, "")
	old := keys.at("data", 0, "kid").(string)
	fresh := w.ci("POST", "/v1/admin/keys/rotate", map[string]any{"keepOld": true}).want(t, 200, "").at("data", "kid").(string)
	w.op("POST", "/v1/admin/keys/"+old+"/activate", nil).want(t, 200, "")
	w.op("POST", "/v1/admin/keys/"+fresh+"/retire", nil).want(t, 200, "")
	w.op("POST", "/v1/admin/keys/"+old+"/retire", nil).want(t, 409, "")
	w.op("POST", "/v1/admin/keys/key_none/retire", nil).want(t, 404, "not_found")
	w.call("GET", "/v1/users/me", bearer(u), nil).want(t, 200, "")

	// The audit log says who, and nothing secret.
	a := w.op("GET", "/v1/admin/audit?action=key_rotated", nil).want(t, 200, "")
	if a.at("data", 0, "actor") != "admin-key:ci" || a.at("data", 0, "meta", "kid") != fresh || len(a.at("data").([]any)) != 1 {
		t.Errorf("%s", a.raw)
	}
	id := w.call("GET", "/v1/users/me", bearer(u), nil).at("data", "id").(string)
	retired := w.op("GET", "/v1/admin/audit?action=key_retired", nil).want(t, 200, "").at("data", 0, "actor").(string)
	tomorrow, soon := time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly), time.Now().UTC().Add(time.Minute).Format(time.RFC3339)
	for query, n := range map[string]int{"user=" + id: 1, "user=" + id + "&action=register": 1, "user=" + id + "&from=" + tomorrow: 0, "user=" + id + "&to=" + tomorrow: 1,
		"user=" + id + "&from=2020-01-01&to=" + url.QueryEscape(soon): 1, "user=" + id + "&app=other": 0, "actor=gravy&action=user_created": 1, "actor=admin-key:ci": 1,
		"actor=" + id: 1, "actor=" + id + "&user=" + id: 1, "actor=" + retired + "&action=key_retired": 1, "actor=" + uuid.NewString(): 0} {
		if a := w.op("GET", "/v1/admin/audit?"+query, nil).want(t, 200, ""); len(a.at("data").([]any)) != n {
			t.Errorf("%s: %s, want %d", query, a.raw, n)
		}
	}

	// A locked account.
	wrong := map[string]any{"email": "user-1@example.com", "password": "Wrong-Password-1!"}
	for range 5 {
		w.call("POST", "/v1/auth/login", "", wrong)
	}
	right := map[string]any{"email": "user-1@example.com", "password": password}
	w.call("POST", "/v1/auth/login", "", right).want(t, 429, "account_locked")
	w.op("DELETE", "/v1/admin/limits", nil).want(t, 400, "validation_error")
	w.op("DELETE", "/v1/admin/limits?email=x", nil).want(t, 400, "validation_error")
	w.op("DELETE", "/v1/admin/limits?email=User-1@Example.com", nil).want(t, 200, "")
	w.call("POST", "/v1/auth/login", "", right).want(t, 200, "")

	stats := w.op("GET", "/v1/admin/stats", nil).want(t, 200, "")
	if stats.at("data", "apps") != 1.0 || stats.at("data", "users") != 2.0 || stats.at("data", "sessions") != 3.0 || stats.at("data", "logins24h") != 2.0 {
		t.Errorf("%s", stats.raw)
	}
	eventually(t, "the feed is current", func() bool {
		a := w.op("GET", "/v1/admin/health", nil).want(t, 200, "")
		return a.at("data", "status") == "healthy" && a.at("data", "feed", "current") == true && a.at("data", "mail") == "mailbox" && a.at("data", "signer") != "" &&
			a.at("data", "stats", "users") == 2.0
	})
}

func TestMailboxIsForDevelopment(t *testing.T) {
	t.Parallel()
	w := administered(t, "EMAIL_SERVICE=none")
	w.op("GET", "/v1/admin/mailbox", nil).want(t, 404, "not_found")
}

func TestExport(t *testing.T) {
	t.Parallel()
	w := administered(t)
	u := w.user("shop")
	g := w.google()
	g.ready(u)
	id := w.call("GET", "/v1/users/me", bearer(u), nil).at("data", "id").(string)
	w.ci("POST", "/v1/admin/apps/shop/users/"+id+"/verify", nil).want(t, 200, "")
	completed(t, u, "")
	w.ask("POST", "/v1/users/me/export", nil).want(t, 401, "missing_token")
	a := w.ask("POST", "/v1/users/me/export", nil, "Authorization", bearer(u)).want(t, 200, "")
	if a.at("data", "profile", "email") != "user-1@example.com" || a.at("data", "profile", "id") != id || len(a.at("data", "sessions").([]any)) != 1 ||
		a.at("data", "mails", 0, "kind") != "verify_email" || len(a.at("data", "more", "credentials").([]any)) != 2 ||
		a.at("data", "more", "pipeline", "mappings", 0, "spreadsheetId") != g.spreadsheet || a.at("data", "more", "pipeline", "runs", 0, "status") != "completed" {
		t.Errorf("%s", a.raw)
	}
	by := map[string]string{}
	for i := range a.at("data", "audit").([]any) {
		by[a.at("data", "audit", i, "action").(string)] = a.at("data", "audit", i, "by").(string)
	}
	if by["register"] != "user" || by["email_verified"] != "administrator" {
		t.Errorf("%v", by)
	}
	for secret := range w.secrets.Range {
		if strings.Contains(a.raw, secret.(string)) {
			t.Errorf("the export holds the secret %q", secret)
		}
	}
	if n := 0; query(t, w.db, `SELECT count(*) FROM audit WHERE action = 'data_exported' AND user_id = $1`, id).Scan(&n) != nil || n != 1 {
		t.Errorf("%d rows of the audit log tell of the export", n)
	}
}

func TestGravyBesideTheServer(t *testing.T) {
	t.Parallel()
	w := administered(t)
	decode := func(o outcome, v any) {
		t.Helper()
		if err := json.Unmarshal([]byte(o.out), v); err != nil {
			t.Fatalf("%v: %s%s", err, o.out, o.err)
		}
	}
	type user struct {
		ID, AppID, Email, Role, Status string
		EmailVerified                  bool
		TokenVersion, Sessions         int
	}
	var u user
	file := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(file, []byte(password+"\n"), 0o600))
	decode(w.gravy(0, "user", "create", "-e", "Ada@Example.com", "--password-file", file, "-a", "shop", "--json"), &u)
	if u.Email != "ada@example.com" || u.AppID != "shop" || u.Role != "user" || u.EmailVerified {
		t.Errorf("%+v", u)
	}
	w.gravy(1, "user", "create", "-e", "ada@example.com", "-p", password, "-a", "shop")
	w.gravy(1, "user", "create", "-e", "weak@example.com", "-p", "weak", "-a", "shop")
	w.gravy(0, "user", "create", "-e", "weak@example.com", "-p", "weak", "-a", "shop", "--force")
	w.gravy(1, "user", "create", "-e", "no address", "-p", password, "-a", "shop")
	w.gravy(1, "user", "create", "-e", "root@example.com", "-p", password, "-a", "shop", "-r", "root")
	w.gravy(2, "user", "create", "-e", "root@example.com", "-p", password)
	w.gravy(2, "user", "create", "-e", "root@example.com", "-a", "shop") // and no password on the input
	w.gravy(0, "user", "create", "-e", "ada@example.com", "-p", password, "-a", "other")
	cmd := program(t, w.env, "user", "create", "-e", "piped@example.com", "-a", "shop", "-r", "admin")
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), password) {
		t.Errorf("%v: %s", err, out)
	}
	w.login("shop", "piped@example.com")

	var users []user
	for _, c := range []struct {
		n    int
		args []string
	}{
		{5, []string{"user", "list"}}, {2, []string{"user", "list", "-l", "2"}}, {3, []string{"user", "list", "-a", "shop"}}, {2, []string{"user", "list", "-r", "admin"}},
		{2, []string{"user", "find", "ADA@"}}, {0, []string{"user", "find", "ada@", "-e"}}, {2, []string{"user", "find", "ada@example.com", "--exact"}},
		{1, []string{"user", "find", "ada", "-a", "other"}}, {0, []string{"user", "find", "nobody"}},
	} {
		decode(w.gravy(0, append(c.args, "--json")...), &users)
		if len(users) != c.n {
			t.Errorf("%v: %d users, want %d", c.args, len(users), c.n)
		}
		w.gravy(0, c.args...)
	}
	w.gravy(1, "user", "list", "-l", "0")

	ada := w.login("shop", "ada@example.com")
	show := func() (u user) {
		t.Helper()
		decode(w.gravy(0, "user", "show", "ada@example.com", "-a", "shop", "--json"), &u)
		return u
	}
	if u := show(); u.Sessions != 1 || u.TokenVersion != 0 {
		t.Errorf("%+v", u)
	}
	w.gravy(2, "user", "show", "ada@example.com")
	w.gravy(1, "user", "show", "ada@example.com", "-a", "nowhere")
	w.gravy(0, "user", "verify-email", "ada@example.com", "-a", "shop", "-y")
	if o := w.gravy(0, "user", "update-role", "ada@example.com", "-a", "shop", "-r", "admin"); !strings.Contains(o.out+o.err, "Cancelled") { // no input is no
		t.Errorf("%s", o.out)
	}
	w.gravy(0, "user", "update-role", "ada@example.com", "-a", "shop", "-r", "admin", "-y")
	w.gravy(1, "user", "update-role", "ada@example.com", "-a", "shop", "-r", "root", "-y")
	w.gravy(2, "user", "update-role", "ada@example.com", "-a", "shop", "-y")
	if u := show(); u.Role != "admin" || !u.EmailVerified || u.TokenVersion != 1 || u.Sessions != 0 {
		t.Errorf("%+v", u)
	}
	dead := func(u *client.Session, token bool) {
		t.Helper()
		eventually(t, "the token is dead in the running server", func() bool { return w.call("GET", "/v1/users/me", bearer(u), nil).status == 401 })
		if token {
			eventually(t, "the feed knows", func() bool { return w.call("GET", "/api/credentials/list", bearer(u), nil).status == 401 })
		}
	}
	dead(ada, true)

	ada = w.login("shop", "ada@example.com")
	const changed = "Changed-By-Gravy-1!"
	w.gravy(1, "user", "reset-password", "ada@example.com", "-p", "weak", "-a", "shop", "-y")
	w.gravy(0, "user", "reset-password", "ada@example.com", "-p", changed, "-a", "shop", "-y")
	dead(ada, true)
	w.call("POST", "/v1/auth/login", "", map[string]any{"email": "ada@example.com", "password": password, "appId": "shop"}).want(t, 401, "invalid_credentials")
	w.call("POST", "/v1/auth/login", "", map[string]any{"email": "ada@example.com", "password": changed, "appId": "shop"}).want(t, 200, "")
	eventually(t, "the server sends the notice", func() bool {
		return strings.Contains(w.gravy(0, "dev", "mailbox", "-r", "ada@example.com", "-n", "1").out, "password")
	})

	// Sessions.
	piped := w.login("shop", "piped@example.com")
	var sessions []struct{ ID, Email string }
	decode(w.gravy(0, "session", "list-active", "-u", "piped@example.com", "--json"), &sessions)
	if len(sessions) != 2 {
		t.Fatalf("%+v", sessions)
	}
	w.gravy(0, "session", "list-active", "-v", "-a", "shop")
	w.gravy(0, "session", "revoke", sessions[0].ID, "-y")
	if o := w.gravy(0, "session", "revoke", sessions[0].ID, "-y"); !strings.Contains(o.out, "had ended before") {
		t.Errorf("%s", o.out)
	}
	w.gravy(1, "session", "revoke", nobody, "-y")
	w.gravy(1, "session", "revoke", "x", "-y")
	dead(piped, true)
	if o := w.gravy(1, "session", "revoke-user", "ada@example.com", "-y"); !strings.Contains(o.err, "shop") || !strings.Contains(o.err, "other") {
		t.Errorf("ambiguous: %s", o.err)
	}
	w.gravy(0, "session", "revoke-user", "ada@example.com", "-a", "shop", "-y")
	w.gravy(1, "session", "revoke-user", "nobody@example.com", "-y")
	if u := show(); u.Sessions != 0 {
		t.Errorf("%+v", u)
	}
	var counts struct{ Total, Active, Revoked, Expired int }
	decode(w.gravy(0, "session", "stats", "--json"), &counts)
	if counts.Active != 2 || counts.Total != counts.Active+counts.Revoked+counts.Expired {
		t.Errorf("%+v", counts)
	}
	execute(t, w.db, `UPDATE refresh_tokens SET expires_at = now() - interval '40 days' WHERE revoked_at IS NOT NULL`)
	var deleted struct{ Deleted int }
	decode(w.gravy(0, "session", "cleanup", "-d", "50", "-y", "--json"), &deleted)
	if deleted.Deleted != 0 {
		t.Errorf("%+v", deleted)
	}
	decode(w.gravy(0, "session", "cleanup", "-y", "--json"), &deleted)
	if deleted.Deleted != counts.Revoked {
		t.Errorf("%+v of %+v", deleted, counts)
	}

	// Apps and keys.
	var app struct {
		ID               string
		Origins          []string
		AccessTTL        *int
		RegistrationOpen bool
	}
	decode(w.gravy(0, "app", "set", "shop", "--origin", "https://a.example", "--origin", "https://b.example", "--access-ttl", "5m", "--registration-open=false", "--json"), &app)
	if len(app.Origins) != 2 || app.AccessTTL == nil || *app.AccessTTL != 300 || app.RegistrationOpen {
		t.Errorf("%+v", app)
	}
	app.AccessTTL = nil
	decode(w.gravy(0, "app", "set", "shop", "--access-ttl", "default", "--json"), &app)
	if app.AccessTTL != nil || len(app.Origins) != 2 {
		t.Errorf("%+v", app)
	}
	w.gravy(1, "app", "set", "shop")
	w.gravy(1, "app", "set", "shop", "--access-ttl", "1s")
	w.gravy(1, "app", "set", "none", "--name", "x")
	w.gravy(0, "app", "show", "shop")
	w.gravy(1, "app", "show", "none")
	if o := w.gravy(0, "app", "list"); !strings.Contains(o.out, "https://a.example") {
		t.Errorf("%s", o.out)
	}
	eventually(t, "the running server knows the setting", func() bool {
		return w.call("POST", "/v1/auth/register", "", map[string]any{"email": fmt.Sprint(time.Now().UnixNano(), "@example.com"), "password": password, "appId": "shop"}).status == 403
	})
	w.gravy(1, "admin-key", "create", "ci")
	w.gravy(1, "admin-key", "create", "a b")
	w.op("GET", "/v1/admin/stats", nil).want(t, 200, "")
	w.ci("GET", "/v1/admin/stats", nil).want(t, 200, "")
	if o := w.gravy(0, "admin-key", "list"); !strings.Contains(o.out, "ci") || strings.Contains(o.out, w.key) {
		t.Errorf("%s", o.out)
	}
	w.gravy(0, "admin-key", "revoke", "ci", "-y")
	w.gravy(1, "admin-key", "revoke", "ci", "-y")
	w.ci("GET", "/v1/admin/stats", nil).want(t, 403, "invalid_api_key")

	// The rest.
	var test struct {
		AccessToken, Password string
		Existed               bool
	}
	decode(w.gravy(0, "dev", "create-test-user", "--json"), &test)
	w.call("GET", "/v1/users/me", "Bearer "+test.AccessToken, nil).want(t, 200, "")
	w.call("POST", "/v1/auth/login", "", map[string]any{"email": "test@example.com", "password": test.Password}).want(t, 200, "")
	decode(w.gravy(0, "dev", "create-test-user", "--json"), &test)
	if !test.Existed {
		t.Errorf("%+v", test)
	}
	if o := w.gravy(0, "db", "cleanup"); !strings.Contains(o.out, "Cleanup job completed") || !strings.Contains(o.out, "revoked_jti") {
		t.Errorf("%s", o.out)
	}
	piper := show()
	w.gravy(0, "user", "delete", piper.ID) // asked, and nobody answers
	w.gravy(0, "user", "delete", piper.ID, "-y")
	w.gravy(1, "user", "delete", piper.ID, "-y")
	w.gravy(1, "user", "delete", "x", "-y")
	decode(w.gravy(0, "user", "show", "piped@example.com", "-a", "shop", "--json"), &u)
	if o := w.gravy(1, "user", "delete", u.ID, "-y"); !strings.Contains(o.err, "last administrator") {
		t.Errorf("%s", o.err)
	}
	w.gravy(0, "user", "delete", u.ID, "-y", "--force")
}

// TestGravyUsesTheRunningPrivatePostgreSQL: nothing is configured, and a server runs.
func TestGravyUsesTheRunningPrivatePostgreSQL(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := serve(t, []string{"TURKEY_DATA_DIR=" + dir}, "serve")
	env := []string{"TURKEY_DATA_DIR=" + dir, "PORT=" + s.base[strings.LastIndex(s.base, ":")+1:]}
	if o := run(t, env, "user", "create", "-e", "ada@example.com", "-p", password, "-a", "shop"); o.code != 0 {
		t.Fatalf("exit %d: %s%s", o.code, o.out, o.err)
	}
	if _, err := s.in("shop").Login(t.Context(), "ada@example.com", password); err != nil {
		t.Error(err)
	}
	s.stop(syscall.SIGTERM)
	if o := run(t, env, "user", "list"); o.code != 0 || !strings.Contains(o.out, "ada@example.com") {
		t.Errorf("without the server: exit %d: %s%s", o.code, o.out, o.err)
	}
}
