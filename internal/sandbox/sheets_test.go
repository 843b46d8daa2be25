package sandbox_test

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func (b *bench) write(id, option string, data ...map[string]any) (int, map[string]any) {
	b.t.Helper()
	return b.do(http.MethodPost, "/sheets/v4/spreadsheets/"+id+"/values:batchUpdate", b.token(sheetsScope),
		map[string]any{"valueInputOption": option, "data": data})
}

func (b *bench) read(id, a1, query string) any {
	b.t.Helper()
	path := "/sheets/v4/spreadsheets/" + id + "/values/" + url.PathEscape(a1) + query
	return b.ok(http.MethodGet, path, b.token(sheetsScope), nil)["values"]
}

func block(a1 string, rows ...[]any) map[string]any {
	return map[string]any{"range": a1, "values": rows}
}

func TestValueInputOptions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.spreadsheet("T")
	row := []any{"=1+1", "=5", `="a""b"`, "1,234.5", "12%", "true", "2026-11-20", "'007", "007x", 0.1, false, ""}
	for option, want := range map[string][3][]any{
		"RAW": {
			{"=1+1", "=5", `="a""b"`, "1,234.5", "12%", "true", "2026-11-20", "'007", "007x", 0.1, false},
			{"=1+1", "=5", `="a""b"`, "1,234.5", "12%", "true", "2026-11-20", "'007", "007x", "0.1", "FALSE"},
			{"=1+1", "=5", `="a""b"`, "1,234.5", "12%", "true", "2026-11-20", "'007", "007x", 0.1, false},
		},
		"USER_ENTERED": {
			{"#ERROR!", 5.0, `a"b`, 1234.5, 0.12, true, 46346.0, "007", "007x", 0.1, false},
			{"#ERROR!", "5", `a"b`, "1234.5", "0.12", "TRUE", "2026-11-20", "007", "007x", "0.1", "FALSE"},
			{"=1+1", "=5", `="a""b"`, 1234.5, 0.12, true, 46346.0, "007", "007x", 0.1, false},
		},
	} {
		if status, out := b.write(id, option, block("T!A1", row)); status != 200 || out["totalUpdatedCells"] != float64(len(row)) {
			t.Fatalf("%s: %d %v", option, status, out)
		}
		for i, how := range []string{"UNFORMATTED_VALUE", "FORMATTED_VALUE", "FORMULA"} {
			got := b.read(id, "T!A1:Z1", "?valueRenderOption="+how)
			if !reflect.DeepEqual(got, []any{want[i]}) {
				t.Errorf("%s, %s = %#v, want %#v", option, how, got, want[i])
			}
		}
	}
	b.write(id, "USER_ENTERED", block("T!A2", []any{"2026-11-20"}))
	const asText = "?valueRenderOption=UNFORMATTED_VALUE&dateTimeRenderOption=FORMATTED_STRING"
	if got := b.read(id, "T!A2", asText); !reflect.DeepEqual(got, []any{[]any{"2026-11-20"}}) {
		t.Errorf("date as text = %v", got)
	}
	if status, _ := b.write(id, "", block("T!A1", row)); status != 400 {
		t.Errorf("without an option: %d", status)
	}
	if status, _ := b.write(id, "RAW", block("T!A1", []any{map[string]any{}})); status != 400 {
		t.Errorf("an object as a value: %d", status)
	}
}

func TestEmptyCellsAreTrimmed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.spreadsheet("T")
	if got := b.read(id, "T", ""); got != nil {
		t.Errorf("an empty tab = %v", got)
	}
	b.write(id, "RAW", block("T!B2", []any{"x", nil, "y", ""}), block("T!A5", []any{"z"}))
	want := []any{[]any{}, []any{"", "x", "", "y"}, []any{}, []any{}, []any{"z"}}
	if got := b.read(id, "T", ""); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := b.read(id, "T!A1:C4", ""); !reflect.DeepEqual(got, []any{[]any{}, []any{"", "x"}}) {
		t.Errorf("a part = %v", got)
	}
	b.write(id, "RAW", block("T!A5", []any{""}))
	if got := b.read(id, "T", ""); !reflect.DeepEqual(got, want[:2]) {
		t.Errorf("after emptying a cell: %v", got)
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.spreadsheet("First", "GA4", "Anna's tab")
	b.write(id, "RAW", block("First!A1", []any{1, 2}, []any{3, 4}), block("'GA4'!A1", []any{"ga"}), block("'Anna''s tab'!A1", []any{"anna"}))
	for a1, want := range map[string]any{
		"First":            []any{[]any{"1", "2"}, []any{"3", "4"}},
		"first!a1:b2":      []any{[]any{"1", "2"}, []any{"3", "4"}},
		"A1":               []any{[]any{"1"}}, // the first tab
		"First!B:B":        []any{[]any{"2"}, []any{"4"}},
		"First!2:2":        []any{[]any{"3", "4"}},
		"First!A2:B":       []any{[]any{"3", "4"}},
		"First!B2:A1":      []any{[]any{"1", "2"}, []any{"3", "4"}},
		"First!$A$1":       []any{[]any{"1"}},
		"First!A1:ZZ99999": []any{[]any{"1", "2"}, []any{"3", "4"}},
		"'GA4'":            []any{[]any{"ga"}},
		"GA4!A1":           []any{[]any{"ga"}},
		"'Anna''s tab'!A1": []any{[]any{"anna"}},
	} {
		if got := b.read(id, a1, ""); !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %v, want %v", a1, got, want)
		}
	}
	for a1, text := range map[string]string{
		"Nobody": "Unable to parse range: Nobody", "'Nobody'!A1": "Unable to parse range", "First!": "Unable to parse", "First!XYZ": "Unable to parse",
		"'First": "Unable to parse", "First!A0": "Unable to parse", "First!A1001": "Range (First!A1001) exceeds grid limits. Max rows: 1000, max columns: 26",
		"GA4": "Range (First!GA4) exceeds grid limits", // the cell, not the tab
	} {
		b.refused(http.MethodGet, "/sheets/v4/spreadsheets/"+id+"/values/"+url.PathEscape(a1), b.token(sheetsScope), nil, 400, text)
	}
	got := b.ok(http.MethodGet, "/sheets/v4/spreadsheets/"+id+"/values:batchGet?ranges=First!A1&ranges='GA4'", b.token(sheetsScope), nil)
	if ranges, _ := got["valueRanges"].([]any); len(ranges) != 2 || ranges[1].(map[string]any)["range"] != "'GA4'!A1:Z1000" {
		t.Errorf("batchGet = %v", got)
	}
}

func TestWritesStayInsideAndAreAtomic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.spreadsheet("T")
	for _, tt := range []struct {
		data map[string]any
		text string
	}{
		{block("T!A1:B1", []any{1, 2, 3}), "Requested writing within range [T!A1:B1], but tried writing to column [C]"},
		{block("T!A1:B1", []any{1}, []any{2}), "but tried writing to row [2]"},
		{block("T!A1001", []any{1}), "Range (T!A1001) exceeds grid limits"},
		{block("T!Z1", []any{1, 2}), "exceeds grid limits"},
		{block("T!A1:AA1", []any{1}), "exceeds grid limits"},
		{block("X!A1", []any{1}), "Unable to parse range: X!A1"},
	} {
		status, out := b.write(id, "RAW", block("T!A1", []any{"kept?"}), tt.data)
		message := fmt.Sprint(out["error"])
		if status != 400 || !strings.Contains(message, "Invalid data[1]: ") || !strings.Contains(message, tt.text) {
			t.Errorf("%v: %d %s", tt.data, status, message)
		}
	}
	if got := b.read(id, "T", ""); got != nil {
		t.Errorf("a refused batch wrote %v", got)
	}
}

func TestAppendDimension(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.spreadsheet("A", "B")
	token := b.token(sheetsScope)
	call := func(requests ...any) (string, string, any) {
		return http.MethodPost, "/sheets/v4/spreadsheets/" + id + ":batchUpdate", map[string]any{"requests": requests}
	}
	grow := func(tab int64, dimension string, n int) any {
		return map[string]any{"appendDimension": map[string]any{"sheetId": tab, "dimension": dimension, "length": n}}
	}
	method, path, body := call(grow(0, "ROWS", 5), grow(0, "COLUMNS", 2))
	b.ok(method, path, token, body)
	for _, tt := range []struct {
		request any
		status  int
		text    string
	}{
		{grow(9, "ROWS", 1), 400, "Invalid requests[1].appendDimension: No grid with id: 9"},
		{grow(0, "ROWS", 0), 400, "length"},
		{grow(0, "ROWS", 10_000_000), 400, "above the limit of 10000000 cells"},
		{grow(0, "", 1), 400, "dimension"},
		{map[string]any{"deleteSheet": 1}, 501, "appendDimension only"},
	} {
		method, path, body := call(grow(0, "ROWS", 100), tt.request)
		b.refused(method, path, token, body, tt.status, tt.text)
	}
	got := b.ok(http.MethodGet, "/sheets/v4/spreadsheets/"+id+"?fields=sheets.properties(sheetId,gridProperties/rowCount),spreadsheetId", token, nil)
	want := map[string]any{"spreadsheetId": id, "sheets": []any{
		map[string]any{"properties": map[string]any{"sheetId": 0.0, "gridProperties": map[string]any{"rowCount": 1005.0}}},
		map[string]any{"properties": map[string]any{"sheetId": 104729.0, "gridProperties": map[string]any{"rowCount": 1000.0}}},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	for _, fields := range []string{"a(", "a)", "a,,b", "a.", "(a)"} {
		b.refused(http.MethodGet, "/sheets/v4/spreadsheets/"+id+"?fields="+url.QueryEscape(fields), token, nil, 400, "invalid argument")
	}
}

func TestSharingAndQuota(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.spreadsheet("T")
	token := b.token(sheetsScope)
	path := "/sheets/v4/spreadsheets/" + id
	b.refused(http.MethodGet, path+"x", token, nil, 404, "Requested entity was not found.")
	b.ok(http.MethodPut, "/_sandbox/spreadsheets/"+id+"/sharing", "", map[string]string{"email": b.key["client_email"], "role": "none"})
	b.refused(http.MethodGet, path, token, nil, 403, "The caller does not have permission")
	b.ok(http.MethodPut, "/_sandbox/spreadsheets/"+id+"/sharing", "", map[string]string{"email": b.key["client_email"], "role": "reader"})
	b.ok(http.MethodGet, path, token, nil)
	if status, _ := b.write(id, "RAW", block("T!A1", []any{1})); status != 403 {
		t.Errorf("a reader wrote: %d", status)
	}
	b.clock.advance(time.Minute)
	for range 300 {
		b.ok(http.MethodGet, path, token, nil)
	}
	b.refused(http.MethodGet, path, token, nil, 429, "Quota exceeded for quota metric 'Read requests'")
}

func TestConcurrentWrites(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.spreadsheet("T")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if status, out := b.write(id, "RAW", block(fmt.Sprintf("T!A%d", i+1), []any{i})); status != 200 {
				t.Errorf("write %d: %d %v", i, status, out)
			}
		})
	}
	wg.Wait()
	if rows, _ := b.read(id, "T", "").([]any); len(rows) != 20 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestDriveFiles(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 5 {
		b.spreadsheet("T")
	}
	b.ok(http.MethodPost, "/_sandbox/spreadsheets", "", map[string]any{"title": "foreign"})
	token := b.token(driveScope)
	q := "/drive/drive/v3/files?q=" + url.QueryEscape("mimeType='application/vnd.google-apps.spreadsheet' and trashed=false") + "&pageSize=2"
	seen, next := 0, ""
	for page := range 3 {
		out := b.ok(http.MethodGet, q+"&pageToken="+next, token, nil)
		files, _ := out["files"].([]any)
		seen += len(files)
		next, _ = out["nextPageToken"].(string)
		if (next == "") != (page == 2) {
			t.Errorf("page %d: %v", page, out)
		}
	}
	if seen != 5 {
		t.Errorf("%d files", seen)
	}
	if out := b.ok(http.MethodGet, "/drive/drive/v3/files?q=trashed%3Dtrue", token, nil); len(out["files"].([]any)) != 0 {
		t.Errorf("trashed: %v", out)
	}
	for _, bad := range []string{"pageSize=0", "pageSize=1001", "pageToken=x", "q=name", "orderBy=x"} {
		b.refused(http.MethodGet, "/drive/drive/v3/files?"+bad, token, nil, 400, "Invalid Value")
	}
}
