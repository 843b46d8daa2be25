package connector

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

const (
	maxFiles = 1000 // files listed, and Drive's largest page
	maxPages = 100  // Drive may answer pages that are not full, even empty ones
	// Both scopes are asked for at once, so one token serves the list of files and the spreadsheets.
	scopeSheetsAndDrive = scopeSheets + " " + scopeDrive
	spreadsheetQuery    = "mimeType='application/vnd.google-apps.spreadsheet' and trashed=false"
)

// Sheets is the google_sheets service and the destination of the pipeline. The secret of its methods is the Content.JSON
// of a google_sheets credential; their errors are *Error. Source: Google Sheets API v4, Drive API v3.
type Sheets struct {
	google                *google
	sheetsBase, driveBase string
}

var sheetsOutline = Outline{Service: GoogleSheets, Title: "Google Sheets"}

func newSheets(cfg Config, g *google) *Sheets {
	return &Sheets{
		google:     g,
		sheetsBase: base(cfg.GoogleSheetsBase, "https://sheets.googleapis.com"),
		driveBase:  base(cfg.GoogleDriveBase, "https://www.googleapis.com"),
	}
}

// File is a spreadsheet that the account can see.
type File struct{ ID, Name string }

// Tab is one sheet of a spreadsheet with the size of its grid. Writing outside the grid fails; Grow makes it larger.
type Tab struct {
	ID            int64
	Title         string
	Rows, Columns int
}

// Range is a block of values. A1 is its place without the tab, "B2" or "A5:C7". Values are string, bool, nil (the cell is
// left untouched) or a number, json.Number included.
type Range struct {
	A1     string
	Values [][]any
}

// Name is google_sheets.
func (g *Sheets) Name() string { return GoogleSheets }

// Parse checks a service account's key file.
func (g *Sheets) Parse(raw []byte) (Content, []string) {
	f, ok := readFields(raw)
	if !ok {
		return Content{}, []string{invalidJSON}
	}
	if f.members["type"] != TypeServiceAccount {
		f.problem("Google credential must be a service account")
	}
	s := readServiceAccount(f)
	return googleContent(f, s, TypeServiceAccount, s.ClientEmail, sheetsService)
}

// googleContent seals the fields that were read, unless there were problems.
func googleContent(f *fields, s googleSecret, kind, identity, host string) (Content, []string) {
	if len(f.problems) > 0 {
		return Content{}, f.problems
	}
	sealed, err := canonical(s)
	if err != nil {
		return Content{}, []string{invalidJSON}
	}
	return Content{JSON: sealed, Type: kind, Preview: mask(identity), Host: host}, nil
}

// Verify proves the key, both APIs and, with a mapping, the right on the mapped spreadsheet. Without one it does not ask
// for a made-up spreadsheet: a 404 proves nothing.
func (g *Sheets) Verify(ctx context.Context, secret []byte, bound Binding) (Proof, error) {
	who, err := g.google.open(secret, scopeSheetsAndDrive)
	if err != nil {
		return Proof{}, err
	}
	if _, err := g.google.renew(ctx, who); err != nil {
		return Proof{}, err
	}
	if _, err := g.filesPage(ctx, who, 1, ""); err != nil {
		return Proof{}, err
	}
	proof := Proof{ConnectedAs: who.ClientEmail}
	if bound.SpreadsheetID == "" {
		return proof, nil
	}
	var found struct {
		Properties struct {
			TimeZone string `json:"timeZone"`
		} `json:"properties"`
	}
	if err := g.get(ctx, who, bound.SpreadsheetID, "", "?fields=spreadsheetId,properties(title,timeZone)", &found); err != nil {
		return Proof{}, err
	}
	proof.TimeZone = found.Properties.TimeZone
	return proof, nil
}

// Files lists the spreadsheets the account can see, at most 1000, most recently changed first.
func (g *Sheets) Files(ctx context.Context, secret []byte) ([]File, error) {
	who, err := g.google.open(secret, scopeSheetsAndDrive)
	if err != nil {
		return nil, err
	}
	files := []File{}
	pageToken := ""
	for range maxPages {
		page, err := g.filesPage(ctx, who, maxFiles, pageToken)
		if err != nil {
			return nil, err
		}
		for _, f := range page.Files {
			files = append(files, File(f))
		}
		if len(files) >= maxFiles {
			return files[:maxFiles], nil
		}
		if pageToken = page.NextPageToken; pageToken == "" {
			break
		}
	}
	return files, nil
}

type filesPage struct {
	NextPageToken string `json:"nextPageToken"`
	Files         []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"files"`
}

func (g *Sheets) filesPage(ctx context.Context, who *account, size int, pageToken string) (filesPage, error) {
	q := url.Values{
		"q":                         {spreadsheetQuery},
		"pageSize":                  {strconv.Itoa(size)},
		"fields":                    {"nextPageToken,files(id,name)"},
		"orderBy":                   {"modifiedTime desc"},
		"supportsAllDrives":         {"true"},
		"includeItemsFromAllDrives": {"true"},
	}
	if pageToken != "" {
		q.Set("pageToken", pageToken)
	}
	t := target{
		api:     "Google Drive API",
		service: "drive.googleapis.com",
		denied:  "Google Drive does not let " + who.ClientEmail + " list its files",
		missing: "Google Drive does not know the list of files",
	}
	var page filesPage
	err := g.google.call(ctx, who, t, request{method: http.MethodGet, url: g.driveBase + "/drive/" + driveVersion + "/files?" + q.Encode()}, &page)
	return page, err
}

// Tabs lists the grids of a spreadsheet in order.
func (g *Sheets) Tabs(ctx context.Context, secret []byte, spreadsheetID string) ([]Tab, error) {
	who, err := g.google.open(secret, scopeSheetsAndDrive)
	if err != nil {
		return nil, err
	}
	var found struct {
		Sheets []struct {
			Properties struct {
				SheetID int64  `json:"sheetId"`
				Title   string `json:"title"`
				Grid    *struct {
					Rows    int `json:"rowCount"`
					Columns int `json:"columnCount"`
				} `json:"gridProperties"`
			} `json:"properties"`
		} `json:"sheets"`
	}
	const query = "?fields=sheets.properties(sheetId,title,gridProperties(rowCount,columnCount))"
	if err := g.get(ctx, who, spreadsheetID, "", query, &found); err != nil {
		return nil, err
	}
	tabs := make([]Tab, 0, len(found.Sheets))
	for _, s := range found.Sheets {
		if grid := s.Properties.Grid; grid != nil { // a chart has a sheet of its own without a grid
			tabs = append(tabs, Tab{ID: s.Properties.SheetID, Title: s.Properties.Title, Rows: grid.Rows, Columns: grid.Columns})
		}
	}
	return tabs, nil
}

// Values reads a tab as a person sees it: all of it, or the rows from..to, counted from 1, both included and within the grid.
// Rows end at their last non-empty cell, and the rows at the last that is not empty.
func (g *Sheets) Values(ctx context.Context, secret []byte, spreadsheetID, tab string, from, to int) ([][]string, error) {
	cells := ""
	if to > 0 {
		cells = fmt.Sprintf("!%d:%d", from, to)
	}
	raw, err := g.values(ctx, secret, spreadsheetID, tab, cells, "?majorDimension=ROWS&valueRenderOption=FORMATTED_VALUE")
	if err != nil {
		return nil, err
	}
	rows := make([][]string, len(raw))
	for i, r := range raw {
		rows[i] = make([]string, len(r))
		for j, cell := range r {
			if cell != nil {
				rows[i][j] = fmt.Sprint(cell)
			}
		}
	}
	return rows, nil
}

// Raw reads a whole tab as stored: string, bool or float64, "" for an empty cell between others. Dates are serial numbers,
// days since 1899-12-30.
func (g *Sheets) Raw(ctx context.Context, secret []byte, spreadsheetID, tab string) ([][]any, error) {
	const query = "?majorDimension=ROWS&valueRenderOption=UNFORMATTED_VALUE&dateTimeRenderOption=SERIAL_NUMBER"
	return g.values(ctx, secret, spreadsheetID, tab, "", query)
}

// Formulas is Raw, with formulas in place of what they give.
func (g *Sheets) Formulas(ctx context.Context, secret []byte, spreadsheetID, tab string) ([][]any, error) {
	const query = "?majorDimension=ROWS&valueRenderOption=FORMULA&dateTimeRenderOption=SERIAL_NUMBER"
	return g.values(ctx, secret, spreadsheetID, tab, "", query)
}

func (g *Sheets) values(ctx context.Context, secret []byte, spreadsheetID, tab, cells, query string) ([][]any, error) {
	who, err := g.google.open(secret, scopeSheetsAndDrive)
	if err != nil {
		return nil, err
	}
	var found struct {
		Values [][]any `json:"values"`
	}
	t := sheetsTarget(who, spreadsheetID, tab)
	path, err := g.path(spreadsheetID, "/values/"+url.PathEscape(quoteTab(tab)+cells)+query)
	if err != nil {
		return nil, err
	}
	if err := g.google.call(ctx, who, t, request{method: http.MethodGet, url: path}, &found); err != nil {
		return nil, err
	}
	return found.Values, nil
}

// explicitA1 is a cell or a closed range: what values are written to is never left to the provider.
var explicitA1 = regexp.MustCompile(`^[A-Z]{1,3}[1-9][0-9]{0,6}(:[A-Z]{1,3}[1-9][0-9]{0,6})?$`)

// Write writes all ranges in one call, all or none, as RAW. Repeating it changes nothing, so it may be retried.
func (g *Sheets) Write(ctx context.Context, secret []byte, spreadsheetID, tab string, ranges []Range) error {
	return g.write(ctx, secret, spreadsheetID, tab, "RAW", ranges)
}

// Enter is Write as if a person typed the values: for formulas that stood there before, never for what comes from a source.
func (g *Sheets) Enter(ctx context.Context, secret []byte, spreadsheetID, tab string, ranges []Range) error {
	return g.write(ctx, secret, spreadsheetID, tab, "USER_ENTERED", ranges)
}

func (g *Sheets) write(ctx context.Context, secret []byte, spreadsheetID, tab, option string, ranges []Range) error {
	if len(ranges) == 0 {
		return nil
	}
	type valueRange struct {
		Range          string  `json:"range"`
		MajorDimension string  `json:"majorDimension"`
		Values         [][]any `json:"values"`
	}
	data := make([]valueRange, 0, len(ranges))
	for _, r := range ranges {
		if !explicitA1.MatchString(r.A1) {
			return fail(Invalid, "Not an explicit range: %q", r.A1)
		}
		data = append(data, valueRange{Range: quoteTab(tab) + "!" + r.A1, MajorDimension: "ROWS", Values: r.Values})
	}
	body := map[string]any{"valueInputOption": option, "data": data}
	return g.post(ctx, secret, spreadsheetID, tab, "/values:batchUpdate?fields=totalUpdatedCells", body)
}

// MaxCells is what Google lets a spreadsheet hold, over all its tabs.
const MaxCells = 10_000_000

// Grow makes the grid of a tab so many rows longer and columns wider, in one call.
func (g *Sheets) Grow(ctx context.Context, secret []byte, spreadsheetID string, tabID int64, rows, columns int) error {
	var requests []any
	for dimension, n := range map[string]int{"ROWS": rows, "COLUMNS": columns} {
		if n > 0 {
			requests = append(requests, map[string]any{"appendDimension": map[string]any{"sheetId": tabID, "dimension": dimension, "length": n}})
		}
	}
	if len(requests) == 0 {
		return nil
	}
	return g.post(ctx, secret, spreadsheetID, "", ":batchUpdate?fields=spreadsheetId", map[string]any{"requests": requests})
}

func (g *Sheets) post(ctx context.Context, secret []byte, spreadsheetID, tab, suffix string, body any) error {
	who, err := g.google.open(secret, scopeSheetsAndDrive)
	if err != nil {
		return err
	}
	path, err := g.path(spreadsheetID, suffix)
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return fail(Invalid, "The values cannot be written to a sheet") // the cause could quote them
	}
	t := sheetsTarget(who, spreadsheetID, tab)
	t.denied += " as Editor"
	var ignored struct{}
	return g.google.call(ctx, who, t,
		request{method: http.MethodPost, url: path, contentType: "application/json", body: encoded}, &ignored)
}

func (g *Sheets) get(ctx context.Context, who *account, spreadsheetID, suffix, query string, out any) error {
	path, err := g.path(spreadsheetID, suffix+query)
	if err != nil {
		return err
	}
	return g.google.call(ctx, who, sheetsTarget(who, spreadsheetID, ""), request{method: http.MethodGet, url: path}, out)
}

var spreadsheetID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

// path refuses ids that Google never makes, so none can lead to another path.
func (g *Sheets) path(id, suffix string) (string, error) {
	if !spreadsheetID.MatchString(id) {
		return "", fail(NotFound, "Not a spreadsheet id: %q", id)
	}
	return g.sheetsBase + "/" + sheetsVersion + "/spreadsheets/" + id + suffix, nil
}

func sheetsTarget(who *account, id, tab string) target {
	return target{
		api:     "Google Sheets API",
		service: sheetsService,
		denied:  fmt.Sprintf("No access to spreadsheet %s: share the spreadsheet with %s", id, who.ClientEmail),
		missing: "Spreadsheet not found: " + id,
		tab:     fmt.Sprintf("Sheet not found: %q in spreadsheet %s", tab, id),
	}
}

// quoteTab writes a tab's name as A1 notation wants it. Always quoted: the bare name GA4 would be the cell GA4.
func quoteTab(tab string) string { return "'" + strings.ReplaceAll(tab, "'", "''") + "'" }
