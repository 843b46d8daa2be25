package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"turkey/internal/fault"
)

// ErrNoTenant is returned when a scope names nobody: an empty app, an unknown session, a user who is unknown, suspended
// or deleted. The statement of that trip ran without a tenant, so it saw and changed nothing.
var ErrNoTenant = fault.New(fault.Forbidden, "", "This account may not act")

// Scope is who a statement acts for. The zero Scope is not valid.
type Scope struct {
	sql    string // first statement of the trip: sets role and tenant, returns the tenant as text
	args   []any
	tenant bool // the scope must name a tenant
}

// set_config(…, true) ends with the transaction. The role comes first, so that whatever follows has its rights only.
const (
	appSQL     = `SELECT set_config('role', 'turkey_app', true), set_config('app.current_app_id', $1, true)`
	sessionSQL = `SELECT set_config('role', 'turkey_app', true),
		set_config('app.current_app_id', coalesce(public.app_of_session($1), ''), true)`
	//nolint:gosec // a statement, not a credential
	emailTokenSQL = `SELECT set_config('role', 'turkey_app', true),
		set_config('app.current_app_id', coalesce(public.app_of_email_token($1), ''), true)`
	userSQL = `SELECT set_config('role', 'turkey_app', true),
		set_config('app.current_user_id', coalesce(public.active_user_no($1)::text, ''), true)`
	systemSQL = `SELECT set_config('role', 'turkey_system', true), ''`
)

// App is the scope of one app: its users, sessions, revocations and audit.
func App(id string) Scope { return Scope{sql: appSQL, args: []any{id}, tenant: true} }

// AppOfSession is the scope of the app that a session belongs to, for routes that know only the session.
func AppOfSession(session uuid.UUID) Scope {
	return Scope{sql: sessionSQL, args: []any{session}, tenant: true}
}

// AppOfEmailToken is the scope of the app that a mail's token (its SHA-256 in hex) was issued in.
func AppOfEmailToken(hash string) Scope {
	return Scope{sql: emailTokenSQL, args: []any{hash}, tenant: true}
}

// User is the scope of one person's credentials, services, mappings and runs. It names nobody unless the user is active.
func User(id uuid.UUID) Scope { return Scope{sql: userSQL, args: []any{id}, tenant: true} }

// System is the scope of workers and the command line: every tenant's rows, still behind policies and grants.
func System() Scope { return Scope{sql: systemSQL} }

// Conn runs statements in one scope. Each call is one implicit transaction in one round trip. It satisfies the DBTX
// interface of sqlc.
type Conn struct {
	db    *DB
	scope Scope
	first *Statement // see After
	late  bool       // see Reading
}

// Statement is one statement in a scope of its own.
type Statement struct {
	Scope Scope
	SQL   string
	Args  []any
	Read  func(pgx.BatchResults) error // takes its answer
}

// Along is a statement that may share the trip of another, by Conn.After. nil has it go alone.
type Along func(first *Statement) error

// After puts a statement before the next one, into its trip and its transaction: each acts in its own scope, and PostgreSQL's refusal
// of either undoes both. Both are sent before anything is read, so neither waits for what the other finds. Read has been called
// by the time the second one answers; what it read counts only once that one has not failed. For one statement alone; nil puts
// nothing there.
func (c Conn) After(first *Statement) Conn {
	c.first = first
	return c
}

// Exec runs a statement that returns no rows.
func (c Conn) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	br, err := c.send(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := br.Exec()
	return tag, outage(either(br.Close(), err))
}

// Query runs a statement that returns rows. The connection is held until the rows are closed or read to their end.
func (c Conn) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	br, err := c.send(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	rows, err := br.Query()
	if err != nil {
		return nil, outage(either(br.Close(), err))
	}
	return &scopedRows{Rows: rows, br: br}, nil
}

// QueryRow runs a statement that returns one row; Scan gives pgx.ErrNoRows when there is none.
func (c Conn) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	br, err := c.send(ctx, sql, args)
	if err != nil {
		return failedRow{err}
	}
	return scopedRow{row: br.QueryRow(), br: br}
}

// send puts scope and statement into one pipeline closed by one Sync, which PostgreSQL runs as one transaction. An
// error of either undoes both.
func (c Conn) send(ctx context.Context, sql string, args []any) (pgx.BatchResults, error) {
	b := &pgx.Batch{}
	if c.first != nil {
		b.Queue(c.first.Scope.sql, c.first.Scope.args...)
		b.Queue(c.first.SQL, c.first.Args...)
	}
	b.Queue(c.scope.sql, c.scope.args...)
	b.Queue(sql, args...)
	if c.late && c.first == nil && c.db.replica.fresh() {
		late, cancel := context.WithCancel(ctx)
		timer := time.AfterFunc(c.db.replica.maxLag, cancel) // for one that hangs
		br := c.db.replica.pool.SendBatch(late, b)
		if c.scope.check(br.QueryRow()) == nil && timer.Stop() {
			return leaving{br, cancel}, nil
		}
		cancel()
		_ = br.Close() // whatever it was, the primary knows better: who is new may not be here yet
		b = &pgx.Batch{}
		b.Queue(c.scope.sql, c.scope.args...)
		b.Queue(sql, args...)
	}
	leave, err := c.db.enter(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := c.db.acquire(ctx)
	if err != nil {
		leave()
		return nil, err
	}
	br := pgx.BatchResults(leaving{conn.SendBatch(ctx, b), func() { conn.Release(); leave() }})
	if err := c.enter(br); err != nil {
		closing := br.Close()
		if errors.Is(err, ErrNoTenant) {
			return nil, err
		}
		return nil, outage(either(closing, err))
	}
	return br, nil
}

// enter reads what comes before the answer of the statement.
func (c Conn) enter(br pgx.BatchResults) error {
	if c.first == nil {
		return c.scope.check(br.QueryRow())
	}
	if err := c.first.Scope.check(br.QueryRow()); err != nil {
		return err
	}
	if err := c.first.Read(br); err != nil {
		return err
	}
	return c.scope.check(br.QueryRow())
}

// check reads the answer of the scope statement.
func (s Scope) check(row pgx.Row) error {
	var tenant string
	if err := row.Scan(nil, &tenant); err != nil { // the role is what the statement says
		return fmt.Errorf("db: enter scope: %w", err)
	}
	if s.tenant && tenant == "" {
		return ErrNoTenant
	}
	return nil
}

// scopedRows closes its batch with its rows: the commit, and with it a deferred error, comes only then.
type scopedRows struct {
	pgx.Rows
	br     pgx.BatchResults
	closed bool
	err    error
}

func (r *scopedRows) Close() {
	if !r.closed {
		r.closed = true
		r.Rows.Close()
		r.err = r.br.Close()
	}
}

func (r *scopedRows) Err() error { return outage(either(r.err, r.Rows.Err())) }

func (r *scopedRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

type scopedRow struct {
	row pgx.Row
	br  pgx.BatchResults
}

func (r scopedRow) Scan(dest ...any) error {
	err := r.row.Scan(dest...)
	return outage(either(r.br.Close(), err))
}

// either prefers the error of the commit: where the statement itself failed, closing reports the same error again.
func either(closing, reading error) error {
	if closing != nil {
		return closing
	}
	return reading
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }
