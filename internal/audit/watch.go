package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"turkey/internal/queue"
)

// Operator hears that the audit is not as it was sealed, once, and that it is again.
type Operator interface {
	Tell(ctx context.Context, event, subject, message string) error
	Over(ctx context.Context, event, subject, message string) error
}

const (
	tampered    = "audit.tampered"
	verifyEvery = 24 * time.Hour
)

// Watch lets the queue verify the audit of this month and the last once a day, by one server.
func (k *Keeper) Watch(q *queue.Queue, o Operator) {
	queue.Register(q, &verifyWorker{keeper: k, operator: o})
	queue.Every(q, verifyEvery, verifyArgs{})
}

// Report tells the operator how a verification came out. A part that is intact does not end what was told
// of the whole, nor the whole what a checkpoint showed.
func (s Scope) Report(ctx context.Context, o Operator, r Report) error {
	subject := ""
	switch {
	case len(s.Checkpoints) > 0:
		subject = "against checkpoints"
	case !s.From.IsZero() || !s.Until.IsZero():
		subject = "of some months"
	}
	if r.Intact {
		return o.Over(ctx, tampered, subject, "The audit is as it was sealed.")
	}
	return o.Tell(ctx, tampered, subject, fmt.Sprintf("The audit is not as it was sealed: %s. gravy audit verify names every row.", r.Findings[0].Message))
}

type verifyArgs struct{}

// Kind names the job in the queue's table.
func (verifyArgs) Kind() string { return "audit_verify" }

type verifyWorker struct {
	river.WorkerDefaults[verifyArgs]
	keeper   *Keeper
	operator Operator
}

// Timeout: it reads every row of two months.
func (w *verifyWorker) Timeout(*river.Job[verifyArgs]) time.Duration { return time.Hour }

// Work verifies once.
func (w *verifyWorker) Work(ctx context.Context, _ *river.Job[verifyArgs]) error {
	now := w.keeper.cfg.Now().UTC()
	scope := Scope{From: time.Date(now.Year(), now.Month()-1, 1, 0, 0, 0, 0, time.UTC)}
	r, err := w.keeper.Verify(ctx, scope)
	if err != nil {
		return err
	}
	return scope.Report(ctx, w.operator, r)
}
