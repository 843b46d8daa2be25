package kpi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/wire"
)

// failure ends an attempt of a run with a reason a person can act on.
type failure struct {
	reason     string // machine word, also stored
	message    string
	retry      bool
	busy       bool          // somebody else's turn: waiting for it is not a failed attempt
	paused     bool          // the provider asked for it, and nothing was tried
	after      time.Duration // what the provider asked for
	credential int64         // whose provider asked to be left alone, 0 if none did
	cause      error
}

func (f *failure) Error() string { return f.message }
func (f *failure) Unwrap() error { return f.cause }

// Result is the outcome of a run (contract §8.2), of the target day and of all its days.
type Result struct {
	Success       bool                   `json:"success"`
	JobID         string                 `json:"jobId"`
	Source        string                 `json:"source"`
	Date          string                 `json:"date,omitempty"`
	ID            string                 `json:"id,omitempty" doc:"Of the target day's row"`
	Mode          string                 `json:"mode,omitempty" doc:"What happened to the target day's row: append, update, skip"`
	RowNumber     int                    `json:"rowNumber,omitempty"`
	Metrics       map[string]json.Number `json:"metrics,omitempty"`
	MetricSources map[string]string      `json:"metricSources,omitempty" doc:"Which of several candidates a metric was taken from"`
	SpreadsheetID string                 `json:"spreadsheetId,omitempty"`
	SheetName     string                 `json:"sheetName,omitempty"`
	From          string                 `json:"from,omitempty"`
	To            string                 `json:"to,omitempty"`
	Updated       int                    `json:"updated"`
	Appended      int                    `json:"appended"`
	Skipped       int                    `json:"skipped"`
	Overwritten   int                    `json:"overwritten" doc:"Cells that people had changed since they were written, and that hold the source's value again"`
	Diff          []Difference           `json:"diff,omitempty" doc:"Of a dry run: the first 500 cells that would change"`
	DiffCells     int                    `json:"diffCells,omitempty" doc:"Of a dry run: all cells that would change"`
	Error         string                 `json:"error,omitempty"`
	DurationMs    int64                  `json:"durationMs"`
	CompletedAt   string                 `json:"completedAt"`
}

// Difference is one cell that a load would change.
type Difference struct {
	Day    string `json:"day" format:"date"`
	Column string `json:"column"`
	Old    any    `json:"old" doc:"null of an empty cell; a formula as such"`
	New    any    `json:"new"`
}

// recordDeadline bounds writing down how an attempt ended; the attempt's own time may be over by then.
const recordDeadline = 5 * time.Second

const (
	// silent is how long a run stays with a process of which nothing is heard, unless Config.Silence says otherwise. A process
	// gives a sign of life every third of it.
	silent = 30 * time.Second
	// busyPatience is how long a run waits for a tab without its attempts being counted.
	busyPatience = 10 * time.Minute
	// mostDeaths is how often the process may die over a run before it is the run's fault.
	mostDeaths = 20
)

var (
	// errLost ends an attempt whose run was cancelled, or taken over by another process.
	errLost = errors.New("the run is not this attempt's any more")
	// errMore ends an attempt that has used up its time and not its days.
	errMore = errors.New("more days are left than time")
)

// attempt is one try of a run.
type attempt struct {
	*Service
	user, id uuid.UUID
	conn     db.Conn
	run      kpidb.StartRunRow
	last     kpidb.AdvanceRunParams // what the last piece has to note, with the end of the run
	started  time.Time
	result   Result
	replaced []change // by this run so far
	noted    bool     // replaced holds what earlier attempts noted
	release  func()   // gives back the lease on the tab, which ends with the run; nil: none was taken
}

// execute plays one attempt of a run. A nil error means that there is nothing to do for the queue any more; a *failure with
// retry means that the queue should come again after the given time; any other error is an outage, or the end of this
// process.
func (s *Service) execute(ctx context.Context, user, id uuid.UUID) error {
	conn := s.db.In(db.User(user))
	run, err := s.q.StartRun(ctx, conn, kpidb.StartRunParams{ID: id, Steady: s.db.Steady(), Silent: s.silence})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil // cancelled, finished, or somebody works on it
	case errors.Is(err, db.ErrNoTenant):
		return s.abandon(ctx, id)
	case err != nil:
		return err
	}
	a := &attempt{Service: s, user: user, id: id, conn: conn, run: run, started: s.now()}
	ctx, ended := s.watched(ctx, run.Service)
	outcome, reason := "interrupted", ""
	defer func() { ended(outcome, reason) }()
	err = a.play(ctx)
	record, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordDeadline)
	defer cancel()
	switch f := asFailure(err); {
	case errors.Is(err, errLost):
		reason = "lost"
		return nil
	case errors.Is(err, errMore):
		reason = "more"
		err = errors.Join(a.yield(record), &failure{retry: true, after: time.Millisecond})
	case err != nil && (f == nil || ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded)):
		// An outage, or the process is told to stop: the next one goes on.
		reason = "outage"
		if late := a.yield(record); late != nil {
			s.log.WarnContext(ctx, "run not given back; it is found again in a minute", "run", id, "error", late)
		}
	case f != nil:
		outcome, reason = "failed", f.reason
		if err = a.fail(record, f); errors.Is(err, f) {
			outcome = "retried"
		}
	default:
		outcome = "completed"
		err = a.complete(record)
	}
	if errors.Is(err, db.ErrNoTenant) { // suspended or deleted meanwhile
		outcome, reason = "failed", "user_inactive"
		return s.abandon(record, id)
	}
	return err
}

// watched tells those who look on.
func (s *Service) watched(ctx context.Context, service string) (_ context.Context, end func(outcome, reason string)) {
	ends := make([]func(string, string), len(s.watches))
	for i, w := range s.watches {
		ctx, ends[i] = w(ctx, service)
	}
	return ctx, func(outcome, reason string) {
		for _, end := range ends {
			end(outcome, reason)
		}
	}
}

func (a *attempt) yield(ctx context.Context) error {
	return a.q.YieldRun(ctx, a.conn, a.id, a.run.Claim)
}

// play does the work under a heartbeat. Panics are errors: a run must end, whatever happens in it.
func (a *attempt) play(ctx context.Context) (err error) {
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go a.beat(work, cancel)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		if err != nil && errors.Is(context.Cause(work), errLost) {
			err = errLost
		}
	}()
	a.result = Result{JobID: a.id.String(), Source: a.run.Service}
	if int(a.run.Attempt) > a.maxAttempts+mostDeaths {
		return &failure{reason: "interrupted", message: "The server ended in the middle of this run too often"}
	}
	return a.sync(work)
}

// beat tells other processes that this one lives, and hears from them that the run is not its own any more.
func (a *attempt) beat(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(a.silence / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := a.q.BeatRun(ctx, a.conn, a.id, a.run.Claim); errors.Is(err, pgx.ErrNoRows) {
			cancel(errLost)
		}
	}
}

// abandon ends a run whose user may not act any more, so that it does not stand in the way of later ones.
func (s *Service) abandon(ctx context.Context, id uuid.UUID) error {
	return s.q.CloseRunSystem(ctx, s.db.In(db.System()), kpidb.CloseRunSystemParams{ID: id, Reason: "user_inactive",
		Error: "The account could not act when the run was due"})
}

// asFailure words what ended an attempt. nil: PostgreSQL is away, so nothing can be written down either.
func asFailure(err error) *failure {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if e, ok := fault.From(err); ok {
		switch e.Kind {
		case fault.Unavailable:
			return nil
		case fault.Forbidden:
			return &failure{reason: "user_inactive", message: "The account may not act any more", cause: err}
		}
		return &failure{reason: "credential_unusable", message: e.Message, cause: err}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &failure{reason: "timeout", message: "The run took longer than it may", retry: true, cause: err}
	}
	return &failure{reason: "internal", message: "An unexpected error occurred", retry: true, cause: err}
}

// ended completes the result, as it is stored.
func (a *attempt) ended() (json.RawMessage, error) {
	a.result.DurationMs = a.now().Sub(a.started).Milliseconds()
	a.result.CompletedAt = wire.Time(a.now()).String()
	return json.Marshal(a.result)
}

func (a *attempt) complete(ctx context.Context) error {
	a.result.Success = true
	body, err := a.ended()
	if err != nil {
		return err
	}
	r, arg := a.result, a.last
	arg.ID, arg.Claim, arg.Result, arg.Completed, arg.Progress = a.id, a.run.Claim, body, true, 100
	if arg.Rows == nil {
		arg.Rows = json.RawMessage("[]")
	}
	arg.Metadata = audit.Meta(ctx, map[string]any{
		"date": r.Date, "mode": r.Mode, "rowNumber": r.RowNumber, "recordCount": r.Appended + r.Updated, "durationMs": r.DurationMs})
	if a.run.DryRun {
		arg.Metadata = audit.Meta(ctx, map[string]any{"dryRun": true, "recordCount": 0, "durationMs": r.DurationMs})
	}
	var done kpidb.AdvanceRunRow
	if !a.run.Failing { // nobody waits for good news
		done, err = a.q.AdvanceRun(ctx, a.conn, arg)
	} else {
		err = a.db.Tx(ctx, db.User(a.user), func(tx pgx.Tx) error {
			if done, err = a.q.AdvanceRun(ctx, tx, arg); err != nil || !done.Recovered {
				return err
			}
			return a.tell(ctx, tx, eventRecovered, nil)
		})
	}
	if done.Next {
		a.wake()
	}
	if err != nil && a.release != nil { // cancelled after its last write, or its user deleted
		a.release()
	}
	return unlessLost(err)
}

// unlessLost: what an attempt says of a run that is not its own any more does not count, and is no error.
func unlessLost(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

// fail records a failed attempt: final, or to be repeated.
func (a *attempt) fail(ctx context.Context, f *failure) error {
	n, most := int(a.run.Attempt), a.maxAttempts
	free := f.busy && (f.paused || a.now().Sub(a.run.StartedAt) < busyPatience)
	if a.run.Awaited {
		most, free = 1, free && !f.paused
	}
	again := f.retry && (free || n < most)
	status := "failed"
	if again {
		status = "delayed"
	}
	f.after = backoff(f, n)
	a.result.Error = f.message
	body, err := a.ended()
	if err != nil {
		return err
	}
	if f.credential != 0 {
		if err := a.q.PauseCredential(ctx, a.conn, f.after, f.credential); err != nil {
			return err
		}
	}
	arg := kpidb.FailRunParams{ID: a.id, Claim: a.run.Claim, Status: status, Error: f.message, Reason: f.reason, Result: body, Free: free && again, After: f.after,
		Metadata: audit.Meta(ctx, map[string]any{"attempt": n, "reason": f.reason, "final": !again})}
	next := false
	if again {
		_, err = a.q.FailRun(ctx, a.conn, arg)
	} else {
		err = a.db.Tx(ctx, db.User(a.user), func(tx pgx.Tx) error {
			ended, err := a.q.FailRun(ctx, tx, arg)
			next = ended.Next
			if err != nil || !ended.First {
				return err
			}
			return a.tell(ctx, tx, eventFailed, f)
		})
	}
	if err != nil {
		return unlessLost(err)
	}
	a.log.WarnContext(ctx, "run failed", "run", a.id, "source", a.result.Source, "attempt", n, "again", again, "reason", f.reason, "cause", f.cause)
	if next {
		a.wake()
	}
	if !again {
		return nil
	}
	return f
}

// The events of runs that users are told of.
const (
	eventFailed    = "run.failed"
	eventRecovered = "run.recovered"
)

// Notifier tells a user of an event, in the transaction that causes it. subject names what it is about and holds no secret.
type Notifier interface {
	Notify(ctx context.Context, tx pgx.Tx, user uuid.UUID, event string, subject map[string]any) error
}

// tell gives notice of the first run that failed for good, and of the first that ended well after it.
func (a *attempt) tell(ctx context.Context, tx pgx.Tx, event string, f *failure) error {
	if a.notifier == nil {
		return nil
	}
	subject := map[string]any{"runId": a.id.String(), "service": a.run.Service, "from": nil, "to": nil}
	if a.result.From != "" {
		subject["from"], subject["to"] = a.result.From, a.result.To
	}
	if f != nil {
		subject["reason"], subject["message"] = f.reason, f.message
	}
	return a.notifier.Notify(ctx, tx, a.user, event, subject)
}

const (
	firstPause   = 5 * time.Second
	limitedPause = 30 * time.Second // quotas are mostly by the minute
	longestPause = 15 * time.Minute
)

// backoff is the time until the next attempt: what the provider asked for, else longer each time. What chance adds keeps runs
// that failed together from coming again together.
func backoff(f *failure, attempt int) time.Duration {
	if f.after > 0 {
		return f.after + rand.N(f.after/5+1) //nolint:gosec // spreads load, keeps no secret
	}
	pause := firstPause
	if f.reason == string(connector.Limited) {
		pause = limitedPause
	}
	pause = min(pause<<min(max(attempt-1, 0), 16), longestPause)
	return pause + rand.N(pause/2) //nolint:gosec // as above
}

// provider words a connector's error as the failure of an attempt; credential is the one it was asked with.
func provider(err error, credential int64) error {
	e, ok := errors.AsType[*connector.Error](err)
	if !ok {
		return err
	}
	f := &failure{reason: string(e.Reason), message: e.Message, retry: e.Retryable(), after: e.RetryAfter, cause: err}
	switch {
	case e.Held: // nothing was tried, and others may share the account
		f.busy, f.paused = true, true
	case e.Reason == connector.Limited:
		f.credential = credential
	}
	return f
}
