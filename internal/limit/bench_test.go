package limit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"turkey/internal/caller"
	"turkey/internal/limit"
)

func BenchmarkGeneral(b *testing.B) {
	l := setup(b, func(c *limit.Config) { c.Now = nil; c.General.Max = 1 << 30 })
	b.ReportAllocs()
	for b.Loop() {
		l.Hit("192.0.2.1")
	}
}

func BenchmarkGeneralParallel(b *testing.B) {
	l := setup(b, func(c *limit.Config) { c.Now = nil; c.General.Max = 1 << 30 })
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Hit("2001:db8::1")
		}
	})
}

// BenchmarkLayer is what every request of /v1 pays, headers included.
func BenchmarkLayer(b *testing.B) {
	l := setup(b, func(c *limit.Config) { c.Now = nil; c.General.Max = 1 << 30 })
	h := l.Layer(func(http.ResponseWriter, *http.Request, error) {})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, "/v1/users/me", nil)
	r = r.WithContext(caller.WithRequest(r.Context(), caller.Request{IP: "192.0.2.1"}))
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func BenchmarkExactPG(b *testing.B) { exact(b, func(*limit.Config) {}) }

func BenchmarkExactRedis(b *testing.B) {
	r := startRedis(b)
	exact(b, func(c *limit.Config) { c.RedisURL = r.url() })
}

func exact(b *testing.B, store func(*limit.Config)) {
	l := setup(b, func(c *limit.Config) { c.Now = nil; store(c) })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Quota(b.Context(), "bench", 1<<30, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoginPG(b *testing.B) { login(b, func(*limit.Config) {}) }

func BenchmarkLoginRedis(b *testing.B) {
	r := startRedis(b)
	login(b, func(c *limit.Config) { c.RedisURL = r.url() })
}

// login is both trips of a login that succeeds.
func login(b *testing.B, store func(*limit.Config)) {
	l := setup(b, func(c *limit.Config) { c.Now = nil; store(c) })
	b.ReportAllocs()
	for b.Loop() {
		a, err := l.Lockout().Begin(b.Context(), "shop", "ada@example.org", "192.0.2.1", nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := a.Succeeded(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
