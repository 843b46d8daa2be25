package cli_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/dbtest"
)

// worker starts a worker whose health the helpers of servers can ask for.
func worker(t testing.TB, env ...string) *server {
	t.Helper()
	port := freePort(t)
	return serve(t, append(env[:len(env):len(env)], "PORT="+port, "WORKER_HEALTH_ADDR=localhost:"+port), "worker")
}

// split starts a server without workers on shared settings, and says how a worker beside it is started.
func split(t *testing.T, env []string) (s *server, beside func(...string) *server) {
	t.Helper()
	s = serve(t, env, "serve", "--no-workers")
	return s, func(more ...string) *server {
		t.Helper()
		return worker(t, append(env[:len(env):len(env)], more...)...)
	}
}

// counter asks for numbers, again and again, on one connection.
func counter(t *testing.T, url string) func(sql string) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return func(sql string) (n int) {
		t.Helper()
		must(t, conn.QueryRow(t.Context(), sql).Scan(&n))
		return n
	}
}

// TestAServerWithoutWorkersLeavesJobsToAWorker plays what needs jobs through a server that works none.
func TestAServerWithoutWorkersLeavesJobsToAWorker(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	s, beside := split(t, sharedSettings(t, gate))
	if text := s.log.String(); !strings.Contains(text, "Worker not started") || strings.Contains(text, "Worker started") {
		t.Errorf("the server does not say that it works no jobs:\n%s", text)
	}
	u, g := s.user("shop"), newGoogle(t, gate.url)
	_, ga4 := g.ready(u)
	job, err := u.Sync(t.Context(), "ga4", "")
	must(t, err)
	count := counter(t, s.db)
	eventually(t, "the server hands the run to the queue", func() bool {
		return count(`SELECT count(*) FROM river.river_job WHERE kind = 'kpi_run' AND state = 'available'`) == 1
	})
	if n := count(`SELECT count(*) FROM river.river_job WHERE attempt > 0`) + count(`SELECT count(*) FROM mailbox`); n > 0 {
		t.Errorf("somebody has worked %d jobs", n)
	}

	w := beside()
	if text := w.log.String(); !strings.Contains(text, "Worker started") || strings.Contains(text, "Server running") {
		t.Errorf("the worker's log:\n%s", text)
	}
	j, err := u.WaitJob(t.Context(), job)
	if err != nil || j.Status != "completed" || len(g.days("Google")) != 3 {
		t.Errorf("%+v, %v, %v", j, err, g.days("Google"))
	}
	eventually(t, "the mails are sent and the cleanup has run", func() bool {
		return count(`SELECT count(*) FROM mailbox`) > 0 && count(`SELECT count(*) FROM river.river_job WHERE kind = 'cleanup' AND state = 'completed'`) > 0
	})
	// Whoever waits for a run is told by another process that it has ended, and not only when that process happens to look.
	var took []time.Duration
	for range 5 {
		began := time.Now()
		s.call("POST", "/api/ga4/sync", bearer(u), map[string]any{"credentialId": ga4}).want(t, 200, "")
		took = append(took, time.Since(began))
	}
	t.Logf("waited for: %v", took)
	s.call("GET", "/api/v1/queue/stats", bearer(u), nil).want(t, 200, "")

	for path, status := range map[string]int{"/livez": 200, "/readyz": 200, "/api/credentials/list": 404, "/v1/auth/login": 404} {
		resp, err := http.Get(w.base + path)
		must(t, err)
		_ = resp.Body.Close() // only the status counts
		if resp.StatusCode != status {
			t.Errorf("the worker answers %d at %s", resp.StatusCode, path)
		}
	}
	if code := w.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestRunsFinishWhileAWorkerDrains(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	s, beside := split(t, sharedSettings(t, gate))
	w := beside()
	late := s.user("shop")
	newGoogle(t, gate.url).ready(late)
	runs := holdRuns(t, s, gate)
	must(t, w.cmd.Process.Signal(syscall.SIGTERM))
	eventually(t, "the drain begins", func() bool { return strings.Contains(w.log.String(), "Worker takes no more jobs") })
	waiting, err := late.Sync(t.Context(), "ga4", "")
	must(t, err)
	for _, h := range runs {
		close(h.release)
	}
	if code := w.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
	var ended, attempts int
	must(t, query(t, s.db, `SELECT count(*) FILTER (WHERE status = 'completed'), max(attempt) FROM kpi_runs`).Scan(&ended, &attempts))
	if ended != len(runs) || attempts != 1 {
		t.Errorf("%d runs are completed, the most attempts are %d", ended, attempts)
	}
	if j, err := late.Job(t.Context(), waiting); err != nil || j.Status != "waiting" {
		t.Errorf("the run that came during the drain: %+v, %v", j, err)
	}
	beside()
	if j, err := late.WaitJob(t.Context(), waiting); err != nil || j.Status != "completed" {
		t.Errorf("the run that came during the drain: %+v, %v", j, err)
	}
}

func TestRunsThatAWorkerGivesBackGoOnAtTheNext(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	s, beside := split(t, sharedSettings(t, gate))
	w := beside("SHUTDOWN_TIMEOUT=200")
	runs := holdRuns(t, s, gate)
	if code := w.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
	beside()
	finishes(t, s, runs)
}

// TestAJobOfAProcessThatDiedBeforeItBeganComesBack: the queue would leave it there for longer than any job may take.
func TestAJobOfAProcessThatDiedBeforeItBeganComesBack(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	s, beside := split(t, append([]string{"RUN_SILENCE=1s"}, sharedSettings(t, gate)...))
	u, g := s.user("shop"), newGoogle(t, gate.url)
	g.ready(u)
	job, err := u.Sync(t.Context(), "ga4", "")
	must(t, err)
	count := counter(t, s.db)
	eventually(t, "the job is in the queue", func() bool { return count(`SELECT count(*) FROM river.river_job WHERE kind = 'kpi_run'`) == 1 })
	execute(t, s.db, `UPDATE river.river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = ARRAY['dead'] WHERE kind = 'kpi_run'`)
	beside("RUN_SILENCE=1s")
	if j, err := u.WaitJob(t.Context(), job); err != nil || j.Status != "completed" || len(g.days("Google")) != 3 {
		t.Errorf("%+v, %v", j, err)
	}
}

func TestAWorkerThatCannotWorkSaysWhy(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "localhost:0")
	must(t, err)
	defer busy.Close()
	database := "DATABASE_URL=" + dbtest.URL(t)
	for _, c := range []struct {
		name string
		env  []string
		args []string
		want []string
	}{
		{"no database", nil, []string{"worker"}, []string{"DATABASE_URL", "turkey serve"}},
		{"no workers", []string{database, "WORKERS=0"}, []string{"worker"}, []string{"WORKERS is 0"}},
		{"fewer than none", []string{database, "WORKERS=-1"}, []string{"worker"}, []string{"WORKERS", "not negative"}},
		{"its address is taken", []string{database, "WORKER_HEALTH_ADDR=" + busy.Addr().String()}, []string{"worker"}, []string{"WORKER_HEALTH_ADDR", "in use"}},
		{"whose sandbox", []string{database, "TURKEY_SANDBOX=true"}, []string{"worker"}, []string{"TURKEY_SANDBOX_PORT"}},
		{"silent for too short", []string{database, "RUN_SILENCE=10ms"}, []string{"worker"}, []string{"RUN_SILENCE", "1s"}},
		{"a server whose jobs nobody could work", nil, []string{"serve", "--no-workers"}, []string{"DATABASE_URL", "turkey worker"}},
		{"the same by the environment", []string{"WORKERS=0"}, []string{"serve"}, []string{"DATABASE_URL", "turkey worker"}},
	} {
		o := run(t, append(c.env, "PORT="+freePort(t), "TURKEY_DATA_DIR="+dataDir(t)), c.args...)
		if o.code != 1 || !strings.HasPrefix(o.err, "Error: ") {
			t.Errorf("%s: exit %d: %s", c.name, o.code, o.err)
		}
		for _, want := range c.want {
			if !strings.Contains(o.err, want) {
				t.Errorf("%s: the message does not say %q: %s", c.name, want, o.err)
			}
		}
	}
}

// TestAWorkerUsesTheSandboxOfItsServer: two of them would not know of each other's accounts.
func TestAWorkerUsesTheSandboxOfItsServer(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=" + dbtest.URL(t), "TURKEY_DATA_DIR=" + dataDir(t), "TURKEY_SANDBOX=true", "TURKEY_SANDBOX_PORT=" + freePort(t)}
	s := serve(t, env, "serve", "--no-workers")
	worker(t, env...)
	u, g := s.user("shop"), s.google()
	g.ready(u)
	job, err := u.Sync(t.Context(), "ga4", "")
	must(t, err)
	if j, err := u.WaitJob(t.Context(), job); err != nil || j.Status != "completed" || len(g.days("Google")) != 3 {
		t.Errorf("%+v, %v", j, err)
	}
}
