package kpi

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"turkey/internal/caller"
)

// Servers that come back after five days, over a change of the clock in the schedule's zone, which is the source's too.
func TestMissedDaysAreMadeUpForEachOrOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, cron, misfire string
		due, back           string // UTC
		days, next          string
	}{
		{"once", "30 2 * * *", "once", "2026-03-27T01:30:00Z", "2026-03-31T08:00:00Z", "-", "2026-04-01 00:30"},
		// 02:30 on the 29th is skipped: that day's run is due at 03:00.
		{"forward", "30 2 * * *", "each", "2026-03-27T01:30:00Z", "2026-03-31T08:00:00Z", "2026-03-26 2026-03-27 2026-03-28 2026-03-29 -", "2026-04-01 00:30"},
		{"back", "30 2 * * *", "each", "2026-10-23T00:30:00Z", "2026-10-27T08:00:00Z", "2026-10-22 2026-10-23 2026-10-24 2026-10-25 -", "2026-10-28 01:30"},
		{"hourly: a run for each day, not each hour", "0 * * * *", "each", "2026-10-23T00:00:00Z", "2026-10-27T08:30:00Z", "2026-10-22 2026-10-23 2026-10-24 2026-10-25 -", "2026-10-27 09:00"},
		{"in time", "30 2 * * *", "each", "2026-10-27T01:30:00Z", "2026-10-27T01:30:05Z", "-", "2026-10-28 01:30"},
		{"on Mondays, two days late", "30 2 * * 1", "each", "2026-10-26T01:30:00Z", "2026-10-28T08:00:00Z", "2026-10-25 -", "2026-11-02 01:30"},
	} {
		a := newAgenda(t)
		a.user("ga4")
		a.exec(`UPDATE job_schedules SET cron_expression = $1, misfire = $2, next_run_at = $3::text::timestamptz`, c.cron, c.misfire, c.due)
		back, err := time.Parse(time.RFC3339, c.back)
		if err != nil {
			t.Fatal(err)
		}
		a.pass(back.Sub(a.now()))
		replicas := []*Service{a.replica(), a.replica()}
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				if _, err := replicas[i%2].fire(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		a.want(c.name, a.one(`SELECT string_agg(coalesce(target_day::text, '-'), ' ' ORDER BY run_at) FROM kpi_runs`), c.days)
		a.want(c.name+", next", a.next(), c.next)
		a.want(c.name+", made by a schedule", a.one(`SELECT bool_and(scheduled) AND count(DISTINCT run_at) = count(*) FROM kpi_runs`), "true")
		a.want(c.name+", audited", a.one(`SELECT count(*) = (SELECT count(*) FROM kpi_runs) FROM audit_logs WHERE action = 'workflow_run'`), "true")
	}
}

// TestNoTimeIsFiredTwiceWhenAClockJumps: of a server whose clock is an hour ahead, one whose clock goes there and back, and one behind.
func TestNoTimeIsFiredTwiceWhenAClockJumps(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	a.user("ga4")
	a.exec(`UPDATE job_schedules SET cron_expression = '0 * * * *', next_run_at = '2026-06-30T23:00:00Z'`)
	s := a.replica()
	for i, by := range []time.Duration{0, time.Hour, -time.Hour, 29 * time.Minute, time.Minute, -time.Hour, time.Hour, 59 * time.Minute, time.Minute} {
		a.pass(by)
		a.fireAll(s)
		a.exec(`UPDATE kpi_runs SET status = 'completed'`) // one on its way would count for the next
		// 22:30, 23:30, 22:30, 22:59, 23:00, 22:00, 23:00, 23:59, 00:00: the runs of 23:00 and of 00:00.
		a.want("runs after step "+strconv.Itoa(i), a.runs(), []string{"0", "1", "1", "1", "1", "1", "1", "1", "2"}[i])
	}
}

func TestMissedDaysAreThoseOfTheSource(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	a.user("ga4")
	a.exec(`UPDATE credentials SET source_timezone = 'America/Los_Angeles'`)
	a.exec(`UPDATE job_schedules SET misfire = 'each'`) // due on 1 July at 02:00 in Berlin, which is the 30th of June there
	a.pass(3*24*time.Hour + 3*time.Hour)
	a.fireAll(a.replica())
	a.want("days", a.one(`SELECT string_agg(coalesce(target_day::text, '-'), ' ' ORDER BY run_at) FROM kpi_runs`), "2026-06-29 2026-06-30 2026-07-01 -")
}

// Where clocks go forward at midnight, a day of the source has no first hour.
func TestMissedDaysWhereMidnightIsSkipped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, due, now, want string }{
		{"America/Santiago", "2026-09-05T23:30:00-04:00", "2026-09-05T23:30:05-04:00", "[]"},
		{"America/Santiago", "2026-09-05T23:30:00-04:00", "2026-09-07T10:00:00-03:00", "[2026-09-04 2026-09-05]"},
		{"Atlantic/Azores", "2026-03-28T23:30:00-01:00", "2026-03-30T10:00:00Z", "[2026-03-27 2026-03-28]"},
		{"America/St_Johns", "2010-11-06T23:30:00-02:30", "2010-11-08T10:00:00-03:30", "[2010-11-05 2010-11-06]"}, // a minute after midnight back to 23:01
	} {
		due, err := time.Parse(time.RFC3339, c.due)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"30 23 * * *", "*/10 * * * *"} {
			if got := fmt.Sprint(missed(cron(t, text), zone(t, c.zone), zone(t, c.zone), due, now)); got != c.want {
				t.Errorf("%s in %s, due %s, at %s: %s, want %s", text, c.zone, c.due, c.now, got, c.want)
			}
		}
	}
}

func TestMissedDaysAreBounded(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	a.user("ga4")
	a.exec(`UPDATE job_schedules SET misfire = 'each', cron_expression = '* * * * *'`)
	a.pass(400 * 24 * time.Hour)
	began := time.Now()
	a.fireAll(a.replica())
	a.want("runs", a.runs(), "31")
	a.want("the earliest", a.one(`SELECT min(target_day) = ($1::timestamptz AT TIME ZONE 'Europe/Berlin')::date - 31 FROM kpi_runs`, a.now()), "true")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}

// A day that is on its way already is not collected twice, and the run of the present time is made all the same.
func TestAMissedDayOnItsWayCountsOnce(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	a.user("ga4")
	a.exec(`UPDATE job_schedules SET misfire = 'each'`)
	a.exec(`INSERT INTO kpi_runs (id, user_id, service, target_day) SELECT gen_random_uuid(), user_no, 'ga4', '2026-07-01' FROM users`)
	a.pass(2*24*time.Hour + 2*time.Hour)
	a.fireAll(a.replica())
	a.want("days", a.one(`SELECT string_agg(coalesce(target_day::text, '-'), ' ' ORDER BY target_day) FROM kpi_runs`), "2026-06-30 2026-07-01 -")
}

func TestTheMisfirePolicyIsSetAndKept(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	s, id := a.replica(), a.user()
	ctx := caller.WithUser(t.Context(), caller.User{ID: id})
	on := true
	for _, c := range []struct {
		given *string
		want  string
	}{{nil, "once"}, {new("each"), "each"}, {nil, "each"}, {new("once"), "once"}} {
		in := &scheduleInput{Service: "ga4"}
		in.Body.Cron, in.Body.Enabled, in.Body.Misfire = "0 2 * * *", &on, c.given
		out, err := s.handleSetSchedule(ctx, in)
		if err != nil || out.Body.Data.Misfire != c.want {
			t.Errorf("%v, %v; want %s", out, err, c.want)
		}
	}
	in := &scheduleInput{Service: "ga4"}
	in.Body.Cron, in.Body.Enabled, in.Body.Misfire = "0 2 * * *", &on, new("never")
	if _, err := s.handleSetSchedule(ctx, in); err == nil || err.Error() != "misfire must be once or each" {
		t.Errorf("another word: %v", err)
	}
	list, err := s.handleSchedules(ctx, nil)
	if err != nil || fmt.Sprint(list.Body.Data[0].Service, list.Body.Data[0].Misfire) != "ga4once" {
		t.Errorf("%+v, %v", list, err)
	}
}
