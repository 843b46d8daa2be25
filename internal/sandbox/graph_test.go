package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"turkey/internal/sandbox"
)

// adAccount makes one and returns a token for it.
func (b *bench) adAccount(settings map[string]any) string {
	b.t.Helper()
	body := map[string]any{"accountId": "77", "timeZone": "Pacific/Kiritimati", "currency": "AUD"}
	for k, v := range settings {
		body[k] = v
	}
	made := b.ok(http.MethodPost, "/_sandbox/ad-accounts", "", body)
	if made["account_id"] != "act_77" || made["token_type"] != "bearer" {
		b.t.Fatalf("made %v", made)
	}
	return made["access_token"].(string)
}

const insights = "/graph/v26.0/act_77/insights"

// insights asks for days of the account.
func (b *bench) insights(token string, q url.Values) (int, map[string]any) {
	b.t.Helper()
	return b.do(http.MethodGet, insights+"?"+q.Encode(), token, nil)
}

func daily(since, until string) url.Values {
	return url.Values{"fields": {"spend,actions,purchase_roas"}, "time_increment": {"1"}, "limit": {"100"},
		"time_range": {`{"since":"` + since + `","until":"` + until + `"}`}}
}

func dates(t *testing.T, answer map[string]any) (list []string) {
	t.Helper()
	rows, _ := answer["data"].([]any)
	for _, r := range rows {
		row, _ := r.(map[string]any)
		day, _ := row["date_start"].(string)
		if day == "" || row["date_stop"] != day {
			t.Fatalf("a row is %v", row)
		}
		list = append(list, day)
	}
	return list
}

// wantGraph checks a refusal in the Graph API's shape.
func (b *bench) wantGraph(status int, answer map[string]any, wantStatus, code, subcode int, text string) {
	b.t.Helper()
	inner, _ := answer["error"].(map[string]any)
	message, _ := inner["message"].(string)
	got, _ := inner["error_subcode"].(float64)
	if status != wantStatus || inner["code"] != float64(code) || got != float64(subcode) || !strings.Contains(message, text) || inner["fbtrace_id"] == nil {
		b.t.Errorf("%d %v, want %d, code %d, subcode %d, %q", status, answer, wantStatus, code, subcode, text)
	}
}

func TestGraphAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.adAccount(map[string]any{"name": "Shoes", "status": 3})
	got := b.ok(http.MethodGet, "/graph/v26.0/act_77?fields=account_id,name,account_status,timezone_name,currency", token, nil)
	want := map[string]any{"id": "act_77", "account_id": "77", "name": "Shoes", "account_status": 3.0, "timezone_name": "Pacific/Kiritimati", "currency": "AUD"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("account = %v", got)
	}
	status, out := b.do(http.MethodGet, "/graph/v26.0/act_77?fields=balance", token, nil)
	b.wantGraph(status, out, 400, 100, 0, "nonexisting field (balance)")
}

func TestGraphRefusesTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.adAccount(map[string]any{"expiresIn": 60})
	blind := b.adAccount(map[string]any{"scopes": []string{"public_profile"}})
	other := b.ok(http.MethodPost, "/_sandbox/ad-accounts", "", map[string]any{})["access_token"].(string)
	const path = "/graph/v26.0/act_77"
	for _, tt := range []struct {
		path, token           string
		status, code, subcode int
		text                  string
	}{
		{path, "", 400, 104, 0, "access token is required"},
		{path, "EAAx", 401, 190, 0, "Cannot parse"},
		{path + "?access_token=" + token, token, 400, 100, 0, "tokens in addresses"},
		{path, other, 400, 100, 33, "Object with ID 'act_77' does not exist"},
		{"/graph/v26.0/77", token, 400, 100, 33, "Object with ID '77' does not exist"},
		{"/graph/v26.0/act_1", token, 400, 100, 33, "does not exist"},
		{path, blind, 403, 200, 0, "ads_read"},
		{"/graph/v27.0/act_77", token, 400, 2500, 0, "Unknown path"},
		{"/graph/me/act_77", token, 400, 2500, 0, "Unknown path"},
	} {
		status, out := b.do(http.MethodGet, tt.path, tt.token, nil)
		b.wantGraph(status, out, tt.status, tt.code, tt.subcode, tt.text)
	}
	b.ok(http.MethodGet, path, token, nil)
	b.clock.advance(time.Minute)
	status, out := b.do(http.MethodGet, path, token, nil)
	b.wantGraph(status, out, 401, 190, 463, "expired")
	b.ok(http.MethodDelete, "/_sandbox/ad-accounts/77/tokens?subcode=460", "", nil)
	status, out = b.do(http.MethodGet, path, blind, nil)
	b.wantGraph(status, out, 401, 190, 460, "changed their password")
	b.restart()
	if status, out = b.do(http.MethodGet, path, blind, nil); status != 401 {
		t.Errorf("after a restart: %d %v", status, out)
	}
	text, err := os.ReadFile(b.file)
	if err != nil || strings.Contains(string(text), blind) {
		t.Errorf("the state holds a token, %v", err)
	}
}

func TestGraphInsights(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.adAccount(nil)
	_, first := b.insights(token, daily("2026-10-01", "2026-10-31"))
	_, second := b.insights(token, daily("2026-10-01", "2026-10-31"))
	days := dates(t, first)
	if !reflect.DeepEqual(first, second) || len(days) < 20 || len(days) == 31 {
		t.Fatalf("%d days; some should be empty", len(days))
	}
	row := first["data"].([]any)[0].(map[string]any)
	if _, text := row["spend"].(string); !text || row["reach"] != nil || row["actions"] == nil {
		t.Errorf("a row is %v", row)
	}
	paging, _ := first["paging"].(map[string]any)
	if paging["next"] != nil || paging["cursors"] == nil {
		t.Errorf("the only page has %v", paging)
	}

	// Pages: by cursor alone; next carries the token and is refused.
	q := daily("2026-10-01", "2026-10-31")
	q.Set("limit", "10")
	var rows []any
	for {
		_, page := b.insights(token, q)
		rows = append(rows, page["data"].([]any)...)
		paging, _ = page["paging"].(map[string]any)
		next, more := paging["next"].(string)
		if !more {
			break
		}
		if status, out := b.do(http.MethodGet, strings.TrimPrefix(next, b.url), token, nil); status != 400 || !strings.Contains(next, token) {
			t.Fatalf("next leads to %d %v", status, out)
		}
		q.Set("after", paging["cursors"].(map[string]any)["after"].(string))
	}
	if !reflect.DeepEqual(rows, first["data"]) {
		t.Errorf("pages give %d rows of %d", len(rows), len(days))
	}

	// Corrections, and a day that loses its delivery.
	b.ok(http.MethodPut, "/_sandbox/ad-accounts/77/days", "", map[string]any{"date": days[0], "row": map[string]any{"spend": "0.10", "purchase_roas": nil}})
	b.ok(http.MethodPut, "/_sandbox/ad-accounts/77/days", "", map[string]any{"date": days[1], "row": nil})
	_, out := b.insights(token, daily(days[0], days[1]))
	if rows := out["data"].([]any); len(rows) != 1 || rows[0].(map[string]any)["spend"] != "0.10" || rows[0].(map[string]any)["purchase_roas"] != nil {
		t.Errorf("corrected: %v", out)
	}
	if _, out := b.insights(token, daily(days[1], days[1])); out["paging"] != nil || len(out["data"].([]any)) != 0 {
		t.Errorf("nothing delivered: %v", out)
	}
	// Without time_increment it is one row; what verification asks for.
	if _, out := b.insights(token, url.Values{"fields": {"account_id"}, "limit": {"1"}}); len(out["data"].([]any)) != 1 {
		t.Errorf("total: %v", out)
	}
}

// At noon UTC it is the 22nd in Kiritimati.
func TestGraphDays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.adAccount(nil)
	for _, day := range []string{"2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"} {
		b.ok(http.MethodPut, "/_sandbox/ad-accounts/77/days", "", map[string]any{"date": day, "row": map[string]any{"spend": "1"}})
	}
	for preset, want := range map[string]string{"yesterday": "2026-11-21", "today": "2026-11-22"} {
		q := daily("", "")
		q.Del("time_range")
		q.Set("date_preset", preset)
		if _, out := b.insights(token, q); !reflect.DeepEqual(dates(t, out), []string{want}) {
			t.Errorf("%s = %v", preset, out)
		}
	}
	if _, out := b.insights(token, daily("2026-11-21", "2026-11-30")); !reflect.DeepEqual(dates(t, out), []string{"2026-11-21", "2026-11-22"}) {
		t.Errorf("days to come: %v", out)
	}
	refuse := func(q url.Values, code, subcode int, text string) {
		t.Helper()
		status, out := b.insights(token, q)
		b.wantGraph(status, out, 400, code, subcode, text)
	}
	refuse(daily("2026-11-21", "2026-11-20"), 100, 0, "in order")
	refuse(daily("x", "2026-11-20"), 100, 0, "YYYY-MM-DD")
	refuse(daily("2023-01-01", "2026-11-20"), 3018, 0, "37 months")
	for name, value := range map[string]string{"fields": "sales", "level": "ad", "action_breakdowns": "action_device", "time_increment": "monthly",
		"time_range": "{", "limit": "0"} {
		q := daily("2026-11-20", "2026-11-20")
		q.Set(name, value)
		refuse(q, 100, 0, "")
	}
	q := daily("2026-11-01", "2026-11-20")
	q.Set("after", "MTxZD")
	refuse(q, 2642, 0, "Invalid cursors")
	token = b.adAccount(map[string]any{"maxDays": 5})
	refuse(daily("2026-11-01", "2026-11-06"), 100, 1504018, "smaller date range")
	if status, _ := b.insights(token, daily("2026-11-01", "2026-11-05")); status != 200 {
		t.Errorf("5 days: %d", status)
	}
}

func TestGraphHeadersAndFaults(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	box, err := sandbox.New(sandbox.Config{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, token, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		box.Handler().ServeHTTP(w, r)
		return w
	}
	var made struct {
		Token string `json:"access_token"`
	}
	w := call(http.MethodPost, "/_sandbox/ad-accounts", "", `{"accountId":"act_77"}`)
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != 201 {
		t.Fatal(w.Code, w.Body, err)
	}
	w = call(http.MethodGet, "/graph/v21.0/act_77", made.Token, "")
	if w.Code != 200 || w.Header().Get("facebook-api-version") != "v26.0" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for _, name := range []string{"X-FB-Ads-Insights-Throttle", "X-Business-Use-Case-Usage", "X-Ad-Account-Usage"} {
		if !json.Valid([]byte(w.Header().Get(name))) {
			t.Errorf("%s = %q", name, w.Header().Get(name))
		}
	}
	call(http.MethodPost, "/_sandbox/faults", "", `{"path":"/graph","code":80000,"subcode":2446079,"retryAfter":90}`)
	w = call(http.MethodGet, "/graph/v26.0/act_77", made.Token, "")
	if w.Code != 400 || !strings.Contains(w.Body.String(), `"code":80000`) || !strings.Contains(w.Body.String(), `"error_subcode":2446079`) ||
		!strings.Contains(w.Header().Get("X-Business-Use-Case-Usage"), `"estimated_time_to_regain_access":2,`) {
		t.Errorf("limited: %d %s %v", w.Code, w.Body, w.Header())
	}
	for status, code := range map[string]string{"500": `"code":2,`, "401": `"code":190,`, "429": `"code":4,`, "418": `"code":100,`} {
		call(http.MethodPost, "/_sandbox/faults", "", `{"path":"/graph","status":`+status+`}`)
		if w := call(http.MethodGet, "/graph/v26.0/act_77", made.Token, ""); !strings.Contains(w.Body.String(), code) {
			t.Errorf("status %s: %d %s", status, w.Code, w.Body)
		}
	}
	if w := call(http.MethodGet, "/", "", ""); !strings.Contains(w.Body.String(), "act_77  Ads 77  Europe/Berlin, EUR  live tokens: 1") {
		t.Errorf("the page lacks the ad account:\n%s", w.Body)
	}
	for path, body := range map[string]string{"ad-accounts": `{"accountId":"me"}`, "ad-accounts/77/days": `{"date":"2026-11-20","row":{"sales":1}}`} {
		method := map[bool]string{true: http.MethodPost, false: http.MethodPut}[path == "ad-accounts"]
		if w := call(method, "/_sandbox/"+path, "", body); w.Code != 400 {
			t.Errorf("%s %s: %d", path, body, w.Code)
		}
	}
	if w := call(http.MethodPut, "/_sandbox/ad-accounts/1/days", "", `{}`); w.Code != 404 {
		t.Errorf("an unknown account: %d", w.Code)
	}
}
