package auth

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/db/dbtest"
)

// TestADeepPageOfUsersReadsItsOwnRows: the list goes on from the index, also by a plan that is made once for all pages.
func TestADeepPageOfUsersReadsItsOwnRows(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	run := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	run(`INSERT INTO apps (id, name) VALUES ('shop', 'shop')`)
	run(`INSERT INTO users (app_id, email, password_hash, created_at)
		SELECT 'shop', 'user-' || n || '@example.com', '!', timestamptz '2026-01-01 00:00:00Z' + n * interval '1 minute' FROM generate_series(1, 3000) n`)
	run(`ANALYZE users`)
	run(`SET plan_cache_mode = force_generic_plan`)

	q, seen := authdb.New(), 0
	p := authdb.SearchUsersParams{AppID: "shop", Max: 100}
	last := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for {
		rows, err := q.SearchUsers(t.Context(), conn, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if !r.CreatedAt.Before(last) {
				t.Fatalf("%s comes after %s", r.CreatedAt, last)
			}
			last, seen = r.CreatedAt, seen+1
		}
		if len(rows) < 100 {
			break
		}
		p.Before, p.BeforeID = &rows[99].CreatedAt, rows[99].ID
	}
	if seen != 3000 {
		t.Errorf("%d users", seen)
	}

	var name string
	if err := conn.QueryRow(t.Context(), `SELECT name FROM pg_prepared_statements WHERE statement LIKE '%SearchUsers%'`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	var types []string
	if err := conn.QueryRow(t.Context(), `SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = $1`, name).Scan(&types); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{"timestamp with time zone": "'2026-01-01 01:00:00Z'", "uuid": "'" + uuid.Nil.String() + "'", "boolean": "NULL", "integer": "100"}
	args := make([]string, len(types))
	for i, typ := range types {
		if args[i] = values[typ]; args[i] == "" {
			args[i] = "''"
		}
	}
	for i, typ := range types { // the first text is the app
		if typ == "character varying" || typ == "text" {
			args[i] = "'shop'"
			break
		}
	}
	rows, err := conn.Query(t.Context(), `EXPLAIN (ANALYZE, COSTS OFF) EXECUTE `+pgx.Identifier{name}.Sanitize()+`(`+strings.Join(args, ", ")+`)`,
		pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(lines, "\n")
	if !strings.Contains(plan, "users_app_created_idx") || !strings.Contains(plan, "Index Cond: (((app_id)::text = ") || !strings.Contains(plan, "ROW(created_at, id) <") ||
		strings.Contains(plan, "Rows Removed by Filter") || strings.Contains(plan, "Sort") {
		t.Errorf("the plan of a deep page:\n%s", plan)
	}
}
