package e2e_test

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// bcrypted is a hash of the predecessor: of the first 72 bytes, under either of its names.
func bcrypted(t testing.TB, variant, text string) string {
	t.Helper()
	b := []byte(text)
	b = b[:min(len(b), 72)]
	h, err := bcrypt.GenerateFromPassword(b, bcrypt.MinCost)
	must(t, err)
	return strings.Replace(string(h), "$2a$", variant, 1)
}

// TestImportedPasswords is legacy-import.md §2.3.
func TestImportedPasswords(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const odd, oddRewritten = "A&b\"c'd<e>f/g\\h`i", "A&amp;b&quot;c&#x27;d&lt;e&gt;f&#x2F;g&#x5C;h&#96;i"
	long := strings.Repeat("Aa1!", 20) // 80 bytes
	for _, c := range []struct{ name, variant, hashed, sent, wrong string }{
		{"raw, $2b$", "$2b$", "Simple-Pass-1", "Simple-Pass-1", "Simple-Pass-2"},
		{"raw, $2a$", "$2a$", "Simple-Pass-1", "Simple-Pass-1", "simple-Pass-1"},
		{"raw, $2y$", "$2y$", "Simple-Pass-1", "Simple-Pass-1", "Simple-Pass-1 x"},
		{"rewritten", "$2b$", oddRewritten, odd, "A&b"},
		{"made by the command line, raw", "$2b$", odd, odd, oddRewritten + "x"},
		{"trimmed", "$2b$", "Padded-1!", "\ufeff  Padded-1!\t ", "Padded-1"},
		{"control characters", "$2b$", "Con-trol-1!", "Con-\x01tr\x7fol-1!", "Con-trol"},
		{"short, which the policy would refuse", "$2a$", "abc", "abc", "abd"},
		{"72 bytes of 80", "$2b$", long, long, long[:71]},
		{"72 bytes of a rewritten one", "$2b$", strings.Repeat("&amp;", 20), strings.Repeat("&", 20), strings.Repeat("&", 14)},
		{"cut within a character", "$2a$", "A" + strings.Repeat("ü", 40), "A" + strings.Repeat("ü", 40), "A" + strings.Repeat("ü", 35)},
	} {
		id, email := s.account("shop")
		s.exec(`UPDATE users SET password_hash = $2 WHERE id = $1`, id, bcrypted(t, c.variant, c.hashed))
		stored := func() string { return one[string](s.world, `SELECT password_hash FROM users WHERE id = $1`, id) }
		for _, bad := range []string{c.wrong, stored()} {
			if a := s.login("shop", email, bad); a.status != 401 {
				t.Errorf("%s: %q got in: %d", c.name, bad, a.status)
			}
		}
		if !strings.HasPrefix(stored(), "$2") {
			t.Errorf("%s: a wrong password upgraded the hash", c.name)
		}
		if a := s.login("shop", email, c.sent); a.status != 200 {
			t.Errorf("%s: %d %s", c.name, a.status, a.raw)
			continue
		}
		if !strings.HasPrefix(stored(), "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("%s: not upgraded: %.12s", c.name, stored())
		}
		s.login("shop", email, c.sent).want(t, 200, "") // as it was sent, exactly
		if c.sent != c.hashed {
			s.login("shop", email, c.hashed).want(t, 401, "invalid_credentials")
		}
		if c.sent == long {
			s.login("shop", email, long[:72]).want(t, 401, "invalid_credentials") // every byte counts now
		}
	}
	// currentPassword takes the same two attempts.
	u := s.user("shop")
	s.exec(`UPDATE users SET password_hash = $2 WHERE id = $1`, u.id, bcrypted(t, "$2b$", oddRewritten))
	s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": oddRewritten + "1", "newPassword": another}).want(t, 401, "unauthorized")
	s.call("POST", "/v1/users/change-password", u.access, object{"currentPassword": odd, "newPassword": another}).want(t, 200, "")
	s.login("shop", u.email, another).want(t, 200, "")
	s.login("shop", u.email, odd).want(t, 401, "invalid_credentials")

	// Parallel first logins: every one of them succeeds, and one upgrade stays.
	id, email := s.account("shop")
	s.exec(`UPDATE users SET password_hash = $2 WHERE id = $1`, id, bcrypted(t, "$2b$", "Parallel-1!"))
	only(t, "first logins", together(4, func(int) answer { return s.login("shop", email, "Parallel-1!") }), 200)
	s.login("shop", email, "Parallel-1!").want(t, 200, "")

	// Our own algorithm with other parameters is brought up to date alike, and once.
	id, email = s.account("shop")
	stored := func() string { return one[string](s.world, `SELECT password_hash FROM users WHERE id = $1`, id) }
	s.login("shop", email, wrong).want(t, 401, "invalid_credentials")
	if stored() != cheapHash() {
		t.Errorf("a wrong password changed the hash: %.30s", stored())
	}
	s.login("shop", email, password).want(t, 200, "")
	renewed := stored()
	if !strings.HasPrefix(renewed, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("not brought up to date: %.30s", renewed)
	}
	s.login("shop", email, password).want(t, 200, "")
	if stored() != renewed {
		t.Error("a hash that is up to date was made anew")
	}

	// What is no hash opens nothing.
	for _, broken := range []string{"", "!", "*", "$2b$", "$2b$04$short", "$argon2id$", "$argon2id$v=19$m=0,t=0,p=0$$", "plain"} {
		id, email := s.account("shop")
		s.exec(`UPDATE users SET password_hash = $2 WHERE id = $1`, id, broken)
		for _, guess := range []string{broken + "x", "plain", "!"} {
			s.login("shop", email, guess).want(t, 401, "invalid_credentials")
		}
	}
}
