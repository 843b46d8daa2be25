package notify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/notify"
)

func (b *bundle) delivered() bool {
	return one[int](b, `SELECT count(*)::int FROM webhook_deliveries WHERE status <> 'delivered'`) == 0 && one[int](b, `SELECT count(*)::int FROM webhook_deliveries`) > 0
}

func (b *bundle) failedWith(words string) func() bool {
	return func() bool {
		return one[int](b, `SELECT count(*)::int FROM webhook_deliveries WHERE error = $1`, words) == 1
	}
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	hook := b.hook(b.user, r)
	must(t, b.tell(b.user, notify.CredentialBroken, map[string]any{"credentialId": 7, "name": "nul\x00name", "message": new("p\x00ointed"), "reason": (*string)(nil)}))
	b.eventually("delivered", b.delivered)
	calls := r.got()
	if len(calls) != 1 || !calls[0].valid || calls[0].path != "/hook" {
		t.Fatalf("%+v", calls)
	}
	c := calls[0]
	if id := one[uuid.UUID](b, `SELECT id FROM webhook_deliveries WHERE webhook_id = $1`, hook); c.id != id.String() {
		t.Errorf("id %s, stored %s", c.id, id)
	}
	if at, err := strconv.ParseInt(c.header.Get("webhook-timestamp"), 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		t.Errorf("timestamp %s", c.header.Get("webhook-timestamp"))
	}
	if ct := c.header.Get("Content-Type"); ct != "application/json" {
		t.Error(ct)
	}
	var body struct {
		Type      string         `json:"type"`
		Timestamp time.Time      `json:"timestamp"`
		Data      map[string]any `json:"data"`
	}
	must(t, json.Unmarshal([]byte(c.body), &body))
	if body.Type != "credential.broken" || time.Since(body.Timestamp).Abs() > time.Minute || body.Data["name"] != "nulname" || body.Data["message"] != "pointed" || body.Data["reason"] != nil || body.Data["credentialId"] != 7.0 {
		t.Errorf("%s", c.body)
	}
	if got := b.mail.sent(); len(got) != 1 || got[0] != "credential_broken" {
		t.Errorf("mails %v", got)
	}
	if strings.Contains(b.state(), "words of the receiver") {
		t.Error("the receiver's words are stored")
	}
}

// TestRetry: the same id and body again, after growing pauses, until one attempt succeeds.
func TestRetry(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	b.hook(b.user, r)
	r.answers(500)
	must(t, b.tell(b.user, notify.RunFailed, map[string]any{"z": 1, "a": []any{1.5, "x"}}))
	b.eventually("the failure is noted", b.failedWith("the receiver answered 500"))
	b.eventually("another attempt waits", func() bool {
		return one[int](b, `SELECT count(*)::int FROM river.river_job WHERE kind = 'webhook' AND state IN ('retryable', 'available') AND max_attempts = 10`) == 1
	})
	if s := one[string](b, `SELECT status FROM webhook_deliveries`); s != "pending" {
		t.Error(s)
	}
	r.answers(200)
	b.hurry()
	b.eventually("delivered", b.delivered)
	calls := r.got()
	if len(calls) != 2 || calls[0].id != calls[1].id || calls[0].body != calls[1].body || !calls[0].valid || !calls[1].valid {
		t.Errorf("%+v", calls)
	}
	if s := b.state(); s != "delivered 2 200" {
		t.Error(s)
	}
	if e := one[string](b, `SELECT coalesce(string_agg(errors::text, ''), '') FROM river.river_job`); !strings.Contains(e, "the receiver answered 500") || strings.Contains(e, r.URL) {
		t.Errorf("the job says %s", e)
	}
}

func TestPauses(t *testing.T) {
	t.Parallel()
	var sum, before time.Duration
	for attempt := 1; attempt < notify.MaxAttempts; attempt++ {
		pause := notify.RetryAfter(attempt)
		if pause <= before {
			t.Errorf("after attempt %d: %s", attempt, pause)
		}
		before = pause
		sum += pause
	}
	if sum < 72*time.Hour || sum > 90*time.Hour {
		t.Errorf("all attempts take %s", sum)
	}
}

// TestEndOfADelivery: what ends it at once, and the last attempt.
func TestEndOfADelivery(t *testing.T) {
	t.Parallel()
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t)
		b.hook(b.user, r)
		r.answers(410)
		must(t, b.tell(b.user, notify.RunFailed, nil))
		b.eventually("failed", func() bool {
			return b.state() == "failed 1 410 the receiver answered 410 (gone): no further attempt is made"
		})
		b.eventually("the job ended", func() bool {
			return one[int](b, `SELECT count(*)::int FROM river.river_job WHERE kind = 'webhook' AND state = 'cancelled'`) == 1
		})
	})
	t.Run("last attempt", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t)
		b.hook(b.user, r)
		r.answers(503)
		must(t, b.tell(b.user, notify.RunFailed, nil))
		b.eventually("the first failure", b.failedWith("the receiver answered 503"))
		b.eventually("another attempt waits", func() bool {
			return one[int](b, `SELECT count(*)::int FROM river.river_job WHERE kind = 'webhook' AND state IN ('retryable', 'available')`) == 1
		})
		b.exec(`UPDATE river.river_job SET attempt = max_attempts - 1 WHERE kind = 'webhook'`)
		b.hurry()
		b.eventually("failed", func() bool { return b.state() == "failed 2 503 the receiver answered 503" })
	})
	t.Run("redirect", func(t *testing.T) {
		t.Parallel()
		b, r, other := setup(t), receive(t), receive(t)
		b.hook(b.user, r)
		r.to = other.URL
		r.answers(307)
		must(t, b.tell(b.user, notify.RunFailed, nil))
		b.eventually("failed", b.failedWith("the receiver answered 307: redirects are not followed"))
		if len(other.got()) != 0 {
			t.Error("the redirect was followed")
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t)
		b.hook(b.user, r)
		r.Close()
		must(t, b.tell(b.user, notify.RunFailed, nil))
		b.eventually("failed", b.failedWith("the connection failed"))
	})
	t.Run("suspended", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t)
		b.hook(b.user, r)
		r.answers(500)
		must(t, b.tell(b.user, notify.RunFailed, nil))
		b.eventually("the first failure", b.failedWith("the receiver answered 500"))
		b.exec(`UPDATE users SET status = 'suspended' WHERE id = $1`, b.user)
		b.eventually("given up", func() bool { b.hurry(); return b.failedWith("the account may not act")() })
		if n := len(r.got()); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		b, r := setup(t), receive(t)
		hook := b.hook(b.user, r)
		r.answers(500)
		must(t, b.tell(b.user, notify.RunFailed, nil))
		b.eventually("the first failure", b.failedWith("the receiver answered 500"))
		must(t, b.Remove(t.Context(), b.user, hook))
		b.eventually("the job ended", func() bool {
			b.hurry()
			return one[int](b, `SELECT count(*)::int FROM river.river_job WHERE kind = 'webhook' AND state = 'completed'`) == 1
		})
		if n := len(r.got()); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestPrivateAddresses: a name that leads inside passes at first, and no delivery arrives.
func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	b, r := setup(t, func(c *notify.Config) { c.Production = true }), receive(t) // AllowPrivate is set, and means nothing there
	id, _, err := b.Create(t.Context(), b.user, "https://hooks.example.com/x", nil)
	must(t, err)
	_, port, err := net.SplitHostPort(r.Listener.Addr().String())
	must(t, err)
	b.exec(`UPDATE webhooks SET url = $2 WHERE id = $1`, id, fmt.Sprintf("http://localhost:%s/secret-path", port))
	must(t, b.tell(b.user, notify.RunFailed, nil))
	b.eventually("refused", b.failedWith("the address is not public"))
	if len(r.got()) != 0 {
		t.Error("a private address was called")
	}
	if strings.Contains(b.log.String(), "secret-path") {
		t.Error("the log holds the address")
	}
}

// TestReplay: one more attempt with the same id and body, whatever became of the delivery.
func TestReplay(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	hook := b.hook(b.user, r)
	must(t, b.tell(b.user, notify.RunFailed, map[string]any{"a": 1}))
	b.eventually("delivered", b.delivered)
	id := one[uuid.UUID](b, `SELECT id FROM webhook_deliveries`)
	replay := func(status int, becomes string) {
		t.Helper()
		r.answers(status)
		must(t, b.Replay(t.Context(), b.user, hook, id))
		b.eventually(becomes, func() bool { return b.state() == becomes })
	}
	replay(200, "delivered 2 200")
	replay(500, "failed 3 500 the receiver answered 500")
	replay(204, "delivered 4 204")
	for _, c := range r.got() {
		if !c.valid || c.id != id.String() || c.body != r.got()[0].body {
			t.Errorf("%+v", c)
		}
	}

	// One that is still being tried stays so.
	r.answers(500)
	must(t, b.tell(b.user, notify.CredentialBroken, nil))
	b.eventually("the first failure", func() bool {
		return one[int](b, `SELECT count(*)::int FROM webhook_deliveries WHERE status = 'pending' AND attempts = 1 AND error IS NOT NULL`) == 1
	})
	pending := one[uuid.UUID](b, `SELECT id FROM webhook_deliveries WHERE status = 'pending'`)
	b.exec(`UPDATE river.river_job SET scheduled_at = now() + interval '1 hour', state = 'retryable' WHERE kind = 'webhook' AND state IN ('retryable', 'available')`)
	must(t, b.Replay(t.Context(), b.user, hook, pending))
	b.eventually("replayed", func() bool {
		return one[int](b, `SELECT attempts::int FROM webhook_deliveries WHERE id = $1`, pending) == 2 && len(r.got()) == 6
	})
	b.eventually("the replay ended", func() bool {
		return one[int](b, `SELECT count(*)::int FROM river.river_job WHERE kind = 'webhook' AND state = 'discarded'`) == 2
	})
	if s := one[string](b, `SELECT status FROM webhook_deliveries WHERE id = $1`, pending); s != "pending" {
		t.Error(s)
	}
}

// TestASecretThatDoesNotOpen is no reason to send an unsigned message.
func TestASecretThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	first, second := b.hook(b.user, r, notify.RunFailed), b.hook(b.user, r, notify.CredentialBroken)
	b.exec(`UPDATE webhooks SET secret = (SELECT w.secret FROM webhooks w WHERE w.id = $2) WHERE id = $1`, first, second)
	must(t, b.tell(b.user, notify.RunFailed, nil))
	b.eventually("failed", b.failedWith("the signing secret could not be opened"))
	if len(r.got()) != 0 {
		t.Error("it was sent")
	}
}

func TestForeignDeliveries(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	other := b.person()
	hook, theirs := b.hook(b.user, r), b.hook(other, r)
	must(t, b.tell(b.user, notify.RunFailed, nil))
	b.eventually("answered", func() bool { return len(r.got()) == 1 })
	id := one[uuid.UUID](b, `SELECT id FROM webhook_deliveries`)
	wants := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, _, err := b.Page(t.Context(), other, hook, 10, "")
	wants("list", err, notify.ErrWebhook)
	wants("delete", b.Remove(t.Context(), other, hook), notify.ErrWebhook)
	wants("replay", b.Replay(t.Context(), other, hook, id), notify.ErrDelivery)
	wants("replay under another webhook", b.Replay(t.Context(), other, theirs, id), notify.ErrDelivery)
	wants("replay of nothing", b.Replay(t.Context(), b.user, hook, uuid.New()), notify.ErrDelivery)
	if n := one[int](b, `SELECT count(*)::int FROM webhooks`); n != 2 {
		t.Errorf("%d webhooks", n)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	hook := b.hook(b.user, r)
	for range 5 {
		must(t, b.tell(b.user, notify.RunFailed, nil))
	}
	b.exec(`UPDATE webhook_deliveries SET created_at = date_trunc('hour', now())`) // the id decides
	seen := map[uuid.UUID]bool{}
	cursor, pages := "", 0
	for {
		ids, next, err := b.Page(t.Context(), b.user, hook, 2, cursor)
		must(t, err)
		for _, id := range ids {
			if seen[id] {
				t.Errorf("%s twice", id)
			}
			seen[id] = true
		}
		if pages++; next == nil {
			break
		}
		cursor = *next
	}
	if len(seen) != 5 || pages != 3 {
		t.Errorf("%d deliveries on %d pages", len(seen), pages)
	}
	for _, bad := range []string{"x", "!", "MTI", strings.Repeat("A", 400)} {
		if _, _, err := b.Page(t.Context(), b.user, hook, 2, bad); !errors.Is(err, notify.ErrCursor) {
			t.Errorf("cursor %q: %v", bad, err)
		}
	}
}
