package cli_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"turkey/client"
	"turkey/internal/db/dbtest"
	"turkey/internal/sandbox"
)

// gate is a Google that outlives the servers under test and holds single calls.
type gate struct {
	next http.Handler
	url  string

	closed chan struct{} // the test is over

	mu    sync.Mutex
	holds []*hold
}

// hold stops the first call whose path has all parts: before the work is done, or after it and before the answer.
type hold struct {
	method  string
	parts   []string
	after   bool
	used    bool
	reached chan struct{} // closed when the call is there
	release chan struct{} // close it to let the call go on
}

func newGate(t *testing.T) *gate {
	t.Helper()
	fake, err := sandbox.New(sandbox.Config{})
	must(t, err)
	g := &gate{next: fake.Handler(), closed: make(chan struct{})}
	ts := httptest.NewServer(g)
	t.Cleanup(func() {
		close(g.closed)
		ts.Close()
	})
	g.url = ts.URL
	return g
}

// env leads a server's connectors here.
func (g *gate) env() []string {
	return []string{"GOOGLE_OAUTH_BASE=" + g.url + "/oauth2", "GOOGLE_SHEETS_BASE=" + g.url + "/sheets", "GOOGLE_DRIVE_BASE=" + g.url + "/drive",
		"GA_DATA_BASE=" + g.url + "/analyticsdata"}
}

func (g *gate) hold(method string, after bool, parts ...string) *hold {
	h := &hold{method: method, parts: parts, after: after, reached: make(chan struct{}), release: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds = append(g.holds, h)
	return h
}

func (g *gate) find(r *http.Request) *hold {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.holds {
		fits := !h.used && r.Method == h.method
		for _, p := range h.parts {
			fits = fits && strings.Contains(r.URL.Path, p)
		}
		if fits {
			h.used = true
			return h
		}
	}
	return nil
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := g.find(r)
	if h == nil {
		g.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body) // net/http notices that a client is gone only when nothing of its body is left
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	if h.after {
		g.next.ServeHTTP(answer, r)
	}
	close(h.reached)
	select {
	case <-h.release:
	case <-r.Context().Done():
		return
	case <-g.closed:
		return
	}
	if !h.after {
		g.next.ServeHTTP(w, r)
		return
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the server under test may be gone
}

// held is a user whose run stands still at some point.
type held struct {
	name string
	u    *client.Session
	g    *google
	job  string
	*hold
}

// holdRuns starts one run for each point at which a run can be interrupted, and waits until each is there.
func holdRuns(t *testing.T, s *server, gate *gate) []*held {
	t.Helper()
	var all []*held
	for _, point := range []struct {
		name, method, path string
		after              bool
	}{
		{"asking the source", "POST", "/analyticsdata", false},
		{"the source's answer on its way", "POST", "/analyticsdata", true},
		{"reading the tab", "GET", "/values/", false},
		{"about to write", "POST", "/values:batchUpdate", false},
		{"written, and not told so", "POST", "/values:batchUpdate", true},
	} {
		h := &held{name: point.name, u: s.user("shop"), g: newGoogle(t, gate.url)}
		h.g.ready(h.u)
		id := h.g.spreadsheet
		if strings.HasPrefix(point.path, "/analytics") {
			id = h.g.property
		}
		h.hold = gate.hold(point.method, point.after, point.path, id)
		var err error
		h.job, err = h.u.Sync(t.Context(), "ga4", "")
		must(t, err)
		all = append(all, h)
	}
	for _, h := range all {
		select {
		case <-h.reached:
		case <-time.After(patience):
			t.Fatalf("%s: the run does not come there", h.name)
		}
	}
	return all
}

// finishes waits on the next server for every run, and looks at what is in the sheets.
func finishes(t *testing.T, s *server, runs []*held) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	for _, h := range runs {
		j, err := s.in("shop").Resume(h.u.Tokens()).WaitJob(ctx, h.job)
		if err != nil || j.Status != "completed" || j.Result == nil || j.Result.Appended+j.Result.Updated+j.Result.Skipped != 3 {
			t.Errorf("%s: %+v, %v", h.name, j, err)
		}
		if days := h.g.days("Google"); len(days) != 3 {
			t.Errorf("%s: the sheet has the days %v", h.name, days)
		}
	}
}

// settings that the servers of one test share.
func sharedSettings(t *testing.T, gate *gate) []string {
	t.Helper()
	return append(gate.env(), "DATABASE_URL="+dbtest.URL(t), "TURKEY_DATA_DIR="+dataDir(t), "PORT="+freePort(t))
}

func TestRunsInterruptedBySIGTERMGoOnAtTheNextServer(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	env := sharedSettings(t, gate)
	s := serve(t, append(env, "SHUTDOWN_TIMEOUT=200"), "serve")
	runs := holdRuns(t, s, gate)
	if code := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
	finishes(t, serve(t, env, "serve"), runs)
}

func TestRunsOfAKilledServerGoOnAtTheNextServer(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	env := sharedSettings(t, gate)
	s := serve(t, env, "serve")
	runs := holdRuns(t, s, gate)
	s.stop(syscall.SIGKILL)
	// The queue takes a run for lost only after longer than any run may take. Let that time pass.
	execute(t, s.db, `UPDATE river.river_job SET attempted_at = attempted_at - interval '1 hour' WHERE state = 'running'`)
	execute(t, s.db, `UPDATE river.river_leader SET expires_at = now() - interval '1 second'`)
	finishes(t, serve(t, env, "serve"), runs)
}

func TestRunsFinishWhileTheServerDrains(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	s := serve(t, sharedSettings(t, gate), "serve")
	runs := holdRuns(t, s, gate)
	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	eventually(t, "the drain begins", func() bool { return strings.Contains(s.log.String(), "Server stopped taking requests") })
	for _, h := range runs {
		close(h.release)
	}
	if code := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
	var open, attempts int
	must(t, query(t, s.db, `SELECT count(*) FILTER (WHERE status <> 'completed'), max(attempt) FROM kpi_runs`).Scan(&open, &attempts))
	if open != 0 || attempts != 1 {
		t.Errorf("%d runs are not completed, the most attempts are %d", open, attempts)
	}
	for _, h := range runs {
		if days := h.g.days("Google"); len(days) != 3 {
			t.Errorf("%s: the sheet has the days %v", h.name, days)
		}
	}
}
