package server_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"turkey/internal/caller"
	"turkey/internal/server"
)

func TestClientIP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		trust, remote string
		forwarded     []string
		want          string
	}{
		{"", "192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1"},
		{"false", "192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1"},
		{"0", "192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1"},
		{"", "[2001:db8::1]:5", nil, "2001:db8::1"},
		{"", "[::ffff:192.0.2.1]:5", nil, "192.0.2.1"},
		{"", "[fe80::1%eth0]:5", nil, "fe80::1"},
		{"", "@", nil, ""},
		{"true", "10.0.0.1:5", nil, "10.0.0.1"},
		{"true", "10.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9"},
		{"true", "10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		{"true", "10.0.0.1:5", []string{"1.1.1.1", "203.0.113.9"}, "203.0.113.9"},
		{"true", "10.0.0.1:5", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		{"true", "10.0.0.1:5", []string{"[2001:db8::9]:4711"}, "2001:db8::9"},
		{"true", "10.0.0.1:5", []string{"2001:DB8:0::9"}, "2001:db8::9"},
		{"true", "10.0.0.1:5", []string{"[2001:db8::9]"}, "2001:db8::9"},
		{"true", "10.0.0.1:5", []string{"garbage"}, "10.0.0.1"},
		{"true", "10.0.0.1:5", []string{""}, "10.0.0.1"},
		{"true", "@", []string{"203.0.113.9"}, "203.0.113.9"},
		{"2", "10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"2", "10.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9"},
		{"2", "10.0.0.1:5", []string{"1.1.1.1, garbage, 10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.0/8,192.168.0.1", "192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1"},
		{"10.0.0.0/8,192.168.0.1", "10.9.9.9:5", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.0/8,192.168.0.1", "192.168.0.1:5", []string{"1.1.1.1, 203.0.113.9, 10.0.0.7"}, "203.0.113.9"},
		{"10.0.0.0/8,192.168.0.1", "192.168.0.2:5", []string{"203.0.113.9"}, "192.168.0.2"},
		{"10.0.0.0/8", "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"10.0.0.0/8", "10.0.0.1:5", []string{"203.0.113.9, garbage"}, "10.0.0.1"},
		{"10.0.0.0/8", "[::ffff:10.0.0.1]:5", []string{"203.0.113.9"}, "203.0.113.9"},
		{"2001:db8::/32", "[2001:db8::1]:5", []string{"2001:db9::9"}, "2001:db9::9"},
		{"10.0.0.0/8", "@", []string{"203.0.113.9"}, ""},
	} {
		trust, err := server.ParseTrustProxy(c.trust)
		if err != nil {
			t.Fatal(err)
		}
		s := server.New(server.Config{TrustProxy: trust, Log: slog.New(slog.DiscardHandler)})
		var got string
		s.Handle("GET /ip", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = caller.RequestFrom(r.Context()).IP }))
		r := httptest.NewRequest(http.MethodGet, "/ip", nil)
		r.RemoteAddr = c.remote
		for _, line := range c.forwarded {
			r.Header.Add("X-Forwarded-For", line)
		}
		s.Handler().ServeHTTP(httptest.NewRecorder(), r)
		if got != c.want {
			t.Errorf("trust %q, peer %s, forwarded %q: got %q, want %q", c.trust, c.remote, c.forwarded, got, c.want)
		}
	}
}

func TestParseTrustProxyErrors(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"yes", "-1", "99", "10.0.0.0/33", "10.0.0.1,proxy"} {
		if _, err := server.ParseTrustProxy(s); err == nil {
			t.Errorf("%q passes", s)
		}
	}
}
