package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"turkey/client"
)

// badLine is a way to the real server on which the next refresh fails.
type badLine struct {
	*httptest.Server
	next      atomic.Pointer[func(w http.ResponseWriter, answer func() []byte)]
	refreshes atomic.Int32
}

func newBadLine(t *testing.T) *badLine {
	t.Helper()
	b := &badLine{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forward := func() (int, string, []byte) {
			req, err := http.NewRequestWithContext(r.Context(), r.Method, serverURL()+r.URL.RequestURI(), r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			req.Header = r.Header.Clone()
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			defer resp.Body.Close() // it is read to its end
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			return resp.StatusCode, resp.Header.Get("Content-Type"), body
		}
		if r.URL.Path == "/v1/auth/refresh" {
			b.refreshes.Add(1)
			if fault := b.next.Swap(nil); fault != nil {
				(*fault)(w, func() []byte { _, _, body := forward(); return body })
				return
			}
		}
		status, contentType, body := forward()
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write(body) // a client that is gone hears nothing
	}))
	t.Cleanup(b.Close)
	return b
}

// TestARefreshOnABadLine ends with an error after one request, and loses no token, whether or not the server had rotated it.
func TestARefreshOnABadLine(t *testing.T) {
	t.Parallel()
	abort := func() { panic(http.ErrAbortHandler) }
	page := func(status int, text string) func(http.ResponseWriter, func() []byte) {
		return func(w http.ResponseWriter, _ func() []byte) { w.WriteHeader(status); _, _ = io.WriteString(w, text) }
	}
	for name, c := range map[string]struct {
		fault func(w http.ResponseWriter, answer func() []byte)
		want  error // nil: that of the network
		code  string
	}{
		"a connection that breaks": {func(http.ResponseWriter, func() []byte) { abort() }, nil, ""},
		"an answer that got lost":  {func(_ http.ResponseWriter, answer func() []byte) { answer(); abort() }, nil, ""},
		"an answer that was cut off": {func(w http.ResponseWriter, answer func() []byte) {
			body := answer()
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write(body[:len(body)/2])
		}, io.ErrUnexpectedEOF, ""},
		"half an answer": {func(w http.ResponseWriter, answer func() []byte) {
			body := answer()
			_, _ = w.Write(body[:len(body)/2])
		}, client.ErrAnswer, ""},
		"the page of a hotel":       {page(200, "<html>Welcome"), client.ErrAnswer, ""},
		"JSON of something else":    {page(200, `{"status":"ok"}`), client.ErrAnswer, ""},
		"an answer without a body":  {page(200, ""), client.ErrAnswer, ""},
		"a gateway that fails":      {page(502, "<h1>Bad Gateway"), nil, "not_json"},
		"a server that is busy":     {page(503, `{"error":"service_unavailable","message":"Later"}`), nil, "service_unavailable"},
		"a proxy that wants a word": {page(407, "<h1>Sign in"), nil, "not_json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := newBadLine(t)
			s, err := client.New(line.URL, client.WithApp("faults")).Register(t.Context(), strings.ReplaceAll(name, " ", ".")+"@example.com", password)
			if err != nil {
				t.Fatal(err)
			}
			before := s.Tokens()
			line.next.Store(&c.fault)
			err = s.Refresh(t.Context())
			e, refused := errors.AsType[*client.Error](err)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || refused != (c.code != "") || refused && e.Code != c.code || strings.Contains(err.Error(), before.RefreshToken) {
				t.Errorf("it ends with %v", err)
			}
			if s.Tokens() != before || line.refreshes.Load() != 1 {
				t.Errorf("after %d requests the tokens are others: %t", line.refreshes.Load(), s.Tokens() != before)
			}
			for range 2 { // the grace for an answer that got lost, and on from there
				if err := s.Refresh(t.Context()); err != nil {
					t.Fatalf("the next one: %v", err)
				}
			}
			if me, err := s.Me(t.Context()); err != nil || me.ID != s.User.ID {
				t.Errorf("%+v, %v", me, err)
			}
		})
	}
}

// TestRefusedForGood: tokens that are over, or of another app, are an error of the server's, and no request is repeated.
func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	line := newBadLine(t)
	ctx := context.WithoutCancel(t.Context())
	s, err := client.New(line.URL, client.WithApp("faults")).Register(ctx, "over@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	tokens := s.Tokens()
	invalid := func(what string, s *client.Session) {
		t.Helper()
		asked := line.refreshes.Load()
		err := s.Refresh(ctx)
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 401 || e.Code != "invalid_grant" || s.Tokens().RefreshToken == "" || line.refreshes.Load() != asked+1 {
			t.Errorf("%s: %v", what, err)
		}
	}
	invalid("another app", client.New(line.URL, client.WithApp("another")).Resume(tokens))
	if err := s.Refresh(ctx); err != nil {
		t.Errorf("a wrong app ended the session: %v", err)
	}
	if err := s.Logout(ctx); err != nil {
		t.Fatal(err)
	}
	invalid("a session that ended", s)

	// The transport gives the refusal of the token, after one attempt to renew it.
	asked := line.refreshes.Load()
	resp, err := (&http.Client{Transport: s.Transport(nil)}).Get(line.URL + "/v1/users/me")
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != 401 || line.refreshes.Load() != asked+1 {
		t.Errorf("%d after %d attempts to renew, %v", resp.StatusCode, line.refreshes.Load()-asked, err)
	}
}
