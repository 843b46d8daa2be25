// Package queue is the job queue of the server: River on PostgreSQL, in a schema of its own. Domains register the jobs
// they work and insert jobs in their own transactions, so a job exists exactly when what caused it was committed.
//
// Job arguments hold ids, never secrets. A job may run again after a crash; its work must bear that.
package queue

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"turkey/internal/db"
)

// JobTimeout bounds one attempt of a job. A job whose process died is taken up again a little later than this.
const JobTimeout = 2 * time.Minute

const rescueAfter = JobTimeout + 30*time.Second

// Queue works jobs and takes new ones.
type Queue struct {
	db       *db.DB
	log      *slog.Logger
	workers  *river.Workers
	periodic []*river.PeriodicJob
	lines    map[string]river.QueueConfig
	watches  []Watch
	client   *river.Client[pgx.Tx]
}

// New makes a queue that works at most so many jobs at once in this process.
func New(database *db.DB, log *slog.Logger, workers int) *Queue {
	return &Queue{db: database, log: log, workers: river.NewWorkers(),
		lines: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}}}
}

// Register says who works a kind of job. All must be registered before Open.
func Register[T river.JobArgs](q *Queue, w river.Worker[T]) { river.AddWorker(q.workers, w) }

// Line makes this process work a queue of its own beside the default one, at most so many jobs at a time: for jobs that not
// every server can do, or that are too many for others to wait behind them (their InsertOpts name the queue).
func (q *Queue) Line(name string, workers int) {
	q.lines[name] = river.QueueConfig{MaxWorkers: workers}
}

// Every inserts a job at a fixed interval, and one at the start; over all replicas one process does so.
func Every[T river.JobArgs](q *Queue, interval time.Duration, args T) {
	q.periodic = append(q.periodic, river.NewPeriodicJob(river.PeriodicInterval(interval),
		func() (river.JobArgs, *river.InsertOpts) {
			return args, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByPeriod: min(interval, time.Hour)}}
		}, &river.PeriodicJobOpts{RunOnStart: true}))
}

// Open lets jobs be inserted.
func (q *Queue) Open() error {
	client, err := river.NewClient(&driver{riverpgxv5.New(q.db.Pool()), q.db}, &river.Config{
		Schema:               db.RiverSchema,
		Queues:               q.lines,
		Workers:              q.workers,
		PeriodicJobs:         q.periodic,
		FetchCooldown:        10 * time.Millisecond, // the default of 100 ms would cap the queue at ten jobs a second per worker
		PollOnly:             q.db.Pooled(),         // notifications get lost in a pooler
		JobTimeout:           JobTimeout,
		RescueStuckJobsAfter: rescueAfter,
		Logger:               slog.New(quiet{q.log.Handler()}),
		Middleware:           q.middleware(),
	})
	if err != nil {
		return fmt.Errorf("job queue: %w", err)
	}
	q.client = client
	return nil
}

// InsertTx adds jobs in the transaction of what causes them. Those with UniqueOpts that are in line already are left out.
func (q *Queue) InsertTx(ctx context.Context, tx pgx.Tx, jobs ...river.InsertManyParams) error {
	// Not InsertManyFastTx: it dates jobs by the clock of this process.
	if _, err := q.client.InsertManyTx(ctx, tx, jobs); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	return nil
}

// Start begins to work jobs.
func (q *Queue) Start(ctx context.Context) error {
	if err := q.client.Start(ctx); err != nil {
		return fmt.Errorf("start job queue: %w", err)
	}
	return nil
}

// Stop lets jobs in flight finish until ctx is done, then cancels them; a cancelled job is taken up again by the next
// process that works the queue.
func (q *Queue) Stop(ctx context.Context) error {
	if err := q.client.Stop(ctx); err == nil {
		return nil
	}
	cancelled, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return q.client.StopAndCancel(cancelled)
}

// quiet lets only warnings of the library through.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}
