package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/client"
	"turkey/internal/db/dbtest"
	"turkey/internal/seal"
)

// detail is one broken rule as the contract lists it.
type detail struct{ field, code, message, received string }

func details(a answer) (found []detail) {
	list, _ := a.at("details").([]any)
	for i := range list {
		text := func(name string) string { v, _ := a.at("details", i, name).(string); return v }
		found = append(found, detail{text("field"), text("code"), text("message"), text("received")})
	}
	return found
}

const policy = "Password must contain at least one uppercase letter, one lowercase letter, one number, and one special character"

func TestRegisterHoldsFieldsToTheirRules(t *testing.T) {
	t.Parallel()
	s := setup(t)
	canary := s.secret("canary-value-1234")
	valid := func(changes ...any) map[string]any {
		b := map[string]any{"email": "ada@example.com", "password": password, "appId": "shop"}
		for i := 0; i < len(changes); i += 2 {
			if changes[i+1] == nil {
				delete(b, changes[i].(string))
			} else {
				b[changes[i].(string)] = changes[i+1]
			}
		}
		return b
	}
	long := strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("b", 60)+".", 3) + strings.Repeat("c", 7)
	for _, c := range []struct {
		name string
		body any
		want []detail
	}{
		{"no body", "", []detail{{"", "invalid_type", "Required", "undefined"}}},
		{"nothing in it", "{}", []detail{{"email", "invalid_type", "Required", "undefined"}, {"password", "invalid_type", "Required", "undefined"}}},
		{"types", `{"email":["` + canary + `"],"password":{"p":"` + canary + `"},"appId":7,"role":false}`, []detail{
			{"email", "invalid_type", "", "array"}, {"password", "invalid_type", "", "object"},
			{"role", "invalid_type", "", "boolean"}, {"appId", "invalid_type", "", "number"}}},
		{"email null", `{"email":null,"password":"` + password + `"}`, []detail{{"email", "invalid_type", "", "null"}}},
		{"email without @", valid("email", canary), []detail{{"email", "invalid_string", "Invalid email format", ""}}},
		{"email without domain", valid("email", "ada@"), []detail{{"email", "invalid_string", "Invalid email format", ""}}},
		{"email with a space", valid("email", "a da@example.com"), []detail{{"email", "invalid_string", "Invalid email format", ""}}},
		{"email empty", valid("email", ""), []detail{{"email", "invalid_string", "Invalid email format", ""}}},
		{"email of 255 characters", valid("email", long), []detail{{"email", "too_big", "Email too long", ""}}},
		{"password too short", valid("password", "Ab1!xyz"), []detail{{"password", "too_small", "Password must be at least 8 characters", ""}}},
		{"a common password", valid("password", "Password1"), []detail{{"password", "invalid_string", "This password is one of the most common ones; choose another", ""}, {"password", "invalid_string", policy, ""}}},
		{"password too long", valid("password", "Ab1!"+strings.Repeat("x", 125)), []detail{{"password", "too_big", "Password too long", ""}}},
		{"password without upper case", valid("password", "zbqdwf1!"), []detail{{"password", "invalid_string", policy, ""}}},
		{"password without lower case", valid("password", "ZBQDWF1!"), []detail{{"password", "invalid_string", policy, ""}}},
		{"password without digit", valid("password", "Zbqdwfg!"), []detail{{"password", "invalid_string", policy, ""}}},
		{"password without special character", valid("password", "Zbqdwfg1"), []detail{{"password", "invalid_string", policy, ""}}},
		{"appId null", `{"email":"ada@example.com","password":"` + password + `","appId":null}`, []detail{{"appId", "invalid_type", "", "null"}}},
		{"appId empty", valid("appId", ""), []detail{{"appId", "too_small", "App ID cannot be empty", ""}}},
		{"appId too long", valid("appId", strings.Repeat("a", 101)), []detail{{"appId", "too_big", "App ID too long", ""}}},
		{"appId with a space", valid("appId", "my shop"), []detail{{"appId", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens", ""}}},
		{"role unknown", valid("role", "root"), []detail{{"role", "invalid_enum_value", `Role must be either "user" or "admin"`, ""}}},
		{"everything at once", valid("email", "x", "password", "Ab1!", "appId", "?", "role", "root"), []detail{
			{"email", "invalid_string", "Invalid email format", ""}, {"password", "too_small", "Password must be at least 8 characters", ""},
			{"role", "invalid_enum_value", `Role must be either "user" or "admin"`, ""},
			{"appId", "invalid_string", "App ID must contain only letters, numbers, underscores, and hyphens", ""}}},
	} {
		a := s.call("POST", "/v1/auth/register", "", c.body).want(t, 400, "validation_error")
		if a.at("message") != "Invalid request data" {
			t.Errorf("%s: message %v", c.name, a.at("message"))
		}
		got := details(a)
		if len(got) != len(c.want) {
			t.Errorf("%s: details %+v, want %+v", c.name, got, c.want)
			continue
		}
		for i, w := range c.want {
			if w.message == "" { // the contract leaves the words open
				w.message = got[i].message
			}
			if got[i] != w {
				t.Errorf("%s: detail %+v, want %+v", c.name, got[i], w)
			}
		}
	}
	for _, c := range []struct {
		name, contentType string
		body              any
		status            int
		code, message     string
	}{
		{"malformed", "application/json", `{"email":"` + canary, 400, "bad_request", "Malformed JSON body"},
		{"a list", "application/json", `["` + canary + `"]`, 400, "bad_request", "Malformed JSON body"},
		{"a scalar", "application/json", `"` + canary + `"`, 400, "bad_request", "Malformed JSON body"},
		{"two objects", "application/json", `{}{}`, 400, "bad_request", "Malformed JSON body"},
		{"no content type", "", "{}", 415, "unsupported_media_type", "Content-Type must be application/json"},
		{"a form", "application/x-www-form-urlencoded", "email=" + canary, 415, "unsupported_media_type", "Content-Type must be application/json"},
		{"too big", "application/json", `{"x":"` + strings.Repeat("x", 102_400) + `"}`, 413, "payload_too_large", "Request size exceeds 100KB limit"},
		{"too big, undeclared", "application/json", io.MultiReader(strings.NewReader(`{"x":"` + strings.Repeat("x", 102_400) + `"}`)), 413, "payload_too_large",
			"Request size exceeds 100KB limit"},
	} {
		if a := s.send("POST", "/v1/auth/register", "", c.contentType, c.body).want(t, c.status, c.code); a.at("message") != c.message {
			t.Errorf("%s: %v", c.name, a.at("message"))
		}
	}
	var users int
	must(t, query(t, s.db, `SELECT count(*) FROM users`).Scan(&users))
	if users != 0 {
		t.Errorf("%d users were made", users)
	}
}

func TestRegisterAndMe(t *testing.T) {
	t.Parallel()
	s := setup(t)
	a := s.call("POST", "/v1/auth/register", "", map[string]any{"email": "  Ada.O'Brien+x@Example.COM ", "password": password, "role": "user",
		"appId": "shop", "unknown": true}).want(t, 201, "")
	if a.at("data", "user", "email") != "ada.o'brien+x@example.com" || a.at("data", "user", "role") != "user" || a.at("data", "user", "emailVerified") != false ||
		a.at("data", "expiresIn") != 900.0 || a.at("data", "tokenType") != "Bearer" {
		t.Errorf("register: %s", a.raw)
	}
	access, _ := a.at("data", "accessToken").(string)
	refresh, _ := a.at("data", "refreshToken").(string)
	if len(access) == 0 || len(access) >= 1000 || !regexp.MustCompile(`^rt_[A-Za-z0-9._-]+$`).MatchString(refresh) || len(refresh) >= 512 {
		t.Errorf("tokens: %q %q", access, refresh)
	}
	for _, secret := range []string{"password", "hash", password} {
		if strings.Contains(a.raw, secret) {
			t.Errorf("the answer holds %q", secret)
		}
	}

	claims := payload(t, access)
	for name, want := range map[string]any{"iss": s.base, "aud": "shop", "email": "ada.o'brien+x@example.com", "role": "user", "scope": "", "tokenVersion": 0.0,
		"sub": a.at("data", "user", "id"), "nbf": claims["iat"], "exp": claims["iat"].(float64) + 900} {
		if claims[name] != want {
			t.Errorf("claim %s is %v, want %v", name, claims[name], want)
		}
	}
	if !regexp.MustCompile(`^at_[0-9a-f]{32}$`).MatchString(fmt.Sprint(claims["jti"])) || claims["sid"] == nil {
		t.Errorf("claims %v", claims)
	}

	me := s.call("GET", "/v1/users/me", "Bearer "+access, nil).want(t, 200, "")
	keys := func(path string) []string {
		m, _ := me.at(path).(map[string]any)
		var names []string
		for name := range maps.Keys(m) {
			names = append(names, name)
		}
		return names
	}
	if len(keys("data")) != 6 || len(keys("user")) != 4 || len(keys("tokenInfo")) != 4 || me.at("data", "appId") != "shop" ||
		me.at("data", "emailVerified") != false || me.at("user", "email") != me.at("data", "email") || me.at("tokenInfo", "jti") != claims["jti"] ||
		me.at("tokenInfo", "exp") != claims["exp"] || me.at("tokenInfo", "tokenVersion") != 0.0 {
		t.Errorf("me: %s", me.raw)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000Z", fmt.Sprint(me.at("data", "createdAt"))); err != nil {
		t.Error(err)
	}
	if me.header.Get("Cache-Control") != "no-store" {
		t.Error("me may be cached")
	}

	s.call("POST", "/v1/auth/register", "", map[string]any{"email": "ADA.O'BRIEN+X@example.com", "password": password, "appId": "shop"}).want(t, 409, "user_exists")
	s.call("POST", "/v1/auth/register", "", map[string]any{"email": "eve@example.com", "password": password, "role": "admin"}).want(t, 403, "forbidden")
	s.call("POST", "/v1/auth/login", "", map[string]any{"email": "eve@example.com", "password": password}).want(t, 401, "invalid_credentials")
}

func payload(t *testing.T, jwt string) (claims map[string]any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	must(t, err)
	must(t, json.Unmarshal(b, &claims))
	return claims
}

func TestParallelRegistrationsMakeOneUser(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var mu sync.Mutex
	seen := map[int]int{}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			a := s.call("POST", "/v1/auth/register", "", map[string]any{"email": "race@example.com", "password": password, "appId": "race"})
			mu.Lock()
			seen[a.status]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if seen[201] != 1 || seen[409] != 5 {
		t.Errorf("answers by status: %v", seen)
	}
}

func TestLoginTellsNothingToStrangers(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.user("shop")
	login := func(email, password string) answer {
		return s.call("POST", "/v1/auth/login", "", map[string]any{"email": email, "password": password, "appId": "shop"})
	}
	wrong := s.secret("Wrong-Canary-99!")
	known, unknown := login("user-1@example.com", wrong).want(t, 401, "invalid_credentials"), login("nobody@example.com", wrong).want(t, 401, "invalid_credentials")
	for _, changing := range []string{"timestamp", "requestId"} {
		delete(known.body, changing)
		delete(unknown.body, changing)
	}
	if fmt.Sprint(known.body) != fmt.Sprint(unknown.body) || known.at("message") != "Invalid email or password" {
		t.Errorf("known: %v, unknown: %v", known.body, unknown.body)
	}
	// The policy is for new passwords: what breaks it is just wrong.
	login("user-1@example.com", "x").want(t, 401, "invalid_credentials")
	login("user-1@example.com", "").want(t, 400, "validation_error")
	login("user-1@example.com", strings.Repeat("x", 1025)).want(t, 400, "validation_error")
	login("no address", wrong).want(t, 400, "validation_error")

	a := login(" USER-1@example.com", password).want(t, 200, "")
	if user, _ := a.at("data", "user").(map[string]any); len(user) != 3 || user["email"] != "user-1@example.com" {
		t.Errorf("login: %s", a.raw)
	}
	execute(t, s.db, `UPDATE users SET status = 'suspended'`)
	login("user-1@example.com", wrong).want(t, 401, "invalid_credentials")
	login("user-1@example.com", password).want(t, 403, "forbidden")
	token := "Bearer " + a.at("data", "accessToken").(string)
	s.call("GET", "/v1/users/me", token, nil).want(t, 403, "forbidden")
	s.call("GET", "/api/credentials/list", token, nil).want(t, 403, "ACCESS_DENIED")
	s.call("POST", "/v1/auth/refresh", "", map[string]any{"refreshToken": a.at("data", "refreshToken"), "appId": "shop"}).want(t, 401, "invalid_grant")
}

// TestAppsAreApart: the same address in two apps is two people, and neither's tokens do anything in the other app.
func TestAppsAreApart(t *testing.T) {
	t.Parallel()
	s := setup(t)
	a, err := s.in("app-a").Register(t.Context(), "ada@example.com", password)
	must(t, err)
	const other = "Other-Canary-12!"
	b, err := s.in("app-b").Register(t.Context(), "ada@example.com", s.secret(other))
	must(t, err)
	if a.User.ID == b.User.ID {
		t.Error("one person in two apps")
	}
	_, err = s.in("app-b").Login(t.Context(), "ada@example.com", password)
	refused(t, err, 401, "invalid_credentials")
	_, err = s.in("app-c").Login(t.Context(), "ada@example.com", password)
	refused(t, err, 401, "invalid_credentials")

	g := s.google()
	sheets, ga4 := g.ready(a)
	must(t, a.Enable(t.Context(), "ga4", ga4))
	job, err := a.Sync(t.Context(), "ga4", "")
	must(t, err)
	if list, err := b.Credentials(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("app-b sees %v, %v", list, err)
	}
	if list, err := b.Mappings(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("app-b sees %v, %v", list, err)
	}
	_, err = b.Credential(t.Context(), sheets)
	refused(t, err, 404, "CREDENTIAL_NOT_FOUND")
	_, err = b.Verify(t.Context(), sheets)
	refused(t, err, 404, "CREDENTIAL_NOT_FOUND")
	refused(t, b.DeleteCredential(t.Context(), sheets), 404, "CREDENTIAL_NOT_FOUND")
	refused(t, b.Enable(t.Context(), "google_sheets", sheets), 404, "CREDENTIAL_NOT_FOUND")
	_, err = b.Tab(t.Context(), sheets, g.spreadsheet, "Google")
	refused(t, err, 404, "CREDENTIAL_NOT_FOUND")
	_, err = b.Job(t.Context(), job)
	refused(t, err, 404, "JOB_NOT_FOUND")
	s.call("GET", fmt.Sprintf("/api/credentials/%d/verify-status", sheets), bearer(b), nil).want(t, 404, "CREDENTIAL_NOT_FOUND")

	for _, app := range []any{"app-b", nil, "app-unknown"} {
		body := map[string]any{"refreshToken": a.Tokens().RefreshToken}
		if app != nil {
			body["appId"] = app
		}
		s.call("POST", "/v1/auth/refresh", "", body).want(t, 401, "invalid_grant")
	}
	must(t, a.Refresh(t.Context()))
	if me, err := a.Me(t.Context()); err != nil || me.AppID != "app-a" {
		t.Errorf("%+v, %v", me, err)
	}
}

func refresh(s *server, token string) answer {
	return s.call("POST", "/v1/auth/refresh", "", map[string]any{"refreshToken": token, "appId": "shop"})
}

func TestParallelRefreshesGetOneSuccessor(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	first := u.Tokens().RefreshToken
	var mu sync.Mutex
	successors := map[any]int{}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			a := refresh(s, first).want(t, 200, "")
			mu.Lock()
			successors[a.at("data", "refreshToken")]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(successors) != 1 || successors[first] > 0 {
		t.Fatalf("successors: %v", successors)
	}
	// A lost response: within the grace the predecessor still leads to the same successor.
	second, _ := refresh(s, first).want(t, 200, "").at("data", "refreshToken").(string)
	if successors[second] != 20 {
		t.Errorf("another successor: %v", second)
	}
	third, _ := refresh(s, second).want(t, 200, "").at("data", "refreshToken").(string)
	if third == second || third == first {
		t.Error("no rotation")
	}
	a := refresh(s, third).want(t, 200, "")
	access := "Bearer " + a.at("data", "accessToken").(string)
	s.call("GET", "/v1/users/me", access, nil).want(t, 200, "")

	// A thief with an old generation ends the session for everybody.
	refresh(s, first).want(t, 401, "invalid_grant")
	s.ended(access)
	refresh(s, a.at("data", "refreshToken").(string)).want(t, 401, "invalid_grant")
	var reuses int
	must(t, query(t, s.db, `SELECT count(*) FROM audit WHERE action = 'refresh_reuse_detected'`).Scan(&reuses))
	if reuses != 1 {
		t.Errorf("%d times audited", reuses)
	}
}

func TestPredecessorAfterTheGraceEndsTheSession(t *testing.T) {
	t.Parallel()
	s := setup(t, "REFRESH_GRACE=0")
	u := s.user("shop")
	first := u.Tokens().RefreshToken
	must(t, u.Refresh(t.Context()))
	refresh(s, first).want(t, 401, "invalid_grant")
	refused(t, u.Refresh(t.Context()), 401, "invalid_grant")
	_, err := u.Me(t.Context())
	refused(t, err, 401, "token_revoked")
}

func TestRefreshRefusesWhatIsNoToken(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	good := u.Tokens().RefreshToken
	session, rest, _ := strings.Cut(strings.TrimPrefix(good, "rt_"), ".")
	_, mac, _ := strings.Cut(rest, ".")
	for name, token := range map[string]string{
		"another generation":    "rt_" + session + ".1." + mac,
		"another session":       "rt_" + strings.Repeat("0", 8) + session[8:] + "." + rest,
		"a cut MAC":             good[:len(good)-2],
		"no MAC":                "rt_" + session + ".0.",
		"one letter changed":    good[:len(good)-10] + map[bool]string{true: "B", false: "A"}[good[len(good)-10] == 'A'] + good[len(good)-9:],
		"an access token":       u.Tokens().AccessToken,
		"the predecessors' way": "rt_" + strings.Repeat("ab", 32),
	} {
		if a := refresh(s, s.secret(token)).want(t, 401, "invalid_grant"); t.Failed() {
			t.Fatalf("%s: %s", name, a.raw)
		}
	}
	for token, code := range map[string]string{"": "too_small", "with space": "invalid_string", strings.Repeat("a", 4097): "invalid_string"} {
		if d := details(refresh(s, token).want(t, 400, "validation_error")); len(d) != 1 || d[0].field != "refreshToken" || d[0].code != code {
			t.Errorf("%+v", d)
		}
	}
	must(t, u.Refresh(t.Context())) // none of it did any harm
}

// ended checks that an access token is good for nothing any more: under /v1 at once, under /api as soon as the revocation
// feed has brought it, which is a matter of milliseconds.
func (s *server) ended(access string) {
	s.t.Helper()
	s.call("GET", "/v1/users/me", access, nil).want(s.t, 401, "token_revoked")
	deadline := time.Now().Add(3 * time.Second) // what the design allows
	for {
		a := s.call("GET", "/api/credentials/list", access, nil)
		if a.status == 401 && a.code() == "AUTH_FAILED" {
			return
		}
		if time.Now().After(deadline) {
			s.t.Errorf("the token still works: %d %s", a.status, a.raw)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestLogoutEndsTheSession(t *testing.T) {
	t.Parallel()
	s := setup(t)
	logout := func(token string) {
		t.Helper()
		if a := s.call("POST", "/v1/auth/logout", "", map[string]any{"refreshToken": token}).want(t, 200, ""); a.at("message") != "Logged out successfully" {
			t.Errorf("logout: %s", a.raw)
		}
	}
	gone := func(u *client.Session) {
		t.Helper()
		s.ended(bearer(u))
		refresh(s, u.Tokens().RefreshToken).want(t, 401, "invalid_grant")
	}
	withRefresh, withAccess, stays := s.user("shop"), s.user("shop"), s.user("shop")
	second, err := s.in("shop").Login(t.Context(), "user-3@example.com", password)
	must(t, err)

	logout(withRefresh.Tokens().RefreshToken)
	gone(withRefresh)
	logout(withRefresh.Tokens().RefreshToken) // whoever wants to be out is out
	logout(withAccess.Tokens().AccessToken)
	gone(withAccess)
	logout("rt_junk")
	logout("junk")
	must(t, second.Logout(t.Context()))
	gone(second)
	if _, err := stays.Me(t.Context()); err != nil {
		t.Errorf("another session of the same user ended: %v", err)
	}
	s.call("POST", "/v1/auth/logout", "", map[string]any{"refreshToken": ""}).want(t, 400, "validation_error")
}

// forger makes tokens with the server's own key, or without.
type forger struct {
	t       *testing.T
	kid     string
	private *ecdsa.PrivateKey
	claims  map[string]any // of a token that is good
}

const forgerSecret = "canary-jwt-secret-0123456789abcdef"

func newForger(t *testing.T, s *server, good string) *forger {
	t.Helper()
	f := &forger{t: t, claims: payload(t, good)}
	var sealed string
	must(t, query(t, s.db, `SELECT kid, private_pem FROM keys`).Scan(&f.kid, &sealed))
	box, err := seal.New([]byte(forgerSecret), "signing-keys")
	must(t, err)
	b, err := base64.StdEncoding.DecodeString(sealed)
	must(t, err)
	der, err := box.Decrypt(b, []byte("signing-key|"+f.kid))
	must(t, err)
	key, err := x509.ParsePKCS8PrivateKey(der)
	must(t, err)
	f.private = key.(*ecdsa.PrivateKey)
	return f
}

func (f *forger) input(header map[string]any, changes ...any) string {
	claims := maps.Clone(f.claims)
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == nil {
			delete(claims, changes[i].(string))
		} else {
			claims[changes[i].(string)] = changes[i+1]
		}
	}
	part := func(v any) string { return base64.RawURLEncoding.EncodeToString(encode(f.t, v)) }
	return part(header) + "." + part(claims)
}

func (f *forger) sign(key *ecdsa.PrivateKey, input string) string {
	digest := sha256.Sum256([]byte(input))
	r, v, err := ecdsa.Sign(rand.Reader, key, digest[:])
	must(f.t, err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// real signs changed claims as the server would.
func (f *forger) real(changes ...any) string {
	return f.sign(f.private, f.input(map[string]any{"alg": "ES256", "typ": "JWT", "kid": f.kid}, changes...))
}

func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	s := setup(t, "JWT_SECRET="+forgerSecret)
	s.secret(forgerSecret)
	u := s.user("shop")
	f := newForger(t, s, u.Tokens().AccessToken)
	header := map[string]any{"alg": "ES256", "typ": "JWT", "kid": f.kid}
	with := func(changes ...any) map[string]any {
		h := maps.Clone(header)
		for i := 0; i < len(changes); i += 2 {
			h[changes[i].(string)] = changes[i+1]
		}
		return h
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	public, err := x509.MarshalPKIXPublicKey(&f.private.PublicKey)
	must(t, err)
	mac := func(key []byte) string {
		input := f.input(with("alg", "HS256"))
		m := hmac.New(sha256.New, key)
		m.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
	}
	jwks := s.call("GET", "/.well-known/jwks.json", "", nil).raw
	jwk := map[string]any{"kty": "EC", "crv": "P-256", "x": base64.RawURLEncoding.EncodeToString(stranger.X.FillBytes(make([]byte, 32))),
		"y": base64.RawURLEncoding.EncodeToString(stranger.Y.FillBytes(make([]byte, 32)))}
	good := u.Tokens().AccessToken
	parts := strings.Split(good, ".")
	now := time.Now().Unix()
	other := s.user("other")

	if a := s.call("GET", "/v1/users/me", "Bearer "+f.real(), nil); a.status != 200 {
		t.Fatalf("the forger's own key is not the server's: %s", a.raw)
	}
	for _, c := range []struct {
		name, header string
		auth, api    string // codes of the two halves
	}{
		{"no header", "", "missing_token", "MISSING_TOKEN"},
		{"another scheme", "Basic " + good, "missing_token", "MISSING_TOKEN"},
		{"only the scheme", "Bearer", "missing_token", "MISSING_TOKEN"},
		{"three parts", "Bearer " + good + " x", "missing_token", "MISSING_TOKEN"},
		{"no JWT", "Bearer junk", "invalid_token", "INVALID_TOKEN"},
		{"two parts of a JWT", "Bearer " + parts[0] + "." + parts[1], "invalid_token", "INVALID_TOKEN"},
		{"four parts", "Bearer " + good + ".x", "invalid_token", "INVALID_TOKEN"},
		{"not base64", "Bearer " + parts[0] + ".%%%." + parts[2], "invalid_token", "INVALID_TOKEN"},
		{"a refresh token", "Bearer " + u.Tokens().RefreshToken, "invalid_token", "INVALID_TOKEN"},
		{"alg none", "Bearer " + f.input(with("alg", "none")) + ".", "invalid_token", "AUTH_FAILED"},
		{"alg None with the signature of a good one", "Bearer " + f.input(with("alg", "None")) + "." + parts[2], "invalid_token", "AUTH_FAILED"},
		{"HS256 with the public key's DER", "Bearer " + mac(public), "invalid_token", "AUTH_FAILED"},
		{"HS256 with the key set", "Bearer " + mac([]byte(jwks)), "invalid_token", "AUTH_FAILED"},
		{"HS256 with nothing", "Bearer " + mac(nil), "invalid_token", "AUTH_FAILED"},
		{"a kid nobody knows", "Bearer " + f.sign(stranger, f.input(with("kid", "key_"+strings.Repeat("0", 32)))), "invalid_token", "AUTH_FAILED"},
		{"no kid", "Bearer " + f.sign(f.private, f.input(map[string]any{"alg": "ES256"})), "invalid_token", "INVALID_TOKEN"},
		{"a key in the header", "Bearer " + f.sign(stranger, f.input(with("jwk", jwk))), "invalid_token", "INVALID_TOKEN"},
		{"the kid of a stranger's signature", "Bearer " + f.sign(stranger, f.input(header)), "invalid_signature", "AUTH_FAILED"},
		{"no signature", "Bearer " + parts[0] + "." + parts[1] + ".", "invalid_signature", "AUTH_FAILED"},
		{"a signature of zeros", "Bearer " + parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)), "invalid_signature", "AUTH_FAILED"},
		{"claims changed under a good signature", "Bearer " + f.input(header, "role", "admin") + "." + parts[2], "invalid_signature", "AUTH_FAILED"},
		{"another issuer", "Bearer " + f.real("iss", s.base+"/"), "invalid_issuer", "AUTH_FAILED"},
		{"expired", "Bearer " + f.real("iat", now-901, "nbf", now-901, "exp", now-1), "token_expired", "AUTH_FAILED"},
		{"not yet valid", "Bearer " + f.real("nbf", now+60), "invalid_token", "AUTH_FAILED"},
		{"no sub", "Bearer " + f.real("sub", nil), "invalid_token", "INVALID_TOKEN"},
		{"no jti", "Bearer " + f.real("jti", nil), "invalid_token", "INVALID_TOKEN"},
		{"no exp", "Bearer " + f.real("exp", nil), "invalid_token", "INVALID_TOKEN"},
		{"no tokenVersion", "Bearer " + f.real("tokenVersion", nil), "invalid_token", "INVALID_TOKEN"},
		// Only the server itself could sign these. /api, which goes by the revocation feed, is not asked.
		{"another tokenVersion", "Bearer " + f.real("tokenVersion", 7), "token_expired", ""},
		{"a user of another app", "Bearer " + f.real("aud", "other"), "token_expired", ""},
		{"another app's user", "Bearer " + f.real("sub", other.User.ID), "token_expired", ""},
		{"a user who never was", "Bearer " + f.real("sub", "01900000-0000-7000-8000-000000000000"), "token_expired", ""},
		{"a sub of another type", "Bearer " + f.real("sub", 7), "invalid_token", "INVALID_TOKEN"},
	} {
		for path, code := range map[string]string{"/v1/users/me": c.auth, "/api/credentials/list": c.api} {
			if code == "" {
				continue
			}
			if a := s.call("GET", path, c.header, nil); a.status != 401 || a.code() != code {
				t.Errorf("%s at %s: got %d %s, want 401 %s: %s", c.name, path, a.status, a.code(), code, a.raw)
			}
		}
	}
	// The role is the database's, whatever a token says.
	if a := s.call("GET", "/v1/users/me", "Bearer "+f.real("role", "admin", "email", "root@example.com"), nil).want(t, 200, ""); a.at("data", "role") != "user" ||
		a.at("data", "email") != "user-1@example.com" {
		t.Errorf("me believes the token: %s", a.raw)
	}
	s.call("GET", "/v1/users/me", "bearer "+good, nil).want(t, 200, "") // the scheme is case-insensitive (RFC 9110 §11.1)
}

func TestProductionKnowsOnlyRegisteredApps(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=" + dbtest.URL(t), "NODE_ENV=production", "ALLOW_INSECURE_DATABASE=true", "APPS=listed",
		"JWT_SECRET=" + strings.Repeat("s", 32), "ENCRYPTION_KEY_SALT=" + strings.Repeat("e", 32)}
	s := serve(t, env, "serve")
	for _, path := range []string{"/v1/auth/register", "/v1/auth/login"} {
		a := s.call("POST", path, "", map[string]any{"email": "ada@example.com", "password": s.secret(password), "appId": "ghost"}).want(t, 400, "validation_error")
		if d := details(a); len(d) != 1 || d[0].field != "appId" || !strings.Contains(d[0].message, "gravy app create ghost") {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	s.call("POST", "/v1/auth/refresh", "", map[string]any{"refreshToken": "rt_x", "appId": "ghost"}).want(t, 400, "validation_error")
	for _, app := range []string{"", "listed"} {
		_, err := s.in(app).Register(t.Context(), "ada@example.com", password)
		must(t, err)
	}
	o := run(t, env, "app", "create", "ghost", "--name", "Ghost")
	if o.code != 0 || !strings.Contains(o.out, "ghost") || o.err != "" {
		t.Errorf("exit %d: %s%s", o.code, o.out, o.err)
	}
	if o := run(t, env, "app", "create", "ghost"); o.code != 0 {
		t.Errorf("again: exit %d: %s", o.code, o.err)
	}
	u, err := s.in("ghost").Register(t.Context(), "ada@example.com", password)
	must(t, err)
	if me, err := u.Me(t.Context()); err != nil || me.AppID != "ghost" {
		t.Errorf("%+v, %v", me, err)
	}
	for _, bad := range []string{"", "my app", strings.Repeat("a", 101)} {
		if o := run(t, env, "app", "create", bad); o.code != 1 || !strings.HasPrefix(o.err, "Error: app id") {
			t.Errorf("%q: exit %d: %s", bad, o.code, o.err)
		}
	}
}
