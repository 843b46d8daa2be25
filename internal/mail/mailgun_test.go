package mail_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"turkey/internal/mail"
)

func mailgunSender(t *testing.T, base string, timeout time.Duration) mail.Sender {
	t.Helper()
	log, _ := logger()
	s, err := mail.NewSender(mail.Config{MailgunKey: secretKey, MailgunDomain: "mg.app.example", MailgunBase: base, Timeout: timeout, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMailgunRequest(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", "/", "/v3", "/v3/"} {
		got := make(chan *http.Request, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			got <- r
		}))
		t.Cleanup(srv.Close)
		m := message()
		if err := mailgunSender(t, srv.URL+suffix, 0).Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		r := <-got
		user, key, _ := r.BasicAuth()
		if r.Method != http.MethodPost || r.URL.Path != "/v3/mg.app.example/messages" || user != "api" || key != secretKey {
			t.Errorf("%s %s as %s", r.Method, r.URL, user)
		}
		want := url.Values{
			"from": {"=?utf-8?b?R3LDvMOfZSAmIENv?= <noreply@app.example>"}, "to": {m.To}, "subject": {m.Subject}, "text": {m.Text},
			"html": {m.HTML}, "o:tracking": {"no"}, "h:Auto-Submitted": {"auto-generated"},
		}
		if fmt.Sprint(r.PostForm) != fmt.Sprint(want) {
			t.Errorf("form %v", r.PostForm)
		}
	}
}

func TestMailgunWithoutHTML(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := r.ParseForm()
		if _, there := r.PostForm["html"]; err != nil || there || r.PostForm.Get("from") != `"TurKey Auth" <noreply@localhost>` {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(srv.Close)
	if err := mailgunSender(t, srv.URL, 0).Send(t.Context(), mail.Message{To: "a@b.example", Subject: "s", Text: "t"}); err != nil {
		t.Error(err)
	}
}

func TestMailgunAnswers(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		200: "", 202: "", 301: "permanent", 307: "permanent", 400: "permanent", 401: "permanent", 402: "permanent", 403: "permanent",
		404: "permanent", 408: "temporary", 413: "permanent", 429: "temporary", 500: "temporary", 502: "temporary", 503: "temporary",
	} {
		var elsewhere atomic.Bool
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Store(true) }))
		t.Cleanup(other.Close)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(status)
			_ = r.ParseForm() // an answer that repeats everything
			_, _ = fmt.Fprint(w, r.Header, r.PostForm)
		}))
		t.Cleanup(srv.Close)
		err := mailgunSender(t, srv.URL, 0).Send(t.Context(), message())
		got := map[bool]string{true: "permanent", false: "temporary"}[mail.IsPermanent(err)]
		if err == nil {
			got = ""
		}
		if got != want || elsewhere.Load() {
			t.Errorf("%d: %v (%s), redirect followed: %t", status, err, got, elsewhere.Load())
		}
		noSecret(t, fmt.Sprintf("%v %#v", err, err))
		if err != nil && !strings.Contains(err.Error(), fmt.Sprint(status)) {
			t.Errorf("%d is not in %q", status, err)
		}
	}
}

func TestMailgunTrouble(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release); slow.Close() })
	rude := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(rude.Close)
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 1<<16))
		}
	}))
	t.Cleanup(endless.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, base := range map[string]string{"slow": slow.URL, "rude": rude.URL, "gone": gone.URL} {
		start := time.Now()
		err := mailgunSender(t, base, 100*time.Millisecond).Send(t.Context(), message())
		if err == nil || mail.IsPermanent(err) || time.Since(start) > 5*time.Second {
			t.Errorf("%s: %v", name, err)
		}
		noSecret(t, fmt.Sprint(err))
	}
	start := time.Now()
	if err := mailgunSender(t, endless.URL, 20*time.Second).Send(t.Context(), message()); err != nil || time.Since(start) > 10*time.Second {
		t.Errorf("taken over, with an endless answer: %v after %v", err, time.Since(start))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := mailgunSender(t, slow.URL, time.Minute).Send(ctx, message()); !errors.Is(err, context.Canceled) || mail.IsPermanent(err) {
		t.Error(err)
	}
}
