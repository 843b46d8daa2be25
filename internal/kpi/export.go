package kpi

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"turkey/internal/db"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/wire"
)

// exported is what a user's export says of the pipeline.
type exported struct {
	Mappings []exportedMapping `json:"mappings"`
	Runs     []exportedRun     `json:"runs"`
}

type exportedMapping struct {
	Service       string    `json:"service"`
	SpreadsheetID string    `json:"spreadsheetId"`
	SheetName     string    `json:"sheetName"`
	CreatedAt     wire.Time `json:"createdAt"`
	UpdatedAt     wire.Time `json:"updatedAt"`
}

type exportedRun struct {
	ID            string          `json:"id"`
	Service       string          `json:"service"`
	TargetDate    *wire.Day       `json:"targetDate"`
	From          *wire.Day       `json:"from"`
	To            *wire.Day       `json:"to"`
	DryRun        bool            `json:"dryRun"`
	SpreadsheetID *string         `json:"spreadsheetId"`
	SheetName     *string         `json:"sheetName"`
	Status        string          `json:"status"`
	Attempt       int16           `json:"attempt"`
	Result        json.RawMessage `json:"result,omitempty"`
	FailedReason  *string         `json:"failedReason"`
	CreatedAt     wire.Time       `json:"createdAt"`
	StartedAt     *wire.Time      `json:"startedAt"`
	FinishedAt    *wire.Time      `json:"finishedAt"`
}

// Export is what the pipeline keeps about a user.
func (s *Service) Export(ctx context.Context, user uuid.UUID) (any, error) {
	conn := s.db.In(db.User(user))
	mappings, err := s.q.ListMappings(ctx, conn)
	if err != nil {
		return nil, err
	}
	runs, err := s.q.ExportRuns(ctx, conn)
	if err != nil {
		return nil, err
	}
	all := exported{Mappings: make([]exportedMapping, len(mappings)), Runs: make([]exportedRun, len(runs))}
	for i, m := range mappings {
		all.Mappings[i] = exportedMapping{Service: m.Service, SpreadsheetID: m.SpreadsheetID, SheetName: m.SheetName,
			CreatedAt: wire.Time(m.CreatedAt), UpdatedAt: wire.Time(m.UpdatedAt)}
	}
	for i, r := range runs {
		all.Runs[i] = exportRun(r)
	}
	return all, nil
}

func exportRun(r kpidb.ExportRunsRow) exportedRun {
	e := exportedRun{ID: r.ID.String(), Service: r.Service, SpreadsheetID: r.SpreadsheetID, SheetName: r.SheetName, DryRun: r.DryRun, Status: r.Status, Attempt: r.Attempt,
		Result: r.Result, FailedReason: r.ErrorReason, CreatedAt: wire.Time(r.CreatedAt), StartedAt: wire.TimePtr(r.StartedAt), FinishedAt: wire.TimePtr(r.FinishedAt)}
	if r.TargetDay != nil {
		e.TargetDate = &wire.Day{Time: *r.TargetDay}
	}
	if r.FromDay != nil {
		e.From, e.To = &wire.Day{Time: *r.FromDay}, &wire.Day{Time: *r.ToDay}
	}
	return e
}
