package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TableStats says how much is in a table. Rows of partitions count for the table they belong to.
type TableStats struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"` // with indexes and what lies outside of rows
}

// ourTables are those that are counted, by the rights of turkey_system, whom policies show every row.
const ourTables = `SELECT format('%I.%I', n.nspname, c.relname),
		(SELECT coalesce(sum(pg_total_relation_size(t.relid)), 0)::bigint FROM pg_partition_tree(c.oid) t)
			+ CASE WHEN c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_partition_tree(c.oid)) THEN pg_total_relation_size(c.oid) ELSE 0 END
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname IN ('public', 'river') AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND has_table_privilege(c.oid, 'SELECT')
	ORDER BY 1`

// Stats counts the rows of every table, exactly: on a big database that takes a while.
func Stats(ctx context.Context, url string) ([]TableStats, error) {
	m, err := newMigrator(ctx, MigrateConfig{URL: url})
	if err != nil {
		return nil, err
	}
	defer m.close(ctx)
	list := []TableStats{}
	err = pgx.BeginTxFunc(ctx, m.conn, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		var login string
		if err := tx.QueryRow(ctx, `SELECT session_user`).Scan(&login); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SET LOCAL ROLE turkey_system`); err != nil {
			return dropError(err, login, "turkey_system")
		}
		list, err = countRows(ctx, tx)
		return err
	})
	return list, err
}

// countRows asks for all counts in one statement.
func countRows(ctx context.Context, tx pgx.Tx) ([]TableStats, error) {
	rows, err := tx.Query(ctx, ourTables)
	if err != nil {
		return nil, err
	}
	type table struct {
		name  string
		bytes int64
	}
	tables, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (t table, err error) { return t, r.Scan(&t.name, &t.bytes) })
	if err != nil {
		return nil, err
	}
	if len(tables) == 0 {
		return nil, errors.New("there are no tables: run `gravy db migrate`")
	}
	counts := make([]string, len(tables))
	for i, t := range tables {
		counts[i] = fmt.Sprintf(`SELECT %d, count(*) FROM %s`, i, t.name)
	}
	if rows, err = tx.Query(ctx, strings.Join(counts, " UNION ALL ")+" ORDER BY 1"); err != nil {
		return nil, err
	}
	list := make([]TableStats, len(tables))
	var i int
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&i, &n}, func() error {
		list[i] = TableStats{Table: strings.TrimPrefix(tables[i].name, "public."), Rows: n, Bytes: tables[i].bytes}
		return nil
	})
	return list, err
}

// dropOurs drops what migrations made, and nothing that belongs to somebody else.
const dropOurs = `
DO $$
DECLARE what record;
BEGIN
	FOR what IN SELECT nspname FROM pg_namespace WHERE nspowner = 'turkey_owner'::regrole AND nspname <> 'public' LOOP
		EXECUTE format('DROP SCHEMA %I CASCADE', what.nspname);
	END LOOP;
	FOR what IN SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner = 'turkey_owner'::regrole
		AND relkind IN ('r', 'p') AND NOT relispartition LOOP
		EXECUTE format('DROP TABLE IF EXISTS public.%I CASCADE', what.relname);
	END LOOP;
	FOR what IN SELECT oid::regprocedure AS signature FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proowner = 'turkey_owner'::regrole LOOP
		EXECUTE 'DROP FUNCTION IF EXISTS ' || what.signature || ' CASCADE';
	END LOOP;
	FOR what IN SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typowner = 'turkey_owner'::regrole AND typtype IN ('e', 'd') LOOP
		EXECUTE format('DROP TYPE IF EXISTS public.%I CASCADE', what.typname);
	END LOOP;
END $$`

// Reset drops the schema with every row in it and makes it anew. It returns how many steps that took. Either the old
// schema is there afterwards, or an empty new one, or (if making it failed) none.
func Reset(ctx context.Context, cfg MigrateConfig) (int, error) {
	m, err := newMigrator(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer m.close(ctx)
	if err := m.refuseForeign(ctx); err != nil {
		return 0, err
	}
	if err := m.dropAll(ctx); err != nil {
		return 0, err
	}
	return Migrate(ctx, cfg)
}

func (m *migrator) dropAll(ctx context.Context) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	var made bool
	if err := m.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'turkey_owner')`).Scan(&made); err != nil || !made {
		return err
	}
	err = pgx.BeginFunc(ctx, m.conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SET LOCAL ROLE turkey_owner; SET LOCAL lock_timeout = '10s';`+dropOurs)
		return err
	})
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && pe.Code == "55P03" {
		return errors.New("somebody is using the tables, and nothing was changed: stop the servers first")
	}
	return m.missingRight(err)
}
