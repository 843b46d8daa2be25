package kpi

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turkey/internal/connector"
)

// ga4Columns are the contract's (credential-api.md §7.4), written out here a second time on purpose.
var ga4Columns = strings.Fields("id date sessions users add_to_cart purchases revenue bounce_rate ad_spend")

const id1, id2, id3 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333"

// want is a day whose figures are n and up, ad_spend 0.
func want(day, id string, n int) dayRow {
	values := map[string]any{"id": id, "date": day, "ad_spend": json.Number("0")}
	for i, c := range ga4Columns[2:8] {
		values[c] = json.Number(strconv.Itoa(n + i))
	}
	return dayRow{day: day, values: values}
}

// cells is a row of a tab in the order of our header.
func cells(id any, date any, n float64) []any {
	return []any{id, date, n, n + 1, n + 2, n + 3, n + 4, n + 5, 0.0}
}

func headerRow(names ...string) []any {
	row := make([]any, len(names))
	for i, n := range names {
		row[i] = n
	}
	return row
}

var ourHeader = headerRow(ga4Columns...)

// written are the ranges of a plan, A1 place to values, as the text that a request would carry.
func written(l load) map[string]string {
	out := map[string]string{}
	for _, r := range l.ranges {
		body, _ := json.Marshal(r.Values)
		out[r.A1] = string(body)
	}
	return out
}

const headerText = `[["id","date","sessions","users","add_to_cart","purchases","revenue","bounce_rate","ad_spend"]]`

func TestPlan(t *testing.T) {
	t.Parallel()
	const row1 = `[["` + id1 + `","2026-03-01",10,11,12,13,14,15,0]]`
	const row2 = `[["` + id2 + `","2026-03-02",20,21,22,23,24,25,0]]`
	first, second := want("2026-03-01", id1, 10), want("2026-03-02", id2, 20)
	const serial = 46082.0 // 2026-03-01
	for _, c := range []struct {
		name   string
		grid   [][]any
		rows   []dayRow
		ranges map[string]string
		placed []placed
		height int
	}{
		{"an empty tab gets header and rows", nil, []dayRow{first, second},
			map[string]string{"A1:I1": headerText, "A2:I2": row1, "A3:I3": row2},
			[]placed{{"2026-03-01", "append", 2, id1}, {"2026-03-02", "append", 3, id2}}, 3},
		{"a tab with our header alone", [][]any{ourHeader}, []dayRow{first},
			map[string]string{"A2:I2": row1}, []placed{{"2026-03-01", "append", 2, id1}}, 2},
		{"no rows to write", [][]any{ourHeader, cells(id1, "2026-03-01", 10)}, nil, map[string]string{}, nil, 2},
		{"a row that is equal is left alone", [][]any{ourHeader, cells(id1, "2026-03-01", 10)}, []dayRow{first},
			map[string]string{}, []placed{{"2026-03-01", "skip", 2, id1}}, 2},
		{"numbers count by value: 10.0 is 10", [][]any{ourHeader, {id1, "2026-03-01", json.Number("10.0"), json.Number("1.1e1"), 12.0, 13.0, 14.0, 15.0, json.Number("0")}}, []dayRow{first},
			map[string]string{}, []placed{{"2026-03-01", "skip", 2, id1}}, 2},
		{"one changed cell is one cell", [][]any{ourHeader, {id1, "2026-03-01", 10.0, 11.0, 99.0, 13.0, 14.0, 15.0, 0.0}}, []dayRow{first},
			map[string]string{"E2:E2": `[[12]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 2},
		{"cells between that are right stay untouched", [][]any{ourHeader, {id1, "2026-03-01", 99.0, 11.0, 12.0, 99.0, 14.0, 15.0, 0.0}}, []dayRow{first},
			map[string]string{"C2:F2": `[[10,null,null,13]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 2},
		{"a number kept as text becomes a number", [][]any{ourHeader, {id1, "2026-03-01", "10", 11.0, 12.0, 13.0, 14.0, 15.0, 0.0}}, []dayRow{first},
			map[string]string{"C2:C2": `[[10]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 2},
		{"an empty cell is filled", [][]any{ourHeader, {id1, "2026-03-01", "", 11.0, 12.0, 13.0, 14.0, 15.0, 0.0}}, []dayRow{first},
			map[string]string{"C2:C2": `[[10]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 2},
		{"a row cut short is filled", [][]any{ourHeader, {id1, "2026-03-01", 10.0, 11.0, 12.0}}, []dayRow{first},
			map[string]string{"F2:I2": `[[13,14,15,0]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 2},
		{"a text among our figures is replaced", [][]any{ourHeader, {id1, "2026-03-01", "=SUM(1)", true, 12.0, 13.0, 14.0, 15.0, 0.0}}, []dayRow{first},
			map[string]string{"C2:D2": `[[10,11]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 2},
		{"the id of the row stays", [][]any{ourHeader, {id3, "2026-03-01", 99.0, 11.0, 12.0, 13.0, 14.0, 15.0, 0.0}}, []dayRow{first},
			map[string]string{"C2:C2": `[[10]]`}, []placed{{"2026-03-01", "update", 2, id3}}, 2},
		{"a numeric id stays too", [][]any{ourHeader, cells(7.0, "2026-03-01", 10)}, []dayRow{first},
			map[string]string{}, []placed{{"2026-03-01", "skip", 2, "7"}}, 2},
		{"a missing id is filled in", [][]any{ourHeader, cells("", "2026-03-01", 10)}, []dayRow{first},
			map[string]string{"A2:A2": `[["` + id1 + `"]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 2},
		{"a nil id is filled in", [][]any{ourHeader, cells(nil, "2026-03-01", 10)}, []dayRow{first},
			map[string]string{"A2:A2": `[["` + id1 + `"]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 2},
		{"a date cell as serial number", [][]any{ourHeader, cells(id1, serial, 10)}, []dayRow{first},
			map[string]string{}, []placed{{"2026-03-01", "skip", 2, id1}}, 2},
		{"a date cell with a time of day", [][]any{ourHeader, cells(id1, serial+0.75, 10)}, []dayRow{first},
			map[string]string{}, []placed{{"2026-03-01", "skip", 2, id1}}, 2},
		{"a date cell as json.Number keeps its form in an update", [][]any{ourHeader, cells(id1, json.Number("46082"), 11)}, []dayRow{first},
			map[string]string{"C2:H2": `[[10,11,12,13,14,15]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 2},
		{"a date as text with spaces", [][]any{ourHeader, cells(id1, " 2026-03-01 ", 10)}, []dayRow{first},
			map[string]string{}, []placed{{"2026-03-01", "skip", 2, id1}}, 2},
		{"of two rows for a day the first counts", [][]any{ourHeader, cells(id1, "2026-03-01", 10), cells(id2, serial, 20)}, []dayRow{want("2026-03-01", id3, 20)},
			map[string]string{"C2:H2": `[[20,21,22,23,24,25]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 3},
		{"days in any order in the tab", [][]any{ourHeader, cells(id2, "2026-03-02", 20), cells(id1, "2026-03-01", 10)}, []dayRow{first, second},
			map[string]string{}, []placed{{"2026-03-01", "skip", 3, id1}, {"2026-03-02", "skip", 2, id2}}, 3},
		{"rows by people between and below; new ones go last, in order",
			[][]any{ourHeader, {"Note", "by Ada"}, {}, cells(id1, "2026-03-01", 10), {}, {"", "", "Total", 10.0}}, []dayRow{first, second, want("2026-03-03", id3, 30)},
			map[string]string{"A7:I7": row2, "A8:I8": `[["` + id3 + `","2026-03-03",30,31,32,33,34,35,0]]`},
			[]placed{{"2026-03-01", "skip", 4, id1}, {"2026-03-02", "append", 7, id2}, {"2026-03-03", "append", 8, id3}}, 8},
		{"a gap between days does not matter", [][]any{ourHeader, cells(id2, "2026-03-02", 20)}, []dayRow{first},
			map[string]string{"A3:I3": row1}, []placed{{"2026-03-01", "append", 3, id1}}, 3},
		{"an older header is extended at its right end", [][]any{ourHeader[:8], cells(id1, "2026-03-01", 10)[:8]}, []dayRow{first, second},
			map[string]string{"I1:I1": `[["ad_spend"]]`, "I2:I2": `[[0]]`, "A3:I3": row2},
			[]placed{{"2026-03-01", "update", 2, id1}, {"2026-03-02", "append", 3, id2}}, 3},
		{"an older header with a foreign column at its end", [][]any{append(slices.Clone(ourHeader[:8]), "Notes"), append(cells(id1, "2026-03-01", 10)[:8], "mine")}, []dayRow{first, second},
			map[string]string{"J1:J1": `[["ad_spend"]]`, "J2:J2": `[[0]]`, "A3:J3": `[["` + id2 + `","2026-03-02",20,21,22,23,24,25,null,0]]`},
			[]placed{{"2026-03-01", "update", 2, id1}, {"2026-03-02", "append", 3, id2}}, 3},
		{"an older header beside notes that have none", [][]any{ourHeader[:8], append(cells(id1, "2026-03-01", 10)[:8], "a note", "another")}, []dayRow{first},
			map[string]string{"K1:K1": `[["ad_spend"]]`, "K2:K2": `[[0]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 2},
		{"a header in another order and case, with foreign columns between",
			[][]any{headerRow("Notes", " DATE ", "Ad_Spend", "revenue", "", "ID", "Bounce_Rate", "purchases", "Formula", "USERS", "sessions", "add_to_cart")}, []dayRow{first},
			map[string]string{"B2:L2": `[["2026-03-01",0,14,null,"` + id1 + `",15,13,null,11,10,12]]`}, []placed{{"2026-03-01", "append", 2, id1}}, 2},
		{"foreign cells between changed ones stay", [][]any{headerRow("date", "id", "sessions", "x", "users", "add_to_cart", "purchases", "revenue", "bounce_rate", "ad_spend"),
			{"2026-03-01", id1, 99.0, "=A1", 99.0, 12.0, 13.0, 14.0, 15.0, 0.0}}, []dayRow{first},
			map[string]string{"C2:E2": `[[10,null,11]]`}, []placed{{"2026-03-01", "update", 2, id1}}, 2},
		{"a column that comes twice: the first is ours", [][]any{append(slices.Clone(ourHeader), "sessions"), append(cells(id1, "2026-03-01", 10), 99.0)}, []dayRow{first},
			map[string]string{}, []placed{{"2026-03-01", "skip", 2, id1}}, 2},
		{"spaces within the header", [][]any{headerRow("i d", "date", "sessions", " users\u00a0", "add_to _cart", "purchases", "reve\nnue", "bounce_rate", "AD_ SPEND"), cells(id1, "2026-03-01", 10)}, []dayRow{first},
			map[string]string{}, []placed{{"2026-03-01", "skip", 2, id1}}, 2},
		{"columns beyond Z", [][]any{append(headerRow(strings.Split(strings.Repeat("x", 25), "")...), ourHeader...)}, []dayRow{first},
			map[string]string{"Z2:AH2": row1}, []placed{{"2026-03-01", "append", 2, id1}}, 2},
		{"numbers in the date column that are no dates", [][]any{ourHeader, cells(id2, -1.0, 10), cells(id2, 1e9, 10), cells(id3, true, 10), cells(id3, "2026-3-1", 10), cells(id3, nil, 10)}, []dayRow{first},
			map[string]string{"A7:I7": row1}, []placed{{"2026-03-01", "append", 7, id1}}, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before := fmt.Sprint(c.grid)
			l, err := plan(connector.GA4, ga4Columns, grid{shown: c.grid}, c.rows)
			if err != nil {
				t.Fatal(err)
			}
			if got := written(l); !reflect.DeepEqual(got, c.ranges) {
				t.Errorf("ranges\ngot  %v\nwant %v", got, c.ranges)
			}
			if !slices.Equal(l.rows, c.placed) || l.height != c.height {
				t.Errorf("rows %v, height %d", l.rows, l.height)
			}
			if fmt.Sprint(c.grid) != before {
				t.Error("planning changed the grid")
			}
			explicit(t, l)
		})
	}
}

// explicit checks that every range is a closed piece of one row with as many values as cells.
func explicit(t interface {
	Helper()
	Errorf(format string, args ...any)
}, l load) {
	t.Helper()
	for _, r := range l.ranges {
		row, first, last := place(r.A1)
		if row < 1 || row > l.height || len(r.Values) != 1 || len(r.Values[0]) != last-first+1 || r.Values[0][0] == nil || r.Values[0][last-first] == nil {
			t.Errorf("range %s of %v in a tab of %d rows", r.A1, r.Values, l.height)
		}
	}
}

// A formula that shows nothing is somebody's all the same: Google leaves empty ends out of what cells show.
func TestPlanPassesOverFormulasThatShowNothing(t *testing.T) {
	t.Parallel()
	shown := [][]any{ourHeader, cells(id1, "2026-03-01", 10)}
	l, err := plan(connector.GA4, ga4Columns, grid{shown: shown, typed: append(slices.Clone(shown), nil, []any{"=IF(1;\"\")"})}, []dayRow{want("2026-03-02", id2, 20)})
	if err != nil || len(l.rows) != 1 || l.rows[0].row != 5 || l.height != 5 {
		t.Errorf("%+v, %v", l, err)
	}
	l, err = plan(connector.GA4, ga4Columns, grid{typed: [][]any{{"=IF(1;\"\")"}}}, []dayRow{want("2026-03-02", id2, 20)})
	if _, refused := errors.AsType[*mismatch](err); !refused {
		t.Errorf("a header over a formula: %+v, %v", l, err)
	}
	older := [][]any{ourHeader[:8]}
	l, err = plan(connector.GA4, ga4Columns, grid{shown: older, typed: [][]any{append(slices.Clone(ourHeader[:8]), "=IF(1;\"\")")}}, nil)
	if got := written(l); err != nil || got["J1:J1"] == "" {
		t.Errorf("a later column over a formula: %v, %v", got, err)
	}
}

func TestPlanRefusesForeignHeaders(t *testing.T) {
	t.Parallel()
	without := func(names ...string) []any {
		return slices.DeleteFunc(slices.Clone(ourHeader), func(c any) bool { return slices.Contains(names, c.(string)) })
	}
	for _, c := range []struct {
		name    string
		grid    [][]any
		missing []string
		owner   string
	}{
		{"row 1 empty, content below", [][]any{{}, {"a note"}}, ga4Columns, ""},
		{"row 1 of empty cells", [][]any{{"", nil, "  "}, {"a note"}}, ga4Columns, ""},
		{"a column in the middle missing", [][]any{without("users")}, []string{"users"}, "ga4"},
		{"the last and another missing", [][]any{without("bounce_rate", "ad_spend")}, []string{"bounce_rate", "ad_spend"}, "ga4"},
		{"two of three missing", [][]any{without("users", "bounce_rate")}, []string{"users", "bounce_rate"}, ""},
		{"no date", [][]any{without("date")}, []string{"date"}, "ga4"},
		{"the header in row 2", [][]any{{"My figures"}, ourHeader}, ga4Columns, ""},
		{"a tab of meta", [][]any{headerRow(strings.Fields("id date spend reach impressions clicks landing_page_views add_to_cart initiate_checkout purchases revenue roas cpm ctr")...)},
			[]string{"sessions", "users", "bounce_rate", "ad_spend"}, "meta"},
		{"a tab of shopify, in capitals", [][]any{headerRow(strings.Fields("ID DATE TOTAL_ORDERS TOTAL_REVENUE NET_REVENUE TOTAL_RETURNS NEW_CUSTOMERS REPEAT_CUSTOMERS TOTAL_SESSIONS AOV")...)},
			ga4Columns[2:], "shopify"},
		{"numbers", [][]any{{1.0, 2.0}}, ga4Columns, ""},
		{"figures without a header", [][]any{cells(id1, "2026-03-01", 1)}, ga4Columns, ""},
	} {
		l, err := plan(connector.GA4, ga4Columns, grid{shown: c.grid}, []dayRow{want("2026-03-01", id1, 10)})
		m, ok := errors.AsType[*mismatch](err)
		if !ok || !slices.Equal(m.missing, c.missing) || m.owner != c.owner || len(l.ranges) != 0 {
			t.Errorf("%s: %v, ranges %v", c.name, err, l.ranges)
			continue
		}
		text := m.Error()
		if !strings.Contains(text, strings.Join(c.missing, ", ")) || strings.Contains(text, "looks like a "+c.owner+" tab") != (c.owner != "") {
			t.Errorf("%s: %q", c.name, text)
		}
	}
}

func TestOnlySourcesWithAnOlderHeaderAreExtended(t *testing.T) {
	t.Parallel()
	columns := []string{"id", "date", "a", "b"}
	if _, err := plan("new", columns, grid{shown: [][]any{headerRow("id", "date", "a")}}, nil); err == nil {
		t.Error("a header of an unknown generation is extended")
	}
}

func TestLetters(t *testing.T) {
	t.Parallel()
	for column, want := range map[int]string{0: "A", 1: "B", 25: "Z", 26: "AA", 27: "AB", 51: "AZ", 52: "BA", 701: "ZZ", 702: "AAA", 18277: "ZZZ"} {
		if got := letters(column); got != want {
			t.Errorf("column %d is %s, want %s", column, got, want)
		}
	}
	for column := range 20_000 {
		if got := number26(letters(column)); got != column {
			t.Fatalf("column %d is %s, which is %d", column, letters(column), got)
		}
	}
}

func TestDayOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cell any
		want string
	}{
		{"2026-03-01", "2026-03-01"}, {"\t2026-03-01 ", "2026-03-01"}, {"2024-02-29", "2024-02-29"}, {46082.0, "2026-03-01"}, {46082.99999, "2026-03-01"},
		{json.Number("46082"), "2026-03-01"}, {json.Number("46082.5"), "2026-03-01"}, {1.0, "1899-12-31"}, {60.0, "1900-02-28"}, {61.0, "1900-03-01"}, {200_000.0, "2447-07-30"},
		{"", ""}, {"2026-02-29", ""}, {"01.03.2026", ""}, {"3/1/2026", ""}, {"2026-03-01T00:00:00Z", ""}, {"46082", ""}, {0.5, ""}, {0.0, ""}, {-46082.0, ""}, {200_001.0, ""},
		{json.Number("x"), ""}, {true, ""}, {nil, ""},
	} {
		if got := dayOf(c.cell); got != c.want {
			t.Errorf("%T %v is the day %q, want %q", c.cell, c.cell, got, c.want)
		}
	}
}

// place reads an A1 range of one row: 1-based row, 0-based columns.
func place(a1 string) (row, first, last int) {
	from, to, _ := strings.Cut(a1, ":")
	split := func(cell string) (string, int) {
		i := strings.IndexAny(cell, "0123456789")
		n, _ := strconv.Atoi(cell[i:])
		return cell[:i], n
	}
	a, rowA := split(from)
	b, rowB := split(to)
	if rowA != rowB {
		return 0, 0, -1
	}
	return rowA, number26(a), number26(b)
}

func number26(name string) int {
	n := 0
	for _, r := range name {
		n = n*26 + int(r-'A') + 1
	}
	return n - 1
}

// apply writes ranges into a copy of a grid as Google does: nil leaves a cell, numbers become floats, and reading gives no
// empty cells at the end of a row and no empty rows at the end of the tab.
func apply(grid [][]any, ranges []connector.Range) [][]any {
	out := make([][]any, len(grid))
	for i, row := range grid {
		out[i] = slices.Clone(row)
	}
	for _, r := range ranges {
		row, first, _ := place(r.A1)
		for len(out) < row {
			out = append(out, []any{})
		}
		for i, v := range r.Values[0] {
			if v == nil {
				continue
			}
			for len(out[row-1]) <= first+i {
				out[row-1] = append(out[row-1], "")
			}
			if n, ok := v.(json.Number); ok {
				f, _ := n.Float64()
				v = f
			}
			out[row-1][first+i] = v
		}
	}
	return trim(out)
}

func trim(grid [][]any) [][]any {
	for i, row := range grid {
		for len(row) > 0 && (row[len(row)-1] == "" || row[len(row)-1] == nil) {
			row = row[:len(row)-1]
		}
		grid[i] = row
	}
	for len(grid) > 0 && len(grid[len(grid)-1]) == 0 {
		grid = grid[:len(grid)-1]
	}
	return grid
}

func cellAt(grid [][]any, row, column int) any {
	if row >= len(grid) || column >= len(grid[row]) {
		return ""
	}
	return grid[row][column]
}

// drawTab makes a tab as people leave it: our header in some order and case, perhaps of the older generation, foreign
// columns, rows of ours in any state, and rows and notes of their own anywhere. No day has two rows.
func drawTab(t *rapid.T, days []string) [][]any {
	if rapid.IntRange(0, 9).Draw(t, "empty tab") == 0 {
		return nil
	}
	names := slices.Clone(ga4Columns)
	if rapid.Bool().Draw(t, "older header") {
		names = names[:8]
	}
	for range rapid.IntRange(0, 4).Draw(t, "foreign columns") {
		names = append(names, rapid.SampledFrom([]string{"", "Notes", "spend", "Total", "a", "1"}).Draw(t, "foreign name"))
	}
	names = rapid.Permutation(names).Draw(t, "order")
	header := make([]any, len(names))
	for i, n := range names {
		header[i] = rapid.SampledFrom([]string{n, strings.ToUpper(n), " " + n + " "}).Draw(t, "spelling")
	}
	grid := [][]any{header}
	foreign := rapid.SampledFrom([]any{"", "note", 3.5, true, "=A1", nil, "2026"})
	number := rapid.SampledFrom([]any{"", nil, 0.0, 1.0, 2.5, json.Number("1"), "1", "x"})
	left := rapid.Permutation(days).Draw(t, "days there")
	for range rapid.IntRange(0, 12).Draw(t, "rows") {
		width := rapid.IntRange(0, len(names)+3).Draw(t, "width")
		row := make([]any, width)
		ours := len(left) > 0 && rapid.Bool().Draw(t, "ours")
		for i := range row {
			name := ""
			if i < len(names) {
				name = strings.TrimSpace(names[i])
			}
			switch {
			case name == "date" && slices.Index(names, "date") == i:
				row[i] = rapid.SampledFrom([]any{"", "Total", nil, 12345678.0}).Draw(t, "no date")
				if ours {
					row[i] = drawDate(t, left[0])
					left = left[1:]
				}
			case name == "id" && slices.Index(names, "id") == i:
				row[i] = rapid.SampledFrom([]any{"", nil, id1, "mine", 7.0}).Draw(t, "id")
			case slices.Contains(ga4Columns, name) && slices.Index(names, name) == i:
				row[i] = number.Draw(t, "figure")
			default:
				row[i] = foreign.Draw(t, "foreign")
			}
		}
		grid = append(grid, row)
	}
	return trim(grid)
}

func drawDate(t *rapid.T, day string) any {
	d, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	serial := d.Sub(sheetEpoch).Hours() / 24
	return rapid.SampledFrom([]any{day, " " + day, serial, serial + 0.25, json.Number(fmt.Sprint(int(serial)))}).Draw(t, "date")
}

func drawRows(t *rapid.T, days []string) []dayRow {
	rows := []dayRow{}
	for i, day := range days {
		if !rapid.Bool().Draw(t, "wanted") {
			continue
		}
		r := dayRow{day: day, values: map[string]any{"id": fmt.Sprintf("%08d-0000-4000-8000-000000000000", i), "date": day, "ad_spend": json.Number("0")}}
		for _, c := range ga4Columns[2:8] {
			r.values[c] = json.Number(rapid.SampledFrom([]string{"0", "1", "2.5", "0.1", "123456789.12", "-3", "1e3"}).Draw(t, c))
		}
		rows = append(rows, r)
	}
	return rows
}

var someDays = []string{"2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02", "2026-03-29", "2025-12-31"}

func mustPlan(t *rapid.T, cells [][]any, rows []dayRow) load {
	t.Helper()
	l, err := plan(connector.GA4, ga4Columns, grid{shown: cells}, rows)
	if err != nil {
		t.Fatalf("%v\n%v", err, cells)
	}
	explicit(t, l)
	return l
}

func TestALoadBringsEveryWantedDayAndNothingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, rows := drawTab(t, someDays), drawRows(t, someDays)
		l := mustPlan(t, before, rows)
		after := apply(before, l.ranges)

		at, _, err := header(connector.GA4, ga4Columns, grid{shown: after})
		if err != nil {
			t.Fatalf("the header after the load: %v", err)
		}
		ours := map[[2]int]bool{} // cells a load may change: header and wanted rows, our columns
		for _, c := range at {
			ours[[2]int{0, c}] = true
		}
		for i, r := range rows {
			var found []int
			for n, row := range after {
				if n > 0 && at["date"] < len(row) && dayOf(row[at["date"]]) == r.day {
					found = append(found, n)
				}
			}
			if len(found) != 1 || l.rows[i].day != r.day || l.rows[i].row != found[0]+1 {
				t.Fatalf("%s stands in rows %v (from 0), the plan says %+v", r.day, found, l.rows[i])
			}
			for name, v := range r.values {
				have := cellAt(after, found[0], at[name])
				ours[[2]int{found[0], at[name]}] = true
				switch name {
				case "date":
					if dayOf(have) != r.day {
						t.Fatalf("%s has the date %v", r.day, have)
					}
				case "id":
					old := cellAt(before, found[0], at[name])
					if fmt.Sprint(have) != l.rows[i].id || old != "" && old != nil && have != old || (old == "" || old == nil) && have != v {
						t.Fatalf("%s had the id %v, has %v, the plan says %s", r.day, old, have, l.rows[i].id)
					}
				default:
					f, _ := v.(json.Number).Float64()
					if n, ok := number(have); !ok || n.String() != fmt.Sprintf("%.10g", f) {
						t.Fatalf("%s has %s = %v, want %v", r.day, name, have, v)
					}
				}
			}
		}
		for n := range max(len(before), len(after)) {
			for c := range 40 {
				if a, b := cellAt(before, n, c), cellAt(after, n, c); !ours[[2]int{n, c}] && a != b && (a != nil || b != "") {
					t.Fatalf("cell %s%d, which is not ours, was %v and is %v", letters(c), n+1, a, b)
				}
			}
		}
		for n, c := range at {
			if old := strings.ToLower(strings.TrimSpace(fmt.Sprint(cellAt(before, 0, c)))); len(before) > 0 && n != "ad_spend" && old != n {
				t.Fatalf("header cell %q was overwritten by %s", old, n)
			}
		}
		if len(after) > l.height || l.height < len(before) {
			t.Fatalf("height %d, rows %d before and %d after", l.height, len(before), len(after))
		}
	})
}

func TestALoadRepeatedChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, rows := drawTab(t, someDays), drawRows(t, someDays)
		first := mustPlan(t, before, rows)
		after := apply(before, first.ranges)
		second := mustPlan(t, after, rows)
		if len(second.ranges) != 0 {
			t.Fatalf("the second plan writes %v", second.ranges)
		}
		for i, p := range second.rows {
			if p.mode != "skip" || p.row != first.rows[i].row || p.id != first.rows[i].id {
				t.Fatalf("%+v the first time, %+v the second", first.rows[i], p)
			}
		}
	})
}

// Google writes all ranges of a call or none; that any part of them would do as well is more than is needed.
func TestALoadConvergesAfterACrashAtAnyPoint(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, rows := drawTab(t, someDays), drawRows(t, someDays)
		l := mustPlan(t, before, rows)
		whole := apply(before, l.ranges)
		crashed := apply(before, l.ranges[:rapid.IntRange(0, len(l.ranges)).Draw(t, "ranges written")])
		repaired := apply(crashed, mustPlan(t, crashed, rows).ranges)
		if !reflect.DeepEqual(repaired, whole) {
			t.Fatalf("after a crash %v\nwithout %v", repaired, whole)
		}
	})
}

func TestYesterdayIsTheLastWholeDayInItsZone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ now, zone, want string }{
		{"2026-03-01T00:00:00Z", "UTC", "2026-02-28"},
		{"2026-03-01T23:59:59Z", "UTC", "2026-02-28"},
		{"2024-03-01T12:00:00Z", "UTC", "2024-02-29"},
		{"2026-01-01T00:00:00Z", "UTC", "2025-12-31"},
		{"2026-03-01T18:29:59Z", "Asia/Kolkata", "2026-02-28"},
		{"2026-03-01T18:30:00Z", "Asia/Kolkata", "2026-03-01"},
		{"2026-03-08T04:59:59Z", "America/New_York", "2026-03-06"}, // 23:59:59 on the 7th, EST
		{"2026-03-08T05:00:00Z", "America/New_York", "2026-03-07"},
		{"2026-03-09T03:59:59Z", "America/New_York", "2026-03-07"}, // EDT since 2 in the morning of the 8th
		{"2026-03-09T04:00:00Z", "America/New_York", "2026-03-08"},
		{"2026-11-02T04:59:59Z", "America/New_York", "2026-10-31"}, // a day of 25 hours
		{"2026-11-02T05:00:00Z", "America/New_York", "2026-11-01"},
		{"2026-03-29T12:00:00Z", "Europe/Berlin", "2026-03-28"},
		{"2026-03-29T03:00:00Z", "America/Sao_Paulo", "2026-03-28"},
		{"2018-11-04T12:00:00Z", "America/Sao_Paulo", "2018-11-03"},  // midnight of the 4th did not exist there
		{"2018-11-05T12:00:00Z", "America/Sao_Paulo", "2018-11-04"},  // nor does it matter for the day itself
		{"2026-03-01T09:59:59Z", "Pacific/Kiritimati", "2026-02-28"}, // UTC+14
		{"2026-03-01T10:00:00Z", "Pacific/Kiritimati", "2026-03-01"},
		{"2026-03-01T10:59:59Z", "Pacific/Pago_Pago", "2026-02-27"}, // UTC-11
		{"2026-03-01T11:00:00Z", "Pacific/Pago_Pago", "2026-02-28"},
		{"2011-12-31T12:00:00Z", "Pacific/Apia", "2011-12-31"}, // Samoa skipped the 30th
		{"2026-03-01T00:00:00Z", "Mars/Olympus", "2026-02-28"},
		{"2026-03-01T00:00:00Z", "", "2026-02-28"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		got := yesterday(now, c.zone)
		if got.Format(time.DateOnly) != c.want || got.Location() != time.UTC || !got.Equal(got.Truncate(24*time.Hour)) {
			t.Errorf("at %s in %q: %s, want %s", c.now, c.zone, got, c.want)
		}
		if again := yesterday(now.In(time.FixedZone("elsewhere", -7*3600)), c.zone); !again.Equal(got) {
			t.Errorf("at %s in %q: the process's zone counts", c.now, c.zone)
		}
	}
}

func TestTargetDay(t *testing.T) {
	t.Parallel()
	s := &Service{now: func() time.Time { return time.Date(2026, 3, 4, 11, 0, 0, 0, time.UTC) }, zone: "Asia/Kolkata"}
	if day, err := s.targetDay(nil); day != nil || err != nil {
		t.Errorf("none given: %v, %v", day, err)
	}
	const form, span = "targetDate must be a date in the form YYYY-MM-DD", "targetDate must not be in the future nor more than 37 months ago"
	for _, c := range []struct{ text, problem string }{
		{"2026-03-03", ""}, {"2026-03-04", ""}, {"2024-02-29", ""}, {"2023-02-05", ""},
		{"2026-03-05", ""}, // where it is today already, at UTC+14
		{"2026-03-06", span}, {"2027-01-01", span}, {"9999-12-31", span}, {"2023-02-04", span}, {"2023-02-03", span}, {"1970-01-01", span}, {"0001-01-01", span},
		{"", form}, {"yesterday", form}, {"2026-3-4", form}, {"2026-02-29", form}, {"2026-03-04T00:00:00Z", form}, {" 2026-03-04", form}, {"04.03.2026", form}, {"20260304", form},
		{"2026-03-04'; DROP TABLE users; --", form},
	} {
		day, err := s.targetDay(&c.text)
		switch {
		case c.problem == "":
			if err != nil || day.Format(time.DateOnly) != c.text || !day.Equal(day.UTC().Truncate(24*time.Hour)) {
				t.Errorf("%s: %v, %v", c.text, day, err)
			}
		case err == nil || day != nil || err.Error() != c.problem:
			t.Errorf("%q: %v, %v", c.text, day, err)
		}
	}
}

func TestTomorrowPassesOnlyWhereItIsAlreadyToday(t *testing.T) {
	t.Parallel()
	tomorrow := "2026-03-05"
	for hour, want := range map[int]bool{0: false, 9: false, 10: true, 23: true} {
		s := &Service{now: func() time.Time { return time.Date(2026, 3, 4, hour, 0, 0, 0, time.UTC) }}
		if _, err := s.targetDay(&tomorrow); (err == nil) != want {
			t.Errorf("at %d:00 UTC: %v", hour, err)
		}
	}
}

func TestTheShownDayIsTheGivenOneElseYesterdayAtTheSource(t *testing.T) {
	t.Parallel()
	s := &Service{now: func() time.Time { return time.Date(2026, 3, 4, 20, 0, 0, 0, time.UTC) }, zone: "Asia/Kolkata"}
	given := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		target     *time.Time
		zone, want string
	}{
		{&given, "America/New_York", "2026-01-02"}, {nil, "America/New_York", "2026-03-03"}, {nil, "", "2026-03-04"}, {nil, "UTC", "2026-03-03"},
	} {
		if got := s.day(c.target, c.zone); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestTitle(t *testing.T) {
	t.Parallel()
	for service, want := range map[string]string{"ga4": "GA4", "google_sheets": "Google Sheets", "meta": "Meta", "shopify": "Shopify"} {
		if got := title(service); got != want {
			t.Errorf("%s is titled %s", service, got)
		}
	}
}
