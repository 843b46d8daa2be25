package kpi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"turkey/internal/connector"
)

// dayRow is one day on its way into a tab: values under our columns' names, the row id among them.
type dayRow struct {
	day     string // YYYY-MM-DD
	values  map[string]any
	written map[string]json.Number // what was last written for the day into this very tab; nil: not known
}

// placed is what became of a dayRow.
type placed struct {
	day  string
	mode string // append, update, skip
	row  int    // 1-based row in the tab
	id   string
}

// load is a planned write: the difference between what a tab holds and what it should.
type load struct {
	ranges        []connector.Range
	rows          []placed
	changes       []change
	overwritten   int // cells that people had changed since they were written
	height, width int // rows and columns the tab must have
}

// change is what a load does to one row of a tab.
type change struct {
	Day   string          `json:"day"`
	ID    string          `json:"id"` // as it stands in the tab
	New   bool            `json:"new,omitempty"`
	Cells map[string]swap `json:"cells"` // by column
}

// swap is one cell before and after. Old is nil of an empty cell, and what was shown where Formula stood.
type swap struct {
	Old     any    `json:"old,omitempty"`
	Formula string `json:"formula,omitempty"`
	New     any    `json:"new"`
}

// mismatch says that a tab's first row is not a header of this source.
type mismatch struct {
	missing []string
	owner   string // the source whose header it looks like, "" if none
}

func (m *mismatch) Error() string {
	text := "The first row of this tab is not the header of this service; missing columns: " + strings.Join(m.missing, ", ")
	if m.owner != "" {
		text += ". It looks like a " + m.owner + " tab"
	}
	return text + ". Choose an empty tab, or correct its first row."
}

// plan compares a tab with the rows of a source. It touches nothing but our columns of those rows; columns are found by
// name, wherever their owner moved them, rows by their day, and by their id where somebody changed the day.
func plan(service string, columns []string, tab grid, rows []dayRow) (load, error) {
	var l load
	at, headerWrite, err := header(service, columns, tab)
	if err != nil {
		return l, err
	}
	if headerWrite != nil {
		l.ranges = append(l.ranges, *headerWrite)
	}
	byDay, byID := daysOf(tab.shown, at["date"]), idsOf(tab.shown, at["id"])
	taken := map[int]bool{}
	for _, r := range rows {
		taken[byDay[r.day]] = true
	}
	next := max(tab.height(), 1) + 1
	for _, r := range rows {
		id := fmt.Sprint(r.values["id"])
		n, known := byDay[r.day]
		if !known {
			n, known = byID[id]
			known = known && !taken[n]
			taken[n] = true
		}
		if !known {
			n, next = next, next+1
			l.rows = append(l.rows, placed{day: r.day, mode: "append", row: n, id: id})
			l.change(n, at, change{Day: r.day, ID: id, New: true, Cells: swaps(r.values)})
			continue
		}
		l.update(tab, n, at, r)
	}
	l.height = max(next-1, tab.height())
	for _, c := range at {
		l.width = max(l.width, c+1)
	}
	return l, nil
}

// swaps are cells that were empty.
func swaps(values map[string]any) map[string]swap {
	cells := make(map[string]swap, len(values))
	for name, v := range values {
		cells[name] = swap{New: v}
	}
	return cells
}

// change plans the write of one row's cells.
func (l *load) change(n int, at map[string]int, c change) {
	values := make(map[string]any, len(c.Cells))
	for name, cell := range c.Cells {
		values[name] = cell.New
	}
	l.ranges = append(l.ranges, rowRange(n, at, values))
	l.changes = append(l.changes, c)
}

// update compares one existing row cell by cell. The row keeps its id unless it has none, and the date it has in whatever
// form, if it is the day. What people put into our cells gives way to the source and is counted.
func (l *load) update(tab grid, n int, at map[string]int, r dayRow) {
	p := placed{day: r.day, mode: "skip", row: n, id: fmt.Sprint(r.values["id"])}
	changed := map[string]swap{}
	for name, want := range r.values {
		have := tab.at(n-1, at[name])
		if name == "date" && dayOf(have) == r.day {
			continue
		}
		if name == "id" && textOf(have) != "" {
			p.id = textOf(have)
			continue
		}
		formula := tab.formula(n-1, at[name])
		if formula == "" && sameValue(have, want) {
			continue
		}
		cell := swap{Formula: formula, New: want}
		if have != "" {
			cell.Old = have
		}
		changed[name] = cell
		if last, known := r.written[name]; formula != "" || name == "date" || known && !sameValue(have, last) {
			l.overwritten++
		}
	}
	if len(changed) > 0 {
		p.mode = "update"
		l.change(n, at, change{Day: r.day, ID: p.id, Cells: changed})
	}
	l.rows = append(l.rows, p)
}

// header finds our columns (0-based) in row 1. An empty tab gets our header; one of an older generation is extended to
// the right of everything in the tab, notes without a header included; anything else is refused.
func header(service string, columns []string, tab grid) (map[string]int, *connector.Range, error) {
	if tab.height() == 0 {
		at := map[string]int{}
		cells := make([]any, len(columns))
		for i, c := range columns {
			at[c], cells[i] = i, c
		}
		return at, &connector.Range{A1: span(1, 0, len(columns)-1), Values: [][]any{cells}}, nil
	}
	at := ours(columns, tab.row(0))
	var missing []string
	for _, c := range columns {
		if _, ok := at[c]; !ok {
			missing = append(missing, c)
		}
	}
	if len(missing) == 0 {
		return at, nil, nil
	}
	if later := laterColumns(service); later > 0 && slices.Equal(missing, columns[len(columns)-later:]) {
		end := tab.width()
		cells := make([]any, len(missing))
		for i, c := range missing {
			at[c], cells[i] = end+i, c
		}
		return at, &connector.Range{A1: span(1, end, end+len(missing)-1), Values: [][]any{cells}}, nil
	}
	return nil, nil, &mismatch{missing: missing, owner: owner(tab.row(0))}
}

// laterColumns counts the columns at the end of a source's header that its first generation did not have.
func laterColumns(service string) int {
	if o, ok := connector.OutlineOf(service); ok {
		return o.Later()
	}
	return 0
}

// ours finds columns in a header, case and white space aside; of two of one name the first counts.
func ours(columns []string, row []any) map[string]int {
	at := map[string]int{}
	for i, cell := range row {
		name := headed(cell)
		if _, seen := at[name]; !seen && slices.Contains(columns, name) {
			at[name] = i
		}
	}
	return at
}

func headed(cell any) string { return strings.ToLower(strings.Join(strings.Fields(textOf(cell)), "")) }

// owner tells a tab's source by columns that mark it; two of them decide (contract §7.4).
func owner(row []any) string {
	for _, o := range connector.Outlines() {
		n := 0
		for _, cell := range row {
			name := headed(cell)
			if slices.ContainsFunc(o.Metrics, func(m connector.Metric) bool { return m.Mark && m.Column == name }) {
				n++
			}
		}
		if n >= 2 {
			return o.Service
		}
	}
	return ""
}
