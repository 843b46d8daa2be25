package kpi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/caller"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/kpi/kpidb"
)

const (
	// awaitDeadline is a little less than a request may take.
	awaitDeadline = 28 * time.Second
	awaitEvery    = 100 * time.Millisecond
)

// mountAwaited adds the routes of contract §8.1, which answer when the run has ended.
func (s *Service) mountAwaited(api huma.API, op describe) {
	for _, r := range []struct{ service, path, id string }{
		{connector.Meta, "/api/meta/sync", "syncMetaNow"},
		{connector.GA4, "/api/ga4/sync", "syncGA4Now"},
		{connector.GA4, "/api/ga4/sync/yesterday", "syncGA4Yesterday"},
		{connector.Shopify, "/api/shopify/sync", "syncShopifyNow"},
		{connector.Shopify, "/api/shopify/sync/yesterday", "syncShopifyYesterday"},
	} {
		always := strings.HasSuffix(r.path, "/yesterday")
		text := "With the credential that is named, whether or not the service is enabled. After 28 seconds the answer is 408, and the run goes on."
		if always {
			text += " options.targetDate is ignored."
		}
		huma.Register(api, enveloped(op(http.MethodPost, r.path, r.id, "Sync", "Sync "+title(r.service)+" and wait", text)),
			func(ctx context.Context, in *struct{ Body awaitedBody }) (*awaitedOutput, error) {
				return s.handleAwaited(ctx, r.service, in.Body, always)
			})
	}
}

type awaitedBody struct {
	CredentialID numberText `json:"credentialId" missing:"handler" doc:"A number, also as text"`
	Options      *syncBody  `json:"options,omitempty"`
}

// numberText is a number that may come as text; what else came is refused by the handler.
type numberText struct{ text string }

// UnmarshalJSON takes anything.
func (n *numberText) UnmarshalJSON(b []byte) error {
	n.text = strings.TrimSpace(string(bytes.Trim(b, `"`)))
	if n.text == "null" {
		n.text = ""
	}
	return nil
}

// Schema is what the API reference shows.
func (numberText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeInteger}, {Type: huma.TypeString}}}
}

func (n numberText) read(service string) (int64, error) {
	if n.text == "" {
		if service == connector.Meta {
			return 0, fault.New(fault.Invalid, "VALIDATION_ERROR", "credentialId is required")
		}
		return 0, fault.New(fault.Invalid, "MISSING_FIELDS", "credentialId is required")
	}
	id, err := strconv.ParseInt(n.text, 10, 64)
	if err != nil || id < 1 {
		return 0, fault.New(fault.Invalid, "VALIDATION_ERROR", "credentialId must be a number")
	}
	return id, nil
}

// appended says what happened to the target day's row (contract §7.4).
type appended struct {
	Mode      string `json:"mode" enum:"append,update,skip"`
	Success   bool   `json:"success"`
	RowNumber int    `json:"rowNumber"`
	ID        string `json:"id"`
}

type awaitedData struct {
	Service       string         `json:"service,omitempty" doc:"Meta only"`
	Date          string         `json:"date,omitempty" doc:"Meta only"`
	ID            string         `json:"id,omitempty" doc:"Meta only"`
	SpreadsheetID string         `json:"spreadsheetId"`
	SheetName     string         `json:"sheetName"`
	Metrics       map[string]any `json:"metrics" doc:"Figures by column; Meta's with metricSources, the others' with id"`
	AppendResult  appended       `json:"appendResult"`
}

type awaitedOutput struct {
	Body struct {
		Success bool        `json:"success"`
		Data    awaitedData `json:"data"`
		Message string      `json:"message,omitempty"`
	}
}

var errNoCredential = fault.New(fault.NotFound, "CREDENTIAL_NOT_FOUND", "Credential not found")

func (s *Service) handleAwaited(ctx context.Context, service string, b awaitedBody, yesterdays bool) (*awaitedOutput, error) {
	user, _ := caller.UserFrom(ctx)
	credential, err := b.CredentialID.read(service)
	if err != nil {
		return nil, err
	}
	if b.Options != nil && yesterdays {
		b.Options.TargetDate = nil
	}
	a, err := s.aimed(b.Options)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	of, err := s.q.CreateAwaitedRun(ctx, s.db.In(db.User(user.ID)), kpidb.CreateAwaitedRunParams{ID: id, Service: service, CredentialID: credential,
		TargetDay: a.day, SpreadsheetID: a.spreadsheet, SheetName: a.sheetName, Most: mostWaiting, Metadata: audit.Meta(ctx, map[string]any{"credentialId": credential})})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, errNoCredential
	case err != nil:
		return nil, err
	case of.Service != service:
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", "This credential is not one for "+title(service))
	case of.Crowded:
		return nil, errCrowded
	}
	s.wake()
	r, err := s.await(ctx, user.ID, id)
	if err != nil {
		return nil, err
	}
	if r.Status != "completed" {
		return nil, runFault(r)
	}
	var result Result
	if err := json.Unmarshal(r.Result, &result); err != nil {
		return nil, err
	}
	return awaited(service, result), nil
}

// await polls until the run has ended.
func (s *Service) await(ctx context.Context, user, id uuid.UUID) (kpidb.GetRunRow, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, awaitDeadline, fault.New(fault.Timeout, "", "Request timeout").WithDetails(map[string]any{"jobId": id.String()}))
	defer cancel()
	conn := s.db.In(db.User(user))
	for {
		r, err := s.q.GetRun(ctx, conn, id)
		if err == nil && final(r.Status) {
			return r, nil
		}
		if err != nil && ctx.Err() == nil {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, context.Cause(ctx)
		case <-time.After(awaitEvery):
		}
	}
}

// runFault tells why a run failed as the status of an answer (contract §8.1).
func runFault(r kpidb.GetRunRow) error {
	reason, message := "", "The run was cancelled"
	if r.ErrorReason != nil && r.Error != nil {
		reason, message = *r.ErrorReason, *r.Error
	}
	switch reason {
	case "no_mapping", "no_sheets_credential", "sheet_full", "future":
		return fault.New(fault.Invalid, "VALIDATION_ERROR", message)
	case "sheet_not_found":
		return fault.New(fault.NotFound, "SHEET_NOT_FOUND", message)
	case "schema_mismatch":
		return fault.New(fault.Conflict, "SCHEMA_MISMATCH", message)
	case "not_enabled":
		return errNoCredential // deleted meanwhile
	case "":
		return fault.New(fault.Conflict, "RUN_CANCELLED", message)
	case "internal", "credential_unusable":
		return fault.New(fault.Internal, "SERVICE_ERROR", message)
	}
	return fault.New(fault.Upstream, "SERVICE_ERROR", message)
}

// awaited words a result as the routes of each service do.
func awaited(service string, r Result) *awaitedOutput {
	out := &awaitedOutput{}
	out.Body.Success = true
	d := &out.Body.Data
	d.SpreadsheetID, d.SheetName, d.Metrics = r.SpreadsheetID, r.SheetName, map[string]any{"date": r.Date}
	d.AppendResult = appended{Mode: r.Mode, Success: true, RowNumber: r.RowNumber, ID: r.ID}
	for name, n := range r.Metrics {
		d.Metrics[name] = n
	}
	if service != connector.Meta {
		d.Metrics["id"] = r.ID
		return out
	}
	d.Service, d.Date, d.ID = service, r.Date, r.ID
	if r.MetricSources != nil {
		d.Metrics["metricSources"] = r.MetricSources
	}
	out.Body.Message = "Meta insights for " + r.Date + " synced successfully"
	return out
}
