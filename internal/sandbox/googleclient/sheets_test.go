package googleclient_test

import (
	"fmt"
	"testing"

	"google.golang.org/api/googleapi"
	sheets "google.golang.org/api/sheets/v4"

	"turkey/internal/sandbox"
)

// Names that need quoting in a range, and escaping in an address.
const oddTab = "It's 100% / ä?#"

func TestSpreadsheet(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Config{})
	id := b.spreadsheet("KPIs & more", "writer", "First", oddTab)
	file, err := b.sheets.Spreadsheets.Get(id).Do()
	must(t, err)
	if file.SpreadsheetId != id || file.Properties.Title != "KPIs & more" || file.Properties.Locale != "en_US" || file.Properties.TimeZone != "Europe/Berlin" ||
		file.SpreadsheetUrl == "" || len(file.Sheets) != 2 || file.ServerResponse.HTTPStatusCode != 200 {
		t.Fatalf("%+v", file)
	}
	first, second := file.Sheets[0].Properties, file.Sheets[1].Properties
	if first.SheetId != 0 || first.Title != "First" || first.SheetType != "GRID" || first.GridProperties.RowCount != 1000 || first.GridProperties.ColumnCount != 26 ||
		second.Title != oddTab || second.Index != 1 || second.SheetId == 0 {
		t.Errorf("%+v, %+v", first, second)
	}
	part, err := b.sheets.Spreadsheets.Get(id).Fields("sheets.properties(sheetId,title)").Do()
	must(t, err)
	if part.SpreadsheetId != "" || part.Properties != nil || part.Sheets[1].Properties.Title != oddTab || part.Sheets[1].Properties.GridProperties != nil {
		t.Errorf("a part: %+v", part)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Config{})
	id := b.spreadsheet("KPIs", "writer", "First", oddTab)
	values := b.sheets.Spreadsheets.Values
	quoted := "'It''s 100% / ä?#'!"

	empty, err := values.Get(id, quoted+"A1:C3").Do()
	must(t, err)
	if empty.Range != quoted+"A1:C3" || empty.MajorDimension != "ROWS" || empty.Values != nil {
		t.Errorf("an empty range: %+v", empty)
	}
	wrote, err := values.Update(id, quoted+"A1", &sheets.ValueRange{Values: [][]any{{"date", "n"}, {"2026-11-20", 1.5}, {"=1+1", true}}}).ValueInputOption("RAW").Do()
	must(t, err)
	if wrote.SpreadsheetId != id || wrote.UpdatedRange != quoted+"A1:B3" || wrote.UpdatedRows != 3 || wrote.UpdatedColumns != 2 || wrote.UpdatedCells != 6 {
		t.Errorf("one range: %+v", wrote)
	}
	batch, err := values.BatchUpdate(id, &sheets.BatchUpdateValuesRequest{ValueInputOption: "RAW", Data: []*sheets.ValueRange{
		{Range: quoted + "C1:C2", Values: [][]any{{"m"}, {7}}}, {Range: "First!B2", Values: [][]any{{"x"}}}}}).Do()
	must(t, err)
	if batch.SpreadsheetId != id || batch.TotalUpdatedCells != 3 || batch.TotalUpdatedRows != 3 || batch.TotalUpdatedColumns != 2 || batch.TotalUpdatedSheets != 2 ||
		len(batch.Responses) != 2 || batch.Responses[1].UpdatedRange != "First!B2" {
		t.Errorf("several ranges: %+v", batch)
	}
	read, err := values.BatchGet(id).Ranges(quoted+"A1:C3", "First!A1:B2", "First").ValueRenderOption("UNFORMATTED_VALUE").Do()
	must(t, err)
	if read.SpreadsheetId != id || len(read.ValueRanges) != 3 {
		t.Fatalf("%+v", read)
	}
	// Raw text stays text; rows end at their last value, and start at the first column.
	for i, want := range []string{"[[date n m] [2026-11-20 1.5 7] [=1+1 true]]", "[[] [ x]]", "[[] [ x]]"} {
		if got := fmt.Sprint(read.ValueRanges[i].Values); got != want {
			t.Errorf("range %d: %s, want %s", i, got, want)
		}
	}
	if read.ValueRanges[2].Range != "First!A1:Z1000" {
		t.Errorf("a whole tab is %s", read.ValueRanges[2].Range)
	}
	shown, err := values.Get(id, quoted+"A2:B2").Do()
	must(t, err)
	if s, ok := shown.Values[0][1].(string); !ok || s != "1.5" {
		t.Errorf("a formatted value is %#v", shown.Values[0][1])
	}
}

func TestGrow(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Config{})
	id := b.spreadsheet("KPIs", "writer", "First")
	done, err := b.sheets.Spreadsheets.BatchUpdate(id, &sheets.BatchUpdateSpreadsheetRequest{Requests: []*sheets.Request{
		{AppendDimension: &sheets.AppendDimensionRequest{SheetId: 0, Dimension: "ROWS", Length: 5, ForceSendFields: []string{"SheetId"}}},
		{AppendDimension: &sheets.AppendDimensionRequest{Dimension: "COLUMNS", Length: 2}},
	}}).Do()
	must(t, err)
	if done.SpreadsheetId != id || len(done.Replies) != 2 {
		t.Errorf("%+v", done)
	}
	file, err := b.sheets.Spreadsheets.Get(id).Fields("sheets/properties/gridProperties").Do()
	must(t, err)
	if grid := file.Sheets[0].Properties.GridProperties; grid.RowCount != 1005 || grid.ColumnCount != 28 {
		t.Errorf("%+v", grid)
	}
	_, err = b.sheets.Spreadsheets.Values.Update(id, "First!A1006", &sheets.ValueRange{Values: [][]any{{1}}}).ValueInputOption("RAW").Do()
	wantError(t, err, 400, "INVALID_ARGUMENT", "")
}

func TestSheetsRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Config{})
	foreign, mine := b.spreadsheet("Foreign", "none", "First"), b.spreadsheet("Mine", "reader", "First")
	one := &sheets.ValueRange{Values: [][]any{{1}}}
	_, err := b.sheets.Spreadsheets.Get("1nothing").Do()
	wantError(t, err, 404, "NOT_FOUND", "")
	_, err = b.sheets.Spreadsheets.Get(foreign).Do()
	wantError(t, err, 403, "PERMISSION_DENIED", "")
	_, err = b.sheets.Spreadsheets.Values.Update(mine, "First!A1", one).ValueInputOption("RAW").Do()
	wantError(t, err, 403, "PERMISSION_DENIED", "")
	_, err = b.sheets.Spreadsheets.Values.Get(mine, "Nowhere!A1").Do()
	wantError(t, err, 400, "INVALID_ARGUMENT", "")
	_, err = b.sheets.Spreadsheets.Values.Get(mine, "First!A1").MajorDimension("COLUMNS").Do()
	wantError(t, err, 501, "UNIMPLEMENTED", "") // a gap of the sandbox, told as one
	_, err = b.sheets.Spreadsheets.Values.BatchUpdate(mine, &sheets.BatchUpdateValuesRequest{Data: []*sheets.ValueRange{one}}).Do()
	wantError(t, err, 403, "PERMISSION_DENIED", "")
	b.as("https://www.googleapis.com/auth/spreadsheets.readonly")
	_, err = b.sheets.Spreadsheets.Values.Update(mine, "First!A1", one).ValueInputOption("RAW").Do()
	wantError(t, err, 403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
	b.control("POST", "/faults", map[string]any{"path": "/sheets", "status": 403, "reason": "SERVICE_DISABLED"})
	_, err = b.sheets.Spreadsheets.Get(mine).Do()
	wantError(t, err, 403, "PERMISSION_DENIED", "SERVICE_DISABLED")
	b.control("POST", "/faults", map[string]any{"path": "/sheets", "status": 503, "html": true})
	_, err = b.sheets.Spreadsheets.Get(mine).Do()
	if e := wantError(t, err, 503, "", ""); e.Message != "" || e.Body == "" {
		t.Errorf("a page: %+v", e)
	}
}

func TestSheetsQuota(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Config{ReadsPerMinute: 1, WritesPerMinute: 1})
	id := b.spreadsheet("KPIs", "writer", "First")
	var err error
	for range 3 { // a minute may end between two of them
		if _, err = b.sheets.Spreadsheets.Get(id).Do(); err != nil {
			break
		}
	}
	wantError(t, err, 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
	b.control("POST", "/faults", map[string]any{"path": "/sheets", "status": 429, "retryAfter": 7})
	_, err = b.sheets.Spreadsheets.Get(id).Do()
	if e := wantError(t, err, 429, "RESOURCE_EXHAUSTED", ""); e.Header.Get("Retry-After") != "7" {
		t.Errorf("%+v", e.Header)
	}
}

// A caller that reads what it has already asks for 304 by the answer's tag; Sheets sends none, so nothing may claim it.
func TestNotModifiedIsNeverClaimed(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Config{})
	id := b.spreadsheet("KPIs", "writer", "First")
	_, err := b.sheets.Spreadsheets.Get(id).IfNoneMatch("*").Do()
	if googleapi.IsNotModified(err) {
		t.Error("304")
	}
	must(t, err)
}
