package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// only fails the test unless every answer has one of the statuses.
func only(t testing.TB, what string, all []answer, allowed ...int) map[int]int {
	t.Helper()
	n := statuses(all)
	seen := 0
	for _, status := range allowed {
		seen += n[status]
	}
	if seen != len(all) {
		t.Errorf("%s: answers by status %v, want only %v", what, n, allowed)
	}
	return n
}

func TestParallelRegistrationsMakeOneUser(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for name, spelling := range map[string]func(i int) string{
		"the same": func(int) string { return "race@example.com" },
		"as variants": func(i int) string {
			return []string{"Vary@example.com", " vary@EXAMPLE.com", "VARY@example.com\t", "vary@example.com"}[i%4]
		},
	} {
		var id string
		// A hash that nobody waits for is not made: of 50 some are told to come back, and do.
		all := together(50, func(i int) answer {
			for {
				a := s.register("shop", spelling(i), password)
				if a.status != 503 {
					return a
				}
			}
		})
		n := only(t, name, all, 201, 409)
		if n[201] != 1 {
			t.Errorf("%s: %d made one", name, n[201])
		}
		email := strings.ToLower(strings.TrimSpace(spelling(0)))
		for _, a := range all {
			if a.status == 201 {
				id = a.text("data", "user", "id")
				s.me(a.text("data", "accessToken")).want(t, 200, "")
				s.refresh("shop", a.text("data", "refreshToken")).want(t, 200, "")
			} else {
				a.want(t, 409, "user_exists")
			}
		}
		if users := s.count(`SELECT count(*) FROM users WHERE lower(trim(email)) = $1`, email); users != 1 {
			t.Errorf("%s: %d users", name, users)
		}
		if sessions, letters := s.count(`SELECT count(*) FROM refresh_tokens WHERE user_id = $1`, id), len(s.mails(email)); sessions != 1 || letters != 1 {
			t.Errorf("%s: %d sessions, %d mails", name, sessions, letters)
		}
		if got := s.actions(id); got != "register refresh" {
			t.Errorf("%s: audited %s", name, got)
		}
	}
}

func TestParallelResetsChangeThePasswordOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	token := s.resetToken("shop", u.email)
	pass := func(i int) string { return fmt.Sprintf("Parallel-%02d!", i) }
	all := together(50, func(i int) answer {
		for {
			a := s.post("/v1/auth/reset-password", object{"token": token, "newPassword": pass(i)})
			if a.status != 503 {
				return a
			}
		}
	})
	if n := only(t, "reset", all, 200, 400); n[200] != 1 {
		t.Fatalf("%d succeeded", n[200])
	}
	for i, a := range all {
		switch {
		case a.status == 200:
			s.login("shop", u.email, pass(i)).want(t, 200, "")
			s.login("shop", u.email, pass((i+1)%50)).want(t, 401, "invalid_credentials")
		case a.code() != "bad_request" || a.text("details", 0, "code") != "INVALID_TOKEN":
			t.Errorf("a loser got %s", a.raw)
		}
	}
	if v := one[int](s.world, `SELECT token_version FROM users WHERE id = $1`, u.id); v != 1 {
		t.Errorf("token_version %d", v)
	}
	if got := s.actions(u.id); strings.Count(got, "password_reset") != 2 { // requested, and done
		t.Errorf("audited %s", got)
	}
	if n := s.subjects(u.email)["Your Password Was Changed - TurKey Auth"]; n != 1 {
		t.Errorf("%d notices", n)
	}
}

func TestParallelRefreshes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	b := s.again()
	u := s.user("shop")
	all := together(20, func(i int) answer { return []*replica{s, b}[i%2].refresh("shop", u.refresh) })
	successors := map[string]int{}
	for _, a := range all {
		a.want(t, 200, "")
		successors[a.text("data", "refreshToken")]++
		s.me(a.text("data", "accessToken")).want(t, 200, "")
	}
	if len(successors) != 1 || successors[u.refresh] != 0 {
		t.Fatalf("successors %v", successors)
	}
	if got := s.actions(u.id); got != "login refresh" {
		t.Errorf("audited %s", got)
	}

	// The current token and one that is two generations old, mixed: the session ends, once, whoever comes first.
	current := s.refresh("shop", all[0].text("data", "refreshToken")).want(t, 200, "").text("data", "refreshToken")
	access := s.refresh("shop", current).want(t, 200, "").text("data", "accessToken")
	all = together(20, func(i int) answer { return s.refresh("shop", []string{u.refresh, current}[i%2]) })
	only(t, "mixed", all, 200, 401)
	for i, a := range all {
		if i%2 == 0 {
			a.want(t, 401, "invalid_grant")
		}
	}
	s.me(access).want(t, 401, "token_revoked")
	for _, a := range all {
		if a.status == 200 {
			s.me(a.text("data", "accessToken")).want(t, 401, "token_revoked")
			s.refresh("shop", a.text("data", "refreshToken")).want(t, 401, "invalid_grant")
		}
	}
	if got := s.actions(u.id); strings.Count(got, "refresh_reuse_detected") != 1 {
		t.Errorf("audited %s", got)
	}
	if reason := one[string](s.world, `SELECT revoked_reason FROM refresh_tokens WHERE id = $1`, u.sid); reason != "refresh_reuse_detected" {
		t.Errorf("ended by %s", reason)
	}
	if n := s.subjects(u.email)["Security Notice: You Were Signed Out - TurKey Auth"]; n != 1 {
		t.Errorf("%d notices", n)
	}
}

// TestRacesLeaveNoStateInBetween lets two acts on one account meet, again and again. Each of them happens whole or not at all.
func TestRacesLeaveNoStateInBetween(t *testing.T) {
	t.Parallel()
	s := setup(t)
	change := func(u *user, next string) answer {
		return s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": password, "newPassword": next})
	}
	dead := func(t *testing.T, u *user, refreshed answer) {
		t.Helper()
		for _, refresh := range []string{u.refresh, refreshed.text("data", "refreshToken")} {
			if refresh != "" {
				s.refresh("shop", refresh).want(t, 401, "invalid_grant")
			}
		}
		for _, access := range []string{u.access, refreshed.text("data", "accessToken")} {
			if access != "" && s.me(access).status != 401 {
				t.Errorf("an access token outlived the session")
			}
		}
	}
	t.Run("refresh and logout", func(t *testing.T) {
		for range 10 {
			u := s.user("shop")
			all := together(4, func(i int) answer {
				if i == 0 {
					return s.post("/v1/auth/logout", object{"refreshToken": u.refresh})
				}
				return s.refresh("shop", u.refresh)
			})
			all[0].want(t, 200, "")
			only(t, "refresh", all[1:], 200, 401)
			for _, a := range all[1:] {
				dead(t, u, a)
			}
		}
	})
	t.Run("refresh and password change", func(t *testing.T) {
		for range 4 {
			u := s.user("shop")
			all := together(4, func(i int) answer {
				if i == 0 {
					return change(u, another)
				}
				return s.refresh("shop", u.refresh)
			})
			all[0].want(t, 200, "")
			only(t, "refresh", all[1:], 200, 401)
			for _, a := range all[1:] {
				dead(t, u, a)
			}
			s.login("shop", u.email, another).want(t, 200, "")
		}
	})
	t.Run("login and password change", func(t *testing.T) {
		for range 4 {
			u := s.user("shop")
			all := together(4, func(i int) answer {
				if i == 0 {
					return change(u, another)
				}
				return s.login("shop", u.email, password)
			})
			all[0].want(t, 200, "")
			only(t, "login", all[1:], 200, 401)
			for _, a := range all[1:] { // a session that the old password opened ended with it
				dead(t, u, a)
			}
		}
	})
	t.Run("verification, 20 times", func(t *testing.T) {
		u := s.user("shop", "email_verified = false")
		token := s.verifyToken("shop", u.email)
		all := together(20, func(int) answer { return s.post("/v1/auth/verify-email", object{"token": token}) })
		if n := only(t, "verify", all, 200, 400); n[200] != 1 {
			t.Errorf("%d succeeded", n[200])
		}
		if n := s.subjects(u.email)["Welcome to TurKey Auth! 🎉"]; n != 1 {
			t.Errorf("%d welcomes", n)
		}
		if got := s.actions(u.id); strings.Count(got, "email_verified") != 1 {
			t.Errorf("audited %s", got)
		}
	})
	t.Run("password change, 10 times", func(t *testing.T) {
		u := s.user("shop")
		pass := func(i int) string { return fmt.Sprintf("Changed-%02d!xy", i) }
		all := together(10, func(i int) answer {
			for {
				a := change(u, pass(i))
				if a.status != 503 {
					return a
				}
			}
		})
		only(t, "change", all, 200, 401, 429)
		n, works := statuses(all)[200], 0
		for i := range 10 {
			if s.login("shop", u.email, pass(i)).status == 200 {
				works++
			}
			s.exec(`DELETE FROM login_locks`)
		}
		if n < 1 || works != 1 {
			t.Errorf("%d succeeded, %d passwords work", n, works)
		}
		if v := one[int](s.world, `SELECT token_version FROM users WHERE id = $1`, u.id); v != n {
			t.Errorf("%d changes made token_version %d", n, v)
		}
		if got := s.actions(u.id); strings.Count(got, "password_changed") != n {
			t.Errorf("%d changes, audited %s", n, got)
		}
	})
	t.Run("deletion and use", func(t *testing.T) {
		for range 5 {
			u := s.user("shop")
			token := s.resetToken("shop", u.email)
			acts := []func() answer{
				func() answer { return s.call("DELETE", "/v1/users/me", u.access, nil) },
				func() answer { return s.call("DELETE", "/v1/users/me", u.access, nil) },
				func() answer { return s.me(u.access) },
				func() answer { return s.refresh("shop", u.refresh) },
				func() answer { return s.login("shop", u.email, password) },
				func() answer { return s.call("PATCH", "/v1/users/me", u.access, object{"email": "new-" + u.email}) },
				func() answer { return s.post("/v1/auth/revoke", object{"token": u.access}) },
				func() answer { return s.post("/v1/auth/logout", object{"refreshToken": u.access}) },
				func() answer { return s.post("/v1/auth/logout-all", object{"refreshToken": u.refresh}) },
				func() answer {
					return s.post("/v1/auth/request-password-reset", object{"email": u.email, "appId": "shop"})
				},
				func() answer {
					return s.post("/v1/auth/reset-password", object{"token": token, "newPassword": another})
				},
				func() answer { return s.recognised(u.access) },
			}
			only(t, "use", together(len(acts), func(i int) answer { return acts[i]() }), 200, 400, 401, 403, 404)
			if s.count(`SELECT count(*) FROM users WHERE id = $1`, u.id) == 0 {
				for _, table := range []string{"refresh_tokens", "revoked_jti", "email_tokens"} {
					if n := s.count(`SELECT count(*) FROM `+table+` WHERE user_id = $1`, u.id); n != 0 {
						t.Errorf("%d rows left in %s", n, table)
					}
				}
				if s.me(u.access).status != 401 || s.active(u.access) || s.active(u.refresh) {
					t.Error("the deleted user is still somebody")
				}
			}
		}
	})
	t.Run("two administrators delete themselves", func(t *testing.T) {
		a, b := s.user("two", "role = 'admin'"), s.user("two", "role = 'admin'")
		n := only(t, "delete", together(2, func(i int) answer { return s.call("DELETE", "/v1/users/me", []*user{a, b}[i].access, nil) }), 200, 409)
		if n[200] != 1 || s.count(`SELECT count(*) FROM users WHERE app_id = 'two'`) != 1 {
			t.Errorf("answers %v", n)
		}
	})
	t.Run("one address for two users", func(t *testing.T) {
		a, b := s.user("shop"), s.user("shop")
		n := only(t, "PATCH", together(2, func(i int) answer {
			return s.call("PATCH", "/v1/users/me", []*user{a, b}[i].access, object{"email": "wanted@example.com"})
		}), 200, 409)
		if n[200] != 1 {
			t.Errorf("answers %v", n)
		}
	})
	t.Run("an app is made by 20 first uses at once", func(t *testing.T) {
		only(t, "first use", together(20, func(i int) answer { return s.login("brand-new", "nobody@example.com", wrong) }), 401, 429, 503)
		if s.count(`SELECT count(*) FROM apps WHERE id = 'brand-new'`) != 1 {
			t.Error("not made")
		}
	})
}

// meeting makes two acts meet at a point that chance rarely finds: it holds the row of a user in a transaction of its own,
// starts the acts one after the other until each waits for a lock, and then lets go.
func (s *replica) meeting(t *testing.T, sql, id string, acts ...func() answer) []answer {
	t.Helper()
	tx, err := s.sql.BeginTx(t.Context(), pgx.TxOptions{})
	must(t, err)
	defer tx.Rollback(context.Background()) // after the commit it is over
	_, err = tx.Exec(t.Context(), sql, id)
	must(t, err)
	answers := make([]chan answer, len(acts))
	for i, act := range acts {
		answers[i] = make(chan answer, 1)
		go func() { answers[i] <- act() }()
		eventually(t, "the act waits", func() bool {
			return s.count(`SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`) > i || len(answers[i]) > 0
		})
	}
	must(t, tx.Commit(t.Context()))
	var all []answer
	for _, c := range answers {
		all = append(all, <-c)
	}
	return all
}

// TestActsMeetADeletion: the user is there when the act begins and gone when it gets to the row.
func TestActsMeetADeletion(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for name, c := range map[string]struct {
		act    func(u *user) answer
		status int
		code   string
	}{
		"login":                  {func(u *user) answer { return s.login("shop", u.email, password) }, 401, "invalid_credentials"},
		"refresh":                {func(u *user) answer { return s.refresh("shop", u.refresh) }, 401, "invalid_grant"},
		"logout":                 {func(u *user) answer { return s.post("/v1/auth/logout", object{"refreshToken": u.refresh}) }, 200, ""},
		"logout by access token": {func(u *user) answer { return s.post("/v1/auth/logout", object{"refreshToken": u.access}) }, 200, ""},
		"logout-all":             {func(u *user) answer { return s.post("/v1/auth/logout-all", object{"refreshToken": u.refresh}) }, 401, "invalid_grant"},
		"revoke":                 {func(u *user) answer { return s.post("/v1/auth/revoke", object{"token": u.access}) }, 200, ""},
		"revoke a session":       {func(u *user) answer { return s.post("/v1/auth/revoke", object{"token": u.refresh}) }, 200, ""},
		"change e-mail": {func(u *user) answer {
			return s.call("PATCH", "/v1/users/me", u.access, object{"email": "new-" + u.email})
		}, 404, "not_found"},
		"change password": {func(u *user) answer {
			return s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": password, "newPassword": another})
		}, 404, "not_found"},
		"delete":         {func(u *user) answer { return s.call("DELETE", "/v1/users/me", u.access, nil) }, 404, "not_found"},
		"end a session":  {func(u *user) answer { return s.call("DELETE", "/v1/users/me/sessions/"+u.sid, u.access, nil) }, 404, "not_found"},
		"end the others": {func(u *user) answer { return s.call("DELETE", "/v1/users/me/sessions", u.access, nil) }, 200, ""},
		"ask for a reset": {func(u *user) answer {
			return s.post("/v1/auth/request-password-reset", object{"email": u.email, "appId": "shop"})
		}, 200, ""},
		"reset": {func(u *user) answer {
			return s.post("/v1/auth/reset-password", object{"token": u.reset, "newPassword": another})
		}, 400, "bad_request"},
		"verify": {func(u *user) answer { return s.post("/v1/auth/verify-email", object{"token": u.verify}) }, 400, "bad_request"},
	} {
		u := s.user("shop", "email_verified = false")
		switch name {
		case "reset":
			u.reset = s.resetToken("shop", u.email)
		case "verify":
			u.verify = s.verifyToken("shop", u.email)
		}
		a := s.meeting(t, `DELETE FROM users WHERE id = $1`, u.id, func() answer { return c.act(u) })[0]
		if a.status != c.status || c.code != "" && a.code() != c.code {
			t.Errorf("%s: got %d %s, want %d %s", name, a.status, a.raw, c.status, c.code)
		}
	}
}

// TestActsTakeLocksInOneOrder: of two acts that need the same user and link, one waits for the other; neither is a deadlock's
// victim.
func TestActsTakeLocksInOneOrder(t *testing.T) {
	t.Parallel()
	s := setup(t)
	changeEmail := func(u *user) answer {
		return s.call("PATCH", "/v1/users/me", u.access, object{"email": "new-" + u.email})
	}
	changePassword := func(u *user) answer {
		return s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": password, "newPassword": another})
	}
	remove := func(u *user) answer { return s.call("DELETE", "/v1/users/me", u.access, nil) }
	verify := func(u *user) answer { return s.post("/v1/auth/verify-email", object{"token": u.verify}) }
	reset := func(u *user) answer {
		return s.post("/v1/auth/reset-password", object{"token": u.reset, "newPassword": another + "2"})
	}
	for name, c := range map[string][2]func(*user) answer{
		"e-mail change, verification": {changeEmail, verify}, "verification, e-mail change": {verify, changeEmail},
		"password change, reset": {changePassword, reset}, "reset, password change": {reset, changePassword},
		"deletion, reset": {remove, reset}, "deletion, verification": {remove, verify}, "reset, deletion": {reset, remove},
	} {
		u := s.user("shop", "email_verified = false")
		u.reset, u.verify = s.resetToken("shop", u.email), s.verifyToken("shop", u.email)
		all := s.meeting(t, `SELECT 1 FROM users WHERE id = $1 FOR UPDATE`, u.id, func() answer { return c[0](u) }, func() answer { return c[1](u) })
		if all[0].status != 200 {
			t.Errorf("%s: the first got %d %s", name, all[0].status, all[0].raw)
		}
		only(t, name, all[1:], 200, 400, 401, 404)
	}
}
