package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestActsOfOtherHalvesMeet: races of two acts beyond those of one account. Each happens whole or not at all.
func TestActsOfOtherHalvesMeet(t *testing.T) {
	t.Parallel()
	s := setup(t)
	b := s.again()
	either := func(i int) *replica { return []*replica{s, b}[i%2] }

	t.Run("a credential is enabled and deleted", func(t *testing.T) {
		for round := range 6 {
			h := s.holder()
			first, second := h.saved("google_sheets", "First", pasted(1)), h.saved("google_sheets", "Second", pasted(2))
			all := together(6, func(i int) answer {
				id := []int64{first, second}[i%2]
				if i >= 4 {
					return either(i).call("DELETE", fmt.Sprintf("/api/credentials/%d", id), h.access, nil)
				}
				return either(i).call("POST", "/api/services/google_sheets/enable", h.access, object{"credentialId": id})
			})
			only(t, "enable", all[:4], 200, 404, 409)
			only(t, "delete", all[4:], 200, 404)
			// A service that is enabled is so with a credential that is there.
			live := map[string]bool{}
			list := h.do("GET", "/api/credentials/list", nil).want(t, 200, "")
			for i := range list.at("credentials").([]any) {
				live[fmt.Sprint(list.at("credentials", i, "id"))] = true
			}
			states := h.do("GET", "/api/services", nil).want(t, 200, "")
			for i := range states.at("services").([]any) {
				if id := states.at("services", i, "credential", "id"); states.at("services", i, "enabled") == true && !live[fmt.Sprint(id)] {
					t.Fatalf("round %d: enabled with %v of %v", round, id, live)
				}
			}
		}
	})

	t.Run("keys are rotated while tokens are made", func(t *testing.T) {
		u, operator := s.user("shop"), s.user("default-app", "role = 'admin'")
		var emails []string // of one account few sign-ins are judged at a time
		for range 12 {
			_, email := s.account("shop")
			emails = append(emails, email)
		}
		all := together(12, func(i int) answer {
			if i%4 == 0 {
				return either(i).call("POST", "/v1/admin/keys/rotate", operator.access, object{"keepOld": true})
			}
			return either(i).login("shop", emails[i], password)
		})
		for i, a := range all {
			if a.status == 503 {
				continue // the short queue of password hashes
			}
			a.want(t, 200, "")
			access := a.text("data", "accessToken")
			if i%4 == 0 {
				continue
			}
			for _, r := range []*replica{s, b} { // on both, from the first moment
				if got := r.me(access); got.status != 200 {
					t.Errorf("a token made during a rotation: %d %s", got.status, got.raw)
				}
			}
		}
		s.me(u.access).want(t, 200, "") // and the tokens from before
	})

	t.Run("tokens are revoked and refreshed", func(t *testing.T) {
		operator := s.user("default-app", "role = 'admin'")
		for range 4 {
			u := s.user("shop")
			all := together(5, func(i int) answer {
				if i == 0 {
					return either(i).call("POST", "/v1/admin/revocations", operator.access, object{"kind": "session", "subject": u.sid})
				}
				return either(i).refresh("shop", u.refresh)
			})
			all[0].want(t, 201, "")
			only(t, "refresh", all[1:], 200, 401)
			for _, a := range append(all[1:], answer{body: object{"data": object{"accessToken": u.access, "refreshToken": u.refresh}}}) {
				if token := a.text("data", "refreshToken"); token != "" {
					s.refresh("shop", token).want(t, 401, "invalid_grant")
				}
				if token := a.text("data", "accessToken"); token != "" && s.me(token).status != 401 {
					t.Error("an access token outlived its session")
				}
			}
		}
	})

	t.Run("two administrators demote each other", func(t *testing.T) {
		for range 3 {
			app := fmt.Sprintf("duel-%d", s.users.Add(1))
			one, other := s.user(app, "role = 'admin'"), s.user(app, "role = 'admin'")
			all := together(2, func(i int) answer {
				by, whom := one, other
				if i == 1 {
					by, whom = other, one
				}
				return either(i).call("PUT", "/v1/admin/apps/"+app+"/users/"+whom.id+"/role", by.access, object{"role": "user"})
			})
			only(t, "demote", all, 200, 401, 403, 409)
			if n := s.count(`SELECT count(*) FROM users WHERE app_id = $1 AND role = 'admin'`, app); n != 1 {
				var said []string
				for _, a := range all {
					said = append(said, a.raw)
				}
				t.Errorf("%d administrators are left: %s", n, strings.Join(said, "\n"))
			}
		}
	})
}
