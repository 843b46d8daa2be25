package kpi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/kpi/kpidb"
)

// Credentials is what the pipeline needs of the vault: a credential, opened for a purpose that is audited.
type Credentials interface {
	Use(ctx context.Context, user uuid.UUID, id int64, purpose string) (service string, content []byte, err error)
}

// Config is what the pipeline needs to run.
type Config struct {
	DB          *db.DB
	Log         *slog.Logger
	Now         func() time.Time
	Credentials Credentials
	Connectors  *connector.Set
	Zone        string // IANA zone of dates when a source's own is not known yet
	MaxAttempts int    // attempts of a run, the first included
	Workers     int    // runs at once in this process
}

// Service is the pipeline: routes, dispatcher and workers.
type Service struct {
	db          *db.DB
	log         *slog.Logger
	now         func() time.Time
	q           *kpidb.Queries
	credentials Credentials
	connectors  *connector.Set
	zone        string
	maxAttempts int
	queue       *river.Client[pgx.Tx]
	kick        chan struct{} // a run was created in this process
	stopped     sync.WaitGroup
	stop        context.CancelFunc
}

// dispatchEvery bounds how long a run created by another replica waits for its dispatch.
const (
	dispatchEvery = time.Second
	dispatchBatch = 200
)

// New makes the pipeline; nothing runs before Start.
func New(cfg Config) (*Service, error) {
	s := &Service{db: cfg.DB, log: cfg.Log, now: cfg.Now, q: kpidb.New(), credentials: cfg.Credentials, connectors: cfg.Connectors,
		zone: cfg.Zone, maxAttempts: cfg.MaxAttempts, kick: make(chan struct{}, 1)}
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{service: s})
	var err error
	s.queue, err = river.NewClient(riverpgxv5.New(cfg.DB.Pool()), &river.Config{
		Schema:               db.RiverSchema,
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: cfg.Workers}},
		Workers:              workers,
		FetchCooldown:        10 * time.Millisecond, // the default of 100 ms would cap the queue at MaxWorkers × 10 jobs/s
		JobTimeout:           runDeadline,
		RescueStuckJobsAfter: runDeadline + 30*time.Second,
		Logger:               slog.New(quiet{cfg.Log.Handler()}),
	})
	if err != nil {
		return nil, fmt.Errorf("job queue: %w", err)
	}
	return s, nil
}

// Start begins to work runs.
func (s *Service) Start(ctx context.Context) error {
	if err := s.queue.Start(ctx); err != nil {
		return fmt.Errorf("start job queue: %w", err)
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.stopped.Go(func() { s.dispatchLoop(ctx) })
	return nil
}

// Stop lets runs in flight finish until ctx is done, then cancels them; a cancelled run is taken up again by the next
// process that works the queue.
func (s *Service) Stop(ctx context.Context) error {
	s.stop()
	s.stopped.Wait()
	if err := s.queue.Stop(ctx); err == nil {
		return nil
	}
	cancelled, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return s.queue.StopAndCancel(cancelled)
}

func (s *Service) dispatchLoop(ctx context.Context) {
	tick := time.NewTicker(dispatchEvery)
	defer tick.Stop()
	for {
		n, err := s.dispatch(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "dispatch of runs failed; next try in a second", "error", err)
		}
		if err == nil && n == dispatchBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-s.kick:
		case <-tick.C:
		}
	}
}

// dispatch hands due runs to the queue: the mark on the run and the job are one transaction, and other replicas skip
// the rows it holds.
func (s *Service) dispatch(ctx context.Context) (n int, err error) {
	err = s.db.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		due, err := s.q.DueRunsSystem(ctx, tx, dispatchBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		n = len(due)
		ids := make([]uuid.UUID, n)
		jobs := make([]river.InsertManyParams, n)
		for i, d := range due {
			ids[i] = d.ID
			jobs[i] = river.InsertManyParams{Args: runArgs{Run: d.ID, User: d.UserUuid}}
		}
		if _, err := s.queue.InsertManyFastTx(ctx, tx, jobs); err != nil {
			return fmt.Errorf("enqueue: %w", err)
		}
		return s.q.MarkEnqueuedSystem(ctx, tx, ids)
	})
	return n, err
}

func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// runArgs are the arguments of a job: ids, never secrets.
type runArgs struct {
	Run  uuid.UUID `json:"run"`
	User uuid.UUID `json:"user"`
}

// Kind names the job in the queue's table.
func (runArgs) Kind() string { return "kpi_run" }

type worker struct {
	river.WorkerDefaults[runArgs]
	service *Service
}

// Work plays one attempt. Attempts are counted on the run: a snooze brings the job again without counting in the queue.
func (w *worker) Work(ctx context.Context, job *river.Job[runArgs]) error {
	err := w.service.execute(ctx, job.Args.User, job.Args.Run)
	if f, ok := errors.AsType[*failure](err); ok {
		return river.JobSnooze(f.after)
	}
	if err == nil {
		w.service.wake() // the next run of this user and service may follow
	}
	return err
}

// quiet lets only warnings of the queue library through.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}
