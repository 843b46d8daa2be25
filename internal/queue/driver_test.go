package queue

import (
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

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
		var id int64
		if err := d.Pool().QueryRow(ctx, `SELECT id FROM river.river_job`).Scan(&id); err != nil {
			t.Fatal(err)
		}
		// Between the two somebody may have begun it anew: it is asked again, by the same clock.
		if _, err := e.JobRescueMany(ctx, &riverdriver.JobRescueManyParams{ID: []int64{id}, Error: [][]byte{[]byte(`{}`)}, FinalizedAt: []*time.Time{nil}, Schema: db.RiverSchema,
			ScheduledAt: []time.Time{time.Now()}, State: []string{string(rivertype.JobStateRetryable)}, StuckHorizon: time.Now().Add(time.Hour - rescueAfter)}); err != nil {
			t.Fatal(err)
		}
		var rescued int
		if err := d.Pool().QueryRow(ctx, `SELECT count(*) FROM river.river_job WHERE state = 'retryable'`).Scan(&rescued); err != nil || rescued != want {
			t.Errorf("%d jobs that began %s ago are rescued, want %d: %v", rescued, age, want, err)
		}
	}
}
