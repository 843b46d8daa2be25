package db_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// node is one of a plan, as EXPLAIN tells it.
type node struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Schema   string  `json:"Schema"`
	Index    string  `json:"Index Name"`
	Cond     string  `json:"Index Cond"`
	Filter   string  `json:"Filter"`
	Rows     float64 `json:"Plan Rows"`
	Cost     float64 `json:"Total Cost"`
	Plans    []*node `json:"Plans"`
}

// walk visits a plan. limited: whoever asks stops early, and nothing in between has to see everything.
func (n *node) walk(limited bool, visit func(n *node, limited bool)) {
	visit(n, limited)
	for _, p := range n.Plans {
		p.walk(n.Type == "Limit" || limited && slices.Contains([]string{"Append", "Merge Append", "Result", "Subquery Scan", "LockRows", "Nested Loop", "Incremental Sort"}, n.Type), visit)
	}
}

// planned numbers prepared statements: they outlive the transaction.
var planned atomic.Int64

// planner explains statements as the server would have them run.
type planner struct {
	testing.TB
	tx    pgx.Tx
	empty map[string]bool   // tables of which reading everything is reading little: partitions of months to come, and what is small in a big database
	table map[string]string // of an index
	of    map[string]string // the index of a partitioned table that one of a partition belongs to
}

func newPlanner(t testing.TB, conn *pgx.Conn) *planner {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }) // nothing is to be kept
	p := &planner{TB: t, tx: tx, empty: map[string]bool{}, table: map[string]string{}, of: map[string]string{}}
	for _, name := range list[string](t, conn, `SELECT relname::text FROM pg_class 
		WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'audit_parts'::regnamespace) AND (pg_relation_size(oid) = 0 OR $1 AND reltuples < 100000)`, *plansURL != "") {
		p.empty[name] = true
	}
	for _, both := range list[string](t, conn, `SELECT i.relname || ' ' || c.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid`) {
		index, table, _ := strings.Cut(both, " ")
		p.table[index] = table
	}
	for _, both := range list[string](t, conn, `SELECT inhrelid::regclass::text || ' ' || inhparent::regclass::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE c.relkind = 'i'`) {
		part, of, _ := strings.Cut(both, " ")
		p.of[strings.TrimPrefix(part, "audit_parts.")] = of
	}
	return p
}

// plan is that of a statement: the one for any arguments, or, where some are given, the one that PostgreSQL settles for when it is
// asked again and again.
func (p *planner) plan(s statement, args []any) (*node, error) {
	ctx := p.Context()
	tx, err := p.tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(ctx)
	role, mode, times := "turkey_app", "force_generic_plan", 1
	if strings.HasSuffix(s.name, "System") {
		role = "turkey_system"
	}
	if args != nil {
		mode, times = "auto", 7
	}
	if _, err := tx.Exec(ctx, `SELECT set_config('role', $1, true), set_config('app.current_app_id', 'default-app', true), set_config('app.current_user_id', '60', true),
		set_config('plan_cache_mode', $2, true)`, role, mode); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("plan%d", planned.Add(1))
	d, err := tx.Prepare(ctx, name, s.sql)
	if err != nil {
		return nil, err
	}
	values := make([]string, len(d.ParamOIDs))
	for i := range values {
		values[i] = "NULL"
		if args == nil {
			continue
		}
		text, err := tx.Conn().TypeMap().Encode(d.ParamOIDs[i], pgtype.TextFormatCode, args[i], []byte{})
		if err != nil {
			return nil, err
		}
		if text != nil {
			values[i] = "'" + strings.ReplaceAll(string(text), "'", "''") + "'"
		}
	}
	execute := "EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE " + name
	if len(values) > 0 {
		execute += " (" + strings.Join(values, ", ") + ")"
	}
	var text []byte
	for range times {
		if err := tx.QueryRow(ctx, execute).Scan(&text); err != nil {
			return nil, err
		}
	}
	var found []struct{ Plan *node }
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, err
	}
	return found[0].Plan, nil
}

// whole names what a plan reads as a whole of what grows.
func (p *planner) whole(plan *node) (found []string) {
	plan.walk(false, func(n *node, limited bool) {
		if n.Type == "Bitmap Index Scan" {
			n.Relation, n.Schema = p.table[n.Index], "public" // which EXPLAIN says of its parent alone
		}
		if small[n.Relation] != "" || slices.Contains(brief, n.Index) || p.empty[n.Relation] || n.Relation != "" && n.Schema != "public" && n.Schema != "audit_parts" {
			return
		}
		switch {
		case n.Type == "Seq Scan":
			found = append(found, n.Relation)
		case strings.HasPrefix(n.Type, "Index") && n.Cond == "" && !limited, n.Type == "Bitmap Index Scan" && n.Cond == "":
			found = append(found, n.Index)
		}
	})
	slices.Sort(found)
	return slices.Compact(found)
}

// indexes are those that a plan uses.
func (p *planner) indexes(plan *node) (used []string) {
	plan.walk(false, func(n *node, _ bool) {
		if n.Index != "" {
			used = append(used, cmp.Or(p.of[n.Index], n.Index))
		}
	})
	slices.Sort(used)
	return slices.Compact(used)
}

// asked is what generated code would have sent.
type asked struct {
	sql  string
	args []any
}

var errAsked = errors.New("only asked")

func (a *asked) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	a.sql, a.args = sql, args
	return pgconn.CommandTag{}, errAsked
}

func (a *asked) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	a.sql, a.args = sql, args
	return nil, errAsked
}

func (a *asked) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	a.sql, a.args = sql, args
	return unread{}
}

type unread struct{}

func (unread) Scan(...any) error { return errAsked }

// grow fills a database with a little of everything, and makes PostgreSQL believe that it is a thousand times as much.
func grow(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	text, err := os.ReadFile("../../bench/growth/fill.sql")
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, conn, `SELECT set_config('session_replication_role', 'replica', false), set_config('timezone', 'UTC', false), set_config('growth.users', '1200', false),
		set_config('growth.at', now()::text, false), set_config('growth.key', 'k', false), set_config('growth.hash', 'h', false)`)
	mustExec(t, conn, `INSERT INTO vault_roots (id, check_value) VALUES ('root', '')`)
	mustExec(t, conn, `INSERT INTO apps (id) VALUES ('default-app')`)
	if err := conn.PgConn().Exec(t.Context(), string(text)).Close(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, conn, `ANALYZE`)
	// Of what there are many different ones there are a thousand times as many, too.
	mustExec(t, conn, `UPDATE pg_statistic s SET stadistinct = -s.stadistinct / c.reltuples FROM pg_class c
		WHERE c.oid = s.starelid AND c.relnamespace IN ('public'::regnamespace, 'audit_parts'::regnamespace) AND s.stadistinct > 40 AND c.reltuples > 0`)
	mustExec(t, conn, `UPDATE pg_class SET reltuples = greatest(reltuples, 100) * 1000 WHERE relnamespace IN ('public'::regnamespace, 'audit_parts'::regnamespace) AND relkind IN ('r', 'p')
		AND relname <> ALL ($1)`, slices.Collect(maps.Keys(small)))
}
