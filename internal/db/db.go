package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"turkey/internal/fault"
)

// MinVersion is the oldest PostgreSQL major version that works.
const MinVersion = 14

// Config says which PostgreSQL and how many connections to it.
type Config struct {
	URL            string // libpq URL or key=value string
	MinConns       int32
	MaxConns       int32
	IdleTimeout    time.Duration // an idle connection above MinConns is closed after this
	ConnectTimeout time.Duration // for one attempt
	MaxWait        time.Duration // for a connection that is free, unless in the background; 0: 2 s
	RetryAttempts  int           // further attempts at start while the server refuses or is starting up
	RetryDelay     time.Duration
	Tracer         pgx.QueryTracer // hears of every statement; nil: nobody

	ReplicaURL    string        // a server that replays that one, for Reading; "": none
	ReplicaMaxLag time.Duration // how late it may be
	Log           *slog.Logger  // hears when the replica comes and goes; nil: nobody
}

// openTimeout bounds all attempts together: a start that cannot succeed says so quickly. Who asks for more attempts than fit
// into it waits for them.
const openTimeout = 4 * time.Second

// DB is a pool of connections whose statements all run in a Scope.
type DB struct {
	pool       *pgxpool.Pool
	maxWait    time.Duration
	pooled     atomic.Bool   // a pooler stands between
	replica    *replica      // nil: there is none
	background chan struct{} // one place for each statement of background work that may run
	clock      clock         // PostgreSQL's
}

// Open connects, and refuses a server that is too old and a login whose privileges cannot be dropped. The schema must
// be migrated. Errors are one line that says what is wrong and how to mend it; they never hold the password.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	pc, err := poolConfig(cfg.URL, "DATABASE_URL", cfg)
	if err != nil {
		return nil, err
	}
	d := &DB{background: make(chan struct{}, max(pc.MaxConns/2, 1)), maxWait: cmp.Or(cfg.MaxWait, 2*time.Second)}
	pc.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
		if d.pooled.Load() {
			unnamed(cc)
		}
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("database pool: %w", err)
	}
	d.pool = pool
	err = d.findPooler(ctx)
	if err == nil {
		err = d.checkPrivileges(ctx)
	}
	if err == nil {
		err = d.ReadClock(ctx)
	}
	if err != nil {
		pool.Close()
		return nil, connectFault(err, pc.ConnConfig)
	}
	if cfg.ReplicaURL != "" {
		if err := d.openReplica(ctx, cfg); err != nil {
			pool.Close()
			return nil, err
		}
	}
	return d, nil
}

// poolConfig is what both pools have in common; name is that of the variable with the URL.
func poolConfig(url, name string, cfg Config) (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New(name + " cannot be parsed; expected postgresql://user:password@host:5432/name?sslmode=require")
	}
	if cfg.MaxConns > 0 {
		pc.MaxConns = cfg.MaxConns
	}
	pc.MinConns = min(cfg.MinConns, pc.MaxConns)
	if cfg.IdleTimeout > 0 {
		pc.MaxConnIdleTime = cfg.IdleTimeout
	}
	if cfg.ConnectTimeout > 0 {
		pc.ConnConfig.ConnectTimeout = cfg.ConnectTimeout
	}
	if pc.ConnConfig.RuntimeParams["application_name"] == "" {
		pc.ConnConfig.RuntimeParams["application_name"] = "turkey"
	}
	pc.ConnConfig.Tracer = cfg.Tracer
	pc.AfterConnect = teachUUID
	return pc, nil
}

// Close waits for statements in flight and closes every connection.
func (d *DB) Close() {
	if d.replica != nil {
		d.replica.close()
	}
	d.pool.Close()
}

// In returns a connection whose every statement runs in the scope.
func (d *DB) In(s Scope) Conn { return Conn{db: d, scope: s} }

// Tx runs fn in one transaction in the scope: committed when fn returns nil, else rolled back. Begin and scope share
// one trip. Never wait for anything but PostgreSQL inside fn.
func (d *DB) Tx(ctx context.Context, s Scope, fn func(pgx.Tx) error) error {
	conn, err := d.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	b := &pgx.Batch{}
	b.BeginTx(pgx.TxOptions{})
	b.Queue(s.sql, s.args...)
	br := conn.SendBatch(ctx, b)
	tx := br.Tx()
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after Commit it reports only that the transaction is over
	_, err = br.Exec()
	if err == nil {
		err = s.check(br.QueryRow())
	}
	if err := errors.Join(err, br.Close()); err != nil {
		return outage(err)
	}
	if err := fn(tx); err != nil {
		return outage(err)
	}
	return outage(tx.Commit(ctx))
}

// errCrowded is the answer to who found no connection free in time: requests come faster than PostgreSQL answers, and whoever waits
// longer makes it longer for everybody.
var errCrowded = fault.New(fault.Unavailable, "", "Too many requests at the moment. Please try again shortly.").WithRetryAfter(time.Second)

// acquire waits for a connection: in the background as long as it takes, otherwise for maxWait.
func (d *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	patience := ctx
	if !inBackground(ctx) {
		var cancel context.CancelFunc
		patience, cancel = context.WithTimeout(ctx, d.maxWait)
		defer cancel()
	}
	conn, err := d.pool.Acquire(patience)
	if err != nil && patience.Err() != nil && ctx.Err() == nil {
		return nil, errCrowded.Because(err)
	}
	if err != nil {
		return nil, outage(fmt.Errorf("db: acquire: %w", err))
	}
	return conn, nil
}

// deadlocks is how often a transaction of TxAgain may be the one that PostgreSQL ends.
const deadlocks = 3

// TxAgain is Tx, played again when it ran into a deadlock and PostgreSQL let the others go first: nothing of it has happened then.
// fn must bear to run more than once.
func (d *DB) TxAgain(ctx context.Context, s Scope, fn func(pgx.Tx) error) (err error) {
	for range deadlocks {
		if err = d.Tx(ctx, s, fn); !isDeadlock(err) {
			return err
		}
	}
	return err
}

func isDeadlock(err error) bool {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pe.Code == "40P01"
}

// Ping makes one real round trip.
func (d *DB) Ping(ctx context.Context) error { return d.pool.Ping(ctx) }

// Pool is for libraries that bring their own SQL on tables without tenant data (the job queue). Everything else goes
// through In and Tx.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// outage turns "PostgreSQL is not there" into a fault that clients may retry; every other error passes unchanged.
func outage(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := fault.From(err); ok {
		return err
	}
	if unstorable(err) {
		return fault.New(fault.Invalid, "", "A value is too long, or holds a character that cannot be stored").Because(err)
	}
	if isDeadlock(err) { // PostgreSQL let others go first, and nothing was written
		return fault.New(fault.Unavailable, "", "Another change of the same account came in between. Nothing was changed; please try again.").
			WithRetryAfter(time.Second).Because(err)
	}
	if !isOutage(err) {
		return err
	}
	return fault.New(fault.Unavailable, "", "The database is not available. Please try again shortly.").
		WithRetryAfter(time.Second).Because(err)
}

// unstorable: the second wall behind the checks of the routes. Too long, or not text (a null character).
func unstorable(err error) bool {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pe.Code == "22001" || pe.Code == "22021" || pe.Code == "22P05")
}

func isOutage(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return !refusedLogin(err)
	}
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch class(pe) {
		case "08", "53", "58": // connection, resources, system
			return true
		}
		switch pe.Code {
		case "57P01", "57P02", "57P03", "25006": // shutdown, crash, starting up, read-only (a demoted primary)
			return true
		case "40001": // in the way of what a replica replays
			return strings.Contains(pe.Message, "conflict with recovery")
		}
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	return errors.Is(err, errClosedConn) || strings.Contains(err.Error(), "unexpected EOF") ||
		strings.Contains(err.Error(), "conn closed")
}

// refusedLogin reports whether a connection was refused for a reason that waiting does not mend: who asks, or what for.
func refusedLogin(err error) bool {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (class(pe) == "28" || class(pe) == "3D")
}

// class is the first half of an SQLSTATE; poolers send errors without one.
func class(pe *pgconn.PgError) string { return pe.Code[:min(2, len(pe.Code))] }

var errClosedConn = net.ErrClosed

// IsUnique reports whether err is a unique violation of the named index or constraint.
func IsUnique(err error, name string) bool {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pe.Code == "23505" && pe.ConstraintName == name
}

// IsForeignKey reports whether err is a foreign key violation.
func IsForeignKey(err error) bool {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pe.Code == "23503"
}

// Explain words a failed connection or privilege check for the person who starts the server.
func Explain(err error, cc *pgx.ConnConfig) error {
	at := fmt.Sprintf("PostgreSQL at %s:%d", cc.Host, cc.Port)
	if strings.HasPrefix(cc.Host, "/") {
		at = "PostgreSQL at socket " + cc.Host
	}
	pe, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && pe.Code == "28P01":
		return fmt.Errorf("%s refused the password of user %q: correct DATABASE_URL (or DB_PASSWORD)", at, cc.User)
	case ok && class(pe) == "28":
		return fmt.Errorf("%s does not let user %q in: %s", at, cc.User, pe.Message)
	case ok && pe.Code == "3D000":
		return fmt.Errorf("%s has no database %q: create it (createdb %s) or correct DATABASE_URL", at, cc.Database, cc.Database)
	case strings.Contains(err.Error(), "server refused TLS"):
		return fmt.Errorf("%s does not speak TLS: correct sslmode in DATABASE_URL, or enable ssl on the server", at)
	case strings.Contains(err.Error(), "x509: ") || strings.Contains(err.Error(), "tls: "):
		return fmt.Errorf("%s and this program do not agree on TLS: check sslmode and sslrootcert in DATABASE_URL (%s)", at, rootCause(err))
	case ok && pe.Code == "57P03":
		return fmt.Errorf("%s is starting up or shutting down: try again shortly", at)
	case ok && class(pe) == "53":
		return fmt.Errorf("%s has no connection left (%s): lower DB_POOL_MAX or raise max_connections", at, pe.Message)
	}
	if _, isConnect := errors.AsType[*pgconn.ConnectError](err); isConnect || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("cannot reach %s: is it running, and are host and port in DATABASE_URL (or DB_HOST, DB_PORT) right? (%s)", at, rootCause(err))
	}
	return err
}

func rootCause(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			line, _, _ := strings.Cut(err.Error(), "\n") // one per address that was tried
			return line
		}
		err = next
	}
}

// Retry runs try until it succeeds, fails for a reason that waiting will not mend, or the attempts or their time are
// used up.
func Retry(ctx context.Context, cfg Config, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, max(openTimeout, time.Second+time.Duration(cfg.RetryAttempts)*cfg.RetryDelay))
	defer cancel()
	for attempt := 0; ; attempt++ {
		err := try(ctx)
		if err == nil || attempt >= cfg.RetryAttempts || !isOutage(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(cfg.RetryDelay):
		}
	}
}
