package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"turkey/internal/server"
)

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, path := range []string{"/v1/who", "/api/who", "/health", "/docs", "/", "/v1/nothing", "/v1/panic", "/v1//x", "/docs/style.css"} {
		a := b.get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy":           "default-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'self'; form-action 'self'",
			"Cross-Origin-Opener-Policy":        "same-origin",
			"Cross-Origin-Resource-Policy":      "same-origin",
			"Origin-Agent-Cluster":              "?1",
			"Referrer-Policy":                   "no-referrer",
			"Strict-Transport-Security":         "max-age=15552000; includeSubDomains",
			"X-Content-Type-Options":            "nosniff",
			"X-DNS-Prefetch-Control":            "off",
			"X-Download-Options":                "noopen",
			"X-Frame-Options":                   "SAMEORIGIN",
			"X-Permitted-Cross-Domain-Policies": "none",
			"X-XSS-Protection":                  "0",
			"Server":                            "",
			"X-Powered-By":                      "",
			"Vary":                              "Origin",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
	}
	for path, want := range map[string]string{"/v1/who": "no-store", "/api/who": "no-store", "/v1/nothing": "no-store", "/docs": ""} {
		if got := b.get(path).header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *server.Config) {
		c.Origins = []string{"https://app.example.com", "*", "null"}
		c.AllowOrigin = func(origin string) bool { return origin == "https://tenant.example.com" }
	})
	for _, c := range []struct {
		origin  string
		allowed bool
	}{
		{"https://app.example.com", true},
		{"https://tenant.example.com", true},
		{"https://APP.example.com", false},
		{"https://app.example.com.evil.test", false},
		{"http://app.example.com", false},
		{"https://app.example.com:8443", false},
		{"null", false},
		{"*", false},
		{"", false},
	} {
		for _, preflight := range []bool{false, true} {
			method, headers := http.MethodGet, []string{}
			if c.origin != "" {
				headers = append(headers, "Origin", c.origin)
			}
			if preflight {
				method = http.MethodOptions
				headers = append(headers, "Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization,x-any")
			}
			a := b.do(method, "/v1/who", "", headers...)
			want := map[string]string{}
			if c.allowed {
				want["Access-Control-Allow-Origin"] = c.origin
				want["Access-Control-Allow-Credentials"] = "true"
				if preflight {
					want["Access-Control-Allow-Methods"] = "GET,HEAD,PUT,PATCH,POST,DELETE"
					want["Access-Control-Allow-Headers"] = "authorization,x-any"
					want["Access-Control-Max-Age"] = "600"
				} else {
					want["Access-Control-Expose-Headers"] = "RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id"
				}
			}
			for name := range a.header {
				if strings.HasPrefix(name, "Access-Control-") && a.header.Get(name) != want[name] {
					t.Errorf("%q preflight=%t: %s: %q", c.origin, preflight, name, a.header.Get(name))
				}
			}
			for name, value := range want {
				if a.header.Get(name) != value {
					t.Errorf("%q preflight=%t: %s: %q, want %q", c.origin, preflight, name, a.header.Get(name), value)
				}
			}
			if status := map[bool]int{false: 200, true: 204}[preflight]; a.status != status {
				t.Errorf("%q preflight=%t: %d", c.origin, preflight, a.status)
			}
			if !strings.HasPrefix(a.header.Get("Vary"), "Origin") {
				t.Errorf("Vary: %q", a.header.Values("Vary"))
			}
		}
	}
}

func TestNoOriginsMeansNone(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *server.Config) { c.Origins = nil })
	if a := b.get("/v1/who", "Origin", "https://any.test"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("an empty list allows everybody")
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	body := func(size int) string {
		const frame = `{"email":"a@b","password":"long enough","pad":""}`
		return strings.Replace(frame, `"pad":"`, `"pad":"`+strings.Repeat("x", size-len(frame)), 1)
	}
	for _, c := range []struct {
		path         string
		size, status int
		code         string
	}{
		{"/v1/sign-up", 102_400, 200, ""},
		{"/v1/sign-up", 102_401, 413, "payload_too_large"},
		{"/v1/sign-up", 1 << 20, 413, "payload_too_large"},
		{"/v1/nothing", 102_401, 413, "payload_too_large"},
		{"/api/sign-up", 102_401, 200, ""},
		{"/api/sign-up", 1 << 20, 200, ""},
		{"/api/sign-up", 1<<20 + 1, 413, "VALIDATION_ERROR"},
	} {
		for _, chunked := range []bool{false, true} {
			if chunked && c.path == "/v1/nothing" {
				continue // never read
			}
			var reader io.Reader = strings.NewReader(body(c.size))
			if chunked {
				reader = io.MultiReader(reader) // of unknown length
			}
			a := b.send(http.MethodPost, c.path, reader, "Content-Type", "application/json")
			if c.status == 200 && a.status != 200 {
				t.Errorf("%s %d chunked=%t: %d %s", c.path, c.size, chunked, a.status, a.body)
			}
			if c.status != 200 {
				a.want(c.status, c.code)
			}
			if c.code == "payload_too_large" && a.object()["message"] != "Request size exceeds 100KB limit" {
				t.Error(a.body)
			}
		}
	}
}

func TestContentType(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	const body = `{"email":"a@b","password":"long enough"}`
	for value, status := range map[string]int{
		"application/json": 200, "application/json; charset=utf-8": 200, "Application/JSON;charset=UTF-8": 200,
		"text/plain": 415, "application/x-www-form-urlencoded": 415, "": 415, "application/jsonp": 415,
	} {
		a := b.do(http.MethodPost, "/v1/sign-up", body, "Content-Type", value)
		if a.status != status {
			t.Errorf("%q: %d %s", value, a.status, a.body)
		}
		if status == 415 && a.object()["message"] != "Content-Type must be application/json" {
			t.Error(a.body)
		}
	}
	for _, method := range []string{"POST", "PUT", "PATCH"} {
		b.do(method, "/v1/sign-up", "").want(415, "unsupported_media_type")
	}
	for _, method := range []string{"GET", "DELETE"} {
		b.do(method, "/v1/nothing", "").want(404, "not_found")
	}
	if a := b.do(http.MethodPost, "/api/sign-up", body); a.status != 200 {
		t.Error(a.body)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	a := b.get("/v1/who", "X-Request-Id", "from-outside", "User-Agent", strings.Repeat("é", 400))
	id := a.header.Get("X-Request-Id")
	if err := uuid.Validate(id); err != nil || !strings.Contains(a.body, id) {
		t.Errorf("id %q: %v: %s", id, err, a.body)
	}
	if agent := strings.Fields(a.object()["message"].(string))[2]; len(agent) != 512 {
		t.Errorf("user agent of %d bytes", len(agent))
	}
	if log := b.log.String(); !strings.Contains(log, `"inbound_request_id":"from-outside"`) || !strings.Contains(log, `"request_id":"`+id+`"`) {
		t.Errorf("log: %s", log)
	}
	if again := b.get("/v1/who").header.Get("X-Request-Id"); again == id {
		t.Error("ids repeat")
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.get("/v1/who?q=" + secret)
	b.get("/livez")
	b.get("/v1/fail/plain")
	var lines []string
	for line := range strings.Lines(b.log.String()) {
		if strings.Contains(line, `"msg":"request"`) {
			lines = append(lines, line)
		}
	}
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, wants := range [][]string{
		{`"level":"INFO"`, `"method":"GET"`, `"path":"/v1/who"`, `"status":200`, `"duration_ms":`, `"bytes":`, `"ip":"127.0.0.1"`},
		{`"level":"DEBUG"`, `"path":"/livez"`},
		{`"level":"ERROR"`, `"status":500`},
	} {
		for _, want := range wants {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%s lacks %s", lines[i], want)
			}
		}
	}
	if strings.Contains(lines[0], secret) {
		t.Error("query values are logged")
	}
}

func TestUse(t *testing.T) {
	t.Parallel()
	s := server.New(quiet())
	var order []string
	for _, name := range []string{"a", "b"} {
		s.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				order = append(order, name)
				next.ServeHTTP(w, r)
			})
		})
	}
	b := serveBundle(t, s)
	b.get("/livez")
	b.do("OPTIONS", "/livez", "", "Access-Control-Request-Method", "GET")
	if strings.Join(order, "") != "ab" {
		t.Errorf("order %v", order)
	}
}
