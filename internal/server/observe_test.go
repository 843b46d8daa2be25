package server_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/fault"
	"turkey/internal/server"
)

type span struct{}

// observed starts a server that somebody looks at.
func observed(t *testing.T) (b *bundle, all func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	note := func(s string) { mu.Lock(); defer mu.Unlock(); seen = append(seen, s) }
	b = setup(t, func(c *server.Config) {
		c.Observed = func(method, pattern string, status int, took time.Duration) {
			if took < 0 {
				t.Error("no stream was asked for")
			}
			note(method + " " + pattern + " " + http.StatusText(status))
		}
		c.Begin = func(r *http.Request) (context.Context, func(string, int)) {
			return context.WithValue(r.Context(), span{}, true), func(pattern string, status int) { note("span " + pattern + " " + http.StatusText(status)) }
		}
	})
	return b, func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(seen) }
}

func TestWhoLooksOnHearsOfRoutesAndNeverOfPaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/v1/params/1234567":       "GET GET /v1/params/{id} OK",
		"/v1/fail/plain":           "GET GET /v1/fail/{with} Internal Server Error",
		"/v1/panic":                "GET GET /v1/panic Internal Server Error",
		"/v1/nowhere-" + secret:    "GET  Not Found",
		"/v1//params/1":            "GET GET /v1/params/{id} Not Found", // as near as it comes
		"/v1/params/x?t=" + secret: "GET GET /v1/params/{id} Bad Request",
	} {
		b, all := observed(t)
		b.do(http.MethodGet, path, "")
		b.http.Close() // waits for what is told after the answer
		if got := all(); len(got) != 2 || got[0] != want || got[1] != "span "+strings.TrimPrefix(want, "GET ") || b.InFlight() != 0 {
			t.Errorf("%s: %q, %d in flight; want %q", path, got, b.InFlight(), want)
		}
	}
}

// A request that a layer refuses has not come to its route, and is one of its requests nevertheless.
func TestWhatIsRefusedCountsForItsRoute(t *testing.T) {
	t.Parallel()
	var got string
	s := server.New(server.Config{Log: slog.New(slog.DiscardHandler), Observed: func(method, pattern string, status int, _ time.Duration) {
		got = pattern + " " + http.StatusText(status)
	}})
	mountDomain(s)
	s.Use(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.WriteError(w, r, fault.New(fault.Limited, "", "")) })
	})
	s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v1/params/7", nil))
	if got != "GET /v1/params/{id} Too Many Requests" {
		t.Error(got)
	}
	s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodConnect, "/v1/params/7", nil))
	if got != " Too Many Requests" {
		t.Errorf("CONNECT: %q", got)
	}
}

// wrapped is what layers put around a writer.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestTheRouteIsFoundBehindWriters(t *testing.T) {
	t.Parallel()
	var got string
	s := server.New(server.Config{Log: slog.New(slog.DiscardHandler), Observed: func(_, pattern string, _ int, _ time.Duration) { got = pattern }})
	mountDomain(s)
	s.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrapped{wrapped{w}}, r) })
	})
	s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v1/params/7", nil))
	if got != "GET /v1/params/{id}" {
		t.Error(got)
	}
}

// The two differ by what it costs that somebody looks on.
func BenchmarkLivez(b *testing.B) {
	for name, look := range map[string]func(string, string, int, time.Duration){"alone": nil, "observed": func(string, string, int, time.Duration) {}} {
		b.Run(name, func(b *testing.B) {
			h := server.New(server.Config{Log: slog.New(slog.DiscardHandler), Observed: look}).Handler()
			r := httptest.NewRequest(http.MethodGet, "/livez", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
