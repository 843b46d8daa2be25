package kpi

import (
	"context"
	"encoding/json"
	"math"

	"github.com/google/uuid"

	"turkey/internal/db"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/wire"
)

// exported is what a user's export says of the pipeline.
type exported struct {
	Mappings  []exportedMapping  `json:"mappings"`
	Schedules []exportedSchedule `json:"schedules"`
	Figures   []exportedFigures  `json:"figures"`
	Runs      []exportedRun      `json:"runs"`
	Replaced  []exportedLoad     `json:"replaced"`
	Activity  []Entry            `json:"activity"` // in the vault, too
}

type exportedSchedule struct {
	Service   string     `json:"service"`
	Cron      string     `json:"cron"`
	Timezone  string     `json:"timezone"`
	Enabled   bool       `json:"enabled"`
	Misfire   string     `json:"misfire"`
	LastRunAt *wire.Time `json:"lastRunAt"`
	NextRunAt *wire.Time `json:"nextRunAt"`
	CreatedAt wire.Time  `json:"createdAt"`
	UpdatedAt wire.Time  `json:"updatedAt"`
}

type exportedFigures struct {
	Service     string          `json:"service"`
	Day         wire.Day        `json:"day"`
	ID          string          `json:"id"`
	Metrics     json.RawMessage `json:"metrics"`
	Provisional bool            `json:"provisional"`
	FetchedAt   wire.Time       `json:"fetchedAt"`
}

// exportedLoad is what a load replaced in a tab, people's own words among it: the undo needs them, so they are kept as long
// as the run, and whoever asks what is kept gets them too.
type exportedLoad struct {
	RunID         string          `json:"runId"`
	SpreadsheetID string          `json:"spreadsheetId"`
	SheetID       int64           `json:"sheetId"`
	Cells         json.RawMessage `json:"cells"`
	LoadedAt      wire.Time       `json:"loadedAt"`
	UndoneAt      *wire.Time      `json:"undoneAt"`
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
	schedules, err := s.q.ExportSchedules(ctx, conn)
	if err != nil {
		return nil, err
	}
	figures, err := s.q.ExportFigures(ctx, conn)
	if err != nil {
		return nil, err
	}
	loads, err := s.q.ExportUndo(ctx, conn)
	if err != nil {
		return nil, err
	}
	activity, err := s.q.ListActivity(ctx, conn, kpidb.ListActivityParams{Most: math.MaxInt32})
	if err != nil {
		return nil, err
	}
	all := exported{Mappings: make([]exportedMapping, len(mappings)), Schedules: make([]exportedSchedule, len(schedules)),
		Figures: make([]exportedFigures, len(figures)), Runs: make([]exportedRun, len(runs)), Replaced: make([]exportedLoad, len(loads)),
		Activity: make([]Entry, len(activity))}
	for i, m := range mappings {
		all.Mappings[i] = exportedMapping{Service: m.Service, SpreadsheetID: m.SpreadsheetID, SheetName: m.SheetName,
			CreatedAt: wire.Time(m.CreatedAt), UpdatedAt: wire.Time(m.UpdatedAt)}
	}
	for i, j := range schedules {
		all.Schedules[i] = exportedSchedule{Service: j.Service, Cron: j.CronExpression, Timezone: j.Timezone, Enabled: j.Enabled, Misfire: j.Misfire,
			LastRunAt: wire.TimePtr(j.LastRunAt), NextRunAt: wire.TimePtr(j.NextRunAt), CreatedAt: wire.Time(j.CreatedAt), UpdatedAt: wire.Time(j.UpdatedAt)}
	}
	for i, f := range figures {
		all.Figures[i] = exportedFigures{Service: f.Service, Day: wire.Day{Time: f.Day}, ID: f.ID.String(), Metrics: f.Metrics, Provisional: f.Provisional,
			FetchedAt: wire.Time(f.FetchedAt)}
	}
	for i, r := range runs {
		all.Runs[i] = exportRun(r)
	}
	for i, u := range loads {
		all.Replaced[i] = exportedLoad{RunID: u.RunID.String(), SpreadsheetID: u.SpreadsheetID, SheetID: u.SheetID, Cells: u.Cells,
			LoadedAt: wire.Time(u.LoadedAt), UndoneAt: wire.TimePtr(u.UndoneAt)}
	}
	for i, e := range activity {
		all.Activity[i] = entryOf(e)
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
