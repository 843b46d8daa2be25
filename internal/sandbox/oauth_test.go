package sandbox_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

func TestAssertionIsVerified(t *testing.T) {
	t.Parallel()
	b := setup(t)
	granted := b.ok(http.MethodPost, "/oauth2/token", "", b.assertion(b.header(), b.claims(gaScope)))
	if granted["token_type"] != "Bearer" || granted["expires_in"] != 3599.0 || !strings.HasPrefix(granted["access_token"].(string), "ya29.") {
		t.Fatalf("granted = %v", granted)
	}
	now := b.clock.Now().Unix()
	tests := []struct {
		name        string
		header      map[string]any // changes
		claims      map[string]any // changes
		code, about string
	}{
		{"unknown account", nil, map[string]any{"iss": "x@y"}, "invalid_grant", "account not found"},
		{"unknown key", map[string]any{"kid": "0"}, nil, "invalid_grant", "Invalid JWT Signature."},
		{"no algorithm", map[string]any{"alg": "none"}, nil, "invalid_grant", "Invalid JWT"},
		{"HMAC", map[string]any{"alg": "HS256"}, nil, "invalid_grant", "Invalid JWT"},
		{"audience", nil, map[string]any{"aud": b.url}, "invalid_grant", "audience"},
		{"expired", nil, map[string]any{"iat": now - 7200, "exp": now - 3600}, "invalid_grant", "reasonable timeframe"},
		{"in the future", nil, map[string]any{"iat": now + 3000, "exp": now + 3600}, "invalid_grant", "reasonable timeframe"},
		{"too long", nil, map[string]any{"exp": now + 3601}, "invalid_grant", "60 minutes"},
		{"for somebody else", nil, map[string]any{"sub": "boss@example.com"}, "unauthorized_client", "unauthorized"},
		{"no scope", nil, map[string]any{"scope": ""}, "invalid_scope", "scope"},
		{"odd scope", nil, map[string]any{"scope": "everything"}, "invalid_scope", "scope"},
	}
	for _, tt := range tests {
		header, claims := b.header(), b.claims(gaScope)
		for k, v := range tt.header {
			header[k] = v
		}
		for k, v := range tt.claims {
			claims[k] = v
		}
		status, out := b.do(http.MethodPost, "/oauth2/token", "", b.assertion(header, claims))
		about, _ := out["error_description"].(string)
		if (status != 400 && status != 401) || out["error"] != tt.code || !strings.Contains(about, tt.about) {
			t.Errorf("%s: %d %v", tt.name, status, out)
		}
	}
	form := b.assertion(b.header(), b.claims(gaScope))
	parts := strings.Split(form.Get("assertion"), ".")
	other := strings.Split(b.assertion(b.header(), b.claims(sheetsScope)).Get("assertion"), ".")
	form.Set("assertion", other[0]+"."+other[1]+"."+parts[2])
	if status, out := b.do(http.MethodPost, "/oauth2/token", "", form); status != 400 || out["error_description"] != "Invalid JWT Signature." {
		t.Errorf("signature of other claims: %d %v", status, out)
	}
	for _, broken := range []string{"", "a", "a.b.c", "..", "a.b.c.d"} {
		form.Set("assertion", broken)
		if status, out := b.do(http.MethodPost, "/oauth2/token", "", form); status != 400 || out["error"] != "invalid_grant" {
			t.Errorf("assertion %q: %d %v", broken, status, out)
		}
	}
	if status, out := b.do(http.MethodPost, "/oauth2/token", "", url.Values{"grant_type": {"password"}}); status != 400 || out["error"] != "unsupported_grant_type" {
		t.Errorf("password grant: %d %v", status, out)
	}
}

func TestTokensExpireAndCarryScopes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.spreadsheet("GA4")
	path := "/sheets/v4/spreadsheets/" + id
	b.refused(http.MethodGet, path, "", nil, 401, "invalid authentication credentials")
	b.refused(http.MethodGet, path, "ya29.other", nil, 401, "invalid authentication credentials")
	b.refused(http.MethodGet, path, b.token(gaScope), nil, 403, "insufficient authentication scopes")
	token := b.token(sheetsScope)
	b.ok(http.MethodGet, path, token, nil)
	b.refused(http.MethodGet, "/drive/drive/v3/files", token, nil, 403, "insufficient")
	b.clock.advance(3599 * time.Second)
	b.refused(http.MethodGet, path, token, nil, 401, "invalid authentication credentials")
}

func TestRefreshToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.ok(http.MethodPost, "/_sandbox/oauth-clients", "", map[string]any{"expiresIn": 3600})
	form := url.Values{"grant_type": {"refresh_token"}}
	for _, name := range []string{"client_id", "client_secret", "refresh_token"} {
		form.Set(name, client[name].(string))
	}
	granted := b.ok(http.MethodPost, "/oauth2/token", "", form)
	if granted["scope"] != gaScope || granted["refresh_token_expires_in"] != 3600.0 {
		t.Errorf("granted = %v", granted)
	}
	for name, want := range map[string]string{"client_id": "invalid_client", "client_secret": "invalid_client", "refresh_token": "invalid_grant"} {
		right := form.Get(name)
		form.Set(name, "wrong")
		if _, out := b.do(http.MethodPost, "/oauth2/token", "", form); out["error"] != want {
			t.Errorf("wrong %s: %v", name, out)
		}
		form.Set(name, right)
	}
	b.clock.advance(time.Hour)
	if _, out := b.do(http.MethodPost, "/oauth2/token", "", form); out["error_description"] != "Token has been expired or revoked." {
		t.Errorf("after its end: %v", out)
	}
}

func TestStateSurvivesARestartWithoutSecrets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.ok(http.MethodPost, "/_sandbox/oauth-clients", "", map[string]any{})
	id := b.spreadsheet("GA4")
	b.ok(http.MethodPut, "/_sandbox/spreadsheets/"+id+"/cells", "", map[string]any{"tab": "GA4", "a1": "B2", "value": 0})
	text, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{client["client_secret"].(string), client["refresh_token"].(string), strings.Split(b.key["private_key"], "\n")[3], "PRIVATE"}
	for _, secret := range secrets {
		if strings.Contains(string(text), secret) {
			t.Errorf("the state holds %q", secret)
		}
	}
	b.restart()
	values := b.ok(http.MethodGet, "/sheets/v4/spreadsheets/"+id+"/values/'GA4'", b.token(sheetsScope), nil)["values"]
	if rows, _ := values.([]any); len(rows) != 2 {
		t.Errorf("values = %v", values)
	}
}

func TestAnotherKeyForTheSameAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	again := b.ok(http.MethodPost, "/_sandbox/service-accounts", "", map[string]string{"name": "KPI loader"})
	if again["client_email"] != b.key["client_email"] || again["private_key_id"] == b.key["private_key_id"] {
		t.Errorf("second key = %v", again["client_email"])
	}
	b.token(gaScope) // the first key still works
	b.ok(http.MethodDelete, "/_sandbox/service-accounts/"+b.key["client_email"], "", nil)
	if _, out := b.do(http.MethodPost, "/oauth2/token", "", b.assertion(b.header(), b.claims(gaScope))); out["error_description"] != "Invalid JWT Signature." {
		t.Errorf("after revocation: %v", out)
	}
}
