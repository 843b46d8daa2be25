package kpi

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"turkey/internal/connector"
)

// dayRow is one day on its way into a tab: values under our columns' names, the row id among them.
type dayRow struct {
	day    string // YYYY-MM-DD
	values map[string]any
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
	ranges []connector.Range
	rows   []placed
	height int // rows the tab must have
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

// laterColumns counts the columns at the end of a source's header that its first generation did not have.
var laterColumns = map[string]int{connector.GA4: 1}

// owners tells a tab's source by columns that only one has; two of them decide (contract §7.4).
var owners = map[string][]string{
	"meta":    {"spend", "reach", "impressions", "clicks", "landing_page_views"},
	"ga4":     {"sessions", "users", "bounce_rate"},
	"shopify": {"total_orders", "total_revenue", "net_revenue", "repeat_customers"},
}

// plan compares a tab, as read unformatted, with the rows of a source. It touches nothing but our columns of those
// rows; columns are found by name, wherever their owner moved them.
func plan(service string, columns []string, grid [][]any, rows []dayRow) (load, error) {
	var l load
	at, headerWrite, err := header(service, columns, grid)
	if err != nil {
		return l, err
	}
	if headerWrite != nil {
		l.ranges = append(l.ranges, *headerWrite)
	}
	byDay := daysOf(grid, at["date"])
	next := max(len(grid), 1) + 1
	for _, r := range rows {
		n, known := byDay[r.day]
		if !known {
			l.ranges = append(l.ranges, rowRange(next, at, r.values))
			l.rows = append(l.rows, placed{day: r.day, mode: "append", row: next, id: fmt.Sprint(r.values["id"])})
			byDay[r.day] = next
			next++
			continue
		}
		p, changed := update(grid[n-1], n, at, r)
		if changed != nil {
			l.ranges = append(l.ranges, *changed)
		}
		l.rows = append(l.rows, p)
	}
	l.height = max(next-1, len(grid))
	return l, nil
}

// header finds our columns (0-based) in row 1. An empty tab gets our header; one of an older generation is extended to
// the right of everything in the tab, notes without a header included; anything else is refused.
func header(service string, columns []string, grid [][]any) (map[string]int, *connector.Range, error) {
	at := map[string]int{}
	if len(grid) == 0 {
		cells := make([]any, len(columns))
		for i, c := range columns {
			at[c], cells[i] = i, c
		}
		return at, &connector.Range{A1: span(1, 0, len(columns)-1), Values: [][]any{cells}}, nil
	}
	for i, cell := range grid[0] {
		name := strings.ToLower(strings.TrimSpace(fmt.Sprint(cell)))
		if _, seen := at[name]; !seen && slices.Contains(columns, name) {
			at[name] = i
		}
	}
	var missing []string
	for _, c := range columns {
		if _, ok := at[c]; !ok {
			missing = append(missing, c)
		}
	}
	if len(missing) == 0 {
		return at, nil, nil
	}
	if later := laterColumns[service]; later > 0 && slices.Equal(missing, columns[len(columns)-later:]) {
		end := 0
		for _, row := range grid {
			end = max(end, len(row))
		}
		cells := make([]any, len(missing))
		for i, c := range missing {
			at[c], cells[i] = end+i, c
		}
		return at, &connector.Range{A1: span(1, end, end+len(missing)-1), Values: [][]any{cells}}, nil
	}
	return nil, nil, &mismatch{missing: missing, owner: owner(grid[0])}
}

func owner(row []any) string {
	for name, marks := range owners {
		n := 0
		for _, cell := range row {
			if slices.Contains(marks, strings.ToLower(strings.TrimSpace(fmt.Sprint(cell)))) {
				n++
			}
		}
		if n >= 2 {
			return name
		}
	}
	return ""
}

// daysOf maps each day in the date column to its row number; of two rows for one day the first counts.
func daysOf(grid [][]any, column int) map[string]int {
	days := map[string]int{}
	for i, row := range grid {
		if i == 0 || column >= len(row) {
			continue
		}
		if d := dayOf(row[column]); d != "" {
			if _, seen := days[d]; !seen {
				days[d] = i + 1
			}
		}
	}
	return days
}

// sheetEpoch is day 0 of spreadsheet date serials.
var sheetEpoch = time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)

// dayOf reads a date cell: ISO text, or the serial number of a cell that is formatted as a date.
func dayOf(cell any) string {
	switch v := cell.(type) {
	case string:
		if t, err := time.Parse(time.DateOnly, strings.TrimSpace(v)); err == nil {
			return t.Format(time.DateOnly)
		}
	case float64:
		return serialDay(v)
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return serialDay(f)
		}
	}
	return ""
}

func serialDay(serial float64) string {
	if serial < 1 || serial > 200_000 { // 2447: nothing but a date lies between
		return ""
	}
	return sheetEpoch.AddDate(0, 0, int(serial)).Format(time.DateOnly)
}

// update compares one existing row cell by cell. The row keeps its id unless it has none, and its date as it is.
func update(row []any, n int, at map[string]int, r dayRow) (placed, *connector.Range) {
	p := placed{day: r.day, mode: "skip", row: n, id: fmt.Sprint(r.values["id"])}
	changed := map[string]any{}
	for name, want := range r.values {
		var have any
		if at[name] < len(row) {
			have = row[at[name]]
		}
		if name == "date" {
			continue
		}
		if name == "id" && have != nil && fmt.Sprint(have) != "" {
			p.id = fmt.Sprint(have)
			continue
		}
		if !sameValue(have, want) {
			changed[name] = want
		}
	}
	if len(changed) == 0 {
		return p, nil
	}
	p.mode = "update"
	rng := rowRange(n, at, changed)
	return p, &rng
}

func sameValue(have, want any) bool {
	if have == nil {
		return false
	}
	a, okA := number(have)
	b, okB := number(want)
	if okA && okB {
		return a.Cmp(b) == 0
	}
	return okA == okB && fmt.Sprint(have) == fmt.Sprint(want)
}

// number compares as Google stores numbers: 64-bit floats.
func number(v any) (*big.Float, bool) {
	switch v := v.(type) {
	case float64:
		return big.NewFloat(v), true
	case json.Number:
		f, err := v.Float64()
		return big.NewFloat(f), err == nil
	}
	return nil, false
}

// rowRange covers the columns from the first to the last value; cells between that are not ours stay nil, which the
// destination leaves untouched.
func rowRange(n int, at map[string]int, values map[string]any) connector.Range {
	first, last := -1, -1
	for name := range values {
		c := at[name]
		if first < 0 || c < first {
			first = c
		}
		last = max(last, c)
	}
	cells := make([]any, last-first+1)
	for name, v := range values {
		cells[at[name]-first] = v
	}
	return connector.Range{A1: span(n, first, last), Values: [][]any{cells}}
}

func span(row, first, last int) string {
	return fmt.Sprintf("%s%d:%s%d", letters(first), row, letters(last), row)
}

// letters names a 0-based column: 0 is A, 26 is AA.
func letters(column int) string {
	name := ""
	for column >= 0 {
		name = string(rune('A'+column%26)) + name
		column = column/26 - 1
	}
	return name
}
