package audit_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/db"
)

func TestRowsAreSealedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, _ := b.user(3)
	if n := b.seal(); n != 6 {
		t.Errorf("%d rows were sealed", n)
	}
	for range 2 {
		if n := b.seal(); n != 0 {
			t.Errorf("%d rows were sealed again", n)
		}
	}
	b.act(id)
	if n := b.seal(); n != 2 {
		t.Errorf("%d new rows were sealed", n)
	}
	b.intact(8)
}

// A transaction that began before a seal and commits after it is sealed with the next one, however its numbers stand.
func TestALateCommitIsSealedWithTheNext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.user(1)
	b.seal()
	conn := connect(t, b.url)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`INSERT INTO audit (app_id, action) VALUES ('shop', 'late')`, `SAVEPOINT s`, `INSERT INTO audit_logs (action, status) VALUES ('late', 'success')`} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	b.user(1)
	if n := b.seal(); n != 2 {
		t.Errorf("%d rows were sealed while some are open", n)
	}
	b.intact(4)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.intact(4) // committed, not sealed yet, and no insertion
	if n := b.seal(); n != 2 {
		t.Errorf("%d late rows were sealed", n)
	}
	b.intact(6)
}

// The rows of a database that was here before, and of one that comes from a dump, carry numbers that mean nothing.
func TestAnEraBeginsWhereNumbersMeanNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO audit (app_id, action, created_at, seal_era, seal_xid) SELECT 'shop', 'old', now() - n * interval '1 day', NULL, NULL FROM generate_series(1, 100) n`)
	b.user(2)
	if n := b.seal(); n != 104 {
		t.Errorf("%d rows were sealed", n)
	}
	b.intact(104)
	// Another cluster: what was sealed on the old one has numbers that are still to come here.
	b.exec(`UPDATE audit_seals SET cluster = cluster + 1`)
	b.exec(`UPDATE audit_logs SET seal_xid = seal_xid + 1000000`)
	b.user(1)
	if n := b.seal(); n != 2 {
		t.Errorf("%d rows were sealed on the new cluster", n)
	}
	b.user(1)
	if n := b.seal(); n != 2 {
		t.Errorf("%d rows were sealed after that", n)
	}
	r := b.verify(audit.Scope{})
	for _, f := range r.Findings {
		if f.Kind != "seal" { // the test changed the clusters
			t.Errorf("%+v", f)
		}
	}
}

func TestTwoServersSealAndVerifyWhileRowsCome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := keeper(t, open(t, b.url), seed)
	users := make([]uuidAndNo, 3)
	for i := range users {
		users[i].id, users[i].no = b.user(1)
	}
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	var wg sync.WaitGroup
	for i, u := range users {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_ = b.db.Tx(context.WithoutCancel(ctx), db.App("shop"), func(tx pgx.Tx) error {
					_, err := tx.Exec(t.Context(), `INSERT INTO audit (app_id, user_id, action) SELECT 'shop', $1, 'load' FROM generate_series(1, 5)`, u.id)
					if n%3 == i {
						_, err = tx.Exec(t.Context(), `SELECT pg_sleep(0.05)`) // commits after those that began later
					}
					return err
				})
			}
		})
	}
	sealed := make([]int, 2)
	for i, k := range []*audit.Keeper{b.keeper, other} {
		wg.Go(func() {
			for ctx.Err() == nil {
				n, err := k.Seal(context.WithoutCancel(ctx))
				if err != nil {
					t.Errorf("server %d: %v", i, err)
				}
				sealed[i] += n
			}
		})
	}
	looked := 0
	for ctx.Err() == nil {
		if r, err := b.keeper.Verify(context.WithoutCancel(ctx), audit.Scope{}); err != nil || !r.Intact {
			t.Errorf("while rows come: %v %s", err, told(r))
		}
		looked++
	}
	wg.Wait()
	sealed[0] += b.seal()
	rows := get[int64](b, `SELECT (SELECT count(*) FROM audit) + (SELECT count(*) FROM audit_logs)`)
	b.intact(rows)
	if n := get[int64](b, `SELECT sum(count) FROM audit_seals`); n != rows || sealed[0]+sealed[1] != int(rows) || looked == 0 {
		t.Errorf("%d rows, %d in seals, %v sealed, looked %d times", rows, n, sealed, looked)
	}
}

type uuidAndNo struct {
	id [16]byte
	no int64
}

// A server of the release before writes what it always wrote.
func TestAnOlderServersRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, _ := b.user(0)
	if _, err := b.db.In(db.System()).Exec(t.Context(), `INSERT INTO audit (id, app_id, user_id, actor, action, ip, user_agent, meta, created_at)
		VALUES (gen_random_uuid(), 'shop', $1, 'x', 'login', NULL, NULL, '{}', now()) ON CONFLICT (id) DO NOTHING`, id); err != nil {
		t.Error(err)
	}
	var number int64
	if err := b.db.In(db.User(id)).QueryRow(t.Context(), `INSERT INTO audit_logs (user_id, action, service, status, error_message, metadata, created_at)
		VALUES (current_user_no(), 'x', NULL, 'failure', 'why', '{}', now()) RETURNING audit_logs.id`).Scan(&number); err != nil || number != 1 {
		t.Errorf("%d, %v", number, err)
	}
	b.seal()
	b.intact(2)
}

// Months are those of UTC, whatever zone a session is in and whatever its clocks do.
func TestMonthsAndPartitions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`SET timezone = 'Europe/Berlin'`)
	if n := get[int](b, `SELECT make_audit_months(14)`); n < 10 {
		t.Errorf("%d partitions were made", n)
	}
	if n := get[int](b, `SELECT make_audit_months(14)`); n != 0 {
		t.Errorf("%d partitions were made again", n)
	}
	first := time.Date(time.Now().UTC().Year()+1, 4, 1, 0, 0, 0, 0, time.UTC) // Berlin is on summer time then, and says two o'clock
	for at, part := range map[time.Time]string{
		first.Add(-time.Microsecond): "audit_logs_" + first.AddDate(0, -1, 0).Format("2006_01"), first: "audit_logs_" + first.Format("2006_01"),
		first.AddDate(-30, 0, 0): "audit_logs_before", first.AddDate(30, 0, 0): "audit_logs_default",
	} {
		if got := get[string](b, `INSERT INTO audit_logs (action, status, created_at) VALUES ('x', 'success', $1) RETURNING tableoid::regclass::text`, at); got != "audit_parts."+part {
			t.Errorf("%s went to %s, expected %s", at, got, part)
		}
	}
	b.seal()
	if r := b.verify(audit.Scope{From: first}); r.Rows != 2 || !r.Intact {
		t.Errorf("from %s: %d rows, %s", first, r.Rows, told(r))
	}
	// What the default partition took goes home when its month gets one.
	home := first.AddDate(30, 0, 0).Format("2006_01")
	b.exec(`SELECT make_audit_month($1)`, first.AddDate(30, 0, 0))
	if got := get[string](b, `SELECT tableoid::regclass::text FROM audit_logs ORDER BY created_at DESC LIMIT 1`); got != "audit_parts.audit_logs_"+home {
		t.Errorf("it is in %s", got)
	}
	b.intact(4)
}

func TestTheServerReachesNoPartition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, _ := b.user(1)
	for name, scope := range map[string]db.Scope{"app": db.User(id), "system": db.System()} {
		for _, part := range []string{"audit_logs_before", "audit_logs_default"} {
			_, err := b.db.In(scope).Exec(t.Context(), `SELECT FROM audit_parts.`+part)
			if err == nil || !strings.Contains(err.Error(), "permission denied") {
				t.Errorf("%s, %s: %v", name, part, err)
			}
		}
	}
	// The guide's own archiving, as the tables' owner.
	b.exec(`INSERT INTO audit_logs (action, status, created_at) VALUES ('x', 'success', '2024-11-15')`)
	for _, sql := range []string{
		`CREATE TABLE audit_logs_archive_2024_12 AS SELECT * FROM audit_logs WHERE created_at < '2024-12-01' AND created_at >= '2024-11-01'`,
		`DELETE FROM audit_logs WHERE created_at < '2024-12-01' AND created_at >= '2024-11-01'`,
		`CREATE INDEX idx_archive_2024_12_user_id ON audit_logs_archive_2024_12(user_id)`,
	} {
		b.exec(sql)
	}
	if n := get[int](b, `SELECT count(*) FROM audit_logs_archive_2024_12`); n != 1 {
		t.Errorf("%d rows in the guide's archive", n)
	}
}
