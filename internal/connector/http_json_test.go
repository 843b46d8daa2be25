package connector_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"turkey/internal/connector"
)

const jsonHost = "api.example.com"

// jsonAPI makes an API in the sandbox and returns what the vault would seal of its credential.
func (b *bench) jsonAPI(api map[string]any) []byte {
	b.t.Helper()
	b.cfg.HTTPJSON = true
	b.set = connector.New(b.cfg)
	api["host"] = jsonHost
	return b.secret(connector.HTTPJSON, b.control(http.MethodPost, "/json-apis", api))
}

func (b *bench) httpJSON() connector.Source {
	b.t.Helper()
	source, ok := b.set.Source(connector.HTTPJSON)
	if !ok {
		b.t.Fatal("no source http_json")
	}
	return source
}

func TestHTTPJSONIsThereOnlyWhereAskedFor(t *testing.T) {
	t.Parallel()
	if names := connector.New(connector.Config{}).Names(); slices.Contains(names, connector.HTTPJSON) {
		t.Errorf("services %v", names)
	}
	set := connector.New(connector.Config{HTTPJSON: true})
	if !slices.Contains(set.Sources(), connector.HTTPJSON) {
		t.Errorf("sources %v", set.Sources())
	}
	source, _ := set.Source(connector.HTTPJSON)
	if source.Window() != 7 || source.Version() != "" || len(source.Columns()) != 2 {
		t.Errorf("%d, %q, %v", source.Window(), source.Version(), source.Columns())
	}
	for _, name := range set.Names() {
		if _, ok := connector.OutlineOf(name); !ok || connector.Title(name) == "" {
			t.Errorf("%s has no outline", name)
		}
	}
}

// Each way to sign in, each way to page, and a year in one call.
func TestExtractHTTPJSON(t *testing.T) {
	t.Parallel()
	var first string
	for _, api := range []map[string]any{
		{"auth": "bearer"}, {"auth": "header", "paging": "cursor"}, {"auth": "basic", "paging": "link", "pageSize": 7}, {"auth": "none", "paging": "link"},
	} {
		t.Run(fmt.Sprint(api), func(t *testing.T) {
			b := setup(t)
			secret := b.jsonAPI(api)
			proof, err := b.verify(connector.HTTPJSON, secret, connector.Binding{})
			if err != nil || proof.ConnectedAs != jsonHost || proof.TimeZone != "Europe/Berlin" || proof.Currency != "EUR" || proof.Notes != nil {
				t.Fatalf("Verify = %+v, %v", proof, err)
			}
			if n := b.calls.under("/http-json"); n != 1 {
				t.Errorf("%d calls to verify", n)
			}
			report, err := b.httpJSON().Extract(t.Context(), secret, "2026-10-01", "2026-11-20")
			if err != nil || len(report.Rows) != 51 || report.TimeZone != "Europe/Berlin" || report.Currency != "EUR" {
				t.Fatalf("%d rows, %+v", len(report.Rows), err)
			}
			if got := asJSON(t, report.Metrics); got != `[{"column":"orders","kind":"sum"},{"column":"revenue","kind":"sum"},{"column":"visitors","kind":"per_day"}]` {
				t.Errorf("metrics %s", got)
			}
			zeros := 0
			for i, row := range report.Rows {
				if want := time.Date(2026, 10, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly); row.Date != want || len(row.Metrics) != 3 {
					t.Fatalf("row %d is %+v", i, row)
				}
				if row.Metrics["orders"] == "0" {
					zeros++
				}
			}
			if zeros == 0 || zeros > 20 {
				t.Errorf("%d days without activity", zeros)
			}
			if got := asJSON(t, report.Rows); first == "" {
				first = got
			} else if got != first {
				t.Error("the way to ask changes the figures")
			}
			day, err := b.httpJSON().Extract(t.Context(), secret, "", "")
			if err != nil || len(day.Rows) != 1 || day.Rows[0].Date != "2026-11-20" {
				t.Errorf("yesterday: %+v, %v", day, err)
			}
		})
	}
}

// An API that is not asked for days says nothing of those before its first.
func TestHTTPJSONWithoutARange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.jsonAPI(map[string]any{"whole": true})
	for _, day := range []string{"2026-10-23", "2026-11-01"} {
		b.control(http.MethodPut, "/json-apis/"+jsonHost+"/days", map[string]any{"date": day, "row": map[string]any{"orders": 1, "visitors": 1, "money": map[string]any{"revenue": "1"}}})
	}
	b.control(http.MethodPut, "/json-apis/"+jsonHost+"/days", map[string]any{"date": "2026-11-02", "row": nil})
	report, err := b.httpJSON().Extract(t.Context(), secret, "2026-10-10", "2026-11-02")
	if err != nil || len(report.Rows) != 11 || report.Rows[0].Date != "2026-10-23" || report.Rows[10].Metrics["orders"] != "0" {
		t.Fatalf("%+v, %v", report.Rows, err)
	}
	_, err = b.httpJSON().Extract(t.Context(), secret, "2026-10-01", "2026-10-05")
	wantError(t, err, connector.Invalid, "fromParam")
}

func TestHTTPJSONFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault  map[string]any
		reason connector.Reason
		text   string
		wait   time.Duration
	}{
		{map[string]any{"status": 401}, connector.Rejected, "sign-in", 0},
		{map[string]any{"status": 401, "html": true}, connector.Rejected, "sign-in", 0},
		{map[string]any{"status": 403}, connector.Forbidden, jsonHost, 0},
		{map[string]any{"status": 404}, connector.NotFound, "path", 0},
		{map[string]any{"status": 408}, connector.Unavailable, "finish", 0},
		{map[string]any{"status": 418}, connector.Invalid, "418", 0},
		{map[string]any{"status": 429, "retryAfter": 9}, connector.Limited, "limits", 9 * time.Second},
		{map[string]any{"status": 503, "retryAfter": 5}, connector.Unavailable, "503", 5 * time.Second},
		{map[string]any{"status": 302}, connector.Invalid, "redirect", 0},
		{map[string]any{"html": true}, connector.Unavailable, "JSON", 0},
		{map[string]any{"cut": true}, connector.Unavailable, "reached", 0},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			secret := b.jsonAPI(map[string]any{})
			tt.fault["path"] = "/http-json/"
			b.fault(tt.fault)
			_, err := b.httpJSON().Extract(t.Context(), secret, "2026-11-01", "2026-11-03")
			if e := wantError(t, err, tt.reason, tt.text); e.RetryAfter != tt.wait || strings.Contains(e.Error(), "key-") {
				t.Errorf("%+v", e)
			}
			if _, err := b.httpJSON().Extract(t.Context(), secret, "2026-11-01", "2026-11-03"); err != nil {
				t.Errorf("once it is over: %v", err)
			}
		})
	}
}

// saysJSON serves an API by hand and returns the source with the content changed.
func saysJSON(t *testing.T, handler http.HandlerFunc, changes map[string]any) (connector.Source, []byte) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	source, _ := connector.New(connector.Config{HTTPJSON: true, HTTPJSONBase: server.URL, AllowPrivate: true}).Source(connector.HTTPJSON)
	content := map[string]any{"url": "https://" + jsonHost + "/v1?report=daily&key=planted-key", "fromParam": "from", "toParam": "to", "rows": "rows", "dateField": "day",
		"metrics": []any{map[string]any{"column": "n", "field": "n"}}, "auth": map[string]any{"type": "bearer", "token": "planted-token"}}
	maps.Copy(content, changes)
	raw, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	parsed, problems := source.Parse(raw)
	if problems != nil {
		t.Fatal(problems)
	}
	return source, parsed.JSON
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

func TestHTTPJSONAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		changes    map[string]any
		want       string // the figures of 1 to 3 November, or what the error says
	}{
		{"numbers", `{"rows":[{"day":"2026-11-01","n":1},{"day":"2026-11-03","n":-2.50}]}`, nil, `1 0 -2.50`},
		{"text", `{"rows":[{"day":"2026-11-01","n":"12.345678901234567890"},{"day":"2026-11-02","n":" 7 "}]}`, nil, `12.345678901234567890 7 0`},
		{"exponent", `{"rows":[{"day":"2026-11-01","n":1e3}]}`, nil, `1000 0 0`},
		{"null", `{"rows":[{"day":"2026-11-01","n":null}]}`, nil, `0 0 0`},
		{"no rows", `{"rows":[]}`, nil, `0 0 0`},
		{"null rows", `{"rows":null}`, nil, `0 0 0`},
		{"outside", `{"rows":[{"day":"2026-10-31","n":"nonsense"},{"day":"2026-11-02","n":2},{"day":"2027-01-01"},{"day":"2027-01-01"}]}`, nil, `0 2 0`},
		{"midnight", `{"rows":[{"day":"2026-11-01T00:00:00+05:30","n":1}]}`, nil, `1 0 0`},
		{"bare list", `[{"d":{"x":20261102},"v":[{"n":4}]}]`, map[string]any{"rows": "", "dateField": "/d/x", "dateFormat": "YYYYMMDD",
			"metrics": []any{map[string]any{"column": "n", "field": "v.0.n"}}}, `0 4 0`},
		{"a name with a dot", `{"a.b":{"c/d":[{"day":"02.11.2026","n":4}]}}`, map[string]any{"rows": "/a.b/c~1d", "dateFormat": "DD.MM.YYYY"}, `0 4 0`},
		{"missing field", `{"rows":[{"day":"2026-11-01","m":1}]}`, nil, `invalid: no field "n"`},
		{"words", `{"rows":[{"day":"2026-11-01","n":"planted-words"}]}`, nil, `invalid: The field "n" of 2026-11-01 is not a number`},
		{"empty text", `{"rows":[{"day":"2026-11-01","n":""}]}`, nil, `invalid: not a number`},
		{"true", `{"rows":[{"day":"2026-11-01","n":true}]}`, nil, `invalid: not a number`},
		{"an object", `{"rows":[{"day":"2026-11-01","n":{}}]}`, nil, `invalid: not a number`},
		{"endless", `{"rows":[{"day":"2026-11-01","n":1e400}]}`, nil, `invalid: not a number`},
		{"twice", `{"rows":[{"day":"2026-11-01","n":1},{"day":"2026-11-01","n":1}]}`, nil, `invalid: several rows for 2026-11-01`},
		{"no day", `{"rows":[{"n":1}]}`, nil, `invalid: Row 1 of ` + jsonHost + ` has no day in "day"`},
		{"an instant", `{"rows":[{"day":"2026-11-01T13:00:00Z","n":1}]}`, nil, `invalid: has no day`},
		{"no such day", `{"rows":[{"day":"2026-11-31","n":1}]}`, nil, `invalid: has no day`},
		{"rows are no objects", `{"rows":[1,2]}`, nil, `invalid: has no day`},
		{"no list", `{"rows":{}}`, nil, `invalid: no list in "rows"`},
		{"elsewhere", `{"data":[]}`, nil, `invalid: no list in "rows"`},
		{"a scalar", `7`, nil, `invalid: no list in "rows"`},
		{"broken", `{"rows":[`, nil, `unavailable: did not answer with JSON`},
		{"a page", `<html>`, nil, `unavailable: did not answer with JSON`},
		{"huge", `{"rows":[],"x":"` + strings.Repeat("x", 5<<20) + `"}`, nil, `invalid: more than 5 MiB`},
		{"deep", `{"rows":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, nil, `invalid: has no day`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source, secret := saysJSON(t, says(tt.body), tt.changes)
			report, err := source.Extract(t.Context(), secret, "2026-11-01", "2026-11-03")
			if reason, text, failed := strings.Cut(tt.want, ": "); failed {
				if e := wantError(t, err, connector.Reason(reason), text); strings.Contains(e.Error(), "planted") {
					t.Errorf("%q tells too much", e.Error())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, row := range report.Rows {
				got = append(got, row.Metrics["n"].String())
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("figures %v, want %s", got, tt.want)
			}
		})
	}
}

func TestHTTPJSONPages(t *testing.T) {
	t.Parallel()
	page := func(next any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			n := r.URL.Query().Get("cursor")
			if n == "last" {
				next = nil
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"rows": []any{}, "next": next})
		}
	}
	counted := func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"rows": []any{}, "next": len(r.URL.Query().Get("cursor")) + 1_000_000, "x": r.URL.Query().Get("cursor")})
	}
	growing := func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"rows": []any{}, "next": r.URL.Query().Get("cursor") + "x"})
	}
	byLink, byCursor := map[string]any{"nextField": "next"}, map[string]any{"nextField": "next", "nextParam": "cursor"}
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		changes map[string]any
		want    string // "" = well
	}{
		"absent":          {page(nil), byLink, ""},
		"false":           {page(false), byLink, ""},
		"empty":           {page(""), byCursor, ""},
		"one more":        {page("last"), byCursor, ""},
		"a path":          {page("/v1?cursor=last"), byLink, ""},
		"absolute":        {page("https://API.example.com:443/v1?cursor=last"), byLink, ""},
		"another host":    {page("https://evil.example.com/v1?cursor=last"), byLink, "not one of the same host"},
		"another scheme":  {page("http://" + jsonHost + "/v1?cursor=last"), byLink, "not one of the same host"},
		"another port":    {page("https://" + jsonHost + ":8443/v1?cursor=last"), byLink, "not one of the same host"},
		"no host":         {page("//evil.example.com/v1"), byLink, "not one of the same host"},
		"a password":      {page("https://" + jsonHost + "@evil.example.com/"), byLink, "not one of the same host"},
		"no address":      {page("https://[::1"), byLink, "not one of the same host"},
		"itself by link":  {page("/v1?report=daily&key=planted-key&from=2026-11-01&to=2026-11-03&again=1"), byLink, "circle"},
		"itself":          {page("same"), byCursor, "circle"},
		"there and back":  {counted, byCursor, "circle"},
		"without an end":  {growing, byCursor, "more than 50 pages"},
		"a bound of ours": {growing, map[string]any{"nextField": "next", "nextParam": "cursor", "maxPages": 3}, "more than 3 pages"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			source, secret := saysJSON(t, func(w http.ResponseWriter, r *http.Request) {
				if calls++; !strings.HasPrefix(r.URL.Path, "/"+strings.ToLower(jsonHost)) && !strings.HasPrefix(r.URL.Path, "/API.example.com") {
					t.Errorf("a call to %s", r.URL)
				}
				if r.Header.Get("Authorization") != "Bearer planted-token" {
					t.Errorf("signed in as %q", r.Header.Get("Authorization"))
				}
				tt.handler(w, r)
			}, tt.changes)
			_, err := source.Extract(t.Context(), secret, "2026-11-01", "2026-11-03")
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := wantError(t, err, connector.Invalid, tt.want); strings.Contains(e.Error(), "planted") || strings.Contains(e.Error(), "evil") {
				t.Errorf("%q tells too much", e.Error())
			}
			if calls > 60 {
				t.Errorf("%d calls", calls)
			}
		})
	}
}

// What is asked for: the credential's own parameters and the days, in its form.
func TestHTTPJSONAsks(t *testing.T) {
	t.Parallel()
	var asked []string
	source, secret := saysJSON(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		_, _ = w.Write([]byte(`{"rows":[]}`))
	}, map[string]any{"dateFormat": "DD/MM/YYYY"})
	if _, err := source.Extract(t.Context(), secret, "2026-11-01", "2026-11-03"); err != nil {
		t.Fatal(err)
	}
	proof, err := source.Verify(t.Context(), secret, connector.Binding{})
	if err != nil || len(proof.Notes) != 1 || proof.TimeZone != "UTC" || proof.Currency != "" {
		t.Errorf("%+v, %v", proof, err)
	}
	yesterday := strings.ReplaceAll(time.Now().UTC().AddDate(0, 0, -1).Format("02/01/2006"), "/", "%2F")
	want := []string{
		"GET /" + jsonHost + "/v1?from=01%2F11%2F2026&key=planted-key&report=daily&to=03%2F11%2F2026",
		"GET /" + jsonHost + "/v1?from=" + yesterday + "&key=planted-key&report=daily&to=" + yesterday,
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if _, err := source.Verify(t.Context(), []byte(`{"url":"https://10.0.0.1/"}`), connector.Binding{}); err == nil {
		t.Error("a content that was never checked is used")
	}
}

// Without an override the address is the user's: what resolves to a private one is not called, whatever else is overridden.
func TestHTTPJSONStaysOutside(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(says(`{"rows":[]}`))
	t.Cleanup(server.Close)
	source, _ := connector.New(connector.Config{HTTPJSON: true, AllowPrivate: true, MetaBase: server.URL}).Source(connector.HTTPJSON)
	for _, host := range []string{"127.0.0.1", "localhost", "x.localhost", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]", "0.0.0.0"} {
		raw := `{"url":"https://` + host + `/x","dateField":"d","metrics":[{"column":"n","field":"n"}]}`
		if _, problems := source.Parse([]byte(raw)); len(problems) == 0 {
			t.Errorf("%s was accepted", host)
		}
	}
	for private, cfg := range map[bool]connector.Config{false: {AllowPrivate: true, MetaBase: server.URL}, true: {AllowPrivate: true, HTTPJSONBase: server.URL}} {
		cfg.Now = time.Now
		err := connector.CallHTTPJSON(t.Context(), cfg, server.URL)
		if private {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		wantError(t, err, connector.Unavailable, "resolves to a private address")
	}
}
