package auth

import (
	"context"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
)

func (s *Service) mountAdminJobs(m adminRoutes) {
	huma.Register(m.api, m.op(http.MethodGet, "jobs", "listQueuedJobs", "List jobs",
		"Work in the background, newest first. `state=discarded` are the dead letters: their attempts are used up. Ended jobs stay for a "+
			"day, dead letters for a week. For operators."), s.handleJobs)
	huma.Register(m.api, m.op(http.MethodGet, "jobs/{job}", "getQueuedJob", "One job", "For operators."), onJob(s.Job))
	huma.Register(m.api, m.op(http.MethodPost, "jobs/{job}/retry", "retryQueuedJob", "Let a job run now",
		"A dead letter and a cancelled job get one more attempt; one that waits for its next attempt waits no longer. 409 while it runs, "+
			"and when it is completed. For operators."), onJob(s.RetryJob))
	huma.Register(m.api, m.op(http.MethodPost, "jobs/{job}/cancel", "cancelQueuedJob", "Cancel a job",
		"It does not run again; one that runs is told to stop. 409 when it has ended. For operators."), onJob(s.CancelJob))
}

type jobsInput struct {
	PageQuery
	State string `query:"state" enum:"available,cancelled,completed,discarded,pending,retryable,running,scheduled"`
	Kind  string `query:"kind" example:"mail"`
}

var jobKinds = regexp.MustCompile(`^[a-z0-9_.-]{0,100}$`)

func (s *Service) handleJobs(ctx context.Context, in *jobsInput) (*pageOutput[Job], error) {
	var q queryRules
	if !jobKinds.MatchString(in.Kind) {
		q.add("kind", "Expected the name of a kind of jobs")
	}
	if err := q.err(); err != nil {
		return nil, err
	}
	return listed(s.Jobs(ctx, JobFilter{State: in.State, Kind: in.Kind}, in.page()))
}

type jobPath struct {
	Job string `path:"job" doc:"Job id" example:"4711"`
}

// onJob makes a handler of an act on one job.
func onJob(act func(context.Context, int64) (Job, error)) func(context.Context, *jobPath) (*dataOutput[Job], error) {
	return func(ctx context.Context, in *jobPath) (*dataOutput[Job], error) {
		id, err := JobNumber(in.Job)
		if err != nil {
			return nil, fault.New(fault.NotFound, "not_found", "Job not found")
		}
		return answered(act(ctx, id))
	}
}
