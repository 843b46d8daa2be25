package cli_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"turkey/client"
)

// TestHTTPJSONSync: from the description of an API to a week in a spreadsheet, its corrections, and its figures as CSV.
func TestHTTPJSONSync(t *testing.T) {
	t.Parallel()
	s := setup(t, "HTTP_JSON_SOURCE=true", "HTTP_JSON_WINDOW_DAYS=9")
	ctx := t.Context()
	u, g := s.user("shop"), s.google()
	sheets, err := u.SaveCredential(ctx, g.sheets())
	must(t, err)
	_, err = u.Verify(ctx, sheets)
	must(t, err)

	var content map[string]any
	g.console("POST", "/_sandbox/json-apis", map[string]any{"paging": "cursor", "pageSize": 4}, &content)
	s.secret(content["auth"].(map[string]any)["token"].(string))
	host := strings.TrimSuffix(strings.TrimPrefix(content["url"].(string), "https://"), "/v1/daily")
	bad := func(name string, value any) map[string]any {
		c := map[string]any{}
		for k, v := range content {
			c[k] = v
		}
		c[name] = value
		return c
	}
	a := s.call("POST", "/api/credentials/save", bearer(u), map[string]any{"service": "http_json", "credentialName": "Inside",
		"credentialJson": bad("url", "https://169.254.169.254/latest")}).want(t, 400, "INVALID_CREDENTIAL_FORMAT")
	if !strings.Contains(a.raw, "must lead to a public host") {
		t.Errorf("an address inside: %s", a.raw)
	}
	id, err := u.SaveCredential(ctx, client.NewCredential{Service: "http_json", Name: "Own API", Content: encode(t, content)})
	must(t, err)
	wrong, err := u.SaveCredential(ctx, client.NewCredential{Service: "http_json", Name: "Wrong field", Content: encode(t, bad("rows", "data.weeks"))})
	must(t, err)
	if a := s.call("POST", fmt.Sprintf("/api/credentials/%d/verify", wrong), bearer(u), nil).want(t, 400, "VERIFICATION_FAILED"); !strings.Contains(a.raw, "data.weeks") {
		t.Errorf("a path that leads nowhere: %s", a.raw)
	}
	if as, err := u.Verify(ctx, id); err != nil || as != host {
		t.Fatalf("%s, %v", as, err)
	}
	must(t, u.Enable(ctx, "http_json", id))
	services := s.call("GET", "/api/services", bearer(u), nil).want(t, 200, "")
	if !strings.Contains(services.raw, `"http_json"`) {
		t.Errorf("services: %s", services.raw)
	}
	_, err = u.SetMapping(ctx, mapping("http_json", g.spreadsheet, "Other"))
	must(t, err)

	sync := func() client.JobResult {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		a := s.call("POST", "/api/v1/sync/http_json", bearer(u), nil).want(t, 200, "")
		if a.at("message") != "HTTP JSON sync job enqueued" {
			t.Errorf("sync: %s", a.raw)
		}
		j, err := u.WaitJob(ctx, fmt.Sprint(a.at("data", "jobId")))
		if err != nil || j.Status != "completed" || j.Result == nil {
			t.Fatalf("%+v, %v", j, err)
		}
		return *j.Result
	}
	if r := sync(); !r.Success || r.From != berlin(t, 9) || r.To != berlin(t, 1) || r.Appended != 9 {
		t.Errorf("result %+v", r)
	}
	cells := g.tab("Other")
	if len(cells) != 10 || !slices.Equal(cells[0], []any{"id", "date", "orders", "revenue", "visitors"}) {
		t.Fatalf("the tab holds %v", cells)
	}
	for i, row := range cells[1:] {
		if len(row) != 5 || !uuidV4.MatchString(fmt.Sprint(row[0])) || row[1] != berlin(t, 9-i) {
			t.Fatalf("row %v", row)
		}
	}

	change := func(ago int, row any) {
		t.Helper()
		g.console("PUT", "/_sandbox/json-apis/"+host+"/days", map[string]any{"date": berlin(t, ago), "row": row}, nil)
	}
	change(5, map[string]any{"orders": 3, "visitors": 70, "money": map[string]any{"revenue": "100.50"}})
	if r := sync(); r.Updated != 1 || r.Skipped != 8 || r.Appended != 0 {
		t.Errorf("a corrected day: %+v", r)
	}
	if row := g.tab("Other")[5]; !slices.Equal(row[1:], []any{berlin(t, 5), 3.0, 100.5, 70.0}) {
		t.Errorf("the corrected row %v", row)
	}

	figures := "/api/kpis?service=http_json&from=" + berlin(t, 5) + "&to=" + berlin(t, 5)
	f := s.call("GET", figures, bearer(u), nil).want(t, 200, "")
	if f.at("currency") != "EUR" || f.at("timezone") != "Europe/Berlin" || f.at("totals", "orders") != "3" || f.at("totals", "revenue") != "100.50" || f.at("totals", "visitors") != nil {
		t.Errorf("figures: %s", f.raw)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+figures, nil)
	must(t, err)
	req.Header.Set("Authorization", bearer(u))
	req.Header.Set("Accept", "text/csv")
	if csv := s.do(req); csv.status != 200 ||
		csv.raw != "date,days,provisional,currency,orders,revenue,visitors\r\n"+berlin(t, 5)+",1,true,EUR,3,100.50,70\r\n" {
		t.Errorf("CSV: %d %q", csv.status, csv.raw)
	}
	if a := s.call("PUT", "/api/schedules/http_json", bearer(u), map[string]any{"cron": "0 2 * * *", "enabled": true}).want(t, 200, ""); a.at("data", "service") != "http_json" {
		t.Errorf("schedule: %s", a.raw)
	}

	// What cannot be read fails with a reason, and nothing is written.
	before := g.tab("Other")
	change(3, map[string]any{"orders": "many"})
	a = s.call("POST", "/api/v1/sync/http_json", bearer(u), nil).want(t, 200, "")
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	j, err := u.WaitJob(waiting, fmt.Sprint(a.at("data", "jobId")))
	if j.Status != "failed" || !strings.Contains(j.FailedReason, `The field "orders" of `+berlin(t, 3)+" is not a number") {
		t.Errorf("%+v, %v", j, err)
	}
	if after := g.tab("Other"); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("a failed run wrote: %v", after)
	}
}

// Without the switch there are four services, as the credential API says.
func TestHTTPJSONIsOff(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	if a := s.call("GET", "/api/services", bearer(u), nil).want(t, 200, ""); strings.Contains(a.raw, "http_json") {
		t.Errorf("services: %s", a.raw)
	}
	a := s.call("POST", "/api/credentials/save", bearer(u), map[string]any{"service": "http_json", "credentialName": "x", "credentialJson": map[string]any{}}).want(t, 400, "INVALID_SERVICE")
	if a.at("error") != "Invalid service: http_json" {
		t.Errorf("%s", a.raw)
	}
}
