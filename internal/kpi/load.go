package kpi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/kpi/kpidb"
)

// leaseTTL bounds one writer's hold on a tab; the writing part of a run has less time than this.
const (
	leaseTTL      = 90 * time.Second
	writeDeadline = 60 * time.Second
)

// maxDiff bounds the cells that a dry run tells of.
const maxDiff = 500

// target is the tab a run writes to.
type target struct {
	spreadsheet, tab, service string
	mapped                    string // the tab's name in the mapping, "" if the target is not the mapping's
	sheet                     *int64 // Google's number of the mapped tab, as last seen
	columns                   []string
}

// target is the given tab, else the mapped one.
func (a *attempt) target(source connector.Source) (target, error) {
	b := a.run
	t := target{spreadsheet: b.MappedSpreadsheet, tab: b.MappedTab, service: b.Service, mapped: b.MappedTab, sheet: b.MappedSheet, columns: source.Columns()}
	if a.run.SpreadsheetID != nil {
		t.spreadsheet = *a.run.SpreadsheetID
	}
	if a.run.SheetName != nil {
		t.tab = *a.run.SheetName
	}
	if t.spreadsheet != b.MappedSpreadsheet || t.tab != b.MappedTab {
		t.mapped, t.sheet = "", nil
	}
	a.result.SpreadsheetID, a.result.SheetName = t.spreadsheet, t.tab
	switch {
	case b.SourceCredential == 0:
		return t, &failure{reason: "not_enabled", message: "The service is not enabled any more"}
	case t.spreadsheet == "" || t.tab == "":
		return t, &failure{reason: "no_mapping", message: fmt.Sprintf("No sheet mapping found for %s service", title(a.run.Service))}
	case b.SheetsCredential == 0:
		return t, &failure{reason: "no_sheets_credential", message: "No verified Google Sheets credentials found"}
	}
	return t, nil
}

// piece is what was fetched at a time, on its way into the tab.
type piece struct {
	to       time.Time // its last day
	report   connector.Report
	rows     []keptRow
	progress int16
	further  bool // more is to come
}

// load brings the tab up to date with a piece.
func (a *attempt) load(ctx context.Context, t *target, p piece) (err error) {
	_, secret, err := a.credentials.Use(ctx, a.user, a.run.SheetsCredential, audit.Use{Purpose: "sync", Job: a.id.String()})
	if err != nil {
		return err
	}
	defer clear(secret)
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	// The right to the spreadsheet comes before the lease on its tab: nobody holds up a tab that is not theirs.
	tabs, err := a.connectors.Sheets().Tabs(ctx, secret, t.spreadsheet)
	if err != nil {
		return a.sheetFailure(err)
	}
	tab, err := find(tabs, t)
	if err != nil {
		return err
	}
	if !a.run.DryRun {
		release, taken := a.lease(ctx, a.id, a.run.Claim, t.spreadsheet, tab.ID)
		if taken != nil {
			return taken
		}
		a.release = release
		defer func() {
			if p.further || err != nil { // else it ends with the run
				release()
			}
		}()
	}
	key := tabKey(t.spreadsheet, tab.ID)
	rows := make([]dayRow, len(p.rows))
	for i, r := range p.rows {
		rows[i] = r.dayRow
		if r.writtenTo == key {
			rows[i].written = r.last
		}
	}
	content, err := a.read(ctx, secret, t.spreadsheet, tab.Title)
	if err != nil {
		return a.sheetFailure(err)
	}
	l, err := plan(t.service, t.columns, content, rows)
	if m, foreign := errors.AsType[*mismatch](err); foreign {
		return &failure{reason: "schema_mismatch", message: m.Error()}
	}
	if a.run.DryRun {
		a.count(l)
		a.differ(l)
		return nil
	}
	if err := a.write(ctx, secret, t, tabs, tab, l); err != nil {
		return err
	}
	a.count(l)
	return a.note(ctx, t, tab, key, p)
}

// sheetFailure is provider for calls that use the Google credential of the tab.
func (a *attempt) sheetFailure(err error) error {
	err = provider(err, a.run.SheetsCredential)
	if f, ok := errors.AsType[*failure](err); ok && f.reason == string(connector.NotFound) {
		f.reason = "sheet_not_found"
	}
	return err
}

// tabKey names a tab of a spreadsheet, whatever its title.
func tabKey(spreadsheet string, sheet int64) string {
	return spreadsheet + "#" + strconv.FormatInt(sheet, 10)
}

// find is the tab of that name, else the mapped one under its new name.
func find(tabs []connector.Tab, t *target) (connector.Tab, error) {
	for _, tab := range tabs {
		if tab.Title == t.tab {
			return tab, nil
		}
	}
	for _, tab := range tabs {
		if t.sheet != nil && tab.ID == *t.sheet {
			return tab, nil
		}
	}
	return connector.Tab{}, &failure{reason: "sheet_not_found", message: fmt.Sprintf("Sheet not found: %q in spreadsheet %s", t.tab, t.spreadsheet)}
}

// lease makes the holder the tab's only writer, over all users and replicas, until it is released. claim is that of a run.
func (s *Service) lease(ctx context.Context, holder, claim uuid.UUID, spreadsheet string, sheet int64) (release func(), err error) {
	system, name := s.db.In(db.System()), strconv.FormatInt(sheet, 10)
	_, err = s.q.AcquireLeaseSystem(ctx, system, kpidb.AcquireLeaseSystemParams{SpreadsheetID: spreadsheet, SheetName: name, Holder: holder, Ttl: leaseTTL, Steady: s.db.Steady()})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, &failure{reason: "busy", message: "Another run is writing to this tab", retry: true, busy: true, after: 2 * time.Second}
	}
	if err != nil {
		return nil, err
	}
	return func() {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordDeadline)
		defer cancel()
		if err := s.q.ReleaseLeaseSystem(release, system, kpidb.ReleaseLeaseSystemParams{SpreadsheetID: spreadsheet, SheetName: name, Holder: holder, Claim: claim}); err != nil {
			s.log.WarnContext(ctx, "lease on a tab not released; it ends by itself", "error", err)
		}
	}, nil
}

// read reads a tab. What its formulas show is asked for only where there are any.
func (s *Service) read(ctx context.Context, secret []byte, spreadsheet, tab string) (grid, error) {
	typed, err := s.connectors.Sheets().Formulas(ctx, secret, spreadsheet, tab)
	if err != nil || !anyFormula(typed) {
		return grid{shown: typed}, err
	}
	shown, err := s.connectors.Sheets().Raw(ctx, secret, spreadsheet, tab)
	return grid{shown: shown, typed: typed}, err
}

// count adds a load to the result.
func (a *attempt) count(l load) {
	r := &a.result
	r.Overwritten += l.overwritten
	for _, p := range l.rows {
		switch p.mode {
		case "append":
			r.Appended++
		case "update":
			r.Updated++
		default:
			r.Skipped++
		}
		if p.day == r.Date {
			r.Mode, r.RowNumber, r.ID = p.mode, p.row, p.id
		}
	}
}

// differ tells what a load would change, day by day, but for the ids of new rows: they are made at the load.
func (a *attempt) differ(l load) {
	r := &a.result
	for _, c := range l.changes {
		for _, name := range slices.Sorted(maps.Keys(c.Cells)) {
			if c.New && name == "id" {
				continue
			}
			r.DiffCells++
			if len(r.Diff) == maxDiff {
				continue
			}
			cell := c.Cells[name]
			d := Difference{Day: c.Day, Column: name, Old: cell.Old, New: cell.New}
			if cell.Formula != "" {
				d.Old = cell.Formula
			}
			r.Diff = append(r.Diff, d)
		}
	}
}

// write makes room and writes, after it has noted what it is about to replace: whoever goes on after a crash sees cells that
// are right already, and not what they were before.
func (a *attempt) write(ctx context.Context, secret []byte, t *target, tabs []connector.Tab, tab connector.Tab, l load) error {
	if len(l.ranges) == 0 {
		return nil
	}
	if err := fits(tabs, tab, l.height, l.width); err != nil {
		return err
	}
	if err := a.noteReplaced(ctx, t.spreadsheet, tab.ID, l.changes); err != nil {
		return err
	}
	sheets := a.connectors.Sheets()
	if err := sheets.Grow(ctx, secret, t.spreadsheet, tab.ID, l.height-tab.Rows, l.width-tab.Columns); err != nil {
		return a.sheetFailure(err)
	}
	return a.sheetFailure(sheets.Write(ctx, secret, t.spreadsheet, tab.Title, l.ranges))
}

// fits refuses a load that would make a spreadsheet larger than Google lets it be.
func fits(tabs []connector.Tab, tab connector.Tab, height, width int) error {
	if height <= tab.Rows && width <= tab.Columns {
		return nil
	}
	cells := max(height, tab.Rows) * max(width, tab.Columns)
	for _, other := range tabs {
		if other.ID != tab.ID {
			cells += other.Rows * other.Columns
		}
	}
	if cells > connector.MaxCells {
		return &failure{reason: "sheet_full", message: fmt.Sprintf("The spreadsheet would have %d cells, and Google allows %d: delete rows, columns or tabs that are not "+
			"needed, or map the service to another spreadsheet", cells, connector.MaxCells)}
	}
	return nil
}

// note remembers what stands in the tab now, where the tab is, and how far the run is. What the last piece has to note is
// written with the end of the run.
func (a *attempt) note(ctx context.Context, t *target, tab connector.Tab, key string, p piece) error {
	type noted struct {
		Day     string                 `json:"day"`
		Written map[string]json.Number `json:"written"`
	}
	rows := []noted{}
	for _, r := range p.rows {
		if r.writtenTo != key || !maps.Equal(r.last, r.metrics) {
			rows = append(rows, noted{r.day, r.metrics})
		}
	}
	body, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	zone, currency := p.report.TimeZone, p.report.Currency
	a.last = kpidb.AdvanceRunParams{ID: a.id, Claim: a.run.Claim, Rows: body, WrittenTo: key, Progress: p.progress, SourceCredential: a.run.SourceCredential,
		TimeZone: zone, Currency: currency, SpreadsheetID: t.spreadsheet, SheetID: tab.ID, Tab: tab.Title, MappedTab: t.mapped}
	if t.mapped != "" {
		t.mapped, t.tab, t.sheet, a.result.SheetName = tab.Title, tab.Title, &tab.ID, tab.Title
	}
	a.run.SourceTimezone, a.run.SourceCurrency = zone, currency
	if !p.further {
		return nil
	}
	a.last.DoneDay, a.last.Metadata = &p.to, json.RawMessage("{}")
	if a.last.Result, err = a.ended(); err != nil {
		return err
	}
	_, err = a.q.AdvanceRun(ctx, a.conn, a.last)
	if errors.Is(err, pgx.ErrNoRows) {
		return errLost
	}
	return err
}

func title(service string) string { return connector.Title(service) }
