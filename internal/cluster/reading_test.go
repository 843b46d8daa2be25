package cluster_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
)

// figures is the number of days that somebody sees.
func figures(p *person) (int, error) {
	a, err := p.act(200, "GET", "/api/kpis?service=ga4&from=2026-01-01&to=2026-02-28", nil)
	if err != nil {
		return 0, err
	}
	return strings.Count(a.raw, `"fetchedAt":`), nil
}

// TestReadReplica: lists and figures come from the replica while it is within the bound, and never later than that; what is new
// there, what is away, what was promoted hinders nobody.
func TestReadReplica(t *testing.T) {
	const lag = 3 * time.Second
	pg := newPostgres(t)
	replica := pg.standby("reader", "hot_standby_feedback=on")
	s := serve(t, settings(t, url(pg), "DATABASE_REPLICA_URL="+url(replica), "DATABASE_REPLICA_MAX_LAG="+fmt.Sprint(lag), "LOG_LEVEL=info"))
	says := func(what string, times int) func() bool {
		return func() bool { return strings.Count(s.log.String(), what) >= times }
	}
	const used, unused = "go to the replica", "all reads go to the primary"
	eventually(t, "the replica is used", says(used, 1))
	p, other := newPerson(s.caller), newPerson(s.caller)
	day := 0
	add := func() { // somebody else's row, too
		t.Helper()
		day++
		pg.exec(fmt.Sprintf(`INSERT INTO kpi_rows (user_id, service, day, id, metrics, run_id)
			SELECT user_no, 'ga4', date '2026-01-01' + %d, gen_random_uuid(), '{"sessions": 1}', gen_random_uuid() FROM users WHERE email IN ('%s', '%s')`, day, p.email, other.email))
	}
	sees := func(n int) func() bool {
		return func() bool {
			got, err := figures(p)
			must(t, err)
			return got == n
		}
	}
	add()
	eventually(t, "a row arrives", sees(1))

	// Held up, the replica answers with what it has for as long as the bound, and not longer.
	replica.exec(`SELECT pg_wal_replay_pause()`)
	eventually(t, "it is paused", func() bool {
		return replica.count(`SELECT CASE pg_get_wal_replay_pause_state() WHEN 'paused' THEN 1 ELSE 0 END`) == 1
	})
	add()
	written := time.Now()
	if !sees(1)() {
		t.Error("not read from the replica")
	}
	eventually(t, "the primary is asked", sees(2))
	t.Logf("a replica that stands still is left after %s", time.Since(written).Round(time.Millisecond))
	if took := time.Since(written); took > lag+time.Second {
		t.Errorf("read from it for %s", took)
	}
	eventually(t, "the log says so", says(unused, 1))
	if n, err := figures(newPerson(s.caller)); n != 0 || err != nil {
		t.Errorf("somebody new: %d %v", n, err)
	}
	replica.exec(`SELECT pg_wal_replay_resume()`)
	eventually(t, "it is used again", says(used, 2))
	for range 20 { // accounts that have not arrived there are known all the same
		if n, err := figures(newPerson(s.caller)); n != 0 || err != nil {
			t.Errorf("somebody new: %d %v", n, err)
		}
	}
	scopesHold(t, pg, replica)

	// It hangs, then it dies: no read fails.
	working := drive(t, []*person{newPerson(s.caller), newPerson(s.caller)}, 5*time.Millisecond)
	reading := func(what string) {
		t.Helper()
		for end := time.Now().Add(lag); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if n, err := figures(p); err != nil || n != day {
				t.Fatalf("%s: %d of %d %v", what, n, day, err)
			}
		}
	}
	must(t, replica.cmd.Process.Signal(syscall.SIGSTOP))
	reading("a replica that takes no connection")
	must(t, replica.cmd.Process.Signal(syscall.SIGCONT))
	replica.promote()
	add()
	eventually(t, "a promoted replica is left", sees(day))
	reading("a promoted replica")
	replica.kill()
	reading("a dead replica")
	working.stop()
	working.none(nil)
}

// scopesHold compares what scopes see of each table here and there, and writes there.
func scopesHold(t *testing.T, pg, replica *postgres) {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{URL: url(pg), MaxConns: 4, ReplicaURL: url(replica), ReplicaMaxLag: time.Hour})
	must(t, err)
	defer d.Close()
	ctx := t.Context()
	id, err := query[uuid.UUID](t, url(pg), `SELECT u.id FROM users u JOIN kpi_rows r ON r.user_id = u.user_no LIMIT 1`)
	must(t, err)
	eventually(t, "the replica answers", func() bool {
		var there bool
		must(t, d.Reading(db.System()).QueryRow(ctx, `SELECT pg_is_in_recovery()`).Scan(&there))
		return there
	})
	names, err := query[[]string](t, url(pg), `SELECT array_agg(relname::text) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity AND relkind IN ('r', 'p') AND relpersistence = 'p'`)
	must(t, err)
	compared, rows := 0, 0
	for name, scope := range map[string]db.Scope{"app": db.App(app), "another app": db.App("nobody"), "user": db.User(id), "system": db.System()} {
		for _, table := range names {
			var here, there int
			sql := `SELECT count(*) FROM ` + pgx.Identifier{table}.Sanitize()
			errHere, errThere := d.In(scope).QueryRow(ctx, sql).Scan(&here), d.Reading(scope).QueryRow(ctx, sql).Scan(&there)
			if (errHere == nil) != (errThere == nil) || here != there {
				t.Errorf("%s sees %d rows of %s, %d at the replica (%v, %v)", name, here, table, there, errHere, errThere)
			}
			compared, rows = compared+1, rows+there
		}
		if _, err := d.Reading(scope).Exec(ctx, `UPDATE users SET email = email`); err == nil {
			t.Errorf("%s may write at the replica", name)
		}
	}
	var n int
	must(t, d.Reading(db.App("nobody")).QueryRow(ctx, `SELECT count(*) FROM users`).Scan(&n))
	if n != 0 {
		t.Errorf("another app sees %d users", n)
	}
	t.Logf("%d tables and scopes compared, %d rows", compared, rows)
}
