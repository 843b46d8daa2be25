package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestClerksSettings(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, map[string]string{".env": "CLERK_JWT_KEY=\"-----BEGIN PUBLIC KEY-----\\nMIIB\\n-----END PUBLIC KEY-----\"\nCLERK_AUTHORIZED_PARTIES=https://a.example.com, ,https://b.example.com \n"}, nil)
	if !strings.HasPrefix(string(c.ClerkKey), "-----BEGIN PUBLIC KEY-----") || c.ClerkAPI != "https://api.clerk.com" || c.ClerkIssuer != "" ||
		!slices.Equal(c.ClerkParties, []string{"https://a.example.com", "https://b.example.com"}) {
		t.Errorf("%q %q %q", string(c.ClerkKey), c.ClerkAPI, c.ClerkParties)
	}
	if c := mustLoad(t, nil, map[string]string{"CLERK_PUBLIC_KEY": "one", "CLERK_JWT_KEY": "other"}); c.ClerkKey != "one" {
		t.Error("the alias wins")
	}
	path := filepath.Join(t.TempDir(), "clerk.pem")
	if err := os.WriteFile(path, []byte("pem\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := mustLoad(t, nil, map[string]string{"CLERK_PUBLIC_KEY_FILE": path}); c.ClerkKey != "pem" {
		t.Errorf("from a file: %q", string(c.ClerkKey))
	}
}

func TestOIDCIssuers(t *testing.T) {
	t.Parallel()
	const list = `[{"issuer":"https://id.example.com/","audience":"turkey","app":"shop"},{"issuer":"https://b.example.com","jwks":"https://b.example.com/k","audience":"x","app":"b_1"}]`
	want := []OIDCIssuer{{"https://id.example.com/", "", "turkey", "shop"}, {"https://b.example.com", "https://b.example.com/k", "x", "b_1"}}
	path := filepath.Join(t.TempDir(), "issuers.json")
	if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, environment := range map[string]map[string]string{"value": {"OIDC_ISSUERS": list}, "file": {"OIDC_ISSUERS_FILE": path}} {
		if got := mustLoad(t, nil, environment).Issuers(); !slices.Equal(got, want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := mustLoad(t, nil, nil).Issuers(); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestProblemsOfIssuersAreToldTogether(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"no JSON": canary, "an object": `{"issuer":"` + canary + `"}`, "a misspelt name": `[{"issuer":"https://a.example.com","jwks_uri":"` + canary + `"}]`,
		"two lists": `[][]`, "a number": `[{"issuer":1}]`} {
		got := problems(t, nil, map[string]string{"OIDC_ISSUERS": value, "PORT": "70000"})
		if len(got) != 2 || !strings.HasPrefix(got[0], "OIDC_ISSUERS: expected a JSON list") || !strings.HasPrefix(got[1], "PORT: ") || strings.Contains(got[0], canary) {
			t.Errorf("%s: %q", name, got)
		}
	}
	got := problems(t, nil, map[string]string{"NODE_ENV": "production", "JWT_SECRET": strings.Repeat("s", 32), "DATABASE_URL": "postgresql://u@localhost/d",
		"JWT_ISSUER": "https://turkey.example.com", "CLERK_ISSUER": "http://" + canary, "CLERK_API_URL": canary, "OIDC_ISSUERS": `[
		{"issuer":"http://a.example.com","audience":"a","app":"a"}, {"issuer":"https://turkey.example.com","audience":" ","app":"a b"},
		{"issuer":"https://c.example.com","jwks":"https://` + canary + `@c.example.com","audience":"a","app":"a"}, {"issuer":"https://c.example.com","audience":"a","app":"a"}, {}]`})
	var names []string
	for _, p := range got {
		names = append(names, strings.Join(strings.SplitN(p, ": ", 4)[:min(3, strings.Count(p, ": "))], "/"))
		if strings.Contains(p, canary) {
			t.Errorf("a value is echoed: %s", p)
		}
	}
	if want := []string{"CLERK_API_URL", "CLERK_ISSUER", "OIDC_ISSUERS/entry 1/issuer", "OIDC_ISSUERS/entry 2/app", "OIDC_ISSUERS/entry 2/audience", "OIDC_ISSUERS/entry 2/issuer",
		"OIDC_ISSUERS/entry 3/jwks", "OIDC_ISSUERS/entry 4/issuer", "OIDC_ISSUERS/entry 5/app", "OIDC_ISSUERS/entry 5/audience", "OIDC_ISSUERS/entry 5/issuer"}; !slices.Equal(names, want) {
		t.Errorf("%q\n%s", names, strings.Join(got, "\n"))
	}
	if c := mustLoad(t, nil, map[string]string{"CLERK_PUBLIC_KEY": "pk_test_YOUR_KEY_HERE"}); c.ClerkKey == "" {
		t.Error("the guide's key does not start a server")
	}
	if got := problems(t, nil, map[string]string{"CLERK_ISSUER": "http://localhost:3000"}); len(got) != 1 {
		t.Errorf("Clerk under our own name: %q", got)
	}
}
