package kpi

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"

	"turkey/internal/fault"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/wire"
)

// unknownService is what the log calls entries that are about no service.
const unknownService = "unknown"

// Entry is something that happened in a user's vault and pipeline.
type Entry struct {
	ID           string          `json:"id" example:"30"`
	Timestamp    wire.Time       `json:"timestamp" format:"date-time"`
	Service      string          `json:"service" doc:"unknown: about none" example:"ga4"`
	Action       string          `json:"action" example:"workflow_completed"`
	Status       string          `json:"status" enum:"success,failure,partial"`
	RecordCount  int64           `json:"record_count" doc:"Rows that a run wrote"`
	Duration     float64         `json:"duration" doc:"Seconds that a run took"`
	ErrorMessage string          `json:"error_message,omitempty"`
	Metadata     json.RawMessage `json:"metadata"`
}

func entryOf(r kpidb.ListActivityRow) Entry {
	e := Entry{ID: strconv.FormatInt(r.ID, 10), Timestamp: wire.Time(r.CreatedAt), Service: r.Service, Action: r.Action, Status: r.Status,
		ErrorMessage: r.ErrorMessage, Metadata: r.Metadata}
	if e.Service == "" {
		e.Service = unknownService
	}
	var facts struct {
		RecordCount int64   `json:"recordCount"`
		DurationMs  float64 `json:"durationMs"`
	}
	if json.Unmarshal(r.Metadata, &facts) == nil { // imported rows hold what they like
		e.RecordCount, e.Duration = facts.RecordCount, facts.DurationMs/1000
	}
	return e
}

// activityRange reads the days or times of a filter. The second bound is the first moment after it; a bare day is all of it, in
// UTC, and a time is the whole millisecond that the log shows.
func activityRange(start, end string) (since, until *time.Time, err error) {
	if since, err = moments(start, "start_date", 0, 0); err != nil {
		return nil, nil, err
	}
	until, err = moments(end, "end_date", 24*time.Hour, time.Millisecond)
	return since, until, err
}

func moments(text, name string, ofDay, ofTime time.Duration) (*time.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no bound is a fine answer
	}
	t, err := time.Parse(time.DateOnly, text)
	if err == nil {
		t = t.Add(ofDay)
	} else if t, err = time.Parse(time.RFC3339Nano, text); err == nil {
		t = t.Add(ofTime)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "VALIDATION_ERROR", name+" must be a date (2026-01-31) or an ISO 8601 time (2026-01-31T12:00:00Z)")
	}
	return &t, nil
}

// activityFilter reads the other filters.
func (s *Service) activityFilter(service, status string) (f kpidb.ListActivityParams, err error) {
	if service != "" {
		if _, ok := s.connectors.Service(service); !ok && service != unknownService {
			return f, fault.New(fault.Invalid, "VALIDATION_ERROR", "service must be one of "+strings.Join(s.connectors.Names(), ", ")+" or unknown")
		}
		if f.Service = &service; service == unknownService {
			f.Service = new(string)
		}
	}
	if status != "" {
		if !slices.Contains([]string{"success", "failure", "partial"}, status) {
			return f, fault.New(fault.Invalid, "VALIDATION_ERROR", "status must be success, failure or partial")
		}
		f.Status = &status
	}
	return f, nil
}

// wantsCSV reports whether a client asks for CSV by name; */* does not.
func wantsCSV(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		if q, bad := strconv.ParseFloat(params["q"], 64); err == nil && media == "text/csv" && (bad != nil || q > 0) {
			return true
		}
	}
	return false
}

// table writes CSV with the line ends of RFC 4180.
func table(rows [][]string) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("write CSV: %w", err)
	}
	return b.Bytes(), nil
}

// harmless is text that no spreadsheet takes for a formula (OWASP, CSV injection): one that begins like it gets an apostrophe.
func harmless(text string) string {
	if trimmed := strings.TrimLeft(text, " \u00a0"); trimmed != "" && strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", []rune(trimmed)[0]) {
		return "'" + text
	}
	return text
}

func activityTable(entries []Entry) ([]byte, error) {
	rows := [][]string{{"id", "timestamp", "service", "action", "status", "record_count", "duration", "error_message", "metadata"}}
	for _, e := range entries {
		rows = append(rows, []string{e.ID, e.Timestamp.String(), harmless(e.Service), harmless(e.Action), e.Status, strconv.FormatInt(e.RecordCount, 10),
			strconv.FormatFloat(e.Duration, 'f', -1, 64), harmless(e.ErrorMessage), harmless(string(e.Metadata))})
	}
	return table(rows)
}
