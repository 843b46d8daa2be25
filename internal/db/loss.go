package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// errTried ends a transaction that was only to be looked at.
var errTried = errors.New("tried")

// column is a column of a table in public, with what a row has there that nobody wrote.
type column struct{ table, name, standard string }

const columnsSQL = `SELECT format('%I', c.relname), a.attname::text, coalesce(pg_get_expr(d.adbin, d.adrelid), 'NULL')
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
	WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''`

// refuseLoss names the tables that undoing the last step would drop, or take columns from, and that hold something there.
// What a step drops is found out by undoing it in a transaction that is thrown away. It looks as the owner, whom policies
// show every row.
func (m *migrator) refuseLoss(ctx context.Context, last Migration) error {
	down, err := downOf(last)
	if err != nil {
		return err
	}
	var lost []string
	err = pgx.BeginFunc(ctx, m.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL ROLE turkey_owner`); err != nil {
			return err
		}
		before, err := columnsOf(ctx, tx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SAVEPOINT undo;`+down); err != nil {
			return fmt.Errorf("undoing %s would fail: %w", last.Name, err)
		}
		after, err := columnsOf(ctx, tx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `ROLLBACK TO undo`); err != nil {
			return err
		}
		if lost, err = filled(ctx, tx, before, after); err != nil {
			return err
		}
		return errTried
	})
	switch {
	case !errors.Is(err, errTried):
		return m.missingRight(err)
	case len(lost) > 0:
		return fmt.Errorf("undoing %s would drop what tables with rows hold (%s); back up first, then use --force", last.Name, strings.Join(lost, ", "))
	}
	return nil
}

func columnsOf(ctx context.Context, tx pgx.Tx) ([]column, error) {
	rows, err := tx.Query(ctx, columnsSQL)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (c column, err error) { return c, r.Scan(&c.table, &c.name, &c.standard) })
}

// filled are the tables that are gone and hold rows, and the columns that are gone and hold more than their default.
func filled(ctx context.Context, tx pgx.Tx, before, after []column) ([]string, error) {
	tables := map[string]bool{}
	kept := map[[2]string]bool{}
	for _, c := range after {
		tables[c.table], kept[[2]string{c.table, c.name}] = true, true
	}
	questions := map[string]string{}
	for _, c := range before {
		switch {
		case !tables[c.table]:
			questions[c.table] = `SELECT FROM public.` + c.table
		case !kept[[2]string{c.table, c.name}]:
			name := pgx.Identifier{c.name}.Sanitize()
			questions[c.table+"."+c.name] = `SELECT FROM public.` + c.table + ` WHERE ` + name + ` IS DISTINCT FROM ` + c.standard
		}
	}
	if len(questions) == 0 {
		return nil, nil
	}
	var parts []string
	for what, sql := range questions {
		parts = append(parts, `SELECT '`+strings.ReplaceAll(what, `'`, `''`)+`' WHERE EXISTS (`+sql+`)`)
	}
	rows, err := tx.Query(ctx, strings.Join(parts, " UNION ALL "))
	if err != nil {
		return nil, err
	}
	lost, err := pgx.CollectRows(rows, pgx.RowTo[string])
	slices.Sort(lost)
	return lost, err
}

// downOf is the text that undoes a step.
func downOf(m Migration) (string, error) {
	_, down, err := sectionsOf(m)
	if err == nil && down == "" {
		return "", fmt.Errorf("%s cannot be undone", m.Name)
	}
	if strings.Contains(down, "CONCURRENTLY") {
		return "", fmt.Errorf("what undoing %s drops cannot be tried out; back up first, then use --force", m.Name)
	}
	return down, err
}

// sectionsOf are the texts that make and undo a step.
func sectionsOf(m Migration) (up, down string, err error) {
	text, err := migrationFiles.ReadFile("migrations/" + m.Name)
	if err != nil {
		return "", "", err
	}
	up, down, _ = strings.Cut(string(text), "-- +goose Down\n")
	return up, down, nil
}
