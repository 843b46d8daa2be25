package db_test

import (
	"slices"
	"testing"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// Rows get a form without being written anew, one step at a time, and the program of before can go on after a rollback.
func TestTheAuditsRowsGetAForm(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	conn := connect(t, url)
	back := func() {
		t.Helper()
		for {
			undone, err := db.Rollback(t.Context(), db.MigrateConfig{URL: url}, true)
			if err != nil {
				t.Fatal(err)
			}
			if undone.Version == 16 {
				return
			}
		}
	}
	back()
	const columns = `SELECT count(*) FROM pg_attribute WHERE attname IN ('seal_form', 'newest_form') AND NOT attisdropped`
	if n := scalar[int](t, conn, columns); n != 0 {
		t.Errorf("%d columns are left", n)
	}
	write := func() {
		t.Helper()
		mustExec(t, conn, `INSERT INTO audit_logs (action, status, metadata) VALUES ('x', 'success', '{}')`)
		mustExec(t, conn, `INSERT INTO audit (app_id, action) VALUES ('default', 'x')`)
	}
	seal := func(column, value string) {
		t.Helper()
		mustExec(t, conn, `INSERT INTO audit_seals (no, log, era, cluster, count, root, prev, hash, signature, sealed_at, ids, ats, leaves, persons`+column+`)
			SELECT (SELECT coalesce(max(no), 0) + 1 FROM audit_seals), 'audit', 1, 1, 0, '', '', '', '', now(), '{}', '{}', '', ''`+value)
	}
	mustExec(t, conn, `INSERT INTO apps (id) VALUES ('default') ON CONFLICT DO NOTHING`)
	write()
	seal("", "")
	file := scalar[[]uint32](t, conn, `SELECT array_agg(pg_relation_filenode(c) ORDER BY c) FROM unnest('{audit,audit_parts.audit_logs_before}'::regclass[]) c`)
	steps := upOf(t, "00016_erasure.sql")
	mustExec(t, conn, `SET ROLE turkey_owner`)
	for n := range steps {
		for _, again := range steps[:n+1] { // interrupted before the next
			mustExec(t, conn, again)
		}
	}
	mustExec(t, conn, `RESET ROLE`)
	if migrate(t, url) == 0 {
		t.Error("the migration is not on record")
	}
	write()
	seal("", "") // as the release before does
	seal(", newest_form", ", 2")
	seal("", "")
	if now := scalar[[]uint32](t, conn, `SELECT array_agg(pg_relation_filenode(c) ORDER BY c) FROM unnest('{audit,audit_parts.audit_logs_before}'::regclass[]) c`); !slices.Equal(now, file) {
		t.Error("a table was written anew")
	}
	for _, sql := range []string{`SELECT array_agg(coalesce(seal_form, 1) ORDER BY id) FROM audit_logs`, `SELECT array_agg(coalesce(seal_form, 1) ORDER BY created_at) FROM audit`} {
		if forms := scalar[[]int](t, conn, sql); !slices.Equal(forms, []int{1, 2}) {
			t.Errorf("%s: %v", sql, forms)
		}
	}
	if forms := scalar[[]int](t, conn, `SELECT array_agg(coalesce(newest_form, 0) ORDER BY no) FROM audit_seals`); !slices.Equal(forms, []int{0, 1, 2, 1}) {
		t.Errorf("seals of forms %v", forms)
	}
	if part := scalar[int](t, conn, `SELECT count(*) FROM pg_inherits i WHERE i.inhparent = 'audit_logs'::regclass AND NOT EXISTS (SELECT FROM pg_attrdef d
		JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = i.inhrelid AND a.attname = 'seal_form')`); part != 0 {
		t.Errorf("%d partitions have no default", part)
	}
	back()
	if left := scalar[int](t, conn, `SELECT max(no)::int FROM audit_seals`); left != 2 {
		t.Errorf("%d seals are left: from the first of the new form on they go", left)
	}
	mustExec(t, conn, `SELECT forget_in_audit(gen_random_uuid(), 4711)`)
	write()
}
