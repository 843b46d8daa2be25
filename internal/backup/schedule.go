package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"turkey/internal/db"
	"turkey/internal/queue"
)

// line is the queue of backups: only servers with a directory for them work it.
const line = "backup"

// Bounds of a scheduled backup.
const (
	attempts   = 3
	retryPause = 10 * time.Minute // after the first failure, and longer after the second
	// longest also is when a job of a process that died counts as lost. The next time on the schedule does not wait for it.
	longest = 12 * time.Hour
)

// ScheduleConfig says when backups are made by themselves.
type ScheduleConfig struct {
	Store *Store
	Next  func(time.Time) time.Time // the first time after
	Keep  time.Duration             // older backups are pruned after a good one
	DB    *db.DB
	Queue *queue.Queue
	Log   *slog.Logger
	// Operator hears that a backup failed, once, and that one was made again.
	Operator interface {
		Tell(ctx context.Context, event, subject, message string) error
		Over(ctx context.Context, event, subject, message string) error
	}
}

// failedEvent is what the operator hears of.
const failedEvent = "backup.failed"

// Schedule makes a backup at each time that is due. Every server with the same settings inserts a job for it; the jobs of
// one time are one.
type Schedule struct {
	cfg     ScheduleConfig
	cancel  context.CancelFunc
	stopped sync.WaitGroup
}

// due is a job: the backup of a time on the schedule.
type due struct {
	At time.Time `json:"at"`
}

func (due) Kind() string { return "backup" }

// InsertOpts: at most one job per time, whichever server saw it first.
func (due) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: line, MaxAttempts: attempts, UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

// NewSchedule registers the job; the queue is opened afterwards.
func NewSchedule(cfg ScheduleConfig) *Schedule {
	s := &Schedule{cfg: cfg}
	queue.Register(cfg.Queue, &worker{s: s})
	cfg.Queue.Line(line, 1)
	return s
}

// Start begins to watch the clock. A time that passed while no server ran is made up for, if there is a backup to tell by.
func (s *Schedule) Start(ctx context.Context) {
	ctx, s.cancel = context.WithCancel(ctx)
	s.stopped.Go(func() {
		now := s.cfg.Store.cfg.Now()
		if st, err := Look(s.cfg.Store.cfg.Dir); err == nil && st.Newest != nil && s.cfg.Next(st.Newest.Manifest.CreatedAt).Before(now) {
			s.insert(ctx, now.Truncate(time.Minute))
		}
		for {
			at := s.cfg.Next(s.cfg.Store.cfg.Now())
			if !wait(ctx, at.Sub(s.cfg.Store.cfg.Now())) {
				return
			}
			s.insert(ctx, at)
		}
	})
}

// Stop ends what Start began; a backup in flight is the queue's.
func (s *Schedule) Stop() {
	s.cancel()
	s.stopped.Wait()
}

// insert adds the job, and goes on trying for as long as there is no database.
func (s *Schedule) insert(ctx context.Context, at time.Time) {
	job := due{At: at.UTC()}
	opts := job.InsertOpts()
	for {
		err := s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
			return s.cfg.Queue.InsertTx(ctx, tx, river.InsertManyParams{Args: job, InsertOpts: &opts})
		})
		if err == nil || ctx.Err() != nil {
			return
		}
		s.cfg.Log.Error("A scheduled backup could not be put into the queue; next try in a minute", "error", err)
		if !wait(ctx, time.Minute) {
			return
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

type worker struct {
	river.WorkerDefaults[due]
	s *Schedule
}

// Timeout is longer than that of other jobs.
func (w *worker) Timeout(*river.Job[due]) time.Duration { return longest }

// NextRetry is late enough for a disk to be emptied.
func (w *worker) NextRetry(j *river.Job[due]) time.Time {
	return time.Now().Add(retryPause * time.Duration(j.Attempt*j.Attempt))
}

func (w *worker) Work(ctx context.Context, j *river.Job[due]) error {
	s, dir := w.s, w.s.cfg.Store.cfg.Dir
	if st, err := Look(dir); err == nil && st.Newest != nil && !st.Newest.Manifest.CreatedAt.Before(j.Args.At) {
		return s.cfg.Operator.Over(ctx, failedEvent, "", "A backup was made since.") // by hand, or by an attempt whose end was not noted
	}
	b, err := s.cfg.Store.Create(ctx, Full)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) { // the server stops, the next one goes on
			return err
		}
		s.cfg.Log.ErrorContext(ctx, "Backup failed", "error", err, "attempt", j.Attempt, "attempts", attempts)
		f := Failure{At: s.cfg.Store.cfg.Now().UTC().Truncate(time.Second), Error: err.Error()}
		told := s.cfg.Operator.Tell(ctx, failedEvent, "", fmt.Sprintf("The backup of %s failed: %v. It is tried %d times; gravy doctor and gravy backup create show how it stands.",
			j.Args.At.Format(time.RFC3339), err, attempts))
		return errors.Join(err, writeJSON(filepath.Join(dir, failureFile), f), told)
	}
	s.cfg.Log.InfoContext(ctx, "Backup made", "file", b.Path, "bytes", b.Manifest.Size, "rows", b.Manifest.Rows(), "encrypted", b.Manifest.Encrypted())
	if err := os.Remove(filepath.Join(dir, failureFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.cfg.Log.WarnContext(ctx, "The note of the last failed backup stays", "error", err)
	}
	if err := s.cfg.Operator.Over(ctx, failedEvent, "", "A backup was made: "+b.Manifest.File+"."); err != nil {
		s.cfg.Log.WarnContext(ctx, "The operator was not told that a backup was made", "error", err)
	}
	gone, err := s.cfg.Store.Prune(ctx, s.cfg.Keep)
	if err != nil {
		s.cfg.Log.ErrorContext(ctx, "Old backups were not removed", "error", err)
		return nil // the backup stands
	}
	if len(gone) > 0 {
		s.cfg.Log.InfoContext(ctx, fmt.Sprintf("Old backups removed: %d", len(gone)))
	}
	return nil
}
