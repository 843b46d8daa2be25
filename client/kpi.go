package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Mapping says which tab a service's figures go to.
type Mapping struct {
	ID            int64  `json:"id,omitempty"`
	Service       string `json:"service"`
	SpreadsheetID string `json:"spreadsheetId"`
	SheetName     string `json:"sheetName"`
}

// SetMapping maps a service to a tab, in place of the mapping it had.
func (s *Session) SetMapping(ctx context.Context, m Mapping) (Mapping, error) {
	var out Mapping
	err := s.do(ctx, http.MethodPost, "/api/sheet-mappings/set", m, &out)
	return out, err
}

// Mappings lists the user's mappings.
func (s *Session) Mappings(ctx context.Context) ([]Mapping, error) {
	var out struct {
		Mappings []Mapping `json:"mappings"`
	}
	err := s.do(ctx, http.MethodGet, "/api/sheet-mappings", nil, &out)
	return out.Mappings, err
}

// DeleteMapping removes the mapping of a service; the spreadsheet stays as it is.
func (s *Session) DeleteMapping(ctx context.Context, service string) error {
	return s.do(ctx, http.MethodDelete, "/api/sheet-mappings/"+url.PathEscape(service), nil, nil)
}

// Job is a run of the pipeline.
type Job struct {
	Status       string     `json:"status"` // waiting, delayed, active, completed, failed, cancelled
	Progress     int        `json:"progress"`
	Result       *JobResult `json:"result"`
	FailedReason string     `json:"failedReason"`
}

// Done reports whether the job has ended, well or not.
func (j Job) Done() bool {
	return j.Status == "completed" || j.Status == "failed" || j.Status == "cancelled"
}

// JobResult is what a run did.
type JobResult struct {
	Success   bool                   `json:"success"`
	Date      string                 `json:"date"`
	Mode      string                 `json:"mode"` // of the target day's row: append, update, skip
	RowNumber int                    `json:"rowNumber"`
	Metrics   map[string]json.Number `json:"metrics"`
	From      string                 `json:"from"`
	To        string                 `json:"to"`
	Updated   int                    `json:"updated"`
	Appended  int                    `json:"appended"`
	Skipped   int                    `json:"skipped"`
	Error     string                 `json:"error"`
}

// Sync creates a run of a service now and returns its job id. day is YYYY-MM-DD; "" means the trailing window.
func (s *Session) Sync(ctx context.Context, service, day string) (string, error) {
	var out struct {
		Data struct {
			JobID string `json:"jobId"`
		} `json:"data"`
	}
	body := map[string]string{}
	if day != "" {
		body["targetDate"] = day
	}
	err := s.do(ctx, http.MethodPost, "/api/v1/sync/"+url.PathEscape(service), body, &out)
	return out.Data.JobID, err
}

// Job returns a run.
func (s *Session) Job(ctx context.Context, id string) (Job, error) {
	var out struct {
		Data Job `json:"data"`
	}
	err := s.do(ctx, http.MethodGet, "/api/v1/jobs/"+url.PathEscape(id), nil, &out)
	return out.Data, err
}

// WaitJob asks until the job has ended or ctx is done.
func (s *Session) WaitJob(ctx context.Context, id string) (Job, error) {
	for {
		j, err := s.Job(ctx, id)
		if err != nil || j.Done() {
			return j, err
		}
		select {
		case <-ctx.Done():
			return j, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Tab reads a whole tab as formatted text, with one of the user's google_sheets credentials.
func (s *Session) Tab(ctx context.Context, credential int64, spreadsheetID, tab string) ([][]string, error) {
	var out struct {
		Data [][]string `json:"data"`
	}
	q := url.Values{"credential_id": {strconv.FormatInt(credential, 10)}, "sheetName": {tab}}
	err := s.do(ctx, http.MethodGet, "/api/sheets/"+url.PathEscape(spreadsheetID)+"/values?"+q.Encode(), nil, &out)
	return out.Data, err
}
