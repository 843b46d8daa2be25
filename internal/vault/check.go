package vault

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/queue"
	"turkey/internal/vault/vaultdb"
)

const (
	checkEvery = time.Minute
	checkBatch = 200
	// checkClaim is when a check that was handed out comes again if nothing came of it.
	checkClaim = 10 * time.Minute
	// checkIdle is how often it is looked whether somebody uses a credential by now.
	checkIdle = time.Hour
)

// dueArgs are the arguments of the job that hands out checks: none.
type dueArgs struct{}

// Kind names the job in the queue's table.
func (dueArgs) Kind() string { return "credential_checks" }

// checkArgs are the arguments of one check: ids.
type checkArgs struct {
	User       uuid.UUID `json:"user"`
	Credential int64     `json:"credential"`
}

// Kind names the job in the queue's table.
func (checkArgs) Kind() string { return "credential_check" }

// checkInsert: one attempt, as what comes to nothing is due again after checkClaim; behind mails and runs, as a check can wait;
// and none while one for the same credential waits, so that a long line does not grow by itself.
var checkInsert = river.InsertOpts{MaxAttempts: 1, Priority: 3, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled}}}

type dueWorker struct {
	river.WorkerDefaults[dueArgs]
	service *Service
}

// Work hands out the checks that are due.
func (w *dueWorker) Work(ctx context.Context, _ *river.Job[dueArgs]) error {
	return w.service.handOut(ctx)
}

type checkWorker struct {
	river.WorkerDefaults[checkArgs]
	service *Service
}

// Work checks one credential.
func (w *checkWorker) Work(ctx context.Context, job *river.Job[checkArgs]) error {
	return w.service.recheck(ctx, job.Args.User, job.Args.Credential)
}

// register lets a queue work the checks.
func (s *Service) register(q *queue.Queue) {
	s.queue = q
	queue.Register(q, &dueWorker{service: s})
	queue.Register(q, &checkWorker{service: s})
	queue.Every(q, checkEvery, dueArgs{})
}

// handOut inserts a job for each credential whose check is due. What is put off and what is inserted is one transaction, in
// batches; several processes at once take different ones.
func (s *Service) handOut(ctx context.Context) error {
	for {
		n := 0
		err := s.db.Tx(ctx, db.System(), func(tx pgx.Tx) error {
			due, err := s.q.DueChecksSystem(ctx, tx, vaultdb.DueChecksSystemParams{At: s.now(), Batch: checkBatch, Claim: checkClaim, Idle: checkIdle})
			if err != nil {
				return err
			}
			n = len(due)
			var jobs []river.InsertManyParams
			for _, d := range due {
				if d.Checked {
					jobs = append(jobs, river.InsertManyParams{Args: checkArgs{User: d.Person, Credential: d.ID}, InsertOpts: &checkInsert})
				}
			}
			if len(jobs) == 0 {
				return nil
			}
			return s.queue.InsertTx(ctx, tx, jobs...)
		})
		if err != nil || n < checkBatch {
			return err
		}
	}
}

// recheck is a check that nobody asked for. What it finds is in the credential's health; an error is a failure of ours.
func (s *Service) recheck(ctx context.Context, user uuid.UUID, id int64) error {
	_, err := s.prove(ctx, user, id, audit.Use{Purpose: "health"})
	if f, ok := fault.From(err); ok && (f.Kind != fault.Internal || errors.Is(err, errUnreadable)) && f.Kind != fault.Unavailable {
		return nil
	}
	return err
}

// prove asks the provider about a credential and records what it says, even if nobody waits for it any more. A provider that
// is down or throttles proves nothing: whether the credential is verified stays as it was.
func (s *Service) prove(ctx context.Context, user uuid.UUID, id int64, use audit.Use) (connector.Proof, error) {
	var none connector.Proof
	within, cancel := context.WithTimeout(ctx, verifyDeadline)
	defer cancel()
	row, content, err := s.take(within, user, id, use, true)
	if renewal, ok := errors.AsType[*connector.Error](err); ok {
		return none, s.judge(ctx, user, row, none, lost(renewal), err)
	}
	if err != nil {
		return none, err
	}
	defer clear(content)
	c, err := s.connector(row.Service)
	if err != nil {
		return none, err
	}
	proof, err := c.Verify(within, content, connector.Binding{SpreadsheetID: row.SpreadsheetID})
	if err == nil {
		return proof, s.judge(ctx, user, row, proof, outcome{verdict: proved, expires: proof.ExpiresAt}, nil)
	}
	e, ok := errors.AsType[*connector.Error](err)
	if !ok {
		e = &connector.Error{Reason: connector.Unavailable, Message: "no answer"}
	}
	return none, s.judge(ctx, user, row, none, refusal(e), err)
}

// judge records an outcome and words it for the person.
func (s *Service) judge(ctx context.Context, user uuid.UUID, row vaultdb.TakeCredentialRow, proof connector.Proof, o outcome, cause error) error {
	if gone := ctx.Err(); o.verdict == unanswered && gone != nil {
		return gone // the client left, and the call with it: that says nothing of the provider
	}
	ctx, cancel := surviving(ctx)
	defer cancel()
	k := check{id: row.ID, version: row.Version, outcome: o, proof: proof}
	var answer error
	switch o.verdict {
	case proved:
		k.action = "credential_verified"
	case refused:
		k.action = "verification_failed"
		answer = fault.New(fault.Invalid, "VERIFICATION_FAILED", "Credential verification failed: "+o.message).Because(cause)
	case unanswered:
		answer = fault.New(fault.Upstream, "SERVICE_ERROR", "The provider could not be asked: "+o.message).Because(cause)
	}
	err := s.conclude(ctx, user, k)
	if !errors.Is(err, pgx.ErrNoRows) {
		return either(err, answer)
	}
	// Deleted or replaced meanwhile: what was proved is not what there is now.
	if _, err := s.head(ctx, user, row.ID); err != nil {
		return err
	}
	return errChanged
}
