package kpi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
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
	huma.Register(api, op(http.MethodDelete, "/api/sheet-mappings/{service}", "deleteSheetMapping", "Sheets", "Remove a mapping",
		"The spreadsheet and what is in it stay; runs of the service end with an error until a tab is mapped again."), s.handleDeleteMapping)
	s.mountSync(api, op)
	s.mountAwaited(api, op)
	s.mountRuns(api, op)
	huma.Register(api, op(http.MethodGet, "/api/sheets/spreadsheets", "listSpreadsheets", "Sheets", "Spreadsheets the credential sees", "At most 1000."), s.handleSpreadsheets)
	huma.Register(api, op(http.MethodGet, "/api/sheets/{spreadsheetId}/sheets", "listTabs", "Sheets", "Tabs of a spreadsheet", "In the order of the spreadsheet."), s.handleTabs)
	huma.Register(api, op(http.MethodGet, "/api/sheets/{spreadsheetId}/values", "readTab", "Sheets", "Values of a tab",
		"As formatted text: the whole tab, or with limit so many rows of it."), s.handleValues)
	s.mountSchedules(api, op)
	s.mountActivity(api, op)
	s.mountFigures(api, op)
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

type doneOutput struct {
	Body struct {
		Success bool   `json:"success"`
		Message string `json:"message"`
	}
}

func (s *Service) handleDeleteMapping(ctx context.Context, in *struct {
	Service string `path:"service" example:"ga4"`
}) (*doneOutput, error) {
	user, _ := caller.UserFrom(ctx)
	if _, ok := s.connectors.Service(in.Service); !ok {
		return nil, invalidService(in.Service)
	}
	_, err := s.q.DeleteMapping(ctx, s.db.In(db.User(user.ID)), in.Service, audit.Meta(ctx, nil))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "NOT_FOUND", fmt.Sprintf("No sheet mapping found for %s service", title(in.Service)))
	}
	if err != nil {
		return nil, err
	}
	out := &doneOutput{}
	out.Body.Success, out.Body.Message = true, "Sheet mapping deleted successfully"
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
	Limit         string `query:"limit" doc:"Rows at a time, 1 to 10000; without it the whole tab, if it is not too large" example:"1000"`
	Offset        string `query:"offset" doc:"Rows to pass over, with limit" example:"0"`
}

// maxRows is how many rows are read at a time.
const maxRows = 10_000

// rows reads limit and offset. A limit of 0 is the whole tab.
func (in *valuesInput) rows() (limit, offset int, err error) {
	limit, badLimit := strconv.Atoi(cmp.Or(in.Limit, "0"))
	offset, badOffset := strconv.Atoi(cmp.Or(in.Offset, "0"))
	switch {
	case badLimit != nil, in.Limit != "" && limit < 1, limit > maxRows:
		err = fault.New(fault.Invalid, "VALIDATION_ERROR", fmt.Sprintf("limit must be a number from 1 to %d", maxRows))
	case badOffset != nil, offset < 0, offset > connector.MaxCells:
		err = fault.New(fault.Invalid, "VALIDATION_ERROR", "offset must be a number, not negative and not larger than a spreadsheet")
	case in.Offset != "" && in.Limit == "":
		err = fault.New(fault.Invalid, "VALIDATION_ERROR", "offset needs a limit")
	}
	return limit, offset, err
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
	service, secret, err := s.credentials.Use(ctx, user.ID, id, audit.Use{Purpose: "proxy"})
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
		Success    bool       `json:"success"`
		Data       [][]string `json:"data" doc:"Rows end at their last cell that is not empty, and the list at the last such row"`
		NextOffset *int       `json:"nextOffset,omitempty" doc:"Of the next rows, while the tab has any"`
	}
}

func (s *Service) handleValues(ctx context.Context, in *valuesInput) (*valuesOutput, error) {
	if in.CredentialID != "" && in.SheetName == "" {
		return nil, fault.New(fault.Invalid, "MISSING_FIELDS", "sheetName is required")
	}
	limit, offset, err := in.rows()
	if err != nil {
		return nil, err
	}
	secret, err := s.proxyCredential(ctx, in.CredentialID)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	out := &valuesOutput{}
	out.Body.Success, out.Body.Data = true, [][]string{}
	from, to := 0, 0
	if limit > 0 {
		tabs, err := s.connectors.Sheets().Tabs(ctx, secret, in.SpreadsheetID)
		if err != nil {
			return nil, proxyFault(err)
		}
		tab, err := find(tabs, &target{spreadsheet: in.SpreadsheetID, tab: in.SheetName})
		if err != nil {
			return nil, fault.New(fault.NotFound, "SHEET_NOT_FOUND", err.Error())
		}
		if offset >= tab.Rows { // outside of the grid Google refuses
			return out, nil
		}
		from, to = offset+1, min(offset+limit, tab.Rows)
		if to < tab.Rows {
			out.Body.NextOffset = &to
		}
	}
	values, err := s.connectors.Sheets().Values(ctx, secret, in.SpreadsheetID, in.SheetName, from, to)
	if errors.Is(err, connector.ErrTooLong) {
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", "The values are too many to be read at once: read fewer rows at a time with limit and offset").Because(err)
	}
	if err != nil {
		return nil, proxyFault(err)
	}
	out.Body.Data = values
	return out, nil
}
