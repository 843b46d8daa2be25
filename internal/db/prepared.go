package db

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// preparedMark is the comment that migrations/credential-system-v2.sql leaves on users. That file, which the credential
// guide feeds to psql, makes the five tables of the guide and nothing else.
const preparedMark = "prepared by credential-system-v2.sql; the server completes the schema at its first start"

// preparedTables are those five, in the order in which they refer to each other.
var preparedTables = []string{"users", "credentials", "service_configs", "sheet_mappings", "audit_logs"}

// takeOverPrepared removes the guide's five tables, so that the migrations make them as they make all others. Rows in
// them did not come from a server, and are not thrown away.
func (m *migrator) takeOverPrepared(ctx context.Context) error {
	prepared, err := m.prepared(ctx)
	if err != nil || !prepared {
		return err
	}
	return pgx.BeginFunc(ctx, m.conn, func(tx pgx.Tx) error {
		for _, name := range preparedTables {
			var some bool
			if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM public.`+name+`)`).Scan(&some); err != nil {
				return err
			}
			if some {
				return fmt.Errorf("table %s was made by credential-system-v2.sql and holds rows that no server wrote: move them away first", name)
			}
		}
		_, err := tx.Exec(ctx, `DROP TABLE public.`+strings.Join(preparedTables, `, public.`)+`; DROP FUNCTION public.set_user_context(bigint)`)
		return err
	})
}

func (m *migrator) prepared(ctx context.Context) (prepared bool, err error) {
	err = m.conn.QueryRow(ctx, `SELECT to_regclass('public.goose_db_version') IS NULL
		AND coalesce(obj_description(to_regclass('public.users'), 'pg_class') = $1, false)`, preparedMark).Scan(&prepared)
	return prepared, err
}
