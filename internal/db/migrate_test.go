package db_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// migrate brings a database up to date.
func migrate(t testing.TB, url string) int {
	t.Helper()
	n, err := db.Migrate(t.Context(), db.MigrateConfig{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// together migrates all of the databases at once and returns how many steps each call applied.
func together(t *testing.T, urls ...string) []int {
	t.Helper()
	applied := make([]int, len(urls))
	var wg sync.WaitGroup
	for i, url := range urls {
		wg.Go(func() {
			var err error
			if applied[i], err = db.Migrate(t.Context(), db.MigrateConfig{URL: url}); err != nil {
				t.Errorf("server %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	return applied
}

func TestServersMigrateAtOnce(t *testing.T) {
	t.Parallel()
	all := migrate(t, dbtest.Empty(t))
	if all <= int(db.LatestVersion()) {
		t.Errorf("%d steps of ours and of the queue", all)
	}
	for _, servers := range []int{3, 10} {
		url := dbtest.Empty(t)
		applied := together(t, slices.Repeat([]string{url}, servers)...)
		slices.Sort(applied)
		if applied[servers-1] != all || servers > 1 && applied[servers-2] != 0 {
			t.Errorf("%d servers applied %v of %d steps", servers, applied, all)
		}
		if found := problems(t, connect(t, url)); len(found) > 0 {
			t.Error(found)
		}
		if n := migrate(t, url); n != 0 {
			t.Errorf("%d steps on top", n)
		}
	}
}

// Roles are the cluster's, and so nothing that the lock of one database guards.
func TestDatabasesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	s := dbtest.Private(t)
	conn := connect(t, dbtest.At(s, "postgres", "postgres"))
	var urls []string
	for i := range 4 {
		name := fmt.Sprintf("d%d", i)
		mustExec(t, conn, `CREATE DATABASE `+name)
		urls = append(urls, dbtest.At(s, "postgres", name), dbtest.At(s, "postgres", name))
	}
	together(t, urls...)
	for _, url := range urls {
		if pending, err := db.Pending(t.Context(), url); err != nil || pending {
			t.Errorf("pending %v, %v", pending, err)
		}
	}
	if found := problems(t, connect(t, urls[0])); len(found) > 0 {
		t.Error(found)
	}
}

// state is how many steps are applied and which tables of ours there are.
func state(t *testing.T, url string) (applied int, names []string) {
	t.Helper()
	steps, err := db.Status(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range steps {
		if s.Version != int64(i+1) || s.Name == "" {
			t.Errorf("step %d is %+v", i+1, s)
		}
		if !s.AppliedAt.IsZero() {
			applied++
		}
	}
	return applied, list[string](t, connect(t, url), `SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'
		UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1`)
}

func TestRollback(t *testing.T) {
	t.Parallel()
	for _, rows := range []bool{false, true} {
		t.Run(fmt.Sprintf("rows=%v", rows), func(t *testing.T) {
			t.Parallel()
			var url string
			if rows {
				m := newMatrix(t)
				url = m.conn.Config().ConnString()
			} else {
				url = dbtest.URL(t)
			}
			all, before := state(t, url)
			for n := all; n > 0; n-- {
				undone, err := db.Rollback(t.Context(), db.MigrateConfig{URL: url}, false)
				if err != nil && rows {
					says(t, err, "rows", "--force")
					undone, err = db.Rollback(t.Context(), db.MigrateConfig{URL: url}, true)
				} else if rows && n <= 3 {
					t.Errorf("step %d was undone with its rows", n)
				}
				if err != nil || undone.Version != int64(n) || !strings.Contains(undone.Name, fmt.Sprintf("%05d", n)) {
					t.Fatalf("%+v, %v", undone, err)
				}
				if applied, _ := state(t, url); applied != n-1 {
					t.Errorf("%d steps are applied after undoing step %d", applied, n)
				}
				if pending, err := db.Pending(t.Context(), url); err != nil || !pending {
					t.Errorf("pending %v, %v", pending, err)
				}
			}
			if _, left := state(t, url); !slices.Equal(left, []string{"goose_db_version"}) {
				t.Errorf("left over: %v", left)
			}
			_, err := db.Rollback(t.Context(), db.MigrateConfig{URL: url}, false)
			says(t, err, "nothing to roll back")
			if n := migrate(t, url); n != all {
				t.Errorf("%d steps up again, of %d", n, all)
			}
			if _, after := state(t, url); !slices.Equal(before, after) {
				t.Errorf("before %v, after %v", before, after)
			}
			if found := problems(t, connect(t, url)); len(found) > 0 {
				t.Error(found)
			}
		})
	}
}

// rollBack undoes steps for as long as nothing is lost, and returns why it went no further.
func rollBack(t *testing.T, url string) error {
	t.Helper()
	for {
		if _, err := db.Rollback(t.Context(), db.MigrateConfig{URL: url}, false); err != nil {
			return err
		}
	}
}

// Rows without a user are rows too: losing the signing keys logs everybody out. Steps that lose nothing are undone, whatever
// other tables hold.
func TestRollbackSparesWhatTheStepWouldDrop(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	conn := connect(t, url)
	mustExec(t, conn, `INSERT INTO server_secrets (name, sealed) VALUES ('mac', '')`)
	says(t, rollBack(t, url), "server_secrets", "00001_auth.sql", "--force")
	if applied, _ := state(t, url); applied != 1 {
		t.Errorf("%d steps are left, want the one that made server_secrets", applied)
	}
	if n := scalar[int](t, conn, `SELECT count(*) FROM server_secrets`); n != 1 {
		t.Errorf("%d rows are left", n)
	}

	// A column that holds more than its default is refused like a table; one that does not is not.
	migrate(t, url)
	mustExec(t, conn, `INSERT INTO keys (kid, public_pem, private_pem) VALUES ('k', '', '')`)
	says(t, rollBack(t, url), "00001_auth.sql", "keys, server_secrets")
	migrate(t, url)
	mustExec(t, conn, `UPDATE keys SET revoked_at = now()`)
	says(t, rollBack(t, url), "00005_vault_life.sql", "(keys.revoked_at)")
}

func TestStatusOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	url := dbtest.Empty(t)
	if applied, names := state(t, url); applied != 0 || len(names) != 0 {
		t.Errorf("%d steps, %v", applied, names)
	}
	if pending, err := db.Pending(t.Context(), url); err != nil || !pending {
		t.Errorf("pending %v, %v", pending, err)
	}
	_, err := db.Rollback(t.Context(), db.MigrateConfig{URL: url}, false)
	says(t, err, "nothing to roll back")
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	mustExec(t, connect(t, url), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`)
	_, err := db.Migrate(t.Context(), db.MigrateConfig{URL: url})
	says(t, err, "migration 999", fmt.Sprint(db.LatestVersion()), "newer version")
	_, err = db.Pending(t.Context(), url)
	says(t, err, "migration 999")
	if _, err := db.Rollback(t.Context(), db.MigrateConfig{URL: url}, true); err == nil {
		t.Error("undid a step that it does not know")
	}
	if applied, _ := state(t, url); applied != int(db.LatestVersion()) {
		t.Errorf("%d steps left", applied)
	}
}

func TestAnotherProgramsDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sql string
		words     []string
	}{
		{"unknown", `CREATE TABLE users (id int, mail text); INSERT INTO users VALUES (1, 'x')`, []string{"users", "nothing was changed", "empty database"}},
		{"kpi etl", `CREATE TABLE users (id int, clerk_id text); INSERT INTO users VALUES (1, 'x'); CREATE TABLE credentials (id int)`,
			[]string{"KPI ETL", "nothing was changed", "gravy import kpi-etl"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := dbtest.Empty(t)
			conn := connect(t, url)
			mustExec(t, conn, c.sql)
			const everything = `SELECT string_agg(x, ' ' ORDER BY x) FROM (
				SELECT concat_ws(':', oid::regclass, relacl, relowner, xmin) x FROM pg_class WHERE relnamespace = 'public'::regnamespace
				UNION ALL SELECT concat_ws(':', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_'
				UNION ALL SELECT users::text FROM users) x`
			before := scalar[string](t, conn, everything)
			_, err := db.Migrate(t.Context(), db.MigrateConfig{URL: url})
			says(t, err, c.words...)
			if after := scalar[string](t, conn, everything); after != before {
				t.Errorf("before: %s\nafter: %s", before, after)
			}
		})
	}
}

func TestTooOld(t *testing.T) {
	t.Parallel()
	says(t, db.TooOld(130022, "13.22"), "PostgreSQL 13.22 is too old", "14")
	says(t, db.TooOld(90624, "9.6.24"), "9.6.24")
	for _, num := range []int{140000, 140023, 180004} {
		if err := db.TooOld(num, ""); err != nil {
			t.Error(err)
		}
	}
}
