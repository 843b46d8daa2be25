package e2e_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// enabled binds a credential of a service to a user, without the provider.
func (s *replica) enabled(u *user, service string) {
	s.t.Helper()
	s.exec(`WITH c AS (INSERT INTO credentials (uid, user_id, service, name, encrypted_data, verified, source_currency, source_timezone)
			SELECT gen_random_uuid(), user_no, $2, 'n', 'junk', true, 'EUR', 'Europe/Berlin' FROM users WHERE id = $1 RETURNING id, user_id, service)
		INSERT INTO service_configs (user_id, service, credential_id) SELECT user_id, service, id FROM c`, u.id, service)
}

func (s *replica) number(u *user) int64 {
	s.t.Helper()
	return one[int64](s.world, `SELECT user_no FROM users WHERE id = $1`, u.id)
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("default-app")
	list := s.get("/api/schedules", u.access).want(t, 200, "")
	for i, service := range []string{"ga4", "meta", "shopify"} {
		for name, want := range map[string]any{"service": service, "cron": "0 2 * * *", "timezone": "UTC", "enabled": false, "next_run_at": nil, "last_run_at": nil} {
			if got := list.at("data", i, name); got != want {
				t.Errorf("%s of %s: %v", name, service, got)
			}
		}
		if id, ok := list.at("data", i, "id").(float64); !ok || id < 1 {
			t.Errorf("id %v", list.at("data", i, "id"))
		}
	}
	if again := s.get("/api/schedules", u.access); again.raw != list.raw || list.at("success") != true || list.at("data", 3) != nil {
		t.Errorf("%s, then %s", list.raw, again.raw)
	}

	set := s.call("PUT", "/api/schedules/ga4", u.access, object{"cron": "30 2 * * SUN", "enabled": true, "timezone": "America/New_York"}).want(t, 200, "")
	next, err := time.Parse(time.RFC3339, set.text("data", "next_run_at"))
	local := next.In(must1(time.LoadLocation("America/New_York"))(t))
	if err != nil || local.Weekday() != time.Sunday || local.Minute() != 30 && local.Hour() != 3 || !next.After(time.Now()) || !strings.HasSuffix(set.text("data", "next_run_at"), "Z") {
		t.Errorf("next %s", set.raw)
	}
	s.call("PUT", "/api/schedules/ga4", u.access, object{"cron": "0 5 * * *", "enabled": false}).want(t, 200, "")
	if kept := s.get("/api/schedules", u.access); kept.text("data", 0, "timezone") != "America/New_York" || kept.at("data", 0, "next_run_at") != nil || kept.text("data", 0, "cron") != "0 5 * * *" {
		t.Errorf("zone and time: %s", kept.raw)
	}
	if n := s.count(`SELECT count(*) FROM audit_logs WHERE action = 'schedule_updated' AND service = 'ga4' AND user_id = $1 AND metadata ->> 'requestId' <> ''`, s.number(u)); n != 2 {
		t.Errorf("%d changes audited", n)
	}
	if other := s.get("/api/schedules", s.user("default-app").access); strings.Contains(other.raw, "New_York") {
		t.Error("another user sees the schedule")
	}
}

// must1 takes the value of a call that cannot fail.
func must1[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T { t.Helper(); must(t, err); return v }
}

func TestSchedulesRefused(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("default-app")
	const parts = "Invalid cron expression: must have 5 parts (minute, hour, day, month, weekday)"
	for _, c := range []struct {
		service string
		body    any
		code    string
		text    string
	}{
		{"tiktok", object{"cron": "0 2 * * *", "enabled": true}, "INVALID_SERVICE", "Invalid service: tiktok"},
		{"google_sheets", object{"cron": "0 2 * * *", "enabled": true}, "INVALID_SERVICE", "Invalid service: google_sheets"},
		{"ga4", object{"cron": "0 2 * *", "enabled": true}, "VALIDATION_ERROR", parts},
		{"ga4", object{"enabled": true}, "VALIDATION_ERROR", parts},
		{"ga4", object{"cron": "0 25 * * *", "enabled": true}, "VALIDATION_ERROR", "Invalid cron expression: hour: 25 is not from 0 to 23"},
		{"ga4", object{"cron": "0 0 31 FEB *", "enabled": true}, "VALIDATION_ERROR", "Invalid cron expression: no month of these has such a day"},
		{"ga4", object{"cron": "0 2 * * *", "enabled": true, "timezone": "Mars/Olympus"}, "VALIDATION_ERROR", "Invalid timezone: Mars/Olympus"},
		{"ga4", object{"cron": "0 2 * * *", "enabled": true, "timezone": ""}, "VALIDATION_ERROR", "Invalid timezone: "},
		{"ga4", object{"cron": "0 2 * * *"}, "VALIDATION_ERROR", "enabled is required and must be true or false"},
		{"ga4", object{"cron": "0 2 * * *", "enabled": "yes"}, "VALIDATION_ERROR", "Invalid request data"},
		{"ga4", object{"cron": 5, "enabled": true}, "VALIDATION_ERROR", "Invalid request data"},
		{"ga4", "{", "INVALID_JSON", "Malformed JSON body"},
	} {
		a := s.call("PUT", "/api/schedules/"+c.service, u.access, c.body).want(t, 400, c.code)
		if a.text("error") != c.text || a.at("success") != false {
			t.Errorf("%v: %s", c.body, a.raw)
		}
	}
	if n := s.count(`SELECT count(*) FROM job_schedules`) + s.count(`SELECT count(*) FROM audit_logs`); n != 0 {
		t.Errorf("%d rows of what was refused", n)
	}
	s.call("POST", "/api/schedules/ga4/run", u.access, nil).want(t, 404, "SERVICE_NOT_FOUND")
}

func TestScheduleRunNowAndPreview(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("default-app")
	s.enabled(u, "meta")
	ran := s.call("POST", "/api/schedules/meta/run", u.access, nil).want(t, 200, "")
	no := s.number(u)
	if ran.text("message") != fmt.Sprintf("meta sync job enqueued for user %d", no) || ran.at("data", "userId") != float64(no) || ran.text("data", "service") != "meta" {
		t.Errorf("%s", ran.raw)
	}
	s.get("/api/v1/jobs/"+ran.text("data", "jobId"), u.access).want(t, 200, "")
	if stats := s.get("/api/v1/queue/stats", u.access).want(t, 200, ""); stats.at("data", "waiting") != float64(1) || len(stats.at("data").(object)) != 5 {
		t.Errorf("%s", stats.raw)
	}
	if stats := s.get("/api/v1/queue/stats", s.user("default-app").access); stats.at("data", "waiting") != float64(0) {
		t.Errorf("another user counts %s", stats.raw)
	}
	if stats := s.get("/api/v1/queue/stats", s.user("elsewhere", "role = 'admin'").access); stats.at("data", "waiting") != float64(0) {
		t.Errorf("an administrator of another app counts %s", stats.raw)
	}
	operator := s.user("default-app", "role = 'admin'")
	if stats := s.get("/api/v1/queue/stats", operator.access); stats.at("data", "waiting") != float64(1) {
		t.Errorf("an operator counts %s", stats.raw)
	}
	s.exec(`UPDATE users SET role = 'user' WHERE id = $1`, operator.id)
	if stats := s.get("/api/v1/queue/stats", operator.access); stats.at("data", "waiting") != float64(0) {
		t.Errorf("somebody who was an operator counts %s", stats.raw)
	}

	preview := s.get("/api/schedules/meta/preview?"+url.Values{"cron": {"30 2 * * *"}, "timezone": {"Australia/Lord_Howe"}}.Encode(), u.access).want(t, 200, "")
	next, _ := preview.at("data", "next").([]any)
	if len(next) != 5 {
		t.Fatalf("%s", preview.raw)
	}
	for i, v := range next {
		at, err := time.Parse(time.RFC3339, v.(string))
		if local := at.In(must1(time.LoadLocation("Australia/Lord_Howe"))(t)); err != nil || local.Format("15:04") != "02:30" {
			t.Errorf("%d: %s", i, v)
		}
	}
	if p := s.get("/api/schedules/meta/preview", u.access).want(t, 200, ""); p.text("data", "cron") != "0 2 * * *" || p.text("data", "timezone") != "UTC" {
		t.Errorf("%s", p.raw)
	}
	for query, text := range map[string]string{"cron=x": "must have 5 parts", "timezone=Local": "Invalid timezone: Local", "cron=0+0+30+2+*": "no month"} {
		if a := s.get("/api/schedules/meta/preview?"+query, u.access).want(t, 400, "VALIDATION_ERROR"); !strings.Contains(a.text("error"), text) {
			t.Errorf("%s: %s", query, a.raw)
		}
	}
}

func TestActivityLog(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, eve := s.user("default-app"), s.user("default-app")
	no := s.number(u)
	for i, status := range []string{"success", "failure", "partial", "success"} {
		s.exec(`INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata, created_at) VALUES ($1, 'workflow_completed', nullif($2, ''), $3,
			nullif($4, ''), '{"recordCount": 2, "durationMs": 2400}', $5)`, no, []string{"ga4", "meta", "", "ga4"}[i], status, []string{"", `=HYPERLINK("x")`, "", ""}[i],
			time.Date(2026, 1, 1+i, 23, 30, 0, 0, time.UTC))
	}
	for query, want := range map[string]string{
		"": "4321", "?service=ga4": "41", "?service=unknown": "3", "?status=failure": "2", "?start_date=2026-01-02&end_date=2026-01-03": "32",
		"?end_date=2026-01-02T23:30:00Z": "21", "?end_date=2026-01-02T23:29:59Z": "1", "?limit=2": "43", "?limit=2&offset=3": "1", "?offset=9": "", "?service=shopify": "",
	} {
		a := s.get("/api/activity-log"+query, u.access).want(t, 200, "")
		got := ""
		for _, e := range a.at("data", "entries").([]any) {
			got += strings.TrimPrefix(e.(object)["timestamp"].(string)[:10], "2026-01-0")
		}
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	a := s.get("/api/activity-log?offset=1&limit=1", u.access)
	e := a.at("data", "entries", 0).(object)
	if a.at("data", "total") != float64(4) || a.at("data", "limit") != float64(1) || a.at("data", "offset") != float64(1) || a.at("success") != true ||
		e["service"] != "unknown" || e["record_count"] != float64(2) || e["duration"] != 2.4 || e["error_message"] != nil || e["metadata"] == nil {
		t.Errorf("%s", a.raw)
	}
	if _, text := e["id"].(string); !text {
		t.Errorf("id %v", e["id"])
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "offset=-1", "offset=3000000000", "start_date=x", "end_date=2026-02-30", "status=ok", "service=tiktok"} {
		if a := s.get("/api/activity-log?"+query, u.access).want(t, 400, "VALIDATION_ERROR"); a.at("success") != false {
			t.Errorf("%s: %s", query, a.raw)
		}
	}
	file := s.get("/api/activity-log?service=meta", u.access, set("Accept", "text/csv")).want(t, 200, "")
	lines := strings.Split(strings.TrimSpace(file.raw), "\r\n")
	if file.header.Get("Content-Type") != "text/csv; charset=utf-8" || len(lines) != 2 || !strings.Contains(lines[1], `,"'=HYPERLINK(""x"")",`) {
		t.Errorf("%s %s", file.header.Get("Content-Type"), file.raw)
	}
	for _, accept := range []string{"application/json", "text/csv"} {
		if a := s.get("/api/activity-log", eve.access, set("Accept", accept)); strings.Contains(a.raw, "HYPERLINK") || strings.Contains(a.raw, "workflow_completed") {
			t.Errorf("another user reads %s", a.raw)
		}
	}
}

func TestUserStatusAndOnboarding(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	is := func(want bool) {
		t.Helper()
		a := s.get("/api/user/status", u.access).want(t, 200, "")
		if a.at("data", "onboardingComplete") != want || a.at("data", "id") != float64(s.number(u)) || a.text("data", "email") != u.email || a.at("success") != true {
			t.Errorf("%s", a.raw)
		}
	}
	is(false)
	for range 2 {
		if a := s.call("POST", "/api/user/onboarding/complete", u.access, nil).want(t, 200, ""); a.at("data", "onboardingComplete") != true {
			t.Errorf("%s", a.raw)
		}
		is(true)
	}
	if n := s.count(`SELECT count(*) FROM users WHERE onboarding_complete`); n != 1 {
		t.Errorf("%d users are done", n)
	}
	s.call("POST", "/api/user/onboarding/reset", u.access, nil).want(t, 200, "")
	is(false)
}

func TestFigures(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("default-app")
	s.enabled(u, "meta")
	for day, provisional := range map[string]bool{"2026-01-31": false, "2026-02-01": true} {
		s.exec(`INSERT INTO kpi_rows (user_id, service, day, id, metrics, run_id, provisional)
			VALUES ($1, 'meta', $2, gen_random_uuid(), '{"spend": 10.10, "clicks": 3, "impressions": 1000, "reach": 7}', gen_random_uuid(), $3)`, s.number(u), day, provisional)
	}
	a := s.get("/api/kpis?service=meta&from=2026-01-01&to=2026-02-28", u.access).want(t, 200, "")
	if a.text("currency") != "EUR" || a.text("timezone") != "Europe/Berlin" || a.text("totals", "spend") != "20.20" || a.at("totals", "reach") != nil ||
		a.text("derived", "ctr") != "0.3" || a.text("rows", 0, "day") != "2026-01-31" || a.text("rows", 0, "metrics", "spend") != "10.10" ||
		a.at("rows", 0, "provisional") != false || a.at("rows", 1, "provisional") != true || a.at("rows", 2) != nil {
		t.Errorf("%s", a.raw)
	}
	if week := s.get("/api/kpis?service=meta&from=2026-01-01&to=2026-02-28&granularity=week", u.access); week.text("rows", 0, "day") != "2026-01-26" || week.at("rows", 0, "days") != float64(2) {
		t.Errorf("%s", week.raw)
	}
	file := s.get("/api/kpis?service=meta&from=2026-01-01&to=2026-02-28&granularity=month", u.access, set("Accept", "text/csv")).want(t, 200, "")
	if !strings.HasPrefix(file.raw, "date,days,provisional,currency,spend,reach,") || !strings.Contains(file.raw, "\r\n2026-01-01,1,false,EUR,10.10,,1000,3,") || strings.Count(file.raw, "\r\n") != 3 {
		t.Errorf("%s", file.raw)
	}
	if eve := s.get("/api/kpis?service=meta&from=2026-01-01&to=2026-02-28", s.user("default-app").access).want(t, 200, ""); eve.at("rows", 0) != nil || eve.text("currency") != "" {
		t.Errorf("another user reads %s", eve.raw)
	}
	for query, code := range map[string]string{"": "MISSING_FIELDS", "service=google_sheets": "INVALID_SERVICE", "service=meta&from=x": "VALIDATION_ERROR",
		"service=meta&from=2026-02-02&to=2026-02-01": "VALIDATION_ERROR", "service=meta&from=1900-01-01&to=2026-01-01": "VALIDATION_ERROR", "service=meta&granularity=hour": "VALIDATION_ERROR"} {
		if bad := s.get("/api/kpis?"+query, u.access).want(t, 400, code); bad.at("success") != nil {
			t.Errorf("%s: %s", query, bad.raw)
		}
	}
}
