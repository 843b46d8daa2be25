package e2e_test

import (
	"strings"
	"testing"
)

// lookalikes of ann@example.com and of the app shop, which other programs take for the same.
var (
	lookalikes = map[string]string{
		"a Cyrillic a":             "\u0430nn@example.com",
		"full width":               "\uff41nn@example.com",
		"a full width at":          "ann\uff20example.com",
		"a full width stop":        "ann@example\uff0ecom",
		"an ideographic stop":      "ann@example\u3002com",
		"a zero width space":       "a\u200bnn@example.com",
		"a zero width joiner":      "ann\u200d@example.com",
		"a soft hyphen":            "an\u00adn@example.com",
		"a combining mark":         "a\u0301nn@example.com",
		"the mark's composed form": "\u00e1nn@example.com",
		"right to left":            "\u202enna@example.com",
		"a byte order mark inside": "an\ufeffn@example.com",
		"the null character":       "ann\x00@example.com",
		"a comment":                "ann(x)@example.com",
		"a quoted local part":      `"ann"@example.com`,
		"an encoded word":          "=?utf-8?q?ann?=@example.com",
		"two addresses":            "ann@example.com,eve@evil.example",
		"a name before it":         "Ann <ann@example.com>",
		"a line after it":          "ann@example.com\nBcc: eve@evil.example",
		"another at":               "ann@example.com@evil.example",
		"a stop at the end":        "ann@example.com.",
		"percent":                  "ann%40example.com",
		"mathematical letters":     "\U0001d41ann@example.com",
		"a long s":                 "ann@example.com\u017f",
	}
	appLookalikes = []string{"\u0455hop", "\uff53hop", "sh\u200bop", "sho\u0301p", "shop\x00", "shop ", " shop", "shop\n", "s\u043eop", "shop/", "../shop", "shop%00", "\u017fhop", "shop\u202e", "shop'"}
)

// TestNamesThatLookAlikeAreNotAlike: no spelling reaches another's account or app but the ones that the contract says are one
// (letters of ASCII in the other case, and space around it).
func TestNamesThatLookAlikeAreNotAlike(t *testing.T) {
	t.Parallel()
	s := setup(t)
	id, _ := s.account("shop")
	const email = "ann@example.com"
	s.exec(`UPDATE users SET email = $2 WHERE id = $1`, id, email)
	u := s.signIn("shop", id, email)
	before := s.count(`SELECT count(*) FROM users`)
	for _, other := range lookalikes {
		for path, body := range map[string]object{
			"login": {"password": password}, "register": {"password": password}, "request-password-reset": {}, "resend-verification": {},
		} {
			a := s.post("/v1/auth/"+path, changed(body, "email", other, "appId", "shop"))
			a.want(t, 400, "validation_error")
		}
		s.call("PATCH", "/v1/users/me", u.access, object{"email": other, "currentPassword": password}).want(t, 400, "validation_error")
	}
	// Addresses that are another's by every rule, and only look alike.
	for _, other := range []string{"ann+1@example.com", "a.nn@example.com", "ann@example.com.evil.example", "xn--nn-6db@example.com", "ann@xn--exmple-cua.com"} {
		if a := s.login("shop", other, password); a.status != 401 {
			t.Errorf("%s signs in: %s", other, a.raw)
		}
	}
	for _, same := range []string{"ANN@EXAMPLE.COM", "  Ann@Example.com\t"} {
		s.login("shop", same, password).want(t, 200, "")
		s.register("shop", same, password).want(t, 409, "user_exists")
	}
	s.post("/v1/auth/request-password-reset", object{"email": "Ann@Example.com", "appId": "shop"}).want(t, 200, "")
	if letters := s.mails(email); len(letters) != 1 { // to the address as it is stored
		t.Errorf("%d mails", len(letters))
	}
	if n := s.count(`SELECT count(*) FROM mails WHERE recipient <> $1`, email); n != 0 {
		t.Errorf("%d mails to other spellings", n)
	}

	for _, app := range appLookalikes {
		for path, body := range map[string]object{"login": {"password": password}, "register": {"password": password}, "request-password-reset": {}} {
			s.post("/v1/auth/"+path, changed(body, "email", email, "appId", app)).want(t, 400, "validation_error")
		}
		s.post("/v1/auth/refresh", object{"refreshToken": u.refresh, "appId": app}).want(t, 400, "validation_error")
	}
	for _, app := range []string{"SHOP", "Shop", "sh0p"} { // other apps
		s.login(app, email, password).want(t, 401, "invalid_credentials")
		s.post("/v1/auth/refresh", object{"refreshToken": u.refresh, "appId": app}).want(t, 401, "invalid_grant")
	}
	if now := s.count(`SELECT count(*) FROM users`); now != before {
		t.Errorf("%d users became %d", before, now)
	}
	if apps := one[string](s.world, `SELECT string_agg(id, ' ' ORDER BY id) FROM apps WHERE id ILIKE 's%p'`); strings.ContainsAny(apps, "\u0455\uff53\x00") {
		t.Errorf("apps %s", apps)
	}
	s.me(u.access).want(t, 200, "")
	s.refresh("shop", u.refresh).want(t, 200, "")
}
