package chaos_test

import (
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"turkey/internal/connector"
)

// TestARollingDeployLosesNothingAndWritesNothingTwice replaces two replicas one after the other while fifty runs are worked
// off: once with time to drain, once with so little that runs are given back in the middle.
func TestARollingDeployLosesNothingAndWritesNothingTwice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, timeout string }{{"drained", "10000"}, {"given back", "50"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const persons, each, days = 10, 5, 6
			w := newWorld(t)
			w.env = append(w.env, "SHUTDOWN_TIMEOUT="+c.timeout)
			first, a := w.serve()
			second, b := w.serve()
			for range persons {
				w.join(a, connector.GA4)
			}
			w.gate.slow(150 * time.Millisecond)
			for n := range each {
				for i, p := range w.people {
					through := a
					if i%2 == 0 {
						through = b
					}
					from := (each - n) * days
					p.asks(through, connector.GA4, from, from-days+1)
				}
			}
			eventually(t, "some runs have ended", func() bool { return w.completed() >= each })
			for _, old := range []*process{first, second} {
				if n := w.completed(); n == persons*each {
					t.Error("all runs were over before the deploy")
				}
				if code := old.stop(syscall.SIGTERM); code != 0 {
					t.Errorf("exit %d:\n%s", code, old.log)
				}
				w.serve()
			}
			w.settles()
			if n := w.completed(); n != persons*each {
				t.Errorf("%d runs are completed: %s", n, w.dump(`SELECT status, error FROM kpi_runs WHERE status <> 'completed'`))
			}
			for _, d := range w.differences(connector.GA4) {
				t.Error(d)
			}
			writes := w.gate.written()
			for path, n := range writes {
				if n != each {
					t.Errorf("%s: %d writes for %d runs", path, n, each)
				}
			}
			if len(writes) != persons {
				t.Errorf("written to %v", slices.Sorted(maps.Keys(writes)))
			}
			var again, back int
			must(t, w.sql.QueryRow(t.Context(), `SELECT count(*) FROM kpi_runs WHERE attempt > 1`).Scan(&again))
			must(t, w.sql.QueryRow(t.Context(), `SELECT count(*) FROM river.river_job WHERE kind = 'kpi_run' AND (errors IS NOT NULL OR metadata ? 'snoozes')`).Scan(&back))
			if (back > 0) != (c.name == "given back") {
				t.Errorf("%d runs were given back", back)
			}
			if again > 0 {
				t.Errorf("%d runs lost an attempt: %s", again, w.dump(`SELECT attempt, error FROM kpi_runs WHERE attempt > 1`))
			}
		})
	}
}

func (w *world) completed() (n int) {
	w.t.Helper()
	must(w.t, w.sql.QueryRow(w.t.Context(), `SELECT count(*) FROM kpi_runs WHERE status = 'completed'`).Scan(&n))
	return n
}
