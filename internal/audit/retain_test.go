package audit_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/queue"
)

// retain starts a server that archives months which are over for a year, and stops it with the test.
func (b *bundle) retain(dir string, o *desk) {
	b.Helper()
	q := queue.New(b.db, slog.New(slog.DiscardHandler), 1)
	keeper(b.T, b.db, seed).Retain(q, audit.Retention{Dir: dir, Days: 365, Operator: o, Owner: func(ctx context.Context) (*pgx.Conn, error) {
		conn, err := pgx.Connect(ctx, b.url)
		if err == nil {
			_, err = conn.Exec(ctx, `SET ROLE turkey_owner`)
		}
		return conn, err
	}})
	if err := q.Open(); err != nil {
		b.Fatal(err)
	}
	if err := q.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := q.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	})
}

// A month goes whole, once its last day is old enough, and not a month later.
func TestAMonthIsArchivedOnceAllOfItIsOldEnough(t *testing.T) {
	t.Parallel()
	for now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC); now.Year() < 2027; now = now.AddDate(0, 0, 1) {
		for _, days := range []int{1, 28, 30, 90, 365} {
			stays, oldest := audit.Retention{Days: days}.Before(now), now.AddDate(0, 0, -days)
			if stays.After(oldest) || !stays.AddDate(0, 1, 0).After(oldest) || stays.Day() != 1 {
				t.Errorf("%d days before %s: what is before %s goes", days, now, stays)
			}
		}
	}
}

// Of several servers one moves the old months, once; what is not old enough stays.
func TestServersArchiveOldMonths(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, no := b.user(2)
	b.past(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), id, no, 20)
	b.seal()
	dir, o := t.TempDir(), &desk{}
	for range 3 {
		b.retain(dir, o)
	}
	for end := time.Now().Add(time.Minute); o.read() == "" && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	if got := o.read(); got != "over audit.archive_failed||Old months of the audit are archived again.\n" {
		t.Errorf("%q", got)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 { // one of each log
		t.Errorf("%v %v", files, err)
	}
	if n := get[int](b, `SELECT (SELECT count(*) FROM audit) + (SELECT count(*) FROM audit_logs)`); n != 4 {
		t.Errorf("%d rows are left", n)
	}
	if n := get[int](b, `SELECT count(*) FROM river.river_job WHERE kind = 'audit_archive'`); n != 1 {
		t.Errorf("%d jobs", n)
	}
	if r, err := b.keeper.Verify(t.Context(), audit.Scope{Dir: dir}); err != nil || !r.Intact {
		t.Errorf("%+v %v", r, err)
	}
}

func TestWhatWasChangedIsNotArchived(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, no := b.user(2)
	b.past(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), id, no, 20)
	b.seal()
	b.exec(`UPDATE audit SET action = 'nothing' WHERE id = (SELECT id FROM audit WHERE created_at < '2024-02-01' LIMIT 1)`)
	dir, o := t.TempDir(), &desk{}
	b.retain(dir, o)
	for end := time.Now().Add(time.Minute); o.read() == "" && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	if got := o.read(); !strings.HasPrefix(got, "told audit.archive_failed||") || !strings.Contains(got, "gravy audit verify") {
		t.Errorf("%q", got)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("%v %v", files, err)
	}
}

func TestOneArchivesAtATime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`SELECT pg_advisory_lock(7205759403793003)`)
	if _, err := b.keeper.Archive(t.Context(), b.owner(), time.Now(), t.TempDir(), false); !errors.Is(err, audit.ErrArchiving) {
		t.Errorf("%v", err)
	}
	b.exec(`SELECT pg_advisory_unlock(7205759403793003)`)
	if _, err := b.keeper.Archive(t.Context(), b.owner(), time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), t.TempDir(), false); err != nil {
		t.Errorf("%v", err)
	}
}
