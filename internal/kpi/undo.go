package kpi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/kpi/kpidb"
)

// noteReplaced keeps what a load is about to replace, besides what the run has replaced before.
func (a *attempt) noteReplaced(ctx context.Context, spreadsheet string, sheet int64, changes []change) error {
	if !a.noted && a.run.Noted {
		before, err := a.q.UndoOf(ctx, a.conn, a.id)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if err == nil && before.SpreadsheetID == spreadsheet && before.SheetID == sheet {
			if a.replaced, err = readChanges(before.Cells); err != nil {
				return err
			}
		}
	}
	a.noted = true
	a.replaced = merge(a.replaced, changes)
	body, err := json.Marshal(a.replaced)
	if err != nil {
		return err
	}
	_, err = a.q.SaveUndo(ctx, a.conn, kpidb.SaveUndoParams{RunID: a.id, Claim: a.run.Claim, SpreadsheetID: spreadsheet, SheetID: sheet, Cells: body})
	if errors.Is(err, pgx.ErrNoRows) {
		return errLost
	}
	return err
}

func readChanges(body []byte) ([]change, error) {
	var changes []change
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // a float would change what is written back
	if err := d.Decode(&changes); err != nil {
		return nil, fmt.Errorf("stored cells of a load: %w", err)
	}
	return changes, nil
}

// merge adds changes to earlier ones of the same run: what a cell held before the first of them counts.
func merge(before, changes []change) []change {
	at := map[string]int{}
	for i, c := range before {
		at[c.Day] = i
	}
	for _, c := range changes {
		i, known := at[c.Day]
		if !known {
			before = append(before, c)
			continue
		}
		for name, cell := range c.Cells {
			if first, twice := before[i].Cells[name]; twice {
				cell.Old, cell.Formula = first.Old, first.Formula
			}
			before[i].Cells[name] = cell
		}
	}
	return before
}

// columnsOf are the columns that a load wrote. A source may have others by now.
func columnsOf(changes []change) []string {
	columns := []string{"id", "date"}
	for _, c := range changes {
		for name := range c.Cells {
			if !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
		}
	}
	return columns
}

// undone is a plan to take a load back.
type undone struct {
	values, formulas []connector.Range
	restored, left   int // cells
}

// planUndo puts back what each cell held, where it still holds what the load wrote. Rows that the load made are emptied in our
// columns, and stay: what people wrote beside them is theirs.
func planUndo(columns []string, tab grid, changes []change) undone {
	var u undone
	at := map[string]int{}
	if len(tab.shown) > 0 {
		at = ours(columns, tab.shown[0])
	}
	byID, byDay := map[string]int{}, map[string]int{}
	if c, ok := at["id"]; ok {
		byID = idsOf(tab.shown, c)
	}
	if c, ok := at["date"]; ok {
		byDay = daysOf(tab.shown, c)
	}
	for _, c := range changes {
		n, ok := byID[c.ID]
		if !ok {
			n, ok = byDay[c.Day]
		}
		if !ok {
			u.left += len(c.Cells)
			continue
		}
		for name, cell := range c.Cells {
			column, there := at[name]
			if !there || tab.formula(n-1, column) != "" || !sameValue(tab.at(n-1, column), cell.New) {
				u.left++
				continue
			}
			u.restored++
			r := connector.Range{A1: span(n, column, column), Values: [][]any{{cell.Old}}}
			switch {
			case cell.Formula != "":
				r.Values[0][0] = cell.Formula
				u.formulas = append(u.formulas, r)
				continue
			case cell.Old == nil:
				r.Values[0][0] = ""
			}
			u.values = append(u.values, r)
		}
	}
	return u
}

// Undone is what became of a load that was taken back.
type Undone struct {
	Restored int `json:"restored" doc:"Cells that hold again what they held before the run"`
	Left     int `json:"left" doc:"Cells that were left alone, because somebody has changed them since"`
}

var (
	errNothing   = fault.New(fault.Conflict, "NOTHING_TO_UNDO", "This run has written nothing")
	errUndone    = fault.New(fault.Conflict, "ALREADY_UNDONE", "This run was undone already")
	errNotLast   = fault.New(fault.Conflict, "NOT_THE_LAST_LOAD", "A later run has written to the same tab: only the last one can be undone")
	errUnderway  = fault.New(fault.Conflict, "RUN_NOT_ENDED", "The run has not ended: cancel it, or wait")
	errTabBusy   = fault.New(fault.Conflict, "SHEET_BUSY", "A run is writing to this tab: try again in a moment")
	errNoSheets  = fault.New(fault.Invalid, "VALIDATION_ERROR", "No verified Google Sheets credentials found")
	errTabIsGone = fault.New(fault.NotFound, "SHEET_NOT_FOUND", "The tab that this run wrote to does not exist any more")
)

// undo takes the load of a run back. What it does may be repeated: a cell that was put back does not hold what the run wrote.
func (s *Service) undo(ctx context.Context, user, run uuid.UUID) (Undone, error) {
	conn := s.db.In(db.User(user))
	r, err := s.q.UndoableRun(ctx, conn, run)
	if errors.Is(err, pgx.ErrNoRows) {
		return Undone{}, errRun
	}
	if err != nil {
		return Undone{}, err
	}
	switch {
	case !final(r.Status):
		return Undone{}, errUnderway
	case r.SpreadsheetID == nil || r.SheetID == nil:
		return Undone{}, errNothing
	case r.UndoneAt != nil:
		return Undone{}, errUndone
	case r.Newer:
		return Undone{}, errNotLast
	}
	changes, err := readChanges(r.Cells)
	if err != nil {
		return Undone{}, err
	}
	credential, err := s.q.SheetsCredential(ctx, conn)
	if errors.Is(err, pgx.ErrNoRows) {
		return Undone{}, errNoSheets
	}
	if err != nil {
		return Undone{}, err
	}
	_, secret, err := s.credentials.Use(ctx, user, credential, audit.Use{Purpose: "sync", Job: run.String()})
	if err != nil {
		return Undone{}, err
	}
	defer clear(secret)
	u, err := s.takeBack(ctx, secret, *r.SpreadsheetID, *r.SheetID, columnsOf(changes), changes)
	if err != nil {
		return Undone{}, err
	}
	days := make([]time.Time, 0, len(changes))
	for _, c := range changes {
		if day, err := time.Parse(time.DateOnly, c.Day); err == nil {
			days = append(days, day)
		}
	}
	return Undone{Restored: u.restored, Left: u.left}, s.q.MarkUndone(ctx, conn, kpidb.MarkUndoneParams{RunID: run, Service: r.Service, Days: days,
		Metadata: audit.Meta(ctx, map[string]any{"restored": u.restored, "left": u.left})})
}

// takeBack writes under the tab's lease.
func (s *Service) takeBack(ctx context.Context, secret []byte, spreadsheet string, sheet int64, columns []string, changes []change) (undone, error) {
	sheets := s.connectors.Sheets()
	tabs, err := sheets.Tabs(ctx, secret, spreadsheet)
	if err != nil {
		return undone{}, proxyFault(err)
	}
	tab, err := find(tabs, &target{spreadsheet: spreadsheet, sheet: &sheet})
	if err != nil {
		return undone{}, errTabIsGone
	}
	holder, err := uuid.NewRandom()
	if err != nil {
		return undone{}, err
	}
	release, err := s.lease(ctx, holder, uuid.Nil, spreadsheet, sheet)
	if f, ok := errors.AsType[*failure](err); ok && f.busy {
		return undone{}, errTabBusy
	}
	if err != nil {
		return undone{}, err
	}
	defer release()
	content, err := s.read(ctx, secret, spreadsheet, tab.Title)
	if err != nil {
		return undone{}, proxyFault(err)
	}
	u := planUndo(columns, content, changes)
	if err := sheets.Enter(ctx, secret, spreadsheet, tab.Title, u.formulas); err != nil {
		return undone{}, proxyFault(err)
	}
	if err := sheets.Write(ctx, secret, spreadsheet, tab.Title, u.values); err != nil {
		return undone{}, proxyFault(err)
	}
	return u, nil
}
