package queue

import (
	"context"
	"errors"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Watch hears of each attempt of a job in this process: of its kind when it begins, which gives it a context, and of one of
// the results when it ends.
type Watch func(ctx context.Context, kind string) (_ context.Context, end func(result string))

// The results of an attempt.
const (
	completed = "completed"
	retried   = "retried"
	snoozed   = "snoozed" // comes again, and that is no failure
	cancelled = "cancelled"
	discarded = "discarded" // its last attempt failed
)

// Watch adds one who looks on; before Open.
func (q *Queue) Watch(w Watch) { q.watches = append(q.watches, w) }

func (q *Queue) middleware() (all []rivertype.Middleware) {
	for _, w := range q.watches {
		all = append(all, river.WorkerMiddlewareFunc(func(ctx context.Context, job *rivertype.JobRow, work func(context.Context) error) (err error) {
			ctx, end := w(ctx, job.Kind)
			result := resultOf(errPanic, job)
			defer func() { end(result) }()
			err = work(ctx)
			result = resultOf(err, job)
			return err
		}))
	}
	return all
}

// errPanic stands for what an attempt did not come back with.
var errPanic = errors.New("panic")

// resultOf is what River makes of the end of an attempt.
func resultOf(err error, job *rivertype.JobRow) string {
	if err == nil {
		return completed
	}
	if _, ok := errors.AsType[*rivertype.JobSnoozeError](err); ok {
		return snoozed
	}
	if _, ok := errors.AsType[*rivertype.JobCancelError](err); ok {
		return cancelled
	}
	if job.Attempt >= job.MaxAttempts {
		return discarded
	}
	return retried
}
