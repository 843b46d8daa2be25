package kpi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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

// mountSync adds the routes of contract §8.2.
func (s *Service) mountSync(api huma.API, op describe) {
	huma.Register(api, op(http.MethodPost, "/api/v1/sync/all", "syncAll", "Sync", "Sync all sources now",
		"Creates a run for each source that is enabled and that the operator has not switched off. They start half a minute apart."), s.handleSyncAll)
	huma.Register(api, op(http.MethodPost, "/api/v1/sync/{service}", "syncService", "Sync", "Sync now",
		"Creates a run that fetches the source's figures and writes them to the mapped tab. Without targetDate: the trailing window up to the source's own yesterday."), s.handleSync)
	huma.Register(api, op(http.MethodGet, "/api/v1/jobs/{jobId}", "getJob", "Sync", "One run", "Own runs only."), s.handleJob)
}

// syncBody says for which day, and where to.
type syncBody struct {
	TargetDate    *string `json:"targetDate,omitempty" format:"date" doc:"YYYY-MM-DD in the source's own time zone, not later than today there, at most 37 months back"`
	SpreadsheetID *string `json:"spreadsheetId,omitempty" doc:"Instead of the mapping's"`
	SheetName     *string `json:"sheetName,omitempty" doc:"Instead of the mapping's"`
}

// aim is a checked syncBody.
type aim struct {
	day                    *time.Time
	spreadsheet, sheetName *string
}

// aimed checks a body that may be missing.
func (s *Service) aimed(b *syncBody) (a aim, err error) {
	if b == nil {
		return a, nil
	}
	if unfit(b.SpreadsheetID) || unfit(b.SheetName) {
		return a, errPlace
	}
	a.spreadsheet, a.sheetName = b.SpreadsheetID, b.SheetName
	a.day, err = s.targetDay(b.TargetDate)
	return a, err
}

type syncInput struct {
	Service string `path:"service" example:"ga4"`
	Body    *syncBody
}

// job is a run that was made.
type job struct {
	JobID      string `json:"jobId" format:"uuid"`
	Source     string `json:"source"`
	TargetDate string `json:"targetDate" format:"date"`
}

type syncOutput struct {
	Body struct {
		Success bool   `json:"success"`
		Message string `json:"message" example:"GA4 sync job enqueued"`
		Data    job    `json:"data"`
	}
}

// mostWaiting is how many runs of a source one user may have waiting: they go one after the other, and all dispatches look at them.
const mostWaiting = 100

var errCrowded = fault.New(fault.Limited, "RATE_LIMITED", fmt.Sprintf("%d runs of this service wait already: let them end, or cancel some", mostWaiting)).
	WithRetryAfter(time.Minute)

var errNotEnabled = fault.New(fault.NotFound, "SERVICE_NOT_FOUND", "Service not configured")

func (s *Service) handleSync(ctx context.Context, in *syncInput) (*syncOutput, error) {
	user, _ := caller.UserFrom(ctx)
	if _, ok := s.connectors.Source(in.Service); !ok {
		return nil, invalidService(in.Service)
	}
	a, err := s.aimed(in.Body)
	if err != nil {
		return nil, err
	}
	conn := s.db.In(db.User(user.ID))
	if a.day != nil {
		zone, err := s.q.SourceOf(ctx, conn, in.Service)
		if err == nil {
			_, err = s.dayNamed("targetDate", *in.Body.TargetDate, zone)
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, errNotEnabled
		}
		if err != nil {
			return nil, err
		}
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	row, err := s.q.CreateRun(ctx, conn, kpidb.CreateRunParams{ID: id, Service: in.Service, TargetDay: a.day,
		SpreadsheetID: a.spreadsheet, SheetName: a.sheetName, Most: mostWaiting, Metadata: audit.Meta(ctx, nil)})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, errNotEnabled
	case err != nil:
		return nil, err
	case row.Crowded:
		return nil, errCrowded
	}
	s.wake()
	out := &syncOutput{}
	out.Body.Success, out.Body.Message = true, title(in.Service)+" sync job enqueued"
	out.Body.Data = job{id.String(), in.Service, s.day(a.day, row.SourceTimezone)}
	return out, nil
}

type syncAllOutput struct {
	Body struct {
		Success bool   `json:"success"`
		Message string `json:"message" example:"Enqueued 3 sync jobs"`
		Data    struct {
			Jobs []job `json:"jobs"`
		} `json:"data"`
	}
}

func (s *Service) handleSyncAll(ctx context.Context, in *struct{ Body *syncBody }) (*syncAllOutput, error) {
	user, _ := caller.UserFrom(ctx)
	a, err := s.aimed(in.Body)
	if err != nil {
		return nil, err
	}
	rows, err := s.q.CreateRuns(ctx, s.db.In(db.User(user.ID)), kpidb.CreateRunsParams{Services: s.connectors.Sources(), TargetDay: a.day,
		SpreadsheetID: a.spreadsheet, SheetName: a.sheetName, Most: mostWaiting, Metadata: audit.Meta(ctx, nil)})
	if err != nil {
		return nil, err
	}
	s.wake()
	out := &syncAllOutput{}
	out.Body.Success, out.Body.Message, out.Body.Data.Jobs = true, fmt.Sprintf("Enqueued %d sync jobs", len(rows)), make([]job, len(rows))
	for i, r := range rows {
		out.Body.Data.Jobs[i] = job{r.ID.String(), r.Service, s.day(a.day, r.SourceTimezone)}
	}
	return out, nil
}

// oldestTarget is how far back a source can be asked.
const oldestTarget = 37 // months

// targetDay reads an explicit day.
func (s *Service) targetDay(text *string) (*time.Time, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // no day given is a fine answer
	}
	return s.dayNamed("targetDate", *text, "")
}

// dayNamed reads a day that a source can be asked for. While its zone is not known, one day ahead of UTC passes: somewhere on
// earth it is already tomorrow.
func (s *Service) dayNamed(field, text, zone string) (*time.Time, error) {
	day, err := wire.ParseDay(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", field+" must be a date in the form YYYY-MM-DD")
	}
	today := s.now().UTC().Add(14 * time.Hour)
	if zone != "" {
		today = yesterday(s.now(), zone).AddDate(0, 0, 1)
	}
	if day.After(today) || day.Before(s.now().UTC().AddDate(0, -oldestTarget, 0)) {
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", fmt.Sprintf("%s must not be in the future nor more than %d months ago", field, oldestTarget))
	}
	return &day.Time, nil
}

// day is the target day as shown: the given one, else yesterday at the source, else in the default zone.
func (s *Service) day(target *time.Time, zone string) string {
	if target != nil {
		return target.Format(time.DateOnly)
	}
	return yesterday(s.now(), s.zoneOf(zone)).Format(time.DateOnly)
}

type jobOutput struct {
	Body struct {
		Success bool `json:"success"`
		Data    struct {
			Status   string `json:"status" enum:"waiting,delayed,active,completed,failed,cancelled"`
			Progress int16  `json:"progress" minimum:"0" maximum:"100"`
			Data     struct {
				JobID         string    `json:"jobId" format:"uuid"`
				Source        string    `json:"source"`
				TargetDate    string    `json:"targetDate,omitempty" format:"date"`
				CreatedAt     wire.Time `json:"createdAt" format:"date-time"`
				RetryCount    int16     `json:"retryCount"`
				SpreadsheetID *string   `json:"spreadsheetId,omitempty"`
				SheetName     *string   `json:"sheetName,omitempty"`
				UserID        int64     `json:"userId"`
			} `json:"data"`
			Result       *Result `json:"result"`
			FailedReason string  `json:"failedReason,omitempty"`
		} `json:"data"`
	}
}

var errJob = fault.New(fault.NotFound, "JOB_NOT_FOUND", "Job not found")

func (s *Service) handleJob(ctx context.Context, in *struct {
	JobID string `path:"jobId" doc:"Job id"`
}) (*jobOutput, error) {
	user, _ := caller.UserFrom(ctx)
	id, err := uuid.Parse(in.JobID)
	if err != nil {
		return nil, errJob
	}
	r, err := s.q.GetRun(ctx, s.db.In(db.User(user.ID)), id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errJob
	}
	if err != nil {
		return nil, err
	}
	out := &jobOutput{}
	out.Body.Success = true
	d := &out.Body.Data
	d.Status, d.Progress = r.Status, r.Progress
	j := &d.Data
	j.JobID, j.Source, j.CreatedAt, j.UserID = r.ID.String(), r.Service, wire.Time(r.CreatedAt), r.UserID
	j.RetryCount, j.SpreadsheetID, j.SheetName = max(r.Attempt-1, 0), r.SpreadsheetID, r.SheetName
	if r.TargetDay != nil {
		j.TargetDate = r.TargetDay.Format(time.DateOnly)
	}
	if len(r.Result) > 0 {
		d.Result = &Result{}
		if err := json.Unmarshal(r.Result, d.Result); err != nil {
			return nil, fmt.Errorf("stored result of run %s: %w", id, err)
		}
		if j.TargetDate == "" {
			j.TargetDate = d.Result.Date
		}
	}
	if r.Error != nil {
		d.FailedReason = *r.Error
	}
	return out, nil
}
