package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"turkey/internal/queue"
)

const (
	archiveFailed = "audit.archive_failed"
	archiveEvery  = 24 * time.Hour
	archiveLock   = 7_205_759_403_793_003 // advisory: one archives at a time
)

// ErrArchiving refuses to archive what another process archives at this moment.
var ErrArchiving = errors.New("another process is archiving the audit")

// Retention is what leaves the database by itself.
type Retention struct {
	Dir      string                                   // of the files; every server that works jobs sees the same one
	Days     int                                      // months that are over for so long go
	Owner    func(context.Context) (*pgx.Conn, error) // opens a connection with the rights of turkey_owner
	Operator Operator
}

// Before is the first moment that stays.
func (r Retention) Before(now time.Time) time.Time {
	day := now.UTC().AddDate(0, 0, -r.Days)
	return time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
}

func (r Retention) on() bool { return r.Dir != "" && r.Days > 0 }

// Retain archives old months once a day, if the settings say so. The leader of the queue gives out the job, one server works it.
// A server without these settings knows the job too, and leaves it to the others.
func (k *Keeper) Retain(q *queue.Queue, r Retention) {
	queue.Register(q, &archiveWorker{keeper: k, retention: r})
	if r.on() {
		queue.Every(q, archiveEvery, archiveArgs{})
	}
}

type archiveArgs struct{}

// Kind names the job in the queue's table.
func (archiveArgs) Kind() string { return "audit_archive" }

type archiveWorker struct {
	river.WorkerDefaults[archiveArgs]
	keeper    *Keeper
	retention Retention
}

// Timeout: the first run takes years of months.
func (w *archiveWorker) Timeout(*river.Job[archiveArgs]) time.Duration { return 6 * time.Hour }

// Work archives what is old enough. What does not verify stays, and the operator hears of it.
func (w *archiveWorker) Work(ctx context.Context, _ *river.Job[archiveArgs]) error {
	if !w.retention.on() {
		return river.JobSnooze(time.Minute)
	}
	owner, err := w.retention.Owner(ctx)
	if err != nil { // the login may have few rights on purpose
		w.keeper.cfg.Log.WarnContext(ctx, "old months of the audit were not archived: leave it to `gravy audit archive`", "error", err)
		return nil
	}
	defer owner.Close(context.WithoutCancel(ctx)) // nothing is left to lose
	done, err := w.keeper.Archive(ctx, owner, w.retention.Before(w.keeper.cfg.Now()), w.retention.Dir, false)
	for _, a := range done {
		w.keeper.cfg.Log.InfoContext(ctx, "A month of the audit was archived", "file", a.File, "rows", a.Rows)
	}
	switch {
	case errors.Is(err, ErrArchiving):
		return nil
	case err != nil:
		return errors.Join(err, w.retention.Operator.Tell(ctx, archiveFailed, "", fmt.Sprintf("Old months of the audit were not archived: %v", err)))
	}
	return w.retention.Operator.Over(ctx, archiveFailed, "", "Old months of the audit are archived again.")
}
