package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// readScopes and writeScopes are what the Sheets methods accept.
var (
	readScopes  = []string{"spreadsheets", "spreadsheets.readonly", "drive", "drive.readonly", "drive.file"}
	writeScopes = []string{"spreadsheets", "drive", "drive.file"}
)

// openSpreadsheet does what precedes every Sheets call: token, scope, quota, existence, sharing.
func (s *Sandbox) openSpreadsheet(r *http.Request, id string, needed role) (*spreadsheet, error) {
	scopes, kind, limit := readScopes, "Read", s.cfg.ReadsPerMinute
	if needed == writer {
		scopes, kind, limit = writeScopes, "Write", s.cfg.WritesPerMinute
	}
	email, err := s.authorize(r, scopes...)
	if err != nil {
		return nil, err
	}
	if err := s.spend(email, kind, limit); err != nil {
		return nil, err
	}
	file, ok := s.state.Spreadsheets[id]
	if !ok {
		return nil, refuse(http.StatusNotFound, "", "Requested entity was not found.")
	}
	if has := file.Shared[email]; has != writer && has != needed {
		return nil, refuse(http.StatusForbidden, "", "The caller does not have permission")
	}
	return file, nil
}

func (s *Sandbox) sheetsGet(r *http.Request) (any, error) {
	file, err := s.openSpreadsheet(r, r.PathValue("id"), reader)
	if err != nil {
		return nil, err
	}
	sheets := make([]any, 0, len(file.Tabs))
	for i, t := range file.Tabs {
		sheets = append(sheets, map[string]any{"properties": map[string]any{
			"sheetId":        t.ID,
			"title":          t.Title,
			"index":          i,
			"sheetType":      "GRID",
			"gridProperties": map[string]int{"rowCount": t.Rows, "columnCount": t.Columns},
		}})
	}
	return map[string]any{
		"spreadsheetId": file.ID,
		"properties": map[string]any{
			"title": file.Title, "locale": "en_US", "autoRecalc": "ON_CHANGE", "timeZone": file.TimeZone,
		},
		"sheets":         sheets,
		"spreadsheetUrl": "https://docs.google.com/spreadsheets/d/" + file.ID + "/edit",
	}, nil
}

func (s *Sandbox) sheetsValues(r *http.Request) (any, error) {
	file, err := s.openSpreadsheet(r, r.PathValue("id"), reader)
	if err != nil {
		return nil, err
	}
	return readRange(file, r.PathValue("range"), r.URL.Query())
}

func (s *Sandbox) sheetsBatchGet(r *http.Request) (any, error) {
	file, err := s.openSpreadsheet(r, r.PathValue("id"), reader)
	if err != nil {
		return nil, err
	}
	ranges := []any{}
	for _, text := range r.URL.Query()["ranges"] {
		values, err := readRange(file, text, r.URL.Query())
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, values)
	}
	return map[string]any{"spreadsheetId": file.ID, "valueRanges": ranges}, nil
}

func readRange(file *spreadsheet, text string, options url.Values) (any, error) {
	if d := options.Get("majorDimension"); d != "" && d != "ROWS" {
		return nil, refuse(http.StatusNotImplemented, "", "The sandbox reads by ROWS only.")
	}
	how := rendering{value: options.Get("valueRenderOption"), date: options.Get("dateTimeRenderOption")}
	if how.value == "" {
		how.value = "FORMATTED_VALUE"
	}
	if how.date == "" {
		how.date = "SERIAL_NUMBER"
	}
	if !how.valid() {
		return nil, refuse(http.StatusBadRequest, "", "Invalid value at 'value_render_option'")
	}
	p, err := file.locate(text)
	if err != nil {
		return nil, err
	}
	p.area.bottom, p.area.right = min(p.area.bottom, p.tab.Rows), min(p.area.right, p.tab.Columns)
	answer := map[string]any{"range": p.area.in(p.tab), "majorDimension": "ROWS"}
	if values := p.tab.read(p.area, how); len(values) > 0 {
		answer["values"] = values
	}
	return answer, nil
}

type valueRange struct {
	Range          string  `json:"range"`
	MajorDimension string  `json:"majorDimension"`
	Values         [][]any `json:"values"`
}

// change is one cell of a write.
type change struct {
	tab         *tab
	row, column int
	cell        cell
}

// sheetsWrite checks the whole batch before it changes a cell: all or nothing.
func (s *Sandbox) sheetsWrite(r *http.Request) (any, error) {
	file, err := s.openSpreadsheet(r, r.PathValue("id"), writer)
	if err != nil {
		return nil, err
	}
	var body struct {
		ValueInputOption string       `json:"valueInputOption"`
		Data             []valueRange `json:"data"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	parse, err := parserOf(body.ValueInputOption)
	if err != nil {
		return nil, err
	}
	var changes []change
	responses := []any{}
	for i, d := range body.Data {
		planned, where, err := plan(file, d, parse)
		if err != nil {
			return nil, prefixed(err, fmt.Sprintf("Invalid data[%d]: ", i))
		}
		changes = append(changes, planned...)
		responses = append(responses, updated(file, planned, where))
	}
	// A row counts once, however many ranges have cells in it.
	type line struct {
		tab *tab
		n   int
	}
	rows, columns, tabs := map[line]bool{}, map[line]bool{}, map[*tab]bool{}
	for _, c := range changes {
		rows[line{c.tab, c.row}], columns[line{c.tab, c.column}], tabs[c.tab] = true, true, true
	}
	return map[string]any{"spreadsheetId": file.ID, "totalUpdatedRows": len(rows), "totalUpdatedColumns": len(columns),
		"totalUpdatedCells": len(changes), "totalUpdatedSheets": len(tabs), "responses": responses}, s.apply(file, changes)
}

// sheetsUpdate writes one range.
func (s *Sandbox) sheetsUpdate(r *http.Request) (any, error) {
	file, err := s.openSpreadsheet(r, r.PathValue("id"), writer)
	if err != nil {
		return nil, err
	}
	var body valueRange
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	asked := r.PathValue("range")
	if body.Range != "" && body.Range != asked {
		return nil, refuse(http.StatusBadRequest, "", "Requested writing within range [%s], but the body names range [%s]", asked, body.Range)
	}
	body.Range = asked
	parse, err := parserOf(r.URL.Query().Get("valueInputOption"))
	if err != nil {
		return nil, err
	}
	changes, where, err := plan(file, body, parse)
	if err != nil {
		return nil, err
	}
	return updated(file, changes, where), s.apply(file, changes)
}

func parserOf(valueInputOption string) (func(any) (cell, bool), error) {
	switch valueInputOption {
	case "RAW":
		return rawCell, nil
	case "USER_ENTERED":
		return enteredCell, nil
	}
	return nil, refuse(http.StatusBadRequest, "", "'valueInputOption' is required but not specified")
}

// updated is UpdateValuesResponse.
func updated(file *spreadsheet, changes []change, where place) any {
	return map[string]any{
		"spreadsheetId": file.ID, "updatedRange": where.area.in(where.tab), "updatedRows": where.area.bottom - where.area.top,
		"updatedColumns": where.area.right - where.area.left, "updatedCells": len(changes),
	}
}

func (s *Sandbox) apply(file *spreadsheet, changes []change) error {
	for _, c := range changes {
		c.tab.set(c.row, c.column, c.cell)
	}
	file.Modified = s.cfg.Now().UTC()
	return s.save()
}

// plan works out what a range of values changes, without changing it.
func plan(file *spreadsheet, d valueRange, parse func(any) (cell, bool)) ([]change, place, error) {
	if d.MajorDimension != "" && d.MajorDimension != "ROWS" {
		return nil, place{}, refuse(http.StatusNotImplemented, "", "The sandbox writes by ROWS only.")
	}
	p, err := file.locate(d.Range)
	if err != nil {
		return nil, place{}, err
	}
	if p.area.bottom > p.tab.Rows || p.area.right > p.tab.Columns {
		return nil, place{}, outside(p.tab, p.area)
	}
	width := 0
	for _, row := range d.Values {
		width = max(width, len(row))
	}
	written := area{p.area.top, p.area.left, p.area.top + len(d.Values), p.area.left + width}
	if p.ends && written.bottom > p.area.bottom {
		return nil, place{}, overflow(p, fmt.Sprintf("row [%d]", p.area.bottom+1))
	}
	if p.ends && written.right > p.area.right {
		return nil, place{}, overflow(p, fmt.Sprintf("column [%s]", columnName(p.area.right)))
	}
	if written.bottom > p.tab.Rows || written.right > p.tab.Columns {
		return nil, place{}, outside(p.tab, written)
	}
	var changes []change
	for i, row := range d.Values {
		for j, value := range row {
			if value == nil { // null leaves the cell as it is
				continue
			}
			c, ok := parse(value)
			if !ok {
				return nil, place{}, refuse(http.StatusBadRequest, "", "Invalid values[%d][%d]: not a value of a cell", i, j)
			}
			changes = append(changes, change{p.tab, p.area.top + i, p.area.left + j, c})
		}
	}
	if len(changes) > 0 {
		p.area = written
	}
	return changes, p, nil
}

func overflow(p place, what string) *refusal {
	return refuse(http.StatusBadRequest, "", "Requested writing within range [%s], but tried writing to %s", p.area.in(p.tab), what)
}

// prefixed says which element of a batch was refused.
func prefixed(err error, prefix string) error {
	e, ok := err.(*refusal) //nolint:errorlint // plan returns it unwrapped
	if !ok {
		return err
	}
	inner, ok := e.body.(map[string]any)["error"].(map[string]any)
	if !ok {
		return err
	}
	return refuse(e.status, "", "%s%v", prefix, inner["message"])
}

type appendDimension struct {
	SheetID   int64  `json:"sheetId"`
	Dimension string `json:"dimension"`
	Length    int    `json:"length"`
}

func (s *Sandbox) sheetsBatchUpdate(r *http.Request) (any, error) {
	id, ok := strings.CutSuffix(r.PathValue("call"), ":batchUpdate")
	if !ok {
		return nil, refuse(http.StatusNotFound, "", "Requested entity was not found.")
	}
	file, err := s.openSpreadsheet(r, id, writer)
	if err != nil {
		return nil, err
	}
	var body struct {
		Requests []struct {
			AppendDimension *appendDimension `json:"appendDimension"`
		} `json:"requests"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if len(body.Requests) == 0 {
		return nil, refuse(http.StatusBadRequest, "", "Must specify at least one request.")
	}
	sizes := file.sizes()
	replies := []any{}
	for i, request := range body.Requests {
		if request.AppendDimension == nil {
			return nil, refuse(http.StatusNotImplemented, "", "Invalid requests[%d]: the sandbox knows appendDimension only.", i)
		}
		if err := sizes.add(*request.AppendDimension); err != nil {
			return nil, prefixed(err, fmt.Sprintf("Invalid requests[%d].appendDimension: ", i))
		}
		replies = append(replies, map[string]any{})
	}
	for _, t := range file.Tabs {
		t.Rows, t.Columns = sizes[t.ID].rows, sizes[t.ID].columns
	}
	file.Modified = s.cfg.Now().UTC()
	if err := s.save(); err != nil {
		return nil, err
	}
	return map[string]any{"spreadsheetId": file.ID, "replies": replies}, nil
}

// gridSizes are the sizes of all tabs, worked on apart so that a batch changes all or nothing.
type gridSizes map[int64]struct{ rows, columns int }

func (f *spreadsheet) sizes() gridSizes {
	sizes := gridSizes{}
	for _, t := range f.Tabs {
		sizes[t.ID] = struct{ rows, columns int }{t.Rows, t.Columns}
	}
	return sizes
}

func (g gridSizes) add(a appendDimension) error {
	size, ok := g[a.SheetID]
	switch {
	case !ok:
		return refuse(http.StatusBadRequest, "", "No grid with id: %d", a.SheetID)
	case a.Length < 1 || a.Length > maxCells:
		return refuse(http.StatusBadRequest, "", "length must be positive")
	case a.Dimension == "ROWS":
		size.rows += a.Length
	case a.Dimension == "COLUMNS":
		size.columns += a.Length
	default:
		return refuse(http.StatusBadRequest, "", "dimension must be specified")
	}
	g[a.SheetID] = size
	cells := 0
	for _, s := range g {
		cells += s.rows * s.columns
	}
	if cells > maxCells {
		return refuse(http.StatusBadRequest, "",
			"This action would increase the number of cells in the workbook above the limit of %d cells.", maxCells)
	}
	return nil
}
