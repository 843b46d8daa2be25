package googleclient_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	analyticsdata "google.golang.org/api/analyticsdata/v1beta"

	"turkey/internal/sandbox"
)

// report asks for the days that the connector asks for.
func report(limit, offset int64) *analyticsdata.RunReportRequest {
	return &analyticsdata.RunReportRequest{
		DateRanges:    []*analyticsdata.DateRange{{StartDate: "2026-01-01", EndDate: "2026-01-31"}},
		Dimensions:    []*analyticsdata.Dimension{{Name: "date"}},
		Metrics:       []*analyticsdata.Metric{{Name: "sessions"}, {Name: "totalRevenue"}, {Name: "bounceRate"}},
		OrderBys:      []*analyticsdata.OrderBy{{Dimension: &analyticsdata.DimensionOrderBy{DimensionName: "date"}}},
		KeepEmptyRows: true, Limit: limit, Offset: offset, ReturnPropertyQuota: true,
	}
}

func (b *bench) property(share bool) string {
	b.t.Helper()
	body := map[string]any{"timeZone": "America/New_York", "currency": "USD"}
	if share {
		body["shareWith"] = b.email
	}
	var made struct{ PropertyID string }
	must(b.t, json.Unmarshal(b.control("POST", "/properties", body), &made))
	return "properties/" + made.PropertyID
}

func TestReport(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Config{})
	property := b.property(true)
	var days []string
	var count int64
	for offset := int64(0); offset == 0 || offset < count; offset += 10 {
		page, err := b.analytics.Properties.RunReport(property, report(10, offset)).Do()
		must(t, err)
		if count = page.RowCount; page.Kind != "analyticsData#runReport" || page.Metadata.TimeZone != "America/New_York" || page.Metadata.CurrencyCode != "USD" ||
			len(page.DimensionHeaders) != 1 || page.DimensionHeaders[0].Name != "date" || len(page.MetricHeaders) != 3 ||
			page.MetricHeaders[0].Type != "TYPE_INTEGER" || page.MetricHeaders[1].Type != "TYPE_CURRENCY" || page.MetricHeaders[2].Type != "TYPE_FLOAT" {
			t.Fatalf("%+v", page)
		}
		if q := page.PropertyQuota; q == nil || q.TokensPerDay.Consumed != 1 || q.TokensPerHour.Remaining < 1 || q.ConcurrentRequests.Remaining != 10 {
			t.Errorf("quota %+v", q)
		}
		if len(page.Rows) > 10 || len(page.Rows) == 0 {
			t.Errorf("%d rows from %d", len(page.Rows), offset)
		}
		for _, row := range page.Rows {
			days = append(days, row.DimensionValues[0].Value)
			for _, v := range row.MetricValues {
				if _, err := strconv.ParseFloat(v.Value, 64); err != nil {
					t.Errorf("%q is no number", v.Value)
				}
			}
		}
	}
	if int64(len(days)) != count || count < 20 || count > 31 {
		t.Fatalf("%d days of %d", len(days), count)
	}
	for i, day := range days {
		if _, err := time.Parse("20060102", day); err != nil || i > 0 && day <= days[i-1] {
			t.Errorf("%v", days)
			break
		}
	}
	nothing, err := b.analytics.Properties.RunReport(property, report(0, 1000)).Do() // no limit: Google's 10,000
	if err != nil || nothing.RowCount != count || len(nothing.Rows) != 0 {
		t.Errorf("past the end: %+v, %v", nothing, err)
	}
}

func TestAnalyticsRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Config{})
	run := b.analytics.Properties.RunReport
	_, err := run(b.property(false), report(1, 0)).Do()
	wantError(t, err, 403, "PERMISSION_DENIED", "")
	_, err = run("properties/1", report(1, 0)).Do()
	wantError(t, err, 403, "PERMISSION_DENIED", "")
	wrong := report(1, 0)
	wrong.Metrics[0].Name = "nonsense"
	_, err = run(b.property(true), wrong).Do()
	wantError(t, err, 400, "INVALID_ARGUMENT", "")
	b.control("POST", "/faults", map[string]any{"path": "/analyticsdata", "status": 429, "reason": "RATE_LIMIT_EXCEEDED"})
	_, err = run(b.property(true), report(1, 0)).Do()
	wantError(t, err, 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
	_, err = b.analytics.Properties.BatchRunReports("properties/1", &analyticsdata.BatchRunReportsRequest{}).Do()
	wantError(t, err, 404, "", "") // not played, and not answered as if it were
}
