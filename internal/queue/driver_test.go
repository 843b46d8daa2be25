package queue

import (
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// TestJobsAreTimedByPostgreSQLsClock: whatever the clock of this process says.
func TestJobsAreTimedByPostgreSQLsClock(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	q := New(d, slog.New(slog.DiscardHandler), 1)
	if err := q.Open(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for age, want := range map[string]int{"1 minute": 0, "3 minutes": 1} {
		if _, err := d.Pool().Exec(ctx, `DELETE FROM river.river_job`); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Pool().Exec(ctx, `INSERT INTO river.river_job (kind, state, max_attempts, attempt, attempted_at, args)
			VALUES ('x', 'running', 5, 1, now() - $1::text::interval, '{}')`, age); err != nil {
			t.Fatal(err)
		}
		e := (&driver{riverpgxv5.New(d.Pool()), d}).GetExecutor()
		stuck, err := e.JobGetStuck(ctx, &riverdriver.JobGetStuckParams{Max: 10, Schema: db.RiverSchema, StuckHorizon: time.Now().Add(time.Hour - rescueAfter)})
		if err != nil || len(stuck) != want {
			t.Errorf("%d jobs that began %s ago are stuck, want %d: %v", len(stuck), age, want, err)
		}
	}
}
