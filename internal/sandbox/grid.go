package sandbox

import (
	"encoding/json"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Google's defaults for a new tab and its limit for a file.
const (
	defaultRows    = 1000
	defaultColumns = 26
	maxCells       = 10_000_000
)

// spreadsheet is a file. Shared has the role of each account by e-mail.
type spreadsheet struct {
	ID       string          `json:"id"`
	Title    string          `json:"title"`
	TimeZone string          `json:"timeZone"`
	Modified time.Time       `json:"modified"`
	Shared   map[string]role `json:"shared"`
	Tabs     []*tab          `json:"tabs"`
}

// tab is a grid. Cells has no row or cell beyond the last one in use.
type tab struct {
	ID      int64    `json:"id"`
	Title   string   `json:"title"`
	Rows    int      `json:"rows"`
	Columns int      `json:"columns"`
	Cells   [][]cell `json:"cells,omitempty"`
}

// cell holds a string, a float64, a bool or nothing. Date marks a number that is shown as a day.
type cell struct {
	Value   any    `json:"v,omitempty"`
	Formula string `json:"f,omitempty"`
	Date    bool   `json:"d,omitempty"`
}

func (c cell) empty() bool { return c.Value == nil && c.Formula == "" }

// area is a block of cells, counted from 0, ends excluded.
type area struct{ top, left, bottom, right int }

func (t *tab) set(row, column int, c cell) {
	for len(t.Cells) <= row {
		t.Cells = append(t.Cells, nil)
	}
	for len(t.Cells[row]) <= column {
		t.Cells[row] = append(t.Cells[row], cell{})
	}
	t.Cells[row][column] = c
	t.trim(row)
}

func (t *tab) trim(row int) {
	cells := t.Cells[row]
	for len(cells) > 0 && cells[len(cells)-1].empty() {
		cells = cells[:len(cells)-1]
	}
	t.Cells[row] = cells
	for len(t.Cells) > 0 && len(t.Cells[len(t.Cells)-1]) == 0 {
		t.Cells = t.Cells[:len(t.Cells)-1]
	}
}

// read renders an area as Google does: trailing empty rows and cells are left out, empty ones between are "".
func (t *tab) read(a area, r rendering) [][]any {
	rows := [][]any{}
	used := 0
	for row := a.top; row < min(a.bottom, len(t.Cells)); row++ {
		values := []any{}
		last := 0
		for column := a.left; column < min(a.right, len(t.Cells[row])); column++ {
			c := t.Cells[row][column]
			values = append(values, c.render(r))
			if !c.empty() {
				last = len(values)
			}
		}
		rows = append(rows, values[:last])
		if last > 0 {
			used = len(rows)
		}
	}
	return rows[:used]
}

// rendering is valueRenderOption and dateTimeRenderOption.
type rendering struct{ value, date string }

func (r rendering) valid() bool {
	return (r.value == "FORMATTED_VALUE" || r.value == "UNFORMATTED_VALUE" || r.value == "FORMULA") &&
		(r.date == "SERIAL_NUMBER" || r.date == "FORMATTED_STRING")
}

func (c cell) render(r rendering) any {
	switch {
	case c.empty():
		return ""
	case r.value == "FORMATTED_VALUE":
		return c.shown()
	case r.value == "FORMULA" && c.Formula != "":
		return c.Formula
	case c.Date && r.date == "FORMATTED_STRING":
		return c.shown()
	}
	return c.Value
}

// shown is the cell as a person sees it.
func (c cell) shown() string {
	switch v := c.Value.(type) {
	case string:
		return v
	case bool:
		return strings.ToUpper(strconv.FormatBool(v))
	case float64:
		if c.Date {
			return epoch.AddDate(0, 0, int(v)).Format(time.DateOnly)
		}
		return showNumber(v)
	}
	return ""
}

// showNumber is the automatic format: whole numbers in full, others with ten significant digits.
func showNumber(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64)
	if err != nil {
		rounded = v
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// epoch is day 0 of serial numbers.
var epoch = time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)

// rawCell stores a value as given, which is valueInputOption RAW; ok is false for what is no cell value.
func rawCell(value any) (c cell, ok bool) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return cell{}, true
		}
		return cell{Value: v}, true
	case bool, float64:
		return cell{Value: v}, true
	case json.Number:
		f, err := v.Float64()
		return cell{Value: f}, err == nil
	}
	return cell{}, false
}

// enteredCell reads a value as if a person typed it, which is valueInputOption USER_ENTERED.
func enteredCell(value any) (c cell, ok bool) {
	text, isText := value.(string)
	if !isText {
		return rawCell(value)
	}
	if quoted, isQuoted := strings.CutPrefix(text, "'"); isQuoted {
		return rawCell(quoted)
	}
	if strings.HasPrefix(text, "=") && len(text) > 1 {
		return cell{Formula: text, Value: compute(text[1:])}, true
	}
	return typed(text), true
}

var typedNumber = regexp.MustCompile(`^[-+]?(\d{1,3}(,\d{3})+|\d+)?(\.\d+)?([eE][-+]?\d+)?$`)

// typed recognises the numbers, percentages, truth values and ISO days among what people type.
func typed(text string) cell {
	trimmed := strings.TrimSpace(text)
	if day, err := time.Parse(time.DateOnly, trimmed); err == nil {
		return cell{Value: day.Sub(epoch).Hours() / 24, Date: true}
	}
	switch strings.ToUpper(trimmed) {
	case "":
		return cell{}
	case "TRUE":
		return cell{Value: true}
	case "FALSE":
		return cell{Value: false}
	}
	digits, percent := strings.CutSuffix(trimmed, "%")
	if typedNumber.MatchString(digits) {
		if f, err := strconv.ParseFloat(strings.ReplaceAll(digits, ",", ""), 64); err == nil {
			if percent {
				f /= 100
			}
			return cell{Value: f}
		}
	}
	return cell{Value: text}
}

// compute knows literals; every other formula shows as an error, which is enough to notice that it is one.
func compute(expression string) any {
	expression = strings.TrimSpace(expression)
	if c := typed(expression); c.Value != expression && !c.Date && c.Value != nil {
		return c.Value
	}
	if n := len(expression); n > 1 && expression[0] == '"' && expression[n-1] == '"' {
		return strings.ReplaceAll(expression[1:n-1], `""`, `"`)
	}
	return "#ERROR!"
}

// place is a parsed A1 range. anchor says that it is one cell, from which a write may reach further.
type place struct {
	tab    *tab
	area   area
	anchor bool
	ends   bool // the range states where it ends, so a write must keep to it
}

func unparsable(text string) *refusal {
	return refuse(http.StatusBadRequest, "", "Unable to parse range: %s", text)
}

// locate parses A1 notation. A bare name that looks like a cell is one: the tab GA4 must be written 'GA4'.
func (f *spreadsheet) locate(text string) (place, error) {
	title, cells, named := splitRange(text)
	if !named {
		if t := f.tab(title); t != nil && !looksLikeCells(text) {
			return place{tab: t, area: t.all()}, nil
		}
		title, cells = f.Tabs[0].Title, text
	}
	t := f.tab(title)
	if t == nil {
		return place{}, unparsable(text)
	}
	if cells == "" {
		return place{tab: t, area: t.all()}, nil
	}
	p, ok := t.parseCells(cells)
	if !ok {
		return place{}, unparsable(text)
	}
	if p.area.top >= t.Rows || p.area.left >= t.Columns {
		return place{}, outside(t, p.area)
	}
	return p, nil
}

// splitRange separates the tab from the cells. named says that text names a tab beyond doubt.
func splitRange(text string) (title, cells string, named bool) {
	if strings.HasPrefix(text, "'") {
		for i := 1; i < len(text); i++ {
			if text[i] != '\'' {
				continue
			}
			if i+1 < len(text) && text[i+1] == '\'' {
				i++
				continue
			}
			title = strings.ReplaceAll(text[1:i], "''", "'")
			rest := text[i+1:]
			cells, ok := strings.CutPrefix(rest, "!")
			return title, cells, (ok && cells != "") || rest == ""
		}
		return text, "", false
	}
	if i := strings.LastIndexByte(text, '!'); i >= 0 && i+1 < len(text) {
		return text[:i], text[i+1:], true
	}
	return text, "", false
}

func (f *spreadsheet) tab(title string) *tab {
	for _, t := range f.Tabs {
		if strings.EqualFold(t.Title, title) {
			return t
		}
	}
	return nil
}

func (t *tab) all() area { return area{bottom: t.Rows, right: t.Columns} }

var cellsPattern = regexp.MustCompile(`^\$?([A-Za-z]{0,3})\$?([1-9][0-9]{0,6})?(?::\$?([A-Za-z]{0,3})\$?([1-9][0-9]{0,6})?)?$`)

var cellPattern = regexp.MustCompile(`^\$?[A-Za-z]{1,3}\$?[1-9][0-9]{0,6}$`)

func looksLikeCells(text string) bool {
	first, _, _ := strings.Cut(text, ":")
	return cellPattern.MatchString(first)
}

// parseCells reads "A1", "A1:B2", "A:B", "1:2", "A2:B" and the like; the area may reach outside the grid.
func (t *tab) parseCells(text string) (place, bool) {
	m := cellsPattern.FindStringSubmatch(text)
	if m == nil {
		return place{}, false
	}
	left, top := columnIndex(m[1]), rowIndex(m[2])
	if !strings.Contains(text, ":") {
		p := place{tab: t, area: area{top, left, top + 1, left + 1}, anchor: true}
		return p, left >= 0 && top >= 0
	}
	right, bottom := columnIndex(m[3]), rowIndex(m[4])
	if left < 0 && top < 0 || right < 0 && bottom < 0 {
		return place{}, false
	}
	a := area{top: max(top, 0), left: max(left, 0), bottom: t.Rows, right: t.Columns}
	if bottom >= 0 {
		a.bottom = bottom + 1
	}
	if right >= 0 {
		a.right = right + 1
	}
	if a.bottom <= a.top || a.right <= a.left { // Google accepts the corners in any order
		a = area{min(a.top, a.bottom-1), min(a.left, a.right-1), max(a.top+1, a.bottom), max(a.left+1, a.right)}
	}
	return place{tab: t, area: a, ends: true}, true
}

// columnIndex is 0 for A, -1 for nothing.
func columnIndex(letters string) int {
	n := 0
	for _, c := range strings.ToUpper(letters) {
		n = n*26 + int(c-'A') + 1
	}
	return n - 1
}

func rowIndex(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n - 1
}

func columnName(index int) string {
	name := ""
	for index++; index > 0; index = (index - 1) / 26 {
		name = string(rune('A'+(index-1)%26)) + name
	}
	return name
}

func (a area) String() string {
	first := columnName(a.left) + strconv.Itoa(a.top+1)
	if a.bottom == a.top+1 && a.right == a.left+1 {
		return first
	}
	return first + ":" + columnName(a.right-1) + strconv.Itoa(a.bottom)
}

var plainTitle = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// in names an area as Google does: the tab is quoted where it must be.
func (a area) in(t *tab) string {
	title := t.Title
	if !plainTitle.MatchString(title) || looksLikeCells(title) {
		title = "'" + strings.ReplaceAll(title, "'", "''") + "'"
	}
	return title + "!" + a.String()
}

func outside(t *tab, a area) *refusal {
	return refuse(http.StatusBadRequest, "", "Range (%s) exceeds grid limits. Max rows: %d, max columns: %d", a.in(t), t.Rows, t.Columns)
}
