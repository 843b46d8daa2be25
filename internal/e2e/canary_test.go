package e2e_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// swaps plays, for each table with a text that is sealed under a user's keys, what happens when two rows have each other's.
var swaps = map[string]func(*testing.T){
	"credentials":         swapCredentials,
	"credential_versions": swapVersions,
	"credential_tokens":   swapTokens,
	"webhooks":            swapWebhooks,
}

// TestSwappedRowsDoNotOpen: what is sealed is bound to its row, so whoever can write the database cannot let the server use
// one secret for another. A table that gets a sealed text is covered or is missing here.
func TestSwappedRowsDoNotOpen(t *testing.T) {
	t.Parallel()
	s := setup(t)
	sealed := one[[]string](s.world, `SELECT array_agg(attrelid::regclass::text ORDER BY 1) FROM pg_attribute WHERE attname = 'key_id' AND attgenerated = 's' AND NOT attisdropped`)
	if covered := slices.Sorted(maps.Keys(swaps)); !slices.Equal(covered, slices.Sorted(slices.Values(sealed))) {
		t.Errorf("sealed texts are in %v, swapped are %v", sealed, covered)
	}
	for table, swap := range swaps {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			swap(t)
		})
	}
}

// exchange gives each of two rows the other's sealed text. key tells the rows apart; where chooses them.
func (w *world) exchange(table, column, key, where string, args ...any) {
	w.t.Helper()
	tag, err := w.sql.Exec(w.t.Context(), `WITH r AS (SELECT * FROM `+table+` WHERE `+where+`)
		UPDATE `+table+` a SET `+column+` = b.`+column+` FROM r me, r b WHERE a.ctid = (SELECT x.ctid FROM `+table+` x WHERE x.`+key+` = me.`+key+` AND `+where+`) AND me.`+key+` <> b.`+key, args...)
	must(w.t, err)
	if tag.RowsAffected() != 2 {
		w.t.Fatalf("%d rows of %s were swapped", tag.RowsAffected(), table)
	}
}

// closed checks that a credential does not open, that this is in its audit, and that its owner is told.
func (h *holder) closed(id int64) {
	h.t.Helper()
	before := h.s.count(`SELECT count(*) FROM audit_logs`)
	if a := h.on(id, "POST", "/verify", nil).want(h.t, 500, "SERVICE_ERROR"); a.text("error") != "Failed to decrypt credential" {
		h.t.Errorf("%s", a.raw)
	}
	if got := h.s.audited(id); !strings.HasSuffix(got, "credential_accessed credential_accessed!") || h.s.count(`SELECT count(*) FROM audit_logs`) < before+2 {
		h.t.Errorf("audited %s", got)
	}
	h.healthIs(id, "broken unreadable false")
}

func swapCredentials(t *testing.T) {
	fake, at := fakes(t)
	s := setup(t, at)
	s.broken.Store(true) // 500 is the answer
	ann, bob := s.holder(), s.holder()
	first, theirs := ann.saved("google_sheets", "First", fake.account(s)), bob.saved("google_sheets", "Theirs", fake.account(s))
	opens := func(h *holder, id int64) {
		t.Helper()
		h.on(id, "POST", "/verify", nil).want(t, 200, "")
		h.healthIs(id, "ok <nil> true")
	}
	var calls int64
	silent := func() {
		t.Helper()
		if n := fake.calls.Load() - calls; n != 0 {
			t.Errorf("%d calls of a provider", n)
		}
	}
	opens(ann, first)
	opens(bob, theirs)
	calls = fake.calls.Load()
	s.exchange("credentials", "encrypted_data", "id", "true") // of two users
	ann.closed(first)
	bob.closed(theirs)
	silent()
	s.exchange("credentials", "encrypted_data", "id", "true")
	opens(ann, first)
	opens(bob, theirs)

	second := ann.saved("google_sheets", "Second", fake.account(s))
	calls = fake.calls.Load()
	const hers = "user_id = (SELECT user_no FROM users WHERE id = $1)"
	s.exchange("credentials", "encrypted_data", "id", hers, ann.id) // of one user, under one key
	ann.closed(first)
	ann.closed(second)
	s.exchange("credentials", "encrypted_data", "id", hers, ann.id)
	// The text in its own row, with another of what it is bound to.
	uid := one[string](s.world, `SELECT uid::text FROM credentials WHERE id = $1`, second)
	s.exec(`DELETE FROM service_configs WHERE credential_id = $1`, second) // it follows the service
	for _, change := range []string{"version = 2", "service = 'ga4'", "uid = gen_random_uuid()"} {
		s.exec(`UPDATE credentials SET `+change+` WHERE id = $1`, second)
		ann.closed(second)
		s.exec(`UPDATE credentials SET version = 1, service = 'google_sheets', uid = $2 WHERE id = $1`, second, uid)
	}
	silent()
	opens(ann, second)
}

func swapVersions(t *testing.T) {
	fake, at := fakes(t)
	s := setup(t, at)
	s.broken.Store(true)
	h := s.holder()
	first, second := h.saved("google_sheets", "First", pasted(1)), h.saved("google_sheets", "Second", pasted(2))
	for i, id := range []int64{first, second} {
		h.on(id, "PUT", "", object{"credentialJson": pasted(10 + i)}).want(t, 200, "")
		h.on(id, "PUT", "", object{"credentialJson": fake.account(s)}).want(t, 200, "")
	}
	closed := func(id int64, version string) {
		t.Helper()
		h.on(id, "POST", "/versions/"+version+"/restore", nil).want(t, 500, "SERVICE_ERROR")
		if got := s.audited(id); !strings.HasSuffix(got, "credential_accessed credential_accessed!") {
			t.Errorf("audited %s", got)
		}
	}
	s.exchange("credential_versions", "encrypted_data", "credential_id", "version = 1")
	closed(first, "1")
	closed(second, "1")
	s.exchange("credential_versions", "encrypted_data", "credential_id", "version = 1")
	s.exchange("credential_versions", "encrypted_data", "version", "credential_id = $1", first)
	closed(first, "1")
	closed(first, "2")
	for _, id := range []int64{first, second} { // the present content is as good as before
		h.on(id, "POST", "/verify", nil).want(t, 200, "")
		h.healthIs(id, "ok <nil> true")
	}
	h.on(second, "POST", "/versions/1/restore", nil).want(t, 200, "")
}

func swapTokens(t *testing.T) {
	r, servers := rotating(t)
	s := servers[0]
	h := s.holder()
	var shops []int64
	for _, name := range []string{"One", "Two"} {
		content := r.console(t, "POST", "/_sandbox/shops?kind=expiring", object{})
		for _, secret := range []string{"access_token", "refresh_token", "client_secret"} {
			s.secret(content[secret].(string))
		}
		shops = append(shops, h.saved("shopify", name, content))
	}
	verify := func(want int, code string) {
		t.Helper()
		for _, id := range shops {
			h.on(id, "POST", "/verify", nil).want(t, want, code)
		}
	}
	verify(200, "")
	s.pass(56 * time.Minute)
	h.user = h.more()
	verify(200, "") // now the pair alone holds the refresh token that is good
	if got := s.count(`SELECT count(*) FROM credential_tokens WHERE generation = 2`); got != 2 {
		t.Fatalf("%d pairs", got)
	}
	s.exchange("credential_tokens", "encrypted_data", "credential_id", "true")
	verify(400, "VERIFICATION_FAILED")
	for _, id := range shops {
		h.healthIs(id, "broken reconnect false")
		if got := s.audited(id); !strings.HasSuffix(got, "credential_accessed verification_failed!") {
			t.Errorf("audited %s", got)
		}
	}
	if n := strings.Count(s.log.String(), "the token pair of a credential does not open"); n < 2 {
		t.Errorf("the operator is told %d times", n)
	}
}

func swapWebhooks(t *testing.T) {
	s := setup(t)
	u := s.user("shop")
	hooks := []*hook{listen(t), listen(t)}
	for _, h := range hooks {
		_, secret := u.hook(h)
		s.secret(strings.TrimPrefix(secret, "whsec_"))
	}
	s.exchange("webhooks", "secret", "id", "true")
	s.call("POST", "/api/notifications/test", u.access, nil).want(t, 202, "")
	const closed = `SELECT count(*) FROM webhook_deliveries WHERE error = 'the signing secret could not be opened'`
	eventually(t, "both deliveries fail", func() bool { return s.count(closed) == 2 })
	s.exchange("webhooks", "secret", "id", "true")
	eventually(t, "both are delivered", func() bool {
		s.exec(`UPDATE river.river_job SET scheduled_at = now() WHERE state IN ('retryable', 'scheduled')`)
		return s.count(`SELECT count(*) FROM webhook_deliveries WHERE status = 'delivered'`) == 2
	})
	for _, h := range hooks {
		for _, c := range h.got() {
			if !c.valid {
				t.Error("a message under another webhook's secret")
			}
		}
	}
}

// TestSwappedAddressesAreNotCalled: the sealed address of a chat opens in its own row alone, for its own user.
func TestSwappedAddressesAreNotCalled(t *testing.T) {
	t.Parallel()
	s, h := setup(t), listen(t)
	ann, bob := s.user("shop"), s.user("shop")
	for _, u := range []*user{ann, ann, bob} {
		s.call("POST", "/api/webhooks", u.access, object{"format": "slack", "url": h.URL + "/services/" + s.secret("canary-of-"+u.id)}).want(t, 201, "")
	}
	const closed = `SELECT count(*) FROM webhook_deliveries WHERE error = 'the sealed address could not be opened'`
	// Round and round: each row gets the address of another.
	s.exec(`WITH r AS (SELECT id, secret, row_number() OVER (ORDER BY user_id, id) AS n FROM webhooks)
		UPDATE webhooks w SET secret = b.secret FROM r a JOIN r b ON b.n = a.n % 3 + 1 WHERE w.id = a.id`)
	for _, u := range []*user{ann, bob} {
		s.call("POST", "/api/notifications/test", u.access, nil).want(t, 202, "")
	}
	eventually(t, "no address opens", func() bool { return s.count(closed) == 3 })
	if n := len(h.got()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// TestSwappedAnswersAreNotReplayed: an answer that holds a secret is not told under another Idempotency-Key, of the same user
// or of another.
func TestSwappedAnswersAreNotReplayed(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ann, bob := s.user("shop"), s.user("shop")
	secrets := map[string]bool{}
	send := func(u *user, key string) answer {
		t.Helper()
		return s.call("POST", "/api/webhooks", u.access, object{"url": "https://example.com/hook"}, set("Idempotency-Key", key)).want(t, 201, "")
	}
	for _, first := range []answer{send(ann, "one"), send(ann, "two"), send(bob, "one")} {
		secrets[s.secret(first.text("secret"))] = true
	}
	if again := send(ann, "two"); !secrets[again.text("secret")] {
		t.Fatalf("not replayed: %d", again.status)
	}
	// Round and round: each row gets the answer of another.
	s.exec(`WITH r AS (SELECT user_id, key, answer, row_number() OVER (ORDER BY user_id, key) AS n FROM idempotency_keys)
		UPDATE idempotency_keys k SET answer = b.answer FROM r a JOIN r b ON b.n = a.n % 3 + 1 WHERE k.user_id = a.user_id AND k.key = a.key`)
	for _, a := range []answer{send(ann, "one"), send(ann, "two"), send(bob, "one")} {
		if secrets[a.text("secret")] || a.header.Get("Idempotency-Replayed") != "" {
			t.Error("the secret of another answer was told")
		}
	}
}
