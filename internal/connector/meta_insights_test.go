package connector_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"turkey/internal/connector"
)

func TestExtractMeta(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, secret := b.adAccount(nil)
	report, err := b.meta().Extract(t.Context(), secret, "2026-10-01", "2026-11-20")
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 51 || report.TimeZone != "America/New_York" || report.Currency != "USD" {
		t.Fatalf("%d rows, %q, %q", len(report.Rows), report.TimeZone, report.Currency)
	}
	columns := b.meta().Columns()[2:]
	empty := 0
	for i, row := range report.Rows {
		if want := time.Date(2026, 10, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly); row.Date != want {
			t.Errorf("row %d is of %s, want %s", i, row.Date, want)
		}
		for _, c := range columns {
			if !plain.MatchString(row.Metrics[c].String()) {
				t.Errorf("%s of %s = %q", c, row.Date, row.Metrics[c])
			}
		}
		if len(row.Metrics) != len(columns) || len(row.Sources) != 5 {
			t.Errorf("%s has %v, %v", row.Date, row.Metrics, row.Sources)
		}
		if row.Metrics["spend"] == "0" {
			empty++
			if row.Sources["purchases_source"] != "NOT_FOUND" || row.Sources["revenue_source"] != "NO_DATA" {
				t.Errorf("an empty day has %v", row.Sources)
			}
		}
	}
	if empty == 0 || empty > 20 {
		t.Errorf("%d empty days of 51: the sandbox should have some", empty)
	}
}

// Pages whose next carries the token, which the sandbox refuses in an address; chunks of a long range; answers that want less.
func TestExtractMetaInParts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, secret := b.adAccount(nil)
	const from, to = "2026-05-01", "2026-11-20" // 204 days: three calls
	calls := func() int { return b.calls.of("/graph/v26.0/act_1234567890/insights") }
	whole, err := b.meta().Extract(t.Context(), secret, from, to)
	if err != nil || len(whole.Rows) != 204 || calls() != 3 {
		t.Fatalf("%d rows in %d calls, %v", len(whole.Rows), calls(), err)
	}
	for name, settings := range map[string]map[string]any{"pages of 7": {"pageSize": 7}, "at most 13 days": {"maxDays": 13}} {
		before := calls()
		_, secret := b.adAccount(settings)
		parts, err := b.meta().Extract(t.Context(), secret, from, to)
		if err != nil || asJSON(t, parts.Rows) != asJSON(t, whole.Rows) {
			t.Errorf("%s: %v, or other rows", name, err)
		}
		if n := calls() - before; n < 15 || n > 60 {
			t.Errorf("%s: %d calls", name, n)
		}
	}
	// What Meta says with code 1 and with 2/1504038 halves too; for one day there is no less to ask for.
	for _, fault := range []map[string]any{
		{"code": 1, "status": 500, "reason": "Please reduce the amount of data you're asking for, then retry your request"},
		{"code": 2, "subcode": 1504038, "status": 500},
	} {
		fault["path"] = "/graph/v26.0/act_1234567890/insights"
		b.fault(fault)
		parts, err := b.meta().Extract(t.Context(), secret, "2026-11-01", "2026-11-20")
		if err != nil || asJSON(t, parts.Rows) != asJSON(t, whole.Rows[184:]) {
			t.Errorf("%v: %v, or other rows", fault, err)
		}
		b.fault(fault)
		_, err = b.meta().Extract(t.Context(), secret, "2026-11-20", "")
		wantError(t, err, connector.Unavailable, "took too long")
	}
}

func TestExtractMetaSeesCorrections(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, secret := b.adAccount(nil)
	correct := func(date string, row any) {
		b.control(http.MethodPut, "/ad-accounts/act_1234567890/days", map[string]any{"date": date, "row": row})
	}
	correct("2026-11-18", map[string]any{"spend": "1234.50", "ctr": "1.234567",
		"actions":       []any{map[string]string{"action_type": "omni_purchase", "value": "7"}},
		"action_values": []any{map[string]string{"action_type": "omni_purchase", "value": "99.90"}}, "purchase_roas": nil})
	correct("2026-11-19", nil)
	report, err := b.meta().Extract(t.Context(), secret, "2026-11-18", "2026-11-19")
	if err != nil || len(report.Rows) != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	m := report.Rows[0].Metrics
	if m["spend"] != "1234.50" || m["ctr"] != "1.234567" || m["purchases"] != "7" || m["revenue"] != "99.90" || m["roas"] != "0" || m["add_to_cart"] != "0" {
		t.Errorf("the corrected day: %v", m)
	}
	for name, n := range report.Rows[1].Metrics {
		if n != "0" {
			t.Errorf("%s of a day without delivery is %s", name, n)
		}
	}
}

// Yesterday is the account's: at noon UTC it is already the 22nd in Kiritimati.
func TestExtractMetaYesterday(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for zone, want := range map[string]string{"Pacific/Kiritimati": "2026-11-21", "Europe/Berlin": "2026-11-20", "Pacific/Pago_Pago": "2026-11-20"} {
		_, secret := b.adAccount(map[string]any{"timeZone": zone})
		for _, row := range []any{map[string]any{"spend": "1"}, nil} { // busy and empty
			b.control(http.MethodPut, "/ad-accounts/1234567890/days", map[string]any{"date": want, "row": row})
			report, err := b.meta().Extract(t.Context(), secret, "", "ignored")
			if err != nil || len(report.Rows) != 1 || report.Rows[0].Date != want || (row == nil) != (report.Rows[0].Metrics["spend"] == "0") {
				t.Errorf("%s: %+v, %v", zone, report, err)
			}
		}
	}
	_, secret := b.adAccount(nil)
	for _, span := range [][2]string{{"2026-11-20", "2026-11-19"}, {"20261120", ""}, {"2026-11-20", "x"}} {
		_, err := b.meta().Extract(t.Context(), secret, span[0], span[1])
		wantError(t, err, connector.Invalid, "Not a ")
	}
	_, err := b.meta().Extract(t.Context(), secret, "2020-01-01", "")
	wantError(t, err, connector.Invalid, "37 months")
}

// metaSays is Meta with fixed answers: the account, then the pages of insights in turn.
func metaSays(t *testing.T, pages ...string) (connector.Source, []byte) {
	t.Helper()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/insights") {
			_, _ = fmt.Fprint(w, `{"account_id":"1","name":"x","account_status":1,"timezone_name":"UTC","currency":"EUR","id":"act_1"}`)
			return
		}
		_, _ = fmt.Fprint(w, pages[min(asked, len(pages)-1)])
		asked++
	}))
	t.Cleanup(server.Close)
	source, _ := connector.New(connector.Config{MetaBase: server.URL, AllowPrivate: true, Now: func() time.Time { return start }}).Source(connector.Meta)
	content, problems := source.Parse([]byte(`{"access_token":"EAA","account_id":"1"}`))
	if problems != nil {
		t.Fatal(problems)
	}
	return source, content.JSON
}

// The rules of §7.1, one by one, on rows in the form of Meta's.
func TestMetaRules(t *testing.T) {
	t.Parallel()
	list := func(pairs ...string) string {
		var entries []string
		for i := 0; i < len(pairs); i += 2 {
			entries = append(entries, fmt.Sprintf(`{"action_type":%q,"value":%q}`, pairs[i], pairs[i+1]))
		}
		return "[" + strings.Join(entries, ",") + "]"
	}
	const pixel = "offsite_conversion.fb_pixel_purchase"
	for _, tt := range []struct{ name, fields, want string }{ // want: metric=value, in any order
		{"as delivered", `"spend":"918.75","reach":"41035","impressions":"189097","clicks":"223","cpm":"4.858618","ctr":"0.117929"`,
			"spend=918.75 reach=41035 impressions=189097 clicks=223 cpm=4.858618 ctr=0.117929 purchases=0 roas=0"},
		{"exact decimals", `"spend":"0.10","cpm":"12345678901234567890.123456789"`, "spend=0.10 cpm=12345678901234567890.123456789"},
		{"numbers in place of texts", `"spend":12.5,"clicks":3`, "spend=12.5 clicks=3"},
		{"odd figures", `"spend":null,"reach":"","impressions":"many","clicks":{},"ctr":"NaN","cpm":[1]`, "spend=0 reach=0 impressions=0 clicks=0 ctr=0 cpm=0"},
		{"views", `"actions":` + list("omni_landing_page_view", "9", "landing_page_view", "51"), "landing_page_views=51 landing_page_views_source=landing_page_view"},
		{"views, second choice", `"actions":` + list("omni_landing_page_view", "9"), "landing_page_views=9 landing_page_views_source=omni_landing_page_view"},
		{"carts", `"actions":` + list("omni_add_to_cart", "3", "offsite_conversion.fb_pixel_add_to_cart", "2"),
			"add_to_cart=2 add_to_cart_source=offsite_conversion.fb_pixel_add_to_cart"},
		{"checkouts", `"actions":` + list("omni_initiated_checkout", "3"), "initiate_checkout=3 initiate_checkout_source=omni_initiated_checkout"},
		{"checkouts, first choice", `"actions":` + list("omni_initiated_checkout", "3", "initiate_checkout", "1"), "initiate_checkout=1 initiate_checkout_source=initiate_checkout"},
		{"purchases are not added up", `"actions":` + list("omni_purchase", "3", pixel, "2", "purchase", "1"), "purchases=1 purchases_source=purchase"},
		{"present counts, even as zero", `"actions":` + list("purchase", "0", "omni_purchase", "3"), "purchases=0 purchases_source=purchase"},
		{"the last choice", `"actions":` + list("web_in_store_purchase", "4"), "purchases=4 purchases_source=web_in_store_purchase"},
		{"an order of its own", `"actions":` + list("onsite_web_app_purchase", "5", "onsite_web_purchase", "4"), "purchases=4 purchases_source=onsite_web_purchase"},
		{"no purchase", `"actions":` + list("link_click", "4"), "purchases=0 purchases_source=NOT_FOUND landing_page_views_source=NOT_FOUND revenue_source=NO_DATA"},
		{"similar names", `"actions":` + list("purchases", "4", "Purchase", "4"), "purchases=0 purchases_source=NOT_FOUND"},
		{"revenue", `"action_values":` + list(pixel, "20.5", "purchase", "10.10"), "revenue=10.10 revenue_source=purchase"},
		{"revenue above zero", `"action_values":` + list("purchase", "0.00", pixel, "-3", "omni_purchase", "7.5"), "revenue=7.5 revenue_source=omni_purchase"},
		{"no revenue", `"action_values":` + list("purchase", "0"), "revenue=0 revenue_source=NO_PURCHASE_FOUND"},
		{"values of other actions", `"action_values":` + list("add_to_cart", "5"), "revenue=0 revenue_source=NO_PURCHASE_FOUND"},
		{"no values", `"action_values":[]`, "revenue=0 revenue_source=NO_DATA"},
		{"roas of the revenue's type", `"action_values":` + list("purchase", "5") + `,"purchase_roas":` + list("omni_purchase", "2.5", "purchase", "3.5"), "roas=3.5"},
		{"the first roas", `"action_values":` + list("purchase", "5") + `,"purchase_roas":` + list("omni_purchase", "2.5", pixel, "9"), "roas=2.5"},
		{"roas without revenue", `"purchase_roas":` + list("omni_purchase", "2.5"), "roas=2.5 revenue=0"},
		{"a plain roas", `"purchase_roas":"1.75"`, "roas=1.75"},
		{"a roas without its type", `"purchase_roas":[{"value":"4.25"}]`, "roas=4.25"},
		{"an empty roas", `"purchase_roas":[]`, "roas=0"},
		{"odd lists", `"actions":{"purchase":3},"action_values":"5","purchase_roas":null`, "purchases=0 revenue=0 revenue_source=NO_PURCHASE_FOUND roas=0"},
		{"odd entries", `"actions":[1,null,"x",{"action_type":"purchase"},{"action_type":7,"value":3}]`, "purchases=0 purchases_source=purchase"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source, secret := metaSays(t, `{"data":[{"date_start":"2026-11-20","date_stop":"2026-11-20",`+tt.fields+`}],"paging":{"cursors":{"before":"MAZDZD","after":"MAZDZD"}}}`)
			report, err := source.Extract(t.Context(), secret, "2026-11-20", "")
			if err != nil || len(report.Rows) != 1 {
				t.Fatalf("%+v, %v", report, err)
			}
			for pair := range strings.FieldsSeq(tt.want) {
				name, want, _ := strings.Cut(pair, "=")
				got := report.Rows[0].Metrics[name].String()
				if strings.HasSuffix(name, "_source") {
					got = report.Rows[0].Sources[name]
				}
				if got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
		})
	}
}

// Each column's types by rank, as the contract lists them: of those from a rank on, in the wrong order, the first one counts.
func TestMetaRanks(t *testing.T) {
	t.Parallel()
	purchases := strings.Fields("purchase offsite_conversion.fb_pixel_purchase omni_purchase onsite_web_purchase onsite_web_app_purchase web_in_store_purchase")
	for column, ranks := range map[string][]string{
		"landing_page_views": strings.Fields("landing_page_view omni_landing_page_view"),
		"add_to_cart":        strings.Fields("add_to_cart offsite_conversion.fb_pixel_add_to_cart omni_add_to_cart"),
		"initiate_checkout":  strings.Fields("initiate_checkout offsite_conversion.fb_pixel_initiate_checkout omni_initiated_checkout"),
		"purchases":          purchases,
		"revenue":            purchases,
	} {
		field := map[bool]string{true: "action_values", false: "actions"}[column == "revenue"]
		for from := range ranks {
			var entries []string
			for i := len(ranks) - 1; i >= from; i-- {
				entries = append(entries, fmt.Sprintf(`{"action_type":%q,"value":"%d"}`, ranks[i], i+1))
			}
			row, err := connector.MetaRow([]byte(`{"` + field + `":[` + strings.Join(entries, ",") + `]}`))
			if want := json.Number(fmt.Sprint(from + 1)); err != nil || row.Metrics[column] != want || row.Sources[column+"_source"] != ranks[from] {
				t.Errorf("%s from %s on: %s from %s, %v", column, ranks[from], row.Metrics[column], row.Sources[column+"_source"], err)
			}
		}
	}
}

// Answers that the sandbox would never give.
func TestMetaImplausibleAnswers(t *testing.T) {
	t.Parallel()
	row := func(first, last string) string {
		return fmt.Sprintf(`{"date_start":%q,"date_stop":%q,"spend":"1"}`, first, last)
	}
	data := func(rows ...string) string { return `{"data":[` + strings.Join(rows, ",") + `]}` }
	next := func(after string, rows ...string) string {
		return `{"data":[` + strings.Join(rows, ",") + `],"paging":{"cursors":{"after":"` + after + `"},"next":"http://127.0.0.1:1/"}}`
	}
	day := row("2026-11-19", "2026-11-19")
	for _, tt := range []struct {
		name  string
		pages []string
		text  string
	}{
		{"a day twice", []string{data(day, day)}, "several rows for 2026-11-19"},
		{"a day twice, on two pages", []string{next("a", day), data(day)}, "several rows"},
		{"a day that was not asked for", []string{data(row("2026-11-18", "2026-11-18"))}, "not asked for"},
		{"several days in one", []string{data(row("2026-11-19", "2026-11-20"))}, "several days"},
		{"no date", []string{data(`{"spend":"1"}`)}, "without a date"},
		{"more days than asked for", []string{data(day, row("2026-11-20", "2026-11-20"), row("2026-11-21", "2026-11-21"))}, "other pages"},
		{"pages without an end", []string{next("a"), next("b"), next("a"), next("b"), next("a")}, "other pages"},
		{"the same page again", []string{next("a", day), next("a")}, "other pages"},
		{"a next page without a cursor", []string{next("", day)}, "other pages"},
		{"no list", []string{`{}`}, "another form"},
		{"null in place of a list", []string{`{"data":null}`}, "another form"},
		{"another form", []string{`{"data":7}`}, "unknown form"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source, secret := metaSays(t, tt.pages...)
			_, err := source.Extract(t.Context(), secret, "2026-11-19", "2026-11-20")
			wantError(t, err, connector.Unavailable, tt.text)
		})
	}
	source, secret := metaSays(t, next("a"), data(day)) // an empty page in between is no end
	report, err := source.Extract(t.Context(), secret, "2026-11-19", "2026-11-20")
	if err != nil || len(report.Rows) != 2 || report.Rows[0].Metrics["spend"] != "1" || report.Rows[1].Metrics["spend"] != "0" {
		t.Errorf("an empty page: %+v, %v", report, err)
	}
}

func FuzzMetaInsight(f *testing.F) {
	f.Add([]byte(`{"date_start":"2026-11-20","date_stop":"2026-11-20","spend":"1.5","actions":[{"action_type":"purchase","value":"2"}]}`))
	f.Add([]byte(`{"date_start":"2026-11-20","purchase_roas":"1e400","action_values":[{"action_type":"omni_purchase","value":1e3}]}`))
	f.Add([]byte(`{"actions":[[],{},null,{"action_type":["x"]}],"cpm":{"a":1}}`))
	source, _ := connector.New(connector.Config{}).Source(connector.Meta)
	columns := source.Columns()[2:]
	f.Fuzz(func(t *testing.T, raw []byte) {
		row, err := connector.MetaRow(raw)
		if err != nil {
			return
		}
		if len(row.Metrics) != len(columns) || len(row.Sources) != 5 {
			t.Fatalf("row = %+v", row)
		}
		for _, c := range columns {
			if n := row.Metrics[c]; !plain.MatchString(n.String()) || !json.Valid([]byte(n)) {
				t.Fatalf("%s = %q", c, n)
			}
		}
		if !slices.Contains([]string{"NO_DATA", "NO_PURCHASE_FOUND"}, row.Sources["revenue_source"]) && strings.HasPrefix(row.Metrics["revenue"].String(), "-") {
			t.Fatalf("revenue = %s", row.Metrics["revenue"])
		}
	})
}
