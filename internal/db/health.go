package db

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Health is how a PostgreSQL is doing, as an operator asks for it. A login that is no superuser and not in pg_monitor does
// not see what other logins are doing: states and queries of theirs are missing.
type Health struct {
	Version     string          `json:"version"`
	RoundTripMS float64         `json:"roundTripMs"` // the quickest of three
	Database    string          `json:"database"`
	Login       string          `json:"login"`
	StartedAt   time.Time       `json:"startedAt"`
	SizeBytes   int64           `json:"sizeBytes"`
	Standby     bool            `json:"standby"` // replays another server, and takes no writes
	LagSeconds  *float64        `json:"lagSeconds,omitempty"`
	Connections Connections     `json:"connections"`
	Pools       []PoolUse       `json:"pools"`
	Replicas    []Replica       `json:"replicas"`
	Slots       []Slot          `json:"slots"`
	Waiting     []Waiting       `json:"waiting"` // for locks
	Slow        []SlowQuery     `json:"slow"`    // running for more than five seconds
	Statements  []StatementCost `json:"statements"`
	NoStatement string          `json:"noStatements,omitempty"` // why there are no Statements
	Bloat       []Bloat         `json:"bloat"`
	Unused      []UnusedIndex   `json:"unusedIndexes"` // of 1 MiB and more, not read since the statistics began
	Invalid     []string        `json:"invalidIndexes"`
	StatsSince  *time.Time      `json:"statsSince"`
}

// Connections are those of the whole server.
type Connections struct {
	Taken  int `json:"taken"`
	Usable int `json:"usable"` // without those kept for superusers
}

// PoolUse is what connections to this database do, by the name their programs give.
type PoolUse struct {
	Application   string   `json:"application"`
	Total         int      `json:"total"`
	Active        int      `json:"active"`
	Idle          int      `json:"idle"`
	InTransaction int      `json:"idleInTransaction"`
	OldestSeconds *float64 `json:"oldestTransactionSeconds"`
}

// Replica is a server that replays this one.
type Replica struct {
	Name     string  `json:"name"`
	Address  *string `json:"address"`
	State    *string `json:"state"`
	Sync     *string `json:"sync"`
	LagBytes *int64  `json:"lagBytes"`
}

// Slot keeps WAL for a replica. One that is not active fills the disk.
type Slot struct {
	Name          string `json:"name"`
	Active        bool   `json:"active"`
	RetainedBytes *int64 `json:"retainedBytes"`
}

// Waiting is a backend that waits for a lock that others hold.
type Waiting struct {
	PID       int     `json:"pid"`
	BlockedBy []int32 `json:"blockedBy"`
	Seconds   float64 `json:"seconds"`
	Lock      string  `json:"lock"`
	Query     string  `json:"query"`
}

// SlowQuery is running at this moment. Values in it are masked.
type SlowQuery struct {
	PID     int     `json:"pid"`
	Seconds float64 `json:"seconds"`
	Query   string  `json:"query"`
}

// StatementCost is a statement by pg_stat_statements.
type StatementCost struct {
	Calls   int64   `json:"calls"`
	MeanMS  float64 `json:"meanMs"`
	TotalMS float64 `json:"totalMs"`
	Query   string  `json:"query"`
}

// Bloat is a table a fifth of whose rows, and a thousand at least, are dead.
type Bloat struct {
	Table      string     `json:"table"`
	Live       int64      `json:"live"`
	Dead       int64      `json:"dead"`
	VacuumedAt *time.Time `json:"vacuumedAt"`
}

// UnusedIndex costs every write and serves nobody.
type UnusedIndex struct {
	Index string `json:"index"`
	Table string `json:"table"`
	Bytes int64  `json:"bytes"`
}

const (
	serverSQL = `SELECT current_setting('server_version'), current_database()::text, session_user::text, pg_postmaster_start_time(),
			pg_database_size(current_database()), pg_is_in_recovery(),
			CASE WHEN pg_is_in_recovery() THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8 END,
			(SELECT coalesce(sum(numbackends), 0)::int FROM pg_stat_database),
			current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
			(SELECT stats_reset FROM pg_stat_database WHERE datname = current_database())`
	poolsSQL = `SELECT coalesce(nullif(application_name, ''), '(no name)'), count(*)::int, (count(*) FILTER (WHERE state = 'active'))::int,
			(count(*) FILTER (WHERE state = 'idle'))::int, (count(*) FILTER (WHERE state LIKE 'idle in transaction%'))::int,
			extract(epoch FROM max(now() - xact_start))::float8
		FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
		GROUP BY 1 ORDER BY 2 DESC, 1`
	replicasSQL = `SELECT coalesce(application_name, ''), host(client_addr), state, sync_state,
			CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint END
		FROM pg_stat_replication ORDER BY 1`
	slotsSQL = `SELECT slot_name::text, active, CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint END
		FROM pg_replication_slots ORDER BY 1`
	waitingSQL = `SELECT DISTINCT ON (l.pid) l.pid, pg_blocking_pids(l.pid), coalesce(extract(epoch FROM clock_timestamp() - a.query_start), 0)::float8,
			concat_ws(' ', l.mode, 'on', coalesce(l.relation::regclass::text, l.locktype)), coalesce(a.query, '')
		FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE NOT l.granted AND a.datname = current_database() ORDER BY l.pid`
	slowSQL = `SELECT pid, extract(epoch FROM clock_timestamp() - query_start)::float8, query FROM pg_stat_activity
		WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() AND backend_type = 'client backend'
			AND clock_timestamp() - query_start > interval '5 seconds'
		ORDER BY 2 DESC LIMIT 10`
	costsSQL = `SELECT calls, mean_exec_time, total_exec_time, query FROM pg_stat_statements
		WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query <> '<insufficient privilege>'
		ORDER BY total_exec_time DESC LIMIT 10`
	bloatSQL = `SELECT format('%I.%I', schemaname, relname), n_live_tup, n_dead_tup, greatest(last_vacuum, last_autovacuum) FROM pg_stat_user_tables
		WHERE n_dead_tup >= 1000 AND n_dead_tup >= 0.2 * (n_live_tup + n_dead_tup) ORDER BY n_dead_tup DESC LIMIT 10`
	// By the planner's figures: pg_relation_size waits for locks.
	unusedSQL = `SELECT format('%I.%I', s.schemaname, s.indexrelname), format('%I.%I', s.schemaname, s.relname),
			c.relpages::bigint * current_setting('block_size')::int
		FROM pg_stat_user_indexes s JOIN pg_index i ON i.indexrelid = s.indexrelid JOIN pg_class c ON c.oid = s.indexrelid
		WHERE s.idx_scan = 0 AND NOT i.indisunique AND c.relpages::bigint * current_setting('block_size')::int >= 1024 * 1024 ORDER BY 3 DESC LIMIT 20`
	invalidSQL = `SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE NOT (i.indisvalid AND i.indisready) AND c.relnamespace::regnamespace::text !~ '^pg_' ORDER BY 1`
)

// CheckHealth asks PostgreSQL how it is doing, and changes nothing. It needs no schema of ours.
func CheckHealth(ctx context.Context, url string) (h Health, err error) {
	m, err := newMigrator(ctx, MigrateConfig{URL: url})
	if err != nil {
		return h, err
	}
	defer m.close(ctx)
	// Who asks what is stuck must not get stuck.
	if _, err := m.conn.Exec(ctx, `SET lock_timeout = '2s'; SET statement_timeout = '10s'`); err != nil {
		return h, err
	}
	h.RoundTripMS, err = roundTrip(ctx, m.conn)
	if err != nil {
		return h, err
	}
	if err := m.conn.QueryRow(ctx, serverSQL).Scan(&h.Version, &h.Database, &h.Login, &h.StartedAt, &h.SizeBytes, &h.Standby, &h.LagSeconds,
		&h.Connections.Taken, &h.Connections.Usable, &h.StatsSince); err != nil {
		return h, err
	}
	if err := errors.Join(
		into(ctx, m.conn, &h.Pools, poolsSQL), into(ctx, m.conn, &h.Replicas, replicasSQL), into(ctx, m.conn, &h.Slots, slotsSQL),
		into(ctx, m.conn, &h.Waiting, waitingSQL), into(ctx, m.conn, &h.Slow, slowSQL), into(ctx, m.conn, &h.Bloat, bloatSQL),
		into(ctx, m.conn, &h.Unused, unusedSQL),
	); err != nil {
		return h, err
	}
	rows, err := m.conn.Query(ctx, invalidSQL)
	if err != nil {
		return h, err
	}
	if h.Invalid, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return h, err
	}
	h.Statements = []StatementCost{}
	if into(ctx, m.conn, &h.Statements, costsSQL) != nil {
		h.NoStatement = "pg_stat_statements is not there: add it to shared_preload_libraries, then CREATE EXTENSION pg_stat_statements"
	}
	h.mask()
	return h, nil
}

func roundTrip(ctx context.Context, conn *pgx.Conn) (ms float64, err error) {
	best := time.Hour
	for range 3 {
		begin := time.Now()
		if err := conn.Ping(ctx); err != nil {
			return 0, err
		}
		best = min(best, time.Since(begin))
	}
	return float64(best.Microseconds()) / 1000, nil
}

// into reads all rows of a query, whose columns are the fields of T in their order.
func into[T any](ctx context.Context, conn *pgx.Conn, list *[]T, sql string) error {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	*list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	return err
}

// mask takes values out of queries that other programs wrote: a value may be a password.
func (h *Health) mask() {
	for i := range h.Waiting {
		h.Waiting[i].Query = masked(h.Waiting[i].Query)
	}
	for i := range h.Slow {
		h.Slow[i].Query = masked(h.Slow[i].Query)
	}
	for i := range h.Statements {
		h.Statements[i].Query = masked(h.Statements[i].Query)
	}
}

// literals are quoted texts, also those that the end of what PostgreSQL keeps of a query cut off.
var literals = regexp.MustCompile(`(?s)'(?:[^']|'')*(?:'|$)|\$[a-zA-Z_]\w*\$.*|\$\$.*`)

func masked(query string) string {
	query = strings.Join(strings.Fields(literals.ReplaceAllString(query, "'…'")), " ")
	if r := []rune(query); len(r) > 120 {
		return string(r[:120]) + "…"
	}
	return query
}
