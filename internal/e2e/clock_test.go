package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"turkey/internal/auth"
)

// older moves what PostgreSQL's clock measures of a session into the past.
func (u *user) older(by time.Duration) {
	u.s.t.Helper()
	u.s.exec(`UPDATE refresh_tokens SET rotated_at = rotated_at - $2::interval, expires_at = expires_at - $2::interval,
		absolute_expires_at = CASE WHEN absolute_expires_at > '9000-01-01' THEN absolute_expires_at ELSE absolute_expires_at - $2::interval END WHERE id = $1`, u.sid, by)
}

func TestAccessTokensExpire(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.exec(`INSERT INTO apps (id, name, access_ttl) VALUES ('short', 'short', 60)`)
	for app, life := range map[string]time.Duration{"shop": 15 * time.Minute, "short": time.Minute} {
		u := s.user(app)
		begin := s.offset.Load()
		works := func(after time.Duration, yes bool) {
			t.Helper()
			s.offset.Store(begin + int64(after))
			if yes {
				s.me(u.access).want(t, 200, "")
				s.recognised(u.access).want(t, 200, "")
			} else {
				s.me(u.access).want(t, 401, "token_expired")
				s.recognised(u.access).want(t, 401, "AUTH_FAILED")
			}
			if s.active(u.access) != yes {
				t.Errorf("%s: after %s active is %v", app, after, !yes)
			}
		}
		works(life-10*time.Second, true)
		works(life, false)
		works(life+time.Hour, false)
		s.offset.Store(begin - int64(10*time.Second)) // signed in the future, by a clock that is too far ahead
		s.me(u.access).want(t, 401, "invalid_token")
		if s.active(u.access) {
			t.Error("active before its time")
		}
		works(0, true)
	}
}

func TestRefreshTokensSlideUntilTheAbsoluteEnd(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	s := setup(t, with(func(c *auth.Config) { c.RefreshTTL, c.RefreshAbsolute = 7*day, 20*day }))
	u := s.user("shop")
	step := func(by time.Duration, status int) {
		t.Helper()
		u.older(by)
		a := s.refresh("shop", u.refresh)
		if a.status != status {
			t.Errorf("after %s: %d %s", by, a.status, a.raw)
		}
		if a.status == 200 {
			u.refresh = a.text("data", "refreshToken")
		}
	}
	left := func(column string) time.Duration {
		return time.Until(one[time.Time](s.world, `SELECT `+column+` FROM refresh_tokens WHERE id = $1`, u.sid)).Round(time.Hour)
	}
	if left("expires_at") != 7*day || left("absolute_expires_at") != 20*day {
		t.Errorf("a new session lives %s, at most %s", left("expires_at"), left("absolute_expires_at"))
	}
	step(7*day-time.Minute, 200) // slides …
	if left("expires_at") != 7*day {
		t.Errorf("%s left after a refresh", left("expires_at"))
	}
	step(6*day, 200)
	step(6*day, 200) // … up to the end: 19 days have passed
	if left("expires_at") != day {
		t.Errorf("%s left near the absolute end", left("expires_at"))
	}
	step(day-time.Hour, 200)
	if !s.active(u.refresh) {
		t.Error("inactive before its end")
	}
	step(2*time.Hour, 401)
	if s.active(u.refresh) {
		t.Error("active after its end")
	}
	s.post("/v1/auth/logout-all", object{"refreshToken": u.refresh}).want(t, 401, "invalid_grant")

	idle := s.user("shop")
	idle.older(7*day + time.Minute)
	s.refresh("shop", idle.refresh).want(t, 401, "invalid_grant")
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'refresh_reuse_detected'`); n != 0 {
		t.Error("expiry counts as reuse")
	}
	if list, _ := s.get("/v1/users/me/sessions", idle.more().access).want(t, 200, "").at("data").([]any); len(list) != 1 {
		t.Errorf("%d sessions listed", len(list))
	}

	s.exec(`INSERT INTO apps (id, name, refresh_ttl, refresh_absolute_ttl) VALUES ('long', 'long', 60, 0)`)
	u = s.user("long")
	if left("expires_at") != 0 || one[string](s.world, `SELECT extract(year from absolute_expires_at)::text FROM refresh_tokens WHERE id = $1`, u.sid) != "9999" {
		t.Error("an app's own lifetimes are not kept")
	}
	u.older(61 * time.Second)
	s.refresh("long", u.refresh).want(t, 401, "invalid_grant")
}

// TestGrace is D15 and D16: the predecessor for 30 s, per app 0 to 300 s.
func TestGrace(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.exec(`INSERT INTO apps (id, name, refresh_grace) VALUES ('none', 'none', 0), ('wide', 'wide', 300)`)
	for _, c := range []struct {
		app   string
		after time.Duration
		ok    bool
	}{
		{"shop", 0, true}, {"shop", 29 * time.Second, true}, {"shop", 31 * time.Second, false}, {"none", 0, false}, {"wide", 299 * time.Second, true}, {"wide", 301 * time.Second, false},
	} {
		u := s.user(c.app)
		next := s.refresh(c.app, u.refresh).want(t, 200, "").text("data", "refreshToken")
		u.older(c.after)
		a := s.refresh(c.app, u.refresh)
		if c.ok {
			if a.status != 200 || a.text("data", "refreshToken") != next {
				t.Errorf("%s after %s: %d %s", c.app, c.after, a.status, a.raw)
			}
			s.refresh(c.app, next).want(t, 200, "")
			continue
		}
		a.want(t, 401, "invalid_grant")
		s.refresh(c.app, next).want(t, 401, "invalid_grant")
		s.me(u.access).want(t, 401, "token_revoked")
		if got := s.actions(u.id); got != "login refresh refresh_reuse_detected" {
			t.Errorf("%s after %s: audited %s", c.app, c.after, got)
		}
	}
	// Older generations at any time.
	u := s.user("shop")
	second := s.refresh("shop", u.refresh).text("data", "refreshToken")
	third := s.refresh("shop", second).text("data", "refreshToken")
	s.refresh("shop", u.refresh).want(t, 401, "invalid_grant")
	s.refresh("shop", third).want(t, 401, "invalid_grant")
}

func TestLinksExpire(t *testing.T) {
	t.Parallel()
	s := setup(t)
	try := func(kind, token string) answer {
		if kind == "reset" {
			return s.post("/v1/auth/reset-password", object{"token": token, "newPassword": another})
		}
		return s.post("/v1/auth/verify-email", object{"token": token})
	}
	link := func(kind, email string) string {
		if kind == "reset" {
			return s.resetToken("shop", email)
		}
		return s.verifyToken("shop", email)
	}
	for kind, life := range map[string]time.Duration{"reset": time.Hour, "verification": 48 * time.Hour} {
		_, late := s.account("shop", "email_verified = false")
		_, early := s.account("shop", "email_verified = false")
		lateToken, earlyToken := link(kind, late), link(kind, early)
		begin := s.offset.Load()
		s.pass(life - 10*time.Second)
		try(kind, earlyToken).want(t, 200, "")
		s.pass(11 * time.Second)
		try(kind, lateToken).want(t, 400, "bad_request")
		s.offset.Store(begin)
		try(kind, earlyToken).want(t, 400, "bad_request") // once
		s.post("/v1/auth/introspect", object{"token": lateToken}, keyed).want(t, 200, "")

		// A newer one voids the older one, and one is no good for the other's purpose.
		_, email := s.account("shop", "email_verified = false")
		first := link(kind, email)
		second := link(kind, email)
		if first == second {
			t.Fatal("the same link twice")
		}
		try(kind, first).want(t, 400, "bad_request")
		other := map[string]string{"reset": "verification", "verification": "reset"}[kind]
		try(other, second).want(t, 400, "bad_request")
		link(other, email) // which voids nothing of this kind
		try(kind, second).want(t, 200, "")
	}

	// A change of the address voids both, a change of the password the reset.
	u := s.user("shop", "email_verified = false")
	u.reset, u.verify = s.resetToken("shop", u.email), s.verifyToken("shop", u.email)
	s.call("PATCH", "/v1/users/me", u.access, object{"email": "new-" + u.email}).want(t, 200, "")
	s.call("PATCH", "/v1/users/me", u.access, object{"email": u.email}).want(t, 200, "") // nor does going back help
	try("reset", u.reset).want(t, 400, "bad_request")
	try("verification", u.verify).want(t, 400, "bad_request")
	u = s.user("shop", "email_verified = false")
	u.reset, u.verify = s.resetToken("shop", u.email), s.verifyToken("shop", u.email)
	s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": password, "newPassword": another}).want(t, 200, "")
	try("reset", u.reset).want(t, 400, "bad_request")
	try("verification", u.verify).want(t, 200, "")
	s.login("shop", u.email, another).want(t, 200, "")
}

// TestCleanupForgetsOnlyTheDead: what it removes changed no answer.
func TestCleanupForgetsOnlyTheDead(t *testing.T) {
	t.Parallel()
	s := setup(t)
	live, dead := s.user("shop"), s.user("shop")
	s.post("/v1/auth/revoke", object{"token": dead.access}).want(t, 200, "")
	old := s.user("shop")
	old.older(40 * 24 * time.Hour)
	s.exec(`INSERT INTO revoked_jti (jti, app_id, user_id, expires_at) VALUES ('at_old', 'shop', $1, now() - interval '66 minutes'), ('at_recent', 'shop', $1, now() - interval '1 minute')`, live.id)
	// Of what is kept for a time one is just older, and one not yet.
	kept := map[string]struct{ sql, column, life string }{
		"mails":        {`INSERT INTO mails (app_id, user_id, kind, recipient) SELECT 'shop', $1, 'welcome', 'kept-' || n FROM generate_series(1, 2) n`, "created_at", "30 days"},
		"mailbox":      {`INSERT INTO mailbox (sender, recipient, subject, body_text, body_html) SELECT $1::uuid::text, 'kept-' || n, '', '', '' FROM generate_series(1, 2) n`, "created_at", "7 days"},
		"email_tokens": {`INSERT INTO email_tokens (app_id, user_id, token_hash, type, email, expires_at) SELECT 'shop', $1, 'kept-' || n, 'password_reset', 'kept-' || n, now() FROM generate_series(1, 2) n`, "expires_at", "7 days"},
		"revocation_events": {`INSERT INTO revocation_events (app_id, kind, subject, expires_at) SELECT 'shop', 'user', 'kept-' || n, now() FROM generate_series(1, 2) n WHERE $1::uuid IS NOT NULL`,
			"expires_at", "0 days"},
	}
	name := map[string]string{"mails": "recipient", "mailbox": "recipient", "email_tokens": "email", "revocation_events": "subject"}
	for table, k := range kept {
		s.exec(k.sql, live.id)
		s.exec(fmt.Sprintf(`UPDATE %s SET %s = now() - interval '%s' + CASE %s WHEN 'kept-1' THEN -1 ELSE 1 END * interval '10 minutes' WHERE %s LIKE 'kept-%%'`, table, k.column, k.life, name[table], name[table]))
	}
	counts, err := s.auth.Cleanup(t.Context())
	must(t, err)
	if counts["revoked_jti"] != 1 || counts["refresh_tokens"] != 1 {
		t.Errorf("removed %v", counts)
	}
	for table := range kept {
		if left := one[[]string](s.world, fmt.Sprintf(`SELECT array_agg(%[1]s::text ORDER BY 1) FROM %[2]s WHERE %[1]s LIKE 'kept-%%'`, name[table], table)); !slices.Equal(left, []string{"kept-2"}) {
			t.Errorf("of %s there is %v", table, left)
		}
	}
	s.me(live.access).want(t, 200, "")
	s.refresh("shop", live.refresh).want(t, 200, "")
	s.me(dead.access).want(t, 401, "token_revoked")
	s.refresh("shop", old.refresh).want(t, 401, "invalid_grant")
}
