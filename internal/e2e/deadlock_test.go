package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// pauses lets statements stop in their middle, where they hold the locks of their beginning, while somebody has the advisory lock.
const pauses = `
	CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711, 1); RETURN NEW; END $$;
	CREATE TRIGGER pause BEFORE INSERT ON credentials FOR EACH ROW EXECUTE FUNCTION pause();
	CREATE TRIGGER pause BEFORE INSERT ON credential_versions FOR EACH ROW EXECUTE FUNCTION pause();
	CREATE TRIGGER pause BEFORE INSERT ON webhooks FOR EACH ROW EXECUTE FUNCTION pause();
	CREATE TRIGGER pause BEFORE UPDATE ON credential_tokens FOR EACH ROW WHEN (NEW.generation > OLD.generation) EXECUTE FUNCTION pause();`

// paused plays acts so that all are in their middle or wait for each other, and then lets them go, after a time.
func (s *replica) paused(t *testing.T, after time.Duration, acts ...func() answer) []answer {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.sql.Config().ConnString())
	must(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `SELECT pg_advisory_lock(4711, 1)`)
	must(t, err)
	answers := make([]chan answer, len(acts))
	for i, act := range acts {
		answers[i] = make(chan answer, 1)
		go func() { answers[i] <- act() }()
		eventually(t, "the act waits", func() bool {
			return s.count(`SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`) > i || len(answers[i]) > 0
		})
	}
	time.Sleep(after) // whose wait is over first looks for a deadlock first
	_, err = conn.Exec(t.Context(), `SELECT pg_advisory_unlock_all()`)
	must(t, err)
	var all []answer
	for _, c := range answers {
		all = append(all, <-c)
	}
	return all
}

// sharing is a deployment, and somebody there whose acts lock their keys at first, and other rows after.
func sharing(t *testing.T) (s *replica, somebody func() (*holder, map[string]func() answer)) {
	t.Helper()
	r, servers := rotating(t)
	s = servers[0]
	s.exec(pauses)
	n := 0
	return s, func() (*holder, map[string]func() answer) {
		t.Helper()
		n++
		h := s.holder()
		shop := h.saved("shopify", "Shop", r.console(t, "POST", "/_sandbox/shops?kind=expiring", object{}))
		other := h.saved("shopify", "Other shop", r.console(t, "POST", "/_sandbox/shops?kind=expiring", object{}))
		renews := func(id int64) answer {
			return servers[1].call("POST", fmt.Sprintf("/api/credentials/%d/verify", id), h.access, nil)
		}
		sheets := h.saved("google_sheets", "Sheets", pasted(10*n))
		return h, map[string]func() answer{
			"saving":    func() answer { return h.save("google_sheets", "More", pasted(10*n+1)) },
			"replacing": func() answer { return h.on(sheets, "PUT", "", object{"credentialJson": pasted(10*n + 2)}) },
			"renewing":  func() answer { return renews(shop) }, "renewing another": func() answer { return renews(other) },
			"a webhook": func() answer {
				return s.call("POST", "/api/webhooks", h.access, object{"url": "https://example.com/in"})
			},
		}
	}
}

// TestADeletionMeetsActsThatHoldWhatItNeeds: whoever of the two PostgreSQL ends, the deletion happens, and the act whole or not at all.
func TestADeletionMeetsActsThatHoldWhatItNeeds(t *testing.T) {
	t.Parallel()
	s, somebody := sharing(t)
	s.broken.Store(true) // the act may be the one that has to come again
	for _, name := range []string{"saving", "replacing", "renewing", "a webhook"} {
		for _, after := range []time.Duration{0, 1500 * time.Millisecond} { // PostgreSQL looks after a second
			h, acts := somebody()
			all := s.paused(t, after, acts[name], func() answer { return s.call("DELETE", "/v1/users/me", h.access, nil) })
			if all[1].status != 200 {
				t.Errorf("a deletion beside %s: %d %s", name, all[1].status, all[1].raw)
			}
			only(t, name, all[:1], 200, 201, 401, 403, 404, 503)
			for _, table := range []string{"credentials", "credential_tokens", "credential_versions", "webhooks", "vault_keys"} {
				if n := s.count(`SELECT count(*) FROM ` + table); n != 0 {
					t.Errorf("after %s %d rows are left in %s", name, n, table)
				}
			}
		}
	}
}

// TestActsThatShareKeysAreNoDeadlock: those that lock the keys of a user for themselves, and those that share the lock, in every order.
func TestActsThatShareKeysAreNoDeadlock(t *testing.T) {
	t.Parallel()
	s, somebody := sharing(t)
	for _, order := range [][]string{
		{"renewing", "a webhook", "saving", "renewing another"}, {"a webhook", "renewing", "replacing", "a webhook"}, {"saving", "a webhook", "renewing"},
		{"replacing", "renewing", "saving", "a webhook"}, {"renewing", "renewing another", "replacing"}, {"a webhook", "a webhook", "saving"},
	} {
		_, acts := somebody()
		var play []func() answer
		for _, name := range order {
			play = append(play, acts[name])
		}
		began := time.Now()
		for i, a := range s.paused(t, 0, play...) {
			if a.status > 201 {
				t.Errorf("%v: %s got %d %s", order, order[i], a.status, a.raw)
			}
		}
		t.Logf("%v took %s", order, time.Since(began).Round(time.Millisecond))
	}
}
