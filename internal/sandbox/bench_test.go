package sandbox_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/sandbox"
)

const (
	sheetsScope = "https://www.googleapis.com/auth/spreadsheets"
	driveScope  = "https://www.googleapis.com/auth/drive.readonly"
	gaScope     = "https://www.googleapis.com/auth/analytics.readonly"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// bench is a sandbox on disk with a client that speaks plain HTTP, independent of the connectors.
type bench struct {
	t     *testing.T
	file  string
	url   string
	clock *clock
	key   map[string]string
	rsa   *rsa.PrivateKey
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, file: filepath.Join(t.TempDir(), "state.json"), clock: &clock{now: start}}
	b.restart()
	account := b.ok(http.MethodPost, "/_sandbox/service-accounts", "", map[string]string{"name": "KPI loader"})
	b.key = map[string]string{}
	for k, v := range account {
		b.key[k] = v.(string)
	}
	block, _ := pem.Decode([]byte(b.key["private_key"]))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	b.rsa = key.(*rsa.PrivateKey)
	return b
}

// restart is a new process on the same file.
func (b *bench) restart() {
	b.t.Helper()
	box, err := sandbox.New(sandbox.Config{File: b.file, Now: b.clock.Now})
	if err != nil {
		b.t.Fatal(err)
	}
	server := httptest.NewServer(box.Handler())
	b.t.Cleanup(server.Close)
	b.url = server.URL
}

// do makes a call and returns its status and JSON body.
func (b *bench) do(method, path, bearer string, body any) (int, map[string]any) {
	b.t.Helper()
	contentType, reader := "application/json", io.Reader(http.NoBody)
	switch v := body.(type) {
	case nil:
	case url.Values:
		contentType, reader = "application/x-www-form-urlencoded", strings.NewReader(v.Encode())
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			b.t.Fatal(err)
		}
		reader = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, b.url+path, reader)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(text, &out); err != nil {
		out["text"] = string(text)
	}
	return resp.StatusCode, out
}

func (b *bench) ok(method, path, bearer string, body any) map[string]any {
	b.t.Helper()
	status, out := b.do(method, path, bearer, body)
	if status > 299 {
		b.t.Fatalf("%s %s: %d %v", method, path, status, out)
	}
	return out
}

// refused checks the status and a part of the message of a refusal in Google's shape.
func (b *bench) refused(method, path, bearer string, body any, status int, text string) {
	b.t.Helper()
	got, out := b.do(method, path, bearer, body)
	inner, _ := out["error"].(map[string]any)
	message, _ := inner["message"].(string)
	if got != status || !strings.Contains(message, text) {
		b.t.Errorf("%s %s: %d %v, want %d %q", method, path, got, out, status, text)
	}
}

func (b *bench) claims(scope string) map[string]any {
	now := b.clock.Now().Unix()
	return map[string]any{
		"iss": b.key["client_email"], "scope": scope, "aud": "https://oauth2.googleapis.com/token", "iat": now, "exp": now + 3600,
	}
}

func (b *bench) assertion(header, claims map[string]any) url.Values {
	b.t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			b.t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := part(header) + "." + part(claims)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, b.rsa, crypto.SHA256, digest[:])
	if err != nil {
		b.t.Fatal(err)
	}
	return url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
		"assertion":  {signed + "." + base64.RawURLEncoding.EncodeToString(signature)},
	}
}

func (b *bench) header() map[string]any {
	return map[string]any{"alg": "RS256", "typ": "JWT", "kid": b.key["private_key_id"]}
}

func (b *bench) token(scope string) string {
	b.t.Helper()
	return b.ok(http.MethodPost, "/oauth2/token", "", b.assertion(b.header(), b.claims(scope)))["access_token"].(string)
}

func (b *bench) spreadsheet(tabs ...string) string {
	b.t.Helper()
	return b.ok(http.MethodPost, "/_sandbox/spreadsheets", "", map[string]any{
		"title": "KPI", "tabs": tabs, "shareWith": b.key["client_email"],
	})["spreadsheetId"].(string)
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
