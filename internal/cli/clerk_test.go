package cli_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

// TestClerkAsConfigured starts servers by the variables of the guide.
func TestClerkAsConfigured(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	part := func(v any) string {
		b, err := json.Marshal(v)
		must(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	token := func(issuer string) string {
		input := part(map[string]any{"alg": "RS256", "typ": "JWT", "kid": "ins_1"}) + "." +
			part(map[string]any{"iss": issuer, "sub": "user_2Ab", "azp": "https://app.example.com", "exp": time.Now().Unix() + 60})
		digest := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		must(t, err)
		return input + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	good := token("https://clerk.example.com")

	s := setup(t, "CLERK_PUBLIC_KEY="+strings.ReplaceAll(text, "\n", `\n`), "CLERK_ISSUER=https://clerk.example.com", "CLERK_AUTHORIZED_PARTIES=https://app.example.com")
	s.call("GET", "/api/credentials/list", "Bearer "+good, nil).want(t, 200, "")
	s.call("GET", "/api/credentials/list", "Bearer "+token("https://other.example.com"), nil).want(t, 401, "AUTH_FAILED")
	if a := s.call("GET", "/api/health", "", nil).want(t, 200, ""); a.at("auth", "clerk") != "ok" {
		t.Error(a.raw)
	}

	s = setup(t, "CLERK_PUBLIC_KEY=pk_test_YOUR_KEY_HERE")
	s.call("GET", "/api/credentials/list", "Bearer "+good, nil).want(t, 401, "AUTH_FAILED")
	if a := s.call("GET", "/api/health", "", nil).want(t, 200, ""); a.at("auth", "clerk") != "off" {
		t.Error(a.raw)
	}
	if !strings.Contains(s.log.String(), "CLERK_PUBLIC_KEY cannot be used") {
		t.Error("the log does not say that the key cannot be used")
	}

	o := run(t, []string{`OIDC_ISSUERS=[{"issuer":"id.example.com","audience":"turkey","app":"shop"}]`, "CLERK_ISSUER=clerk.example.com"}, "serve")
	if o.code != 1 || !strings.Contains(o.err, "OIDC_ISSUERS: entry 1: issuer: ") || !strings.Contains(o.err, "CLERK_ISSUER: ") {
		t.Errorf("%d %s", o.code, o.err)
	}
}
