package connector_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"turkey/internal/connector"
)

func TestSheetsWriteAndRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, sheets, id := b.sheetsSecret(), b.set.Sheets(), b.spreadsheet("GA4")
	err := sheets.Write(t.Context(), secret, id, "GA4", []connector.Range{
		{A1: "A1:C1", Values: [][]any{{"id", "date", "revenue"}}},
		{A1: "A2", Values: [][]any{{"=1+1", "2026-11-20", json.Number("1234.50")}, {"x", "2026-11-19", 3}}},
		{A1: "E2", Values: [][]any{{true}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.control(http.MethodPut, "/spreadsheets/"+id+"/cells", map[string]any{"tab": "GA4", "a1": "B3", "value": "2026-11-19"})
	raw, err := sheets.Raw(t.Context(), secret, id, "GA4")
	want := [][]any{{"id", "date", "revenue"}, {"=1+1", "2026-11-20", 1234.5, "", true}, {"x", 46345.0, 3.0}}
	if err != nil || !reflect.DeepEqual(raw, want) {
		t.Errorf("Raw = %#v, %v, want %#v", raw, err, want)
	}
	shown, err := sheets.Values(t.Context(), secret, id, "GA4", 0, 0)
	wantShown := [][]string{{"id", "date", "revenue"}, {"=1+1", "2026-11-20", "1234.5", "", "TRUE"}, {"x", "2026-11-19", "3"}}
	if err != nil || !reflect.DeepEqual(shown, wantShown) {
		t.Errorf("Values = %#v, %v", shown, err)
	}
	// nil leaves a cell as it is.
	if err := sheets.Write(t.Context(), secret, id, "GA4", []connector.Range{{A1: "A2:C2", Values: [][]any{{nil, nil, 7}}}}); err != nil {
		t.Fatal(err)
	}
	raw, err = sheets.Raw(t.Context(), secret, id, "GA4")
	if err != nil || !reflect.DeepEqual(raw[1], []any{"=1+1", "2026-11-20", 7.0, "", true}) {
		t.Errorf("after a partial write: %#v, %v", raw, err)
	}
}

func TestSheetsWriteIsOneCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, id := b.sheetsSecret(), b.spreadsheet("GA4")
	path := "/sheets/v4/spreadsheets/" + id + "/values:batchUpdate"
	var ranges []connector.Range
	for i := range 50 {
		ranges = append(ranges, connector.Range{A1: fmt.Sprintf("A%d", 2*i+1), Values: [][]any{{i}}})
	}
	if err := b.set.Sheets().Write(t.Context(), secret, id, "GA4", ranges); err != nil || b.calls.paths[path] != 1 {
		t.Errorf("%v, %d calls", err, b.calls.paths[path])
	}
	if err := b.set.Sheets().Write(t.Context(), secret, id, "GA4", nil); err != nil || b.calls.paths[path] != 1 {
		t.Errorf("nothing to write: %v, %d calls", err, b.calls.paths[path])
	}
	// One range outside the grid: none is written.
	err := b.set.Sheets().Write(t.Context(), secret, id, "GA4", []connector.Range{
		{A1: "A1", Values: [][]any{{"changed"}}}, {A1: "A1001", Values: [][]any{{1}}},
	})
	wantError(t, err, connector.Invalid, "fewer rows")
	raw, err := b.set.Sheets().Raw(t.Context(), secret, id, "GA4")
	if err != nil || raw[0][0] != 0.0 {
		t.Errorf("half a batch was written: %v, %v", raw[0], err)
	}
	for _, a1 := range []string{"", "A", "A:B", "GA4!A1", "A1:B", "a1", "A0", "R1C1"} {
		err := b.set.Sheets().Write(t.Context(), secret, id, "GA4", []connector.Range{{A1: a1, Values: [][]any{{1}}}})
		wantError(t, err, connector.Invalid, "Not an explicit range")
	}
}

func TestSheetsTabNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	names := []string{"GA4", "Anna's tab", "a/b//c", "A1:B2", "100% ?x=1#y", "'quoted'", "Zahlen ü!", ".."}
	secret, sheets, id := b.sheetsSecret(), b.set.Sheets(), b.spreadsheet(names...)
	for _, name := range names {
		if err := sheets.Write(t.Context(), secret, id, name, []connector.Range{{A1: "A1", Values: [][]any{{name}}}}); err != nil {
			t.Errorf("write %q: %v", name, err)
		}
		values, err := sheets.Values(t.Context(), secret, id, name, 0, 0)
		if err != nil || len(values) != 1 || values[0][0] != name {
			t.Errorf("read %q: %v, %v", name, values, err)
		}
	}
	_, err := sheets.Values(t.Context(), secret, id, "no such tab", 0, 0)
	wantError(t, err, connector.NotFound, fmt.Sprintf("Sheet not found: %q in spreadsheet %s", "no such tab", id))
	err = sheets.Write(t.Context(), secret, id, "no such tab", []connector.Range{{A1: "A1", Values: [][]any{{1}}}})
	wantError(t, err, connector.NotFound, "Sheet not found")
}

func TestSheetsTabsAndRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, sheets, id := b.sheetsSecret(), b.set.Sheets(), b.spreadsheet("Meta", "GA4")
	tabs, err := sheets.Tabs(t.Context(), secret, id)
	if err != nil || len(tabs) != 2 || tabs[1].Title != "GA4" || tabs[1].Rows != 1000 || tabs[1].Columns != 26 {
		t.Fatalf("Tabs = %+v, %v", tabs, err)
	}
	if err := sheets.Grow(t.Context(), secret, id, tabs[1].ID, 5, 2); err != nil {
		t.Fatal(err)
	}
	if err := sheets.Grow(t.Context(), secret, id, tabs[1].ID, 0, 0); err != nil {
		t.Fatal(err)
	}
	grown, err := sheets.Tabs(t.Context(), secret, id)
	if err != nil || grown[0].Rows != 1000 || grown[1].Rows != 1005 || grown[0].Columns != 26 || grown[1].Columns != 28 {
		t.Errorf("Tabs = %+v, %v", grown, err)
	}
	if err := sheets.Write(t.Context(), secret, id, "GA4", []connector.Range{{A1: "A1005:B1005", Values: [][]any{{1, 2}}}}); err != nil {
		t.Error(err)
	}
	if err := sheets.Enter(t.Context(), secret, id, "GA4", []connector.Range{{A1: "AB1", Values: [][]any{{"=1+1"}}}}); err != nil {
		t.Error(err)
	}
	typed, err := sheets.Formulas(t.Context(), secret, id, "GA4")
	if err != nil || len(typed) != 1005 || typed[0][27] != "=1+1" {
		t.Errorf("typed %v, %v", typed[:1], err)
	}
	if shown, err := sheets.Raw(t.Context(), secret, id, "GA4"); err != nil || shown[0][27] == "=1+1" {
		t.Errorf("a formula was written as text: %v", err)
	}
	err = sheets.Grow(t.Context(), secret, id, 99, 1, 0)
	wantError(t, err, connector.Invalid, "invalid")
}

func TestSheetsReaderMayNotWrite(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.control(http.MethodPost, "/spreadsheets", map[string]any{"shareWith": b.email, "role": "reader"})["spreadsheetId"].(string)
	if _, err := b.set.Sheets().Values(t.Context(), b.sheetsSecret(), id, "Sheet1", 0, 0); err != nil {
		t.Error(err)
	}
	err := b.set.Sheets().Write(t.Context(), b.sheetsSecret(), id, "Sheet1", []connector.Range{{A1: "A1", Values: [][]any{{1}}}})
	wantError(t, err, connector.Forbidden, "share the spreadsheet with "+b.email+" as Editor")
}

func TestSheetsFiles(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.sheetsSecret()
	files, err := b.set.Sheets().Files(t.Context(), secret)
	if err != nil || files == nil || len(files) != 0 {
		t.Errorf("none: %#v, %v", files, err)
	}
	id := b.spreadsheet("GA4")
	b.control(http.MethodPost, "/spreadsheets", map[string]any{"title": "of somebody else"})
	files, err = b.set.Sheets().Files(t.Context(), secret)
	if err != nil || len(files) != 1 || files[0] != (connector.File{ID: id, Name: "KPI"}) {
		t.Errorf("Files = %+v, %v", files, err)
	}
}

func TestSheetsQuota(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, id := b.sheetsSecret(), b.spreadsheet("GA4")
	write := func() error {
		return b.set.Sheets().Write(t.Context(), secret, id, "GA4", []connector.Range{{A1: "A1", Values: [][]any{{1}}}})
	}
	for range 60 {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	e := wantError(t, write(), connector.Limited, "quota of the Google Sheets API")
	if !strings.Contains(e.Error(), "RESOURCE_EXHAUSTED") {
		t.Errorf("cause = %v", e.Cause)
	}
	b.clock.advance(60e9)
	if err := write(); err != nil {
		t.Error(err)
	}
}

// A budget that is used up costs no call, and says when there is one again.
func TestCallsWaitForTheAccountsBudget(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, id := b.sheetsSecret(), b.spreadsheet("GA4")
	asked := map[string]int{}
	accounts := map[string]bool{}
	b.cfg.Gate = func(budget, account string) time.Duration {
		accounts[account] = true
		if asked[budget]++; asked[budget] > 1 {
			return 17 * time.Second
		}
		return 0
	}
	sheets := connector.New(b.cfg).Sheets()
	write := func() error {
		return sheets.Write(t.Context(), secret, id, "GA4", []connector.Range{{A1: "A1", Values: [][]any{{1}}}})
	}
	if _, err := sheets.Raw(t.Context(), secret, id, "GA4"); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	path := "/sheets/v4/spreadsheets/" + id + "/values:batchUpdate"
	err := write()
	wantError(t, err, connector.Limited, "used up the calls")
	if e, ok := errors.AsType[*connector.Error](err); !ok || !e.Held || e.RetryAfter != 17*time.Second || b.calls.paths[path] != 1 {
		t.Errorf("%+v after %d calls", err, b.calls.paths[path])
	}
	if asked["google_sheets.read"] != 1 || asked["google_sheets.write"] != 2 || len(accounts) != 1 {
		t.Errorf("counted %v for %v", asked, accounts)
	}
	for account := range accounts {
		if strings.Contains(account, b.email) {
			t.Errorf("the account is named: %s", account)
		}
	}
}
