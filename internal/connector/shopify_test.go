package connector_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"turkey/internal/connector"
)

const testShop = "tea-and-cake.myshopify.com"

// shop makes a credential of a kind for testShop and returns what the vault would seal.
func (b *bench) shop(kind string) []byte {
	b.t.Helper()
	return b.secret(connector.Shopify, b.control(http.MethodPost, "/shops?kind="+kind, map[string]any{"shop": testShop, "name": "Tea & Cake"}))
}

func (b *bench) changeShop(change map[string]any) {
	b.t.Helper()
	b.control(http.MethodPut, "/shops/"+testShop, change)
}

func (b *bench) shopify() connector.Source {
	b.t.Helper()
	source, ok := b.set.Source(connector.Shopify)
	if !ok {
		b.t.Fatal("no source shopify")
	}
	return source
}

func TestVerifyShopify(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.shop("permanent")
	proof, err := b.verify(connector.Shopify, secret, connector.Binding{})
	if err != nil || proof.ConnectedAs != "Tea & Cake" || proof.TimeZone != "Europe/Berlin" || proof.Currency != "EUR" || proof.ExpiresAt != nil ||
		!slices.Equal(proof.Scopes, []string{"read_reports", "read_customers"}) || proof.Notes != nil {
		t.Fatalf("Verify = %+v, %v", proof, err)
	}
	if n := b.calls.under("/shopify"); n != 1 {
		t.Errorf("%d calls", n)
	}
	b.changeShop(map[string]any{"serves": "2027-01"})
	proof, err = b.verify(connector.Shopify, secret, connector.Binding{})
	if err != nil || len(proof.Notes) != 1 || !strings.Contains(proof.Notes[0], "2027-01") {
		t.Errorf("another version: %+v, %v", proof, err)
	}
	b.changeShop(map[string]any{"scopes": []string{"read_orders"}})
	_, err = b.verify(connector.Shopify, secret, connector.Binding{})
	if e := wantError(t, err, connector.Forbidden, ""); e.Message != "Missing scope read_reports" {
		t.Errorf("message = %q", e.Message)
	}
	_, err = b.shopify().Extract(t.Context(), secret, "2026-11-01", "")
	wantError(t, err, connector.Forbidden, "protected customer data (level 2)")
	b.changeShop(map[string]any{"scopes": []string{"read_reports"}, "unapproved": true})
	_, err = b.shopify().Extract(t.Context(), secret, "2026-11-01", "")
	wantError(t, err, connector.Forbidden, "protected customer data (level 2)")
	b.control(http.MethodDelete, "/shops/"+testShop+"/app", nil)
	_, err = b.verify(connector.Shopify, secret, connector.Binding{})
	wantError(t, err, connector.Rejected, "access token")
}

func TestShopifyFailures(t *testing.T) {
	t.Parallel()
	fault := func(f map[string]any) func(*bench) {
		return func(b *bench) {
			f["path"] = "/shopify"
			b.fault(f)
		}
	}
	change := func(c map[string]any) func(*bench) { return func(b *bench) { b.changeShop(c) } }
	tests := []struct {
		name    string
		arrange func(*bench)
		reason  connector.Reason
		text    string
		wait    time.Duration
	}{
		{"refused token", fault(map[string]any{"status": 401}), connector.Rejected, "access token", 0},
		{"frozen", change(map[string]any{"status": 402}), connector.Forbidden, "frozen", 0},
		{"denied", fault(map[string]any{"status": 403}), connector.Forbidden, "read_reports", 0},
		{"wrong shop", fault(map[string]any{"status": 404}), connector.NotFound, "Shop not found: " + testShop, 0},
		{"locked", change(map[string]any{"status": 423}), connector.Forbidden, "locked", 0},
		{"limited", fault(map[string]any{"status": 429, "retryAfter": 2}), connector.Limited, "limits", 2 * time.Second},
		{"odd", fault(map[string]any{"status": 418}), connector.Invalid, "418", 0},
		{"down", fault(map[string]any{"status": 503, "retryAfter": 5}), connector.Unavailable, "not available", 5 * time.Second},
		{"redirect", fault(map[string]any{"status": 301}), connector.Unavailable, "redirect", 0},
		{"a page", fault(map[string]any{"html": true}), connector.Unavailable, "JSON", 0},
		{"cut", fault(map[string]any{"cut": true}), connector.Unavailable, "reached", 0},
		{"inside", change(map[string]any{"errors": []string{"INTERNAL_SERVER_ERROR"}}), connector.Unavailable, "finish", 0},
		{"inactive", change(map[string]any{"errors": []string{"SHOP_INACTIVE"}}), connector.Forbidden, "not active", 0},
		{"unknown code", change(map[string]any{"errors": []string{"SOMETHING_NEW"}}), connector.Invalid, "refused the query", 0},
		// 25 points are asked for, at 100 a second.
		{"throttled", change(map[string]any{"available": 1}), connector.Limited, "quota", time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			secret := b.shop("permanent")
			tt.arrange(b)
			_, err := b.shopify().Extract(t.Context(), secret, "2026-11-01", "")
			if e := wantError(t, err, tt.reason, tt.text); e.RetryAfter != tt.wait {
				t.Errorf("RetryAfter = %v, want %v", e.RetryAfter, tt.wait)
			}
			b.changeShop(map[string]any{"status": 0})
			b.clock.advance(tt.wait)
			if _, err := b.shopify().Extract(t.Context(), secret, "2026-11-01", ""); err != nil {
				t.Errorf("once it is over: %v", err)
			}
		})
	}
}

func TestThrottledShopNamesTheWait(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]time.Duration{
		`{"requestedQueryCost":752,"throttleStatus":{"currentlyAvailable":666,"restoreRate":50}}`: 2 * time.Second,
		`{"requestedQueryCost":10,"throttleStatus":{"currentlyAvailable":666,"restoreRate":50}}`:  time.Second,
		`{"requestedQueryCost":1e9,"throttleStatus":{"currentlyAvailable":0,"restoreRate":1}}`:    time.Hour,
		`{"requestedQueryCost":10}`: 0,
	} {
		source, secret := fixedShop(t, `{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],"extensions":{"cost":`+body+`}}`)
		_, err := source.Extract(t.Context(), secret, "2026-11-20", "")
		if e := wantError(t, err, connector.Limited, "quota"); e.RetryAfter != want {
			t.Errorf("%s: RetryAfter = %v, want %v", body, e.RetryAfter, want)
		}
	}
}

func TestExtractShopify(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.shop("permanent")
	report, err := b.shopify().Extract(t.Context(), secret, "2026-10-01", "2026-11-20")
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 51 || report.TimeZone != "Europe/Berlin" || report.Currency != "EUR" {
		t.Fatalf("%d rows, %q, %q", len(report.Rows), report.TimeZone, report.Currency)
	}
	columns := b.shopify().Columns()
	if want := "id date total_orders total_revenue net_revenue total_returns new_customers repeat_customers total_sessions aov"; strings.Join(columns, " ") != want {
		t.Errorf("columns %v", columns)
	}
	if b.shopify().Window() != 28 {
		t.Errorf("window %d", b.shopify().Window())
	}
	empty := 0
	for i, row := range report.Rows {
		if want := time.Date(2026, 10, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly); row.Date != want {
			t.Errorf("row %d is of %s, want %s", i, row.Date, want)
		}
		for _, c := range columns[2:] {
			if text := row.Metrics[c].String(); !plain.MatchString(text) || text[0] == '-' {
				t.Errorf("%s of %s = %q", c, row.Date, text)
			}
		}
		if len(row.Metrics) != len(columns)-2 {
			t.Errorf("%s has %v", row.Date, row.Metrics)
		}
		if row.Metrics["total_sessions"] == "0" {
			empty++
		}
	}
	if empty == 0 || empty > 20 {
		t.Errorf("%d empty days of 51: the sandbox should have some", empty)
	}

	correct := func(metrics map[string]float64) map[string]json.Number {
		t.Helper()
		b.control(http.MethodPut, "/shops/"+testShop+"/days", map[string]any{"date": "2026-11-18", "metrics": metrics})
		one, err := b.shopify().Extract(t.Context(), secret, "2026-11-18", "")
		if err != nil || len(one.Rows) != 1 {
			t.Fatalf("one day: %+v, %v", one, err)
		}
		return one.Rows[0].Metrics
	}
	m := correct(map[string]float64{"orders": 3, "total_sales": 100, "net_sales": 80.5, "returns": -12.25, "new_customers": 1, "returning_customers": 2, "sessions": 70})
	want := map[string]json.Number{"total_orders": "3", "total_revenue": "100.00", "net_revenue": "80.50", "total_returns": "12.25",
		"new_customers": "1", "repeat_customers": "2", "total_sessions": "70", "aov": "33.33"}
	for c, w := range want {
		if m[c] != w {
			t.Errorf("%s = %s, want %s", c, m[c], w)
		}
	}
	if m := correct(map[string]float64{"orders": 0, "total_sales": -5}); m["aov"] != "0" || m["total_revenue"] != "-5.00" {
		t.Errorf("a day without orders: %v", m)
	}
}

// Ranges longer than a query may be are asked for in parts that fit together.
func TestExtractShopifyLongRange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.shop("permanent")
	before := b.calls.under("/shopify")
	report, err := b.shopify().Extract(t.Context(), secret, "2023-11-21", "2026-11-20")
	if err != nil || len(report.Rows) != 1096 {
		t.Fatalf("%d rows, %v", len(report.Rows), err)
	}
	if n := b.calls.under("/shopify") - before; n != 3 {
		t.Errorf("%d calls", n)
	}
	for i, row := range report.Rows {
		if want := time.Date(2023, 11, 21+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly); row.Date != want {
			t.Fatalf("row %d is of %s, want %s", i, row.Date, want)
		}
	}
}

func TestExtractShopifyYesterday(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{"Pacific/Kiritimati": "2026-11-21", "Europe/Berlin": "2026-11-20", "Pacific/Pago_Pago": "2026-11-20"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			secret := b.secret(connector.Shopify, b.control(http.MethodPost, "/shops", map[string]any{"shop": testShop, "timeZone": zone}))
			for range 40 { // forty yesterdays meet both empty and busy ones
				report, err := b.shopify().Extract(t.Context(), secret, "", "ignored")
				if err != nil || len(report.Rows) != 1 || report.Rows[0].Date != want || report.TimeZone != zone {
					t.Fatalf("Extract = %+v, %v, want the day %s", report, err, want)
				}
				b.clock.advance(24 * time.Hour)
				day, err := time.Parse(time.DateOnly, want)
				if err != nil {
					t.Fatal(err)
				}
				want = day.AddDate(0, 0, 1).Format(time.DateOnly)
			}
		})
	}
}

// shopTable is an answer to a report with the table's columns and rows as given.
func shopTable(columns, rows string) string {
	return `{"data":{"shop":{"id":"1","ianaTimezone":"UTC","currencyCode":"EUR"},"shopifyqlQuery":{"parseErrors":[],"tableData":{"columns":[` +
		columns + `],"rows":` + rows + `}}}}`
}

const shopColumns = `{"name":"sessions"},{"name":"day"},{"name":"orders"},{"name":"total_sales"},{"name":"net_sales"},{"name":"returns"},` +
	`{"name":"new_customers"},{"name":"returning_customers"}`

// Answers that the sandbox would never give.
func TestExtractShopifyImplausibleAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		reason     connector.Reason
		text       string
	}{
		{"twice", shopTable(shopColumns, `[{"day":"2026-11-20"},{"day":"2026-11-20T00:00:00Z"}]`), connector.Unavailable, "several rows"},
		{"another day", shopTable(shopColumns, `[{"day":"2026-11-19"}]`), connector.Unavailable, "not asked for"},
		{"no day", shopTable(shopColumns, `[{"day":null}]`), connector.Unavailable, "without a day"},
		{"an hour", shopTable(shopColumns, `[{"day":"2026-11-20T13:00:00"}]`), connector.Unavailable, "without a day"},
		{"renamed column", shopTable(strings.Replace(shopColumns, "net_sales", "net", 1), `[{"day":"2026-11-20"}]`), connector.Unavailable, "column net_sales"},
		{"no table", `{"data":{"shopifyqlQuery":{"parseErrors":[],"tableData":null}}}`, connector.Unavailable, "without the report"},
		{"no data", `{"data":null}`, connector.Unavailable, "without data"},
		{"wrong form", `{"data":{"shopifyqlQuery":{"parseErrors":7}}}`, connector.Unavailable, "unknown form"},
		{"wrong row", shopTable(shopColumns, `["x"]`), connector.Unavailable, "unknown form"},
		{"parse errors", `{"data":{"shopifyqlQuery":{"parseErrors":["Line 1: no such column shpat_0123"],"tableData":null}}}`, connector.Invalid, "does not understand"},
		{"data beside an error", strings.TrimSuffix(shopTable(shopColumns, `[]`), "}") + `,"errors":[{"message":"x","extensions":{"code":"ACCESS_DENIED"}}]}`,
			connector.Forbidden, "read_reports"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source, secret := fixedShop(t, tt.body)
			_, err := source.Extract(t.Context(), secret, "2026-11-20", "")
			e := wantError(t, err, tt.reason, tt.text)
			if strings.Contains(e.Error(), "shpat_") {
				t.Errorf("the cause quotes a token: %v", e.Cause)
			}
		})
	}
	for name, rows := range map[string]string{
		"objects": `[{"day":"2026-11-20","sessions":"7","orders":"2","total_sales":"10.01","net_sales":9.5,"returns":"-1.50","new_customers":null,"returning_customers":"NaN"}]`,
		"lists":   `[["7","2026-11-20",2,"10.01","9.5",1.50,"",[1]]]`,
	} {
		source, secret := fixedShop(t, shopTable(shopColumns, rows))
		report, err := source.Extract(t.Context(), secret, "2026-11-20", "")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m := report.Rows[0].Metrics
		if got := fmt.Sprintln(m["total_sessions"], m["total_orders"], m["total_revenue"], m["net_revenue"], m["total_returns"], m["new_customers"],
			m["repeat_customers"], m["aov"]); got != "7 2 10.01 9.5 1.50 0 0 5.01\n" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// fixedShop is a shop with one fixed answer.
func fixedShop(t testing.TB, body string) (connector.Source, []byte) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	source, _ := connector.New(connector.Config{ShopifyBase: server.URL, AllowPrivate: true}).Source(connector.Shopify)
	content, problems := source.Parse([]byte(`{"shop_url":"` + testShop + `","access_token":"shpat_x"}`))
	if problems != nil {
		t.Fatal(problems)
	}
	return source, content.JSON
}

// A provider that repeats everything it was sent must not get a secret into an error.
func TestShopifyErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	const accessToken, refreshToken, clientSecret = "shpat_planted-access", "plantedrefresh", "shpss_planted&secret"
	var body atomic.Value
	var status atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		all := r.Header.Get("X-Shopify-Access-Token") + " " + string(sent) + " " + accessToken + " " + refreshToken + " " + clientSecret
		w.WriteHeader(int(status.Load()))
		encoded, err := json.Marshal(all)
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(body.Load().(string), "ALL", strings.Trim(string(encoded), `"`)))
	}))
	t.Cleanup(evil.Close)
	set := connector.New(connector.Config{ShopifyBase: evil.URL, AllowPrivate: true})
	renewer, _ := set.Renewer(connector.Shopify)
	source, _ := set.Source(connector.Shopify)
	raw, err := json.Marshal(map[string]any{"shop_url": testShop, "access_token": accessToken, "refresh_token": refreshToken, "client_id": "planted-id", "client_secret": clientSecret})
	if err != nil {
		t.Fatal(err)
	}
	content, problems := renewer.Parse(raw)
	if problems != nil {
		t.Fatal(problems)
	}
	for _, answer := range []string{
		`{"errors":"ALL"}`, `{"errors":[{"message":"ALL","extensions":{"code":"ALL"}}]}`, `{"errors":[{"message":"ALL","extensions":{"code":"THROTTLED"}}]}`,
		`{"error":"ALL","error_description":"ALL"}`, `<html>Oauth error ALL`, `<html>Oauth error invalid_client: ALL`, `"ALL"`, `["ALL"]`,
		`{"data":{"shopifyqlQuery":{"parseErrors":["ALL"]}}}`, shopTable(shopColumns, `[{"day":"ALL"}]`), shopTable(`{"name":"ALL"}`, `[{"day":"x"}]`),
	} {
		for _, code := range []int64{200, 400, 401, 403, 404, 422, 429, 500} {
			body.Store(answer)
			status.Store(code)
			_, verified := source.Verify(t.Context(), content.JSON, connector.Binding{})
			_, extracted := source.Extract(t.Context(), content.JSON, "2026-11-20", "")
			_, renewed := renewer.Renew(t.Context(), content.JSON, nil)
			for call, err := range map[string]error{"Verify": verified, "Extract": extracted, "Renew": renewed} {
				if err == nil {
					t.Errorf("%s of %s with %d: no error", call, answer, code)
				} else if strings.Contains(fmt.Sprintf("%v %+v", err, err), "planted") {
					t.Errorf("%s of %s with %d: the error holds a secret: %v", call, answer, code, err)
				}
			}
		}
	}
}
