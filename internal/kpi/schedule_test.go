package kpi

import (
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/queue"
)

// agenda is one database with schedules, and a clock.
type agenda struct {
	t    testing.TB
	db   *db.DB
	mu   sync.Mutex
	time time.Time
}

// newAgenda begins on 1 July 2026 at 00:30 in Berlin.
func newAgenda(t testing.TB) *agenda {
	t.Helper()
	a := &agenda{t: t, db: dbtest.New(t), time: time.Date(2026, 6, 30, 22, 30, 0, 0, time.UTC)}
	a.exec(`INSERT INTO apps (id) VALUES ('a')`)
	return a
}

func (a *agenda) now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.time
}

func (a *agenda) pass(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.time = a.time.Add(d)
}

// replica is a server on the database.
func (a *agenda) replica() *Service {
	a.t.Helper()
	log := slog.New(slog.DiscardHandler)
	return New(Config{DB: a.db, Log: log, Now: a.now, Connectors: connector.New(connector.Config{Off: []string{connector.Meta}}), Zone: "Europe/Berlin",
		MaxAttempts: 3, Queue: queue.New(a.db, log, 1), Schedules: Schedules{Cron: "0 2 * * *"}})
}

func (a *agenda) exec(sql string, args ...any) {
	a.t.Helper()
	if _, err := a.db.In(db.System()).Exec(a.t.Context(), sql, args...); err != nil {
		a.t.Fatal(err)
	}
}

// one reads a value as text.
func (a *agenda) one(sql string, args ...any) (v string) {
	a.t.Helper()
	if err := a.db.In(db.System()).QueryRow(a.t.Context(), `SELECT (`+sql+`)::text`, args...).Scan(&v); err != nil {
		a.t.Fatal(err)
	}
	return v
}

// user has the services enabled and a schedule of each at 2 o'clock in Berlin; the next is at 2026-07-01 00:00 UTC.
func (a *agenda) user(services ...string) uuid.UUID {
	a.t.Helper()
	id := uuid.New()
	a.exec(`INSERT INTO users (id, app_id, email, password_hash) VALUES ($1, 'a', $2, 'x')`, id, id.String()+"@example.com")
	for _, service := range services {
		a.exec(`WITH c AS (INSERT INTO credentials (uid, user_id, service, name, encrypted_data, verified)
				SELECT gen_random_uuid(), user_no, $2, 'n', 'junk', true FROM users WHERE id = $1 RETURNING id, user_id, service)
			INSERT INTO service_configs (user_id, service, credential_id) SELECT user_id, service, id FROM c`, id, service)
		a.exec(`INSERT INTO job_schedules (user_id, service, cron_expression, enabled, timezone, next_run_at)
			SELECT user_no, $2, '0 2 * * *', true, 'Europe/Berlin', '2026-07-01T00:00:00Z' FROM users WHERE id = $1`, id, service)
	}
	return id
}

// fireAll fires until nothing is due.
func (a *agenda) fireAll(s *Service) {
	a.t.Helper()
	for {
		n, err := s.fire(a.t.Context())
		if err != nil {
			a.t.Fatal(err)
		}
		if n < fireBatch {
			return
		}
	}
}

func (a *agenda) runs() string { a.t.Helper(); return a.one(`SELECT count(*) FROM kpi_runs`) }

func (a *agenda) next() string {
	a.t.Helper()
	return a.one(`SELECT to_char(max(next_run_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM job_schedules`)
}

func (a *agenda) want(what, got, want string) {
	a.t.Helper()
	if got != want {
		a.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestAScheduleRunsWhenItIsDue(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	a.user("ga4")
	s := a.replica()
	a.fireAll(s)
	a.want("runs before the time", a.runs(), "0")
	a.pass(90 * time.Minute)
	a.fireAll(s)
	a.fireAll(s)
	a.want("runs", a.runs(), "1")
	a.want("next", a.next(), "2026-07-02 00:00")
	a.want("last", a.one(`SELECT last_run_at = '2026-07-01T00:00:00Z' FROM job_schedules`), "true")
	a.want("run", a.one(`SELECT service || status || enqueued || coalesce(target_day::text, '-') FROM kpi_runs`), "ga4waitingfalse-")
	a.want("audit", a.one(`SELECT string_agg(l.action || ' ' || (l.metadata ->> 'trigger') || ' ' || (l.metadata ->> 'jobId' = r.id::text), ',')
		FROM audit_logs l, kpi_runs r`), "workflow_run schedule true")
}

// Two servers, each with several hands, and everything due at the same moment, again and again.
func TestOneRunPerTimeOverAllReplicas(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	const users = 40
	for range users {
		a.user("ga4", "shopify")
	}
	replicas := []*Service{a.replica(), a.replica()}
	for day := 1; day <= 3; day++ {
		a.pass(24 * time.Hour)
		a.exec(`UPDATE kpi_runs SET status = 'completed'`) // done since yesterday
		start := make(chan struct{})
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				<-start
				for range 3 {
					if _, err := replicas[i%2].fire(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		close(start)
		all.Wait()
		a.fireAll(replicas[0])
		a.want("runs", a.runs(), strconv.Itoa(day*users*2))
		a.want("most runs of one", a.one(`SELECT max(n) FROM (SELECT count(*) AS n FROM kpi_runs GROUP BY user_id, service) x`), strconv.Itoa(day))
	}
	a.want("audited", a.one(`SELECT count(*) FROM audit_logs WHERE action = 'workflow_run'`), strconv.Itoa(3*users*2))
}

func TestAMissedTimeRunsOnce(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	a.user("ga4")
	a.pass(5*24*time.Hour + 3*time.Hour) // nobody was there for five nights
	a.fireAll(a.replica())
	a.want("runs", a.runs(), "1")
	a.want("next", a.next(), "2026-07-07 00:00")
}

func TestARunOnItsWayCountsForTheTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ run, want string }{
		{`(id, user_id, service, status) SELECT gen_random_uuid(), user_no, 'ga4', 'active'`, "1"},
		{`(id, user_id, service, status) SELECT gen_random_uuid(), user_no, 'ga4', 'delayed'`, "1"},
		{`(id, user_id, service, status) SELECT gen_random_uuid(), user_no, 'ga4', 'failed'`, "2"},
		{`(id, user_id, service) SELECT gen_random_uuid(), user_no, 'shopify'`, "2"},
		{`(id, user_id, service, target_day) SELECT gen_random_uuid(), user_no, 'ga4', '2026-01-01'`, "2"}, // does something else
		{`(id, user_id, service, dry_run) SELECT gen_random_uuid(), user_no, 'ga4', true`, "2"},
		{`(id, user_id, service, from_day, to_day) SELECT gen_random_uuid(), user_no, 'ga4', '2026-01-01', '2026-02-01'`, "2"},
	} {
		a := newAgenda(t)
		id := a.user("ga4")
		a.exec(`INSERT INTO kpi_runs `+c.run+` FROM users WHERE id = $1`, id)
		a.pass(2 * time.Hour)
		a.fireAll(a.replica())
		a.want(c.run, a.runs(), c.want)
		a.want("next", a.next(), "2026-07-02 00:00")
		a.want("last", a.one(`SELECT last_run_at IS NOT NULL FROM job_schedules`), "true")
	}
}

func TestAScheduleThatCannotRunSaysSoOnce(t *testing.T) {
	t.Parallel()
	for change, next := range map[string]string{
		`UPDATE service_configs SET enabled = false`:              "2026-07-05 00:00",
		`UPDATE credentials SET deleted_at = now()`:               "2026-07-05 00:00",
		`UPDATE job_schedules SET service = 'meta'`:               "2026-07-05 00:00", // switched off on this server
		`UPDATE job_schedules SET timezone = 'Mars/Olympus'`:      "2026-07-04 01:30",
		`UPDATE job_schedules SET cron_expression = '0 0 30 2 *'`: "2026-07-04 01:30",
	} {
		a := newAgenda(t)
		a.user("ga4")
		a.exec(change)
		s := a.replica()
		a.pass(2 * time.Hour)
		for range 4 {
			a.fireAll(s)
			a.pass(24 * time.Hour)
		}
		a.want("runs", a.runs(), "0")
		a.want("told", a.one(`SELECT string_agg(action || ' ' || status || ' ' || (error_message <> ''), ',') FROM audit_logs`), "schedule_failure failure true")
		a.want("next after "+change, a.next(), next)
		a.want("last", a.one(`SELECT last_run_at IS NULL FROM job_schedules`), "true")
	}
}

func TestAServiceThatIsEnabledAgainIsCollected(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	a.user("ga4")
	s := a.replica()
	for _, enabled := range []bool{false, true, false} {
		a.pass(24 * time.Hour)
		a.exec(`UPDATE service_configs SET enabled = $1`, enabled)
		a.fireAll(s)
		a.exec(`UPDATE kpi_runs SET status = 'completed'`)
	}
	a.want("runs", a.runs(), "1")
	a.want("told", a.one(`SELECT string_agg(action, ' ' ORDER BY id) FROM audit_logs`), "schedule_failure workflow_run schedule_failure")
}

func TestSchedulesOfThoseWhoMayNotActPass(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	id := a.user("ga4")
	a.exec(`UPDATE users SET status = 'suspended' WHERE id = $1`, id)
	s := a.replica()
	a.pass(2 * time.Hour)
	a.fireAll(s)
	a.want("runs and words", a.one(`SELECT (SELECT count(*) FROM kpi_runs) + (SELECT count(*) FROM audit_logs)`), "0")
	a.want("next", a.next(), "2026-07-02 00:00")
	a.exec(`UPDATE users SET status = 'active' WHERE id = $1`, id)
	a.pass(24 * time.Hour)
	a.fireAll(s)
	a.want("runs of an active user", a.runs(), "1")
}

func TestADisabledScheduleDoesNotRun(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	a.user("ga4")
	a.exec(`UPDATE job_schedules SET enabled = false`)
	a.pass(48 * time.Hour)
	a.fireAll(a.replica())
	a.want("runs", a.runs(), "0")
}

// The loop finds what is due by itself, and ends.
func TestTheLoopFires(t *testing.T) {
	t.Parallel()
	a := newAgenda(t)
	a.user("ga4")
	a.pass(2 * time.Hour)
	s := a.replica()
	s.schedules.On = true
	if err := s.queue.Open(); err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context())
	defer s.Stop()
	for deadline := time.Now().Add(30 * time.Second); a.runs() != "1"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no run")
		}
	}
}

// BenchmarkFire is the night: 30,000 schedules of 10,000 users are due at the same minute.
func BenchmarkFire(b *testing.B) {
	a := newAgenda(b)
	a.exec(`INSERT INTO users (app_id, email, password_hash) SELECT 'a', 'user-' || n || '@example.com', 'x' FROM generate_series(1, 10000) n`)
	a.exec(`INSERT INTO credentials (uid, user_id, service, name, encrypted_data, verified)
		SELECT gen_random_uuid(), user_no, s, 'n', 'junk', true FROM users, unnest(ARRAY['ga4', 'meta', 'shopify']) s`)
	a.exec(`INSERT INTO service_configs (user_id, service, credential_id) SELECT user_id, service, id FROM credentials`)
	a.exec(`INSERT INTO job_schedules (user_id, service, cron_expression, enabled, timezone, next_run_at)
		SELECT user_no, s, '0 2 * * *', true, (ARRAY['Europe/Berlin', 'America/New_York', 'Asia/Kolkata'])[1 + user_no % 3], '2026-07-01T00:00:00Z'
		FROM users, unnest(ARRAY['ga4', 'meta', 'shopify']) s`)
	s := a.replica()
	s.connectors = connector.New(connector.Config{})
	for b.Loop() {
		a.exec(`UPDATE kpi_runs SET status = 'completed'`)
		a.exec(`UPDATE job_schedules SET next_run_at = '2026-07-01T00:00:00Z'`)
		a.pass(24 * time.Hour)
		before := a.runs()
		began := time.Now()
		a.fireAll(s)
		b.ReportMetric(time.Since(began).Seconds(), "s/30000")
		a.want("runs", a.one(`SELECT count(*) - $1::int FROM kpi_runs`, before), "30000")
	}
}
