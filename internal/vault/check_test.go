package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/queue"
)

// state is what the database says of the credential.
func (r *renewed) state() string {
	r.t.Helper()
	return r.text(`SELECT concat_ws(' ', health, health_reason, verified, CASE WHEN verified_at IS NULL THEN 'never' END) FROM credentials WHERE id = $1`, r.id)
}

// A check that nobody asked for and one by the route give the same states.
func TestAScheduledCheckTellsWhatVerifyingTells(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"verify", "health"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := setupRenewed(t, 1)
			v := r.vaults[0]
			r.provider.set(func(p *provider) { p.keeps = true })
			check := func(want string) {
				t.Helper()
				_, err := v.prove(t.Context(), r.user, r.id, audit.Use{Purpose: how})
				if f, ok := fault.From(err); err != nil && (!ok || f.Code != "SERVICE_ERROR" && f.Code != "VERIFICATION_FAILED") {
					t.Fatal(err)
				}
				if got := r.state(); got != want {
					t.Errorf("%s, want %s", got, want)
				}
				r.pass(2 * time.Minute)
			}
			check("ok t")
			r.provider.set(func(p *provider) { p.down = true })
			check("ok t")
			check("ok t")
			check("failing unavailable t")
			r.provider.set(func(p *provider) { p.down = false })
			check("ok t")
			r.provider.revoke()
			check("broken reconnect f never")
			since := r.text(`SELECT health_at::text FROM credentials`)
			r.provider.set(func(p *provider) { p.down = true })
			for range 4 {
				check("broken reconnect f never")
			}
			if r.text(`SELECT health_at::text FROM credentials`) != since {
				t.Error("health_at moved without a change")
			}
			if got := r.told.String(); got != eventBroken {
				t.Errorf("told %s", got)
			}
			r.provider.set(func(p *provider) { p.down = false })
			r.provider.revoke("canary-refresh-0")
			check("ok t")
			if got := r.told.String(); got != eventBroken+" "+eventRecovered {
				t.Errorf("told %s", got)
			}
			r.provider.set(func(p *provider) { p.ends = r.now().Add(6 * day) })
			check("expiring expiring t")
			check("expiring expiring t")
			r.replace(oauthContent("canary-refresh-other")) // after a replacement it starts over
			r.provider.revoke("canary-refresh-0", "canary-refresh-other")
			check("expiring expiring t")
			if got := r.told.String(); got != eventBroken+" "+eventRecovered+" "+eventExpiring+" "+eventExpiring {
				t.Errorf("told %s", got)
			}
			if s := r.told.last; s["credentialId"] != r.id || s["service"] != "ga4" || s["name"] != "Ada's property" || s["reason"] != "expiring" ||
				!strings.HasPrefix(fmt.Sprint(s["message"]), "Ends on ") || s["expiresAt"] == nil {
				t.Errorf("the notice is about %v", s)
			}
			if n := r.number(`SELECT count(*) FROM audit_logs WHERE action = 'credential_accessed' AND metadata->>'purpose' = $1`, how); n < 12 {
				t.Errorf("%d of the checks are in the audit as uses", n)
			}
			r.noSecrets()
		})
	}
}

func TestARecordThatDoesNotOpenIsBroken(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 1)
	v := r.vaults[0]
	if _, err := v.verify(t.Context(), r.user, r.id); err != nil {
		t.Fatal(err)
	}
	r.exec(`UPDATE credentials SET encrypted_data = left(encrypted_data, 60)`)
	if err := v.recheck(t.Context(), r.user, r.id); err != nil {
		t.Errorf("the job has to be over: %v", err)
	}
	if got := r.state(); got != "broken unreadable f never" {
		t.Error(got)
	}
	if n := r.number(`SELECT count(*) FROM audit_logs WHERE action = 'credential_accessed' AND status = 'failure' AND metadata->>'purpose' = 'health'`); n != 1 {
		t.Errorf("%d failed uses in the audit", n)
	}
	if r.told.String() != eventBroken {
		t.Errorf("told %s", &r.told)
	}
}

type refusing struct{}

// Notify is for the vault.
func (refusing) Notify(context.Context, pgx.Tx, uuid.UUID, string, map[string]any) error {
	return errors.New("cannot tell")
}

// A change is written together with its notice, or not yet.
func TestNoChangeWithoutItsNotice(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 1)
	v := r.vaults[0]
	v.notifier = refusing{}
	r.provider.revoke()
	if err := v.recheck(t.Context(), r.user, r.id); err == nil {
		t.Error("nobody hears that the notice failed")
	}
	if got := r.state(); got != "unchecked f never" {
		t.Error(got)
	}
	v.notifier = &r.told
	if err := v.recheck(t.Context(), r.user, r.id); err != nil {
		t.Error(err)
	}
	if got := r.state(); got != "broken reconnect f never" || r.told.String() != eventBroken {
		t.Errorf("%s, told %s", got, &r.told)
	}
}

// Several servers hand out what is due: each check once, and nothing that nobody uses.
func TestDueChecksAreHandedOutOnce(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 1)
	d, err := db.Open(t.Context(), db.Config{URL: r.url, MaxConns: 8, ConnectTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	q := queue.New(d, slog.New(slog.DiscardHandler), 2)
	v := r.server(Config{Queue: q})
	if err := q.Open(); err != nil {
		t.Fatal(err)
	}
	fill := func(id int64, columns, values string) {
		r.exec(fmt.Sprintf(`INSERT INTO credentials (id, uid, user_id, service, name, encrypted_data, next_check_at, %s)
			SELECT %d + n, gen_random_uuid(), user_no, 'meta', 'n', 'junk', now(), %s FROM users, generate_series(1, 450) n WHERE users.id = $1`, columns, id, values), r.user)
	}
	fill(10_000, "health, verified_at", "'ok', now()")
	fill(20_000, "health", "'unchecked'")       // saved, and used by no service
	fill(30_000, "deleted_at", "now()")         // gone
	fill(40_000, "health, failures", "'ok', 1") // due only later:
	r.exec(`UPDATE credentials SET next_check_at = now() + interval '1 minute' WHERE id BETWEEN 40000 AND 50000`)
	r.exec(`INSERT INTO users (id, app_id, email, password_hash, status) VALUES (gen_random_uuid(), 'a', 'eve@example.com', 'x', 'suspended')`)
	r.exec(`INSERT INTO credentials (id, uid, user_id, service, name, encrypted_data, next_check_at, health)
		SELECT 60000, gen_random_uuid(), user_no, 'meta', 'n', 'junk', now(), 'ok' FROM users WHERE email = 'eve@example.com'`)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := v.handOut(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := r.number(`SELECT count(*) FROM river.river_job WHERE kind = 'credential_check'`); n != 451 { // and Ada's property, which ga4 uses
		t.Errorf("%d checks", n)
	}
	if n := r.number(`SELECT count(DISTINCT args->>'credential') FROM river.river_job WHERE kind = 'credential_check'
		AND (args->>'credential')::int BETWEEN 10000 AND 19999 AND args->>'user' = $1::text`, r.user.String()); n != 450 {
		t.Errorf("%d of the credentials that are due", n)
	}
	if n := r.number(`SELECT count(*) FROM river.river_job WHERE args::text LIKE '%junk%' OR args::text LIKE '%canary%'`); n != 0 {
		t.Error("a secret is among the arguments")
	}
	if err := v.handOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := r.number(`SELECT count(*) FROM river.river_job WHERE kind = 'credential_check'`); n != 451 {
		t.Errorf("%d checks after the second look", n)
	}
	r.pass(30 * time.Minute) // a check that nobody did is due again, and still in line
	if err := v.handOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := r.number(`SELECT count(*) FROM river.river_job WHERE kind = 'credential_check'`); n != 451+450 {
		t.Errorf("%d checks half an hour later", n)
	}
	r.exec(`UPDATE river.river_job SET state = 'completed', finalized_at = now()`)
	r.pass(30 * time.Minute) // these came to nothing
	if err := v.handOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := r.number(`SELECT count(*) FROM river.river_job WHERE kind = 'credential_check' AND state = 'available'`); n != 451+450 {
		t.Errorf("%d checks an hour later", n)
	}
}

// What the queue does with it: the check is done, and the next is a day away.
func TestTheQueueWorksChecks(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 1)
	d, err := db.Open(t.Context(), db.Config{URL: r.url, MaxConns: 8, ConnectTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	q := queue.New(d, slog.New(slog.DiscardHandler), 2)
	r.server(Config{Queue: q})
	if err := q.Open(); err != nil {
		t.Fatal(err)
	}
	if err := q.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(time.Minute); r.state() != "ok t"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(r.state())
		}
	}
	if n := r.number(`SELECT count(*) FROM credentials WHERE next_check_at BETWEEN now() + interval '21 hours' AND now() + interval '27 hours' AND checked_at > now() - interval '1 minute'`); n != 1 {
		t.Error("the next check is at " + r.text(`SELECT next_check_at::text FROM credentials`))
	}
	if calls, _, _ := r.provider.counts(); calls != 1 {
		t.Errorf("%d renewals", calls)
	}
}

// Nobody is asked about what belongs to a person who may not act, and the job is over.
func TestACheckOfSomebodyWhoMayNotAct(t *testing.T) {
	t.Parallel()
	r := setupRenewed(t, 1)
	r.exec(`UPDATE users SET status = 'suspended'`)
	if err := r.vaults[0].recheck(t.Context(), r.user, r.id); err != nil {
		t.Error(err)
	}
	if got := r.state(); got != "unchecked f never" {
		t.Error(got)
	}
	if e := refusal(&connector.Error{Reason: connector.Limited, RetryAfter: time.Minute}); e.verdict != unanswered || e.after != time.Minute {
		t.Errorf("%+v", e)
	}
}
