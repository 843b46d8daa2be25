package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// unnamed has nothing prepared under a name, unless the URL says how statements are sent: a pooler in transaction mode may run the
// next one in another session.
func unnamed(cc *pgx.ConnConfig) {
	if cc.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		cc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
}

// throughPooler looks whether PostgreSQL itself is at the other end: a pooler gives its clients numbers of its own.
func throughPooler(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var pid uint32
	err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	return err == nil && pid != conn.PgConn().PID(), err
}

// findPooler makes all connections ones through a pooler, if the first one is: each statement is then described once and sent
// whole, in the same trip.
func (d *DB) findPooler(ctx context.Context) error {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	pooled, err := throughPooler(ctx, conn.Conn())
	if pooled {
		d.pooled.Store(true)
		d.pool.Reset()
	}
	return err
}

// Pooled tells whether a pooler stands between us and PostgreSQL. Notifications may not come through it.
func (d *DB) Pooled() bool { return d.pooled.Load() }
