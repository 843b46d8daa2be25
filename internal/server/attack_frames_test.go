package server_test

import (
	"strings"
	"testing"

	"turkey/console"
	"turkey/internal/server"
)

// TestFramesOfOthersShowNothing: every page of the server, its errors included, says that no other site may frame it.
func TestFramesOfOthersShowNothing(t *testing.T) {
	t.Parallel()
	s := server.New(quiet())
	pages, err := console.New()
	if err != nil {
		t.Fatal(err)
	}
	pages.Mount(s)
	b := serveBundle(t, s)
	for _, path := range []string{"/", "/docs", "/docs/auth", "/docs/api", "/openapi.json", "/console/", "/console/a/shop/credentials", "/console/assets/none.js", "/nothing", "/v1/nothing", "/health"} {
		a := b.get(path)
		policy := a.header.Values("Content-Security-Policy")
		if len(policy) != 1 || !strings.Contains(policy[0], "frame-ancestors 'self'") && !strings.Contains(policy[0], "frame-ancestors 'none'") {
			t.Errorf("%s: %d %q", path, a.status, policy)
		}
		if frame := a.header.Get("X-Frame-Options"); frame != "SAMEORIGIN" && frame != "DENY" {
			t.Errorf("%s: X-Frame-Options %q", path, frame)
		}
		if strings.HasPrefix(path, "/console/") && a.status == 200 && !strings.Contains(policy[0], "frame-ancestors 'none'") {
			t.Errorf("%s may be framed: %q", path, policy)
		}
		if strings.Contains(policy[0], "script-src") && strings.Contains(policy[0], "unsafe") || strings.Contains(policy[0], "*") {
			t.Errorf("%s: %q", path, policy)
		}
	}
}
