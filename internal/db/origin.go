package db

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Origin is whose tables a database holds, told by the columns of users, whatever any version table says (contract
// legacy-import.md §1).
type Origin string

// Origins; the names of predecessors are for people too.
const (
	OriginNone        Origin = "" // no table users
	OriginUnknown     Origin = "unknown"
	OriginOurs        Origin = "this TurKey"
	OriginTurKeyFirst Origin = "TurKey, first generation"
	OriginTurKey      Origin = "TurKey"
	OriginKPIETL      Origin = "KPI ETL"
)

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// OriginOf recognises the tables of a database's schema public.
func OriginOf(ctx context.Context, q querier) (Origin, error) {
	columns, err := ColumnsOf(ctx, q, "public", "users")
	if err != nil {
		return OriginNone, err
	}
	has := func(name string) bool { return slices.Contains(columns, name) }
	switch {
	case has("user_no"):
		return OriginOurs, nil
	case has("tenant_id"):
		return OriginTurKeyFirst, nil
	case has("password_hash"):
		return OriginTurKey, nil
	case has("clerk_id"):
		return OriginKPIETL, nil
	case len(columns) > 0:
		return OriginUnknown, nil
	}
	return OriginNone, nil
}

// ColumnsOf lists a table's columns, none if there is no such table. It needs no right on the table.
func ColumnsOf(ctx context.Context, q querier, schema, table string) ([]string, error) {
	rows, err := q.Query(ctx, `SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped`, schema, table)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Recognise connects and says whose database it is.
func Recognise(ctx context.Context, url string) (Origin, error) {
	m, err := newMigrator(ctx, MigrateConfig{URL: url})
	if err != nil {
		return OriginNone, err
	}
	defer m.close(ctx)
	return OriginOf(ctx, m.conn)
}

// Databases that a predecessor made.
var (
	errKPIETL      = errors.New("this is a database of the KPI ETL predecessor; nothing was changed: give TurKey an empty database and run `gravy import kpi-etl --from <this url>`")
	errTurKeyFirst = errors.New("this is a database of the first generation of the original TurKey (with a table tenants), which cannot be upgraded in place; nothing was changed: give TurKey an empty database and run `gravy import turkey --from <this url>`")
	// ErrTurKey is upgraded where an operator says so, by UpgradeInPlace, and nowhere else.
	ErrTurKey = errors.New("this is a database of the original TurKey; nothing was changed: stop its servers, make a backup (pg_dump -Fc) and run `gravy db migrate`, which upgrades it in place, or give TurKey an empty database and run `gravy import turkey --from <this url>`")
)

// refuseForeign protects a database that another program made.
func (m *migrator) refuseForeign(ctx context.Context) error {
	origin, err := OriginOf(ctx, m.conn)
	if err != nil {
		return err
	}
	switch origin {
	case OriginKPIETL:
		return errKPIETL
	case OriginTurKeyFirst:
		return errTurKeyFirst
	case OriginTurKey:
		return ErrTurKey
	case OriginNone:
		return nil
	}
	var migrated bool
	if err := m.conn.QueryRow(ctx, `SELECT to_regclass('public.goose_db_version') IS NOT NULL`).Scan(&migrated); err != nil || migrated {
		return err
	}
	if prepared, err := m.prepared(ctx); err != nil || prepared {
		return err
	}
	return errors.New("this database already has a table users that TurKey did not make; nothing was changed: give TurKey an empty database of its own")
}
