package auth

import (
	"context"
	"strings"
	"unicode"

	"golang.org/x/crypto/bcrypt"
)

// bcryptMax is how many bytes of a password bcrypt looks at.
const bcryptMax = 72

// verifyLegacy compares a password with a bcrypt hash of the predecessor ($2a$, $2b$, $2y$). Accounts made over its HTTP
// API hashed a rewritten password, those made by its command line the password itself (legacy-import.md §2.3).
func (h *hasher) verifyLegacy(ctx context.Context, password, stored string) (ok bool, err error) {
	candidates := []string{password}
	if r := rewritten(password); r != password {
		candidates = append(candidates, r)
	}
	err = h.run(ctx, func() {
		for _, c := range candidates {
			b := []byte(c)
			if len(b) > bcryptMax {
				b = b[:bcryptMax]
			}
			ok = ok || bcrypt.CompareHashAndPassword([]byte(stored), b) == nil
		}
	})
	return ok, err
}

var rewriting = strings.NewReplacer("&", "&amp;", `"`, "&quot;", "'", "&#x27;", "<", "&lt;", ">", "&gt;", "/", "&#x2F;", `\`, "&#x5C;", "`", "&#96;")

// rewritten is what the predecessor made of a password before it hashed it: trimmed, without control characters, and
// HTML-escaped. The replacements are simultaneous, which is the same as ampersand first, then the others.
func rewritten(password string) string {
	trimmed := strings.TrimFunc(password, func(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' })
	return rewriting.Replace(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7F {
			return -1
		}
		return r
	}, trimmed))
}
