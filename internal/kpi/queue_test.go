package kpi

import (
	"errors"
	"strings"
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

// The lease of a run ends with it, without a statement of its own; that of a run that is worked on does not, nor that of one
// which was cancelled: its worker may be in the middle of a write.
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
		release, err := l.lease(t.Context(), uuid.New(), uuid.Nil, l.spreadsheet, 0)
		if err == nil {
			release()
		}
		return err
	}
	held := func(by uuid.UUID) {
		l.system(`INSERT INTO sheet_leases VALUES ($1, '0', $2, now() + interval '1 minute')
			ON CONFLICT (spreadsheet_id, sheet_name) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until`, l.spreadsheet, by)
	}
	for status, free := range map[string]bool{"active": false, "delayed": false, "waiting": false, "completed": true, "failed": true, "cancelled": false} {
		held(id)
		l.system(`UPDATE kpi_runs SET status = $2 WHERE id = $1`, id, status)
		err := take()
		f, busy := errors.AsType[*failure](err)
		if free != (err == nil) || !free && (!busy || f.reason != "busy") {
			t.Errorf("the lease of a run that is %s: %v", status, err)
		}
	}
	held(uuid.New()) // an undo's
	if take() == nil {
		t.Error("the lease of an undo was taken")
	}
	l.system(`UPDATE sheet_leases SET lease_until = now() - interval '2 hours'`)
	purge := Purgers(l.db)["sheet_leases"]
	if n, err := purge(db.Background(t.Context()), 10); err != nil || n != 1 {
		t.Errorf("%d leases are purged, %v", n, err)
	}
}

// A run that is cancelled in the middle of its write keeps the tab until the write has ended, and gives it back then.
func TestTheLeaseOfACancelledRunEndsWithItsWrite(t *testing.T) {
	t.Parallel()
	l := running(t)
	next := l.make(l.ago(2), l.ago(1), false)
	var meanwhile error
	n := 0
	l.calls.reset(func(_ int, call string) (func(), func()) {
		if !strings.HasSuffix(call, "values:batchUpdate") {
			return nil, nil
		}
		if n++; n > 1 {
			return nil, nil
		}
		return func() {
			if _, err := l.q.CancelRun(t.Context(), l.db.In(db.User(l.user)), scan[uuid.UUID](l, `SELECT id FROM kpi_runs WHERE status = 'active'`), []byte(`{}`)); err != nil {
				t.Error(err)
			}
			meanwhile = l.execute(t.Context(), l.user, next)
		}, nil
	})
	id := l.make(l.ago(4), l.ago(3), false)
	if err := l.execute(t.Context(), l.user, id); err != nil {
		t.Error(err)
	}
	if r := l.look(id); r.Status != "cancelled" {
		t.Errorf("%+v", r)
	}
	if f, ok := errors.AsType[*failure](meanwhile); !ok || !f.busy {
		t.Errorf("a second writer: %v", meanwhile)
	}
	if status, r := l.ends(next); status != "completed" || l.look(next).Attempt != 1 {
		t.Errorf("%s %+v", status, r)
	}
	l.agrees("Google", 4)
}

// An attempt that was given up, because its process was silent, does not give back what the next one holds.
func TestALateAttemptLeavesTheLeaseOfTheNext(t *testing.T) {
	t.Parallel()
	l := running(t)
	id, late, present := l.make("", "", false), uuid.New(), uuid.New()
	l.system(`UPDATE kpi_runs SET status = 'active', claim = $2 WHERE id = $1`, id, present)
	for _, c := range []struct {
		claim uuid.UUID
		left  int
	}{{late, 1}, {present, 0}} {
		release, err := l.lease(t.Context(), id, c.claim, l.spreadsheet, 0)
		if err != nil {
			t.Fatal(err)
		}
		release()
		if n := scan[int](l, `SELECT count(*) FROM sheet_leases`); n != c.left {
			t.Errorf("%d leases, want %d", n, c.left)
		}
	}
}
