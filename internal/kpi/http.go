package kpi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/caller"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/wire"
)

// Mount adds the routes of mappings, runs and the sheets proxy; bearer lets authenticated users through.
func (s *Service) Mount(api huma.API, bearer func(huma.Context, func(huma.Context))) {
	op := func(method, path, id, tag, summary, description string) huma.Operation {
		return huma.Operation{Method: method, Path: path, OperationID: id, Tags: []string{tag}, Summary: summary, Description: description,
			SkipValidateBody: true, DefaultStatus: http.StatusOK, Security: []map[string][]string{{"bearerAuth": {}}}, Middlewares: huma.Middlewares{bearer}}
	}
	set := op(http.MethodPost, "/api/sheet-mappings/set", "setSheetMapping", "Sheets", "Map a service to a tab",
		"One mapping per service; setting it again replaces it.")
	set.DefaultStatus = http.StatusCreated
	huma.Register(api, set, s.handleSetMapping)
	huma.Register(api, op(http.MethodGet, "/api/sheet-mappings", "listSheetMappings", "Sheets", "List mappings", "Ordered by service."), s.handleMappings)
	huma.Register(api, op(http.MethodPost, "/api/v1/sync/{service}", "syncService", "Sync", "Sync now",
		"Creates a run that fetches the source's figures and writes them to the mapped tab. Without targetDate: the trailing window up to the source's own yesterday."), s.handleSync)
	huma.Register(api, op(http.MethodGet, "/api/v1/jobs/{jobId}", "getJob", "Sync", "One run", "Own runs only."), s.handleJob)
	huma.Register(api, op(http.MethodGet, "/api/sheets/spreadsheets", "listSpreadsheets", "Sheets", "Spreadsheets the credential sees", "At most 1000."), s.handleSpreadsheets)
	huma.Register(api, op(http.MethodGet, "/api/sheets/{spreadsheetId}/sheets", "listTabs", "Sheets", "Tabs of a spreadsheet", "In the order of the spreadsheet."), s.handleTabs)
	huma.Register(api, op(http.MethodGet, "/api/sheets/{spreadsheetId}/values", "readTab", "Sheets", "Values of a tab", "The whole tab, as formatted text."), s.handleValues)
}

type mappingBody struct {
	Service       string `json:"service" missing:"handler" example:"ga4"`
	SpreadsheetID string `json:"spreadsheetId" missing:"handler" doc:"The long id in the spreadsheet's address"`
	SheetName     string `json:"sheetName" missing:"handler" doc:"Name of the tab" example:"Google"`
}

// Mapping says which tab a service's figures go to.
type Mapping struct {
	ID            int64     `json:"id"`
	Service       string    `json:"service"`
	SpreadsheetID string    `json:"spreadsheetId"`
	SheetName     string    `json:"sheetName"`
	CreatedAt     wire.Time `json:"createdAt" format:"date-time"`
	UpdatedAt     wire.Time `json:"updatedAt" format:"date-time"`
}

func (s *Service) handleSetMapping(ctx context.Context, in *struct{ Body mappingBody }) (*struct{ Body Mapping }, error) {
	user, _ := caller.UserFrom(ctx)
	b := in.Body
	if b.Service == "" || b.SpreadsheetID == "" || b.SheetName == "" {
		return nil, fault.New(fault.Invalid, "MISSING_FIELDS", "Missing required fields: service, spreadsheetId, sheetName")
	}
	if _, ok := s.connectors.Service(b.Service); !ok {
		return nil, invalidService(b.Service)
	}
	if unfit(&b.SpreadsheetID) || unfit(&b.SheetName) {
		return nil, errPlace
	}
	row, err := s.q.SetMapping(ctx, s.db.In(db.User(user.ID)), kpidb.SetMappingParams{Service: b.Service, SpreadsheetID: b.SpreadsheetID,
		SheetName: b.SheetName, Metadata: audit.Meta(ctx, nil)})
	if err != nil {
		return nil, err
	}
	return &struct{ Body Mapping }{Mapping{ID: row.ID, Service: b.Service, SpreadsheetID: b.SpreadsheetID, SheetName: b.SheetName,
		CreatedAt: wire.Time(row.CreatedAt), UpdatedAt: wire.Time(row.UpdatedAt)}}, nil
}

var errPlace = fault.New(fault.Invalid, "VALIDATION_ERROR", "spreadsheetId and sheetName are at most 255 characters long, none of them the null character")

func unfit(s *string) bool {
	return s != nil && (utf8.RuneCountInString(*s) > 255 || strings.ContainsRune(*s, 0))
}

func invalidService(name string) error {
	if len(name) > 50 || !utf8.ValidString(name) {
		name = "(too long)"
	}
	return fault.New(fault.Invalid, "INVALID_SERVICE", "Invalid service: "+name)
}

type mappingsOutput struct {
	Body struct {
		Mappings []Mapping `json:"mappings"`
	}
}

func (s *Service) handleMappings(ctx context.Context, _ *struct{}) (*mappingsOutput, error) {
	user, _ := caller.UserFrom(ctx)
	rows, err := s.q.ListMappings(ctx, s.db.In(db.User(user.ID)))
	if err != nil {
		return nil, err
	}
	out := &mappingsOutput{}
	out.Body.Mappings = make([]Mapping, len(rows))
	for i, r := range rows {
		out.Body.Mappings[i] = Mapping{ID: r.ID, Service: r.Service, SpreadsheetID: r.SpreadsheetID, SheetName: r.SheetName,
			CreatedAt: wire.Time(r.CreatedAt), UpdatedAt: wire.Time(r.UpdatedAt)}
	}
	return out, nil
}

type syncInput struct {
	Service string `path:"service" example:"ga4"`
	Body    *struct {
		TargetDate    *string `json:"targetDate,omitempty" format:"date" doc:"YYYY-MM-DD in the source's own time zone, not later than today there, at most 37 months back"`
		SpreadsheetID *string `json:"spreadsheetId,omitempty" doc:"Instead of the mapping's"`
		SheetName     *string `json:"sheetName,omitempty" doc:"Instead of the mapping's"`
	}
}

type syncOutput struct {
	Body struct {
		Success bool   `json:"success"`
		Message string `json:"message" example:"GA4 sync job enqueued"`
		Data    struct {
			JobID      string `json:"jobId" format:"uuid"`
			Source     string `json:"source"`
			TargetDate string `json:"targetDate" format:"date"`
		} `json:"data"`
	}
}

func (s *Service) handleSync(ctx context.Context, in *syncInput) (*syncOutput, error) {
	user, _ := caller.UserFrom(ctx)
	if _, ok := s.connectors.Source(in.Service); !ok {
		return nil, invalidService(in.Service)
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	arg := kpidb.CreateRunParams{ID: id, Service: in.Service, Metadata: audit.Meta(ctx, nil)}
	if in.Body != nil {
		arg.SpreadsheetID, arg.SheetName = in.Body.SpreadsheetID, in.Body.SheetName
		if unfit(arg.SpreadsheetID) || unfit(arg.SheetName) {
			return nil, errPlace
		}
		if arg.TargetDay, err = s.targetDay(in.Body.TargetDate); err != nil {
			return nil, err
		}
	}
	row, err := s.q.CreateRun(ctx, s.db.In(db.User(user.ID)), arg)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "SERVICE_NOT_FOUND", "Service not configured")
	}
	if err != nil {
		return nil, err
	}
	s.wake()
	out := &syncOutput{}
	out.Body.Success, out.Body.Message = true, title(in.Service)+" sync job enqueued"
	d := &out.Body.Data
	d.JobID, d.Source, d.TargetDate = id.String(), in.Service, s.day(arg.TargetDay, row.SourceTimezone)
	return out, nil
}

// oldestTarget is how far back a source can be asked.
const oldestTarget = 37 // months

// targetDay reads an explicit day. Somewhere on earth it is already tomorrow; which day it is at the source is known
// there alone, so one day ahead of UTC passes here.
func (s *Service) targetDay(text *string) (*time.Time, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // no day given is a fine answer
	}
	day, err := wire.ParseDay(*text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", "targetDate must be a date in the form YYYY-MM-DD")
	}
	now := s.now().UTC()
	if day.After(now.Add(14*time.Hour)) || day.Before(now.AddDate(0, -oldestTarget, 0)) {
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", fmt.Sprintf("targetDate must not be in the future nor more than %d months ago", oldestTarget))
	}
	return &day.Time, nil
}

// day is the target day as shown: the given one, else yesterday at the source, else in the default zone.
func (s *Service) day(target *time.Time, zone string) string {
	if target != nil {
		return target.Format(time.DateOnly)
	}
	if zone == "" {
		zone = s.zone
	}
	return yesterday(s.now(), zone).Format(time.DateOnly)
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

// The sheets proxy reads a spreadsheet with one of the caller's own Google credentials.

type proxyInput struct {
	CredentialID string `query:"credential_id" doc:"One of the caller's google_sheets credentials"`
}

type tabsInput struct {
	CredentialID  string `query:"credential_id" doc:"One of the caller's google_sheets credentials"`
	SpreadsheetID string `path:"spreadsheetId"`
}

type valuesInput struct {
	CredentialID  string `query:"credential_id" doc:"One of the caller's google_sheets credentials"`
	SpreadsheetID string `path:"spreadsheetId"`
	SheetName     string `query:"sheetName" doc:"Name of the tab"`
}

// proxyCredential opens the credential that a proxy call names.
func (s *Service) proxyCredential(ctx context.Context, credential string) ([]byte, error) {
	user, _ := caller.UserFrom(ctx)
	if credential == "" {
		return nil, fault.New(fault.Invalid, "MISSING_FIELDS", "credential_id is required")
	}
	id, err := strconv.ParseInt(credential, 10, 64)
	if err != nil || id < 1 {
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", "credential_id must be a number")
	}
	service, secret, err := s.credentials.Use(ctx, user.ID, id, "proxy")
	if err != nil {
		return nil, err
	}
	if service != connector.GoogleSheets {
		clear(secret)
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", "This credential is not one for Google Sheets")
	}
	return secret, nil
}

// proxyFault: a provider's refusal is never passed on as 401 or 403, which clients read as the end of their own session.
func proxyFault(err error) error {
	e, ok := errors.AsType[*connector.Error](err)
	switch {
	case !ok:
		return err
	case e.Reason == connector.NotFound:
		return fault.New(fault.NotFound, "SHEET_NOT_FOUND", e.Message).Because(err)
	case e.Reason == connector.Limited:
		return fault.New(fault.Limited, "RATE_LIMITED", e.Message).WithRetryAfter(max(e.RetryAfter, time.Second)).Because(err)
	}
	return fault.New(fault.Upstream, "SERVICE_ERROR", e.Message).Because(err)
}

type fileView struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	SheetID int64  `json:"sheetId"`
}

type filesOutput struct {
	Body struct {
		Success bool       `json:"success"`
		Data    []fileView `json:"data"`
	}
}

func (s *Service) handleSpreadsheets(ctx context.Context, in *proxyInput) (*filesOutput, error) {
	secret, err := s.proxyCredential(ctx, in.CredentialID)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	files, err := s.connectors.Sheets().Files(ctx, secret)
	if err != nil {
		return nil, proxyFault(err)
	}
	out := &filesOutput{}
	out.Body.Success, out.Body.Data = true, make([]fileView, len(files))
	for i, f := range files {
		out.Body.Data[i] = fileView{ID: f.ID, Name: f.Name}
	}
	return out, nil
}

func (s *Service) handleTabs(ctx context.Context, in *tabsInput) (*filesOutput, error) {
	secret, err := s.proxyCredential(ctx, in.CredentialID)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	tabs, err := s.connectors.Sheets().Tabs(ctx, secret, in.SpreadsheetID)
	if err != nil {
		return nil, proxyFault(err)
	}
	out := &filesOutput{}
	out.Body.Success, out.Body.Data = true, make([]fileView, len(tabs))
	for i, t := range tabs {
		out.Body.Data[i] = fileView{ID: in.SpreadsheetID, Name: t.Title, SheetID: t.ID}
	}
	return out, nil
}

type valuesOutput struct {
	Body struct {
		Success bool       `json:"success"`
		Data    [][]string `json:"data"`
	}
}

func (s *Service) handleValues(ctx context.Context, in *valuesInput) (*valuesOutput, error) {
	if in.CredentialID != "" && in.SheetName == "" {
		return nil, fault.New(fault.Invalid, "MISSING_FIELDS", "sheetName is required")
	}
	secret, err := s.proxyCredential(ctx, in.CredentialID)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	values, err := s.connectors.Sheets().Values(ctx, secret, in.SpreadsheetID, in.SheetName)
	if err != nil {
		return nil, proxyFault(err)
	}
	out := &valuesOutput{}
	out.Body.Success, out.Body.Data = true, values
	return out, nil
}
