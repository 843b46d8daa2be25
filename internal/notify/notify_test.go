package notify_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/notify"
)

// TestWhoHears: settings decide about mails, each webhook about itself.
func TestWhoHears(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	all, some := b.hook(b.user, r), b.hook(b.user, r, notify.RunFailed)
	count := func(event string) (string, int, int) {
		t.Helper()
		before := len(b.mail.sent())
		b.exec(`DELETE FROM webhook_deliveries`)
		must(t, b.tell(b.user, event, nil))
		of := func(id any) int {
			return one[int](b, `SELECT count(*)::int FROM webhook_deliveries WHERE webhook_id = $1`, id)
		}
		return strings.Join(b.mail.sent()[before:], " "), of(all), of(some)
	}
	for _, c := range []struct {
		change      func() error
		event, mail string
		all, some   int
	}{
		{nil, notify.RunFailed, "run_failed", 1, 1},
		{nil, notify.CredentialExpiring, "credential_expiring", 1, 0},
		{func() error { return b.Choose(t.Context(), b.user, true, []string{notify.CredentialBroken}) }, notify.RunFailed, "", 1, 1},
		{nil, notify.CredentialBroken, "credential_broken", 1, 0},
		{func() error { return b.Choose(t.Context(), b.user, true, []string{}) }, notify.CredentialBroken, "", 1, 0},
		{func() error { return b.Choose(t.Context(), b.user, false, nil) }, notify.CredentialBroken, "", 1, 0},
		{func() error { return b.Choose(t.Context(), b.user, true, nil) }, notify.CredentialRecovered, "credential_recovered", 1, 0},
	} {
		if c.change != nil {
			must(t, c.change())
		}
		if mail, all, some := count(c.event); mail != c.mail || all != c.all || some != c.some {
			t.Errorf("%s: mail %q, deliveries %d and %d; expected %+v", c.event, mail, all, some, c)
		}
	}
	if n := one[int](b, `SELECT count(*)::int FROM audit_logs WHERE action = 'notifications_changed'`); n != 4 {
		t.Errorf("%d changes in the audit", n)
	}
}

// TestNothingWithoutItsCause: no delivery and no job of what was rolled back, and none in another's scope.
func TestNothingWithoutItsCause(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	b.hook(b.user, r)
	other := b.person()
	undone := errors.New("undone")
	err := b.db.Tx(t.Context(), db.User(b.user), func(tx pgx.Tx) error {
		must(t, b.Notify(t.Context(), tx, b.user, notify.RunFailed, nil))
		return undone
	})
	if !errors.Is(err, undone) {
		t.Error(err)
	}
	for name, scope := range map[string]db.Scope{"another's": db.User(other), "system": db.System()} {
		err := b.db.Tx(t.Context(), scope, func(tx pgx.Tx) error { return b.Notify(t.Context(), tx, b.user, notify.RunFailed, nil) })
		if err == nil {
			t.Errorf("in %s scope: no error", name)
		}
	}
	if n := one[int](b, `SELECT (SELECT count(*) FROM webhook_deliveries)::int + (SELECT count(*) FROM river.river_job WHERE kind = 'webhook')::int`); n != 0 || len(r.got()) != 0 {
		t.Errorf("%d rows, %d calls", n, len(r.got()))
	}
}

func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	_, secret, err := b.Create(t.Context(), b.user, r.URL+"/canary-path?token=canary-query", nil)
	must(t, err)
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(raw) < 24 || len(raw) > 64 {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	r.answers(500)
	must(t, b.tell(b.user, notify.RunFailed, nil))
	b.eventually("the first failure", b.failedWith("the receiver answered 500"))
	export, err := b.Export(t.Context(), b.user)
	must(t, err)
	for name, text := range map[string]string{
		"log": b.log.String(), "export": fmt.Sprintf("%+v", export),
		"webhooks":   one[string](b, `SELECT string_agg(w::text, '') FROM webhooks w`),
		"deliveries": one[string](b, `SELECT string_agg(w::text, '') FROM webhook_deliveries w`),
		"audit":      one[string](b, `SELECT string_agg(w::text, '') FROM audit_logs w`),
		"jobs":       one[string](b, `SELECT string_agg(w::text, '') FROM river.river_job w`),
	} {
		if strings.Contains(text, encoded) || strings.Contains(text, string(raw)) {
			t.Errorf("%s: holds the secret", name)
		}
		if name != "webhooks" && name != "export" && strings.Contains(text, "canary") {
			t.Errorf("%s: holds the address: %s", name, text)
		}
	}
	if meta := one[string](b, `SELECT metadata::text FROM audit_logs WHERE action = 'webhook_created'`); !strings.Contains(meta, `"host": "127.0.0.1"`) || !strings.Contains(meta, "webhookId") {
		t.Error(meta)
	}
}

// TestBounds hold for requests that come at once, too.
func TestBounds(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	var made, refused atomic.Int64
	together(14, func() {
		_, _, err := b.Create(context.Background(), b.user, r.URL, nil)
		switch f, _ := fault.From(err); {
		case err == nil:
			made.Add(1)
		case f != nil && f.Kind == fault.Invalid:
			refused.Add(1)
		default:
			t.Error(err)
		}
	})
	if made.Load() != 10 || refused.Load() != 4 {
		t.Errorf("%d made, %d refused", made.Load(), refused.Load())
	}
	made.Store(0)
	refused.Store(0)
	together(14, func() {
		mail, hooks, err := b.Test(context.Background(), b.user)
		switch f, _ := fault.From(err); {
		case err == nil && mail && hooks == 10:
			made.Add(1)
		case f != nil && f.Kind == fault.Limited && f.RetryAfter > 0:
			refused.Add(1)
		default:
			t.Error(mail, hooks, err)
		}
	})
	if made.Load() != 10 || refused.Load() != 4 {
		t.Errorf("%d tests, %d refused", made.Load(), refused.Load())
	}
	if sent := b.mail.sent(); len(sent) != 10 || slices.ContainsFunc(sent, func(k string) bool { return k != "notification_test" }) {
		t.Errorf("mails %v", sent)
	}
	other := b.person()
	must(t, b.Choose(t.Context(), other, false, nil))
	if mail, hooks, err := b.Test(t.Context(), other); mail || hooks != 0 || err != nil {
		t.Error(mail, hooks, err)
	}
	b.mail.full = true
	must(t, b.Choose(t.Context(), other, true, nil))
	if mail, _, err := b.Test(t.Context(), other); mail || err != nil {
		t.Error(mail, err)
	}
}

func together(n int, do func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(do)
	}
	all.Wait()
}

func TestEventsThatNobodyKnows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, events := range [][]string{{"run.finished"}, {notify.RunFailed, ""}, {notify.RunFailed, notify.RunFailed}} {
		if f, ok := fault.From(b.Choose(t.Context(), b.user, true, events)); !ok || f.Kind != fault.Invalid {
			t.Errorf("%q: %v", events, f)
		}
		if _, _, err := b.Create(t.Context(), b.user, "https://example.com", events); err == nil {
			t.Errorf("%q for a webhook", events)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	const production, anywhere = 1, 2 // what else refuses
	for url, refusedIn := range map[string]int{
		"https://example.com/hook?x=1": 0, "https://example.com:8443": 0, "https://93.184.216.34/": 0, "https://[2606:2800:220:1::1]/": 0, "https://bücher.example/": 0,
		"http://example.com/": production,
		"https://127.0.0.1/":  anywhere, "https://10.1.2.3/": anywhere, "https://[::1]/": anywhere, "https://[fe80::1%25eth0]/": anywhere, "https://[::ffff:10.0.0.1]/": anywhere,
		"https://169.254.169.254/latest/meta-data": anywhere, "https://100.64.0.1/": anywhere, "https://LOCALHOST/": anywhere, "https://localhost./": anywhere,
		"https://a.localhost/": anywhere, "https://[64:ff9b::7f00:1]/": anywhere,
		"": 3, "example.com/hook": 3, "/hook": 3, "ftp://example.com/": 3, "javascript:alert(1)": 3, "https://": 3, "https:///x": 3, "https://:443/": 3, "https://user@example.com/": 3,
		"https://user:canary@example.com/": 3, "https://example.com/#x": 3, "https://exa mple.com/": 3, "https://example.com/\n": 3, "https://example.com/\x00": 3,
		"https://example.com/" + strings.Repeat("x", 2048): 3, "file:///etc/passwd": 3, "https://example.com:port/": 3,
	} {
		for _, c := range []struct{ production, private, ok bool }{
			{true, false, refusedIn == 0},
			{false, false, refusedIn <= production},
			{false, true, refusedIn <= anywhere},
		} {
			err := notify.CheckURL(url, c.production, c.private)
			if (err == nil) != c.ok {
				t.Errorf("%q, production %t, private addresses %t: %v", url, c.production, c.private, err)
			}
			if f, ok := fault.From(err); err != nil && (!ok || f.Kind != fault.Invalid || strings.Contains(err.Error(), "canary")) {
				t.Errorf("%q: %v", url, err)
			}
		}
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	b, r := setup(t), receive(t)
	b.hook(b.user, r)
	for range 4 {
		must(t, b.tell(b.user, notify.RunFailed, nil))
	}
	b.eventually("delivered", b.delivered)
	b.exec(`UPDATE webhook_deliveries SET created_at = now() - interval '31 days' WHERE id IN (SELECT id FROM webhook_deliveries LIMIT 3)`)
	purge := notify.Purge(b.db)
	for i, want := range []int{2, 1, 0} {
		if n, err := purge(t.Context(), 2); n != want || err != nil {
			t.Errorf("batch %d: %d, %v", i, n, err)
		}
	}
	if n := one[int](b, `SELECT count(*)::int FROM webhook_deliveries`); n != 1 {
		t.Errorf("%d are left", n)
	}
}
