package audit_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/audit"
)

// unique is what a person named things, and stands nowhere else.
const unique = "Adas-Canary-Sheet"

// named writes an event into each log that holds what its person named.
func (b *bundle) named() (id uuid.UUID, no int64) {
	b.Helper()
	id, no = b.user(0)
	b.exec(`INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
		VALUES ('shop', $1::uuid, ($1::uuid)::text, 'sessions_ended', '192.0.2.7', 'curl', '{"ip":"192.0.2.7","requestId":"r1","role":"user","reason":"`+unique+`"}')`, id)
	b.exec(`INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata) VALUES ($1, 'credential_accessed', 'meta', 'failure', 'No access to `+unique+`',
		'{"ip":"192.0.2.7","credentialId":7,"name":"`+unique+`","purpose":"of `+unique+`","from":["`+unique+`"],"mode":"append"}')`, no)
	return id, no
}

// knowing are the tables of which a row holds a text.
func (b *bundle) knowing(text string) (tables []string) {
	b.Helper()
	for _, table := range get[[]string](b, `SELECT array_agg(format('%I.%I', n.nspname, c.relname)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`) {
		if get[int](b, fmt.Sprintf(`SELECT count(*) FROM %s r WHERE to_jsonb(r)::text LIKE '%%'||$1||'%%'`, table), text) > 0 {
			tables = append(tables, table)
		}
	}
	return tables
}

// foundEach makes changes that must be found, and takes each back.
func (b *bundle) foundEach(changes ...string) {
	b.Helper()
	for _, sql := range changes {
		log, _, _ := strings.Cut(strings.TrimPrefix(sql, "UPDATE "), " ")
		b.exec(`CREATE TEMP TABLE as_it_was AS SELECT * FROM ` + log)
		b.exec(sql)
		if r := b.verify(audit.Scope{}); !strings.HasPrefix(told(r), "changed "+log+" ") {
			b.Errorf("%s: found %q", sql, told(r))
		}
		b.exec(`DELETE FROM ` + log)
		b.exec(`INSERT INTO ` + log + ` SELECT * FROM as_it_was`)
		b.exec(`DROP TABLE as_it_was`)
	}
}

func TestAnErasureTakesWhatAPersonNamed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, no := b.named()
	b.seal()
	b.intact(2)
	if tables := b.knowing(unique); len(tables) != 2 {
		t.Fatalf("the name is in %v", tables)
	}
	b.foundEach(`UPDATE audit_logs SET metadata = metadata || '{"name":"x"}'`, `UPDATE audit_logs SET metadata = metadata - 'name'`,
		`UPDATE audit_logs SET metadata = metadata || '{"credentialId":8}'`, `UPDATE audit_logs SET error_message = 'x'`, `UPDATE audit_logs SET error_message = NULL`,
		`UPDATE audit_logs SET seal_form = NULL`, `UPDATE audit SET seal_form = 1`, `UPDATE audit SET meta = replace(meta, 'Canary', 'Other')`)
	b.forget(id, no)
	if tables := b.knowing(unique); len(tables) != 0 {
		t.Errorf("the name is still in %v", tables)
	}
	if r := b.intact(2); r.Erased != 2 {
		t.Errorf("%d rows are those of nobody", r.Erased)
	}
	if left := get[string](b, `SELECT metadata::text FROM audit_logs`); left != `{"mode": "append", "credentialId": 7}` {
		t.Errorf("audit_logs keeps %s", left)
	}
	if left := get[string](b, `SELECT meta FROM audit WHERE action = 'sessions_ended'`); left != `{"role": "user", "requestId": "r1"}` {
		t.Errorf("audit keeps %s", left)
	}
	b.foundEach(`UPDATE audit_logs SET metadata = metadata || '{"credentialId":8}'`, `UPDATE audit_logs SET metadata = metadata - 'mode'`,
		`UPDATE audit_logs SET metadata = metadata || '{"name":"x"}'`, `UPDATE audit_logs SET error_message = 'x'`, `UPDATE audit_logs SET seal_form = NULL`,
		`UPDATE audit SET meta = '{"requestId":"r1","role":"admin"}' WHERE action = 'sessions_ended'`, `UPDATE audit SET seal_form = NULL WHERE action = 'sessions_ended'`)
	b.seal()
	b.intact(3)
}

// older makes rows and seals such as a server of the release before leaves: it seals in the first form, and what it writes has
// the defaults of the tables.
func (b *bundle) older() {
	b.Helper()
	b.exec(`UPDATE audit SET seal_form = NULL`)
	b.exec(`UPDATE audit_logs SET seal_form = NULL`)
	b.seal()
	b.exec(`UPDATE audit SET seal_form = DEFAULT`)
	b.exec(`UPDATE audit_logs SET seal_form = DEFAULT`)
	b.exec(`UPDATE audit_seals SET newest_form = DEFAULT`)
}

// Rows of the first form keep what they told besides the address, because their seals hold it in the open.
func TestRowsOfTheFirstFormVerify(t *testing.T) {
	t.Parallel()
	for name, older := range map[string]bool{"from before the form": false, "sealed by a server of the release before": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id, no := b.named()
			other, _ := b.user(1)
			if older {
				b.older()
			} else {
				b.exec(`UPDATE audit SET seal_form = NULL`)
				b.exec(`UPDATE audit_logs SET seal_form = NULL`)
				b.seal()
			}
			b.act(other)
			b.seal()
			b.intact(6)
			b.forget(id, no)
			if r := b.intact(6); r.Erased != 2 {
				t.Errorf("%d rows are those of nobody", r.Erased)
			}
			if tables := b.knowing(id.String()); len(tables) > 0 {
				t.Errorf("%v still know the person", tables)
			}
			if n := get[int](b, `SELECT count(*) FROM audit_logs WHERE erasure IS NOT NULL AND (metadata ? 'ip' OR NOT metadata ? 'name')`); n != 0 {
				t.Error("more or less than the address was taken out of a row of the first form")
			}
			b.foundEach(`UPDATE audit_logs SET metadata = metadata - 'name' WHERE erasure IS NOT NULL`, `UPDATE audit_logs SET error_message = NULL WHERE erasure IS NOT NULL`)
		})
	}
}

func TestAnArchiveOfTheFirstFormComesBackWithoutItsPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, no := b.user(0)
	march := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	b.past(march, id, no, 3)
	b.older()
	dir, owner := t.TempDir(), b.owner()
	done, err := b.keeper.Archive(t.Context(), owner, march.AddDate(0, 1, 0), dir, false)
	if err != nil || len(done) != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	b.forget(id, no)
	if r := b.verify(audit.Scope{Dir: dir}); !r.Intact || r.Archived != 6 {
		t.Errorf("in files: %d rows, %s", r.Archived, told(r))
	}
	for _, a := range done {
		if r, err := b.keeper.Restore(t.Context(), owner, filepath.Join(dir, a.File)); err != nil || r.Blank != 3 {
			t.Errorf("%s: %+v, %v", a.File, r, err)
		}
	}
	if r := b.intact(6); r.Erased != 6 {
		t.Errorf("%d rows are those of nobody", r.Erased)
	}
	if tables := append(b.knowing(id.String()), b.knowing("192.0.2.7")...); len(tables) > 0 {
		t.Errorf("%v still know the person", tables)
	}
}
