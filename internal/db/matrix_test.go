package db_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// rowOf says how to make one row of each tenant table. $1 is the app, $2 the user, $3 the user's number; newTenant has
// made the first four.
var rowOf = map[string]string{
	"apps":               "",
	"users":              "",
	"refresh_tokens":     "",
	"credentials":        "",
	"app_brands":         `(app_id, color) SELECT $1, '#a83f17' WHERE $2::text IS NOT NULL`,
	"app_mail_templates": `(app_id, kind, subject, body_text, body_html) SELECT $1, 'welcome', 's', 't', 'h' WHERE $2::text IS NOT NULL`,
	"revoked_jti":        `(jti, app_id, user_id, expires_at) SELECT $1 || '-jti', $1, $2, now()`,
	"revocation_events":  `(app_id, kind, subject, expires_at) SELECT $1, 'user', $2::text, now()`,
	"email_tokens":       `(app_id, user_id, token_hash, type, email, expires_at) SELECT $1, $2, $1 || '-hash', 'password_reset', 'x', now()`,
	"mails":              `(app_id, user_id, kind, recipient) SELECT $1, $2, 'welcome', 'x'`,
	"audit":              `(app_id, user_id, action) SELECT $1, $2, 'login'`,
	"vault_keys":         `(user_id, root_id, keyset, index_key) SELECT $3, 'root', '', ''`,
	"service_configs":    `(user_id, service, credential_id) SELECT user_id, service, id FROM credentials WHERE user_id = $3`,
	"sheet_mappings":     `(user_id, service, spreadsheet_id, sheet_name) SELECT $3, 'meta', 's', 't'`,
	"audit_logs":         `(user_id, action, status) SELECT $3, 'save', 'success'`,
	"kpi_runs":           `(id, user_id, service) SELECT gen_random_uuid(), $3, 'meta'`,
	"job_schedules":      `(user_id, service, cron_expression) SELECT $3, 'meta', '0 2 * * *'`,
	"user_identities":    `(app_id, issuer, subject, user_id) SELECT $1, 'https://issuer.example', 'subject-' || $1, $2`,
	"credential_versions": `(user_id, credential_id, version, type, encrypted_data, preview, created_at)
		SELECT user_id, id, 1, 'oauth', 'v1.', '***', now() FROM credentials WHERE user_id = $3`,
	"credential_tokens":     `(user_id, credential_id, version) SELECT user_id, id, 1 FROM credentials WHERE user_id = $3`,
	"notification_settings": `(user_id) SELECT $3`,
	"webhooks":              `(id, user_id, url, secret) SELECT gen_random_uuid(), $3, 'https://hook.example', 'v1.'`,
	"webhook_deliveries": `(id, user_id, webhook_id, event, payload)
		SELECT gen_random_uuid(), user_id, id, 'credential.broken', '{}' FROM webhooks WHERE user_id = $3`,
	"idempotency_keys": `(user_id, key, request_hash, locked_until) SELECT $3, 'key-' || $1, '', now()`,
	"kpi_rows":         `(user_id, service, day, id, metrics, run_id) SELECT $3, 'meta', '2026-01-01', gen_random_uuid(), '{}', gen_random_uuid()`,
	"kpi_undo":         `(user_id, run_id, spreadsheet_id, sheet_id, cells) SELECT user_id, id, 's', 0, '[]' FROM kpi_runs WHERE user_id = $3`,
}

// matrix is a database with one row of every table for each of two tenants.
type matrix struct {
	conn *pgx.Conn
	a, b tenant
}

func newMatrix(t *testing.T) matrix {
	t.Helper()
	url := dbtest.URL(t)
	d := open(t, url, 1)
	m := matrix{conn: connect(t, url), a: newTenant(t, d, "a"), b: newTenant(t, d, "b")}
	mustExec(t, m.conn, `INSERT INTO vault_roots (id, check_value) VALUES ('root', '')`)
	for _, who := range []tenant{m.a, m.b} {
		for _, b := range parentsFirst(tables(t, m.conn)) {
			if b.Tenant == "" {
				continue
			}
			values, known := rowOf[b.Name]
			if !known {
				t.Fatalf("rowOf does not say how to make a row of %s", b.Name)
			}
			if values != "" {
				args := []any{who.app, who.user, who.no}
				mustExec(t, m.conn, `WITH args AS (SELECT $1::text, $2::uuid, $3::bigint) INSERT INTO `+b.Name+` `+values, args...)
			}
			if n := scalar[int](t, m.conn, `SELECT count(*) FROM `+b.Name+` WHERE `+b.Tenant+`::text = $1`, who.key(b)); n != 1 {
				t.Fatalf("%d rows of %s in %s", n, who.app, b.Name)
			}
		}
	}
	return m
}

// parentsFirst moves the tables that others refer to within the matrix to the front.
func parentsFirst(all []table) []table {
	slices.SortStableFunc(all, func(a, b table) int {
		rank := func(t table) int {
			if t.Name == "webhooks" {
				return 0
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	return all
}

// key is the value of the tenant's column, as text.
func (a tenant) key(b table) string {
	if b.Tenant == "user_id" {
		return fmt.Sprint(a.no)
	}
	return a.app
}

// foreign is what the table holds of everybody but the tenant.
func (m matrix) foreign(t *testing.T, b table, own string) string {
	t.Helper()
	return strings.Join(list[string](t, m.conn, `SELECT to_jsonb(r)::text FROM `+b.Name+` r
		WHERE `+b.Tenant+`::text IS DISTINCT FROM $1 ORDER BY 1`, own), "\n")
}

// insert is a statement that makes the row of a tenant again, with some columns replaced (a JSON object).
func insert(b table, columns []string, of, replaced string) string {
	return fmt.Sprintf(`INSERT INTO %[1]s (%[5]s) OVERRIDING SYSTEM VALUE SELECT n.%[6]s FROM %[1]s_rows r, jsonb_populate_record(NULL::%[1]s, r.row || '%[4]s') n WHERE r.row->>'%[2]s' = '%[3]s'`,
		b.Name, b.Tenant, of, replaced, strings.Join(columns, ", "), strings.Join(columns, ", n."))
}

// attack is something that a scope of own must not do to the rows of other.
type attack struct {
	name    string
	sql     string
	refused bool // it fails; else it just finds no foreign row
}

func attacks(t *testing.T, m matrix, b table, own, other string) []attack {
	t.Helper()
	keys := list[string](t, m.conn, `SELECT attname::text FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
		WHERE indrelid = $1 AND indisprimary ORDER BY attnum`, b.oid)
	columns := list[string](t, m.conn, `SELECT attname::text FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
		AND attgenerated = '' AND attidentity <> 'a' ORDER BY attnum`, b.oid)
	var set []string
	for _, c := range columns {
		set = append(set, c+" = excluded."+c)
	}
	upsert := ` ON CONFLICT (` + strings.Join(keys, ", ") + `) DO UPDATE SET ` + strings.Join(set, ", ")
	mine := fmt.Sprintf(`{"%s": "%s"}`, b.Tenant, own)
	list := []attack{
		{"insert of another tenant's row", insert(b, columns, other, `{}`), true},
		{"insert for nobody", insert(b, columns, other, fmt.Sprintf(`{"%s": null}`, b.Tenant)), true},
		{"upsert of another tenant's row", insert(b, columns, other, `{}`) + upsert, true},
		{"upsert that takes another tenant's row", insert(b, columns, other, mine) + upsert, !slices.Contains(keys, b.Tenant)},
		{"update of everything", fmt.Sprintf(`UPDATE %s SET %s = %[2]s`, b.Name, b.Tenant), false},
		{"update by the other's name", fmt.Sprintf(`UPDATE %s SET %[2]s = '%[3]s' WHERE %[2]s = '%[4]s'`, b.Name, b.Tenant, own, other), false},
		{"delete of everything", `DELETE FROM ` + b.Name, false},
		{"delete by the other's name", fmt.Sprintf(`DELETE FROM %s WHERE %s = '%s'`, b.Name, b.Tenant, other), false},
		{"lock", `SELECT FROM ` + b.Name + ` FOR UPDATE`, false},
		{"truncate", `TRUNCATE ` + b.Name + ` CASCADE`, true},
		{"policies off", `ALTER TABLE ` + b.Name + ` DISABLE ROW LEVEL SECURITY`, true},
	}
	if own == m.a.key(b) {
		list = append(list, attack{"update that gives rows away", fmt.Sprintf(`UPDATE %s SET %s = '%s'`, b.Name, b.Tenant, other), true})
	}
	return list
}

func TestIsolation(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	for name := range rowOf {
		if !slices.ContainsFunc(tables(t, m.conn), func(b table) bool { return b.Name == name }) {
			t.Errorf("rowOf knows %s, the database does not", name)
		}
	}
	for _, b := range tables(t, m.conn) {
		if b.Tenant == "" {
			continue
		}
		m.reveal(t, b)
		for context, own := range map[string]string{
			"a": m.a.key(b), "b": m.b.key(b), "never set": "-", "empty": "", "unknown": "999999", "garbage": "% OR true",
		} {
			for _, p := range m.check(t, b, context, own) {
				t.Error(p)
			}
		}
	}
}

// reveal gives attackers all there is to know of the rows, in a table of its own, which the app may read.
func (m matrix) reveal(t *testing.T, b table) {
	t.Helper()
	mustExec(t, m.conn, fmt.Sprintf(`CREATE TABLE %[1]s_rows AS SELECT to_jsonb(r) AS row FROM %[1]s r; GRANT SELECT ON %[1]s_rows TO turkey_app`, b.Name))
}

// A check that nothing can fail proves nothing.
func TestIsolationSeesMistakes(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	all := tables(t, m.conn)
	b := all[slices.IndexFunc(all, func(b table) bool { return b.Name == "sheet_mappings" })]
	m.reveal(t, b)
	const policy = `ALTER POLICY sheet_mappings_user_isolation ON sheet_mappings `
	for _, c := range []struct{ change, undo, want string }{
		{`ALTER TABLE sheet_mappings DISABLE ROW LEVEL SECURITY`, `ALTER TABLE sheet_mappings ENABLE ROW LEVEL SECURITY`, "select:"},
		{policy + `WITH CHECK (true)`, ``, "update that gives rows away"},
		{policy + `USING (true)`, ``, "delete of everything"},
	} {
		mustExec(t, m.conn, c.change)
		found := strings.Join(m.check(t, b, "a", m.a.key(b)), "\n")
		if !strings.Contains(found, c.want) {
			t.Errorf("%s: not seen; found only %s", c.change, found)
		}
		mustExec(t, m.conn, c.undo)
	}
}

// check tries everything in one context on one table, and returns what went through.
func (m matrix) check(t *testing.T, b table, context, own string) (found []string) {
	t.Helper()
	report := func(format string, args ...any) {
		found = append(found, b.Name+" as "+context+": "+fmt.Sprintf(format, args...))
	}
	exists, other := context == "a" || context == "b", m.b.key(b)
	if context == "b" {
		other = m.a.key(b)
	}
	want := 0
	if exists {
		want = 1
	}
	before := m.foreign(t, b, own)
	enter := func() {
		mustExec(t, m.conn, `BEGIN`)
		if context != "never set" {
			mustExec(t, m.conn, `SELECT set_config($1, $2, true)`, b.setting(), own)
		}
		mustExec(t, m.conn, `SET LOCAL ROLE turkey_app`)
	}
	// A number that is none is an error in every statement, which is as good as no row.
	garbled := func(err error) bool {
		pe, ok := errors.AsType[*pgconn.PgError](err)
		return ok && pe.Code == "22P02" && context == "garbage" && b.Tenant == "user_id"
	}

	enter()
	rows, err := m.conn.Query(t.Context(), `SELECT `+b.Tenant+`::text FROM `+b.Name)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil && !garbled(err) || len(seen) != want || want == 1 && seen[0] != own {
		report("select: %q, %v", seen, err)
	}
	mustExec(t, m.conn, `ROLLBACK`)

	enter()
	var out bytes.Buffer
	what := b.Name
	if what == "audit_logs" { // of a partitioned table COPY would look into the parent alone, which is empty
		what = "(SELECT * FROM audit_logs)"
	}
	tag, err := m.conn.PgConn().CopyTo(t.Context(), &out, `COPY `+what+` TO STDOUT`)
	if err != nil && !garbled(err) || int(tag.RowsAffected()) != want {
		report("copy: %d rows, %v: %s", tag.RowsAffected(), err, out.String())
	}
	mustExec(t, m.conn, `ROLLBACK`)

	for _, a := range attacks(t, m, b, own, other) {
		enter()
		tag, err := m.conn.Exec(t.Context(), a.sql)
		switch pe, ok := errors.AsType[*pgconn.PgError](err); {
		case err == nil && a.refused:
			report("%s: accepted: %s", a.name, a.sql)
		case err == nil && int(tag.RowsAffected()) > want:
			report("%s: %d rows: %s", a.name, tag.RowsAffected(), a.sql)
		// Policies (42501, as a missing right) are checked before constraints, so a constraint (23…) is no refusal.
		case err != nil && (!ok || (a.refused || pe.Code[:2] != "23") && pe.Code != "42501" && !garbled(err)) && (exists || !errorOfValue(err)):
			report("%s: %v: %s", a.name, err, a.sql)
		}
		if err == nil {
			mustExec(t, m.conn, `RESET ROLE`)
			if after := m.foreign(t, b, own); after != before {
				report("%s changed rows of others:\n%s\nbefore:\n%s", a.name, after, before)
			}
		}
		mustExec(t, m.conn, `ROLLBACK`)
	}
	return found
}

// errorOfValue: a context that is no tenant's makes no good column value either.
func errorOfValue(err error) bool {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pe.Code == "22P02")
}

// Nobody binds another's credential to their own service, though the check of the foreign key sees all rows.
func TestForeignCredentialCannotBeBound(t *testing.T) {
	t.Parallel()
	d, a, b := migrated(t, 1)
	var id int64
	if err := d.In(db.User(b.user)).QueryRow(t.Context(), `SELECT id FROM credentials`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	_, err := d.In(db.User(a.user)).Exec(t.Context(), `INSERT INTO service_configs (user_id, service, credential_id) VALUES ($1, 'meta', $2)`, a.no, id)
	if !db.IsForeignKey(err) {
		t.Error(err)
	}
}

// One app's e-mail address is free in another app, so a duplicate tells nothing about others.
func TestUniquenessIsPerTenant(t *testing.T) {
	t.Parallel()
	d, a, _ := migrated(t, 1)
	add := func(email string) error {
		_, err := d.In(db.App(a.app)).Exec(t.Context(), `INSERT INTO users (app_id, email, password_hash) VALUES ($1, $2, '')`, a.app, email)
		return err
	}
	if err := add("b@example.org"); err != nil {
		t.Error(err)
	}
	if err := add("a@example.org"); !db.IsUnique(err, "users_email_app_idx") || db.IsUnique(err, "other") || db.IsForeignKey(err) {
		t.Error(err)
	}
}
