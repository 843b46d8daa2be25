package cluster_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

type object = map[string]any

const (
	issuer     = "https://auth.example.com"
	serviceKey = "cluster-service-key-0123456789"
	password   = "Correct-Horse-4711!"
	app        = "shop"
)

// settings are those of every server of a test, with a database and no limits.
func settings(t testing.TB, databaseURL string, more ...string) []string {
	t.Helper()
	return append([]string{"DATABASE_URL=" + databaseURL, "TURKEY_DATA_DIR=" + t.TempDir(), "HOST=127.0.0.1", "JWT_SECRET=cluster-jwt-secret-0123456789abcdef", "JWT_ISSUER=" + issuer,
		"ENCRYPTION_KEY_SALT=cluster-salt-0123456789abcdef0123", "TURKEY_SERVICE_API_KEY=" + serviceKey, "EMAIL_SERVICE=none", "LOG_FORMAT=json", "LOG_LEVEL=warn",
		"RATE_LIMIT_MAX_REQUESTS=-1", "REGISTER_RATE_LIMIT_MAX_ATTEMPTS=-1", "LOGIN_RATE_LIMIT_MAX_ATTEMPTS=-1", "REFRESH_RATE_LIMIT_MAX_ATTEMPTS=-1", "WORKERS=4"}, more...)
}

// server is a replica.
type server struct {
	*process
	caller
	port string
}

// serve starts a replica and waits until it is ready. Its port is part of env if it matters.
func serve(t testing.TB, env []string) *server {
	t.Helper()
	s := &server{port: freePort(t)}
	for _, e := range env {
		if port, found := strings.CutPrefix(e, "PORT="); found {
			s.port = port
		}
	}
	s.process = start(t, nil, append(env[:len(env):len(env)], "PORT="+s.port), program, "serve")
	s.caller = caller{t: t, base: "http://127.0.0.1:" + s.port, http: newHTTP()}
	s.ready()
	return s
}

func (s *server) ready() {
	s.process.t.Helper()
	eventually(s.process.t, "the server is ready", func() bool {
		s.alive()
		a, err := s.try("GET", "/readyz", "", nil)
		return err == nil && a.status == 200
	})
}

// client keeps as many connections as anybody needs.
func newHTTP() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 1000, IdleConnTimeout: 30 * time.Second}}
}

// caller speaks HTTP to a server, or to a proxy before servers.
type caller struct {
	t    testing.TB
	base string
	http *http.Client
}

type answer struct {
	status int
	header http.Header
	body   any
	raw    string
}

// at is a value of the answer: names of fields, numbers of elements.
func (a answer) at(path ...any) any {
	v := a.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(object)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func (a answer) text(path ...any) string { s, _ := a.at(path...).(string); return s }

func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("%d %.300s, want %d", a.status, a.raw, status)
	}
	return a
}

// try is one request; an error is one of the transport.
func (c caller) try(method, path, token string, body any, headers ...string) (answer, error) {
	var in io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		in = bytes.NewReader(encoded)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, in)
	if err != nil {
		return answer{}, err
	}
	if strings.HasPrefix(c.base, "https:") {
		req.Host = strings.TrimPrefix(issuer, "https://")
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body) // a proxy's own page is none
	return a, err
}

func (c caller) call(method, path, token string, body any, headers ...string) answer {
	c.t.Helper()
	a, err := c.try(method, path, token, body, headers...)
	must(c.t, err)
	return a
}

// active asks for the truth about a token.
func (c caller) active(token string) bool {
	c.t.Helper()
	a := c.call("POST", "/v1/auth/introspect", "", object{"token": token}, "X-Turkey-Service-Key", serviceKey).want(c.t, 200)
	return a.at("data", "active") == true
}

// serviceAccount is a credential of a real one's form and size.
func serviceAccount(name string) object {
	return object{"type": "service_account", "project_id": "cluster", "private_key_id": name,
		"private_key":  "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n", 25) + name + "\n-----END PRIVATE KEY-----\n",
		"client_email": fmt.Sprintf("%s@cluster.iam.gserviceaccount.com", name), "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token"}
}
