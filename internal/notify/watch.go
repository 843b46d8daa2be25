package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"turkey/internal/db"
	"turkey/internal/notify/notifydb"
)

// What the watch tells of. Statements in operator.sql name them, too.
const (
	jobDead       = "job.dead"
	runInternal   = "run.internal"
	sourceFailing = "source.failing"
)

const (
	watchEvery = time.Minute
	// A source fails for many if so many runs of so many users failed within an hour and none ended well.
	failingRuns  = 5
	failingUsers = 2
)

// silent are the kinds of jobs of which nobody is told when they are given up.
var silent = []string{deliveryArgs{}.Kind(), noticeArgs{}.Kind()}

// watchArgs are the arguments of the job that looks whether something is wrong: none.
type watchArgs struct{}

// Kind names the job in the queue's table.
func (watchArgs) Kind() string { return "incident_watch" }

type watchWorker struct {
	river.WorkerDefaults[watchArgs]
	operator *Operator
}

// Work looks once. What it finds it finds in the tables, so it makes no difference which process failed, or died over it.
func (w *watchWorker) Work(ctx context.Context, _ *river.Job[watchArgs]) error {
	return w.operator.watch(ctx)
}

func (o *Operator) watch(ctx context.Context) error {
	system := o.cfg.DB.In(db.System())
	wrong, err := o.q.WrongSystem(ctx, system, notifydb.WrongSystemParams{Silent: silent, Runs: failingRuns, People: failingUsers})
	if err != nil {
		return err
	}
	var failed []error
	for _, w := range wrong {
		failed = append(failed, o.Tell(ctx, w.Event, w.Subject, trouble(w)))
	}
	well, err := o.q.RightAgainSystem(ctx, system)
	failed = append(failed, err)
	for _, w := range well {
		failed = append(failed, o.Over(ctx, w.Event, w.Subject, ending(w.Event, w.Subject)))
	}
	return errors.Join(failed...)
}

// trouble says what is wrong and what to do.
func trouble(w notifydb.WrongSystemRow) string {
	switch w.Event {
	case jobDead:
		return fmt.Sprintf("Jobs of kind %s were given up: %d within an hour. Look with gravy job list --state discarded, mend the reason, and repeat each with gravy job retry.", w.Subject, w.Number)
	case runInternal:
		return fmt.Sprintf("Runs of %s failed with an unexpected error: %d within an hour, users: %d. Look for “run failed” in the log of the server.", w.Subject, w.Number, w.Users)
	case sourceFailing:
		return fmt.Sprintf("No run of %s ended well within an hour: %d failed, users: %d. Look at the status page of the provider, and with gravy doctor at the server.", w.Subject, w.Number, w.Users)
	}
	return w.Event
}

// ending says what is well again.
func ending(event, subject string) string {
	switch event {
	case jobDead:
		return fmt.Sprintf("For an hour no job of kind %s was given up. Those that were are still in gravy job list --state discarded.", subject)
	case runInternal:
		return fmt.Sprintf("For an hour no run of %s failed with an unexpected error.", subject)
	}
	return fmt.Sprintf("Runs of %s end well again.", subject)
}
