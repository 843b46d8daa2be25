package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/auth"
	"turkey/internal/oidc"
)

func TestParallelFirstRequestsMakeOneUser(t *testing.T) {
	t.Parallel()
	clerk := newElsewhere(t, clerkKeys()[0])
	clerk.profile.Store(`{"id":"ID","first_name":"Ada","last_name":"Lovelace","primary_email_address_id":"a","email_addresses":[{"id":"a","email_address":"Ada@Example.com","verification":{"status":"verified"}}]}`)
	s := setup(t, taking(t, func(c *oidc.Config) {
		c.Clerk = oidc.ClerkConfig{Key: clerkPEM(t), Secret: clerkSecret, API: clerk.url}
	}))
	other := s.again()
	token := clerkToken(t, "user_2Race")
	for status, n := range statuses(together(50, func(i int) answer {
		if i%2 == 0 {
			return other.recognised(token)
		}
		return s.recognised(token)
	})) {
		if status != 200 {
			t.Errorf("%d answers are %d", n, status)
		}
	}
	if n := clerk.asked.Load(); n < 1 || n > 2 { // one per server
		t.Errorf("Clerk was asked %d times", n)
	}
	got := s.foreigner("user_2Race")
	if n := s.count(`SELECT count(*) FROM users WHERE app_id = 'clerk'`); n != 1 || got.email != "ada@example.com" {
		t.Errorf("%d users, %+v", n, got)
	}
	if n := s.count(`SELECT count(*) FROM users WHERE id = $1 AND email_verified AND name = 'Ada Lovelace'`, got.id); n != 1 || s.actions(got.id) != "user_created" {
		t.Errorf("name, verification or audit (%s) is wrong", s.actions(got.id))
	}
}

// TestAnAddressIdentifiesNobody is about takeover: whoever has an address elsewhere gets no account that has it here.
func TestAnAddressIdentifiesNobody(t *testing.T) {
	t.Parallel()
	a, b := newElsewhere(t, clerkKeys()[0]), newElsewhere(t, clerkKeys()[1])
	s := setup(t, taking(t, func(c *oidc.Config) {
		c.Clerk.Key = clerkPEM(t)
		c.Issuers = []oidc.Issuer{{Issuer: a.url, Audience: "turkey", App: "shop"}, {Issuer: b.url, JWKS: b.url + "/.well-known/jwks.json", Audience: "turkey", App: "shop"}}
	}))
	victim := s.user("shop")
	s.call("POST", "/api/credentials/save", victim.access, guideCredential("the victim's")).want(t, 201, "")
	for _, token := range []string{a.token("sub-1", "email", victim.email, "email_verified", true), b.token("sub-1", "email", strings.ToUpper(victim.email)), clerkToken(t, "sub-1", "email", victim.email)} {
		if a := s.recognised(token).want(t, 200, ""); a.at("credentials", 0) != nil {
			t.Errorf("it sees the victim's credentials: %s", a.raw)
		}
	}
	if n := s.count(`SELECT count(DISTINCT user_id) FROM user_identities WHERE subject = 'sub-1' AND email = $1`, victim.email); n != 3 {
		t.Errorf("%d users of one subject at three issuers", n)
	}
	if n := s.count(`SELECT count(*) FROM users WHERE email = $1`, victim.email); n != 2 { // the victim, and the one of the app clerk
		t.Errorf("%d users have the address", n)
	}
	for name, c := range map[string]struct{ token, sub, email string }{
		"claimed":       {a.token("Sub-2", "email", "New@Example.com"), "Sub-2", "new@example.com"},
		"not proven":    {a.token("Sub-3", "email", "unproven@example.com", "email_verified", false), "Sub-3", "sub-3@127.0.0.1.invalid"},
		"none":          {a.token("sub-4"), "sub-4", "sub-4@127.0.0.1.invalid"},
		"no address":    {a.token("sub-5", "email", "nobody"), "sub-5", "sub-5@127.0.0.1.invalid"},
		"a sub in case": {a.token("SUB-4"), "SUB-4", "ID@127.0.0.1.invalid"},
		"an odd sub":    {a.token("auth0|Ä b@c"), "auth0|Ä b@c", "ID@127.0.0.1.invalid"},
		"a long sub":    {a.token(strings.Repeat("Ü", 255)), strings.Repeat("Ü", 255), "ID@127.0.0.1.invalid"},
	} {
		if name == "a sub in case" { // sub-4 has its address already
			s.recognised(a.token("sub-4")).want(t, 200, "")
		}
		s.recognised(c.token).want(t, 200, "")
		got := s.foreigner(c.sub)
		if got.app != "shop" || got.email != strings.Replace(c.email, "ID", got.id, 1) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	s.recognised(a.token("sub-6", "aud", "another")).want(t, 401, "AUTH_FAILED")
	s.recognised(a.token("sub-6", "iss", b.url)).want(t, 401, "AUTH_FAILED")
}

func TestSuspendedForeignUsersAreRefusedWithinASecond(t *testing.T) {
	t.Parallel()
	s := setup(t, clerkByKey(t))
	other := s.again()
	token := clerkToken(t, "user_2Bad")
	s.recognised(token).want(t, 200, "")
	other.recognised(token).want(t, 200, "")
	id := uuid.MustParse(s.foreigner("user_2Bad").id)
	ctx := auth.AsOperator(t.Context(), "test", false)
	_, err := s.auth.SuspendUser(ctx, "clerk", id)
	must(t, err)
	at := time.Now()
	if a := s.recognised(token).want(t, 403, "ACCESS_DENIED"); a.text("error") != "This account is suspended" { // told before the vault is asked
		t.Error(a.raw)
	}
	for other.recognised(token).status != 403 {
		if time.Since(at) > time.Second {
			t.Fatal("another server lets a suspended user act for more than a second")
		}
	}
	if a := other.call("POST", "/api/credentials/save", token, guideCredential("x")).want(t, 403, "ACCESS_DENIED"); strings.Contains(a.raw, "success") {
		t.Error(a.raw)
	}
	_, err = s.auth.ActivateUser(ctx, "clerk", id)
	must(t, err)
	s.recognised(token).want(t, 200, "")
	s.exec(`UPDATE users SET status = 'deleted' WHERE id = $1`, id)
	s.recognised(token).want(t, 403, "ACCESS_DENIED") // behind the back of the feed: the vault's own statement refuses
	s.exec(`UPDATE users SET status = 'active', role = 'admin', token_version = token_version + 1 WHERE id = $1`, id)
	s.recognised(token).want(t, 200, "")
	_, err = s.auth.RevokeApp(ctx, "clerk", "test")
	must(t, err)
	s.recognised(clerkToken(t, "user_2Bad", "iat", time.Now().Unix()-30)).want(t, 401, "AUTH_FAILED")
	s.recognised(clerkToken(t, "user_2Bad", "iat", time.Now().Unix()+2)).want(t, 200, "")
}

// TestForeignUsersHaveNoPassword tries every way to one.
func TestForeignUsersHaveNoPassword(t *testing.T) {
	t.Parallel()
	s := setup(t, clerkByKey(t))
	s.recognised(clerkToken(t, "user_2Pw", "email", "ada@example.com")).want(t, 200, "")
	id := uuid.MustParse(s.foreigner("user_2Pw").id)
	for _, guess := range []string{"!", password, "null"} {
		s.login("clerk", "ada@example.com", guess).want(t, 401, "invalid_credentials")
	}
	s.post("/v1/auth/request-password-reset", object{"email": "ada@example.com", "appId": "clerk"}).want(t, 200, "")
	// A mail that was written before must not become a link either.
	mail := one[string](s.world, `INSERT INTO mails (app_id, user_id, kind, recipient) VALUES ('clerk', $1, 'reset_password', 'ada@example.com') RETURNING id::text`, id)
	s.exec(`INSERT INTO river.river_job (kind, args, max_attempts) VALUES ('mail', jsonb_build_object('mail', $1::text), 12)`, mail)
	ctx := auth.AsOperator(t.Context(), "test", false)
	if _, err := s.auth.AskForNewPassword(ctx, "clerk", id); err == nil || !strings.Contains(err.Error(), "no password to reset") {
		t.Errorf("asked by an administrator: %v", err)
	}
	// Users whom an administrator made without a password do get their link.
	_, err := s.auth.AddUser(ctx, "clerk", auth.NewUser{Email: "bob@example.com", Role: "user", Verified: true})
	must(t, err)
	s.last("bob@example.com", resetSubject)
	s.resetToken("clerk", "bob@example.com")
	if got := s.mails("ada@example.com"); len(got) != 0 {
		t.Errorf("mails: %+v", got)
	}
	if n := s.count(`SELECT count(*) FROM mails WHERE user_id = $1`, id); n != 1 { // the one that was written before
		t.Errorf("%d mails were written", n)
	}
	if n := s.count(`SELECT count(*) FROM email_tokens WHERE user_id = $1`, id); n != 0 {
		t.Errorf("%d links were made", n)
	}
}

func TestIdentities(t *testing.T) {
	t.Parallel()
	idp := newElsewhere(t, clerkKeys()[1])
	s := setup(t, taking(t, func(c *oidc.Config) {
		c.Clerk.Key = clerkPEM(t)
		c.Issuers = []oidc.Issuer{{Issuer: idp.url, Audience: "turkey", App: "shop"}}
	}))
	other := s.again()
	token := idp.token("sub-1", "email", "ada@example.com")
	s.recognised(token).want(t, 200, "")
	first := s.foreigner("sub-1")
	// With a password of its own, which only an operator can set, the user has tokens of ours as well.
	_, err := s.auth.SetUserPassword(auth.AsOperator(t.Context(), "test", false), "shop", uuid.MustParse(first.id), password)
	must(t, err)
	ada := s.signIn("shop", first.id, "ada@example.com")
	if a := s.recognised(token).want(t, 200, ""); a.at("credentials", 0) != nil {
		t.Error(a.raw)
	}
	s.call("POST", "/api/credentials/save", ada.access, guideCredential("hers")).want(t, 201, "")
	if a := other.recognised(token).want(t, 200, ""); a.text("credentials", 0, "name") != "hers" {
		t.Errorf("token and identity are not one user: %s", a.raw)
	}
	a := s.get("/v1/users/me/identities", ada.access).want(t, 200, "")
	identity := a.text("data", 0, "id")
	if a.text("data", 0, "issuer") != idp.url || a.text("data", 0, "subject") != "sub-1" || a.text("data", 0, "email") != "ada@example.com" || a.text("data", 0, "createdAt") == "" ||
		a.text("data", 0, "lastSeenAt") == "" || a.at("data", 1) != nil || !strings.Contains(a.raw, `"nextCursor":null`) {
		t.Error(a.raw)
	}
	if a := s.call("POST", "/v1/users/me/export", ada.access, "{}").want(t, 200, ""); !strings.Contains(a.raw, `"subject":"sub-1"`) {
		t.Errorf("the export does not tell it: %s", a.raw)
	}
	u, err := s.auth.UserOf(t.Context(), "shop", uuid.MustParse(first.id))
	must(t, err)
	if len(u.Identities) != 1 || u.Identities[0].Subject != "sub-1" {
		t.Errorf("administrators see %+v", u.Identities)
	}
	eve := s.user("shop")
	if a := s.get("/v1/users/me/identities", eve.access).want(t, 200, ""); !strings.Contains(a.raw, `"data":[]`) {
		t.Error(a.raw)
	}
	remove := func(token, id string) answer {
		return s.call("DELETE", "/v1/users/me/identities/"+id, token, nil)
	}
	remove(eve.access, identity).want(t, 404, "not_found")
	remove(ada.access, uuid.NewString()).want(t, 404, "not_found")
	remove(ada.access, "junk").want(t, 404, "not_found")
	remove(token, identity).want(t, 401, "")
	s.exec(`UPDATE users SET password_hash = '!' WHERE id = $1`, first.id)
	if a := remove(ada.access, identity).want(t, 409, "last_identity"); !strings.Contains(a.text("message"), "only way left to sign in") {
		t.Error(a.raw)
	}
	// Of two identities one may go, and of two requests at once one goes.
	s.exec(`INSERT INTO user_identities (app_id, issuer, subject, user_id) VALUES ('shop', 'https://old.example.com', 'x', $1)`, first.id)
	second := one[string](s.world, `SELECT id::text FROM user_identities WHERE subject = 'x'`)
	if n := statuses(together(2, func(i int) answer { return remove(ada.access, []string{identity, second}[i]) })); n[200] != 1 || n[409] != 1 {
		t.Errorf("both at once: %v", n)
	}
	s.exec(`UPDATE users SET password_hash = $2 WHERE id = $1`, first.id, cheapHash())
	left := one[string](s.world, `SELECT id::text FROM user_identities WHERE user_id = $1`, first.id)
	remove(ada.access, left).want(t, 200, "")
	removed := time.Now()
	for !strings.Contains(other.recognised(token).raw, `"credentials":[]`) { // what the other server remembered ends
		if time.Since(removed) > time.Second {
			t.Fatal("a removed identity leads to the account for more than a second")
		}
	}
	if now := s.foreigner("sub-1"); now.id == first.id || now.email != "sub-1@127.0.0.1.invalid" {
		t.Errorf("%+v", now)
	}
	if got := s.actions(first.id); strings.Count(got, "identity_removed") != 2 {
		t.Errorf("audit: %s", got)
	}
}

// TestUsersOfAnImportAreFound: identities of Clerk that came without an issuer's name are the same people, once.
func TestUsersOfAnImportAreFound(t *testing.T) {
	t.Parallel()
	idp := newElsewhere(t, clerkKeys()[1])
	s := setup(t, taking(t, func(c *oidc.Config) {
		c.Clerk.Key = clerkPEM(t)
		c.Issuers = []oidc.Issuer{{Issuer: idp.url, Audience: "turkey", App: "clerk"}}
	}))
	id, _ := s.account("clerk", "password_hash = '!'")
	s.exec(`INSERT INTO user_identities (app_id, issuer, subject, user_id) VALUES ('clerk', 'clerk', 'user_2Old', $1)`, id)
	s.recognised(idp.token("user_2Old")).want(t, 200, "") // in the same app, but not Clerk
	if n := s.count(`SELECT count(*) FROM user_identities WHERE subject = 'user_2Old' AND user_id <> $1 AND issuer = $2`, id, idp.url); n != 1 {
		t.Error("another issuer is taken for Clerk")
	}
	s.exec(`DELETE FROM user_identities WHERE user_id <> $1`, id)
	s.recognised(clerkToken(t, "user_2Old")).want(t, 200, "")
	if got := s.foreigner("user_2Old"); got.id != id || got.issuer != clerkIssuer {
		t.Errorf("%+v, want %s", got, id)
	}
}

func TestWhenAnIdentityWasLastSeen(t *testing.T) {
	t.Parallel()
	s := setup(t, clerkByKey(t))
	token := clerkToken(t, "user_2Seen")
	s.recognised(token).want(t, 200, "")
	seen := func(ago string) bool {
		s.exec(`UPDATE user_identities SET last_seen_at = now() - $1::interval`, ago)
		s.again().recognised(token).want(t, 200, "") // a server that remembers nothing
		return s.count(`SELECT count(*) FROM user_identities WHERE last_seen_at > now() - interval '1 minute'`) == 1
	}
	if seen("59 minutes") || !seen("61 minutes") {
		t.Error("it is written at most once an hour, and no less")
	}
}
