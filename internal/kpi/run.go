package kpi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/kpi/kpidb"
)

// failure ends an attempt of a run with a reason a person can act on.
type failure struct {
	reason  string // machine word, also stored
	message string
	retry   bool
	busy    bool          // somebody else's turn: waiting for it is not a failed attempt
	after   time.Duration // what the provider asked for
	cause   error
}

func (f *failure) Error() string { return f.message }
func (f *failure) Unwrap() error { return f.cause }

// Result is the outcome of a run (contract §8.2), of the target day and of the whole window.
type Result struct {
	Success     bool                   `json:"success"`
	JobID       string                 `json:"jobId"`
	Source      string                 `json:"source"`
	Date        string                 `json:"date,omitempty"`
	Mode        string                 `json:"mode,omitempty" doc:"What happened to the target day's row: append, update, skip"`
	RowNumber   int                    `json:"rowNumber,omitempty"`
	Metrics     map[string]json.Number `json:"metrics,omitempty"`
	From        string                 `json:"from,omitempty"`
	To          string                 `json:"to,omitempty"`
	Updated     int                    `json:"updated"`
	Appended    int                    `json:"appended"`
	Skipped     int                    `json:"skipped"`
	Error       string                 `json:"error,omitempty"`
	DurationMs  int64                  `json:"durationMs"`
	CompletedAt string                 `json:"completedAt"`
}

// leaseTTL bounds one writer's hold on a tab; the writing part of a run has less time than this.
const (
	leaseTTL      = 90 * time.Second
	writeDeadline = 60 * time.Second
)

// recordDeadline bounds writing down how an attempt ended; the attempt's own time may be over by then.
const recordDeadline = 5 * time.Second

// busyPatience is how long a run waits for a tab without its attempts being counted.
const busyPatience = 10 * time.Minute

// execute plays one attempt of a run. A nil error means that the run has reached a state that stays; a *failure with
// retry means that the queue should come again after the given time; any other error is an outage, or the end of this
// process, and leaves the run as it is.
func (s *Service) execute(ctx context.Context, user, id uuid.UUID) error {
	conn := s.db.In(db.User(user))
	run, err := s.q.StartRun(ctx, conn, id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil // cancelled or finished
	case errors.Is(err, db.ErrNoTenant):
		return s.abandon(ctx, id)
	case err != nil:
		return err
	}
	started := s.now()
	result := Result{JobID: id.String(), Source: run.Service}
	err = s.attempt(ctx, user, id, run, &result)
	if err != nil && ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err // the process is told to stop; the next one goes on
	}
	result.DurationMs = s.now().Sub(started).Milliseconds()
	result.CompletedAt = s.now().UTC().Format("2006-01-02T15:04:05.000Z")
	record, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordDeadline)
	defer cancel()
	if err == nil {
		err = s.complete(record, conn, id, result)
	} else if f := asFailure(err); f != nil {
		err = s.fail(record, conn, id, run, result, f)
	}
	if errors.Is(err, db.ErrNoTenant) { // suspended or deleted meanwhile
		return s.abandon(record, id)
	}
	return err
}

// attempt is sync with its panics as errors: a run must end, whatever happens in it.
func (s *Service) attempt(ctx context.Context, user, id uuid.UUID, run kpidb.StartRunRow, result *Result) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.sync(ctx, user, id, run, result)
}

// abandon ends a run whose user may not act any more, so that it does not stand in the way of later ones.
func (s *Service) abandon(ctx context.Context, id uuid.UUID) error {
	return s.q.CloseRunSystem(ctx, s.db.In(db.System()), kpidb.CloseRunSystemParams{ID: id, Reason: "user_inactive",
		Error: "The account could not act when the run was due"})
}

// asFailure words what ended an attempt. nil: PostgreSQL is away, so nothing can be written down either.
func asFailure(err error) *failure {
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

func (s *Service) complete(ctx context.Context, conn db.Conn, id uuid.UUID, result Result) error {
	result.Success = true
	body, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return s.q.CompleteRun(ctx, conn, kpidb.CompleteRunParams{ID: id, Result: body, Metadata: audit.Meta(ctx, map[string]any{
		"date": result.Date, "mode": result.Mode, "rowNumber": result.RowNumber, "recordCount": result.Appended + result.Updated,
		"durationMs": result.DurationMs})})
}

// fail records a failed attempt: final, or to be repeated.
func (s *Service) fail(ctx context.Context, conn db.Conn, id uuid.UUID, run kpidb.StartRunRow, result Result, f *failure) error {
	attempt := int(run.Attempt)
	free := f.busy && s.now().Sub(run.CreatedAt) < busyPatience
	again := f.retry && (free || attempt < s.maxAttempts)
	status := "failed"
	if again {
		status = "delayed"
	}
	result.Error = f.message
	body, err := json.Marshal(result)
	if err != nil {
		return err
	}
	if err := s.q.FailRun(ctx, conn, kpidb.FailRunParams{ID: id, Status: status, Error: f.message, Reason: f.reason, Result: body, Free: free,
		Metadata: audit.Meta(ctx, map[string]any{"attempt": attempt, "reason": f.reason})}); err != nil {
		return err
	}
	s.log.WarnContext(ctx, "run failed", "run", id, "source", result.Source, "attempt", attempt, "again", again, "reason", f.reason, "cause", f.cause)
	if !again {
		return nil
	}
	if f.after == 0 {
		f.after = 5 * time.Second << max(attempt-1, 0)
	}
	return f
}

// sync fetches and loads: the body of a run.
func (s *Service) sync(ctx context.Context, user, id uuid.UUID, run kpidb.StartRunRow, result *Result) error {
	source, ok := s.connectors.Source(run.Service)
	if !ok {
		return &failure{reason: "invalid", message: "No such source: " + run.Service}
	}
	conn := s.db.In(db.User(user))
	b, err := s.q.RunBindings(ctx, conn, run.Service)
	if err != nil {
		return err
	}
	spreadsheet, tab := b.SpreadsheetID, b.SheetName
	if run.SpreadsheetID != nil {
		spreadsheet = *run.SpreadsheetID
	}
	if run.SheetName != nil {
		tab = *run.SheetName
	}
	switch {
	case b.SourceCredential == 0:
		return &failure{reason: "not_enabled", message: "The service is not enabled any more"}
	case spreadsheet == "" || tab == "":
		return &failure{reason: "no_mapping", message: fmt.Sprintf("No sheet mapping found for %s service", title(run.Service))}
	case b.SheetsCredential == 0:
		return &failure{reason: "no_sheets_credential", message: "No verified Google Sheets credentials found"}
	}
	report, err := s.extract(ctx, user, source, b, run.TargetDay)
	if err != nil {
		return err
	}
	if len(report.Rows) == 0 {
		return &failure{reason: "unavailable", message: "The source answered without a single day", retry: true}
	}
	result.From, result.To = report.Rows[0].Date, report.Rows[len(report.Rows)-1].Date
	result.Date, result.Metrics = result.To, report.Rows[len(report.Rows)-1].Metrics
	if err := s.q.RunProgress(ctx, conn, 50, id); err != nil {
		return err
	}
	rows, err := s.keep(ctx, conn, id, run.Service, report.Rows)
	if err != nil {
		return err
	}
	_, secret, err := s.credentials.Use(ctx, user, b.SheetsCredential, "sync")
	if err != nil {
		return err
	}
	defer clear(secret)
	done, err := s.write(ctx, id, secret, target{spreadsheet: spreadsheet, tab: tab, service: run.Service, columns: source.Columns()}, rows)
	if err != nil {
		return err
	}
	for _, p := range done {
		switch p.mode {
		case "append":
			result.Appended++
		case "update":
			result.Updated++
		default:
			result.Skipped++
		}
		if p.day == result.Date {
			result.Mode, result.RowNumber = p.mode, p.row
		}
	}
	return nil
}

// extract asks the source for the target day, or for its trailing window up to yesterday: sources correct recent days.
func (s *Service) extract(ctx context.Context, user uuid.UUID, source connector.Source, b kpidb.RunBindingsRow, target *time.Time) (connector.Report, error) {
	_, secret, err := s.credentials.Use(ctx, user, b.SourceCredential, "sync")
	if err != nil {
		return connector.Report{}, err
	}
	defer clear(secret)
	var from, to string
	switch {
	case target != nil:
		from = target.Format(time.DateOnly)
		to = from
	case b.SourceTimezone != "":
		last := yesterday(s.now(), b.SourceTimezone)
		from, to = last.AddDate(0, 0, 1-source.Window()).Format(time.DateOnly), last.Format(time.DateOnly)
	}
	report, err := source.Extract(ctx, secret, from, to)
	return report, provider(err)
}

// keep stores the rows and returns them with the ids their days have had since they were first seen.
func (s *Service) keep(ctx context.Context, conn db.Conn, run uuid.UUID, service string, rows []connector.Row) ([]dayRow, error) {
	type stored struct {
		Day     string                 `json:"day"`
		ID      uuid.UUID              `json:"id"`
		Metrics map[string]json.Number `json:"metrics"`
	}
	batch := make([]stored, len(rows))
	for i, r := range rows {
		id, err := uuid.NewRandom()
		if err != nil {
			return nil, err
		}
		batch[i] = stored{Day: r.Date, ID: id, Metrics: r.Metrics}
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return nil, err
	}
	kept, err := s.q.KeepRows(ctx, conn, kpidb.KeepRowsParams{Service: service, RunID: run, Rows: body})
	if err != nil {
		return nil, fmt.Errorf("store figures: %w", err)
	}
	ids := map[string]string{}
	for _, k := range kept {
		ids[k.Day.Format(time.DateOnly)] = k.ID.String()
	}
	out := make([]dayRow, len(rows))
	for i, r := range rows {
		values := map[string]any{"id": ids[r.Date], "date": r.Date}
		for name, n := range r.Metrics {
			values[name] = n
		}
		out[i] = dayRow{day: r.Date, values: values}
	}
	return out, nil
}

// target is the tab a run writes to.
type target struct {
	spreadsheet, tab, service string
	columns                   []string
}

// write brings a tab up to date under its lease: read, compare, one batch of explicit ranges.
func (s *Service) write(ctx context.Context, run uuid.UUID, secret []byte, t target, rows []dayRow) ([]placed, error) {
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	// The right to the spreadsheet comes before the lease on its tab: nobody holds up a tab that is not theirs.
	sheets := s.connectors.Sheets()
	tabs, err := sheets.Tabs(ctx, secret, t.spreadsheet)
	if err != nil {
		return nil, provider(err)
	}
	tab, ok := tabNamed(tabs, t.tab)
	if !ok {
		return nil, &failure{reason: "sheet_not_found", message: fmt.Sprintf("Sheet not found: %q in spreadsheet %s", t.tab, t.spreadsheet)}
	}
	system := s.db.In(db.System())
	_, err = s.q.AcquireLeaseSystem(ctx, system, kpidb.AcquireLeaseSystemParams{
		SpreadsheetID: t.spreadsheet, SheetName: t.tab, Holder: run, Ttl: leaseTTL})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, &failure{reason: "busy", message: "Another run is writing to this tab", retry: true, busy: true, after: 2 * time.Second}
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordDeadline)
		defer cancel()
		if err := s.q.ReleaseLeaseSystem(release, system, kpidb.ReleaseLeaseSystemParams{SpreadsheetID: t.spreadsheet, SheetName: t.tab, Holder: run}); err != nil {
			s.log.WarnContext(ctx, "lease on a tab not released; it ends by itself", "error", err)
		}
	}()
	grid, err := sheets.Raw(ctx, secret, t.spreadsheet, t.tab)
	if err != nil {
		return nil, provider(err)
	}
	l, err := plan(t.service, t.columns, grid, rows)
	if err != nil {
		return nil, &failure{reason: "schema_mismatch", message: err.Error()}
	}
	if err := sheets.AddRows(ctx, secret, t.spreadsheet, tab.ID, l.height-tab.Rows); err != nil {
		return nil, provider(err)
	}
	if err := sheets.Write(ctx, secret, t.spreadsheet, t.tab, l.ranges); err != nil {
		return nil, provider(err)
	}
	return l.rows, nil
}

func tabNamed(tabs []connector.Tab, name string) (connector.Tab, bool) {
	for _, t := range tabs {
		if t.Title == name {
			return t, true
		}
	}
	return connector.Tab{}, false
}

// provider words a connector's error as the failure of an attempt.
func provider(err error) error {
	if e, ok := errors.AsType[*connector.Error](err); ok {
		return &failure{reason: string(e.Reason), message: e.Message, retry: e.Retryable(), after: e.RetryAfter, cause: err}
	}
	return err
}

// yesterday is the last whole day in a zone, as a date at UTC midnight; an unknown zone counts as UTC.
func yesterday(now time.Time, zone string) time.Time {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		loc = time.UTC
	}
	y, m, d := now.In(loc).Date()
	return time.Date(y, m, d-1, 0, 0, 0, 0, time.UTC)
}

func title(service string) string {
	switch service {
	case connector.GA4:
		return "GA4"
	case connector.GoogleSheets:
		return "Google Sheets"
	}
	return string(service[0]-'a'+'A') + service[1:]
}
