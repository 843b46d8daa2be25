package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// checked lets credentials be checked without being asked.
func checked(s *settings) { s.checks = true }

// tick is the minute in which a credential's check is due: the job that hands checks out runs, and the check is done.
func (w *world) tick(id int64) {
	w.t.Helper()
	const done = `SELECT count(*) FROM audit_logs WHERE action = 'credential_accessed' AND metadata->>'purpose' = 'health' AND metadata->>'credentialId' = $1::text`
	before := w.count(done, fmt.Sprint(id))
	w.exec(`UPDATE credentials SET next_check_at = now() WHERE id = $1`, id)
	w.exec(`INSERT INTO river.river_job (kind, args, max_attempts) VALUES ('credential_checks', '{}', 1)`)
	eventually(w.t, "the check is done", func() bool {
		return w.count(done, fmt.Sprint(id)) > before && w.count(`SELECT count(*) FROM river.river_job WHERE kind LIKE 'credential_check%' AND state NOT IN ('completed', 'discarded', 'cancelled')`) == 0
	})
	if n := w.count(`SELECT count(*) FROM river.river_job WHERE kind LIKE 'credential_check%' AND state <> 'completed'`); n != 0 {
		w.t.Errorf("%d jobs failed", n)
	}
}

// health is what the list says of a credential.
func (h *holder) health(id int64) string {
	h.t.Helper()
	a := h.do("GET", "/api/credentials/list", nil).want(h.t, 200, "")
	for i, other := range ids(a.at("credentials"), "id") {
		if other == id {
			at := func(name string) any { return a.at("credentials", i, name) }
			if at("health") == "broken" && (at("healthMessage") == nil || at("healthAt") == nil) {
				h.t.Errorf("broken without a word about it: %s", a.raw)
			}
			return fmt.Sprint(at("health"), " ", at("healthReason"), " ", at("verified"))
		}
	}
	h.t.Fatalf("%d is not in the list", id)
	return ""
}

func (h *holder) healthIs(id int64, want string) {
	h.t.Helper()
	if got := h.health(id); got != want {
		h.t.Errorf("%s, want %s", got, want)
	}
}

// What the list says is what the provider would say: within one check of a change at the provider.
func TestConnectedNeverLies(t *testing.T) {
	t.Parallel()
	p, o := fakes(t)
	s := setup(t, o, checked)
	h := s.holder()
	key := p.account(s)
	id := h.saved("google_sheets", "Robot", key)
	h.healthIs(id, "unchecked <nil> false")
	s.tick(id) // saved is used: its service points to it
	h.healthIs(id, "ok <nil> true")

	p.console(t, "DELETE", "/_sandbox/service-accounts/"+key["client_email"].(string), nil)
	h.healthIs(id, "ok <nil> true")
	s.tick(id)
	h.healthIs(id, "broken rejected false")
	if a := h.on(id, "GET", "", nil); !strings.Contains(a.text("healthMessage"), "create a new key") {
		t.Errorf("the owner is not told what to do: %s", a.raw)
	}
	h.on(id, "POST", "/verify", nil).want(t, 400, "VERIFICATION_FAILED")
	h.healthIs(id, "broken rejected false")
	s.tick(id)
	notices := func() string {
		s.mails(h.email)
		return one[string](s.world, `SELECT coalesce(string_agg(kind, ' ' ORDER BY created_at), '') FROM mails WHERE recipient = $1 AND kind LIKE 'credential%'`, h.email)
	}
	if got := notices(); got != "credential_broken" {
		t.Errorf("told: %q", got)
	}

	h.on(id, "PUT", "", object{"credentialJson": p.account(s)}).want(t, 200, "") // another key of the same account
	h.healthIs(id, "unchecked <nil> false")
	s.tick(id)
	h.healthIs(id, "ok <nil> true")
	if got := notices(); got != "credential_broken credential_recovered" {
		t.Errorf("told: %q", got)
	}
	const states = `SELECT string_agg((metadata->>'from') || '>' || (metadata->>'to'), ' ' ORDER BY id) FROM audit_logs WHERE action = 'credential_health'`
	if got := one[string](s.world, states); got != "unchecked>ok ok>broken unchecked>ok" {
		t.Errorf("changes in the audit: %s", got)
	}
}

// A provider that is away says nothing of a credential: three times in a row is a word about the provider.
func TestAProviderThatIsAway(t *testing.T) {
	t.Parallel()
	p, o := fakes(t)
	s := setup(t, o, checked)
	h := s.holder()
	scheduled, asked := h.saved("google_sheets", "Scheduled", p.account(s)), h.saved("google_sheets", "Asked", p.account(s))
	both := func(status int, code, want string) {
		t.Helper()
		s.tick(scheduled)
		h.on(asked, "POST", "/verify", nil).want(t, status, code)
		h.healthIs(scheduled, want)
		h.healthIs(asked, want)
	}
	h.do("POST", "/api/services/google_sheets/enable", object{"credentialId": scheduled}).want(t, 200, "")
	both(200, "", "ok <nil> true")
	p.console(t, "POST", "/_sandbox/faults", object{"status": 503, "times": 1000})
	s.broken.Store(true) // 502 is the answer
	both(502, "SERVICE_ERROR", "ok <nil> true")
	both(502, "SERVICE_ERROR", "ok <nil> true")
	both(502, "SERVICE_ERROR", "failing unavailable true")
	if n := s.count(`SELECT count(*) FROM credentials WHERE verified_at IS NULL`); n != 0 {
		t.Error("verified_at is gone")
	}
	for _, id := range []int64{scheduled, asked} {
		if n := s.count(`SELECT count(*) FROM credentials WHERE id = $1 AND next_check_at BETWEEN now() + interval '50 minutes' AND now() + interval '70 minutes'`, id); n != 1 {
			t.Errorf("the next check is at %s", one[string](s.world, `SELECT next_check_at::text FROM credentials WHERE id = $1`, id))
		}
	}
	p.console(t, "DELETE", "/_sandbox/faults", nil)
	both(200, "", "ok <nil> true")
	if n := s.count(`SELECT count(*) FROM mails WHERE kind LIKE 'credential%'`); n != 0 {
		t.Errorf("%d mails about a provider that was away", n)
	}
}
