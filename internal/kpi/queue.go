package kpi

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/queue"
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
	Queue       *queue.Queue
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
	queue       *queue.Queue
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
func New(cfg Config) *Service {
	s := &Service{db: cfg.DB, log: cfg.Log, now: cfg.Now, q: kpidb.New(), credentials: cfg.Credentials, connectors: cfg.Connectors,
		zone: cfg.Zone, maxAttempts: cfg.MaxAttempts, queue: cfg.Queue, kick: make(chan struct{}, 1)}
	queue.Register(cfg.Queue, &worker{service: s})
	return s
}

// Start begins to hand due runs to the queue.
func (s *Service) Start(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	s.stopped.Go(func() { s.dispatchLoop(ctx) })
}

// Stop ends the dispatch; the queue itself is stopped by its owner.
func (s *Service) Stop() {
	s.stop()
	s.stopped.Wait()
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
		if err := s.queue.InsertTx(ctx, tx, jobs...); err != nil {
			return err
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
	if err != nil {
		w.service.log.WarnContext(ctx, "run interrupted; the queue brings it again", "run", job.Args.Run, "error", err)
	}
	if err == nil {
		w.service.wake() // the next run of this user and service may follow
	}
	return err
}
