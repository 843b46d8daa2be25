package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"turkey/internal/fault"
	"turkey/internal/server"
)

func TestErrorShapes(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)

	for _, c := range []struct {
		fault           string
		status          int
		auth, authText  string
		api             string // the whole body
		retry, authJSON string // Retry-After, and a part the auth body must have
	}{
		{"plain", 500, "internal_server_error", "An unexpected error occurred", `{"error":"An unexpected error occurred","code":"SERVICE_ERROR"}`, "", ""},
		{"internal", 500, "internal_server_error", "An unexpected error occurred", `{"error":"An unexpected error occurred","code":"SERVICE_ERROR"}`, "", ""},
		{"unavailable", 503, "service_unavailable", "Service temporarily unavailable", `{"error":"Service temporarily unavailable","code":"DATABASE_ERROR"}`, "5", `"retryAfter":5`},
		{"slow", 503, "service_unavailable", "Service temporarily unavailable", `{"error":"Service temporarily unavailable","code":"DATABASE_ERROR"}`, "5", `"retryAfter":5`},
		{"limited", 429, "rate_limit_exceeded", "Too many requests from this IP, please try again later.", `{"success":false,"error":"Too many requests. Please try again later.","code":"RATE_LIMITED","retryAfter":2}`, "2", `"retryAfter":2`},
		{"locked", 429, "account_locked", "Locked.", `{"success":false,"error":"Locked.","code":"RATE_LIMITED","retryAfter":300}`, "300", `"retryAfter":300,"lockoutActive":true`},
		{"token", 401, "token_expired", "Token has expired", `{"error":"Authentication failed","code":"AUTH_FAILED"}`, "", ""},
		{"credential", 404, "CREDENTIAL_NOT_FOUND", "Credential not found", `{"error":"Credential not found","code":"CREDENTIAL_NOT_FOUND"}`, "", ""},
		{"format", 400, "INVALID_CREDENTIAL_FORMAT", "Invalid credential format", `{"error":"Invalid credential format","code":"INVALID_CREDENTIAL_FORMAT","details":{"errors":["x"]}}`, "", ""},
		{"fields", 400, "validation_error", "Invalid request data", `{"error":"Invalid request data","code":"VALIDATION_ERROR","details":{"errors":["a.b: Required"]}}`, "", `"details":[{"field":"a.b","message":"Required","code":"invalid_type","received":"undefined"}]`},
		{"huma", 404, "not_found", "Not found", `{"error":"Not found","code":"NOT_FOUND"}`, "", ""},
		{"conflict", 409, "user_exists", "User already exists", `{"error":"User already exists","code":"DUPLICATE_CREDENTIAL"}`, "", ""},
	} {
		auth := b.get("/v1/fail/"+c.fault).want(c.status, c.auth)
		m := auth.object()
		if m["message"] != c.authText || m["path"] != "/v1/fail/"+c.fault || m["requestId"] != auth.header.Get("X-Request-Id") {
			t.Errorf("%s: %s", c.fault, auth.body)
		}
		if stamp, _ := m["timestamp"].(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`).MatchString(stamp) {
			t.Errorf("%s: timestamp %q", c.fault, stamp)
		}
		if !strings.Contains(auth.body, c.authJSON) {
			t.Errorf("%s: %s lacks %s", c.fault, auth.body, c.authJSON)
		}
		api := b.get("/api/fail/"+c.fault).wantBody(c.status, c.api)
		for _, a := range []answer{auth, api} {
			if strings.Contains(a.body, secret) {
				t.Errorf("%s: cause leaked: %s", c.fault, a.body)
			}
			if a.header.Get("Retry-After") != c.retry {
				t.Errorf("%s: Retry-After %q, want %q", c.fault, a.header.Get("Retry-After"), c.retry)
			}
			if ct := a.header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("%s: Content-Type %q", c.fault, ct)
			}
		}
	}
	a := b.get("/v1/fail/plain")
	if log := b.log.String(); !strings.Contains(log, `"error":"pq: relation `+secret) || !strings.Contains(log, a.header.Get("X-Request-Id")) {
		t.Error("the cause is not in the log with the request id")
	}
}

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/nothing?token=" + secret, "Route GET /v1/nothing not found"},
		{"DELETE", "/v1/sign-up", "Route DELETE /v1/sign-up not found"},
		{"GET", "/v1//who", "Route GET /v1//who not found"},
		{"GET", "/v1/../v1/who", "Route GET /v1/../v1/who not found"},
		{"GET", "//", "Route GET // not found"},
		{"GET", "/nothing", "Route GET /nothing not found"},
		{"OPTIONS", "/v1/who", "Route OPTIONS /v1/who not found"},
		{"GET", "/openapi.yaml", "Route GET /openapi.yaml not found"},
		{"GET", "/v1/who/", "Route GET /v1/who/ not found"},
		{"GET", "/apiary", "Route GET /apiary not found"},
	} {
		a := b.do(c.method, c.path, "").want(404, "not_found")
		if m := a.object(); m["message"] != c.body || strings.Contains(a.body, secret) {
			t.Errorf("%s %s: %s", c.method, c.path, a.body)
		}
	}
	for _, path := range []string{"/api/nothing", "/api", "/api//who"} {
		b.get(path).wantBody(404, `{"error":"Not found","code":"NOT_FOUND"}`)
	}
	b.do("PUT", "/api/who", "").wantBody(404, `{"error":"Not found","code":"NOT_FOUND"}`)
	if strings.Contains(b.log.String(), secret) {
		t.Error("query values are in the log")
	}
}

func TestHeadIsAnsweredLikeGet(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for path, status := range map[string]int{"/v1/who": 200, "/health": 200, "/docs": 200, "/v1/nothing": 404} {
		if a := b.do(http.MethodHead, path, ""); a.status != status || a.body != "" {
			t.Errorf("HEAD %s: %d %q", path, a.status, a.body)
		}
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.get("/v1/panic").want(500, "internal_server_error")
	a := b.get("/api/panic").wantBody(500, `{"error":"An unexpected error occurred","code":"SERVICE_ERROR"}`)
	if a.header.Get("X-Request-Id") == "" || a.header.Get("Content-Security-Policy") == "" {
		t.Error("headers are missing")
	}
	b.get("/v1/unencodable").want(500, "internal_server_error")
	if log := b.log.String(); !strings.Contains(log, "mountDomain") || !strings.Contains(log, `"status":500`) {
		t.Error("stack or access line is missing in the log")
	}
}

func TestPanicInTheMiddleCutsTheConnection(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.Handle("GET /half", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half"))
		w.(http.Flusher).Flush()
		panic("boom")
	}))
	res, err := http.Get(b.http.URL + "/half")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := res.Body.Read(make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	if _, err := res.Body.Read(make([]byte, 1)); err == nil || err.Error() == "EOF" {
		t.Errorf("the answer looks complete: %v", err)
	}
}

func TestRequestTimeout(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *server.Config) { c.RequestTimeout = 20 * time.Millisecond })
	b.get("/api/wait").wantBody(408, `{"success":false,"error":"Request timeout"}`)
	b.get("/v1/wait").want(503, "service_unavailable")
}

func TestClientGone(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	rec := httptest.NewRecorder()
	b.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/v1/wait", nil).WithContext(ctx))
	if log := b.log.String(); strings.Contains(log, "ERROR") || strings.Contains(log, "WARN") || !strings.Contains(log, `"status":499`) {
		t.Errorf("log: %s", log)
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.Handle("GET /v1/plain", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.WriteError(w, r, errors.Join(errors.New(secret), fault.New(fault.Forbidden, "", "")))
	}))
	if a := b.get("/v1/plain").want(403, "forbidden"); strings.Contains(a.body, secret) {
		t.Error(a.body)
	}
}

func TestNothingOfTheRequestComesBack(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, root := range []string{"/v1", "/api"} {
		for _, a := range []answer{
			b.post(root+"/sign-up", `{"email":1,"age":"`+secret+`","labels":{"`+secret+`":"`+secret+`"},"device":"`+secret+`","since":"`+secret+`","options":"`+secret+`","tags":"`+secret+`"}`),
			b.post(root+"/sign-up", `{"email":"`+secret+`","password":"`+secret[:3]+`"}`),
			b.post(root+"/sign-up", `{"email":"`+secret),
			b.post(root+"/sign-up", `"`+secret+`"`),
			b.get(root + "/params/" + secret),
			b.get(root + "/params/1?limit=" + secret + "&trace=" + secret + "&kind=" + secret + "&mail=" + secret),
			b.get(root + "/params/1?trace=xxxxxxxxx" + secret + "xxxxxxxxxxxxxxxxxxxxxx"), // 45 letters: uuid quotes its "urn prefix"
			b.get(root+"/params/1", "X-Count", secret),
			b.do("POST", "/api/sign-up", "{}", "Content-Type", secret),
		} {
			// The path is part of the shape under /v1, and nothing else is.
			if a.status != 400 || strings.Contains(strings.ReplaceAll(a.body, `"path":"/v1/params/`+secret+`"`, ""), secret) {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
	}
	if strings.Contains(strings.ReplaceAll(b.log.String(), "/params/"+secret, ""), secret) {
		t.Error("a value is in the log")
	}
}
