package db_test

import (
	"os"
	"strings"
	"testing"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// upOf are the statements of a migration, as they are run one by one.
func upOf(t *testing.T, file string) (all []string) {
	t.Helper()
	text, err := os.ReadFile("migrations/" + file)
	if err != nil {
		t.Fatal(err)
	}
	up, _, _ := strings.Cut(string(text), "-- +goose Down")
	var b strings.Builder
	whole := false
	for line := range strings.Lines(up) {
		switch strings.TrimSpace(line) {
		case "-- +goose StatementBegin":
			whole = true
		case "-- +goose StatementEnd":
			whole = false
			all = append(all, b.String())
			b.Reset()
		default:
			if strings.HasPrefix(line, "--") && !whole {
				continue
			}
			b.WriteString(line)
			if code, _, _ := strings.Cut(line, " -- "); !whole && strings.HasSuffix(strings.TrimSpace(code), ";") {
				all = append(all, b.String())
				b.Reset()
			}
		}
	}
	return all
}

// The steps are transactions of their own, so a migration may end after any of them, and then begins anew.
func TestTheAuditsMigrationGoesOn(t *testing.T) {
	t.Parallel()
	steps := upOf(t, "00009_audit_seal.sql")
	if len(steps) < 20 {
		t.Fatalf("only %d statements were found", len(steps))
	}
	url := dbtest.Empty(t)
	migrate(t, url)
	for {
		undone, err := db.Rollback(t.Context(), db.MigrateConfig{URL: url}, true)
		if err != nil {
			t.Fatal(err)
		}
		if undone.Version == 9 {
			break
		}
	}
	conn := connect(t, url)
	mustExec(t, conn, `INSERT INTO audit_logs (action, status, created_at) SELECT 'x', 'success', now() - n * interval '1 day' FROM generate_series(1, 400) n`)
	file := scalar[uint32](t, conn, `SELECT pg_relation_filenode('audit_logs')`)
	older := connect(t, url) // a server of the release before, with its statement prepared
	insert := func() int64 {
		t.Helper()
		var id int64
		if err := older.QueryRow(t.Context(), `INSERT INTO audit_logs (action, status, metadata) VALUES ('x', 'success', '{}') RETURNING audit_logs.id`).Scan(&id); err != nil {
			t.Error(err)
		}
		return id
	}
	last := insert()
	mustExec(t, conn, `SET ROLE turkey_owner`)
	for n := range steps {
		if n%3 == 2 { // interrupted here
			for _, again := range steps[:n] {
				mustExec(t, conn, again)
			}
		}
		mustExec(t, conn, steps[n])
		if id := insert(); id <= last {
			t.Errorf("after step %d a row got the number %d, after %d", n+1, id, last)
		} else {
			last = id
		}
	}
	for _, again := range steps {
		mustExec(t, conn, again)
	}
	mustExec(t, conn, `RESET ROLE`)
	if n := scalar[int64](t, conn, `SELECT count(*) FROM audit_logs`); n != 401+int64(len(steps)) {
		t.Errorf("%d rows", n)
	}
	if now := scalar[uint32](t, conn, `SELECT pg_relation_filenode('audit_parts.audit_logs_before')`); now != file {
		t.Error("the table was written anew")
	}
	if parts := scalar[int](t, conn, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_logs'::regclass`); parts < 4 {
		t.Errorf("%d partitions", parts)
	}
	if bad := list[string](t, conn, `SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid OR NOT indisready`); len(bad) > 0 {
		t.Errorf("not valid: %v", bad)
	}
	if twice := list[string](t, conn, `SELECT c.relname::text FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
		WHERE i.indrelid = 'audit_parts.audit_logs_before'::regclass AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)`); len(twice) > 0 {
		t.Errorf("indexes that the table has none of: %v", twice)
	}
}
