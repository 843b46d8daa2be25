package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// TestBadContentIsRefused: 4xx that says what is wrong, nothing stored, nobody called.
func TestBadContentIsRefused(t *testing.T) {
	t.Parallel()
	fake, at := fakes(t)
	s := setup(t, at)
	h := s.holder()
	id := h.saved("google_sheets", "Good", pasted(0))
	change := func(changes ...any) object {
		c := maps.Clone(pasted(1))
		for i := 0; i < len(changes); i += 2 {
			c[changes[i].(string)] = changes[i+1]
		}
		return c
	}
	nested := func(depth int) string {
		return `{"type":"service_account","x":` + strings.Repeat(`{"a":`, depth) + `1` + strings.Repeat(`}`, depth) + `}`
	}
	twice := `{"type":"service_account","type":"service_account","private_key":"-----BEGIN ` + canary + `","client_email":"a@example.com","project_id":"p"}`
	for _, c := range []struct {
		name, service string
		content       any
		status        int
		code, says    string
	}{
		{"an external account", "google_sheets", object{"type": "external_account", "token_url": "http://169.254.169.254/", "credential_source": object{"url": fake.url, "file": "/etc/passwd", "k": canary}},
			400, "INVALID_CREDENTIAL_FORMAT", "Google credential must be a service account"},
		{"an impersonated account", "google_sheets", change("type", "impersonated_service_account"), 400, "INVALID_CREDENTIAL_FORMAT", "must be a service account"},
		{"a foreign token_uri", "google_sheets", change("token_uri", fake.url+"/token"), 400, "INVALID_CREDENTIAL_FORMAT", "Invalid token_uri"},
		{"a foreign token_uri, for ga4", "ga4", change("token_uri", "https://oauth2.googleapis.com.evil.example/token"), 400, "INVALID_CREDENTIAL_FORMAT", "Invalid token_uri"},
		{"a foreign token_uri of OAuth", "ga4", object{"refresh_token": canary, "client_id": "i", "client_secret": canary, "property_id": "1", "token_uri": fake.url}, 400, "INVALID_CREDENTIAL_FORMAT", "Invalid token_uri"},
		{"a foreign shop", "shopify", object{"shop_url": "evil.example/.myshopify.com", "access_token": canary}, 400, "INVALID_CREDENTIAL_FORMAT", "Invalid shop_url"},
		{"a shop with a port", "shopify", object{"shop_url": "shop.myshopify.com:8443", "access_token": canary}, 400, "INVALID_CREDENTIAL_FORMAT", "Invalid shop_url"},
		{"an account that is a path", "meta", object{"access_token": canary, "account_id": "1/../me"}, 400, "INVALID_CREDENTIAL_FORMAT", "Invalid account_id"},
		{"64 KiB", "google_sheets", change("pad", strings.Repeat("x", 64<<10)), 400, "VALIDATION_ERROR", "credentialJson is larger than 64 KiB"},
		{"a MiB", "google_sheets", change("pad", strings.Repeat("x", 1<<20)), 413, "VALIDATION_ERROR", ""},
		{"deep nesting", "google_sheets", nested(40), 400, "INVALID_CREDENTIAL_FORMAT", "Invalid JSON format"},
		{"deep nesting, inline", "google_sheets", json.RawMessage(nested(40)), 400, "INVALID_CREDENTIAL_FORMAT", "Invalid JSON format"},
		{"very deep nesting", "google_sheets", nested(9000), 400, "INVALID_CREDENTIAL_FORMAT", "Invalid JSON format"},
		{"repeated names", "google_sheets", twice, 400, "INVALID_CREDENTIAL_FORMAT", "Invalid JSON format"},
		{"repeated names, inline", "google_sheets", json.RawMessage(twice), 400, "INVALID_CREDENTIAL_FORMAT", "Invalid JSON format"},
		{"the null character", "google_sheets", change("client_email", "a\x00@example.com"), 400, "INVALID_CREDENTIAL_FORMAT", "Invalid JSON format"},
		{"the null character in an unread field", "google_sheets", change("x\x00", "y"), 400, "INVALID_CREDENTIAL_FORMAT", "Invalid JSON format"},
		{"an object for a text", "google_sheets", change("private_key", object{"$ne": canary}), 400, "INVALID_CREDENTIAL_FORMAT", "Missing private_key"},
		{"a key that is none", "google_sheets", change("private_key", canary), 400, "INVALID_CREDENTIAL_FORMAT", "Invalid private_key"},
		{"text that is no JSON", "google_sheets", canary, 400, "INVALID_CREDENTIAL_FORMAT", "Invalid JSON format"},
		{"a list", "google_sheets", []string{canary}, 400, "INVALID_CREDENTIAL_FORMAT", "Invalid JSON format"},
		{"more behind the object", "google_sheets", `{"type":"service_account"} {"a":1}`, 400, "INVALID_CREDENTIAL_FORMAT", "Invalid JSON format"},
	} {
		said := func(what string, a answer) {
			t.Helper()
			if a.status != c.status || a.code() != c.code || !strings.Contains(a.raw, c.says) {
				t.Errorf("%s, %s: got %d %s, want %d %s with %q", c.name, what, a.status, a.raw, c.status, c.code, c.says)
			}
		}
		said("saved", h.save(c.service, "x", c.content))
		if c.service == "google_sheets" {
			said("put", h.on(id, "PUT", "", object{"credentialJson": c.content}))
		}
	}
	for _, c := range []struct {
		name string
		body any
		code string
	}{
		{"nothing", object{}, "MISSING_FIELDS"},
		{"nothing but the service", object{"service": "google_sheets"}, "MISSING_FIELDS"},
		{"a blank name", object{"credentialName": "  "}, "MISSING_FIELDS"},
		{"null", object{"credentialName": nil, "credentialJson": nil}, "MISSING_FIELDS"},
		{"another service", object{"credentialName": "x", "service": "ga4"}, "INVALID_SERVICE"},
		{"an unknown service", object{"credentialName": "x", "service": "fax"}, "INVALID_SERVICE"},
		{"a long name", object{"credentialName": strings.Repeat("ä", 256)}, "VALIDATION_ERROR"},
		{"a name with the null character", object{"credentialName": "a\x00"}, "VALIDATION_ERROR"},
		{"a number", object{"credentialName": 7}, "VALIDATION_ERROR"},
		{"no JSON", `{"credentialJson":"` + canary, "INVALID_JSON"},
		{"a list", `[]`, "INVALID_JSON"},
	} {
		if a := h.on(id, "PUT", "", c.body); a.status != 400 || a.code() != c.code {
			t.Errorf("%s: got %d %s, want 400 %s", c.name, a.status, a.raw, c.code)
		}
	}
	if a := h.on(id, "PUT", "", object{}); a.text("error") != "Missing required fields: credentialJson or credentialName" {
		t.Errorf("%s", a.raw)
	}
	if n, v := s.count(`SELECT count(*) FROM credentials`), s.count(`SELECT count(*) FROM credential_versions`); n != 1 || v != 0 {
		t.Errorf("%d credentials and %d versions are stored", n, v)
	}
	if got := strings.ReplaceAll(s.audited(id), " credential_updated!", ""); got != "credential_saved" { // refusals are written down, as such
		t.Errorf("audited %s", got)
	}
	if fake.calls.Load() != 0 {
		t.Errorf("%d calls of a provider", fake.calls.Load())
	}
	for _, form := range []any{pasted(5), fmt.Sprintf(`{"type":"service_account","private_key":"-----BEGIN %s","client_email":"a@example.com","project_id":"p"}`, canary)} { // both forms are fine
		h.save("google_sheets", "x", form).want(t, 201, "")
	}
}
