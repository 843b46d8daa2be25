package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheAuditIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	checkpoints := filepath.Join(dir, "checkpoints.json")
	w := administered(t, "AUDIT_CHECKPOINT_FILE="+checkpoints)
	eventually(t, "the server seals, and tells a checkpoint", func() bool {
		text, err := os.ReadFile(checkpoints)
		return err == nil && strings.Contains(string(text), `"no"`)
	})
	now := filepath.Join(dir, "now.json")
	must(t, os.WriteFile(now, []byte(w.gravy(0, "audit", "checkpoint", "--json").out), 0o600))

	type report struct {
		Intact      bool
		Seals, Rows int
		Findings    []struct{ Kind, Log, ID string }
	}
	verify := func(code int, args ...string) (r report) {
		t.Helper()
		must(t, json.Unmarshal([]byte(w.gravy(code, append([]string{"audit", "verify", "--json"}, args...)...).out), &r))
		return r
	}
	if r := verify(0, "--checkpoint", checkpoints, "--checkpoint", now); !r.Intact || r.Seals == 0 || r.Rows == 0 {
		t.Errorf("%+v", r)
	}
	route := func(query string) (code int, r struct{ Data report }) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+"/v1/admin/audit/verify"+query, nil)
		must(t, err)
		req.Header.Set("X-Turkey-Admin-Key", w.key)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		defer resp.Body.Close()
		must(t, json.NewDecoder(resp.Body).Decode(&r))
		return resp.StatusCode, r
	}
	if code, r := route(""); code != 200 || !r.Data.Intact || r.Data.Rows == 0 {
		t.Errorf("%d %+v", code, r)
	}
	if code, _ := route("?from=last"); code != 400 {
		t.Errorf("a month that is none: %d", code)
	}

	// A month that is over goes into a file and comes back.
	execute(t, w.db, `INSERT INTO import_map (source, kind, source_id, target_id) VALUES ('x', 'x', 'x', 'x')`)
	execute(t, w.db, `INSERT INTO audit_logs (action, status, created_at) SELECT 'old', 'success', '2024-01-02' FROM generate_series(1, 3)`)
	w.gravy(2, "audit", "archive", "--dir", dir, "-y")
	w.gravy(2, "audit", "archive", "--before", "2024-02-01", "--dir", dir, "-y")
	w.gravy(2, "audit", "archive", "--before", "2024-02", "-y")
	if o := w.gravy(0, "audit", "archive", "--before", "2024-02", "--dir", dir); !strings.Contains(o.out, "Cancelled") {
		t.Errorf("not asked: %s%s", o.out, o.err)
	}
	if o := w.gravy(0, "audit", "archive", "--before", "2024-02", "--dir", dir, "-y"); !strings.Contains(o.out, "audit_logs-2024-01.ndjson.gz") {
		t.Errorf("%s", o.out)
	}
	var left int
	must(t, query(t, w.db, `SELECT count(*) FROM audit_logs WHERE action = 'old'`).Scan(&left))
	if r := verify(0, "--dir", dir); !r.Intact || left != 0 {
		t.Errorf("%d left, %+v", left, r)
	}
	w.gravy(0, "audit", "restore", filepath.Join(dir, "audit_logs-2024-01.ndjson.gz"))
	w.gravy(1, "audit", "restore", checkpoints)
	must(t, query(t, w.db, `SELECT count(*) FROM audit_logs WHERE action = 'old'`).Scan(&left))
	if r := verify(0, "--from", "2024-01", "--to", "2024-01"); r.Rows != 3 || left != 3 {
		t.Errorf("%d are back, %+v", left, r)
	}

	execute(t, w.db, `UPDATE audit_logs SET action = 'new' WHERE id = (SELECT min(id) FROM audit_logs WHERE action = 'old')`)
	if r := verify(1); r.Intact || len(r.Findings) != 1 || r.Findings[0].Kind != "changed" || r.Findings[0].Log != "audit_logs" {
		t.Errorf("%+v", r)
	}
	if o := w.gravy(1, "audit", "verify"); !strings.Contains(o.out, "changed") || !strings.Contains(o.out, "2024-01") {
		t.Errorf("%s%s", o.out, o.err)
	}
	open := func() (n int) {
		t.Helper()
		must(t, query(t, w.db, `SELECT count(*) FROM operator_incidents WHERE event = 'audit.tampered' AND closed_at IS NULL`).Scan(&n))
		return n
	}
	if n := open(); n != 1 {
		t.Errorf("the operator was told of %d incidents", n)
	}
	verify(0, "--from", "2024-02")
	if open() != 1 {
		t.Error("other months end what is wrong with this one")
	}
	if code, r := route("?from=2024-01&to=2024-01"); code != 200 || r.Data.Intact || len(r.Data.Findings) != 1 {
		t.Errorf("%d %+v", code, r)
	}
	execute(t, w.db, `UPDATE audit_logs SET action = 'old' WHERE action = 'new'`)
	if verify(0); open() != 0 {
		t.Error("it is over, and nobody said so")
	}
	w.gravy(0, "audit", "list", "-l", "3")
}
