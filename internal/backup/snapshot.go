package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"turkey/internal/db"
)

// backupRole bypasses row-level security; a login that may become it needs no such right itself.
const backupRole = "turkey_backup"

// snapshot is a moment of a database that pg_dump and our counts both read.
type snapshot struct {
	conn    *pgx.Conn
	id      string
	role    string // to become; "": none
	major   int    // of the server
	version string
	name    string // of the database
}

// connectTimeout bounds the wait for a server that takes connections and never answers.
const connectTimeout = 4 * time.Second

// connect explains why it cannot.
func connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the database URL cannot be parsed; expected postgresql://user:password@host:5432/name?sslmode=require")
	}
	cc.RuntimeParams["application_name"] = "turkey-backup"
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = connectTimeout
	}
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return nil, db.Explain(err, cc)
	}
	return conn, nil
}

// takeSnapshot holds a moment until close, and refuses a login that would not see every row.
func takeSnapshot(ctx context.Context, dsn string) (s *snapshot, err error) {
	s = &snapshot{}
	if s.conn, err = connect(ctx, dsn); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *snapshot) begin(ctx context.Context) error {
	var login string
	var all, may bool
	err := s.conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version'), current_database(), session_user,
			r.rolsuper OR r.rolbypassrls, EXISTS (SELECT FROM pg_roles b WHERE b.rolname = $1 AND b.rolbypassrls AND pg_has_role(session_user, b.oid,
				CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END))
		FROM pg_roles r WHERE r.rolname = session_user`, backupRole).Scan(&s.major, &s.version, &s.name, &login, &all, &may)
	if err != nil {
		return fmt.Errorf("look up the login: %w", err)
	}
	reader := login
	if !all {
		if !may {
			return fmt.Errorf("login %q does not see every row, because row-level security holds for it: set DATABASE_ADMIN_URL to a superuser, or run as one: "+
				"GRANT pg_read_all_data TO %[2]s; GRANT %[2]s TO %[1]q", login, backupRole)
		}
		s.role, reader = backupRole, backupRole
	}
	// A snapshot is good only as long as its transaction, which idles while pg_dump reads.
	begin := `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off; SET LOCAL statement_timeout = 0;
		SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = '60s'`
	if s.major >= 17 {
		begin += `; SET LOCAL transaction_timeout = 0`
	}
	if s.role != "" {
		begin += `; SET LOCAL ROLE ` + s.role
	}
	if _, err := s.conn.Exec(ctx, begin); err != nil {
		return err
	}
	if err := s.checkOurs(ctx); err != nil {
		return err
	}
	var closed []string
	err = s.conn.QueryRow(ctx, `SELECT coalesce(array_agg(format('%I.%I', n.nspname, c.relname) ORDER BY 1), '{}') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE `+userSchemas+` AND c.relkind IN ('r', 'p', 'S') AND NOT (has_schema_privilege(n.oid, 'USAGE')
			AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END)`).Scan(&closed)
	if err == nil && len(closed) > 0 {
		err = fmt.Errorf("role %q may not read %s%s: run as a superuser: GRANT pg_read_all_data TO %[1]q", reader, closed[0], andMore(len(closed)-1))
	}
	if err != nil {
		return err
	}
	return s.conn.QueryRow(ctx, `SELECT pg_export_snapshot()`).Scan(&s.id)
}

func andMore(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d others", n)
}

const userSchemas = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_)'`

// checkOurs refuses a database that our migrations did not make.
func (s *snapshot) checkOurs(ctx context.Context) error {
	var made bool
	err := s.conn.QueryRow(ctx, `SELECT to_regclass('public.goose_db_version') IS NOT NULL AND to_regclass('public.vault_roots') IS NOT NULL`).Scan(&made)
	if err == nil && !made {
		err = fmt.Errorf("the database %s has no tables of TurKey: correct DATABASE_URL, or run `gravy db migrate` first", s.name)
	}
	return err
}

func (s *snapshot) close() { _ = s.conn.Close(context.Background()) } // it only read

// describe fills in what a manifest tells of the database; only says which tables, nil: all.
func (s *snapshot) describe(ctx context.Context, m *Manifest, only []string) (err error) {
	m.Server, m.Database = s.version, s.name
	if err := s.conn.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM public.goose_db_version`).Scan(&m.Schema); err != nil {
		return err
	}
	var queue bool
	if err := s.conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, db.RiverSchema+".river_migration").Scan(&queue); err != nil {
		return err
	}
	if queue {
		if err := s.conn.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM river.river_migration`).Scan(&m.Queue); err != nil {
			return err
		}
	}
	if m.RootKeys, err = column(ctx, s.conn, `SELECT r.id FROM public.vault_roots r WHERE EXISTS (SELECT FROM public.vault_keys k WHERE k.root_id = r.id) ORDER BY 1`); err != nil {
		return err
	}
	// Owners, grantees and who policies are for, as PostgreSQL keeps them for this database.
	if m.Roles, err = column(ctx, s.conn, `SELECT DISTINCT r.rolname::text FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
		WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND d.refclassid = 'pg_authid'::regclass
			AND r.rolname !~ '^pg_' ORDER BY 1`); err != nil {
		return err
	}
	m.Tables, err = countTables(ctx, s.conn, only)
	return err
}

// column collects one text per row.
func column(ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]string, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// countTables counts the rows of every table in one statement, or of those that are named.
func countTables(ctx context.Context, conn *pgx.Conn, only []string) ([]Table, error) {
	rows, err := conn.Query(ctx, `SELECT format('%I.%I', n.nspname, c.relname), c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `+userSchemas+` AND c.relkind = 'r'
		AND ($1::text[] IS NULL OR n.nspname = 'public' AND c.relname = ANY ($1)) ORDER BY 1`, only)
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (t Table, err error) { return t, r.Scan(&t.Name, &t.Protected) })
	if err != nil || len(tables) == 0 {
		return tables, err
	}
	parts := make([]string, len(tables))
	for i, t := range tables {
		parts[i] = fmt.Sprintf(`SELECT %d, count(*) FROM %s`, i, t.Name) // quoted by format
	}
	rows, err = conn.Query(ctx, strings.Join(parts, ` UNION ALL `), pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	var i int
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&i, &n}, func() error { tables[i].Rows = n; return nil })
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && pe.Code == "42501" {
		err = fmt.Errorf("the rows cannot be counted: %s", pe.Message)
	}
	return tables, err
}
