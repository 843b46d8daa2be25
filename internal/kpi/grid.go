package kpi

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"turkey/internal/connector"
)

// grid is a tab as it was read, by row and column from 0. typed is what stands in the cells, formulas as such; it is nil
// where there is none, since it would not differ from what they show.
type grid struct{ shown, typed [][]any }

// at is what a cell shows, nil outside of what is filled.
func (g grid) at(row, column int) any { return cellOf(g.shown, row, column) }

// row is what a row shows.
func (g grid) row(n int) []any {
	if n >= len(g.shown) {
		return nil
	}
	return g.shown[n]
}

// height and width are of what is filled, formulas that show nothing included: Google leaves empty ends out of what is shown.
func (g grid) height() int { return max(len(g.shown), len(g.typed)) }

func (g grid) width() (n int) {
	for _, rows := range [][][]any{g.shown, g.typed} {
		for _, row := range rows {
			n = max(n, len(row))
		}
	}
	return n
}

// formula is the formula in a cell, "" if there is none. A text that begins with = shows itself.
func (g grid) formula(row, column int) string {
	text, ok := cellOf(g.typed, row, column).(string)
	if !ok || !strings.HasPrefix(text, "=") || g.at(row, column) == any(text) {
		return ""
	}
	return text
}

func cellOf(cells [][]any, row, column int) any {
	if row >= len(cells) || column >= len(cells[row]) {
		return nil
	}
	return cells[row][column]
}

// anyFormula reports whether what was typed may differ from what is shown.
func anyFormula(typed [][]any) bool {
	for _, row := range typed {
		for _, cell := range row {
			if text, ok := cell.(string); ok && strings.HasPrefix(text, "=") {
				return true
			}
		}
	}
	return false
}

// daysOf maps each day in the date column to its row number; of two rows for one day the first counts.
func daysOf(cells [][]any, column int) map[string]int {
	return rowsBy(cells, column, dayOf)
}

// idsOf maps each id in the id column to its row number.
func idsOf(cells [][]any, column int) map[string]int {
	return rowsBy(cells, column, textOf)
}

func rowsBy(cells [][]any, column int, key func(any) string) map[string]int {
	rows := map[string]int{}
	for i, row := range cells {
		if i == 0 || column >= len(row) {
			continue
		}
		if k := key(row[column]); k != "" {
			if _, seen := rows[k]; !seen {
				rows[k] = i + 1
			}
		}
	}
	return rows
}

// textOf is a cell as text, "" of an empty one.
func textOf(cell any) string {
	if cell == nil {
		return ""
	}
	return fmt.Sprint(cell)
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
