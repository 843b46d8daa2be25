package kpi

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"turkey/internal/kpi/kpidb"
)

func TestActivityRange(t *testing.T) {
	t.Parallel()
	since, until, err := activityRange("2026-01-31", "2026-01-31")
	if err != nil || since.Format(time.RFC3339) != "2026-01-31T00:00:00Z" || until.Format(time.RFC3339) != "2026-02-01T00:00:00Z" {
		t.Error(since, until, err)
	}
	since, until, err = activityRange("2026-01-31T10:00:00+02:00", "2026-01-31T10:00:00.678Z")
	if err != nil || since.UTC().Hour() != 8 || until.Format(time.RFC3339Nano) != "2026-01-31T10:00:00.679Z" {
		t.Error(since, until, err)
	}
	if since, until, err = activityRange("", ""); since != nil || until != nil || err != nil {
		t.Error(since, until, err)
	}
	for _, bad := range []string{"x", "2026-02-30", "2026-1-1", "2026-01-31 10:00", "31.01.2026"} {
		if _, _, err := activityRange(bad, ""); err == nil {
			t.Errorf("start %q", bad)
		}
		if _, _, err := activityRange("", bad); err == nil {
			t.Errorf("end %q", bad)
		}
	}
}

// What others can put into the log (names of tabs, words of providers) must not act in a spreadsheet.
func TestActivityTableIsHarmless(t *testing.T) {
	t.Parallel()
	var entries []Entry
	evil := []string{`=HYPERLINK("http://x")`, "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u00a0=1", "＝1", "|x", "\n=1"}
	for _, text := range evil {
		entries = append(entries, entryOf(kpidb.ListActivityRow{ID: 1, Action: text, Status: "success", ErrorMessage: text, Metadata: []byte(`{}`)}))
	}
	file, err := activityTable(entries)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(file))).ReadAll()
	if err != nil || len(rows) != len(evil)+1 {
		t.Fatal(len(rows), err)
	}
	for i, row := range rows[1:] {
		for _, cell := range []string{row[3], row[7]} {
			if cell[0] != '\'' {
				t.Errorf("%q becomes %q", evil[i], cell)
			}
		}
	}
	if harmless("plain -1") != "plain -1" || harmless("") != "" || harmless(" ") != " " {
		t.Error("plain text is changed")
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	e := entryOf(kpidb.ListActivityRow{ID: 30, Metadata: []byte(`{"recordCount": 3, "durationMs": 2400}`)})
	if e.ID != "30" || e.Service != "unknown" || e.RecordCount != 3 || e.Duration != 2.4 {
		t.Errorf("%+v", e)
	}
	e = entryOf(kpidb.ListActivityRow{Service: "ga4", Metadata: []byte(`{"recordCount": "many"}`)})
	if e.Service != "ga4" || e.RecordCount != 0 || e.Duration != 0 {
		t.Errorf("%+v", e)
	}
}

func TestWantsCSV(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{"": false, "*/*": false, "application/json": false, "text/csv": true, "Text/CSV; charset=utf-8": true,
		"text/html, text/csv;q=0.5": true, "text/csv;q=0, */*": false, "text/*": false, ",,;": false} {
		if wantsCSV(accept) != want {
			t.Errorf("%q", accept)
		}
	}
}
