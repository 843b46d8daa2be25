package e2e_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// matrix plays one act for all callers, the owner last.
func (d *deployment) matrix(t *testing.T, o operation, a act) {
	of := d.tenant(t, a)
	eventually(t, "the owner has all mails", func() bool {
		return d.count(`SELECT count(*) FROM mails WHERE user_id = $1 AND sent_at IS NULL`, of.owner.id) == 0
	})
	before := of.rows()
	if n := strings.Count(before, planted); n < 10 {
		t.Fatalf("the owner has too little to lose: %s", before)
	}
	d.withoutRight(t, of, o, a)
	if o.admin {
		d.administration(t, of, o, a)
	} else {
		d.others(t, of, o, a)
	}
	if lines := differing(before, of.rows()); len(lines) > 0 {
		t.Errorf("rows of the owner were changed by others:\n%s", strings.Join(lines, "\n"))
	}
	if o.admin {
		d.administrators(t, of, o, a)
		return
	}
	key := set("Idempotency-Key", "of-the-owner")
	own(t, a, of.send(t, o, a, of.owner.access, key))
	again := of.send(t, o, a, of.eve.access, key)
	if again.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("another user got the owner's answer: %s", again.raw)
	}
	foreign(t, "another user with the owner's Idempotency-Key", again)
}

var marked = regexp.MustCompile(planted + "|" + figure)

// own checks the answer to whoever has the right.
func own(t *testing.T, a act, got answer) {
	t.Helper()
	if got.status != a.want {
		t.Errorf("the owner gets %d, want %d: %s", got.status, a.want, got.raw)
	}
	if a.shows && !marked.MatchString(got.raw) {
		t.Errorf("the owner does not see what is theirs: %s", got.raw)
	}
}

// foreign checks that an answer tells nothing of the owner.
func foreign(t *testing.T, who string, got answer) {
	t.Helper()
	if marked.MatchString(got.raw + fmt.Sprint(got.header)) {
		t.Errorf("%s is told: %v %s", who, got.header, got.raw)
	}
	if got.status >= 500 {
		t.Errorf("%s gets %d: %s", who, got.status, got.raw)
	}
}

// said is an answer of one half to a token that is none.
type said struct {
	status        int
	code, message string
}

// withoutRight sends the request with everything that is no right, or no longer.
func (d *deployment) withoutRight(t *testing.T, of *tenant, o operation, a act) {
	t.Helper()
	now := time.Now().Unix()
	mine := *d.forger
	mine.claims = payload(t, of.owner.access)
	broken, failed := said{401, "INVALID_TOKEN", "Invalid token"}, said{401, "AUTH_FAILED", "Authentication failed"}
	barred := said{403, "ACCESS_DENIED", "This account may not act"} // by the scope of the first statement
	for name, c := range map[string]struct {
		token   string
		v1, api said
	}{
		"nobody":                       {"", said{401, "missing_token", "Authorization header with Bearer token is required"}, said{401, "MISSING_TOKEN", "Missing authorization token"}},
		"a malformed token":            {"a.malformed.token", said{401, "invalid_token", "Token validation failed"}, broken},
		"a refresh token":              {d.refresh, said{401, "invalid_token", "Token validation failed"}, broken},
		"the owner's token, expired":   {mine.real("iat", now-901, "nbf", now-901, "exp", now-1), said{401, "token_expired", "Token has expired"}, failed},
		"a revoked token":              {d.revoked, said{401, "token_revoked", "Token has been revoked"}, failed},
		"a token from before a ban":    {d.suspended, said{401, "token_expired", "Token version is invalid. Please log in again."}, failed},
		"a user who may not act":       {d.locked, said{403, "forbidden", "This account is suspended"}, barred},
		"somebody who does not exist":  {mine.real("sub", "01900000-0000-7000-8000-000000000000"), said{401, "token_expired", "Token version is invalid. Please log in again."}, barred},
		"the owner, in another's name": {alter(t, of.eve.access, "sub", of.owner.id), said{401, "invalid_signature", "Token signature is invalid"}, failed},
	} {
		want, message := c.v1, "message"
		if strings.HasPrefix(o.path, "/api/") {
			want, message = c.api, "error"
		}
		got := of.send(t, o, a, c.token)
		if got.status != want.status || got.code() != want.code || got.text(message) != want.message || message == "error" && !bare(got.body) {
			t.Errorf("%s gets %d, want %v: %s", name, got.status, want, got.raw)
		}
		foreign(t, name, got)
	}
}

// bare reports whether an error says nothing but what it is; some routes say that it is one.
func bare(body object) bool {
	return len(body) == 2 || len(body) == 3 && body["success"] == false
}

// others send the request with tokens that are good, for what is their own.
func (d *deployment) others(t *testing.T, of *tenant, o operation, a act) {
	t.Helper()
	elsewhere, operator := d.elsewhere.access, d.operator
	if a.other == 0 && o.method != http.MethodGet { // which changes who sends it
		elsewhere, operator = d.person("elsewhere", "role = 'admin'").access, d.person("default-app", "role = 'admin'").access
	}
	for name, c := range map[string]struct {
		token   string
		refused bool // for want of the role
	}{
		"another user of the app":         {of.eve.access, a.admin},
		"an administrator of another app": {elsewhere, false},
		"an operator":                     {operator, false},
	} {
		got := of.send(t, o, a, c.token)
		switch {
		case c.refused:
			got.want(t, 403, "insufficient_permissions")
		case a.other != 0 && got.status != a.other, a.other == 0 && got.status != a.want:
			t.Errorf("%s gets %d: %s", name, got.status, got.raw)
		}
		foreign(t, name, got)
	}
}

// adminKey is a caller with an operator's key.
func adminKey(key string) header { return set("X-Turkey-Admin-Key", key) }

// administration sends a request of administration as those who administer nothing, or something else.
func (d *deployment) administration(t *testing.T, of *tenant, o operation, a act) {
	t.Helper()
	refused := func(name, code, token string, headers ...header) {
		t.Helper()
		got := of.send(t, o, a, token, headers...)
		if got.status != http.StatusForbidden || got.code() != code {
			t.Errorf("%s gets %d, want %s: %s", name, got.status, code, got.raw)
		}
		foreign(t, name, got)
	}
	refused("another user of the app", "insufficient_permissions", of.eve.access)
	refused("an administrator of another app", "insufficient_permissions", d.elsewhere.access)
	refused("a wrong key", "invalid_api_key", "", adminKey(d.adminKey[:len(d.adminKey)-1]))
	refused("no key", "invalid_api_key", "", adminKey("junk"))
	refused("an operator with a wrong key", "invalid_api_key", d.operator, adminKey("junk"))
	if !o.ofApp() {
		refused("the app's administrator", "insufficient_permissions", d.person(of.things["app"], "role = 'admin'").access)
	}
}

// administrators are those who may. Each has a tenant of their own if the request changes something.
func (d *deployment) administrators(t *testing.T, of *tenant, o operation, a act) {
	t.Helper()
	next := func() {
		if o.method != http.MethodGet {
			of = d.tenant(t, a)
		}
	}
	own(t, a, of.send(t, o, a, d.operator))
	next()
	own(t, a, of.send(t, o, a, "", adminKey(d.adminKey)))
	if o.ofApp() {
		next()
		own(t, a, of.send(t, o, a, d.person(of.things["app"], "role = 'admin'").access))
	}
}
