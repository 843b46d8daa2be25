package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"turkey/internal/auth"
)

// TestAppsAreApart is D5 and D30: the same address in two apps is two people, and nothing of one works in the other.
func TestAppsAreApart(t *testing.T) {
	t.Parallel()
	s := setup(t)
	a := s.register("app-a", "ada@example.com", password).want(t, 201, "")
	b := s.register("app-b", "ada@example.com", another).want(t, 201, "")
	if a.text("data", "user", "id") == b.text("data", "user", "id") {
		t.Error("one person in two apps")
	}
	s.login("app-a", "ada@example.com", another).want(t, 401, "invalid_credentials")
	s.login("app-b", "ada@example.com", password).want(t, 401, "invalid_credentials")
	s.post("/v1/auth/login", object{"email": "ada@example.com", "password": password}).want(t, 401, "invalid_credentials") // the default app
	ua := s.signIn("app-a", a.text("data", "user", "id"), "ada@example.com")

	// Its refresh token: refused elsewhere, and still good at home (§5.1).
	for _, body := range []object{{"refreshToken": ua.refresh, "appId": "app-b"}, {"refreshToken": ua.refresh}, {"refreshToken": ua.refresh, "appId": "app-new"}} {
		s.post("/v1/auth/refresh", body).want(t, 401, "invalid_grant")
	}
	s.refresh("app-a", ua.refresh).want(t, 200, "")

	// Its access token: always its own app's, and its claims cannot be changed.
	if me := s.me(ua.access).want(t, 200, ""); me.text("data", "appId") != "app-a" {
		t.Errorf("me: %s", me.raw)
	}
	s.me(alter(t, ua.access, "aud", "app-b")).want(t, 401, "invalid_signature")
	f := newForger(t, s, ua.access)
	s.me(f.real("aud", "app-b")).want(t, 401, "token_expired")
	if s.active(f.real("aud", "app-b")) {
		t.Error("active in another app")
	}

	// Its links and its notices.
	before := len(s.mails("ada@example.com"))
	token := s.resetToken("app-a", "ada@example.com")
	if n := len(s.mails("ada@example.com")); n != before+1 {
		t.Errorf("%d mails for one request", n-before)
	}
	s.post("/v1/auth/reset-password", object{"token": token, "newPassword": wrong, "appId": "app-b"}).want(t, 200, "") // whose it is is in the token
	s.login("app-a", "ada@example.com", wrong).want(t, 200, "")
	s.login("app-b", "ada@example.com", another).want(t, 200, "")
	s.me(b.text("data", "accessToken")).want(t, 200, "")
	s.refresh("app-b", b.text("data", "refreshToken")).want(t, 200, "")

	// Ending everything in one leaves the other.
	ub := s.user("app-b")
	s.post("/v1/auth/logout-all", object{"refreshToken": a.text("data", "refreshToken"), "appId": "app-b"})
	s.me(ub.access).want(t, 200, "")
	s.call("POST", "/v1/auth/revoke", ub.access, object{"token": b.text("data", "accessToken")}).want(t, 403, "insufficient_permissions")
	if got := s.count(`SELECT count(*) FROM audit WHERE app_id = 'app-b' AND user_id = $1`, a.text("data", "user", "id")); got != 0 {
		t.Errorf("%d acts of app-a's user in app-b", got)
	}
}

func TestSettingsOfAnApp(t *testing.T) {
	t.Parallel()
	s := setup(t)
	app := func(id, columns, values string) {
		t.Helper()
		s.exec(`INSERT INTO apps (id, ` + columns + `) VALUES ('` + id + `', ` + values + `)`)
	}
	t.Run("name and base of links", func(t *testing.T) {
		app("brand", "name, base_url", "'Brand & Söhne', 'https://brand.example.com/app'")
		s.register("brand", "link@example.com", password).want(t, 201, "")
		verify := s.last("link@example.com", verifySubject)
		if !strings.Contains(verify.Text, "https://brand.example.com/app/auth/verify-email?token=") || strings.Contains(verify.Text, publicURL) ||
			verify.Subject != "Verify Your Email Address - Brand & Söhne" || !strings.Contains(verify.HTML, "Brand &amp; Söhne") {
			t.Errorf("%s\n%s", verify.Subject, verify.Text)
		}
		s.resetToken("brand", "link@example.com")
		if l := s.last("link@example.com", resetSubject); !strings.Contains(l.Text, "https://brand.example.com/app/auth/reset-password?token=") {
			t.Error(l.Text)
		}
		s.register("plain", "plain@example.com", password).want(t, 201, "")
		if l := s.last("plain@example.com", verifySubject); !strings.Contains(l.Text, publicURL+"/auth/verify-email?token=") || l.Subject != "Verify Your Email Address - TurKey Auth" {
			t.Errorf("%s\n%s", l.Subject, l.Text)
		}
	})
	t.Run("life of access tokens", func(t *testing.T) {
		app("brief", "access_ttl", "90")
		u := s.user("brief")
		a := s.refresh("brief", u.refresh).want(t, 200, "")
		c := payload(t, a.text("data", "accessToken"))
		if a.at("data", "expiresIn") != 90.0 || c["exp"].(float64)-c["iat"].(float64) != 90 {
			t.Error(a.raw)
		}
	})
	t.Run("registration closed", func(t *testing.T) {
		app("closed", "registration_open", "false")
		_, known := s.account("closed")
		unknownAnswer, knownAnswer := s.register("closed", "new@example.com", password).want(t, 403, "forbidden"), s.register("closed", known, password).want(t, 403, "forbidden")
		if unknownAnswer.text("message") != knownAnswer.text("message") {
			t.Error("a closed app tells who is known")
		}
		s.login("closed", known, password).want(t, 200, "")
	})
	t.Run("verification required, D14", func(t *testing.T) {
		app("verified", "verification_required", "true")
		a := s.register("verified", "fresh@example.com", password).want(t, 201, "")
		if got := shape("", any(a.body)); got != `{data:{emailVerificationRequired:true user:{email:email emailVerified:false id:uuid role:"user"}} emailVerificationRequired:true}` {
			t.Error(got)
		}
		if n := s.count(`SELECT count(*) FROM refresh_tokens r JOIN users u ON u.id = r.user_id WHERE u.app_id = 'verified'`); n != 0 {
			t.Error("a session was made")
		}
		s.login("verified", "fresh@example.com", password).want(t, 403, "forbidden")
		s.login("verified", "fresh@example.com", wrong).want(t, 401, "invalid_credentials")
		s.post("/v1/auth/verify-email", object{"token": s.last("fresh@example.com", verifySubject).token(t)}).want(t, 200, "")
		u := s.signIn("verified", a.text("data", "user", "id"), "fresh@example.com")
		s.exec(`UPDATE users SET email_verified = false WHERE id = $1`, u.id)
		s.refresh("verified", u.refresh).want(t, 403, "forbidden")
		s.exec(`UPDATE users SET email_verified = true WHERE id = $1`, u.id)
		s.refresh("verified", u.refresh).want(t, 200, "") // refusing it did not spend it
	})
	t.Run("silent registration", func(t *testing.T) {
		app("silent", "silent_registration", "true")
		id, known := s.account("silent")
		first, second := s.register("silent", "unknown@example.com", password).want(t, 201, ""), s.register("silent", known, another).want(t, 201, "")
		alike(t, "silent registration", first, second, "unknown@example.com", known)
		if second.text("data", "user", "id") == id || second.text("data", "accessToken") != "" || len(first.header.Values("Set-Cookie"))+len(second.header.Values("Set-Cookie")) != 0 {
			t.Errorf("it tells more: %s", second.raw)
		}
		// A sign-in with what was just registered does not tell either, however often: an address has to be verified first.
		for range 6 {
			alike(t, "sign-in after it", s.login("silent", "unknown@example.com", password), s.login("silent", known, another), "", "")
		}
		s.login("silent", known, another).want(t, 429, "account_locked")
		s.login("silent", "unknown@example.com", password).want(t, 429, "account_locked")
		s.exec(`DELETE FROM login_locks`)
		s.login("silent", "unknown@example.com", password).want(t, 401, "invalid_credentials")
		s.post("/v1/auth/verify-email", object{"token": s.last("unknown@example.com", verifySubject).token(t)}).want(t, 200, "")
		s.login("silent", "unknown@example.com", password).want(t, 200, "")
		s.login("silent", known, password).want(t, 200, "")
		for _, mode := range []string{"cookie", "token"} { // nor does the mode matter
			x := s.post("/v1/auth/register", object{"email": known, "password": password, "appId": "silent", "mode": mode}, set("Origin", "https://x.example.com"))
			y := s.post("/v1/auth/register", object{"email": mode + "@example.com", "password": password, "appId": "silent", "mode": mode}, set("Origin", "https://x.example.com"))
			if x.status != y.status {
				t.Errorf("mode %s: %d and %d", mode, x.status, y.status)
			}
		}
	})
	t.Run("password policy", func(t *testing.T) {
		app("strong", "password_min, password_classes", "15, false")
		short := s.register("strong", "policy@example.com", "Aa1!Aa1!Aa1!").want(t, 400, "validation_error")
		if got := short.broken(); !slices.Equal(got, []broken{{"password", "too_small", "Password must be at least 15 characters", ""}}) {
			t.Errorf("%+v", got)
		}
		a := s.register("strong", "policy@example.com", "seven words that nobody types").want(t, 201, "")
		s.call("POST", "/v1/users/change-password", a.text("data", "accessToken"), object{"currentPassword": "seven words that nobody types", "newPassword": "Aa1!Aa1!Aa1!"}).want(t, 400, "validation_error")
		s.post("/v1/auth/reset-password", object{"token": s.resetToken("strong", "policy@example.com"), "newPassword": "Aa1!Aa1!Aa1!"}).want(t, 400, "validation_error")
		// Refusing the password did not spend the link.
		s.post("/v1/auth/reset-password", object{"token": s.last("policy@example.com", resetSubject).token(t), "newPassword": "seven other words nobody types"}).want(t, 200, "")
	})
	t.Run("a changed setting is in force on all replicas", func(t *testing.T) {
		b := s.again()
		b.follows(t)
		u := s.user("later")
		b.refresh("later", u.refresh).want(t, 200, "")
		s.exec(`UPDATE apps SET access_ttl = 77 WHERE id = 'later'`)
		eventually(t, "the setting arrives", func() bool {
			return b.login("later", u.email, password).at("data", "expiresIn") == 77.0 && s.login("later", u.email, password).at("data", "expiresIn") == 77.0
		})
	})
}

// alike fails the test unless two answers differ in nothing but what each request brought along.
func alike(t *testing.T, what string, a, b answer, ownA, ownB string) {
	t.Helper()
	names := func(h http.Header) (all []string) {
		for name := range h {
			all = append(all, name)
		}
		slices.Sort(all)
		return all
	}
	clean := func(x answer, own string) string {
		body := x.body
		for _, changing := range []string{"timestamp", "requestId"} {
			delete(body, changing)
		}
		if user, ok := x.at("data", "user").(object); ok && isUUID.MatchString(x.text("data", "user", "id")) {
			user["id"] = "<uuid>"
		}
		raw, _ := json.Marshal(body)
		return strings.ReplaceAll(string(raw), own, "<own>")
	}
	if a.status != b.status || clean(a, ownA) != clean(b, ownB) || !slices.Equal(names(a.header), names(b.header)) {
		t.Errorf("%s: told apart:\n%d %s %v\n%d %s %v", what, a.status, clean(a, ownA), names(a.header), b.status, clean(b, ownB), names(b.header))
	}
	for _, name := range []string{"Content-Type", "Cache-Control", "Content-Length"} {
		if name == "Content-Length" && (ownA != "" || len(ownA) != len(ownB)) {
			continue
		}
		if a.header.Get(name) != b.header.Get(name) {
			t.Errorf("%s: %s is %q and %q", what, name, a.header.Get(name), b.header.Get(name))
		}
	}
}

func TestUnknownApps(t *testing.T) {
	t.Parallel()
	s := setup(t, production, with(func(c *auth.Config) { c.Apps = []string{"listed"} }))
	for path, body := range map[string]object{"register": {"email": "a@example.com", "password": password}, "login": {"email": "a@example.com", "password": password},
		"refresh": {"refreshToken": "rt_x"}, "request-password-reset": {"email": "a@example.com"}, "resend-verification": {"email": "a@example.com"}} {
		body["appId"] = "ghost"
		a := s.post("/v1/auth/"+path, body).want(t, 400, "validation_error")
		if got := a.broken(); len(got) != 1 || got[0].field != "appId" || !strings.Contains(got[0].message, "gravy app create ghost") {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	if n := s.count(`SELECT count(*) FROM apps WHERE id = 'ghost'`); n != 0 {
		t.Error("production made the app")
	}
	for _, app := range []string{"listed", "default-app"} {
		s.register(app, "a@example.com", password).want(t, 201, "")
	}
	s.post("/v1/auth/register", object{"email": "b@example.com", "password": password}).want(t, 201, "")
	must(t, s.auth.CreateApp(t.Context(), "ghost", "Ghost")) // gravy app create
	s.register("ghost", "a@example.com", password).want(t, 201, "")

	dev := s.again(func(s *settings) { s.auth.Production = false })
	dev.register("fresh", "a@example.com", password).want(t, 201, "")
	s.login("fresh", "a@example.com", password).want(t, 200, "") // which production then knows
}

// TestLinksFollowNoHeader is D33.
func TestLinksFollowNoHeader(t *testing.T) {
	t.Parallel()
	s := setup(t, behindProxy)
	u := s.user("shop", "email_verified = false")
	const evil = "evil.example.org"
	spoof := func(r *http.Request) {
		r.Host = evil
		for _, name := range []string{"X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "X-Original-Host", "X-Original-URL", "X-Rewrite-URL"} {
			r.Header.Set(name, evil)
		}
		r.Header.Set("Forwarded", "for=1.2.3.4;host="+evil+";proto=http")
		r.Header.Set("X-Forwarded-Proto", "http")
		r.Header.Set("Origin", "https://"+evil)
		r.Header.Set("Referer", "https://"+evil+"/")
	}
	s.post("/v1/auth/request-password-reset", object{"email": u.email, "appId": "shop"}, spoof).want(t, 200, "")
	s.post("/v1/auth/resend-verification", object{"email": u.email, "appId": "shop"}, spoof).want(t, 200, "")
	s.register("shop", "spoofed@example.com", password, spoof).want(t, 201, "")
	s.call("PATCH", "/v1/users/me", u.access, object{"email": "spoof-" + u.email}, spoof).want(t, 200, "")
	letters := slices.Concat(s.mails(u.email), s.mails("spoofed@example.com"), s.mails("spoof-"+u.email))
	if len(letters) < 4 {
		t.Fatalf("%d mails", len(letters))
	}
	for _, l := range letters {
		if strings.Contains(l.Text+l.HTML+l.Subject, evil) {
			t.Errorf("%s names the host of the request:\n%s", l.Subject, l.Text)
		}
		if strings.Contains(l.Text, "token=") && !strings.Contains(l.Text, publicURL+"/auth/") {
			t.Errorf("%s:\n%s", l.Subject, l.Text)
		}
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/auth/verify-email?token=" + strings.Repeat("a", 64), "/v1/nothing"} {
		if a := s.get(path, "", spoof); strings.Contains(a.raw, evil) {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	if c := payload(t, s.login("shop", "spoofed@example.com", password, spoof).text("data", "accessToken")); c["iss"] != publicURL {
		t.Errorf("issuer %v", c["iss"])
	}
}

// TestCookieMode is that of contract new-api.md: the refresh token in a cookie that scripts do not see, for allowed pages.
func TestCookieMode(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.exec(`INSERT INTO apps (id, origins) VALUES ('shop', '{https://shop.example.com}')`)
	page, evil := set("Origin", "https://shop.example.com"), set("Origin", "https://evil.example.com")
	_, email := s.account("shop")
	login := object{"email": email, "password": password, "appId": "shop", "mode": "cookie"}
	for _, h := range []header{evil, set("Origin", "null"), func(*http.Request) {}} {
		if a := s.post("/v1/auth/login", login, h).want(t, 403, "forbidden"); len(a.header.Values("Set-Cookie")) != 0 {
			t.Error("a refused call set a cookie")
		}
	}
	cookie := func(a answer) *http.Cookie {
		t.Helper()
		var found *http.Cookie
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			if strings.Contains(c.Name, "turkey_refresh") && found != nil {
				t.Fatalf("two session cookies in %d %s", a.status, a.raw)
			} else if strings.Contains(c.Name, "turkey_refresh") {
				found = c
			}
		}
		if found == nil {
			t.Fatalf("no session cookie in %d %s", a.status, a.raw)
		}
		return found
	}
	a := s.post("/v1/auth/login", login, page).want(t, 200, "")
	c := cookie(a)
	if c.Name != "__Host-turkey_refresh_shop" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 7*24*3600 || !isRT.MatchString(c.Value) {
		t.Errorf("cookie %+v", c)
	}
	if strings.Contains(a.raw, "refreshToken") || strings.Contains(a.raw, c.Value) {
		t.Errorf("the body holds the refresh token: %s", a.raw)
	}
	sent := func(c *http.Cookie) header {
		return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value}) }
	}
	for _, h := range []header{evil, func(*http.Request) {}} {
		s.post("/v1/auth/refresh", object{"appId": "shop"}, sent(c), h).want(t, 403, "forbidden")
		s.post("/v1/auth/logout", "{}", sent(c), h).want(t, 403, "forbidden")
		s.post("/v1/auth/logout-all", "{}", sent(c), h).want(t, 403, "forbidden")
	}
	r := s.post("/v1/auth/refresh", object{"appId": "shop"}, sent(c), page).want(t, 200, "")
	next := cookie(r)
	if next.Value == c.Value || strings.Contains(r.raw, "refreshToken") || r.text("data", "accessToken") == "" {
		t.Errorf("refresh: %s", r.raw)
	}
	s.me(r.text("data", "accessToken")).want(t, 200, "")
	out := s.post("/v1/auth/logout", "{}", sent(next), page).want(t, 200, "")
	if gone := cookie(out); gone.Value != "" || gone.MaxAge >= 0 || gone.Name != c.Name {
		t.Errorf("logout left %+v", gone)
	}
	s.me(r.text("data", "accessToken")).want(t, 401, "token_revoked")
	s.post("/v1/auth/refresh", object{"appId": "shop"}, sent(next), page).want(t, 401, "invalid_grant")
	s.post("/v1/auth/refresh", object{"appId": "shop"}, page).want(t, 400, "validation_error")
	if a := s.post("/v1/auth/register", object{"email": "cookie@example.com", "password": password, "appId": "shop", "mode": "cookie"}, page).want(t, 201, ""); strings.Contains(a.raw, "refreshToken") || cookie(a).Value == "" {
		t.Error(a.raw)
	}
	s.post("/v1/auth/login", changed(login, "mode", "jar"), page).want(t, 400, "validation_error")

	local := s.again(with(func(c *auth.Config) { c.PublicURL = "http://localhost:3000" }))
	if c := cookie(local.post("/v1/auth/login", login, page).want(t, 200, "")); c.Name != "turkey_refresh_shop" || c.Secure {
		t.Errorf("over http: %+v", c)
	}
}
