package connector_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turkey/internal/connector"
)

func TestVerifySheets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.sheetsSecret()
	proof, err := b.verify(connector.GoogleSheets, secret, connector.Binding{})
	if err != nil || proof.ConnectedAs != b.email || proof.ExpiresAt != nil {
		t.Fatalf("without a mapping: %+v, %v", proof, err)
	}
	proof, err = b.verify(connector.GoogleSheets, secret, connector.Binding{SpreadsheetID: b.spreadsheet("GA4")})
	if err != nil || proof.TimeZone != "Europe/Berlin" {
		t.Fatalf("with a mapping: %+v, %v", proof, err)
	}

	foreign := b.control(http.MethodPost, "/spreadsheets", map[string]any{"title": "x"})["spreadsheetId"].(string)
	_, err = b.verify(connector.GoogleSheets, secret, connector.Binding{SpreadsheetID: foreign})
	wantError(t, err, connector.Forbidden, "share the spreadsheet with "+b.email)
	_, err = b.verify(connector.GoogleSheets, secret, connector.Binding{SpreadsheetID: "1unknown"})
	wantError(t, err, connector.NotFound, "1unknown")
	_, err = b.verify(connector.GoogleSheets, secret, connector.Binding{SpreadsheetID: "../../drive/v3/files"})
	wantError(t, err, connector.NotFound, "Not a spreadsheet id")
}

// A key that was deleted must fail at once although its last access token would live on.
func TestVerifyRevokedKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.sheetsSecret()
	if _, err := b.verify(connector.GoogleSheets, secret, connector.Binding{}); err != nil {
		t.Fatal(err)
	}
	b.control(http.MethodDelete, "/service-accounts/"+b.email, nil)
	_, err := b.verify(connector.GoogleSheets, secret, connector.Binding{})
	wantError(t, err, connector.Rejected, "create a new key")
	_, err = b.set.Sheets().Files(t.Context(), secret)
	wantError(t, err, connector.Rejected, "create a new key")
}

func TestVerifyBrokenContent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	key := b.key["private_key"]
	tests := []struct {
		name   string
		change map[string]string
		reason connector.Reason
		text   string
	}{
		{"the guide's shortened key", map[string]string{"private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIB..."}, connector.Invalid, "incomplete"},
		{"cut in the middle", map[string]string{"private_key": key[:len(key)/2]}, connector.Invalid, "incomplete"},
		{"damaged", map[string]string{"private_key": key[:60] + "\n-----END PRIVATE KEY-----\n"}, connector.Invalid, "damaged"},
		{"a public key", map[string]string{"private_key": "-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----\n"}, connector.Invalid, "not a plain"},
		{"oversized", map[string]string{"private_key": key + strings.Repeat("A", 9000)}, connector.Invalid, "longer"},
		{"another account", map[string]string{"client_email": "x@y.iam.gserviceaccount.com"}, connector.Rejected, "does not exist"},
		{"another key", map[string]string{"private_key_id": "0123"}, connector.Rejected, "create a new key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := b.verify(connector.GoogleSheets, b.secret(connector.GoogleSheets, b.with(tt.change)), connector.Binding{})
			wantError(t, err, tt.reason, tt.text)
		})
	}
	_, err := b.verify(connector.GoogleSheets, []byte("{"), connector.Binding{})
	wantError(t, err, connector.Invalid, "cannot be read")
}

// Keys that went through an environment file carry \n as two characters.
func TestVerifyEscapedLineBreaks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	escaped := strings.ReplaceAll(b.key["private_key"], "\n", `\n`)
	secret := b.secret(connector.GoogleSheets, b.with(map[string]string{"private_key": escaped, "private_key_id": ""}))
	if _, err := b.verify(connector.GoogleSheets, secret, connector.Binding{}); err != nil {
		t.Fatal(err)
	}
}

func TestProviderFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		fault  map[string]any
		reason connector.Reason
		text   string
		wait   time.Duration
	}{
		{"limited", map[string]any{"path": "/drive", "status": 429, "retryAfter": 17}, connector.Limited, "Drive", 17 * time.Second},
		{"limited sign-in", map[string]any{"path": "/oauth2", "status": 429}, connector.Limited, "sign-ins", 0},
		{"HTML for limited", map[string]any{"path": "/drive", "status": 429, "html": true}, connector.Limited, "Drive", 0},
		{"down", map[string]any{"path": "/drive", "status": 503, "retryAfter": 5}, connector.Unavailable, "not available", 5 * time.Second},
		{"sign-in down", map[string]any{"path": "/oauth2", "status": 500}, connector.Unavailable, "not available", 0},
		{"HTML", map[string]any{"path": "/drive", "html": true}, connector.Unavailable, "JSON", 0},
		{"HTML 404", map[string]any{"path": "/drive", "status": 404, "html": true}, connector.Unavailable, "JSON", 0},
		{"redirect", map[string]any{"path": "/drive", "status": 302}, connector.Unavailable, "redirect", 0},
		{"connection cut", map[string]any{"path": "/oauth2", "cut": true}, connector.Unavailable, "reached", 0},
		{"API disabled", map[string]any{"path": "/drive", "status": 403, "reason": "SERVICE_DISABLED"}, connector.Forbidden, "enable drive.googleapis.com", 0},
		{"Drive's own 403", map[string]any{"path": "/drive", "status": 403, "reason": "userRateLimitExceeded"}, connector.Limited, "Drive", 0},
		{"aborted", map[string]any{"path": "/drive", "status": 409}, connector.Unavailable, "finish", 0},
		{"odd", map[string]any{"path": "/drive", "status": 418}, connector.Invalid, "418", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.fault(tt.fault)
			_, err := b.verify(connector.GoogleSheets, b.sheetsSecret(), connector.Binding{})
			e := wantError(t, err, tt.reason, tt.text)
			if e.RetryAfter != tt.wait {
				t.Errorf("RetryAfter = %v, want %v", e.RetryAfter, tt.wait)
			}
			if _, err := b.verify(connector.GoogleSheets, b.sheetsSecret(), connector.Binding{}); err != nil {
				t.Errorf("once the fault is over: %v", err)
			}
		})
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	long := strings.Repeat("x", 5<<20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/drive") {
			_, _ = fmt.Fprintf(w, `{"files":[{"id":%q}]}`, long)
			return
		}
		w.Header().Set("Retry-After", start.Add(90*time.Second).Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(server.Close)
	cfg := b.cfg
	cfg.GoogleDriveBase, cfg.GoogleSheetsBase = server.URL, server.URL
	sheets := connector.New(cfg).Sheets()
	_, err := sheets.Files(t.Context(), b.sheetsSecret())
	wantError(t, err, connector.Invalid, "more than 5 MiB")
	_, err = sheets.Tabs(t.Context(), b.sheetsSecret(), "1x")
	if e := wantError(t, err, connector.Limited, "quota"); e.RetryAfter != 90*time.Second {
		t.Errorf("RetryAfter = %v for a date", e.RetryAfter)
	}
}

func TestCallerEndsTheCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.sheetsSecret()
	for _, path := range []string{"/oauth2", "/drive"} {
		b.fault(map[string]any{"path": path, "delayMs": 3000})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		_, err := b.set.Sheets().Files(ctx, secret)
		cancel()
		wantError(t, err, connector.Unavailable, "ended before")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
			t.Errorf("%s: %v after %v", path, err, time.Since(began))
		}
		b.control(http.MethodDelete, "/faults", nil)
	}
}

func TestPrivateAddressRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cfg := b.cfg
	cfg.AllowPrivate = false
	_, err := connector.New(cfg).Sheets().Files(t.Context(), b.sheetsSecret())
	wantError(t, err, connector.Unavailable, "private address")
	cfg.GoogleOAuthBase = strings.Replace(b.cfg.GoogleOAuthBase, "127.0.0.1", "localhost", 1) // a name that leads inside
	_, err = connector.New(cfg).Sheets().Files(t.Context(), b.sheetsSecret())
	wantError(t, err, connector.Unavailable, "private address")
	if n := b.calls.tokens(); n != 0 {
		t.Errorf("%d calls arrived", n)
	}
}

// A provider that repeats everything it was sent, in every field and shape, must not get a secret into an error.
func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const accessToken, refreshToken, clientSecret = "ya29.planted-access", "1//planted-refresh+/=", "GOCSPX-planted&secret"
	var mode atomic.Value
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_ = r.ParseForm()
		all := r.Header.Get("Authorization") + " " + string(sent) + " " + refreshToken + " " + clientSecret
		m := mode.Load().(string)
		if m == "api" && strings.HasPrefix(r.URL.Path, "/oauth2") {
			_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_in":3599}`, accessToken)
			return
		}
		switch m {
		case "oauth", "api":
			w.WriteHeader(http.StatusBadRequest)
			if strings.HasPrefix(r.URL.Path, "/oauth2") {
				_, _ = fmt.Fprintf(w, `{"error":%q,"error_description":%q}`, "invalid_grant "+all, all)
				return
			}
			_, _ = fmt.Fprintf(w, `{"error":{"code":400,"status":%q,"message":%q,"details":[{"reason":%q}]}}`, all, all, all)
		case "html":
			_, _ = fmt.Fprintf(w, "<html>%s", all)
		case "form":
			_, _ = fmt.Fprintf(w, `[%q]`, all)
		}
	}))
	t.Cleanup(evil.Close)
	cfg := b.cfg
	cfg.GoogleOAuthBase, cfg.GADataBase, cfg.GoogleDriveBase = evil.URL+"/oauth2", evil.URL, evil.URL
	oauth := b.secret(connector.GA4, map[string]string{
		"refresh_token": refreshToken, "client_id": "1.apps", "client_secret": clientSecret, "property_id": "1",
	})
	keyLines := strings.Split(b.key["private_key"], "\n")
	planted := []string{accessToken, refreshToken, clientSecret, "planted", keyLines[1], keyLines[5]}
	for _, m := range []string{"oauth", "api", "html", "form"} {
		mode.Store(m)
		set := connector.New(cfg)
		ga, _ := set.Service(connector.GA4)
		for name, service := range map[string]struct {
			connector.Service
			secret []byte
		}{
			"ga4 oauth":      {ga, oauth},
			"ga4 account":    {ga, b.secret(connector.GA4, b.with(map[string]string{"property_id": "1"}))},
			"sheets account": {set.Sheets(), b.sheetsSecret()},
		} {
			_, err := service.Verify(t.Context(), service.secret, connector.Binding{})
			if err == nil {
				t.Errorf("%s, %s: no error", m, name)
				continue
			}
			text := fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err))
			for _, p := range planted {
				if strings.Contains(text, p) {
					t.Errorf("%s, %s: the error holds %q: %s", m, name, p, text)
				}
			}
		}
	}
}

func TestTokensAreShared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.sheetsSecret()
	b.fault(map[string]any{"path": "/oauth2", "delayMs": 100}) // so that all callers meet
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := b.set.Sheets().Files(t.Context(), secret); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := b.calls.tokens(); n != 1 {
		t.Errorf("%d sign-ins for 8 concurrent calls", n)
	}
	b.clock.advance(50 * time.Minute)
	if _, err := b.set.Sheets().Files(t.Context(), secret); err != nil || b.calls.tokens() != 1 {
		t.Errorf("after 50 minutes: %v, %d sign-ins", err, b.calls.tokens())
	}
	b.clock.advance(5 * time.Minute) // less than 5 minutes are left
	if _, err := b.set.Sheets().Files(t.Context(), secret); err != nil || b.calls.tokens() != 2 {
		t.Errorf("after 55 minutes: %v, %d sign-ins", err, b.calls.tokens())
	}
}

func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.sheetsSecret()
	b.fault(map[string]any{"path": "/drive", "status": 401})
	if _, err := b.set.Sheets().Files(t.Context(), secret); err != nil || b.calls.tokens() != 2 {
		t.Errorf("one 401: %v, %d sign-ins", err, b.calls.tokens())
	}
	b.fault(map[string]any{"path": "/drive", "status": 401, "times": 2})
	_, err := b.set.Sheets().Files(t.Context(), secret)
	wantError(t, err, connector.Rejected, "does not accept")
}

func TestTokenCache(t *testing.T) {
	t.Parallel()
	cache := connector.NewTokenCache(func() time.Time { return start })
	fetched := 0
	get := func(secret string) {
		got, err := cache.Get(t.Context(), secret, func(context.Context) (string, time.Time, error) {
			fetched++
			return "token of " + secret, start.Add(time.Hour), nil
		})
		if err != nil || got != "token of "+secret {
			t.Fatalf("Get(%s) = %q, %v", secret, got, err)
		}
	}
	for i := range connector.MaxTokens + 50 {
		get("first")
		get(fmt.Sprint(i))
	}
	if cache.Len() != connector.MaxTokens {
		t.Errorf("%d tokens kept", cache.Len())
	}
	if want := connector.MaxTokens + 51; fetched != want {
		t.Errorf("%d fetched, want %d: the one in use must stay", fetched, want)
	}
	_, err := cache.Get(t.Context(), "failing", func(context.Context) (string, time.Time, error) { return "", time.Time{}, io.EOF })
	if !errors.Is(err, io.EOF) {
		t.Errorf("error = %v", err)
	}
	get("failing") // a failure is not kept
}

// The caller that started a sign-in may leave; those who wait with it still get the token.
func TestTokenCacheSurvivesCancelledCaller(t *testing.T) {
	t.Parallel()
	cache := connector.NewTokenCache(func() time.Time { return start })
	began, release := make(chan struct{}), make(chan struct{})
	fetch := func(ctx context.Context) (string, time.Time, error) {
		close(began)
		<-release
		return "token", start.Add(time.Hour), ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := cache.Get(ctx, "s", fetch)
		left <- err
	}()
	<-began
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the first caller: %v", err)
	}
	close(release)
	got, err := cache.Get(t.Context(), "s", func(context.Context) (string, time.Time, error) {
		t.Error("fetched twice")
		return "", time.Time{}, nil
	})
	if err != nil || got != "token" {
		t.Errorf("the second caller: %q, %v", got, err)
	}
}
