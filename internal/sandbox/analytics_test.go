package sandbox_test

import (
	"net/http"
	"reflect"
	"testing"
)

func (b *bench) report(body map[string]any) (int, map[string]any) {
	b.t.Helper()
	return b.do(http.MethodPost, "/analyticsdata/v1beta/properties/424242:runReport", b.token(gaScope), body)
}

func span(from, to string) []any {
	return []any{map[string]string{"startDate": from, "endDate": to}}
}

func names(list ...string) []any {
	out := []any{}
	for _, n := range list {
		out = append(out, map[string]string{"name": n})
	}
	return out
}

func setupProperty(t *testing.T) *bench {
	t.Helper()
	b := setup(t)
	b.ok(http.MethodPost, "/_sandbox/properties", "", map[string]string{
		"propertyId": "424242", "timeZone": "Pacific/Kiritimati", "currency": "AUD", "shareWith": b.key["client_email"],
	})
	return b
}

func TestRunReport(t *testing.T) {
	t.Parallel()
	b := setupProperty(t)
	ask := map[string]any{
		"dateRanges": span("2026-10-01", "2026-10-31"), "dimensions": names("date"), "metrics": names("sessions", "totalRevenue"),
		"orderBys":            []any{map[string]any{"dimension": map[string]string{"dimensionName": "date"}}},
		"returnPropertyQuota": true,
	}
	_, first := b.report(ask)
	_, second := b.report(ask)
	rows, _ := first["rows"].([]any)
	if !reflect.DeepEqual(first["rows"], second["rows"]) || first["rowCount"] != float64(len(rows)) || len(rows) < 20 || len(rows) == 31 {
		t.Fatalf("%d rows of %v; some days should be empty", len(rows), first["rowCount"])
	}
	if !reflect.DeepEqual(first["metadata"], map[string]any{"currencyCode": "AUD", "timeZone": "Pacific/Kiritimati"}) {
		t.Errorf("metadata = %v", first["metadata"])
	}
	quota, _ := second["propertyQuota"].(map[string]any)
	if day, _ := quota["tokensPerDay"].(map[string]any); day["remaining"] != 199_998.0 {
		t.Errorf("quota = %v", quota)
	}
	ask["limit"], ask["offset"] = "10", 5 // int64 as text or number
	_, page := b.report(ask)
	if !reflect.DeepEqual(page["rows"], rows[5:15]) || page["rowCount"] != first["rowCount"] {
		t.Errorf("a page = %v", page)
	}
	ask["offset"] = "1000"
	if _, page := b.report(ask); page["rows"] != nil {
		t.Errorf("past the end = %v", page)
	}
	delete(ask, "dimensions")
	delete(ask, "offset")
	if _, total := b.report(ask); total["rowCount"] != 1.0 {
		t.Errorf("total = %v", total)
	}
}

// At noon UTC it is the 22nd in Kiritimati.
func TestRunReportDates(t *testing.T) {
	t.Parallel()
	b := setupProperty(t)
	for _, day := range []string{"2026-11-21", "2026-11-22", "2026-11-23"} {
		b.ok(http.MethodPut, "/_sandbox/properties/424242/days", "", map[string]any{"date": day, "metrics": map[string]float64{"sessions": 7}})
	}
	for _, tt := range []struct{ from, to, want string }{
		{"yesterday", "yesterday", "20261121"}, {"today", "today", "20261122"}, {"1daysAgo", "1daysAgo", "20261121"},
		{"2026-11-22", "2026-11-30", "20261122"}, {"2026-11-23", "2026-11-23", ""},
	} {
		_, out := b.report(map[string]any{"dateRanges": span(tt.from, tt.to), "dimensions": names("date"), "metrics": names("sessions")})
		got := ""
		if rows, _ := out["rows"].([]any); len(rows) == 1 {
			row := rows[0].(map[string]any)
			got = row["dimensionValues"].([]any)[0].(map[string]any)["value"].(string)
			if v := row["metricValues"].([]any)[0].(map[string]any)["value"]; v != "7" {
				t.Errorf("%s: sessions = %v", tt.from, v)
			}
		}
		if got != tt.want {
			t.Errorf("%s..%s = %q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
}

func TestRunReportRefuses(t *testing.T) {
	t.Parallel()
	b := setupProperty(t)
	good := func() map[string]any {
		return map[string]any{"dateRanges": span("2026-10-01", "2026-10-02"), "dimensions": names("date"), "metrics": names("sessions")}
	}
	for name, change := range map[string]map[string]any{
		"no metric": {"metrics": names()}, "unknown metric": {"metrics": names("sales")}, "unknown dimension": {"dimensions": names("city")},
		"no range": {"dateRanges": []any{}}, "wrong order": {"dateRanges": span("2026-10-02", "2026-10-01")}, "no date": {"dateRanges": span("x", "y")},
		"limit": {"limit": 250001}, "offset": {"offset": "-1"}, "odd limit": {"limit": true},
	} {
		ask := good()
		for k, v := range change {
			ask[k] = v
		}
		if status, out := b.report(ask); status != 400 {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
	token := b.token(gaScope)
	b.refused(http.MethodPost, "/analyticsdata/v1beta/properties/1:runReport", token, good(), 403, "sufficient permissions for this property")
	b.refused(http.MethodPost, "/analyticsdata/v1beta/properties/424242:other", token, good(), 404, "not found")
	b.ok(http.MethodPut, "/_sandbox/properties/424242/sharing", "", map[string]string{"email": b.key["client_email"], "role": "none"})
	b.refused(http.MethodPost, "/analyticsdata/v1beta/properties/424242:runReport", token, good(), 403, "sufficient permissions for this property")
}
