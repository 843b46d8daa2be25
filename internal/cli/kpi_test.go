package cli_test

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/client"
)

func mapping(service, spreadsheet, tab string) client.Mapping {
	return client.Mapping{Service: service, SpreadsheetID: spreadsheet, SheetName: tab}
}

// berlin is a day in the property's zone, so many days ago.
func berlin(t *testing.T, ago int) string {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	must(t, err)
	return time.Now().In(zone).AddDate(0, 0, -ago).Format(time.DateOnly)
}

var header = []any{"id", "date", "sessions", "users", "add_to_cart", "purchases", "revenue", "bounce_rate", "ad_spend"}

var uuidV4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestMainJob is what the product is for: from an account to rows in a spreadsheet, through the public client alone.
func TestMainJob(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx := t.Context()
	c := s.in("marketing-site")
	_, err := c.Register(ctx, "ada@example.com", s.secret(password))
	must(t, err)
	u, err := c.Login(ctx, "ada@example.com", password)
	must(t, err)
	g := s.google()
	sheets, ga4 := g.ready(u)
	must(t, u.Enable(ctx, "google_sheets", sheets))
	must(t, u.Enable(ctx, "ga4", ga4))
	r := completed(t, u, "")
	if !r.Success || r.Date != berlin(t, 1) || r.From != berlin(t, 3) || r.To != berlin(t, 1) || r.Mode != "append" || r.RowNumber != 4 || r.Appended != 3 || r.Updated+r.Skipped != 0 {
		t.Errorf("result %+v", r)
	}
	cells := g.tab("Google")
	if len(cells) != 4 || !slices.Equal(cells[0], header) {
		t.Fatalf("the tab holds %v", cells)
	}
	for i, row := range cells[1:] {
		if !uuidV4.MatchString(fmt.Sprint(row[0])) || row[1] != berlin(t, 3-i) {
			t.Errorf("row %v", row)
		}
		for _, figure := range row[2:] {
			if _, number := figure.(float64); !number {
				t.Errorf("%v is no number in %v", figure, row)
			}
		}
	}
	for i, name := range header[2:] {
		if want, _ := r.Metrics[name.(string)].Float64(); want != cells[3][i+2] {
			t.Errorf("%s is %v in the sheet and %v in the answer", name, cells[3][i+2], want)
		}
	}
	rows, err := u.Tab(ctx, sheets, g.spreadsheet, "Google")
	if err != nil || len(rows) != 4 || rows[3][1] != berlin(t, 1) {
		t.Errorf("%v, %v", rows, err)
	}
	for _, action := range []string{"credential_saved", "credential_verified", "service_enabled", "sheet_mapping_set", "workflow_run", "workflow_completed"} {
		var n int
		must(t, query(t, s.db, `SELECT count(*) FROM audit_logs WHERE action = $1 AND status = 'success'`, action).Scan(&n))
		if n == 0 {
			t.Errorf("%s is not audited", action)
		}
	}
}

func TestMappings(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, other := s.user("shop"), s.user("shop")
	set := func(body any) answer { return s.call("POST", "/api/sheet-mappings/set", bearer(u), body) }
	for _, c := range []struct {
		body any
		code string
	}{
		{`{"service"`, "INVALID_JSON"},
		{`{}`, "MISSING_FIELDS"},
		{map[string]any{"service": "ga4", "spreadsheetId": "x"}, "MISSING_FIELDS"},
		{map[string]any{"service": "ga4", "sheetName": "x"}, "MISSING_FIELDS"},
		{map[string]any{"spreadsheetId": "x", "sheetName": "x"}, "MISSING_FIELDS"},
		{map[string]any{"service": "fax", "spreadsheetId": "x", "sheetName": "x"}, "INVALID_SERVICE"},
		{map[string]any{"service": "ga4", "spreadsheetId": strings.Repeat("x", 256), "sheetName": "x"}, "VALIDATION_ERROR"},
		{map[string]any{"service": "ga4", "spreadsheetId": "x", "sheetName": strings.Repeat("ä", 256)}, "VALIDATION_ERROR"},
		{map[string]any{"service": "ga4", "spreadsheetId": 7, "sheetName": "x"}, "VALIDATION_ERROR"},
	} {
		set(c.body).want(t, 400, c.code)
	}
	first := set(mapping("google_sheets", "one", "__MASTER__")).want(t, 201, "")
	if !slices.Equal(names(first.body), []string{"createdAt", "id", "service", "sheetName", "spreadsheetId", "updatedAt"}) {
		t.Errorf("members %v", names(first.body))
	}
	a := set(mapping("ga4", "one", "It's")).want(t, 201, "")
	b := set(mapping("ga4", "two", strings.Repeat("ä", 255))).want(t, 201, "")
	if a.at("id") != b.at("id") || a.at("createdAt") != b.at("createdAt") || b.at("spreadsheetId") != "two" {
		t.Errorf("not replaced: %s, %s", a.raw, b.raw)
	}
	list, err := u.Mappings(t.Context())
	if err != nil || len(list) != 2 || list[0].Service != "ga4" || list[0].SpreadsheetID != "two" || list[1].SheetName != "__MASTER__" {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := other.Mappings(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("another user sees %+v, %v", list, err)
	}
}

func TestSyncRefusesWhatCannotRun(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	sync := func(service string, body any) answer { return s.call("POST", "/api/v1/sync/"+service, bearer(u), body) }
	sync("ga4", "{}").want(t, 404, "SERVICE_NOT_FOUND")
	_, ga4 := g.ready(u)
	must(t, u.Disable(t.Context(), "ga4"))
	sync("ga4", "{}").want(t, 404, "SERVICE_NOT_FOUND")
	must(t, u.Enable(t.Context(), "ga4", ga4))
	for _, service := range []string{"fax", "google_sheets", "GA4"} {
		sync(service, "{}").want(t, 400, "INVALID_SERVICE")
	}
	ahead := time.Now().UTC()
	for _, day := range []any{"", "yesterday", "2026-02-30", "2026-1-5", "26-01-05", "2026-01-05T00:00:00Z", ahead.AddDate(0, 0, 2).Format(time.DateOnly),
		ahead.AddDate(0, -38, 0).Format(time.DateOnly), "0001-01-01", "9999-12-31", 20260105, true} {
		sync("ga4", map[string]any{"targetDate": day}).want(t, 400, "VALIDATION_ERROR")
	}
	sync("ga4", `{"targetDate"`).want(t, 400, "INVALID_JSON")
	var runs int
	must(t, query(t, s.db, `SELECT count(*) FROM kpi_runs`).Scan(&runs))
	if runs != 0 {
		t.Errorf("%d runs were made", runs)
	}
	a := sync("ga4", nil).want(t, 200, "") // no body: the trailing window
	if a.at("success") != true || a.at("message") != "GA4 sync job enqueued" || a.at("data", "source") != "ga4" || a.at("data", "targetDate") != berlin(t, 1) ||
		!uuidV4.MatchString(fmt.Sprint(a.at("data", "jobId"))) {
		t.Errorf("sync: %s", a.raw)
	}
	day := berlin(t, 40)
	a = sync("ga4", map[string]any{"targetDate": day}).want(t, 200, "")
	job := fmt.Sprint(a.at("data", "jobId"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := u.WaitJob(ctx, job)
	must(t, err)
	j := s.call("GET", "/api/v1/jobs/"+job, bearer(u), nil).want(t, 200, "")
	if j.at("success") != true || j.at("data", "status") != "completed" || j.at("data", "progress") != 100.0 || j.at("data", "data", "targetDate") != day ||
		j.at("data", "data", "retryCount") != 0.0 || j.at("data", "data", "jobId") != job || j.at("data", "result", "date") != day || j.at("data", "result", "success") != true ||
		j.at("data", "failedReason") != nil {
		t.Errorf("job: %s", j.raw)
	}
	eve := s.user("shop")
	s.call("GET", "/api/v1/jobs/"+job, bearer(eve), nil).want(t, 404, "JOB_NOT_FOUND")
	for _, id := range []string{"1", "abc", "01900000-0000-7000-8000-000000000000"} {
		s.call("GET", "/api/v1/jobs/"+id, bearer(u), nil).want(t, 404, "JOB_NOT_FOUND")
	}
}

// fails runs a sync that must end as failed at once, and returns the reason.
func fails(t *testing.T, u *client.Session) string {
	t.Helper()
	j := sync1(t, u, "")
	if j.Status != "failed" || j.FailedReason == "" || j.Result != nil && j.Result.Success {
		t.Errorf("the job ended as %+v", j)
	}
	return j.FailedReason
}

func TestRunsThatCannotSucceedFailWithTheReason(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	ga4, err := u.SaveCredential(t.Context(), g.ga4())
	must(t, err)
	expect := func(parts ...string) {
		t.Helper()
		reason := fails(t, u)
		for _, p := range parts {
			if !strings.Contains(reason, p) {
				t.Errorf("the reason %q does not say %q", reason, p)
			}
		}
		if never.MatchString(reason) {
			t.Errorf("the reason holds what it must not: %s", reason)
		}
	}
	expect("No sheet mapping found for GA4 service")
	_, err = u.SetMapping(t.Context(), mapping("ga4", g.spreadsheet, "Google"))
	must(t, err)
	expect("No verified Google Sheets credentials found")
	sheets, err := u.SaveCredential(t.Context(), g.sheets())
	must(t, err)
	expect("No verified Google Sheets credentials found") // saved is not verified
	_, err = u.Verify(t.Context(), sheets)
	must(t, err)

	_, err = u.SetMapping(t.Context(), mapping("ga4", g.spreadsheet, "Nowhere"))
	must(t, err)
	expect(`Sheet not found: "Nowhere" in spreadsheet ` + g.spreadsheet)
	foreign := newGoogle(t, s.sandbox)
	g.console("PUT", "/_sandbox/spreadsheets/"+foreign.spreadsheet+"/sharing", map[string]any{"email": g.email, "role": "none"}, nil)
	_, err = u.SetMapping(t.Context(), mapping("ga4", "1-nobody-has-this-spreadsheet", "Google"))
	must(t, err)
	expect("1-nobody-has-this-spreadsheet")

	// A header that is not ours: told, with whose it looks like, and not touched.
	for i, name := range []string{"id", "date", "spend", "reach", "clicks"} {
		g.edit("Other", string(rune('A'+i))+"1", name)
	}
	g.edit("Other", "A2", "something")
	before := fmt.Sprint(g.tab("Other"))
	_, err = u.SetMapping(t.Context(), mapping("ga4", g.spreadsheet, "Other"))
	must(t, err)
	expect("not the header of this service", "missing columns: sessions, users, add_to_cart", "looks like a meta tab")
	if after := fmt.Sprint(g.tab("Other")); after != before {
		t.Errorf("the tab changed from %s to %s", before, after)
	}

	_, err = u.SetMapping(t.Context(), mapping("ga4", g.spreadsheet, "Google"))
	must(t, err)
	must(t, u.DeleteCredential(t.Context(), ga4))
	_, err = u.Sync(t.Context(), "ga4", "")
	refused(t, err, 404, "SERVICE_NOT_FOUND")
	again, err := u.SaveCredential(t.Context(), g.ga4())
	must(t, err)
	g.console("DELETE", "/_sandbox/service-accounts/"+g.email, nil, nil)
	expect("Google")
	if c, err := u.Credential(t.Context(), again); err != nil || c.Verified {
		t.Errorf("%+v, %v", c, err)
	}
	if cells := g.tab("Google"); len(cells) != 0 {
		t.Errorf("failed runs wrote %v", cells)
	}
	var audited int
	must(t, query(t, s.db, `SELECT count(*) FROM audit_logs WHERE action = 'workflow_failed' AND status = 'failure' AND error_message <> ''`).Scan(&audited))
	if audited != 7 {
		t.Errorf("%d failures are audited", audited)
	}
}

// TestASheetBelongsToItsPeople: what they write, add and move stays; our cells of our rows are kept right.
func TestASheetBelongsToItsPeople(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	g.ready(u)
	completed(t, u, "")
	first := g.tab("Google")
	g.edit("Google", "J1", "notes")
	g.edit("Google", "J3", "campaign began")
	g.edit("Google", "C1", " Sessions ") // white space and case of a header do not matter
	g.edit("Google", "L9", "=1+1")

	r := completed(t, u, "")
	if r.Mode != "skip" || r.Skipped != 3 || r.Updated+r.Appended != 0 || r.RowNumber != 4 {
		t.Errorf("a second run: %+v", r)
	}
	g.edit("Google", "C4", 999_999)
	g.console("PUT", "/_sandbox/properties/"+g.property+"/days", map[string]any{"date": berlin(t, 2), "metrics": map[string]any{"totalRevenue": 1234.5}}, nil)
	r = completed(t, u, "")
	if r.Mode != "update" || r.Updated != 2 || r.Skipped != 1 || r.Appended != 0 {
		t.Errorf("a corrected day: %+v", r)
	}
	now := g.tab("Google")
	if now[2][6] != 1234.5 || now[3][2] != first[3][2] {
		t.Errorf("the rows are %v", now)
	}
	for i := 1; i < 4; i++ {
		if now[i][0] != first[i][0] || now[i][1] != first[i][1] {
			t.Errorf("row %d is another: %v, was %v", i+1, now[i], first[i])
		}
	}
	if now[0][9] != "notes" || now[2][9] != "campaign began" || now[0][2] != " Sessions " || now[8][11] != "=1+1" {
		t.Errorf("what people wrote is gone: %v", now)
	}

	// An older day goes below everything that stands there; a formula of theirs is no value of ours.
	old := berlin(t, 30)
	r = completed(t, u, old)
	if r.Mode != "append" || r.RowNumber != 10 {
		t.Errorf("an older day: %+v", r)
	}
	if cells := g.tab("Google"); len(cells) != 10 || cells[9][1] != old {
		t.Errorf("the tab holds %v", cells)
	}
	// Columns are found by name, wherever their owner moved them.
	for i, name := range []string{"remark", "ad_spend", "bounce_rate", "revenue", "purchases", "add_to_cart", "users", "sessions", "date", "id"} {
		g.edit("Other", string(rune('A'+i))+"1", name)
	}
	g.edit("Other", "A2", "mine")
	_, err := u.SetMapping(t.Context(), mapping("ga4", g.spreadsheet, "Other"))
	must(t, err)
	r = completed(t, u, old)
	cells := g.tab("Other")
	if len(cells) != 3 || cells[1][0] != "mine" || cells[2][8] != old || cells[2][7] != g.tab("Google")[9][2] || r.RowNumber != 3 {
		t.Errorf("moved columns: %+v, %v", r, cells)
	}
}

func TestParallelSyncsOfADayLeaveOneRow(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	g.ready(u)
	// A colleague with another account writes to the same tab.
	colleague := s.user("shop")
	theirs := newGoogle(t, s.sandbox)
	g.console("PUT", "/_sandbox/spreadsheets/"+g.spreadsheet+"/sharing", map[string]any{"email": theirs.email}, nil)
	theirs.spreadsheet = g.spreadsheet
	theirs.ready(colleague)

	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	day := berlin(t, 5)
	var mu sync.Mutex
	modes := map[string]int{}
	var wg sync.WaitGroup
	play := func(who *client.Session) {
		wg.Go(func() {
			id, err := who.Sync(ctx, "ga4", day)
			if err != nil {
				t.Error(err)
				return
			}
			j, err := who.WaitJob(ctx, id)
			if err != nil || j.Status != "completed" || j.Result.RowNumber != 2 {
				t.Errorf("%+v, %v", j, err)
				return
			}
			mu.Lock()
			modes[j.Result.Mode]++
			mu.Unlock()
		})
	}
	for range 20 {
		play(u)
	}
	play(colleague)
	wg.Wait()
	if days := g.days("Google"); len(days) != 1 || modes["append"] != 1 {
		t.Errorf("days %v, modes %v", days, modes)
	}
	var leases int
	must(t, query(t, s.db, `SELECT count(*) FROM sheet_leases l LEFT JOIN kpi_runs r ON r.id = l.holder WHERE coalesce(r.status, '') NOT IN ('completed', 'failed', 'cancelled')`).Scan(&leases))
	if leases != 0 {
		t.Errorf("%d leases are left", leases)
	}
}

func TestAProviderThatComesBackIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	g.ready(u)
	g.fault("/sheets/v4/spreadsheets/"+g.spreadsheet+"/values:batchUpdate", map[string]any{"cut": true, "times": 2}) // does the work; nobody hears of it
	g.fault("/analyticsdata", map[string]any{"status": 429, "retryAfter": 1, "times": 1})
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	id, err := u.Sync(ctx, "ga4", "")
	must(t, err)
	j, err := u.WaitJob(ctx, id)
	if err != nil || j.Status != "completed" || j.FailedReason != "" {
		t.Errorf("%+v, %v", j, err)
	}
	if days := g.days("Google"); len(days) != 3 {
		t.Errorf("days %v", days)
	}
	if a := s.call("GET", "/api/v1/jobs/"+id, bearer(u), nil); a.at("data", "data", "retryCount") == 0.0 {
		t.Errorf("no retry: %s", a.raw)
	}
}

// TestSheetsProxy: errors of the provider are told, and never as 401 or 403, which end the caller's own session.
func TestSheetsProxy(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	sheets, ga4 := g.ready(u)
	g.console("POST", "/_sandbox/spreadsheets", map[string]any{"title": "Second", "tabs": []string{"It's \"mine\"", "A1"}, "shareWith": g.email, "role": "reader"}, nil)
	get := func(path string, query ...string) answer {
		t.Helper()
		q := url.Values{}
		for i := 0; i < len(query); i += 2 {
			q.Set(query[i], query[i+1])
		}
		return s.call("GET", "/api/sheets/"+path+"?"+q.Encode(), bearer(u), nil)
	}
	id := fmt.Sprint(sheets)
	files := get("spreadsheets", "credential_id", id).want(t, 200, "")
	if files.at("success") != true || files.at("data", 0, "name") != "Second" || files.at("data", 1, "id") != g.spreadsheet || files.at("data", 2) != nil ||
		!slices.Equal(names(files.at("data", 0)), []string{"id", "name", "sheetId"}) {
		t.Errorf("spreadsheets: %s", files.raw)
	}
	second := fmt.Sprint(files.at("data", 0, "id"))
	tabs := get(second+"/sheets", "credential_id", id).want(t, 200, "")
	if tabs.at("data", 0, "name") != `It's "mine"` || tabs.at("data", 0, "id") != second || tabs.at("data", 0, "sheetId") != 0.0 || tabs.at("data", 1, "name") != "A1" {
		t.Errorf("tabs: %s", tabs.raw)
	}
	g.console("PUT", "/_sandbox/spreadsheets/"+second+"/cells", map[string]any{"tab": `It's "mine"`, "a1": "B2", "value": "12.50"}, nil)
	if a := get(second+"/values", "credential_id", id, "sheetName", `It's "mine"`).want(t, 200, ""); a.at("data", 1, 1) != "12.50" && a.at("data", 1, 1) != "12.5" {
		t.Errorf("values: %s", a.raw)
	}
	if a := get(second+"/values", "credential_id", id, "sheetName", "A1").want(t, 200, ""); a.at("success") != true {
		t.Errorf("an empty tab: %s", a.raw)
	}

	for _, path := range []string{"spreadsheets", g.spreadsheet + "/sheets", g.spreadsheet + "/values"} {
		tab := []string{"sheetName", "Google"}
		if a := get(path, tab...).want(t, 400, "MISSING_FIELDS"); a.at("error") != "credential_id is required" {
			t.Errorf("%s", a.raw)
		}
		for bad, code := range map[string]string{"abc": "VALIDATION_ERROR", "0": "VALIDATION_ERROR", "1.5": "VALIDATION_ERROR", fmt.Sprint(ga4): "VALIDATION_ERROR"} {
			get(path, append(tab, "credential_id", bad)...).want(t, 400, code)
		}
		get(path, append(tab, "credential_id", "999999")...).want(t, 404, "CREDENTIAL_NOT_FOUND")
		s.call("GET", "/api/sheets/"+path+"?sheetName=Google&credential_id="+id, bearer(s.user("shop")), nil).want(t, 404, "CREDENTIAL_NOT_FOUND")
		s.call("GET", "/api/sheets/"+path, "", nil).want(t, 401, "MISSING_TOKEN")
		for _, f := range []struct {
			fault  map[string]any
			status int
			code   string
		}{
			{map[string]any{"status": 401}, 502, "SERVICE_ERROR"},
			{map[string]any{"status": 403}, 502, "SERVICE_ERROR"},
			{map[string]any{"status": 400}, 502, "SERVICE_ERROR"},
			{map[string]any{"status": 500}, 502, "SERVICE_ERROR"},
			{map[string]any{"status": 503, "html": true}, 502, "SERVICE_ERROR"},
			{map[string]any{"html": true}, 502, "SERVICE_ERROR"},
			{map[string]any{"cut": true}, 502, "SERVICE_ERROR"},
			{map[string]any{"status": 429, "retryAfter": 7}, 429, "RATE_LIMITED"},
		} {
			f.fault["times"] = 5
			g.fault("/drive", f.fault)
			g.fault("/sheets", f.fault)
			a := get(path, append(tab, "credential_id", id)...)
			if a.status != f.status || a.code() != f.code {
				t.Errorf("%s with %v: %d %s", path, f.fault, a.status, a.raw)
			}
			if f.status == 429 && a.header.Get("Retry-After") != "7" {
				t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
			}
			g.console("DELETE", "/_sandbox/faults", nil, nil)
		}
	}
	if a := get(g.spreadsheet+"/values", "credential_id", id).want(t, 400, "MISSING_FIELDS"); a.at("error") != "sheetName is required" {
		t.Errorf("%s", a.raw)
	}
	get(g.spreadsheet+"/values", "credential_id", id, "sheetName", "Nowhere").want(t, 404, "SHEET_NOT_FOUND")
	get("1-nobody-has-this/values", "credential_id", id, "sheetName", "Google").want(t, 404, "SHEET_NOT_FOUND")
	get("..%2F..%2Fdrive/sheets", "credential_id", id).want(t, 404, "")
	g.console("PUT", "/_sandbox/spreadsheets/"+second+"/sharing", map[string]any{"email": g.email, "role": "none"}, nil)
	if a := get(second+"/sheets", "credential_id", id).want(t, 502, "SERVICE_ERROR"); !strings.Contains(a.raw, g.email) {
		t.Errorf("the answer does not say whom to share with: %s", a.raw)
	}
	var uses int
	must(t, query(t, s.db, `SELECT count(*) FROM audit_logs WHERE action = 'credential_accessed' AND metadata->>'purpose' = 'proxy'`).Scan(&uses))
	if uses < 10 {
		t.Errorf("%d uses are audited", uses)
	}
}
