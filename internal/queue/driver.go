package queue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"turkey/internal/db"
)

// driver is River's, but for its clocks. River notes by PostgreSQL's clock when an attempt began, asks by it what is due, and says by
// that of its process from when on a job is due and since when one is stuck. Where the two are apart, jobs would wait for as long,
// or be taken from those who work on them. Here all of these are PostgreSQL's.
type driver struct {
	*riverpgxv5.Driver
	db *db.DB
}

var _ riverdriver.Driver[pgx.Tx] = (*driver)(nil)

// GetExecutor is riverdriver.Driver's.
func (d *driver) GetExecutor() riverdriver.Executor { return &executor{d.Driver.GetExecutor(), d.db} }

// UnwrapExecutor is riverdriver.Driver's.
func (d *driver) UnwrapExecutor(tx pgx.Tx) riverdriver.ExecutorTx {
	return wrap(d.Driver.UnwrapExecutor(tx), d.db)
}

// UnwrapTx is riverdriver.Driver's.
func (d *driver) UnwrapTx(tx riverdriver.ExecutorTx) pgx.Tx {
	if wrapped, ok := tx.(*executorTx); ok {
		tx = wrapped.ExecutorTx
	}
	return d.Driver.UnwrapTx(tx)
}

type executor struct {
	riverdriver.Executor
	db *db.DB
}

type executorTx struct {
	riverdriver.ExecutorTx
	e executor
}

func wrap(tx riverdriver.ExecutorTx, d *db.DB) *executorTx { return &executorTx{tx, executor{tx, d}} }

// Begin is riverdriver.Executor's.
func (e *executor) Begin(ctx context.Context) (riverdriver.ExecutorTx, error) {
	tx, err := e.Executor.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return wrap(tx, e.db), nil
}

// theirs is a time of this process by PostgreSQL's clock. How far off it is goes by monotonic time, which River's times have: a clock
// that was set since they were taken changes nothing.
func (e *executor) theirs(t time.Time) time.Time { return e.db.Now().Add(time.Until(t)) }

// JobInsertFastMany is riverdriver.Executor's. A job without a time is due from the zero time on, which PostgreSQL takes for its own now.
func (e *executor) JobInsertFastMany(ctx context.Context, p *riverdriver.JobInsertFastManyParams) ([]*riverdriver.JobInsertFastResult, error) {
	by := *p
	by.Jobs = make([]*riverdriver.JobInsertFastParams, len(p.Jobs))
	for i, j := range p.Jobs {
		job := *j
		if job.CreatedAt == nil {
			job.CreatedAt = new(time.Time)
		}
		if job.ScheduledAt == nil {
			job.ScheduledAt = new(time.Time)
		} else {
			job.ScheduledAt = new(e.theirs(*job.ScheduledAt))
		}
		by.Jobs[i] = &job
	}
	return e.Executor.JobInsertFastMany(ctx, &by)
}

// JobInsertFastMany is riverdriver.Executor's.
func (t *executorTx) JobInsertFastMany(ctx context.Context, p *riverdriver.JobInsertFastManyParams) ([]*riverdriver.JobInsertFastResult, error) {
	return t.e.JobInsertFastMany(ctx, p)
}

// JobGetStuck is riverdriver.Executor's.
func (e *executor) JobGetStuck(ctx context.Context, p *riverdriver.JobGetStuckParams) ([]*rivertype.JobRow, error) {
	if err := e.db.ReadClock(ctx); err != nil {
		return nil, err
	}
	by := *p
	by.StuckHorizon = e.db.Steady().Add(-rescueAfter)
	return e.Executor.JobGetStuck(ctx, &by)
}

// JobRescueMany is riverdriver.Executor's. It looks at the jobs again, which may have begun anew since.
func (e *executor) JobRescueMany(ctx context.Context, p *riverdriver.JobRescueManyParams) (*struct{}, error) {
	by := *p
	by.StuckHorizon = e.db.Steady().Add(-rescueAfter)
	by.ScheduledAt = make([]time.Time, len(p.ScheduledAt))
	for i, t := range p.ScheduledAt {
		by.ScheduledAt[i] = e.theirs(t)
	}
	return e.Executor.JobRescueMany(ctx, &by)
}

// JobSchedule is riverdriver.Executor's.
func (e *executor) JobSchedule(ctx context.Context, p *riverdriver.JobScheduleParams) ([]*riverdriver.JobScheduleResult, error) {
	by := *p
	if p.Now != nil {
		by.Now = new(e.theirs(*p.Now))
	}
	return e.Executor.JobSchedule(ctx, &by)
}

// JobSchedule is riverdriver.Executor's.
func (t *executorTx) JobSchedule(ctx context.Context, p *riverdriver.JobScheduleParams) ([]*riverdriver.JobScheduleResult, error) {
	return t.e.JobSchedule(ctx, p)
}

// JobSetStateIfRunningMany is riverdriver.Executor's.
func (e *executor) JobSetStateIfRunningMany(ctx context.Context, p *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	by := *p
	by.ScheduledAt = make([]*time.Time, len(p.ScheduledAt))
	for i, t := range p.ScheduledAt {
		if t != nil {
			by.ScheduledAt[i] = new(e.theirs(*t))
		}
	}
	return e.Executor.JobSetStateIfRunningMany(ctx, &by)
}
