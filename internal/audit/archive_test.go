package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
)

// owner is the connection that commands use for what the server may not.
func (b *bundle) owner() *pgx.Conn {
	b.Helper()
	conn := connect(b.T, b.url)
	if _, err := conn.Exec(b.Context(), `SET ROLE turkey_owner`); err != nil {
		b.Fatal(err)
	}
	return conn
}

// past writes events of a month that is over, sealed as an import is.
func (b *bundle) past(month time.Time, id any, no int64, n int) {
	b.Helper()
	b.exec(`INSERT INTO import_map (source, kind, source_id, target_id) VALUES ('x', 'x', gen_random_uuid()::text, 'x')`)
	b.exec(`INSERT INTO audit (app_id, user_id, actor, action, ip, meta, created_at) SELECT 'shop', $1::uuid, ($1::uuid)::text, 'login', '192.0.2.7', '{"ip":"192.0.2.7"}', $2::timestamptz + x * interval '1 second'
		FROM generate_series(1, $3::int) x`, id, month, n)
	b.exec(`INSERT INTO audit_logs (user_id, action, status, error_message, metadata, created_at) SELECT $1::bigint, 'workflow_run', 'failure', '`+unique+`', '{"ip":"192.0.2.7","name":"`+unique+`","rowNumber":7}', $2::timestamptz + x * interval '1 second'
		FROM generate_series(1, $3::int) x`, no, month, n)
}

func TestAMonthGoesIntoAFileAndComesBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	january, february := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	// February gets a partition of its own, as months have that begin after the migration.
	b.exec(`SELECT 1; ALTER TABLE audit_logs DETACH PARTITION audit_parts.audit_logs_before; ALTER TABLE audit_logs ATTACH PARTITION audit_parts.audit_logs_before
		FOR VALUES FROM (MINVALUE) TO ('2024-02-01 00:00:00+00'); SELECT make_audit_month('2024-02-01')`)
	id, no := b.user(2)
	b.past(january, id, no, 1500)
	b.past(february.Add(-time.Second), id, no, 1) // the first moment of February
	b.past(february, id, no, 10)
	b.seal()
	b.intact(2*1511 + 4)

	dir, owner := t.TempDir(), b.owner()
	until := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	done, err := b.keeper.Archive(t.Context(), owner, until, dir, false)
	if err != nil || len(done) != 4 {
		t.Fatalf("%+v, %v", done, err)
	}
	rows := int32(0)
	for _, a := range done {
		rows += a.Rows
		if n := map[string]int32{"2024-01": 1500, "2024-02": 11}[a.Month]; a.Rows != n {
			t.Errorf("%+v", a)
		}
	}
	if left := get[int](b, `SELECT (SELECT count(*) FROM audit) + (SELECT count(*) FROM audit_logs)`); left != 4 || rows != 3022 {
		t.Errorf("%d rows are left, %d in files", left, rows)
	}
	if part := get[*string](b, `SELECT to_regclass('audit_parts.audit_logs_2024_02')::text`); part != nil {
		t.Errorf("%s is still there", *part)
	}
	for name, scope := range map[string]audit.Scope{"by the records": {}, "with the files": {Dir: dir}} {
		if r := b.verify(scope); !r.Intact || r.Archived != 3022 || r.Rows < 4 {
			t.Errorf("%s: %d archived, %s", name, r.Archived, told(r))
		}
	}
	// A person who leaves now does not come back with the files.
	b.forget(id, no)
	for _, a := range done {
		path := filepath.Join(dir, a.File)
		r, err := b.keeper.Restore(t.Context(), owner, path)
		if err != nil || r.Rows != int64(a.Rows) || r.Blank != r.Rows {
			t.Errorf("%s: %+v, %v", a.File, r, err)
		}
		if again, err := b.keeper.Restore(t.Context(), owner, path); err != nil || again.Rows != 0 {
			t.Errorf("%s again: %+v, %v", a.File, again, err)
		}
	}
	if n := get[int](b, `SELECT (SELECT count(*) FROM audit WHERE user_id IS NOT NULL OR ip IS NOT NULL OR meta LIKE '%192%' OR actor <> 'deleted')
		+ (SELECT count(*) FROM audit_logs WHERE user_id IS NOT NULL OR metadata ? 'ip')`); n != 0 {
		t.Errorf("the person came back in %d rows", n)
	}
	if n := get[int](b, `SELECT count(*) FROM audit_logs WHERE created_at < $1 AND metadata = '{"rowNumber":7}' AND error_message IS NULL`, until); n != 1511 {
		t.Errorf("%d rows are as an erasure leaves them", n)
	}
	if tables := b.knowing(unique); len(tables) > 0 {
		t.Errorf("what the person named came back in %v", tables)
	}
	b.seal()
	if r := b.intact(3022 + 5); r.Erased != 3022+4 {
		t.Errorf("%d rows are those of nobody", r.Erased)
	}
	// And into a second file, beside the first.
	if done, err = b.keeper.Archive(t.Context(), owner, until, dir, false); err != nil || len(done) != 4 || !strings.HasSuffix(done[0].File, "-2.ndjson.gz") {
		t.Errorf("%+v, %v", done, err)
	}
	if r := b.verify(audit.Scope{Dir: dir}); !r.Intact || r.Archived != 3022 {
		t.Errorf("%d archived, %s", r.Archived, told(r))
	}
}

func TestAnArchiveIsWatched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, no := b.user(1)
	march := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	b.past(march, id, no, 20)
	b.seal()
	dir, owner := t.TempDir(), b.owner()
	until := march.AddDate(0, 1, 0)

	b.exec(`UPDATE audit SET action = 'x' WHERE created_at < $1`, until)
	if _, err := b.keeper.Archive(t.Context(), owner, until, dir, false); err == nil || !strings.Contains(err.Error(), "verify") {
		t.Errorf("archived what is not as it was sealed: %v", err)
	}
	b.exec(`UPDATE audit SET action = 'login' WHERE created_at < $1`, until)
	done, err := b.keeper.Archive(t.Context(), owner, until, dir, false)
	if err != nil || len(done) != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	path := filepath.Join(dir, done[1].File)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(){
		"a flipped byte": func() {
			write(t, path, append(append(append([]byte{}, whole[:len(whole)/2]...), whole[len(whole)/2]^1), whole[len(whole)/2+1:]...))
		},
		"cut off":              func() { write(t, path, whole[:len(whole)-5]) },
		"more behind":          func() { write(t, path, append(append([]byte{}, whole...), 0)) },
		"another month's file": func() { other, _ := os.ReadFile(filepath.Join(dir, done[0].File)); write(t, path, other) },
	} {
		change()
		if r := b.verify(audit.Scope{Dir: dir}); r.Intact || !strings.Contains(told(r), "archive") {
			t.Errorf("%s: found %q", name, told(r))
		}
		if _, err := b.keeper.Restore(t.Context(), owner, path); err == nil {
			t.Errorf("%s: restored", name)
		}
	}
	write(t, path, whole)
	if r := b.verify(audit.Scope{Dir: dir}); !r.Intact {
		t.Errorf("as it was: %s", told(r))
	}
	b.exec(`UPDATE audit_archives SET rows = rows + 100, sha256 = sha256('x')`)
	if r := b.verify(audit.Scope{Dir: dir}); !strings.Contains(told(r), "archive") || !strings.Contains(told(r), "removed") {
		t.Errorf("a record that nobody signed: %s", told(r))
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
