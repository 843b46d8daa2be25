package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3/database"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// predecessorSchema holds the predecessor's tables while ours are filled. Nobody else ever sees it.
const predecessorSchema = "turkey_predecessor"

// predecessorColumns are what the original TurKey has after its migration 0004, as far as it is read.
var predecessorColumns = map[string][]string{
	"users":          {"id", "email", "password_hash", "role", "token_version", "created_at", "email_verified", "app_id"},
	"refresh_tokens": {"id", "user_id", "token_hash", "created_at", "expires_at", "revoked_at"},
	"email_tokens":   {"id", "expires_at", "used_at"},
	"keys":           {"id", "kid", "public_pem", "private_pem", "created_at", "retired_at", "is_active"},
	"revoked_jti":    {"jti", "user_id", "reason", "expires_at", "created_at"},
	"audit":          {"id", "user_id", "actor", "action", "ip", "user_agent", "meta", "created_at"},
}

// predecessorTables in the order in which they are locked.
var predecessorTables = []string{"users", "refresh_tokens", "email_tokens", "keys", "revoked_jti", "audit"}

// UpgradeInPlace turns a database of the original TurKey into one of ours, in one transaction: its tables are set aside, ours
// are made, fill puts the rows of the one (in the schema it is told) into the other, and the old ones go. Whatever fails,
// nothing has changed; of a dry run nothing stays either. fill runs as turkey_system. done is false where there is nothing to
// upgrade (any more).
func UpgradeInPlace(ctx context.Context, cfg MigrateConfig, dryRun bool, fill func(ctx context.Context, tx pgx.Tx, schema string) error) (done bool, err error) {
	m, err := newMigrator(ctx, cfg)
	if err != nil {
		return false, err
	}
	defer m.close(ctx)
	unlock, err := m.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	origin, err := OriginOf(ctx, m.conn)
	if err != nil || origin != OriginTurKey {
		return false, err
	}
	err = pgx.BeginFunc(ctx, m.conn, func(tx pgx.Tx) error {
		if err := m.upgrade(ctx, tx, fill); err != nil {
			return err
		}
		if dryRun {
			return errTried
		}
		return nil
	})
	if errors.Is(err, errTried) {
		err = nil
	}
	return err == nil, m.missingRight(err)
}

func (m *migrator) upgrade(ctx context.Context, tx pgx.Tx, fill func(context.Context, pgx.Tx, string) error) error {
	if err := m.setAside(ctx, tx); err != nil {
		return err
	}
	if err := m.bootstrapRoles(ctx); err != nil {
		return err
	}
	if err := m.upInside(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `GRANT USAGE ON SCHEMA `+predecessorSchema+` TO turkey_system;
		GRANT SELECT ON ALL TABLES IN SCHEMA `+predecessorSchema+` TO turkey_system;
		CREATE INDEX ON `+predecessorSchema+`.refresh_tokens (user_id);
		CREATE INDEX ON `+predecessorSchema+`.revoked_jti (user_id);
		ANALYZE `+within(predecessorSchema)+`;
		SET LOCAL ROLE turkey_system`)
	if err != nil {
		return err
	}
	if err := fill(ctx, tx, predecessorSchema); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `SET LOCAL ROLE NONE; DROP TABLE `+within(predecessorSchema)+`; DROP SCHEMA `+predecessorSchema+`;`+dropBookkeeping); err != nil {
		return err
	}
	if err := Replan(ctx, tx); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `SET LOCAL ROLE turkey_owner; COMMENT ON TABLE goose_db_version IS '`+fmt.Sprintf(upgradedMark, latestVersion())+`'; SET LOCAL ROLE NONE`)
	return err
}

// Replan lets an upgrade in place go on with plans for the tables as they are by now. Nobody else sees their rows yet, and by
// plans for empty ones each row's foreign keys would be looked up among all users of an app.
func Replan(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SET LOCAL ROLE turkey_owner; ANALYZE users, refresh_tokens, revoked_jti, import_map, audit; SET LOCAL ROLE turkey_system`)
	return err
}

// dropBookkeeping removes what the predecessor noted of its migrations. A dump by turkey_backup would stumble over a schema
// without rights for it.
const dropBookkeeping = `
DROP TABLE IF EXISTS drizzle.__drizzle_migrations;
DO $$ BEGIN
	IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'drizzle') AND NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('drizzle')) THEN
		DROP SCHEMA drizzle;
	END IF;
END $$`

// within lists the predecessor's tables as they are called in a schema.
func within(schema string) string {
	names := make([]string, len(predecessorTables))
	for i, t := range predecessorTables {
		names[i] = schema + "." + t
	}
	return strings.Join(names, ", ")
}

// setAside locks the predecessor's tables, so that no server of it loses a write, and moves them out of the way.
func (m *migrator) setAside(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SELECT set_config(name, '0', true) FROM pg_settings
		WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`)
	if err != nil {
		return err
	}
	for _, table := range predecessorTables {
		columns, err := ColumnsOf(ctx, tx, "public", table)
		if err != nil {
			return err
		}
		for _, c := range predecessorColumns[table] {
			if !slices.Contains(columns, c) {
				return fmt.Errorf("the predecessor's schema is older than its migration 0004: %s.%s is missing; nothing was changed: run its own migrations to their end first, or give TurKey an empty database and run `gravy import turkey`", table, c)
			}
		}
	}
	if err := m.lockOut(ctx, tx); err != nil {
		return err
	}
	// What goes at the end is tried at the beginning: everything the predecessor stored may have to be read in between.
	if _, err := tx.Exec(ctx, `SAVEPOINT try; DROP TABLE `+within("public")); err != nil {
		if pe, ok := errors.AsType[*pgconn.PgError](err); ok && pe.Code == "2BP01" {
			return fmt.Errorf("something besides the predecessor depends on its tables (%s); nothing was changed: drop that, upgrade, and make it anew", strings.ReplaceAll(pe.Detail, "\n", "; "))
		}
		return err
	}
	var move strings.Builder
	for _, t := range predecessorTables {
		fmt.Fprintf(&move, `ALTER TABLE public.%s SET SCHEMA %s;`, t, predecessorSchema)
	}
	_, err = tx.Exec(ctx, `ROLLBACK TO try; RELEASE try; CREATE SCHEMA `+predecessorSchema+`;`+move.String())
	return err
}

// lockOut waits a few seconds for whoever uses the tables, and then says who that is.
func (m *migrator) lockOut(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '5s'; SAVEPOINT locking`); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `LOCK TABLE `+within("public")+` IN ACCESS EXCLUSIVE MODE`)
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && (pe.Code == "55P03" || pe.Code == "40P01") {
		return m.inTheWay(ctx, tx)
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `RELEASE locking; SET LOCAL lock_timeout = 0`)
	return err
}

func (m *migrator) inTheWay(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `ROLLBACK TO locking`); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT DISTINCT format('pid %s%s%s', l.pid, ' of ' || a.usename, ', ' || nullif(a.application_name, '')) FROM pg_locks l
		LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.granted AND l.pid <> pg_backend_pid() AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND l.relation IN (SELECT to_regclass('public.' || t) FROM unnest($1::text[]) t) ORDER BY 1`, predecessorTables)
	if err != nil {
		return err
	}
	who, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	if len(who) == 0 {
		who = []string{"gone meanwhile"}
	}
	return fmt.Errorf("the predecessor's tables are in use (%s); nothing was changed: stop its servers, or end these with SELECT pg_terminate_backend(<pid>), and try again", strings.Join(who, "; "))
}

// upInside makes the whole schema in the caller's transaction. Indexes that a released step builds concurrently, since others
// use the table meanwhile, are built as usual: nobody sees these tables yet.
func (m *migrator) upInside(ctx context.Context, tx pgx.Tx) error {
	store, err := database.NewStore(database.DialectPostgres, "goose_db_version")
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `SET LOCAL ROLE turkey_owner`); err != nil {
		return err
	}
	if err := store.CreateVersionTable(ctx, execer{tx}); err != nil {
		return err
	}
	for _, step := range append([]Migration{{}}, sources()...) {
		if step.Version > 0 {
			up, _, err := sectionsOf(step)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, strings.ReplaceAll(up, "INDEX CONCURRENTLY ", "INDEX ")); err != nil {
				return fmt.Errorf("migrate: %s: %w", step.Name, err)
			}
		}
		if err := store.Insert(ctx, execer{tx}, database.InsertRequest{Version: step.Version}); err != nil {
			return err
		}
	}
	rm, err := rivermigrate.New(riverpgxv5.New(nil), &rivermigrate.Config{Schema: RiverSchema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `CREATE SCHEMA `+RiverSchema); err != nil {
		return err
	}
	//nolint:staticcheck // deprecated for what wholeEnum takes care of; a test compares the outcome with Migrate's
	if _, err := rm.MigrateTx(ctx, wholeEnum{tx}, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the job queue: %w", err)
	}
	if _, err := tx.Exec(ctx, `SET LOCAL ROLE NONE`); err != nil {
		return err
	}
	return m.grantQueue(ctx)
}

// wholeEnum makes River's enumeration of states with the value that a later step of River's adds to it: before PostgreSQL 17 a
// value that was added cannot be used in the same transaction.
type wholeEnum struct{ pgx.Tx }

// Exec is for River.
func (w wholeEnum) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return w.Tx.Exec(ctx, strings.Replace(sql, "  'discarded',\n  'retryable',\n", "  'discarded',\n  'pending',\n  'retryable',\n", 1), args...)
}

// Begin is for River, which runs each step in a savepoint.
func (w wholeEnum) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := w.Tx.Begin(ctx)
	return wholeEnum{tx}, err
}

// execer lets goose write its version table in a transaction of pgx. It asks nothing there.
type execer struct{ tx pgx.Tx }

// ExecContext is for goose.
func (e execer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	tag, err := e.tx.Exec(ctx, query, args...)
	return driver.RowsAffected(tag.RowsAffected()), err
}

// QueryContext is for goose.
func (execer) QueryContext(context.Context, string, ...any) (*sql.Rows, error) {
	return nil, errors.ErrUnsupported
}

// QueryRowContext is for goose.
func (execer) QueryRowContext(context.Context, string, ...any) *sql.Row { return &sql.Row{} }

// upgradedMark is the comment on goose_db_version of a database that was upgraded in place: up to which step there is no way back.
const upgradedMark = "upgraded in place from the original TurKey, up to migration %d"

// refuseUpgraded spares the step that made a database of the predecessor one of ours.
func (m *migrator) refuseUpgraded(ctx context.Context, last Migration) error {
	var mark string
	if err := m.conn.QueryRow(ctx, `SELECT coalesce(obj_description('public.goose_db_version'::regclass, 'pg_class'), '')`).Scan(&mark); err != nil {
		return err
	}
	var upTo int64
	if _, err := fmt.Sscanf(mark, upgradedMark, &upTo); err != nil || last.Version > upTo {
		return nil //nolint:nilerr // another comment, or none
	}
	return fmt.Errorf("this database was upgraded in place from the original TurKey, which made migrations 1 to %d in one step and cannot be undone: restore the backup that was made before", upTo)
}
