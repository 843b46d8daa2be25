package kpi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/wire"
)

// mountRuns adds the routes of contract new-api.md.
func (s *Service) mountRuns(api huma.API, op describe) {
	create := op(http.MethodPost, "/api/runs", "createRun", "Runs", "Collect a range of days",
		"Fetches every day from..to and brings the mapped tab up to date, in pieces of 90 days, each of which is finished before the next begins. Without "+
			"from and to: the trailing window. A dry run writes nothing and says what it would change.")
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, s.handleCreateRun)
	huma.Register(api, op(http.MethodGet, "/api/runs", "listRuns", "Runs", "List runs", "Newest first. Completed runs are kept for a day, others for a week."), s.handleRuns)
	huma.Register(api, op(http.MethodGet, "/api/runs/{id}", "getRun", "Runs", "One run", "Own runs only."), s.handleRun)
	huma.Register(api, op(http.MethodPost, "/api/runs/{id}/cancel", "cancelRun", "Runs", "Cancel a run",
		"What it has written so far stays; a write that is on its way may still arrive."), s.handleCancelRun)
	huma.Register(api, op(http.MethodPost, "/api/runs/{id}/retry", "retryRun", "Runs", "Try a run again",
		"Of a run that failed or was cancelled. It goes on after the last day that it loaded."), s.handleRetryRun)
	huma.Register(api, op(http.MethodPost, "/api/runs/{id}/undo", "undoRun", "Runs", "Take a load back",
		"Puts back what the run replaced, where the cells still hold what it wrote, and empties the rows that it added. Once, and only the last load of a tab. "+
			"The stored figures stay, so the next run of the service writes them again."), s.handleUndoRun)
	events := op(http.MethodGet, "/api/runs/{id}/events", "watchRun", "Runs", "Watch a run",
		"Server-sent events: `run` with the run as GET /api/runs/{id} shows it, at once and after each change, until it has ended.")
	events.Responses = map[string]*huma.Response{"200": {Description: "Events until the run has ended", Content: map[string]*huma.MediaType{
		"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	huma.Register(api, events, s.handleEvents)
}

// Run is a run of the pipeline.
type Run struct {
	ID            string     `json:"id" format:"uuid"`
	Service       string     `json:"service"`
	From          *wire.Day  `json:"from" doc:"First day, YYYY-MM-DD; null of a run over the trailing window that has not begun"`
	To            *wire.Day  `json:"to"`
	DryRun        bool       `json:"dryRun"`
	SpreadsheetID *string    `json:"spreadsheetId" doc:"Where it differs from the mapping"`
	SheetName     *string    `json:"sheetName"`
	Status        string     `json:"status" enum:"waiting,delayed,active,completed,failed,cancelled"`
	Progress      int16      `json:"progress" minimum:"0" maximum:"100"`
	Attempt       int16      `json:"attempt" doc:"How many attempts were begun"`
	MaxAttempts   int        `json:"maxAttempts"`
	NextAttemptAt *wire.Time `json:"nextAttemptAt" format:"date-time" doc:"Of a run that waits"`
	Reason        *string    `json:"reason" doc:"Why the last attempt failed, as a word"`
	Error         *string    `json:"error" doc:"Why it failed, for people"`
	Result        *Result    `json:"result"`
	CreatedAt     wire.Time  `json:"createdAt" format:"date-time"`
	StartedAt     *wire.Time `json:"startedAt" format:"date-time"`
	FinishedAt    *wire.Time `json:"finishedAt" format:"date-time"`
	UndoneAt      *wire.Time `json:"undoneAt" format:"date-time"`
}

// statuses of a run; the last three are final.
var statuses = []string{"waiting", "delayed", "active", "completed", "failed", "cancelled"}

func final(status string) bool { return slices.Contains(statuses[3:], status) }

func (s *Service) runOf(r kpidb.GetRunRow) (Run, error) {
	v := Run{ID: r.ID.String(), Service: r.Service, DryRun: r.DryRun, SpreadsheetID: r.SpreadsheetID, SheetName: r.SheetName, Status: r.Status, Progress: r.Progress,
		Attempt: r.Attempt, MaxAttempts: s.maxAttempts, Reason: r.ErrorReason, Error: r.Error, CreatedAt: wire.Time(r.CreatedAt), StartedAt: wire.TimePtr(r.StartedAt),
		FinishedAt: wire.TimePtr(r.FinishedAt), UndoneAt: wire.TimePtr(r.UndoneAt)}
	if r.Status == "waiting" || r.Status == "delayed" {
		v.NextAttemptAt = wire.TimePtr(&r.RunAt)
	}
	if len(r.Result) > 0 {
		v.Result = &Result{}
		if err := json.Unmarshal(r.Result, v.Result); err != nil {
			return v, fmt.Errorf("stored result of run %s: %w", r.ID, err)
		}
	}
	switch {
	case r.FromDay != nil:
		v.From, v.To = &wire.Day{Time: *r.FromDay}, &wire.Day{Time: *r.ToDay}
	case r.TargetDay != nil:
		v.From, v.To = &wire.Day{Time: *r.TargetDay}, &wire.Day{Time: *r.TargetDay}
	case v.Result != nil:
		v.From, v.To = dayOrNil(v.Result.From), dayOrNil(v.Result.To)
	}
	return v, nil
}

func dayOrNil(text string) *wire.Day {
	if d, err := wire.ParseDay(text); err == nil {
		return &d
	}
	return nil
}

type runOutput struct{ Body Run }

var errRun = fault.New(fault.NotFound, "RUN_NOT_FOUND", "Run not found")

// run reads one of the caller's runs.
func (s *Service) run(ctx context.Context, id string) (Run, error) {
	user, _ := caller.UserFrom(ctx)
	n, err := uuid.Parse(id)
	if err != nil {
		return Run{}, errRun
	}
	r, err := s.q.GetRun(ctx, s.db.In(db.User(user.ID)), n)
	if errors.Is(err, pgx.ErrNoRows) {
		return Run{}, errRun
	}
	if err != nil {
		return Run{}, err
	}
	return s.runOf(r)
}

type runBody struct {
	Service string  `json:"service" missing:"handler" example:"ga4"`
	From    *string `json:"from,omitempty" format:"date" doc:"First day, YYYY-MM-DD in the source's own time zone, at most 37 months back"`
	To      *string `json:"to,omitempty" format:"date" doc:"Last day, not later than today at the source"`
	DryRun  bool    `json:"dryRun,omitempty"`
}

func (s *Service) handleCreateRun(ctx context.Context, in *struct{ Body runBody }) (*runOutput, error) {
	user, _ := caller.UserFrom(ctx)
	b := in.Body
	if b.Service == "" {
		return nil, fault.New(fault.Invalid, "MISSING_FIELDS", "Missing required fields: service")
	}
	if _, ok := s.connectors.Source(b.Service); !ok {
		return nil, invalidService(b.Service)
	}
	conn := s.db.In(db.User(user.ID))
	zone, err := s.q.SourceOf(ctx, conn, b.Service)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNotEnabled
	}
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	arg := kpidb.CreateRunParams{ID: id, Service: b.Service, DryRun: b.DryRun, Most: mostWaiting}
	if arg.FromDay, arg.ToDay, err = s.dayRange(b, zone); err != nil {
		return nil, err
	}
	facts := map[string]any{}
	if b.From != nil {
		facts["from"], facts["to"] = *b.From, *b.To
	}
	if b.DryRun {
		facts["dryRun"] = true
	}
	arg.Metadata = audit.Meta(ctx, facts)
	row, err := s.q.CreateRun(ctx, conn, arg)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, errNotEnabled
	case err != nil:
		return nil, err
	case row.Crowded:
		return nil, errCrowded
	}
	s.wake()
	v, err := s.run(ctx, id.String())
	return &runOutput{v}, err
}

// dayRange reads both ends of a range, or neither.
func (s *Service) dayRange(b runBody, zone string) (from, to *time.Time, err error) {
	switch {
	case b.From == nil && b.To == nil:
		return nil, nil, nil
	case b.From == nil || b.To == nil:
		return nil, nil, fault.New(fault.Invalid, "MISSING_FIELDS", "from and to go together")
	}
	if from, err = s.dayNamed("from", *b.From, zone); err != nil {
		return nil, nil, err
	}
	if to, err = s.dayNamed("to", *b.To, zone); err != nil {
		return nil, nil, err
	}
	if to.Before(*from) {
		return nil, nil, fault.New(fault.Invalid, "VALIDATION_ERROR", "from must not be later than to")
	}
	return from, to, nil
}

type runsInput struct {
	Service string `query:"service" doc:"Only runs of this source"`
	Status  string `query:"status" doc:"Only runs in this state"`
	Limit   int32  `query:"limit" minimum:"1" maximum:"100" default:"50"`
	Cursor  string `query:"cursor" doc:"nextCursor of the page before"`
}

type runsOutput struct {
	Body struct {
		Runs       []Run   `json:"runs" doc:"Without the diff of dry runs"`
		NextCursor *string `json:"nextCursor"`
	}
}

func (s *Service) handleRuns(ctx context.Context, in *runsInput) (*runsOutput, error) {
	user, _ := caller.UserFrom(ctx)
	arg := kpidb.ListRunsParams{Most: in.Limit + 1} // one more tells whether there is another page
	if in.Service != "" {
		if _, ok := s.connectors.Source(in.Service); !ok {
			return nil, invalidService(in.Service)
		}
		arg.Service = &in.Service
	}
	if in.Status != "" {
		if !slices.Contains(statuses, in.Status) {
			return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", "status must be one of "+strings.Join(statuses, ", "))
		}
		arg.Status = &in.Status
	}
	if in.Cursor != "" {
		var err error
		if arg.BeforeAt, arg.BeforeID, err = readRunCursor(in.Cursor); err != nil {
			return nil, err
		}
	}
	most := int(in.Limit)
	rows, err := s.q.ListRuns(ctx, s.db.In(db.User(user.ID)), arg)
	if err != nil {
		return nil, err
	}
	out := &runsOutput{}
	if len(rows) > most {
		rows = rows[:most]
		out.Body.NextCursor = runCursor(rows[most-1].CreatedAt, rows[most-1].ID)
	}
	out.Body.Runs = make([]Run, len(rows))
	for i, r := range rows {
		if out.Body.Runs[i], err = s.runOf(kpidb.GetRunRow(r)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// runCursor names a place in the list. PostgreSQL keeps microseconds.
func runCursor(at time.Time, id uuid.UUID) *string {
	c := base64.RawURLEncoding.EncodeToString(append(strconv.AppendInt(nil, at.UnixMicro(), 10), ' ', id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7],
		id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15]))
	return &c
}

func readRunCursor(c string) (*time.Time, *uuid.UUID, error) {
	bad := fault.New(fault.Invalid, "VALIDATION_ERROR", "cursor is not one of this list")
	text, err := base64.RawURLEncoding.Strict().DecodeString(c)
	if err != nil {
		return nil, nil, bad
	}
	number, rest, _ := strings.Cut(string(text), " ")
	micros, err := strconv.ParseInt(number, 10, 64)
	id, noID := uuid.FromBytes([]byte(rest))
	at := time.UnixMicro(micros).UTC()
	if err != nil || noID != nil || micros < 0 || at.Year() > 9999 {
		return nil, nil, bad
	}
	return &at, &id, nil
}

type runPath struct {
	ID string `path:"id" doc:"Id of a run"`
}

func (s *Service) handleRun(ctx context.Context, in *runPath) (*runOutput, error) {
	v, err := s.run(ctx, in.ID)
	return &runOutput{v}, err
}

func (s *Service) handleCancelRun(ctx context.Context, in *runPath) (*runOutput, error) {
	return s.change(ctx, in.ID, s.q.CancelRun, fault.New(fault.Conflict, "RUN_ENDED", "The run has ended: there is nothing to cancel"))
}

var errNotFailed = fault.New(fault.Conflict, "RUN_NOT_FAILED", "Only a run that failed or was cancelled can be tried again")

func (s *Service) handleRetryRun(ctx context.Context, in *runPath) (*runOutput, error) {
	out, err := s.change(ctx, in.ID, func(ctx context.Context, conn kpidb.DBTX, id uuid.UUID, meta json.RawMessage) (uuid.UUID, error) {
		return s.q.RetryRun(ctx, conn, kpidb.RetryRunParams{ID: id, Most: mostWaiting, Metadata: meta})
	}, errNotFailed)
	if errors.Is(err, errNotFailed) {
		if v, now := s.run(ctx, in.ID); now == nil && (v.Status == "failed" || v.Status == "cancelled") {
			return nil, errCrowded
		}
	}
	return out, err
}

// change moves a run into another state; unfit says that it is in one that does not allow it.
func (s *Service) change(ctx context.Context, id string, move func(context.Context, kpidb.DBTX, uuid.UUID, json.RawMessage) (uuid.UUID, error), unfit error) (*runOutput, error) {
	user, _ := caller.UserFrom(ctx)
	v, err := s.run(ctx, id)
	if err != nil {
		return nil, err
	}
	_, err = move(ctx, s.db.In(db.User(user.ID)), uuid.MustParse(v.ID), audit.Meta(ctx, nil))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, unfit
	}
	if err != nil {
		return nil, err
	}
	s.wake()
	return s.handleRun(ctx, &runPath{v.ID})
}

func (s *Service) handleUndoRun(ctx context.Context, in *runPath) (*struct{ Body Undone }, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := uuid.Parse(in.ID)
	if err != nil {
		return nil, errRun
	}
	u, err := s.undo(ctx, user.ID, id)
	if err != nil {
		return nil, err
	}
	return &struct{ Body Undone }{u}, nil
}
