package limit_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turkey/internal/limit"
)

// rate is the four headers of /v1 in one line.
func rate(res reply) string {
	h := res.header
	return strings.Join([]string{h.Get("RateLimit-Policy"), h.Get("RateLimit-Limit"), h.Get("RateLimit-Remaining"), h.Get("RateLimit-Reset")}, " ")
}

// refusal is status, code, message, retryAfter in the body and in the header.
func refusal(t *testing.T, res reply) string {
	t.Helper()
	var body struct {
		Success    *bool  `json:"success"`
		Error      string `json:"error"`
		Code       string `json:"code"`
		Message    string `json:"message"`
		RetryAfter int    `json:"retryAfter"`
	}
	if err := json.Unmarshal([]byte(res.body), &body); err != nil {
		t.Fatalf("%v: %s", err, res.body)
	}
	if body.Code != "" {
		body.Message, body.Error = body.Error, body.Code
		if body.Success == nil || *body.Success {
			t.Error("no success: false")
		}
	}
	return fmt.Sprintf("%d %s %q %d %s", res.status, body.Error, body.Message, body.RetryAfter, res.header.Get("Retry-After"))
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

func TestGeneralLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *limit.Config) {
		c.General = limit.Rule{Window: 90 * time.Second, Max: 3}
		c.ServiceKey = func(r *http.Request) bool { return r.Header.Get("X-Turkey-Service-Key") == "right" }
	})
	s := serve(t, b.Limits)
	get := func(path string, headers ...string) reply {
		return s.ask("GET", path, "192.0.2.1", headers...)
	}

	want(t, "first", rate(get("/v1/users/me")), "3;w=90 3 2 90")
	b.clock.pass(1500 * time.Millisecond)
	want(t, "an unknown route counts", rate(get("/v1/nothing")), "3;w=90 3 1 89")
	want(t, "a failure counts", rate(get("/v1/users/me?with=fault")), "3;w=90 3 0 89")
	res := get("/v1/users/me")
	want(t, "fourth", refusal(t, res), `429 rate_limit_exceeded "Too many requests from this IP, please try again later." 89 89`)
	want(t, "fourth", rate(res), "3;w=90 3 0 89")
	for name := range res.header {
		if strings.HasPrefix(name, "X-Ratelimit") {
			t.Errorf("%s under /v1", name)
		}
	}
	if got := s.ask("GET", "/v1/users/me", "192.0.2.2").status; got != 200 {
		t.Errorf("another client: %d", got)
	}
	for _, free := range []reply{get("/health"), get("/livez"), get("/readyz"), get("/v1/users/me", "X-Turkey-Service-Key", "right"),
		s.ask("POST", "/v1/auth/revocation-check", "192.0.2.1"), get("/api/credentials/list"),
		s.ask("OPTIONS", "/v1/users/me", "192.0.2.1", "Origin", "https://a.example", "Access-Control-Request-Method", "GET")} {
		if free.status >= 400 || rate(free) != "   " {
			t.Errorf("%d with %q: %s", free.status, rate(free), free.body)
		}
	}
	if res := get("/.well-known/jwks.json"); res.status == 429 || rate(res) != "   " {
		t.Errorf("JWKS: %d with %q", res.status, rate(res))
	}
	if got := get("/v1/users/me", "X-Turkey-Service-Key", "wrong").status; got != 429 {
		t.Errorf("a wrong service key: %d", got)
	}
	b.clock.pass(88500 * time.Millisecond)
	want(t, "the next window", rate(get("/v1/users/me")), "3;w=90 3 2 90")
}

func TestIPv6ClientsAreNetworks(t *testing.T) {
	t.Parallel()
	for ip, text := range map[string]string{"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:db8:1:2::": "2001:db8:1:2::",
		"::ffff:192.0.2.1": "192.0.2.1", "192.0.2.1": "192.0.2.1", "": "unknown", "x": "unknown", "fe80::1%eth0": "fe80::"} {
		want(t, ip, limit.ClientText(ip), text)
	}
}

func TestRouteLimits(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, func(c *limit.Config) {
			rule := limit.Rule{Window: 600 * time.Second, Max: 2}
			c.Login, c.Mail, c.Refresh, c.Register, c.Admin = rule, rule, rule, rule, rule
			store(c)
		})
		s := serve(t, b.Limits)
		for _, c := range []struct {
			method, path, what string
			failures           bool
		}{
			{"POST", "/v1/auth/login", "login", true},
			{"POST", "/v1/auth/refresh", "token refresh", true},
			{"POST", "/v1/auth/register", "registration", false},
			{"POST", "/v1/auth/reset-password", "email", false},
			{"GET", "/v1/users/admin-only", "admin", false},
		} {
			ask := func(with string) reply {
				res := s.ask(c.method, c.path+with, "192.0.2.1")
				b.Settle()
				return res
			}
			if c.failures {
				for range 4 { // successes are free
					want(t, c.path, rate(ask("")), "2;w=600 2 1 600")
				}
				want(t, c.path, rate(ask("?with=fault")), "2;w=600 2 1 600")
				want(t, c.path, rate(ask("")), "2;w=600 2 0 600")
				if got := ask("?with=panic").status; got != 500 {
					t.Errorf("a panic: %d", got)
				}
			} else {
				want(t, c.path, rate(ask("")), "2;w=600 2 1 600")
				want(t, c.path, rate(ask("?with=fault")), "2;w=600 2 0 600")
			}
			b.clock.pass(time.Second)
			for range 2 {
				res := ask("")
				want(t, c.path, refusal(t, res), `429 rate_limit_exceeded "Too many `+c.what+` requests. Please try again later." 599 599`)
				want(t, c.path, rate(res), "2;w=600 2 0 599")
			}
			if got := s.ask(c.method, c.path, "192.0.2.2").status; got != 200 {
				t.Errorf("another client: %d", got)
			}
			b.clock.pass(599 * time.Second)
			want(t, c.path, rate(ask("")), "2;w=600 2 1 600")
			b.clock.pass(600 * time.Second)
		}
		// Operations that share a budget, and those that do not.
		for range 2 {
			s.ask("POST", "/v1/auth/revoke?with=fault", "192.0.2.3")
			s.ask("POST", "/v1/auth/reset-password", "192.0.2.3")
		}
		if res := s.ask("POST", "/auth/verify-email", "192.0.2.3"); res.status != 429 || rate(res) != "   " {
			t.Errorf("the page behind a mail's link: %d with %q", res.status, rate(res))
		}
		for path, status := range map[string]int{"/v1/auth/login": 429, "/v1/auth/verify-email": 429, "/v1/auth/refresh": 200, "/v1/auth/register": 200} {
			if got := s.ask("POST", path, "192.0.2.3").status; got != status {
				t.Errorf("%s: %d, want %d", path, got, status)
			}
		}
	})
}

func TestAParallelBurstGetsThroughAsOftenAsTheLimitSays(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		replicas := []*site{serve(t, b.Limits)}
		for range 2 {
			cfg := limit.Config{DB: b.db, Key: key, Now: b.clock.Now}
			store(&cfg)
			replicas = append(replicas, serve(t, open(t, cfg)))
		}
		for _, with := range []string{"fault", "wait"} { // all 50 fail, or are still being worked on when the last one arrives
			if with == "wait" {
				b.clock.pass(900 * time.Second)
			}
			var through, refused atomic.Int64
			start := make(chan struct{})
			var all sync.WaitGroup
			for n := range 200 {
				all.Go(func() {
					<-start
					switch res := replicas[n%len(replicas)].ask("POST", "/v1/auth/login?with="+with, "192.0.2.1"); res.status {
					case 401, 200:
						through.Add(1)
					case 429:
						refused.Add(1)
					default:
						t.Errorf("%d %s", res.status, res.body)
					}
				})
			}
			close(start)
			all.Wait()
			if with == "fault" && (through.Load() != 50 || refused.Load() != 150) {
				t.Errorf("failures: %d through, %d refused", through.Load(), refused.Load())
			}
			if with == "wait" && through.Load() < 50 {
				t.Errorf("successes: %d through, %d refused", through.Load(), refused.Load())
			}
		}
		b.Settle()
	})
}

func TestRefreshInProcess(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *limit.Config) {
		c.Refresh = limit.Rule{Window: 600 * time.Second, Max: 3}
		c.InProcess = true
	})
	other := open(t, limit.Config{DB: b.db, Key: key, Now: b.clock.Now, Refresh: limit.Rule{Window: 600 * time.Second, Max: 3}, InProcess: true})
	here, there := serve(t, b.Limits), serve(t, other)
	ask := func(s *site, with string) reply { return s.ask("POST", "/v1/auth/refresh"+with, "192.0.2.1") }
	for range 5 {
		want(t, "success", rate(ask(here, "")), "3;w=600 3 2 600")
	}
	ask(here, "?with=fault")
	ask(there, "?with=fault")
	b.Merge(t.Context())
	other.Merge(t.Context())
	want(t, "the other replica knows", rate(ask(there, "?with=fault")), "3;w=600 3 0 600")
	other.Merge(t.Context())
	want(t, "this one hears of it at its next merge", rate(ask(here, "")), "3;w=600 3 1 600")
	b.Merge(t.Context())
	want(t, "refused", refusal(t, ask(here, "")), `429 rate_limit_exceeded "Too many token refresh requests. Please try again later." 600 600`)
}

func TestAPILimit(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *limit.Config) {
		c.APIEnabled = true
		c.API = limit.Rule{Max: 2}
		c.APIUser = func(r *http.Request) string { return r.Header.Get("X-User") }
	})
	s := serve(t, b.Limits)
	ask := func(path, ip, user string) reply { return s.ask("GET", path, ip, "X-User", user) }
	headers := func(res reply) string {
		return strings.Join([]string{res.header.Get("X-RateLimit-Limit"), res.header.Get("X-RateLimit-Remaining"), res.header.Get("X-RateLimit-Reset")}, " ")
	}
	b.clock.pass(time.Second - time.Duration(b.clock.Now().Nanosecond())) // to a whole second
	reset := strconv.FormatInt(b.clock.Now().Add(time.Minute).Unix(), 10)
	res := ask("/api/credentials/list", "192.0.2.1", "u1")
	want(t, "first", headers(res), "2 1 "+reset)
	want(t, "no headers of /v1", rate(res), "   ")
	want(t, "all paths, all addresses", headers(ask("/api/nothing", "192.0.2.2", "u1")), "2 0 "+reset)
	res = ask("/api/credentials/list", "192.0.2.3", "u1")
	want(t, "third", refusal(t, res), `429 RATE_LIMITED "Too many requests. Please try again later." 60 60`)
	want(t, "third", headers(res), "2 0 "+reset)
	want(t, "another user", headers(ask("/api/credentials/list", "192.0.2.1", "u2")), "2 1 "+reset)
	want(t, "nobody", headers(ask("/api/credentials/list", "192.0.2.1", "")), "2 1 "+reset)
	for _, path := range []string{"/api/health", "/api/docs", "/api/docs.json"} {
		want(t, path, headers(ask(path, "192.0.2.3", "u1")), "  ")
	}
	off := setup(t, func(c *limit.Config) { c.API = limit.Rule{Max: 1} })
	so := serve(t, off.Limits)
	for range 3 {
		if res := so.ask("GET", "/api/credentials/list", "192.0.2.1"); res.status != 200 || headers(res) != "  " {
			t.Errorf("switched off: %d with %q", res.status, headers(res))
		}
	}
}

func TestDefaultsAreTheContracts(t *testing.T) {
	t.Parallel()
	for production, c := range map[bool]struct{ general, register string }{
		true: {"100;w=900", "10;w=3600"}, false: {"1000;w=900", "100;w=3600"},
	} {
		b := setup(t, func(c *limit.Config) { c.Production, c.APIEnabled = production, true })
		s := serve(t, b.Limits)
		for operation, policy := range map[string]string{"GET /v1/users/me": c.general, "POST /v1/auth/register": c.register, "POST /v1/auth/login": "50;w=900",
			"POST /v1/auth/refresh": "200;w=900", "POST /v1/auth/verify-email": "50;w=900", "GET /v1/users/admin-only": "20;w=900"} {
			method, path, _ := strings.Cut(operation, " ")
			want(t, operation, s.ask(method, path, "192.0.2.1").header.Get("RateLimit-Policy"), policy)
		}
		want(t, "/api", s.ask("GET", "/api/credentials/list", "192.0.2.1").header.Get("X-RateLimit-Limit"), "100")
	}
}

func TestALimitCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *limit.Config) { c.General.Max, c.Login.Max = -1, -1 })
	if res := serve(t, b.Limits).ask("POST", "/v1/auth/login", "192.0.2.1"); res.status != 200 || rate(res) != "   " {
		t.Errorf("%d with %q", res.status, rate(res))
	}
}
