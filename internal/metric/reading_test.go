package metric

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"turkey/internal/db/dbtest"
)

// insert puts rows where a server would have.
const insert = `
	INSERT INTO river.river_job (args, kind, max_attempts, queue, state, scheduled_at, finalized_at) VALUES
		('{}', 'mail', 1, 'default', 'available', now() - interval '100 seconds', NULL), ('{}', 'mail', 1, 'default', 'available', now(), NULL),
		('{}', 'mail', 1, 'default', 'scheduled', now() + interval '1 hour', NULL), ('{}', 'mail', 1, 'runs', 'running', now() - interval '1 hour', NULL),
		('{}', 'mail', 1, 'default', 'discarded', now() - interval '1 hour', now()), ('{}', 'mail', 1, 'default', 'completed', now(), now())`

func TestWhatIsReadOfTheDatabase(t *testing.T) {
	t.Parallel()
	database := dbtest.New(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := database.Pool().Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(insert)
	m := New("1.2.3", Known{})
	made := time.Unix(1_700_000_000, 0)
	var broken error
	m.Read(database, func() (Backups, error) { return Backups{Made: made}, broken }, slog.New(slog.DiscardHandler))
	m.Watch(Sources{Pool: database.Pool().Stat, APIs: []API{{Name: "A", Version: "v1", Ends: made}, {Name: "B", Version: "v2"}}})
	text := scrape(t, m)
	has(t, text, `turkey_queue_jobs{queue="default",state="available"} 2`, `turkey_queue_jobs{queue="default",state="discarded"} 1`,
		`turkey_queue_jobs{queue="default",state="scheduled"} 1`, `turkey_queue_jobs{queue="runs",state="running"} 1`, `turkey_queue_jobs{queue="runs",state="available"} 0`, `turkey_queue_oldest_age_seconds{queue="runs"} 0`,
		`turkey_audit_unsealed_age_seconds 0`, `turkey_backup_last_success_timestamp_seconds 1.7e+09`, `turkey_backup_last_failure_timestamp_seconds 0`,
		`turkey_db_pool_max_connections 4`, `turkey_provider_api_end_timestamp_seconds{api="A",version="v1"} 1.7e+09`)
	if strings.Contains(text, `state="completed"`) || strings.Contains(text, `api="B"`) {
		t.Error("what is over, or does not end, has a line")
	}
	if age := value(t, m, "turkey_queue_oldest_age_seconds", "default"); age < 100 || age > 100+60 {
		t.Errorf("the oldest job has waited for %f s", age)
	}

	// A second scrape reads nothing, and one that cannot read leaves the numbers as they were.
	exec(`INSERT INTO audit (app_id, action, created_at) VALUES ('default-app', 'login', now() - interval '10 minutes')`)
	has(t, scrape(t, m), `turkey_audit_unsealed_age_seconds 0`)
	again := func() { m.readings.mu.Lock(); m.readings.tried = time.Time{}; m.readings.mu.Unlock() }
	broken = errors.New("no disk")
	again()
	has(t, scrape(t, m), `turkey_audit_unsealed_age_seconds 0`, `turkey_backup_last_success_timestamp_seconds 1.7e+09`)
	broken = nil
	again()
	scrape(t, m)
	if age := value(t, m, "turkey_audit_unsealed_age_seconds", ""); age < 600 || age > 660 {
		t.Errorf("the oldest unsealed row is %f s old", age)
	}
}

// value is that of a metric with this value of a label.
func value(t *testing.T, m *Metrics, name, label string) float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, v := range f.GetMetric() {
			if f.GetName() == name && (label == "" || v.GetLabel()[0].GetValue() == label) {
				return v.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no %s of %s", name, label)
	return 0
}
