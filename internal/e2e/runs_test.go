package e2e_test

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// collecting is somebody whose sources are enabled and mapped to tabs of a spreadsheet in the sandbox.
type collecting struct {
	*holder
	p           *providers
	spreadsheet string
	property    string
	credentials map[string]int64
}

func collects(t testing.TB) *collecting {
	t.Helper()
	p, o := fakes(t)
	s := setup(t, o, func(set *settings) { set.runs = true })
	c := &collecting{holder: s.holder(), p: p, credentials: map[string]int64{}}
	key := p.account(s)
	tabs := []string{"ga4", "meta", "shopify", "empty", "foreign"}
	c.spreadsheet = p.console(t, "POST", "/_sandbox/spreadsheets", object{"tabs": tabs, "shareWith": key["client_email"]})["spreadsheetId"].(string)
	c.property = p.console(t, "POST", "/_sandbox/properties", object{"timeZone": "Europe/Berlin", "shareWith": key["client_email"]})["propertyId"].(string)
	for service, content := range map[string]object{"google_sheets": key, "ga4": changed(key, "property_id", c.property),
		"meta": p.console(t, "POST", "/_sandbox/ad-accounts", object{}), "shopify": p.console(t, "POST", "/_sandbox/shops", object{})} {
		id := c.saved(service, service, content)
		c.credentials[service] = id
		c.on(id, "POST", "/verify", nil).want(t, 200, "")
		if service != "google_sheets" {
			c.do("POST", "/api/sheet-mappings/set", object{"service": service, "spreadsheetId": c.spreadsheet, "sheetName": service}).want(t, 201, "")
		}
	}
	return c
}

// tab is a tab as Google keeps it.
func (c *collecting) tab(name string) []any {
	c.t.Helper()
	for _, v := range c.p.console(c.t, "GET", "/_sandbox/spreadsheets/"+c.spreadsheet, nil)["tabs"].([]any) {
		if tab := v.(object); tab["title"] == name {
			cells, _ := tab["cells"].([]any)
			return cells
		}
	}
	c.t.Fatalf("no tab %s", name)
	return nil
}

// day is one in the property's zone, so many days ago.
func day(t testing.TB, ago int) string {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	must(t, err)
	return time.Now().In(zone).AddDate(0, 0, -ago).Format(time.DateOnly)
}

// ended waits for a run.
func (c *collecting) ended(id string) (a answer) {
	c.t.Helper()
	eventually(c.t, "the run ends", func() bool {
		a = c.do("GET", "/api/runs/"+id, nil).want(c.t, 200, "")
		return slices.Contains([]string{"completed", "failed", "cancelled"}, a.text("status"))
	})
	return a
}

func TestARangeOfDays(t *testing.T) {
	t.Parallel()
	c := collects(t)
	made := c.do("POST", "/api/runs", object{"service": "ga4", "from": day(t, 120), "to": day(t, 1)}).want(t, 201, "")
	if made.text("status") != "waiting" && made.text("status") != "active" || made.text("from") != day(t, 120) || made.at("result") != nil || made.at("dryRun") != false {
		t.Errorf("made: %s", made.raw)
	}
	// The stream tells of every change and ends with the run.
	seen := c.watch(made.text("id"))
	if len(seen) < 2 || !strings.Contains(seen[len(seen)-1], `"status":"completed"`) || strings.Contains(seen[0], `"status":"completed"`) {
		t.Errorf("events: %v", seen)
	}
	a := c.ended(made.text("id"))
	if a.at("progress") != 100.0 || a.at("result", "appended") != 120.0 || a.at("result", "overwritten") != 0.0 || a.text("finishedAt") == "" || a.at("error") != nil {
		t.Errorf("ended: %s", a.raw)
	}
	if n := len(c.tab("ga4")); n != 121 {
		t.Errorf("%d rows", n)
	}
	if again := c.watch(made.text("id")); len(again) != 1 {
		t.Errorf("a run that has ended: %v", again)
	}

	dry := c.ended(c.do("POST", "/api/runs", object{"service": "ga4", "from": day(t, 122), "to": day(t, 1), "dryRun": true}).want(t, 201, "").text("id"))
	if dry.at("dryRun") != true || dry.at("result", "appended") != 2.0 || dry.at("result", "diff", 0, "day") != day(t, 122) || dry.at("result", "diffCells") != 16.0 || len(c.tab("ga4")) != 121 {
		t.Errorf("dry: %s", dry.raw)
	}
	list := c.do("GET", "/api/runs?service=ga4&status=completed&limit=1", nil).want(t, 200, "")
	if list.at("runs", 0, "id") != dry.at("id") || list.at("runs", 0, "result", "diff") != nil || list.at("runs", 1) != nil || list.text("nextCursor") == "" {
		t.Errorf("list: %s", list.raw)
	}
	list = c.do("GET", "/api/runs?limit=1&cursor="+list.text("nextCursor"), nil).want(t, 200, "")
	if list.at("runs", 0, "id") != made.at("id") || list.at("nextCursor") != nil {
		t.Errorf("second page: %s", list.raw)
	}

	run := "/api/runs/" + made.text("id")
	c.do("POST", run+"/cancel", nil).want(t, 409, "RUN_ENDED")
	c.do("POST", run+"/retry", nil).want(t, 409, "RUN_NOT_FAILED")
	eve := c.s.user("shop")
	for _, path := range []string{run, run + "/events", run + "/cancel", run + "/retry", run + "/undo"} {
		method := "POST"
		if path == run || strings.HasSuffix(path, "events") {
			method = "GET"
		}
		c.s.call(method, path, eve.access, nil).want(t, 404, "RUN_NOT_FOUND")
		c.s.call(method, path, "", nil).want(t, 401, "MISSING_TOKEN")
	}
	if other := c.s.get("/api/runs", eve.access).want(t, 200, ""); other.at("runs", 0) != nil {
		t.Errorf("somebody else sees %s", other.raw)
	}
	undone := c.do("POST", run+"/undo", nil).want(t, 200, "")
	if undone.at("restored") != 120.0*9 || undone.at("left") != 0.0 || len(c.tab("ga4")) != 1 {
		t.Errorf("undone: %s", undone.raw)
	}
	c.do("POST", run+"/undo", nil).want(t, 409, "ALREADY_UNDONE")
	c.do("POST", "/api/runs/"+dry.text("id")+"/undo", nil).want(t, 409, "NOTHING_TO_UNDO")
	if c.do("GET", run, nil).text("undoneAt") == "" {
		t.Error("the run does not say that it was undone")
	}
}

// watch reads a stream to its end.
func (c *collecting) watch(id string) (events []string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.s.base+"/api/runs/"+id+"/events", nil)
	must(c.t, err)
	req.Header.Set("Authorization", "Bearer "+c.access)
	resp, err := http.DefaultClient.Do(req) // the tests' own would read all of it before it says anything
	must(c.t, err)
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		c.t.Fatalf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			events = append(events, data)
		}
	}
	must(c.t, lines.Err())
	return events
}

func TestRunsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := collects(t)
	c.do("POST", "/api/services/shopify/disable", nil).want(t, 200, "")
	for _, r := range []struct {
		body   any
		status int
		code   string
	}{
		{`{"service"`, 400, "INVALID_JSON"},
		{object{}, 400, "MISSING_FIELDS"},
		{object{"service": "fax"}, 400, "INVALID_SERVICE"},
		{object{"service": "google_sheets"}, 400, "INVALID_SERVICE"},
		{object{"service": "shopify"}, 404, "SERVICE_NOT_FOUND"},
		{object{"service": "ga4", "from": day(t, 1)}, 400, "MISSING_FIELDS"},
		{object{"service": "ga4", "to": day(t, 1)}, 400, "MISSING_FIELDS"},
		{object{"service": "ga4", "from": day(t, 1), "to": day(t, 2)}, 400, "VALIDATION_ERROR"},
		{object{"service": "ga4", "from": day(t, 1), "to": day(t, -1)}, 400, "VALIDATION_ERROR"}, // the source's zone is known
		{object{"service": "ga4", "from": day(t, 38*31), "to": day(t, 1)}, 400, "VALIDATION_ERROR"},
		{object{"service": "ga4", "from": "yesterday", "to": day(t, 1)}, 400, "VALIDATION_ERROR"},
		{object{"service": "ga4", "from": "2026-02-30", "to": day(t, 1)}, 400, "VALIDATION_ERROR"},
		{object{"service": "ga4", "dryRun": "yes"}, 400, "VALIDATION_ERROR"},
		{object{"service": 7}, 400, "VALIDATION_ERROR"},
	} {
		c.do("POST", "/api/runs", r.body).want(t, r.status, r.code)
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "status=done", "service=fax", "cursor=x", "cursor=MTIzIDEyMw", "cursor=%00"} {
		if a := c.do("GET", "/api/runs?"+query, nil); a.status != 400 {
			t.Errorf("%s: %d %s", query, a.status, a.raw)
		}
	}
	for _, id := range []string{"1", "abc", "01900000-0000-7000-8000-000000000000", "%00"} {
		c.do("GET", "/api/runs/"+id, nil).want(t, 404, "")
	}
	if n := c.s.count(`SELECT count(*) FROM kpi_runs`); n != 0 {
		t.Errorf("%d runs were made", n)
	}
	today := c.ended(c.do("POST", "/api/runs", object{"service": "ga4", "from": day(t, 0), "to": day(t, 0)}).want(t, 201, "").text("id"))
	if today.text("status") != "completed" {
		t.Errorf("today: %s", today.raw)
	}
}

func TestCancelAndRetry(t *testing.T) {
	t.Parallel()
	c := collects(t)
	asked, release := c.p.hold(t)
	defer release()
	id := c.do("POST", "/api/runs", object{"service": "ga4", "from": day(t, 3), "to": day(t, 1)}).want(t, 201, "").text("id")
	<-asked
	if a := c.do("POST", "/api/runs/"+id+"/cancel", nil).want(t, 200, ""); a.text("status") != "cancelled" || a.text("finishedAt") == "" {
		t.Errorf("cancelled: %s", a.raw)
	}
	if a := c.do("GET", "/api/v1/jobs/"+id, nil).want(t, 200, ""); a.at("data", "status") != "cancelled" {
		t.Errorf("as a job: %s", a.raw)
	}
	c.do("POST", "/api/runs/"+id+"/cancel", nil).want(t, 409, "RUN_ENDED")
	release()
	c.do("POST", "/api/runs/"+id+"/retry", nil).want(t, 200, "")
	if a := c.ended(id); a.text("status") != "completed" || a.at("result", "appended") != 3.0 {
		t.Errorf("ended: %s", a.raw)
	}
	if n := len(c.tab("ga4")); n != 4 {
		t.Errorf("%d rows", n)
	}
	// A dead run lives again, too.
	c.p.console(t, "POST", "/_sandbox/faults", object{"path": "/analyticsdata", "status": 403})
	id = c.do("POST", "/api/runs", object{"service": "ga4"}).want(t, 201, "").text("id")
	if a := c.ended(id); a.text("status") != "failed" || a.text("reason") != "forbidden" || a.text("error") == "" {
		t.Errorf("failed: %s", a.raw)
	}
	c.do("POST", "/api/runs/"+id+"/retry", nil).want(t, 200, "")
	if a := c.ended(id); a.text("status") != "completed" || a.at("reason") != nil {
		t.Errorf("after the retry: %s", a.raw)
	}
	if got := one[string](c.s.world, `SELECT string_agg(action, ' ' ORDER BY id) FROM audit_logs WHERE action LIKE 'workflow%' AND metadata->>'jobId' = $1`, id); got != "workflow_run workflow_failed workflow_retried workflow_completed" {
		t.Errorf("audited: %s", got)
	}
	if got := one[string](c.s.world, `SELECT string_agg(kind, ' ' ORDER BY created_at) FROM mails WHERE recipient = $1`, c.email); got != "run_failed run_recovered" {
		t.Errorf("told: %s", got)
	}
}

func TestSyncAllStartsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	c := collects(t)
	a := c.do("POST", "/api/v1/sync/all", object{"targetDate": day(t, 2)}).want(t, 200, "")
	if a.at("success") != true || a.at("message") != "Enqueued 3 sync jobs" {
		t.Errorf("%s", a.raw)
	}
	for i, source := range []string{"ga4", "meta", "shopify"} {
		if a.at("data", "jobs", i, "source") != source || a.at("data", "jobs", i, "targetDate") != day(t, 2) {
			t.Errorf("%d: %s", i, a.raw)
		}
		apart := c.s.count(`SELECT round(extract(epoch FROM run_at - created_at))::int FROM kpi_runs WHERE id = $1`, a.at("data", "jobs", i, "jobId"))
		if apart != 30*i {
			t.Errorf("%s starts after %d s", source, apart)
		}
	}
	c.ended(a.at("data", "jobs", 0, "jobId").(string))
	c.do("POST", "/api/services/meta/disable", nil).want(t, 200, "")
	if a := c.do("POST", "/api/v1/sync/all", nil).want(t, 200, ""); a.at("message") != "Enqueued 2 sync jobs" || a.at("data", "jobs", 0, "targetDate") != day(t, 1) {
		t.Errorf("%s", a.raw)
	}
	c.do("POST", "/api/v1/sync/all", object{"targetDate": "tomorrow"}).want(t, 400, "VALIDATION_ERROR")
	eve := c.s.user("shop")
	if a := c.s.call("POST", "/api/v1/sync/all", eve.access, nil).want(t, 200, ""); a.at("message") != "Enqueued 0 sync jobs" || fmt.Sprint(a.at("data", "jobs")) != "[]" {
		t.Errorf("nothing enabled: %s", a.raw)
	}
}

func TestSyncAndWait(t *testing.T) {
	t.Parallel()
	c := collects(t)
	for _, service := range []string{"meta", "ga4", "shopify"} {
		c.do("POST", "/api/services/"+service+"/disable", nil).want(t, 200, "") // it does not matter
		path, id := "/api/"+service+"/sync", c.credentials[service]
		missing := "MISSING_FIELDS"
		if service == "meta" {
			missing = "VALIDATION_ERROR"
		}
		for _, r := range []struct {
			body   any
			status int
			code   string
		}{
			{object{}, 400, missing}, {object{"credentialId": nil}, 400, missing}, {object{"credentialId": ""}, 400, missing},
			{object{"credentialId": "x"}, 400, "VALIDATION_ERROR"}, {object{"credentialId": 1.5}, 400, "VALIDATION_ERROR"}, {object{"credentialId": 0}, 400, "VALIDATION_ERROR"},
			{object{"credentialId": object{}}, 400, "VALIDATION_ERROR"},
			{object{"credentialId": c.credentials["google_sheets"]}, 400, "VALIDATION_ERROR"},
			{object{"credentialId": 999_999}, 404, "CREDENTIAL_NOT_FOUND"},
			{object{"credentialId": id, "options": object{"targetDate": "x"}}, 400, "VALIDATION_ERROR"},
			{object{"credentialId": id, "options": object{"sheetName": "Nowhere"}}, 404, "SHEET_NOT_FOUND"},
		} {
			a := c.do("POST", path, r.body).want(t, r.status, r.code)
			if a.at("success") != false {
				t.Errorf("%s %v: %s", path, r.body, a.raw)
			}
		}
		eve := c.s.user("shop")
		c.s.call("POST", path, eve.access, object{"credentialId": id}).want(t, 404, "CREDENTIAL_NOT_FOUND")
		c.s.call("POST", path, "", object{"credentialId": id}).want(t, 401, "MISSING_TOKEN")

		a := c.do("POST", path, object{"credentialId": fmt.Sprint(id), "options": object{"targetDate": day(t, 9)}}).want(t, 200, "")
		row, _ := c.tab(service)[1].([]any)
		if a.at("success") != true || a.at("data", "appendResult", "mode") != "append" || a.at("data", "appendResult", "success") != true ||
			a.at("data", "appendResult", "rowNumber") != 2.0 || a.at("data", "appendResult", "id") != row[0] || a.at("data", "spreadsheetId") != c.spreadsheet ||
			a.at("data", "sheetName") != service || row[1] != day(t, 9) {
			t.Errorf("%s: %s, the row is %v", path, a.raw, row)
		}
		if service == "meta" {
			if a.at("data", "id") != row[0] || a.at("data", "date") != day(t, 9) || a.at("data", "service") != "meta" || a.at("data", "metrics", "spend") != row[2] ||
				a.at("data", "metrics", "metricSources", "purchases_source") == nil || a.at("message") != "Meta insights for "+day(t, 9)+" synced successfully" {
				t.Errorf("meta: %s", a.raw)
			}
			continue
		}
		if a.at("data", "metrics", "id") != row[0] || a.at("message") != nil || a.at("data", "service") != nil {
			t.Errorf("%s: %s", service, a.raw)
		}
		c.do("POST", path+"/yesterday", object{"credentialId": id, "options": object{"targetDate": "x"}}).want(t, 200, "")
	}
	other := object{"credentialId": c.credentials["ga4"], "options": object{"sheetName": "empty", "targetDate": day(t, 3)}}
	if a := c.do("POST", "/api/ga4/sync", other).want(t, 200, ""); a.at("data", "sheetName") != "empty" || len(c.tab("empty")) != 2 {
		t.Errorf("another tab: %s", a.raw)
	}
	if a := c.do("POST", "/api/ga4/sync", other).want(t, 200, ""); a.at("data", "appendResult", "mode") != "skip" {
		t.Errorf("again: %s", a.raw)
	}
	c.p.console(t, "PUT", "/_sandbox/spreadsheets/"+c.spreadsheet+"/cells", object{"tab": "foreign", "a1": "A1", "value": "mine"})
	c.do("POST", "/api/ga4/sync", object{"credentialId": c.credentials["ga4"], "options": object{"sheetName": "foreign"}}).want(t, 409, "SCHEMA_MISMATCH")
	c.s.exec(`DELETE FROM sheet_mappings WHERE service = 'ga4'`)
	c.do("POST", "/api/ga4/sync", object{"credentialId": c.credentials["ga4"]}).want(t, 400, "VALIDATION_ERROR")
	c.s.broken.Store(true) // a provider that fails is a 502
	c.p.console(t, "POST", "/_sandbox/faults", object{"path": "/graph", "status": 503, "times": 9})
	c.do("POST", "/api/meta/sync", object{"credentialId": c.credentials["meta"]}).want(t, 502, "SERVICE_ERROR")
	c.s.broken.Store(false)
	if n := c.s.count(`SELECT count(*) FROM mails WHERE kind LIKE 'run%'`); n != 0 {
		t.Errorf("%d notices to somebody who waited", n)
	}
}
