package connector_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"turkey/internal/connector"
)

func TestVerifyGA4(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, secret := b.property("America/New_York")
	proof, err := b.verify(connector.GA4, secret, connector.Binding{})
	if err != nil || proof.ConnectedAs != b.email || proof.TimeZone != "America/New_York" || proof.Currency != "EUR" {
		t.Fatalf("Verify = %+v, %v", proof, err)
	}
	_, err = b.verify(connector.GA4, b.secret(connector.GA4, b.key), connector.Binding{})
	if e := wantError(t, err, connector.Invalid, ""); e.Message != "Missing property_id" {
		t.Errorf("message = %q", e.Message)
	}
	b.control(http.MethodPut, "/properties/"+id+"/sharing", map[string]string{"email": b.email, "role": "none"})
	_, err = b.verify(connector.GA4, secret, connector.Binding{})
	wantError(t, err, connector.Forbidden, "add "+b.email)
}

func TestVerifyGA4OAuth(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.control(http.MethodPost, "/oauth-clients", map[string]any{"expiresIn": 7 * 24 * 3600})
	b.control(http.MethodPost, "/properties", map[string]any{"propertyId": "77", "shareWith": client["client_id"]})
	content := map[string]any{
		"refresh_token": client["refresh_token"], "client_id": client["client_id"], "client_secret": client["client_secret"],
		"property_id": "properties/77",
	}
	secret := b.secret(connector.GA4, content)
	proof, err := b.verify(connector.GA4, secret, connector.Binding{})
	if err != nil || proof.ConnectedAs != "properties/77" || proof.TimeZone != "Europe/Berlin" {
		t.Fatalf("Verify = %+v, %v", proof, err)
	}
	if want := start.Add(7 * 24 * time.Hour); proof.ExpiresAt == nil || !proof.ExpiresAt.Equal(want) {
		t.Errorf("ExpiresAt = %v, want %v", proof.ExpiresAt, want)
	}
	if _, err := b.source().Extract(t.Context(), secret, "2026-11-01", "2026-11-02"); err != nil {
		t.Errorf("Extract: %v", err)
	}

	content["client_secret"] = "wrong"
	_, err = b.verify(connector.GA4, b.secret(connector.GA4, content), connector.Binding{})
	wantError(t, err, connector.Rejected, "client_id and client_secret")
	b.control(http.MethodDelete, "/oauth-clients/"+client["client_id"].(string), nil)
	_, err = b.verify(connector.GA4, secret, connector.Binding{})
	wantError(t, err, connector.Rejected, "connect the Google account again")
}

func TestVerifyGA4WithoutScope(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.control(http.MethodPost, "/oauth-clients", map[string]any{"scopes": []string{"spreadsheets"}})
	b.control(http.MethodPost, "/properties", map[string]any{"propertyId": "77", "shareWith": client["client_id"]})
	client["property_id"] = "77"
	_, err := b.verify(connector.GA4, b.secret(connector.GA4, client), connector.Binding{})
	wantError(t, err, connector.Forbidden, "analytics.readonly")
}

func TestExtract(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, secret := b.property("Europe/Berlin")
	report, err := b.source().Extract(t.Context(), secret, "2026-10-01", "2026-11-20")
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 51 || report.TimeZone != "Europe/Berlin" || report.Currency != "EUR" {
		t.Fatalf("%d rows, %q, %q", len(report.Rows), report.TimeZone, report.Currency)
	}
	columns := b.source().Columns()[2:]
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
		if len(row.Metrics) != len(columns) || row.Metrics["ad_spend"] != "0" {
			t.Errorf("%s has %v", row.Date, row.Metrics)
		}
		if row.Metrics["sessions"] == "0" {
			empty++
		}
	}
	if empty == 0 || empty > 20 {
		t.Errorf("%d empty days of 51: the sandbox should have some", empty)
	}

	b.set.SetGA4PageSize(7)
	paged, err := b.source().Extract(t.Context(), secret, "2026-10-01", "2026-11-20")
	if err != nil || !slices.EqualFunc(paged.Rows, report.Rows, equalRow) {
		t.Errorf("in pages of 7: %v, or other rows", err)
	}

	b.control(http.MethodPut, "/properties/"+id+"/days", map[string]any{
		"date": "2026-11-18", "metrics": map[string]float64{"sessions": 1234, "totalRevenue": 99.5, "bounceRate": 0.25},
	})
	one, err := b.source().Extract(t.Context(), secret, "2026-11-18", "")
	if err != nil || len(one.Rows) != 1 {
		t.Fatalf("one day: %+v, %v", one, err)
	}
	m := one.Rows[0].Metrics
	if m["sessions"] != "1234" || m["revenue"] != "99.5" || m["bounce_rate"] != "0.25" {
		t.Errorf("the corrected day: %v", m)
	}
}

// Yesterday is the property's: at noon UTC it is already the 22nd in Kiritimati.
func TestExtractYesterday(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{"Pacific/Kiritimati": "2026-11-21", "Europe/Berlin": "2026-11-20", "Pacific/Pago_Pago": "2026-11-20"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			_, secret := b.property(zone)
			for range 40 { // forty yesterdays meet both empty and busy ones
				report, err := b.source().Extract(t.Context(), secret, "", "ignored")
				if err != nil || len(report.Rows) != 1 || report.Rows[0].Date != want {
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

func TestExtractRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, secret := b.property("Europe/Berlin")
	for _, span := range [][2]string{{"2026-11-20", "2026-11-19"}, {"20261120", ""}, {"2026-11-20", "x"}, {"0001-01-01", "2026-01-01"}} {
		_, err := b.source().Extract(t.Context(), secret, span[0], span[1])
		wantError(t, err, connector.Invalid, "Not a ")
	}
	b.fault(map[string]any{"path": "/analyticsdata", "status": 429})
	_, err := b.source().Extract(t.Context(), secret, "2026-11-20", "")
	wantError(t, err, connector.Limited, "Data API")
}

// Answers that the sandbox would never give.
func TestExtractImplausibleAnswers(t *testing.T) {
	t.Parallel()
	const head = `{"metricHeaders":[{"name":"sessions"}],"metadata":{"timeZone":"UTC"},`
	row := func(day, value string) string {
		return fmt.Sprintf(`{"dimensionValues":[{"value":%q}],"metricValues":[{"value":%q}]}`, day, value)
	}
	tests := []struct{ name, body, text string }{
		{"twice", head + `"rowCount":2,"rows":[` + row("20261120", "1") + "," + row("20261120", "2") + `]}`, "several rows"},
		{"another day", head + `"rowCount":1,"rows":[` + row("20261119", "1") + `]}`, "not asked for"},
		{"other", head + `"rowCount":1,"rows":[` + row("(other)", "1") + `]}`, "without a date"},
		{"no dimension", head + `"rowCount":1,"rows":[{"metricValues":[{"value":"1"}]}]}`, "another form"},
		{"incomplete", head + `"rowCount":5}`, "incomplete"},
		{"wrong form", `{"rows":1}`, "unknown form"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source, secret := fixed(t, tt.body)
			_, err := source.Extract(t.Context(), secret, "2026-11-20", "")
			wantError(t, err, connector.Unavailable, tt.text)
		})
	}
	source, secret := fixed(t, head+`"rowCount":1,"rows":[`+row("20261120", "NaN")+`]}`)
	report, err := source.Extract(t.Context(), secret, "2026-11-20", "")
	if err != nil || report.Rows[0].Metrics["sessions"] != "0" || report.Rows[0].Metrics["users"] != "0" {
		t.Errorf("invalid and absent figures: %+v, %v", report, err)
	}
	source, secret = fixed(t, `{"metadata":{}}`)
	_, err = source.Extract(t.Context(), secret, "", "")
	wantError(t, err, connector.Unavailable, "time zone")
}

// fixed is GA4 with one fixed answer.
func fixed(t *testing.T, body string) (connector.Source, []byte) {
	t.Helper()
	b := setup(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	cfg := b.cfg
	cfg.GADataBase = server.URL
	source, _ := connector.New(cfg).Source(connector.GA4)
	return source, b.secret(connector.GA4, b.with(map[string]string{"property_id": "1"}))
}

var plain = regexp.MustCompile(`^-?\d+(\.\d+)?$`)

func TestNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]json.Number{
		"12": "12", "0.43518518518518517": "0.43518518518518517", "1234.50": "1234.50", "-3.2": "-3.2", "1.5E-5": "0.000015", "1e3": "1000",
		"": "0", "abc": "0", "NaN": "0", "Infinity": "0", "0x10": "0", "1_000": "0", "1,5": "0", "1e400": "0", "007": "7", " 5 ": "5", "+5": "5",
	} {
		if got := connector.Number(text); got != want {
			t.Errorf("number(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzNumber(f *testing.F) {
	for _, text := range []string{"1", "-0.5", "1e-7", "Inf", "99999999999999999999999999999999.5", "1e29", "0x1p-2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := connector.Number(text)
		if !plain.MatchString(got.String()) || !json.Valid([]byte(got)) {
			t.Fatalf("number(%q) = %q", text, got)
		}
	})
}

func equalRow(a, b connector.Row) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && strings.EqualFold(string(x), string(y))
}
