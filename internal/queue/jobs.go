package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"turkey/internal/db"
	"turkey/internal/fault"
)

// Job is a row of the queue as operators see it. Its arguments are ids.
type Job struct {
	ID                    int64
	Kind, State           string
	Attempt, MaxAttempts  int
	Args                  json.RawMessage
	CreatedAt             time.Time
	ScheduledAt           time.Time // when it may run, or might have
	AttemptedAt, FailedAt *time.Time
	FinalizedAt           *time.Time
	Error                 string // of the last attempt that failed, without its trace
	CancelRequested       bool   // it runs, and has been asked to stop
}

// Filter narrows the list of jobs; zero values do not.
type Filter struct {
	State, Kind string
	Before      int64 // jobs with a lower id: the list goes from the newest to the oldest
}

// States of a job. Discarded ones have used up their attempts: the dead letters.
func States() []string {
	var all []string
	for _, s := range rivertype.JobStates() {
		all = append(all, string(s))
	}
	return all
}

var (
	errNoJob      = fault.New(fault.NotFound, "not_found", "Job not found")
	errJobRuns    = fault.New(fault.Conflict, "job_running", "The job is being worked on: wait until it ends, or cancel it")
	errJobDone    = fault.New(fault.Conflict, "job_ended", "The job is completed: there is nothing to repeat")
	errJobEnded   = fault.New(fault.Conflict, "job_ended", "The job has ended: there is nothing to cancel")
	errJobWaiting = fault.New(fault.Conflict, "job_waiting", "A job of this kind waits already, and only one may")
)

// maxError bounds what is told of an error, in characters.
const maxError = 1000

func shown(r *rivertype.JobRow) Job {
	j := Job{ID: r.ID, Kind: r.Kind, State: string(r.State), Attempt: r.Attempt, MaxAttempts: r.MaxAttempts, Args: r.EncodedArgs, CreatedAt: r.CreatedAt,
		ScheduledAt: r.ScheduledAt, AttemptedAt: r.AttemptedAt, FinalizedAt: r.FinalizedAt}
	if n := len(r.Errors); n > 0 {
		last := r.Errors[n-1]
		j.FailedAt, j.Error = &last.At, last.Error
		if text := []rune(last.Error); len(text) > maxError {
			j.Error = string(text[:maxError]) + "…"
		}
	}
	var meta map[string]json.RawMessage
	_ = json.Unmarshal(r.Metadata, &meta) // River writes an object
	j.CancelRequested = r.State == rivertype.JobStateRunning && meta["cancel_attempted_at"] != nil
	return j
}

// Jobs lists at most so many jobs, newest first.
func (q *Queue) Jobs(ctx context.Context, f Filter, most int) ([]Job, error) {
	params := river.NewJobListParams().OrderBy(river.JobListOrderByID, river.SortOrderDesc).First(most)
	if f.State != "" {
		params = params.States(rivertype.JobState(f.State))
	}
	if f.Kind != "" {
		params = params.Kinds(f.Kind)
	}
	if f.Before > 0 {
		params = params.Where("id < @before", river.NamedArgs{"before": f.Before})
	}
	list, err := q.client.JobList(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	jobs := make([]Job, len(list.Jobs))
	for i, r := range list.Jobs {
		jobs[i] = shown(r)
	}
	return jobs, nil
}

// Job is one job.
func (q *Queue) Job(ctx context.Context, id int64) (Job, error) {
	r, err := q.client.JobGet(ctx, id)
	if err != nil {
		return Job{}, orNoJob(err)
	}
	return shown(r), nil
}

// RetryTx lets a job run as soon as there is a worker, once more if its attempts were used up. changed is false for one
// that waits for a worker already.
func (q *Queue) RetryTx(ctx context.Context, tx pgx.Tx, id int64) (j Job, changed bool, err error) {
	before, err := q.client.JobGetTx(ctx, tx, id)
	if err != nil {
		return Job{}, false, orNoJob(err)
	}
	if before.State == rivertype.JobStateCompleted {
		return Job{}, false, errJobDone
	}
	after, err := q.client.JobRetryTx(ctx, tx, id)
	switch {
	case db.IsUnique(err, "river_job_unique_idx"):
		return Job{}, false, errJobWaiting
	case err != nil:
		return Job{}, false, orNoJob(err)
	case after.State == rivertype.JobStateRunning:
		return Job{}, false, errJobRuns
	}
	return shown(after), before.State != rivertype.JobStateAvailable, nil
}

// CancelTx keeps a job from running (again). One that runs is told to stop, and ends when it listens. changed is false for
// one that was cancelled before.
func (q *Queue) CancelTx(ctx context.Context, tx pgx.Tx, id int64) (j Job, changed bool, err error) {
	before, err := q.client.JobGetTx(ctx, tx, id)
	if err != nil {
		return Job{}, false, orNoJob(err)
	}
	after, err := q.client.JobCancelTx(ctx, tx, id)
	if err != nil {
		return Job{}, false, orNoJob(err)
	}
	if slices.Contains([]rivertype.JobState{rivertype.JobStateCompleted, rivertype.JobStateDiscarded}, after.State) {
		return Job{}, false, errJobEnded
	}
	return shown(after), before.State != rivertype.JobStateCancelled && !shown(before).CancelRequested, nil
}

func orNoJob(err error) error {
	if errors.Is(err, rivertype.ErrNotFound) {
		return errNoJob
	}
	return fmt.Errorf("job queue: %w", err)
}
