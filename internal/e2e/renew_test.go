package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"turkey/internal/sandbox"
)

// rotation are fake providers on the deployment's clock, and how often they were asked for a token.
type rotation struct {
	*providers
	tokens atomic.Int64
	world  atomic.Pointer[world]
}

func (r *rotation) now() time.Time {
	if w := r.world.Load(); w != nil {
		return w.now()
	}
	return time.Now()
}

// rotating starts a deployment of two servers, and providers that share its clock.
func rotating(t *testing.T) (*rotation, []*replica) {
	t.Helper()
	r := &rotation{providers: &providers{}}
	fake, err := sandbox.New(sandbox.Config{Now: r.now})
	must(t, err)
	handler := fake.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/oauth/access_token") || req.URL.Path == "/oauth2/token" {
			r.tokens.Add(1)
		}
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL
	first := setup(t, func(s *settings) { s.providers = fake.Bases(srv.URL) })
	r.world.Store(first.world)
	return r, []*replica{first, first.again()}
}

// 32 requests over two servers use a shop whose refresh token is replaced at each use: each generation is asked for once, and
// nobody is without a token.
func TestRotatingTokensOverTwoServers(t *testing.T) {
	t.Parallel()
	const generations, requests = 4, 32
	r, servers := rotating(t)
	s := servers[0]
	h := s.holder()
	content := r.console(t, "POST", "/_sandbox/shops?kind=expiring", object{})
	for _, name := range []string{"access_token", "refresh_token", "client_secret"} {
		s.secret(content[name].(string))
	}
	id := h.saved("shopify", "Shop", content)
	verify := func(i int) answer {
		return servers[i%2].call("POST", fmt.Sprintf("/api/credentials/%d/verify", id), h.access, nil)
	}
	for g := 1; g <= generations; g++ {
		for status, n := range statuses(together(requests, verify)) {
			if status != 200 {
				t.Errorf("generation %d: %d times %d", g, n, status)
			}
		}
		if n := s.count(`SELECT generation FROM credential_tokens`); n != g || int(r.tokens.Load()) != g {
			t.Fatalf("%d renewals for generation %d; want %d of each", r.tokens.Load(), n, g)
		}
		s.pass(56 * time.Minute)
		h.user = h.more()
	}

	// The answer to the next renewal is lost after the shop has replaced the refresh token.
	r.console(t, "POST", "/_sandbox/faults", object{"path": "/shopify/" + content["shop_url"].(string) + "/admin/oauth", "cut": true})
	s.broken.Store(true)
	verify(0).want(t, 502, "SERVICE_ERROR")
	verify(1).want(t, 200, "")
	if n := s.count(`SELECT count(*) FROM audit_logs WHERE action = 'token_renewed' AND metadata->'inDoubt' = 'true'`); n != 1 {
		t.Errorf("%d renewals in doubt", n)
	}
	s.pass(56 * time.Minute)
	h.user = h.more()
	verify(0).want(t, 200, "") // and the one after it goes on from there

	s.noTokenIn("audit_logs", "credentials", "credential_tokens", "mails", "webhook_deliveries")
	if n := s.count(`SELECT count(*) FROM audit_logs WHERE action = 'token_renewed' AND metadata->>'host' = $1 AND metadata->>'generation' <> ''`, content["shop_url"]); n != generations+2 {
		t.Errorf("%d renewals in the audit", n)
	}

	r.console(t, "DELETE", "/_sandbox/shops/"+content["shop_url"].(string)+"/app", nil)
	verify(0).want(t, 400, "VERIFICATION_FAILED")
	if got := h.health(id); !strings.HasPrefix(got, "broken ") || !strings.HasSuffix(got, " false") {
		t.Error(got)
	}
}

// An OAuth user of GA4: verifying proves the refresh token, even while the last access token lives.
func TestVerifyingAnOAuthUserProvesTheGrant(t *testing.T) {
	t.Parallel()
	r, servers := rotating(t)
	s := servers[0]
	h := s.holder()
	client := r.console(t, "POST", "/_sandbox/oauth-clients", object{})
	r.console(t, "POST", "/_sandbox/properties", object{"propertyId": "77", "shareWith": client["client_id"]})
	for _, name := range []string{"refresh_token", "client_secret"} {
		s.secret(client[name].(string))
	}
	client["property_id"] = "77"
	id := h.saved("ga4", "Ada", client)
	for range 3 { // a young pair is proof enough
		h.on(id, "POST", "/verify", nil).want(t, 200, "")
	}
	s.pass(2 * time.Minute)
	h.on(id, "POST", "/verify", nil).want(t, 200, "")
	if n := r.tokens.Load(); n != 2 {
		t.Errorf("%d renewals", n)
	}
	r.console(t, "DELETE", "/_sandbox/oauth-clients/"+client["client_id"].(string), nil)
	s.pass(2 * time.Minute)
	h.on(id, "POST", "/verify", nil).want(t, 400, "VERIFICATION_FAILED")
	h.healthIs(id, "broken reconnect false")
	s.noTokenIn("audit_logs", "credentials", "credential_tokens", "mails")
}

// noTokenIn: tables hold no planted value in the clear.
func (w *world) noTokenIn(tables ...string) {
	w.t.Helper()
	w.secrets.Range(func(v, _ any) bool {
		for _, table := range tables {
			if n := w.count(`SELECT count(*) FROM `+table+` x WHERE position($1 IN x::text) > 0`, v); n > 0 {
				w.t.Errorf("%s holds a secret", table)
			}
		}
		return true
	})
}
