package auth

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/queue"
	"turkey/internal/wire"
)

// Job is a job of the queue.
type Job struct {
	ID              int64           `json:"id"`
	Kind            string          `json:"kind" example:"mail"`
	State           string          `json:"state" enum:"available,cancelled,completed,discarded,pending,retryable,running,scheduled" doc:"discarded: a dead letter, its attempts are used up"`
	Attempt         int             `json:"attempt" doc:"How often it was begun"`
	MaxAttempts     int             `json:"maxAttempts"`
	Args            json.RawMessage `json:"args" doc:"Ids of what it is about"`
	CreatedAt       wire.Time       `json:"createdAt" format:"date-time"`
	ScheduledAt     wire.Time       `json:"scheduledAt" format:"date-time" doc:"From when on it may run"`
	AttemptedAt     *wire.Time      `json:"attemptedAt" format:"date-time"`
	FinalizedAt     *wire.Time      `json:"finalizedAt" format:"date-time"`
	FailedAt        *wire.Time      `json:"failedAt" format:"date-time" doc:"When an attempt failed last"`
	Error           string          `json:"error,omitempty" doc:"How it failed"`
	CancelRequested bool            `json:"cancelRequested,omitempty" doc:"It runs, and has been told to stop"`
}

func shownJob(j queue.Job) Job {
	at := func(t *time.Time) *wire.Time { return wire.TimePtr(t) }
	return Job{ID: j.ID, Kind: j.Kind, State: j.State, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, Args: j.Args, CreatedAt: wire.Time(j.CreatedAt),
		ScheduledAt: wire.Time(j.ScheduledAt), AttemptedAt: at(j.AttemptedAt), FinalizedAt: at(j.FinalizedAt), FailedAt: at(j.FailedAt), Error: j.Error,
		CancelRequested: j.CancelRequested}
}

// JobFilter narrows the list of jobs; zero values do not.
type JobFilter struct{ State, Kind string }

var errNoQueue = fault.New(fault.Unavailable, "", "This server works no jobs")

// Jobs is a page of the queue, newest first. What has ended stays there for a day, dead letters for a week.
func (s *Service) Jobs(ctx context.Context, f JobFilter, p Page) ([]Job, *string, error) {
	if s.cfg.Queue == nil {
		return nil, nil, errNoQueue
	}
	before, err := p.before()
	if err != nil {
		return nil, nil, err
	}
	jobs, err := s.cfg.Queue.Jobs(ctx, queue.Filter{State: f.State, Kind: f.Kind, Before: before}, int(p.max()))
	page, next := pageOf(jobs, p, shownJob, func(j queue.Job) string { return strconv.FormatInt(j.ID, 10) })
	return page, next, err
}

// Job is one job of the queue.
func (s *Service) Job(ctx context.Context, id int64) (Job, error) {
	if s.cfg.Queue == nil {
		return Job{}, errNoQueue
	}
	j, err := s.cfg.Queue.Job(ctx, id)
	return shownJob(j), err
}

// RetryJob lets a job run now, a dead letter once more.
func (s *Service) RetryJob(ctx context.Context, id int64) (Job, error) {
	return s.onJob(ctx, id, "job_retried", (*queue.Queue).RetryTx)
}

// CancelJob keeps a job from running again, and tells one that runs to stop.
func (s *Service) CancelJob(ctx context.Context, id int64) (Job, error) {
	return s.onJob(ctx, id, "job_cancelled", (*queue.Queue).CancelTx)
}

// onJob is one act with its audit row, which belongs to the default app, since jobs belong to none. What changes nothing
// is not recorded.
func (s *Service) onJob(ctx context.Context, id int64, action string, act func(*queue.Queue, context.Context, pgx.Tx, int64) (queue.Job, bool, error)) (Job, error) {
	if s.cfg.Queue == nil {
		return Job{}, errNoQueue
	}
	var j queue.Job
	err := s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		var changed bool
		var err error
		if j, changed, err = act(s.cfg.Queue, ctx, tx, id); err != nil || !changed {
			return err
		}
		return s.recordAct(ctx, tx, s.cfg.DefaultApp, uuid.Nil, action, map[string]any{"job": j.ID, "kind": j.Kind})
	})
	if err != nil {
		return Job{}, err
	}
	return shownJob(j), nil
}

// JobNumber reads the number of a job as people write it.
func JobNumber(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, errors.New("the id of a job is a number; gravy job list shows it")
	}
	return id, nil
}
