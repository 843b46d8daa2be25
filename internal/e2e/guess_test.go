package e2e_test

import (
	"strings"
	"testing"

	"turkey/internal/limit"
)

// TestAGuessThatNobodyCountsIsNotAnswered: the store of the limits goes away while a password is being checked.
func TestAGuessThatNobodyCountsIsNotAnswered(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	s.broken.Store(true)
	s.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the store is away'; END $$`)
	s.exec(`CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON login_locks FOR EACH ROW WHEN (NEW.failures > 0) EXECUTE FUNCTION refuse()`)
	for _, email := range []string{u.email, "nobody@example.com"} {
		s.login("shop", email, wrong).want(t, 503, "service_unavailable")
	}
	s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": wrong, "newPassword": another}).want(t, 503, "service_unavailable")
	s.login("shop", u.email, password).want(t, 200, "")
	s.exec(`DROP TRIGGER refuse ON login_locks`)
	s.login("shop", u.email, wrong).want(t, 401, "invalid_credentials")
}

// TestOldTokensSignNobodyOut: logout-all takes the tokens that a refresh takes.
func TestOldTokensSignNobodyOut(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, other := s.user("shop"), s.user("shop")
	second := s.refresh("shop", u.refresh).want(t, 200, "").text("data", "refreshToken")
	third := s.refresh("shop", second).want(t, 200, "").text("data", "refreshToken")
	all := func(token string) answer { return s.post("/v1/auth/logout-all", object{"refreshToken": token}) }
	all(u.refresh).want(t, 401, "invalid_grant") // two rotations ago
	s.me(u.access).want(t, 200, "")
	s.exec(`UPDATE refresh_tokens SET rotated_at = rotated_at - interval '1 minute' WHERE id = $1`, u.sid)
	all(second).want(t, 401, "invalid_grant") // the one before, after the grace
	s.refresh("shop", third).want(t, 200, "")
	all(third).want(t, 200, "") // the one before, within the grace: the answer may have been lost
	s.me(u.access).want(t, 401, "token_expired")
	all(other.refresh).want(t, 200, "")
}

// TestALimitedPageIsAPage: whoever presses the button of a mail's page too often sees a page.
func TestALimitedPageIsAPage(t *testing.T) {
	t.Parallel()
	s := setup(t, behindProxy, limited(func(c *limit.Config) { c.Mail = limit.Rule{Max: 2} }))
	form := func(path string) answer {
		return s.call("POST", path, "", "token="+strings.Repeat("0", 64)+"&newPassword=x", set("Content-Type", "application/x-www-form-urlencoded"), from("203.0.113.9"))
	}
	for _, path := range []string{"/auth/verify-email", "/auth/reset-password"} {
		form(path).want(t, 400, "")
	}
	for _, path := range []string{"/auth/verify-email", "/auth/reset-password"} {
		a := form(path).want(t, 429, "")
		if a.header.Get("Content-Type") != "text/html; charset=utf-8" || a.header.Get("Retry-After") == "" || !strings.Contains(a.raw, "<h1>Please try again later</h1>") ||
			!strings.Contains(a.raw, "try again in 15 minutes") {
			t.Errorf("%s: %v %s", path, a.header, a.raw)
		}
	}
	s.post("/v1/auth/verify-email", object{"token": "x"}, from("203.0.113.9")).want(t, 429, "rate_limit_exceeded")
}
