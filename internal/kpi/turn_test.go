package kpi

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
)

// due is what would be handed to the queue now.
func (l live) due() (ids []uuid.UUID) {
	l.t.Helper()
	err := l.db.Tx(l.t.Context(), db.System(), func(tx pgx.Tx) error {
		rows, err := l.q.DueRunsSystem(l.t.Context(), tx, 10)
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return ids
}

// TestARunThatHasBegunGoesFirst: it may hold the lease on the tab, and nobody else could write until that ends by itself. Which of
// the two has the earlier time does not matter, nor that the time is a moment after the dispatcher's own.
func TestARunThatHasBegunGoesFirst(t *testing.T) {
	t.Parallel()
	l := running(t)
	begun, next := l.make("", "", false), l.make("", "", false)
	l.system(`UPDATE kpi_runs SET enqueued = false, run_at = now() - interval '1 minute'`)
	l.system(`UPDATE kpi_runs SET status = 'delayed', started_at = now(), run_at = now() WHERE id = $1`, begun)
	if ids := l.due(); len(ids) != 1 || ids[0] != begun {
		t.Errorf("due are %v, %s has begun", ids, begun)
	}
	l.system(`UPDATE kpi_runs SET run_at = now() + interval '1 second' WHERE id = $1`, begun)
	if ids := l.due(); len(ids) != 0 {
		t.Errorf("due are %v while %s is about to be", ids, begun)
	}
	l.system(`UPDATE kpi_runs SET status = 'completed' WHERE id = $1`, begun)
	if ids := l.due(); len(ids) != 1 || ids[0] != next {
		t.Errorf("due are %v, %s is left", ids, next)
	}
}

// TestALateJobWaitsForItsTurn: a run that was taken back from the queue is begun by the job that it gets next, and not by an
// earlier one that was thought lost.
func TestALateJobWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	l := running(t)
	id := l.make("", "", false)
	l.system(`UPDATE kpi_runs SET enqueued = false WHERE id = $1`, id)
	if err := l.execute(t.Context(), l.user, id); err != nil {
		t.Error(err)
	}
	if r := l.look(id); r.Status != "waiting" || r.Attempt != 0 {
		t.Errorf("%+v", r)
	}
	l.system(`UPDATE kpi_runs SET enqueued = true WHERE id = $1`, id)
	if status, _ := l.ends(id); status != "completed" {
		t.Error(status)
	}
}

// TestRunsOfAJobWhoseProcessDied are found by what the queue says of the job, not only by the run's own signs of life.
func TestRunsOfAJobWhoseProcessDied(t *testing.T) {
	t.Parallel()
	l := running(t)
	id := l.make("", "", false)
	l.system(`UPDATE kpi_runs SET run_at = now() - interval '1 minute' WHERE id = $1`, id)
	l.system(`INSERT INTO river.river_job (kind, state, args, max_attempts, attempt, attempted_at) VALUES ('kpi_run', 'running', jsonb_build_object('run', $1::uuid), 25, 1, now())`, id)
	for _, c := range []struct {
		since string
		found int64
	}{{"20 seconds", 0}, {"40 seconds", 1}} {
		l.system(`UPDATE river.river_job SET attempted_at = now() - $1::text::interval`, c.since)
		if found, err := l.revive(t.Context()); err != nil || found != c.found {
			t.Errorf("%s: %d runs are revived, %v", c.since, found, err)
		}
	}
}
