package kpi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"turkey/internal/connector"
)

func TestAMonthCostsAtMostThreeWrites(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.calls.reset(nil)
	if r := l.completes(l.ago(30), l.ago(1)); r.Appended != 30 || r.From != l.ago(30) || r.To != l.ago(1) {
		t.Errorf("%+v", r)
	}
	if n := l.calls.writes(); n < 1 || n > 3 {
		t.Errorf("%d writes", n)
	}
	l.agrees("Google", 30)
	for i := range 30 {
		l.correct(l.ago(1+i), float64(100_000+i))
	}
	l.calls.reset(nil)
	if r := l.completes(l.ago(30), l.ago(1)); r.Updated != 30 || r.Overwritten != 0 {
		t.Errorf("%+v", r)
	}
	if n := l.calls.writes(); n != 1 {
		t.Errorf("%d writes", n)
	}
	l.agrees("Google", 30)
}

func TestALongRangeIsLoadedInPieces(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.calls.reset(nil)
	if r := l.completes(l.ago(200), l.ago(1)); r.Appended != 200 || r.From != l.ago(200) || r.To != l.ago(1) || r.Date != l.ago(1) || r.RowNumber != 201 {
		t.Errorf("%+v", r)
	}
	if n := l.calls.count("runReport"); n != 3 {
		t.Errorf("%d reports", n)
	}
	l.agrees("Google", 200)
}

func TestPieces(t *testing.T) {
	t.Parallel()
	day := func(n int) days { d := yesterday(sheetEpoch, "UTC").AddDate(0, 0, n); return days{d, d} }
	all := days{day(1).from, day(200).from}
	at := day(90).from
	for _, c := range []struct {
		piece       days
		first, last int
		progress    int16
	}{{all.piece(nil), 1, 90, 45}, {all.piece(&at), 91, 180, 90}, {all.piece(new(day(1).from)), 2, 91, 45}, {all.piece(new(day(199).from)), 200, 200, 99}} {
		if c.piece != (days{day(c.first).from, day(c.last).from}) || all.progress(c.piece, 2) != c.progress {
			t.Errorf("%v, %d%%; want days %d to %d, %d%%", c.piece, all.progress(c.piece, 2), c.first, c.last, c.progress)
		}
	}
	if p := (days{}).piece(nil); p != (days{}) || p.count() != 1 {
		t.Errorf("the provider's yesterday became %v", p)
	}
}

func TestADryRunTellsAndChangesNothing(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.completes(l.ago(5), l.ago(3))
	l.correct(l.ago(4), 4711)
	l.edit("H2", "=1+1")
	before, stored := l.tab("Google"), scan[string](l, `SELECT string_agg(k::text, '' ORDER BY day) FROM kpi_rows k`)
	l.calls.reset(nil)
	status, r := l.ends(l.make(l.ago(5), l.ago(2), true))
	if status != "completed" || r.Appended != 1 || r.Updated != 2 || r.Skipped != 1 {
		t.Fatalf("%s: %+v", status, r)
	}
	if n := l.calls.writes(); n != 0 || !reflect.DeepEqual(l.tab("Google"), before) || scan[string](l, `SELECT string_agg(k::text, '' ORDER BY day) FROM kpi_rows k`) != stored ||
		scan[int](l, `SELECT count(*) FROM kpi_undo`) != 1 || scan[int](l, `SELECT count(*) FROM sheet_leases l JOIN kpi_runs r ON r.id = l.holder WHERE r.dry_run`) != 0 {
		t.Errorf("%d writes, or something changed", n)
	}
	got := map[string]string{}
	for _, d := range r.Diff {
		got[d.Day+" "+d.Column] = fmt.Sprintf("%v %v", d.Old, d.New)
	}
	if got[l.ago(4)+" sessions"] != fmt.Sprintf("%v 4711", before[2][2]) || !strings.HasPrefix(got[l.ago(5)+" bounce_rate"], "=1+1 ") ||
		!strings.HasPrefix(got[l.ago(2)+" date"], "<nil> 20") || got[l.ago(2)+" id"] != "" {
		t.Errorf("the diff is %v", got)
	}
	status, r = l.ends(l.make(l.ago(200), l.ago(1), true))
	if status != "completed" || len(r.Diff) != 500 || r.DiffCells < 197*8 {
		t.Errorf("%s: a diff of %d and %d cells", status, len(r.Diff), r.DiffCells)
	}
}

func TestHandEditsGiveWayAndAreCounted(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.completes(l.ago(5), l.ago(1))
	first := l.tab("Google")
	l.correct(l.ago(1), 77) // the source's own correction is no hand edit
	l.edit("C2", 1)         // a figure
	l.edit("D3", nil)       // a figure taken away
	l.edit("E4", "=1+1")    // a formula
	l.edit("B5", "2001-01-01")
	l.edit("K2", "note")
	l.edit("L3", "=C3*2")
	r := l.completes(l.ago(5), l.ago(1))
	if r.Overwritten != 4 || r.Updated != 5 || r.Appended != 0 {
		t.Errorf("%+v", r)
	}
	now := l.tab("Google")
	if now[1][10] != "note" || now[2][11] != "=C3*2" {
		t.Errorf("what people wrote is gone: %v", now)
	}
	for i := 1; i < 5; i++ {
		if !reflect.DeepEqual(now[i][:9], first[i][:9]) {
			t.Errorf("row %d is %v, was %v", i+1, now[i], first[i])
		}
	}
	if r := l.completes(l.ago(5), l.ago(1)); r.Overwritten != 0 || r.Skipped != 5 {
		t.Errorf("again: %+v", r)
	}
}

// What stands in another tab is nobody's hand edit.
func TestAnotherTabIsNoHandEdit(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.completes(l.ago(2), l.ago(1))
	l.system(`UPDATE sheet_mappings SET sheet_name = 'Other', sheet_id = NULL`)
	l.completes(l.ago(2), l.ago(1))
	l.correct(l.ago(1), 5)
	l.completes(l.ago(2), l.ago(1))
	l.system(`UPDATE sheet_mappings SET sheet_name = 'Google', sheet_id = NULL`)
	if r := l.completes(l.ago(2), l.ago(1)); r.Overwritten != 0 || r.Updated != 1 {
		t.Errorf("%+v", r)
	}
}

func TestANarrowTabBecomesWider(t *testing.T) {
	t.Parallel()
	l := running(t)
	for i, name := range ga4Columns[:8] {
		l.edit(letters(18+i)+"1", strings.ToUpper(" "+name+" "))
	}
	l.calls.reset(nil)
	l.completes(l.ago(3), l.ago(1))
	cells := l.tab("Google")
	if len(cells) != 4 || len(cells[0]) != 27 || cells[0][26] != "ad_spend" || cells[1][26] != 0.0 || cells[3][19] != l.ago(1) || cells[0][18] != " ID " {
		t.Errorf("the tab holds %v", cells)
	}
	if n := l.calls.writes(); n != 2 {
		t.Errorf("%d writes", n)
	}
}

func TestATabBeyondItsLastRowBecomesLonger(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.edit("Z999", "mine")
	for i, name := range ga4Columns {
		l.edit(letters(i)+"1", name)
	}
	if r := l.completes(l.ago(5), l.ago(1)); r.RowNumber != 1004 {
		t.Errorf("%+v", r)
	}
	if cells := l.tab("Google"); cells[998][25] != "mine" || cells[1003][1] != l.ago(1) {
		t.Error("not there")
	}
}

func TestTheBudgetOfASpreadsheet(t *testing.T) {
	t.Parallel()
	tab, other := connector.Tab{ID: 1, Rows: 1000, Columns: 26}, connector.Tab{ID: 2, Rows: 99_000, Columns: 100}
	tabs := []connector.Tab{other, tab}
	for _, c := range []struct {
		height, width int
		ok            bool
	}{{1000, 26, true}, {3846, 26, true}, {3847, 26, false}, {1000, 100, true}, {1000, 101, false}, {10, 101, false}} {
		if err := fits(tabs, tab, c.height, c.width); (err == nil) != c.ok {
			t.Errorf("%d x %d: %v", c.height, c.width, err)
		}
	}
	full := connector.Tab{ID: 2, Rows: 100_000, Columns: 100}
	if err := fits([]connector.Tab{full, tab}, tab, 1000, 26); err != nil {
		t.Errorf("a full spreadsheet that need not grow: %v", err)
	}
}

func TestARenamedTabIsFoundByItsNumber(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.completes(l.ago(2), l.ago(1))
	if scan[int64](l, `SELECT sheet_id FROM sheet_mappings`) != 0 {
		t.Fatal("the tab's number is not remembered")
	}
	l.console("PUT", "/spreadsheets/"+l.spreadsheet+"/tabs", map[string]any{"tab": "Google", "title": "Its own name"}, nil)
	if r := l.completes(l.ago(3), l.ago(1)); r.Appended != 1 || r.Skipped != 2 || r.SheetName != "Its own name" {
		t.Errorf("%+v", r)
	}
	if name := scan[string](l, `SELECT sheet_name FROM sheet_mappings`); name != "Its own name" {
		t.Errorf("the mapping still says %s", name)
	}
	if n := len(l.tab("Its own name")); n != 4 {
		t.Errorf("%d rows", n)
	}
	l.console("PUT", "/spreadsheets/"+l.spreadsheet+"/tabs", map[string]any{"tab": "Other", "title": "Google"}, nil) // the old name is somebody else's now
	if r := l.completes(l.ago(4), l.ago(1)); r.Appended != 1 || len(l.tab("Google")) != 0 {
		t.Errorf("%+v", r)
	}
	l.system(`UPDATE sheet_mappings SET sheet_name = 'Nowhere', sheet_id = 99`)
	if status, r := l.ends(l.make("", "", false)); status != "failed" || !strings.Contains(r.Error, "Nowhere") {
		t.Errorf("%s: %+v", status, r)
	}
}

func TestWhatTheSourceSaysOfItselfIsRemembered(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.system(`UPDATE credentials SET source_timezone = NULL, source_currency = NULL`)
	if r := l.completes("", ""); r.Appended != 1 || r.Date != l.ago(1) {
		t.Errorf("the provider's yesterday: %+v", r)
	}
	if got := scan[string](l, `SELECT source_timezone || ' ' || source_currency FROM credentials WHERE id = 2`); got != "Europe/Berlin EUR" {
		t.Error(got)
	}
	if r := l.completes("", ""); r.Appended != 2 || r.Skipped != 1 {
		t.Errorf("the window: %+v", r)
	}
}

func TestWhatIsStoredOfADay(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.completes(l.ago(4), l.ago(1))
	if got := scan[string](l, `SELECT string_agg(provisional::text, ' ' ORDER BY day) FROM kpi_rows`); got != "false false true true" {
		t.Errorf("provisional: %s", got)
	}
	if got := scan[string](l, `SELECT string_agg(DISTINCT api_version, ' ') FROM kpi_rows`); got != "v1beta" {
		t.Error(got)
	}
	l.system(`UPDATE kpi_rows SET provisional = true`)
	l.completes(l.ago(4), l.ago(1))
	if got := scan[string](l, `SELECT string_agg(provisional::text, ' ' ORDER BY day) FROM kpi_rows`); got != "false false true true" {
		t.Errorf("settled: %s", got)
	}
}

// A run is the last to collect a day when that day is the first of its window: what it stores then is final.
func TestTheLastRunThatCollectsADaySettlesIt(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.system(`UPDATE credentials SET source_timezone = 'UTC'`)
	for _, name := range connector.SourceNames() {
		o, _ := connector.OutlineOf(name)
		if o.Settling() >= o.Window() || o.Settling() < 1 {
			t.Errorf("%s: a day is provisional for %d days and collected for %d", name, o.Settling(), o.Window())
		}
	}
}

// What an interrupted attempt counted is not counted again by the one that goes on.
func TestAPieceThatIsLoadedAgainIsCountedOnce(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"not written": false, "written, the answer lost": true} {
		l := running(t)
		n := 0
		l.calls.reset(func(_ int, call string) (func(), func()) {
			if !strings.HasSuffix(call, "values:batchUpdate") {
				return nil, nil
			}
			if n++; n != 2 { // the second piece's
				return nil, nil
			}
			if after {
				return nil, cut
			}
			return cut, nil
		})
		if r := l.completes(l.ago(100), l.ago(1)); r.Appended+r.Updated+r.Skipped != 100 {
			t.Errorf("%s: %+v", name, r)
		}
		l.agrees("Google", 100)
	}
}

func TestTheWindowIsAsConfigured(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.windows = map[string]int{"ga4": 10, "meta": 0}
	if r := l.completes("", ""); r.Appended != 10 || r.From != l.ago(10) {
		t.Errorf("%+v", r)
	}
	meta, _ := l.connectors.Source(connector.Meta)
	if n := l.window(meta); n != 28 {
		t.Errorf("meta: %d", n)
	}
}

func TestRowsAreFoundByTheirIDWhereTheDayIsGone(t *testing.T) {
	t.Parallel()
	row := cells(id1, "2026-02-01", 10)
	for name, c := range map[string]struct {
		tab  [][]any
		rows []dayRow
		want map[string]string
	}{
		"another day":                  {[][]any{ourHeader, row}, []dayRow{want("2026-03-01", id1, 10)}, map[string]string{"B2:B2": `[["2026-03-01"]]`}},
		"a day that cannot be read":    {[][]any{ourHeader, cells(id1, "1.3.26", 10)}, []dayRow{want("2026-03-01", id1, 10)}, map[string]string{"B2:B2": `[["2026-03-01"]]`}},
		"the day has a row of its own": {[][]any{ourHeader, row, cells(id2, "2026-03-01", 10)}, []dayRow{want("2026-03-01", id1, 10)}, map[string]string{}},
		"the row is another day's": {[][]any{ourHeader, row}, []dayRow{want("2026-02-01", id2, 10), want("2026-03-01", id1, 10)},
			map[string]string{"A3:I3": `[["` + id1 + `","2026-03-01",10,11,12,13,14,15,0]]`}},
	} {
		l, err := plan(connector.GA4, ga4Columns, grid{shown: c.tab}, c.rows)
		if got := written(l); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestFormulasAreToldFromTexts(t *testing.T) {
	t.Parallel()
	g := grid{shown: [][]any{{"=text", 2.0, "", "x"}}, typed: [][]any{{"=text", "=1+1", "=\"\"", "x"}}}
	for i, want := range []string{"", "=1+1", `=""`, "", ""} {
		if got := g.formula(0, i); got != want {
			t.Errorf("column %d: %q", i, got)
		}
	}
	if anyFormula([][]any{{"a", 1.0, nil}}) || !anyFormula(g.typed) {
		t.Error("anyFormula")
	}
}

func TestMergeKeepsTheFirstOldAndTheLastNew(t *testing.T) {
	t.Parallel()
	first := []change{{Day: "2026-03-01", ID: "a", New: true, Cells: map[string]swap{"x": {New: json.Number("1")}, "y": {Old: "o", Formula: "=1", New: json.Number("2")}}}}
	second := []change{{Day: "2026-03-01", ID: "a", Cells: map[string]swap{"y": {Old: json.Number("2"), New: json.Number("3")}, "z": {New: json.Number("4")}}}, {Day: "2026-03-02"}}
	got := merge(first, second)
	want := []change{{Day: "2026-03-01", ID: "a", New: true, Cells: map[string]swap{"x": {New: json.Number("1")}, "y": {Old: "o", Formula: "=1", New: json.Number("3")},
		"z": {New: json.Number("4")}}}, {Day: "2026-03-02"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}
