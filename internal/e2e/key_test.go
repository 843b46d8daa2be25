package e2e_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"turkey/internal/auth"
)

// kidOf is the name of the key that signed a token.
func kidOf(t testing.TB, token string) string {
	t.Helper()
	head, err := base64.RawURLEncoding.DecodeString(strings.SplitN(token, ".", 2)[0])
	must(t, err)
	_, rest, _ := strings.Cut(string(head), `"kid":"`)
	kid, _, _ := strings.Cut(rest, `"`)
	return kid
}

// TestARevokedKeyEndsItsTokensEverywhere: on the replica that was told, on one that hears of it, and on one that hears of
// nothing. Nobody is signed out.
func TestARevokedKeyEndsItsTokensEverywhere(t *testing.T) {
	t.Parallel()
	a := setup(t)
	b := a.again()
	deaf := a.again(func(s *settings) { s.direct = "postgresql:///x?host=/nowhere" })
	all := map[string]*replica{"a": a, "b": b, "deaf": deaf}
	a.follows(t)
	for round := range 3 {
		u := a.user("shop")
		old := kidOf(t, u.access)
		for name, s := range all {
			if s.recognised(u.access).want(t, 200, ""); !s.active(u.access) {
				t.Errorf("round %d: %s introspects a live token as inactive", round, name)
			}
		}
		k, successor, err := a.auth.RevokeKey(auth.AsOperator(t.Context(), "test", false), old)
		if err != nil || k.State != auth.KeyRevoked || successor == "" {
			t.Fatalf("%+v, %q, %v", k, successor, err)
		}
		a.recognised(u.access).want(t, 401, "AUTH_FAILED")
		a.me(u.access).want(t, 401, "token_revoked")

		for name, s := range all {
			s.refusedWithin(t, "a revoked key on "+name, u.access, bound)
			s.me(u.access).want(t, 401, "token_revoked")
			if s.active(u.access) {
				t.Errorf("round %d: %s introspects it as active", round, name)
			}
		}

		// The session goes on under the new key, which every replica takes within a moment.
		next := a.refresh("shop", u.refresh).want(t, 200, "").text("data", "accessToken")
		if kidOf(t, next) != successor {
			t.Errorf("round %d: %s signs, want %s", round, kidOf(t, next), successor)
		}
		for name, s := range all {
			eventually(t, name+" takes the new key's token", func() bool { return s.recognised(next).status == 200 })
			if s.me(next).status != 200 || !s.active(next) {
				t.Errorf("round %d: %s refuses the new key's token", round, name)
			}
			if keys := s.get("/.well-known/jwks.json", ""); strings.Contains(keys.raw, old) || !strings.Contains(keys.raw, successor) {
				t.Errorf("round %d: %s publishes %s", round, name, keys.raw)
			}
		}
	}
	if n := a.count(`SELECT count(*) FROM audit WHERE action = 'key_revoked' AND actor = 'test'`); n != 3 {
		t.Errorf("%d times in the audit", n)
	}
}
