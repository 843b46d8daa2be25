package db_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/dbtest"
)

// noTenant are the tables of public without tenant data, and why each has none. Only the system role may use them.
var noTenant = map[string]string{
	"goose_db_version":   "which migrations are applied; everybody may read it",
	"keys":               "signing keys of the server, sealed",
	"server_secrets":     "random keys of the server, sealed",
	"vault_roots":        "fingerprints of the root keys",
	"admin_keys":         "hashes of the operators' keys",
	"mailbox":            "what the development mailbox would have sent, whoever it is for",
	"sheet_leases":       "who writes to a tab, over all users",
	"limit_windows":      "rate limits by client, hashed",
	"login_locks":        "failed sign-ins by client and account, hashed",
	"login_accounts":     "failed sign-ins by account, hashed",
	"import_map":         "which rows of a predecessor's database were taken over, by number",
	"audit_seals":        "the chain over the audit, by hashes",
	"audit_keys":         "keys of those whose rows are sealed",
	"audit_erasures":     "that somebody was taken out of the audit, not who",
	"audit_archives":     "which months of the audit are in files",
	"operator_incidents": "what is wrong with the server, in numbers over all users",
}

// references are the columns that name a row of a tenant's table: each has a foreign key there, which must carry the tenant.
var references = map[string]string{"user_id": "users", "credential_id": "credentials", "webhook_id": "webhooks", "run_id": "kpi_runs"}

// loose are those without, and why.
var loose = map[string]string{
	"mails.user_id":          "a farewell outlives the account",
	"kpi_rows.run_id":        "runs are forgotten before the numbers they fetched",
	"kpi_runs.credential_id": "what a run was started with may be gone; it is looked up among the user's own",
}

// appendOnly are the tables that nobody but the owner may change rows of.
var appendOnly = []string{"audit", "audit_logs"}

// table is what the catalogue says about a table of public.
type table struct {
	oid            uint32
	Name           string
	Tenant         string // its tenant column, "" if none
	enabled, force bool
	owner          string
}

// setting is the one that the policies of the table compare with.
func (b table) setting() string {
	if b.Tenant == "user_id" {
		return "app.current_user_id"
	}
	return "app.current_app_id"
}

// tables lists public. A column app_id or user_id makes a table a tenant's; apps are tenants themselves.
func tables(t testing.TB, conn *pgx.Conn) []table {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		SELECT c.oid, c.relname::text, c.relrowsecurity, c.relforcerowsecurity, c.relowner::regrole::text,
			coalesce(CASE WHEN c.relname = 'apps' THEN 'id' END, (SELECT min(attname::text) FROM pg_attribute a
				WHERE a.attrelid = c.oid AND attname IN ('app_id', 'user_id') AND NOT attisdropped), '')
		FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f') ORDER BY 2`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b table, err error) {
		return b, row.Scan(&b.oid, &b.Name, &b.enabled, &b.force, &b.owner, &b.Tenant)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// problems holds the catalogue of a database against the rules of row-level security. Its checks are generated: a new
// table is covered or is a problem.
func problems(t testing.TB, conn *pgx.Conn) []string {
	t.Helper()
	var found []string
	all := tables(t, conn)
	for _, b := range all {
		reason := noTenant[b.Name]
		switch {
		case b.Tenant == "" && reason == "":
			found = append(found, b.Name+": no tenant column, and not among the tables without tenant data")
		case b.Tenant != "" && reason != "":
			found = append(found, b.Name+": is among the tables without tenant data and has "+b.Tenant)
		case b.Tenant == "":
			if held := list[string](t, conn, `SELECT privilege FROM unnest($2::text[]) privilege
				WHERE has_table_privilege('turkey_app', $1::oid, privilege) AND ($3 OR privilege <> 'SELECT')`,
				b.oid, []string{"SELECT", "INSERT", "UPDATE", "DELETE"}, b.Name != "goose_db_version"); len(held) > 0 {
				found = append(found, fmt.Sprintf("%s: turkey_app holds %v", b.Name, held))
			}
		default:
			found = append(found, tableProblems(t, conn, b)...)
		}
		if b.owner != "turkey_owner" {
			found = append(found, b.Name+": owned by "+b.owner)
		}
	}
	for name := range noTenant {
		if !slices.ContainsFunc(all, func(b table) bool { return b.Name == name }) {
			found = append(found, name+": is among the tables without tenant data and does not exist")
		}
	}
	return append(found, databaseProblems(t, conn)...)
}

func tableProblems(t testing.TB, conn *pgx.Conn, b table) []string {
	t.Helper()
	var found []string
	report := func(format string, args ...any) { found = append(found, b.Name+": "+fmt.Sprintf(format, args...)) }
	if !b.enabled {
		report("row-level security is not enabled")
	}
	if !b.force {
		report("row-level security is not forced")
	}
	// A unique index that is not partial serves the filter of the policy as well as a plain one.
	if !scalar[bool](t, conn, `SELECT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
		WHERE i.indrelid = $1 AND a.attname = $2 AND i.indisvalid AND i.indpred IS NULL)`, b.oid, b.Tenant) {
		report("no index starts with %s", b.Tenant)
	}

	rows, err := conn.Query(t.Context(), `
		SELECT p.polname::text, p.polcmd::text, p.polpermissive, coalesce(r.rolname::text, 'public'),
			coalesce(pg_get_expr(p.polqual, p.polrelid), ''), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
		FROM pg_policy p CROSS JOIN unnest(p.polroles) member LEFT JOIN pg_roles r ON r.oid = member WHERE p.polrelid = $1`, b.oid)
	if err != nil {
		t.Fatal(err)
	}
	covered := map[string]bool{}
	var name, cmd, role, using, check string
	var permissive bool
	if _, err := pgx.ForEachRow(rows, []any{&name, &cmd, &permissive, &role, &using, &check}, func() error {
		if permissive {
			for _, c := range commands[cmd] {
				covered[role+" "+c] = true
			}
		}
		if cmd != "r" && cmd != "d" && check == "" {
			report("policy %s has no WITH CHECK", name)
		}
		switch role {
		case "turkey_app":
			for _, expr := range []string{using, check} {
				if expr != "" && !scoped(b, expr) {
					report("policy %s is not (column = (SELECT nullif(current_setting(…, true), ''))): %s", name, expr)
				}
			}
		case "turkey_system", "turkey_owner":
		default:
			report("policy %s is for %s", name, role)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"turkey_app", "turkey_system"} {
		for _, c := range list[string](t, conn, `SELECT c FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) c
			WHERE has_table_privilege($1, $2::oid, c) OR c <> 'DELETE' AND has_any_column_privilege($1, $2::oid, c)`, role, b.oid) {
			if !covered[role+" "+c] {
				report("no policy covers %s by %s", c, role)
			}
			if (c == "UPDATE" || c == "DELETE") && slices.Contains(appendOnly, b.Name) {
				report("is append-only and %s may %s", role, c)
			}
		}
	}
	return append(found, foreignKeyProblems(t, conn, b)...)
}

// commands of a policy by pg_policy.polcmd.
var commands = map[string][]string{
	"r": {"SELECT"}, "a": {"INSERT"}, "w": {"UPDATE"}, "d": {"DELETE"}, "*": {"SELECT", "INSERT", "UPDATE", "DELETE"},
}

// scoped tells whether a policy compares the tenant column with the setting, through a scalar sub-select (evaluated once
// per statement) and nullif (a setting that was local comes back as ”), and does nothing else.
func scoped(b table, expr string) bool {
	flat := strings.NewReplacer(" ", "", "\n", "", `"`, "", "(", "", ")", "", "::text", "").Replace(expr)
	return regexp.MustCompile(`^` + b.Tenant + `=SELECTNULLIFcurrent_setting'` + regexp.QuoteMeta(b.setting()) +
		`',true,''(::bigint)?(AS(nullif|int8))?$`).MatchString(flat)
}

// foreignKeyProblems: checks of foreign keys bypass policies, so between two tenants' tables the tenant must be part of
// the key. users are at home in both halves: app_id is their tenant, and their number is the tenant of the rest.
func foreignKeyProblems(t testing.TB, conn *pgx.Conn, b table) []string {
	t.Helper()
	var found []string
	rows, err := conn.Query(t.Context(), `
		SELECT k.conname::text, k.confrelid::regclass::text,
			(SELECT array_agg(attname::text ORDER BY n) FROM unnest(k.conkey) WITH ORDINALITY u (num, n)
				JOIN pg_attribute ON attrelid = k.conrelid AND attnum = num),
			(SELECT array_agg(attname::text ORDER BY n) FROM unnest(k.confkey) WITH ORDINALITY u (num, n)
				JOIN pg_attribute ON attrelid = k.confrelid AND attnum = num)
		FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = $1`, b.oid)
	if err != nil {
		t.Fatal(err)
	}
	var name, parent string
	var here, there []string
	if _, err := pgx.ForEachRow(rows, []any{&name, &parent, &here, &there}, func() error {
		if slices.Contains(appendOnly, b.Name) {
			found = append(found, b.Name+": has foreign key "+name+", and an event outlives what it is about")
		}
		if noTenant[parent] != "" {
			return nil
		}
		i := slices.Index(here, b.Tenant)
		parentTenant := map[string][]string{"apps": {"id"}, "users": {"app_id", "user_no"}}[parent]
		if parentTenant == nil {
			parentTenant = []string{b.Tenant}
		}
		if i < 0 || !slices.Contains(parentTenant, there[i]) {
			found = append(found, fmt.Sprintf("%s: foreign key %s to %s lacks the tenant: %v to %v", b.Name, name, parent, here, there))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for column, parent := range references {
		if loose[b.Name+"."+column] == "" && !slices.Contains(appendOnly, b.Name) && scalar[bool](t, conn, `SELECT EXISTS (SELECT FROM pg_attribute a
			WHERE a.attrelid = $1 AND a.attname = $2 AND NOT a.attisdropped AND NOT EXISTS (SELECT FROM pg_constraint k
				WHERE k.conrelid = a.attrelid AND k.contype = 'f' AND k.confrelid = $3::regclass AND a.attnum = ANY (k.conkey)))`, b.oid, column, parent) {
			found = append(found, fmt.Sprintf("%s: %s has no foreign key to %s", b.Name, column, parent))
		}
	}
	return found
}

// databaseProblems are those of no single tenant table.
func databaseProblems(t testing.TB, conn *pgx.Conn) []string {
	t.Helper()
	return list[string](t, conn, `
		SELECT format('view %s has no security_invoker', c.oid::regclass) FROM pg_class c
			JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema')
			WHERE c.relkind = 'm' OR c.relkind = 'v' AND NOT coalesce(c.reloptions::text[] && '{security_invoker=true,security_invoker=on}', false)
		UNION ALL
		SELECT format('%s: %s holds %s', c.oid::regclass, r, p) FROM pg_class c, unnest('{turkey_app,turkey_system}'::text[]) r,
			unnest('{TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
			WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND has_table_privilege(r, c.oid, p)
		UNION ALL
		SELECT format('%s: everybody holds %s', c.oid::regclass, acl.privilege_type) FROM pg_class c, aclexplode(c.relacl) acl
			WHERE c.relnamespace = 'public'::regnamespace AND acl.grantee = 0 AND c.relname <> 'goose_db_version'
		UNION ALL
		SELECT format('%s: outside public and within reach of %s', c.oid::regclass, r) FROM pg_class c
			JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT IN ('public', 'river', 'pg_catalog', 'information_schema')
				AND n.nspname !~ '^pg_',
			unnest('{turkey_app,turkey_system}'::text[]) r
			WHERE c.relkind IN ('r', 'p', 'f') AND has_table_privilege(r, c.oid, 'SELECT, INSERT, UPDATE, DELETE')
		UNION ALL
		SELECT format('role %s is a superuser or bypasses policies', rolname) FROM pg_roles
			WHERE rolname IN ('turkey_app', 'turkey_system', 'turkey_owner') AND (rolsuper OR rolbypassrls)
		UNION ALL
		SELECT format('role %s may create in public', r) FROM unnest('{turkey_app,turkey_system}'::text[]) r
			WHERE has_schema_privilege(r, 'public', 'CREATE')
		UNION ALL
		SELECT format('role %s is a member of turkey_owner', r) FROM unnest('{turkey_app,turkey_system}'::text[]) r
			WHERE pg_has_role(r, 'turkey_owner', 'MEMBER')
		UNION ALL
		SELECT 'turkey_app inherits turkey_system' WHERE pg_has_role('turkey_app', 'turkey_system', 'USAGE')
		UNION ALL
		SELECT format('function %s runs with the rights of %s and pins no search_path', p.oid::regprocedure, p.proowner::regrole)
			FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema')
			WHERE p.prosecdef AND NOT coalesce(EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s IN ('search_path=', 'search_path=""')), false)
		UNION ALL
		SELECT format('function %s runs with the rights of %s', p.oid::regprocedure, p.proowner::regrole)
			FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema')
			WHERE p.prosecdef AND p.proowner::regrole::text <> 'turkey_owner'`)
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	conn := connect(t, dbtest.URL(t))
	for _, p := range problems(t, conn) {
		t.Error(p)
	}
	n := 0
	for _, b := range tables(t, conn) {
		if b.Tenant != "" {
			n++
		}
	}
	if n < 12 {
		t.Errorf("only %d tables were looked at", n)
	}
}

// Each mutation is a mistake that somebody will make. The check has to see it, or it proves nothing.
func TestCatalogueSeesMistakes(t *testing.T) {
	t.Parallel()
	conn := connect(t, dbtest.URL(t))
	const policy = `CREATE POLICY p ON credentials TO turkey_app `
	for _, m := range []struct{ name, sql, want string }{
		{"no FORCE", `ALTER TABLE users NO FORCE ROW LEVEL SECURITY`, "users: row-level security is not forced"},
		{"disabled", `ALTER TABLE kpi_rows DISABLE ROW LEVEL SECURITY`, "kpi_rows: row-level security is not enabled"},
		{"no policy of the app", `DROP POLICY users_app ON users`, "users: no policy covers SELECT by turkey_app"},
		{"no policy of the system", `DROP POLICY audit_system ON audit`, "audit: no policy covers INSERT by turkey_system"},
		{"a policy for one command", `DROP POLICY users_app ON users; CREATE POLICY users_app ON users FOR SELECT TO turkey_app
			USING (app_id = (SELECT nullif(current_setting('app.current_app_id', true), '')))`, "users: no policy covers DELETE by turkey_app"},
		{"a right on a column", `CREATE TABLE t (app_id text, v int); GRANT UPDATE (v) ON t TO turkey_app`, "t: no policy covers UPDATE by turkey_app"},
		{"no WITH CHECK", `DROP POLICY users_app ON users; CREATE POLICY users_app ON users TO turkey_app
			USING (app_id = (SELECT nullif(current_setting('app.current_app_id', true), '')))`, "users: policy users_app has no WITH CHECK"},
		{"a second policy", policy + `USING (true) WITH CHECK (true)`, "credentials: policy p is not (column"},
		{"a policy for all", `CREATE POLICY p ON credentials USING (true) WITH CHECK (true)`, "credentials: policy p is for public"},
		{"no sub-select", policy + `USING (user_id = nullif(current_setting('app.current_user_id', true), '')::bigint)`, "credentials: policy p is not (column"},
		{"no nullif", policy + `USING (user_id = (SELECT current_setting('app.current_user_id', true)::bigint))`, "credentials: policy p is not (column"},
		{"must be set", policy + `USING (user_id = (SELECT nullif(current_setting('app.current_user_id'), '')::bigint))`, "credentials: policy p is not (column"},
		{"another setting", policy + `USING (user_id = (SELECT nullif(current_setting('app.current_app_id', true), '')::bigint))`, "credentials: policy p is not (column"},
		{"or", policy + `USING (user_id = (SELECT nullif(current_setting('app.current_user_id', true), '')::bigint) OR verified)`, "credentials: policy p is not (column"},
		{"no index", `DROP INDEX users_app_idx, users_app_created_idx; ALTER TABLE users DROP CONSTRAINT users_app_id_id_key CASCADE`, "users: no index starts with app_id"},
		{"a plain foreign key", `ALTER TABLE service_configs DROP CONSTRAINT service_configs_user_id_service_credential_id_fkey,
			ADD FOREIGN KEY (credential_id) REFERENCES credentials (id)`, "service_configs: foreign key service_configs_credential_id_fkey to credentials lacks the tenant"},
		{"no foreign key", `ALTER TABLE webhook_deliveries DROP CONSTRAINT webhook_deliveries_user_id_webhook_id_fkey`, "webhook_deliveries: webhook_id has no foreign key to webhooks"},
		{"no foreign key to the user", `ALTER TABLE kpi_rows DROP CONSTRAINT kpi_rows_user_id_fkey`, "kpi_rows: user_id has no foreign key to users"},
		{"crossed columns", `ALTER TABLE kpi_runs ADD other bigint, ADD UNIQUE (other, user_id);
			ALTER TABLE sheet_mappings ADD FOREIGN KEY (id, user_id) REFERENCES kpi_runs (user_id, other)`, "sheet_mappings: foreign key"},
		{"a foreign key of an audit", `ALTER TABLE audit_logs ADD FOREIGN KEY (user_id) REFERENCES users (user_no)`, "audit_logs: has foreign key"},
		{"a new tenant table", `CREATE TABLE t (user_id bigint)`, "t: row-level security is not enabled"},
		{"a new table", `CREATE TABLE t (v int)`, "t: no tenant column"},
		{"a listed table gets a tenant", `ALTER TABLE keys ADD app_id text`, "keys: is among the tables without tenant data and has app_id"},
		{"a listed table goes", `DROP TABLE server_secrets`, "server_secrets: is among"},
		{"server keys for the app", `GRANT SELECT ON keys TO turkey_app`, "keys: turkey_app holds [SELECT]"},
		{"another owner", `ALTER TABLE users OWNER TO turkey_app`, "users: owned by turkey_app"},
		{"truncate", `GRANT TRUNCATE ON users TO turkey_app`, "users: turkey_app holds TRUNCATE"},
		{"trigger", `GRANT TRIGGER ON audit TO turkey_system`, "audit: turkey_system holds TRIGGER"},
		{"everybody", `GRANT SELECT ON users TO PUBLIC`, "users: everybody holds SELECT"},
		{"audit is not for changing", `GRANT UPDATE ON audit TO turkey_system`, "audit: is append-only and turkey_system may UPDATE"},
		{"nor for deleting", `GRANT DELETE ON audit_logs TO turkey_app`, "audit_logs: is append-only and turkey_app may DELETE"},
		{"a view", `CREATE VIEW v AS SELECT * FROM users`, "view v has no security_invoker"},
		{"a stored view", `CREATE MATERIALIZED VIEW v AS SELECT * FROM users`, "view v has no security_invoker"},
		{"another schema", `CREATE SCHEMA s; CREATE TABLE s.t (user_id int); GRANT SELECT ON s.t TO turkey_app`, "s.t: outside public"},
		{"create", `GRANT CREATE ON SCHEMA public TO turkey_app`, "role turkey_app may create in public"},
		{"everybody creates", `GRANT CREATE ON SCHEMA public TO PUBLIC`, "role turkey_system may create in public"},
		{"bypass", `ALTER ROLE turkey_app BYPASSRLS`, "role turkey_app is a superuser or bypasses policies"},
		{"superuser", `ALTER ROLE turkey_system SUPERUSER`, "role turkey_system is a superuser or bypasses policies"},
		{"the owner's member", `GRANT turkey_owner TO turkey_system`, "role turkey_app is a member of turkey_owner"},
		{"search_path", `ALTER FUNCTION app_of_session(uuid) RESET search_path`, "function app_of_session(uuid) runs with the rights of turkey_owner and pins no search_path"},
		{"a wide search_path", `ALTER FUNCTION app_of_session(uuid) SET search_path = public`, "function app_of_session(uuid) runs with the rights of turkey_owner and pins no search_path"},
		{"a superuser's function", `CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1'`, "function f() runs with the rights of"},
	} {
		t.Run(m.name, func(t *testing.T) { // one at a time: undone with the transaction, also what concerns the cluster
			mustExec(t, conn, `BEGIN`)
			defer mustExec(t, conn, `ROLLBACK`)
			mustExec(t, conn, m.sql)
			found := problems(t, conn)
			if !slices.ContainsFunc(found, func(p string) bool { return strings.HasPrefix(p, m.want) }) {
				t.Errorf("not seen; found only %q", found)
			}
		})
	}
	if found := problems(t, conn); len(found) > 0 {
		t.Errorf("afterwards: %q", found)
	}
}
