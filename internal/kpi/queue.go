package kpi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/queue"
)

// Credentials is what the pipeline needs of the vault: a credential, opened for a purpose that is audited.
type Credentials interface {
	Use(ctx context.Context, user uuid.UUID, id int64, use audit.Use) (service string, content []byte, err error)
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
	Schedules   Schedules
	OperatorApp string         // whose administrators see the numbers of all users
	Windows     map[string]int // days that each run of a source restates, where it is not the source's own number
	Notifier    Notifier       // nil: nobody is told
	AtOnce      int            // runs that this process works at once; 0: one
	Silence     time.Duration  // after it, a run whose process gave no sign of life goes to another; 0: half a minute
	Watches     []Watch        // who looks on
}

// Watch hears of each attempt of a run in this process: of its source when it begins, which gives it a context, and of its
// outcome when it ends, with a reason where it is not completed.
type Watch func(ctx context.Context, service string) (_ context.Context, end func(outcome, reason string))

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
	schedules   Schedules
	operatorApp string
	windows     map[string]int
	notifier    Notifier
	silence     time.Duration
	watches     []Watch
	watchers    watchers
	kick        chan struct{} // a run was created in this process
	stopped     sync.WaitGroup
	stop        context.CancelFunc
}

// dispatchEvery bounds how long a run created by another replica waits for its dispatch.
const (
	dispatchEvery = time.Second
	dispatchBatch = 1000
	// lostJob is how long a run that should be worked on waits before it is put into the queue a second time: somebody may
	// have removed its job there.
	lostJob = 15 * time.Minute
)

// New makes the pipeline; nothing runs before Start.
func New(cfg Config) *Service {
	s := &Service{db: cfg.DB, log: cfg.Log, now: cfg.Now, q: kpidb.New(), credentials: cfg.Credentials, connectors: cfg.Connectors,
		zone: cfg.Zone, maxAttempts: cfg.MaxAttempts, queue: cfg.Queue, schedules: cfg.Schedules,
		operatorApp: cfg.OperatorApp, windows: cfg.Windows, notifier: cfg.Notifier, silence: cmp.Or(cfg.Silence, silent), watches: cfg.Watches, kick: make(chan struct{}, 1)}
	queue.Register(cfg.Queue, &worker{service: s})
	cfg.Queue.Line(runsLine, max(cfg.AtOnce, 1))
	return s
}

// Dispatch begins to hand due runs to the queue. It is all that a process without workers does, so that a run that was
// made there waits for no other process to look.
func (s *Service) Dispatch(ctx context.Context) { s.begin(ctx, s.dispatchLoop) }

// Start is Dispatch, and looks for schedules that are due and for runs that nobody works on any more.
func (s *Service) Start(ctx context.Context) {
	loops := []func(context.Context){s.dispatchLoop, s.reviveLoop}
	if s.schedules.On {
		loops = append(loops, s.scheduleLoop)
	}
	s.begin(ctx, loops...)
}

func (s *Service) begin(ctx context.Context, loops ...func(context.Context)) {
	ctx, s.stop = context.WithCancel(ctx)
	for _, loop := range loops {
		s.stopped.Go(func() { loop(ctx) })
	}
}

// Stop ends what Dispatch or Start began; the queue itself is stopped by its owner.
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
			jobs[i] = river.InsertManyParams{Args: runArgs{Run: d.ID, User: d.UserUuid}, InsertOpts: &river.InsertOpts{Queue: runsLine, Priority: askedRun}}
			if d.Scheduled {
				jobs[i].InsertOpts.Priority = scheduledRun
			}
		}
		if err := s.queue.InsertTx(ctx, tx, jobs...); err != nil {
			return err
		}
		return s.q.MarkEnqueuedSystem(ctx, tx, ids)
	})
	return n, err
}

// reviveLoop finds runs that nobody works on any more.
func (s *Service) reviveLoop(ctx context.Context) {
	for {
		if n, err := s.revive(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "runs without a process could not be looked for; next try in some seconds", "error", err)
		} else if n > 0 {
			s.log.InfoContext(ctx, "runs whose process ended go on", "runs", n)
			s.wake()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.silence/6 + rand.N(s.silence/3)): //nolint:gosec // only so that replicas do not keep in step
		}
	}
}

func (s *Service) revive(ctx context.Context) (int64, error) {
	if err := s.db.ReadClock(ctx); err != nil {
		return 0, err
	}
	return s.q.ReviveRunsSystem(ctx, s.db.In(db.System()), kpidb.ReviveRunsSystemParams{Steady: s.db.Steady(), Silent: s.silence, Lost: lostJob, Batch: dispatchBatch})
}

// Purgers remove runs that are kept long enough, and leases that nobody has. Each says how many went; figures stay.
func Purgers(d *db.DB) map[string]func(ctx context.Context, batch int) (int, error) {
	q, conn := kpidb.New(), d.In(db.System())
	purger := func(purge func(context.Context, kpidb.DBTX, int32) (int64, error)) func(context.Context, int) (int, error) {
		return func(ctx context.Context, batch int) (int, error) {
			n, err := purge(ctx, conn, int32(batch))
			return int(n), err
		}
	}
	runs := func(ctx context.Context, batch int) (gone int, err error) {
		for last := int64(0); last < math.MaxInt64 && err == nil; {
			var r kpidb.PurgeRunsSystemRow
			r, err = q.PurgeRunsSystem(ctx, conn, last, int32(batch))
			last, gone = r.Last, gone+int(r.Gone)
		}
		return gone, err
	}
	return map[string]func(context.Context, int) (int, error){"kpi_runs": runs, "sheet_leases": purger(q.PurgeLeasesSystem)}
}

func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// runsLine is the queue of runs: a night's runs hold up no mail.
const runsLine = "runs"

// A run that somebody asked for goes before all that schedules made.
const (
	askedRun     = 1
	scheduledRun = 2
)

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
	err := w.service.execute(db.Background(ctx), job.Args.User, job.Args.Run)
	if f, ok := errors.AsType[*failure](err); ok {
		return river.JobSnooze(f.after)
	}
	if err != nil {
		w.service.log.WarnContext(ctx, "run interrupted; the queue brings it again", "run", job.Args.Run, "error", err)
	}
	return err
}
