package kpi

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/db"
)

// What a person asked for is worked before what schedules made, and runs are in a queue of their own.
func TestRunsThatPeopleAskForGoFirst(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	a.user("ga4", "shopify")
	s := a.replica()
	if err := s.queue.Open(); err != nil {
		t.Fatal(err)
	}
	a.pass(2 * time.Hour)
	a.fireAll(s) // two runs of schedules
	id := a.user("ga4")
	a.exec(`INSERT INTO kpi_runs (id, user_id, service) SELECT gen_random_uuid(), user_no, 'ga4' FROM users WHERE id = $1`, id)
	if n, err := s.dispatch(t.Context()); err != nil || n != 3 {
		t.Fatalf("%d runs are dispatched, %v", n, err)
	}
	got := a.one(`SELECT string_agg(o.queue || ' ' || o.priority || ' ' || r.scheduled, ', ' ORDER BY o.priority, o.id)
		FROM river.river_job o JOIN kpi_runs r ON r.id = (o.args ->> 'run')::uuid`)
	a.want("jobs", got, "runs 1 false, runs 2 true, runs 2 true")
}

// A run that ends wakes the dispatcher only where it was in the way of another one.
func TestTheEndOfARunWakesWhoWaitsForIt(t *testing.T) {
	t.Parallel()
	l := running(t)
	woken := func() bool {
		select {
		case <-l.kick:
			return true
		default:
			return false
		}
	}
	l.completes(l.ago(2), l.ago(1))
	if woken() {
		t.Error("woken for nothing")
	}
	next := `INSERT INTO kpi_runs (id, user_id, service) SELECT gen_random_uuid(), user_no, 'ga4' FROM users WHERE id = $1`
	l.system(next, l.user)
	l.completes(l.ago(2), l.ago(1))
	if !woken() {
		t.Error("the next run waits after one that ended well")
	}
	l.system(`UPDATE sheet_mappings SET sheet_name = 'Nowhere', sheet_id = NULL`)
	if status, _ := l.ends(l.make("", "", false)); status != "failed" || !woken() {
		t.Errorf("the next run waits after one that %s", status)
	}
}

// The lease of a run ends with it, without a statement of its own; that of a run that is worked on does not.
func TestALeaseEndsWithItsRun(t *testing.T) {
	t.Parallel()
	l := running(t)
	id := l.make(l.ago(2), l.ago(1), false)
	if status, _ := l.ends(id); status != "completed" {
		t.Fatal(status)
	}
	if n := scan[int](l, `SELECT count(*) FROM sheet_leases WHERE holder = $1 AND lease_until > now()`, id); n != 1 {
		t.Fatalf("%d leases", n)
	}
	take := func() error {
		release, err := l.lease(t.Context(), uuid.New(), l.spreadsheet, 0)
		if err == nil {
			release()
		}
		return err
	}
	for status, free := range map[string]bool{"active": false, "delayed": false, "waiting": false, "completed": true, "failed": true, "cancelled": true} {
		l.system(`INSERT INTO sheet_leases VALUES ($1, '0', $2, now() + interval '1 minute')
			ON CONFLICT (spreadsheet_id, sheet_name) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until`, l.spreadsheet, id)
		l.system(`UPDATE kpi_runs SET status = $2 WHERE id = $1`, id, status)
		err := take()
		f, busy := errors.AsType[*failure](err)
		if free != (err == nil) || !free && (!busy || f.reason != "busy") {
			t.Errorf("the lease of a run that is %s: %v", status, err)
		}
	}
	l.system(`UPDATE sheet_leases SET holder = gen_random_uuid(), lease_until = now() + interval '1 minute'`) // an undo's
	if take() == nil {
		t.Error("the lease of an undo was taken")
	}
	l.system(`UPDATE sheet_leases SET lease_until = now() - interval '2 hours'`)
	purge := Purgers(l.db)["sheet_leases"]
	if n, err := purge(db.Background(t.Context()), 10); err != nil || n != 1 {
		t.Errorf("%d leases are purged, %v", n, err)
	}
}
