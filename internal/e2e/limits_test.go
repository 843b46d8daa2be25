package e2e_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"turkey/internal/limit"
)

// locked checks the 429 of a lock, and returns how long it lasts.
func locked(t testing.TB, a answer) time.Duration {
	t.Helper()
	a.want(t, 429, "account_locked")
	if a.text("message") != "Account temporarily locked due to too many failed login attempts. Please try again later." || a.at("lockoutActive") != true {
		t.Errorf("lock: %s", a.raw)
	}
	return retryAfter(t, a)
}

// retryAfter is the same in header and body, and at least one second (D6).
func retryAfter(t testing.TB, a answer) time.Duration {
	t.Helper()
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if told, _ := a.at("retryAfter").(float64); err != nil || int(told) != seconds || seconds < 1 {
		t.Errorf("Retry-After %q: %s", a.header.Get("Retry-After"), a.raw)
	}
	return time.Duration(seconds) * time.Second
}

// TestLockout is D35: per client address, app and address in normal form.
func TestLockout(t *testing.T) {
	t.Parallel()
	s := setup(t, behindProxy)
	b := s.again()
	const home, away = "192.0.2.1", "198.51.100.2"
	victim := s.user("shop")
	spellings := []string{victim.email, strings.ToUpper(victim.email), " " + victim.email, victim.email + "\t", "  " + strings.ToUpper(victim.email[:1]) + victim.email[1:]}
	for i, email := range spellings {
		[]*replica{s, b}[i%2].login("shop", email, wrong, from(home)).want(t, 401, "invalid_credentials")
	}
	for _, email := range spellings { // the right password, however it is spelled, on either replica
		if left := locked(t, s.login("shop", email, password, from(home))); left > 5*time.Minute || left < 4*time.Minute {
			t.Errorf("locked for %s", left)
		}
		locked(t, b.login("shop", email, wrong, from(home)))
	}
	// Nobody else is.
	s.login("shop", victim.email, password, from(away)).want(t, 200, "")
	s.exec(`INSERT INTO apps (id) VALUES ('other') ON CONFLICT DO NOTHING`)
	s.login("other", victim.email, wrong, from(home)).want(t, 401, "invalid_credentials")
	_, neighbour := s.account("shop")
	s.login("shop", neighbour, password, from(home)).want(t, 200, "")
	// And the victim's sessions go on.
	s.me(victim.access).want(t, 200, "")
	s.refresh("shop", victim.refresh).want(t, 200, "")

	// It survives a restart.
	b.halt()
	locked(t, s.again().login("shop", victim.email, password, from(home)))
	over := func() { s.exec(`UPDATE login_locks SET locked_until = now()`) }
	over()
	// The count survives the lock: the next failures lock again, from the 10th on for longer.
	for n := 6; n <= 21; n++ {
		s.login("shop", victim.email, wrong, from(home)).want(t, 401, "invalid_credentials")
		want := 5 * time.Minute
		if n >= 10 {
			want = 15 * time.Minute
		}
		if n >= 20 {
			want = time.Hour
		}
		if left := locked(t, s.login("shop", victim.email, password, from(home))); left > want || left < want-time.Minute {
			t.Errorf("after %d failures locked for %s", n, left)
		}
		over()
	}
	// A success clears it.
	s.login("shop", victim.email, password, from(home)).want(t, 200, "")
	for range 4 {
		s.login("shop", victim.email, wrong, from(home)).want(t, 401, "invalid_credentials")
	}
	s.login("shop", victim.email, password, from(home)).want(t, 200, "")
	// So does a day of quiet.
	for range 4 {
		s.login("shop", victim.email, wrong, from(home)).want(t, 401, "invalid_credentials")
	}
	s.exec(`UPDATE login_locks SET failed_at = failed_at - interval '25 hours'`)
	s.login("shop", victim.email, wrong, from(home)).want(t, 401, "invalid_credentials")
	s.login("shop", victim.email, password, from(home)).want(t, 200, "")

	// An address that nobody has is locked all the same.
	for range 5 {
		s.login("shop", "ghost@example.com", wrong, from(home)).want(t, 401, "invalid_credentials")
	}
	locked(t, s.login("shop", "Ghost@example.com ", wrong, from(home)))

	// currentPassword is guessed as little as a password.
	u := s.user("shop")
	for range 5 {
		s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": wrong, "newPassword": another}, from(home)).want(t, 401, "unauthorized")
	}
	locked(t, s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": password, "newPassword": another}, from(home)))
	locked(t, s.call("PATCH", "/v1/users/me", u.access, object{"email": "x-" + u.email, "currentPassword": password}, from(home)))
	locked(t, s.login("shop", u.email, password, from(home)))
	s.me(u.access).want(t, 200, "")
}

// TestABurstOfGuesses: at most ten logins of one account are verified at a time, and none after the lock.
func TestABurstOfGuesses(t *testing.T) {
	t.Parallel()
	s := setup(t, behindProxy)
	b := s.again()
	_, email := s.account("shop")
	all := together(60, func(i int) answer { return []*replica{s, b}[i%2].login("shop", email, wrong, from("192.0.2.7")) })
	n := only(t, "burst", all, 401, 429, 503)
	// Ten may have begun before the fifth failure was written; each that begins later meets the lock.
	if n[401] < 1 || n[401] > 5+10-1 {
		t.Errorf("%d of 60 were verified: %v", n[401], n)
	}
	for _, a := range all {
		if a.status == 429 {
			retryAfter(t, a)
			if a.code() == "rate_limit_exceeded" && (a.text("message") != "Too many login requests. Please try again later." || a.at("retryAfter") != 1.0) {
				t.Errorf("busy: %s", a.raw)
			}
		}
	}
	locked(t, s.login("shop", email, password, from("192.0.2.7")))
	s.login("shop", email, password, from("192.0.2.8")).want(t, 200, "") // the leases came back
}

// TestGuessesFromEverywhere slow an account down without locking its owner out.
func TestGuessesFromEverywhere(t *testing.T) {
	t.Parallel()
	s := setup(t, behindProxy)
	u := s.user("shop")
	n := 0
	for i := range 100 {
		a := s.login("shop", u.email, wrong, from(fmt.Sprintf("203.0.113.%d", i%250)))
		if a.status == 401 {
			n++
		}
	}
	if n != 100 {
		t.Errorf("%d of 100 guesses were judged", n)
	}
	if a := s.login("shop", u.email, wrong, from("198.51.100.1")); a.status == 401 {
		s.login("shop", u.email, wrong, from("198.51.100.2")).want(t, 429, "rate_limit_exceeded")
	} else if left := retryAfter(t, a.want(t, 429, "rate_limit_exceeded")); left > 10*time.Second {
		t.Errorf("slowed down for %s", left)
	}
	s.exec(`UPDATE login_accounts SET next_at = now()`)
	s.login("shop", u.email, password, from("198.51.100.3")).want(t, 200, "")
	s.me(u.access).want(t, 200, "")
	s.exec(`UPDATE login_accounts SET failures_until = now()`)
	for i := range 3 {
		s.login("shop", u.email, wrong, from(fmt.Sprintf("198.51.100.1%d", i))).want(t, 401, "invalid_credentials")
	}
}

// TestRateLimits is §8 with small numbers: what counts, what is told, and that clients and limiters are apart.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	three := limit.Rule{Window: 10 * time.Minute, Max: 3}
	s := setup(t, behindProxy, limited(func(c *limit.Config) {
		c.Login, c.Mail, c.Refresh, c.Register, c.Admin = three, three, three, three, three
		c.General = limit.Rule{Window: 10 * time.Minute, Max: 60}
	}))
	u, admin := s.user("shop"), s.user("shop", "role = 'admin'")
	junk := strings.Repeat("0", 64)
	headers := func(a answer, policy, most string, left int) {
		t.Helper()
		for name, want := range map[string]string{"RateLimit-Policy": policy, "RateLimit-Limit": most, "RateLimit-Remaining": strconv.Itoa(left)} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if reset, err := strconv.Atoi(a.header.Get("RateLimit-Reset")); err != nil || reset < 1 || reset > 600 {
			t.Errorf("RateLimit-Reset %q", a.header.Get("RateLimit-Reset"))
		}
	}
	for i, c := range []struct {
		name, words string
		do          func(i int, h header) answer
		status      int
	}{
		{"login", "login", func(i int, h header) answer {
			return s.login("shop", fmt.Sprintf("nobody-%d@example.com", i), wrong, h)
		}, 401},
		{"revoke", "login", func(_ int, h header) answer { return s.post("/v1/auth/revoke", object{"token": "garbage"}, h) }, 400},
		{"validation counts as well", "login", func(_ int, h header) answer { return s.post("/v1/auth/login", "{}", h) }, 400},
		{"reset", "email", func(_ int, h header) answer {
			return s.post("/v1/auth/reset-password", object{"token": junk, "newPassword": another}, h)
		}, 400},
		{"request", "email", func(_ int, h header) answer {
			return s.post("/v1/auth/request-password-reset", object{"email": "x@example.com"}, h)
		}, 200},
		{"verify", "email", func(_ int, h header) answer { return s.post("/v1/auth/verify-email", object{"token": junk}, h) }, 400},
		{"resend", "email", func(_ int, h header) answer {
			return s.post("/v1/auth/resend-verification", object{"email": "x@example.com"}, h)
		}, 200},
		{"refresh", "token refresh", func(_ int, h header) answer {
			return s.post("/v1/auth/refresh", object{"refreshToken": "junk"}, h)
		}, 401},
		{"register", "registration", func(i int, h header) answer {
			return s.post("/v1/auth/register", object{"email": "bad", "password": "bad"}, h)
		}, 400},
		{"admin", "admin", func(_ int, h header) answer { return s.get("/v1/users/admin-only", admin.access, h) }, 200},
	} {
		ip := from(fmt.Sprintf("192.0.2.%d", i+10))
		for n := range 3 {
			headers(c.do(n, ip).want(t, c.status, ""), "3;w=600", "3", 2-n)
		}
		a := c.do(3, ip).want(t, 429, "rate_limit_exceeded")
		headers(a, "3;w=600", "3", 0)
		if a.text("message") != "Too many "+c.words+" requests. Please try again later." || a.at("lockoutActive") != nil {
			t.Errorf("%s: %s", c.name, a.raw)
		}
		if left := retryAfter(t, a); left < 9*time.Minute || left > 10*time.Minute {
			t.Errorf("%s: retry after %s", c.name, left)
		}
		c.do(4, from("198.51.100."+strconv.Itoa(i))).want(t, c.status, "") // somebody else
		s.me(u.access).want(t, 200, "")                                    // another route
	}
	t.Run("successes give their unit back", func(t *testing.T) {
		ip := from("192.0.2.100")
		for range 6 {
			s.login("shop", u.email, password, ip).want(t, 200, "")
			u = s.user("shop")
			a := s.post("/v1/auth/refresh", object{"refreshToken": u.refresh, "appId": "shop"}, ip).want(t, 200, "")
			u.refresh = a.text("data", "refreshToken")
			time.Sleep(20 * time.Millisecond) // the unit goes back behind the answer's back
		}
	})
	t.Run("a parallel burst is limited too", func(t *testing.T) {
		ip := from("192.0.2.101")
		n := only(t, "burst", together(12, func(i int) answer { return s.login("shop", fmt.Sprintf("burst-%d@example.com", i), wrong, ip) }), 401, 429)
		if n[401] != 3 {
			t.Errorf("%v", n)
		}
	})
	t.Run("general", func(t *testing.T) {
		ip := from("192.0.2.102")
		for n := range 60 {
			a := s.get("/v1/nothing", "", ip).want(t, 404, "")
			headers(a, "60;w=600", "60", 59-n)
		}
		a := s.me("")
		a.want(t, 401, "")
		a = s.get("/v1/users/me", u.access, ip).want(t, 429, "rate_limit_exceeded")
		headers(a, "60;w=600", "60", 0)
		if a.text("message") != "Too many requests from this IP, please try again later." {
			t.Error(a.raw)
		}
		retryAfter(t, a)
		// Exempt: system routes, preflights, the service key, revocation-check.
		s.get("/health", "", ip).want(t, 200, "")
		s.get("/.well-known/jwks.json", "", ip).want(t, 200, "")
		s.post("/v1/auth/introspect", object{"token": u.access}, ip, keyed).want(t, 200, "")
		s.post("/v1/auth/revocation-check", object{"jti": "x"}, ip).want(t, 401, "missing_api_key")
		s.post("/v1/auth/introspect", object{"token": u.access}, ip, set("X-Turkey-Service-Key", "wrong")).want(t, 429, "")
		if a := s.call("OPTIONS", "/v1/auth/login", "", nil, ip, set("Origin", "https://x.example.com"), set("Access-Control-Request-Method", "POST")); a.status != 204 {
			t.Errorf("preflight %d", a.status)
		}
	})
	t.Run("the pages of links share the budget of their routes", func(t *testing.T) {
		ip := from("192.0.2.103")
		page := func() answer {
			return s.call("POST", "/auth/verify-email", "", "token="+junk, ip, set("Content-Type", "application/x-www-form-urlencoded"))
		}
		for range 3 {
			page().want(t, 400, "")
		}
		page().want(t, 429, "")
		s.post("/v1/auth/verify-email", object{"token": junk}, ip).want(t, 429, "")
	})
}

// TestForwardedAddresses: who may say where a request comes from.
func TestForwardedAddresses(t *testing.T) {
	t.Parallel()
	s := setup(t) // nobody
	_, email := s.account("shop")
	for i := range 5 {
		s.login("shop", email, wrong, from(fmt.Sprintf("192.0.2.%d", i)), set("X-Real-IP", fmt.Sprintf("192.0.2.%d", i))).want(t, 401, "")
	}
	locked(t, s.login("shop", email, password, from("192.0.2.77")))
	if ip := one[string](s.world, `SELECT DISTINCT ip FROM audit WHERE action = 'login_failed'`); ip != "127.0.0.1" {
		t.Errorf("the client named its address: %s", ip)
	}
	// One hop: the right-most element, which the proxy wrote; what stands left of it is the client's invention.
	p := s.again(behindProxy)
	_, email = s.account("shop")
	for i := range 5 {
		p.login("shop", email, wrong, from(fmt.Sprintf("192.0.2.%d, 198.51.100.9", i))).want(t, 401, "")
	}
	locked(t, p.login("shop", email, password, from("10.0.0.1, 198.51.100.9")))
	p.login("shop", email, password, from("198.51.100.9, 198.51.100.10")).want(t, 200, "")
}
