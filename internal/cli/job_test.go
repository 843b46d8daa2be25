package cli_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// job puts a row into the queue as it would be after so many attempts.
func (w *world) job(kind, state string, attempt int, failures ...string) int64 {
	w.t.Helper()
	var errs []string
	for i, f := range failures {
		errs = append(errs, string(encode(w.t, map[string]any{"at": "2026-01-02T03:04:05Z", "attempt": i + 1, "error": f, "trace": "goroutine 1 at secret.go:1"})))
	}
	var id int64
	must(w.t, query(w.t, w.db, `INSERT INTO river.river_job (kind, state, attempt, max_attempts, args, errors, finalized_at, attempted_at, scheduled_at)
		VALUES ($1, $2::river.river_job_state, $3, 3, '{"mail":"00000000-0000-4000-8000-000000000001"}', $4::jsonb[],
			CASE WHEN $2::text IN ('completed', 'cancelled', 'discarded') THEN now() END, now(),
			CASE WHEN $2::text IN ('scheduled', 'retryable') THEN now() + interval '1 hour' ELSE now() END) RETURNING id`,
		kind, state, attempt, errs).Scan(&id))
	return id
}

func TestJobsAreAdministered(t *testing.T) {
	t.Parallel()
	w := administered(t)
	const none = "not_a_kind" // nobody works it
	dead := w.job("mail", "discarded", 3, "first", "the other side hung up")
	later, running := w.job(none, "retryable", 1, "x"), w.job(none, "running", 1)
	done, gone := w.job(none, "completed", 1), w.job(none, "cancelled", 1)

	list := func(query string) (ids []int64, a answer) {
		t.Helper()
		a = w.op("GET", "/v1/admin/jobs?"+query, nil).want(t, 200, "")
		rows, _ := a.at("data").([]any)
		for i := range rows {
			ids = append(ids, int64(a.at("data", i, "id").(float64)))
		}
		return ids, a
	}
	ids, a := list("state=discarded")
	if len(ids) != 1 || ids[0] != dead || a.at("data", 0, "error") != "the other side hung up" || a.at("data", 0, "failedAt") != "2026-01-02T03:04:05.000Z" ||
		a.at("data", 0, "attempt") != 3.0 || a.at("data", 0, "args", "mail") != "00000000-0000-4000-8000-000000000001" || strings.Contains(a.raw, "trace") {
		t.Errorf("dead letters: %s", a.raw)
	}
	var paged []int64
	for cursor := ""; ; {
		ids, a := list("kind=" + none + "&limit=1&cursor=" + cursor)
		paged = append(paged, ids...)
		if a.at("nextCursor") == nil {
			break
		}
		cursor = a.at("nextCursor").(string)
	}
	if fmt.Sprint(paged) != fmt.Sprint([]int64{gone, done, running, later}) {
		t.Errorf("pages: %v", paged)
	}
	w.op("GET", "/v1/admin/jobs?state=lost", nil).want(t, 400, "validation_error")
	w.op("GET", "/v1/admin/jobs?kind=a%20b", nil).want(t, 400, "validation_error")
	w.op("GET", "/v1/admin/jobs?cursor=x", nil).want(t, 400, "validation_error")

	act := func(id any, verb string) answer {
		return w.op("POST", fmt.Sprintf("/v1/admin/jobs/%v/%s", id, verb), nil)
	}
	for _, id := range []any{0, -1, 987654321, "x", "99999999999999999999"} {
		act(id, "retry").want(t, 404, "not_found")
		act(id, "cancel").want(t, 404, "not_found")
		w.op("GET", fmt.Sprintf("/v1/admin/jobs/%v", id), nil).want(t, 404, "not_found")
	}
	act(running, "retry").want(t, 409, "job_running")
	act(done, "retry").want(t, 409, "job_ended")
	act(done, "cancel").want(t, 409, "job_ended")
	act(dead, "cancel").want(t, 409, "job_ended")
	if a := act(running, "cancel").want(t, 200, ""); a.at("data", "state") != "running" || a.at("data", "cancelRequested") != true {
		t.Errorf("a running job: %s", a.raw)
	}
	act(running, "cancel").want(t, 200, "")
	if a := act(later, "cancel").want(t, 200, ""); a.at("data", "state") != "cancelled" || a.at("data", "finalizedAt") == nil {
		t.Errorf("a waiting job: %s", a.raw)
	}
	act(later, "cancel").want(t, 200, "")
	if a := act(dead, "retry").want(t, 200, ""); a.at("data", "state") != "available" || a.at("data", "maxAttempts") != 4.0 {
		t.Errorf("a dead letter: %s", a.raw)
	}
	eventually(t, "the dead letter is worked", func() bool {
		return w.op("GET", fmt.Sprintf("/v1/admin/jobs/%d", dead), nil).at("data", "state") == "completed"
	})

	// The same on the command line, beside the server.
	second := w.job("mail", "discarded", 3, "again")
	var listed []struct {
		ID                 int64
		Kind, State, Error string
		Args               map[string]string
	}
	must(t, json.Unmarshal([]byte(w.gravy(0, "job", "list", "--state", "discarded", "--json").out), &listed))
	if len(listed) != 1 || listed[0].ID != second || listed[0].Error != "again" || listed[0].Args["mail"] == "" {
		t.Errorf("%+v", listed)
	}
	if o := w.gravy(0, "job", "list", "-k", none); strings.Count(o.out, none) != 4 {
		t.Errorf("%s", o.out)
	}
	w.gravy(2, "job", "list", "-s", "lost")
	w.gravy(1, "job", "retry", "x", "-y")
	w.gravy(1, "job", "retry", "987654321", "-y")
	w.gravy(1, "job", "retry", fmt.Sprint(done), "-y")
	if o := w.gravy(0, "job", "retry", fmt.Sprint(second)); !strings.Contains(o.out+o.err, "Cancelled") {
		t.Errorf("%s%s", o.out, o.err)
	}
	w.gravy(0, "job", "retry", fmt.Sprint(second), "-y")
	w.gravy(0, "job", "cancel", fmt.Sprint(gone), "-y")
	eventually(t, "gravy's dead letter is worked by the server", func() bool {
		return w.op("GET", fmt.Sprintf("/v1/admin/jobs/%d", second), nil).at("data", "state") == "completed"
	})

	// Each act that changed something, once.
	var acts string
	operator := w.call("GET", "/v1/users/me", w.operator, nil).at("data", "id").(string)
	must(t, query(t, w.db, `SELECT string_agg(action || ' ' || (meta::jsonb ->> 'job') || ' ' || (meta::jsonb ->> 'kind') || ' ' || actor, ', ' ORDER BY created_at)
		FROM audit WHERE action LIKE 'job_%'`).Scan(&acts))
	want := fmt.Sprintf("job_cancelled %d %s %s, job_cancelled %d %s %s, job_retried %d mail %s, job_retried %d mail gravy",
		running, none, operator, later, none, operator, dead, operator, second)
	if acts != want {
		t.Errorf("audit: %s\nwant:  %s", acts, want)
	}
}
