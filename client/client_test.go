package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"turkey/client"
)

// The whole API is played through this client in internal/cli; here stands what a server of ours never answers.

// asked is what a server saw of a request.
type asked struct {
	method, uri, token, contentType string
	body                            string
}

// bundle is a client of app shop and what its server saw.
type bundle struct {
	*client.Client
	url  string
	last *asked
}

// setup serves one answer for everything and keeps the last request.
func setup(t *testing.T, status int, header http.Header, answer string) bundle {
	t.Helper()
	last := &asked{}
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*last = asked{r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)}
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer) // the client may be gone
	}))
	t.Cleanup(ts.Close)
	return bundle{client.New(ts.URL+"/", client.WithApp("shop")), ts.URL, last} // one slash too many is forgiven
}

func TestErrorsOfBothHalves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		answer string
		want   client.Error
	}{
		{"/v1", 400, http.Header{"X-Request-Id": {"r1"}},
			`{"error":"validation_error","message":"Invalid request data","details":[{"field":"email","message":"Required","code":"invalid_type","received":"undefined"}],"requestId":"r1"}`,
			client.Error{Status: 400, Code: "validation_error", Message: "Invalid request data", RequestID: "r1",
				Fields: []client.Field{{Name: "email", Message: "Required", Code: "invalid_type"}}}},
		{"/v1 limited", 429, http.Header{"Retry-After": {"7"}}, `{"error":"rate_limit_exceeded","message":"Later","retryAfter":7}`,
			client.Error{Status: 429, Code: "rate_limit_exceeded", Message: "Later", RetryAfter: 7 * time.Second}},
		{"/api", 400, nil, `{"error":"Invalid credential format","code":"INVALID_CREDENTIAL_FORMAT","details":{"errors":["Missing private_key","Missing client_email"]}}`,
			client.Error{Status: 400, Code: "INVALID_CREDENTIAL_FORMAT", Message: "Invalid credential format", Problems: []string{"Missing private_key", "Missing client_email"}}},
		{"/api without details", 404, nil, `{"success":false,"error":"Job not found","code":"JOB_NOT_FOUND"}`,
			client.Error{Status: 404, Code: "JOB_NOT_FOUND", Message: "Job not found"}},
		{"details of another shape", 400, nil, `{"error":"validation_error","message":"No","details":"text"}`,
			client.Error{Status: 400, Code: "validation_error", Message: "No"}},
		{"a proxy's page", 502, http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}}, `<html>Bad Gateway</html>`,
			client.Error{Status: 502, Code: "not_json", Message: "the answer is not JSON; is this a TurKey server?"}},
		{"nothing", 500, nil, ``, client.Error{Status: 500, Code: "not_json", Message: "the answer is not JSON; is this a TurKey server?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, c.status, c.header, c.answer)
			_, err := s.Login(t.Context(), "ada@example.com", "secret")
			got, ok := errors.AsType[*client.Error](err)
			if !ok {
				t.Fatalf("not an *Error: %v", err)
			}
			if got.Status != c.want.Status || got.Code != c.want.Code || got.Message != c.want.Message || got.RequestID != c.want.RequestID ||
				got.RetryAfter != c.want.RetryAfter || !slices.Equal(got.Fields, c.want.Fields) || !slices.Equal(got.Problems, c.want.Problems) {
				t.Errorf("got %+v, want %+v", *got, c.want)
			}
			if text := err.Error(); !strings.Contains(text, c.want.Code) || strings.Contains(text, "secret") {
				t.Errorf("it reads %q", text)
			}
		})
	}
}

func TestAnAnswerThatIsNotWhatWasExpected(t *testing.T) {
	t.Parallel()
	s := setup(t, 200, nil, `<html>Welcome to the hotel's network</html>`)
	_, err := s.Login(t.Context(), "ada@example.com", "secret")
	if err == nil || !strings.Contains(err.Error(), "POST /v1/auth/login") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if _, isError := errors.AsType[*client.Error](err); isError {
		t.Error("a success is told as a refusal")
	}
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := setup(t, 200, nil, `{}`)
	u := s.Resume(client.Tokens{AccessToken: "at", RefreshToken: "rt_1"})
	for _, c := range []struct {
		name string
		call func() error
		want asked
	}{
		{"login", func() error { _, err := s.Login(ctx, "a@b.example", "p"); return err },
			asked{"POST", "/v1/auth/login", "", "application/json", `{"email":"a@b.example","password":"p","appId":"shop"}`}},
		{"register in the default app", func() error {
			_, err := client.New(s.url).Register(ctx, "a@b.example", "p")
			return err
		}, asked{"POST", "/v1/auth/register", "", "application/json", `{"email":"a@b.example","password":"p"}`}},
		{"a credential goes as it is", func() error {
			_, err := u.SaveCredential(ctx, client.NewCredential{Service: "ga4", Name: "x", Content: json.RawMessage(`{"b":1,"a":"ü"}`)})
			return err
		}, asked{"POST", "/api/credentials/save", "Bearer at", "application/json", `{"service":"ga4","credentialName":"x","credentialJson":{"b":1,"a":"ü"}}`}},
		{"no body, no content type", func() error { _, err := u.Verify(ctx, 7); return err }, asked{"POST", "/api/credentials/7/verify", "Bearer at", "", ""}},
		{"names are escaped", func() error { return u.Disable(ctx, "../x y") }, asked{"POST", "/api/services/..%2Fx%20y/disable", "Bearer at", "", ""}},
		{"a job's id too", func() error { _, err := u.Job(ctx, "../../v1/users/me"); return err }, asked{"GET", "/api/v1/jobs/..%2F..%2Fv1%2Fusers%2Fme", "Bearer at", "", ""}},
		{"a tab", func() error { _, err := u.Tab(ctx, 7, "id/1", "It's & mine"); return err },
			asked{"GET", "/api/sheets/id%2F1/values?credential_id=7&sheetName=It%27s+%26+mine", "Bearer at", "", ""}},
		{"a day", func() error { _, err := u.Sync(ctx, "ga4", "2026-01-05"); return err },
			asked{"POST", "/api/v1/sync/ga4", "Bearer at", "application/json", `{"targetDate":"2026-01-05"}`}},
		{"logout", func() error { return u.Logout(ctx) }, asked{"POST", "/v1/auth/logout", "", "application/json", `{"refreshToken":"rt_1"}`}},
	} {
		if err := c.call(); err != nil || *s.last != c.want {
			t.Errorf("%s: sent %+v, want %+v (%v)", c.name, *s.last, c.want, err)
		}
	}
}

func TestRefreshRenewsTheSession(t *testing.T) {
	t.Parallel()
	s := setup(t, 200, nil, `{"data":{"accessToken":"at2","refreshToken":"rt_2","expiresIn":900,"tokenType":"Bearer"}}`)
	u := s.Resume(client.Tokens{AccessToken: "at1", RefreshToken: "rt_1"})
	want := asked{"POST", "/v1/auth/refresh", "", "application/json", `{"appId":"shop","refreshToken":"rt_1"}`}
	if err := u.Refresh(t.Context()); err != nil || *s.last != want {
		t.Fatalf("sent %+v, %v", *s.last, err)
	}
	if got := u.Tokens(); got != (client.Tokens{AccessToken: "at2", RefreshToken: "rt_2", ExpiresIn: 900, TokenType: "Bearer"}) {
		t.Errorf("%+v", got)
	}
	if _, err := u.Me(t.Context()); err != nil || s.last.token != "Bearer at2" {
		t.Errorf("asked with %q, %v", s.last.token, err)
	}
}

func TestARefusedRefreshKeepsTheTokens(t *testing.T) {
	t.Parallel()
	s := setup(t, 503, nil, `{"error":"service_unavailable","message":"Later"}`)
	u := s.Resume(client.Tokens{AccessToken: "at1", RefreshToken: "rt_1"})
	if err := u.Refresh(t.Context()); err == nil || u.Tokens().RefreshToken != "rt_1" {
		t.Errorf("%v, %+v", err, u.Tokens())
	}
}

func TestWaitJobEndsWithTheJobOrTheContext(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := "active"
		if calls.Add(1) == 3 && strings.HasSuffix(r.URL.Path, "/ends") {
			status = "cancelled"
		}
		_, _ = io.WriteString(w, `{"data":{"status":"`+status+`"}}`)
	}))
	defer ts.Close()
	u := client.New(ts.URL).Resume(client.Tokens{})
	if j, err := u.WaitJob(t.Context(), "ends"); err != nil || j.Status != "cancelled" || calls.Load() != 3 {
		t.Errorf("%+v after %d calls, %v", j, calls.Load(), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if j, err := u.WaitJob(ctx, "hangs"); !errors.Is(err, context.DeadlineExceeded) || j.Done() {
		t.Errorf("%+v, %v", j, err)
	}
}
