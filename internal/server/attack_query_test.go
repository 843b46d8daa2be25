package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"turkey/internal/server"
)

// FuzzQuery looks for queries that panic, that are taken for an outage, or whose error gives a value back.
func FuzzQuery(f *testing.F) {
	f.Add("limit=5&kind=meta&trace=01890a5d-ac96-774b-bcce-b302099a8057&mail=a@b.example")
	s := server.New(quiet())
	mountDomain(s)
	h := s.Handler()
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/v1/params/1", "/api/params/1"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.URL.RawQuery = strings.ReplaceAll(query, "canary", secret)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code != 200 && rec.Code != 400 {
				t.Errorf("%q: %d %s", query, rec.Code, rec.Body)
			}
			if strings.Contains(rec.Body.String(), secret) {
				t.Errorf("a value came back: %s", rec.Body)
			}
		}
	})
}

// FuzzForwarded looks for an X-Forwarded-For that makes an address of something that is none, or that counts although nobody
// is trusted.
func FuzzForwarded(f *testing.F) {
	f.Add("192.0.2.1")
	handlers := map[string]http.Handler{}
	for _, trust := range []string{"", "1", "2", "10.0.0.0/8"} {
		proxies, err := server.ParseTrustProxy(trust)
		if err != nil {
			f.Fatal(err)
		}
		cfg := quiet()
		cfg.TrustProxy = proxies
		s := server.New(cfg)
		mountDomain(s)
		handlers[trust] = s.Handler()
	}
	f.Fuzz(func(t *testing.T, forwarded string) {
		for trust, h := range handlers {
			r := httptest.NewRequest(http.MethodGet, "/v1/who", nil)
			r.RemoteAddr = "198.51.100.7:4711"
			r.Header.Set("X-Forwarded-For", forwarded)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			text, _, _ := strings.Cut(strings.TrimPrefix(rec.Body.String(), `{"message":"`), " ")
			if _, err := netip.ParseAddr(text); err != nil {
				t.Errorf("%q with %q makes %s", forwarded, trust, rec.Body)
			}
			if (trust == "" || trust == "10.0.0.0/8") && text != "198.51.100.7" {
				t.Errorf("%q is believed: %s", forwarded, text)
			}
		}
	})
}
