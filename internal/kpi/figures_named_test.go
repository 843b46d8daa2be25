package kpi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"turkey/internal/kpi/kpidb"
)

// Columns that a credential named: in its order, and only what adds up is added up. Without it nothing is.
func TestFiguresOfNamedColumns(t *testing.T) {
	t.Parallel()
	rows := []kpidb.ListFiguresRow{day(t, "2026-01-05", `{"b": 1.50, "a": 2}`, false), day(t, "2026-01-06", `{"b": 2, "a": 3, "old": 9}`, false)}
	for columns, want := range map[string]struct{ header, totals string }{
		`[{"column":"b","kind":"sum"},{"column":"a","kind":"per_day"}]`: {"b,a", "map[b:3.50]"},
		`null`: {"a,b,old", "map[]"},
		``:     {"a,b,old", "map[]"},
		`[]`:   {"a,b,old", "map[]"},
	} {
		o, err := namedOutline(json.RawMessage(columns), rows)
		if err != nil {
			t.Fatal(err)
		}
		f := Figures{Granularity: "day"}
		if err := f.fill(rows, o.Totals()); err != nil {
			t.Fatal(err)
		}
		file, err := f.table(o.Columns(), o.Ratios)
		if header, _, _ := strings.Cut(string(file), "\r\n"); err != nil || header != "date,days,provisional,currency,"+want.header || fmt.Sprint(f.Totals) != want.totals {
			t.Errorf("%s: %s, %v, %v", columns, header, f.Totals, err)
		}
	}
	if _, err := namedOutline(json.RawMessage(`{}`), rows); err == nil {
		t.Error("stored columns of another form are taken")
	}
}

// A load is taken back by the columns that it wrote, whatever the source's are by now.
func TestColumnsOfALoad(t *testing.T) {
	t.Parallel()
	got := columnsOf([]change{{Cells: map[string]swap{"a": {}, "date": {}}}, {Cells: map[string]swap{"a": {}}}, {Cells: map[string]swap{"b": {}}}})
	if fmt.Sprint(got) != "[id date a b]" {
		t.Errorf("%v", got)
	}
}
