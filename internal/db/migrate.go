package db

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// RiverSchema holds the job queue's tables, apart from the tables people look at.
const RiverSchema = "river"

// migrateLock is the advisory lock under which one process at a time migrates a database.
const migrateLock = 7_205_759_403_792_794

// MigrateConfig says which database to migrate and who will use it.
type MigrateConfig struct {
	URL      string // login that may create roles and tables: a superuser, or an owner with CREATEROLE
	AppLogin string // further login that must be able to act as turkey_app and turkey_system, "" if none
	Log      *slog.Logger
}

// Migration is one step of the schema.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time // zero while pending
}

// Migrate brings the schema up to date and returns how many steps it applied. Any number of servers may call it at
// once; with nothing pending it costs two short queries and needs no right but reading.
func Migrate(ctx context.Context, cfg MigrateConfig) (int, error) {
	m, err := newMigrator(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer m.close(ctx)
	pending, err := m.pending(ctx)
	if err == nil && !pending {
		return 0, m.admit(ctx)
	}
	if err != nil {
		return 0, err
	}
	if err := m.refuseForeign(ctx); err != nil {
		return 0, err
	}
	if pooled, err := throughPooler(ctx, m.conn); err != nil || pooled {
		return 0, cmp.Or(err, errPooledMigration)
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if pending, err = m.pending(ctx); err != nil || !pending {
		return 0, err // another server was faster
	}
	if err := m.bootstrapRoles(ctx); err != nil {
		return 0, m.missingRight(err)
	}
	if err := m.takeOverPrepared(ctx); err != nil {
		return 0, m.missingRight(err)
	}
	applied, err := m.up(ctx)
	return applied, m.missingRight(err)
}

// Pending reports whether the schema is behind this program.
func Pending(ctx context.Context, url string) (bool, error) {
	m, err := newMigrator(ctx, MigrateConfig{URL: url})
	if err != nil {
		return false, err
	}
	defer m.close(ctx)
	return m.pending(ctx)
}

// Status lists every step this program knows, applied or pending.
func Status(ctx context.Context, url string) ([]Migration, error) {
	m, err := newMigrator(ctx, MigrateConfig{URL: url})
	if err != nil {
		return nil, err
	}
	defer m.close(ctx)
	return m.status(ctx)
}

// Rollback undoes the last applied step and returns it. Without force it refuses to drop a table or a column that holds something.
func Rollback(ctx context.Context, cfg MigrateConfig, force bool) (Migration, error) {
	m, err := newMigrator(ctx, cfg)
	if err != nil {
		return Migration{}, err
	}
	defer m.close(ctx)
	unlock, err := m.lock(ctx)
	if err != nil {
		return Migration{}, err
	}
	defer unlock()
	steps, err := m.status(ctx)
	if err != nil {
		return Migration{}, err
	}
	steps = slices.DeleteFunc(steps, func(s Migration) bool { return s.AppliedAt.IsZero() })
	if len(steps) == 0 {
		return Migration{}, errors.New("nothing to roll back: no migration is applied")
	}
	if err := m.refuseUpgraded(ctx, steps[len(steps)-1]); err != nil {
		return Migration{}, err
	}
	if !force {
		if err := m.refuseLoss(ctx, steps[len(steps)-1]); err != nil {
			return Migration{}, err
		}
	}
	provider, closeDB, err := m.provider()
	if err != nil {
		return Migration{}, err
	}
	defer closeDB()
	result, err := provider.Down(ctx)
	if err != nil {
		return Migration{}, m.missingRight(err)
	}
	return Migration{Version: result.Source.Version, Name: result.Source.Path}, nil
}

var errPooledMigration = errors.New("migrations need PostgreSQL itself, and a pooler stands between: set DATABASE_ADMIN_URL, or DATABASE_DIRECT_URL")

type migrator struct {
	cfg  MigrateConfig
	conn *pgx.Conn
}

func newMigrator(ctx context.Context, cfg MigrateConfig) (*migrator, error) {
	cc, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		return nil, errors.New("the database URL cannot be parsed; expected postgresql://user:password@host:5432/name?sslmode=require")
	}
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = openTimeout
	}
	unnamed(cc)
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return nil, connectFault(err, cc)
	}
	m := &migrator{cfg: cfg, conn: conn}
	if err := m.checkVersion(ctx); err != nil {
		m.close(ctx)
		return nil, err
	}
	return m, nil
}

// connectFault keeps the cause in the chain, so that a retry can tell an outage from a wrong password.
func connectFault(err error, cc *pgx.ConnConfig) error {
	return &explained{text: Explain(err, cc).Error(), cause: err}
}

type explained struct {
	text  string
	cause error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.cause }

func (m *migrator) close(ctx context.Context) { _ = m.conn.Close(context.WithoutCancel(ctx)) }

func (m *migrator) checkVersion(ctx context.Context) error {
	var num int
	var text string
	err := m.conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version')`).Scan(&num, &text)
	if err != nil {
		return err
	}
	return tooOld(num, text)
}

// tooOld judges server_version_num.
func tooOld(num int, text string) error {
	if num/10000 < MinVersion {
		return fmt.Errorf("PostgreSQL %s is too old: version %d or newer is needed", text, MinVersion)
	}
	return nil
}

// pending compares the newest applied step with the newest known one, for our tables and for the queue's.
func (m *migrator) pending(ctx context.Context) (bool, error) {
	var known bool
	if err := m.conn.QueryRow(ctx, `SELECT to_regclass('public.goose_db_version') IS NOT NULL
		AND to_regclass('river.river_migration') IS NOT NULL`).Scan(&known); err != nil || !known {
		return !known, m.missingRight(err)
	}
	var ours, rivers int64
	err := m.conn.QueryRow(ctx, `SELECT (SELECT coalesce(max(version_id), 0) FROM public.goose_db_version),
		(SELECT coalesce(max(version), 0) FROM river.river_migration)`).Scan(&ours, &rivers)
	if err != nil {
		return false, m.missingRight(err)
	}
	if newest := latestVersion(); ours > newest {
		return false, fmt.Errorf("the database is at migration %d, this program knows only %d: start the newer version, or roll back with it first", ours, newest)
	}
	riverNewest, err := latestRiver()
	return ours < latestVersion() || rivers < riverNewest, err
}

// lock asks again and again: a statement that waits has a snapshot, and an index that another server builds concurrently
// would wait for that.
func (m *migrator) lock(ctx context.Context) (unlock func(), err error) {
	for {
		var ours bool
		if err := m.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(migrateLock)).Scan(&ours); err != nil {
			return nil, fmt.Errorf("wait for another migration: %w", err)
		}
		if ours {
			break
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another migration: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return func() {
		_, _ = m.conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(migrateLock)) // ends with the connection anyway
	}, nil
}

func (m *migrator) up(ctx context.Context) (int, error) {
	provider, closeDB, err := m.provider()
	if err != nil {
		return 0, err
	}
	defer closeDB()
	results, err := provider.Up(ctx)
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	steps, err := m.upRiver(ctx)
	if err != nil {
		return 0, fmt.Errorf("migrate the job queue: %w", err)
	}
	return len(results) + steps, m.grantQueue(ctx)
}

func (m *migrator) provider() (*goose.Provider, func(), error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, nil, err
	}
	sqlDB := m.ownerDB()
	p, err := goose.NewProvider(goose.DialectPostgres, sqlDB, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		_ = sqlDB.Close()
		return nil, nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, func() { _ = sqlDB.Close() }, nil
}

// ownerDB connects as turkey_owner, so that it owns what it makes.
func (m *migrator) ownerDB() *sql.DB {
	cc := m.conn.Config()
	cc.RuntimeParams["role"] = "turkey_owner"
	return stdlib.OpenDB(*cc)
}

func (m *migrator) upRiver(ctx context.Context) (int, error) {
	pc, err := pgxpool.ParseConfig(m.cfg.URL)
	if err != nil {
		return 0, err
	}
	pc.MaxConns = 2
	pc.ConnConfig.RuntimeParams["role"] = "turkey_owner"
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	rm, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: RiverSchema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	if _, err := pool.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+RiverSchema); err != nil {
		return 0, err
	}
	result, err := rm.Migrate(ctx, rivermigrate.DirectionUp, nil)
	if err != nil {
		return 0, err
	}
	return len(result.Versions), nil
}

// grantQueue lets every login of the server work the queue. Its rows hold ids only, so no policy is needed. Which steps
// are applied may be read by whoever can connect, because a server looks before it takes on a role.
func (m *migrator) grantQueue(ctx context.Context) error {
	_, err := m.conn.Exec(ctx, `
		SET ROLE turkey_owner;
		GRANT SELECT ON public.goose_db_version TO PUBLIC;
		GRANT USAGE ON SCHEMA river TO PUBLIC;
		GRANT SELECT ON river.river_migration TO PUBLIC;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA river TO turkey_app, turkey_system;
		GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA river TO turkey_app, turkey_system;
		RESET ROLE`)
	return err
}

func (m *migrator) status(ctx context.Context) ([]Migration, error) {
	var known bool
	if err := m.conn.QueryRow(ctx, `SELECT to_regclass('public.goose_db_version') IS NOT NULL`).Scan(&known); err != nil {
		return nil, err
	}
	applied := map[int64]time.Time{}
	if known {
		rows, err := m.conn.Query(ctx, `SELECT version_id, max(tstamp) FROM public.goose_db_version WHERE is_applied GROUP BY 1`)
		if err != nil {
			return nil, m.missingRight(err)
		}
		var v int64
		var at time.Time
		if _, err := pgx.ForEachRow(rows, []any{&v, &at}, func() error { applied[v] = at; return nil }); err != nil {
			return nil, err
		}
	}
	list := sources()
	for i := range list {
		list[i].AppliedAt = applied[list[i].Version]
	}
	return list, nil
}

// missingRight words a refused statement as a right that is missing, by name.
func (m *migrator) missingRight(err error) error {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pe.Code != "42501" {
		return err
	}
	return fmt.Errorf("login %q lacks a right the migrations need (%s): set DATABASE_ADMIN_URL to a superuser or owner, or run `gravy db migrate` with such a URL once; afterwards %[1]q is enough", m.conn.Config().User, pe.Message)
}

func sources() []Migration {
	entries, _ := migrationFiles.ReadDir("migrations") // embedded: cannot fail
	list := make([]Migration, 0, len(entries))
	for _, e := range entries {
		if v, err := goose.NumericComponent(e.Name()); err == nil {
			list = append(list, Migration{Version: v, Name: e.Name()})
		}
	}
	return list
}

// Latest is the newest migration that this program knows.
func Latest() int64 { return latestVersion() }

func latestVersion() int64 {
	list := sources() // ReadDir sorts by name, and names start with zero-padded versions
	return list[len(list)-1].Version
}

func latestRiver() (int64, error) {
	rm, err := rivermigrate.New(riverpgxv5.New(nil), &rivermigrate.Config{Schema: RiverSchema})
	if err != nil {
		return 0, err
	}
	all := rm.AllVersions()
	return int64(all[len(all)-1].Version), nil
}
