package kpi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/kpi/kpidb"
)

func TestBackoffGrowsAndIsNeverTheSame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f           failure
		attempt     int
		least, most time.Duration
	}{
		{failure{}, 1, 5 * time.Second, 7500 * time.Millisecond},
		{failure{}, 2, 10 * time.Second, 15 * time.Second},
		{failure{}, 3, 20 * time.Second, 30 * time.Second},
		{failure{}, 60, longestPause, longestPause * 3 / 2},
		{failure{reason: string(connector.Limited)}, 1, 30 * time.Second, 45 * time.Second},
		{failure{reason: string(connector.Limited), after: time.Minute}, 1, time.Minute, 72 * time.Second},
		{failure{after: 2 * time.Second}, 5, 2 * time.Second, 2400 * time.Millisecond},
	} {
		seen := map[time.Duration]bool{}
		for range 50 {
			d := backoff(&c.f, c.attempt)
			seen[d] = true
			if d < c.least || d > c.most {
				t.Errorf("%+v, attempt %d: %s", c.f, c.attempt, d)
			}
		}
		if len(seen) < 10 {
			t.Errorf("%+v: always the same", c.f)
		}
	}
}

func TestAProviderThatAskedForItIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.console("POST", "/faults", map[string]any{"path": "/analyticsdata", "status": 429, "retryAfter": 60}, nil)
	first, second := l.make(l.ago(1), l.ago(1), false), l.make(l.ago(2), l.ago(2), false)
	_ = l.execute(t.Context(), l.user, first)
	if r := l.look(first); r.Status != "delayed" || r.Attempt != 1 || r.Reason != "limited" {
		t.Fatalf("%+v", r)
	}
	l.calls.reset(nil)
	err := l.execute(t.Context(), l.user, second)
	f, again := errors.AsType[*failure](err)
	if r := l.look(second); !again || f.after < 55*time.Second || r.Status != "delayed" || r.Attempt != 0 || len(l.calls.log) != 0 {
		t.Errorf("%v, %+v, calls %v", err, r, l.calls.log)
	}
	if n := scan[int](l, `SELECT count(*) FROM kpi_runs WHERE id = $1 AND run_at > now() + interval '50 seconds'`, second); n != 1 {
		t.Error("the next attempt is not told")
	}
	l.system(`UPDATE credentials SET limited_until = now()`)
	for _, id := range []uuid.UUID{first, second} {
		if status, _ := l.ends(id); status != "completed" {
			t.Error(status)
		}
	}
}

func TestNoticeIsGivenOncePerIncident(t *testing.T) {
	t.Parallel()
	l := running(t)
	fail := func(dry bool) {
		t.Helper()
		l.console("POST", "/faults", map[string]any{"path": "/analyticsdata", "status": 403}, nil)
		if status, _ := l.ends(l.make("", "", dry)); status != "failed" {
			t.Error(status)
		}
	}
	heard := func(want ...string) {
		t.Helper()
		if !slices.Equal(l.told.events, want) {
			t.Errorf("heard %q, want %q", l.told.events, want)
		}
	}
	l.completes("", "")
	heard()
	fail(true)
	heard()
	fail(false)
	fail(false)
	heard("run.failed ga4 forbidden")
	if status, _ := l.ends(l.make("", "", true)); status != "completed" {
		t.Error(status)
	}
	heard("run.failed ga4 forbidden")
	l.completes("", "")
	l.completes("", "")
	heard("run.failed ga4 forbidden", "run.recovered ga4 <nil>")
	fail(false)
	heard("run.failed ga4 forbidden", "run.recovered ga4 <nil>", "run.failed ga4 forbidden")
}

func TestAnAwaitedRunIsTriedOnceAndToldToWhoWaits(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.console("POST", "/faults", map[string]any{"path": "/analyticsdata", "status": 503, "times": 5}, nil)
	id := l.make("", "", false)
	l.system(`UPDATE kpi_runs SET awaited = true, credential_id = 2 WHERE id = $1`, id)
	l.system(`UPDATE service_configs SET enabled = false WHERE service = 'ga4'`)
	_ = l.execute(t.Context(), l.user, id)
	if r := l.look(id); r.Status != "failed" || r.Attempt != 1 || len(l.told.events) != 0 {
		t.Errorf("%+v, heard %q", r, l.told.events)
	}
}

// Nor does one that ends well end an incident: with its credential of its own it says nothing about the nightly runs.
func TestAnAwaitedRunEndsNoIncident(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.console("POST", "/faults", map[string]any{"path": "/analyticsdata", "status": 403}, nil)
	l.ends(l.make("", "", false))
	id := l.make("", "", false)
	l.system(`UPDATE kpi_runs SET awaited = true, credential_id = 2 WHERE id = $1`, id)
	if status, r := l.ends(id); status != "completed" {
		t.Fatalf("%s %+v", status, r)
	}
	if !slices.Equal(l.told.events, []string{"run.failed ga4 forbidden"}) {
		t.Errorf("heard %q", l.told.events)
	}
	l.completes("", "")
	if len(l.told.events) != 2 {
		t.Errorf("heard %q", l.told.events)
	}
}

func TestARunOfADeadProcessIsRevivedAndOneOfALivingIsNot(t *testing.T) {
	t.Parallel()
	l := running(t)
	dead, alive, lost, queued := l.make("", "", false), l.make("", "", false), l.make("", "", false), l.make("", "", false)
	l.system(`UPDATE kpi_runs SET status = 'active', claim = gen_random_uuid(), beat_at = now() - interval '31 seconds' WHERE id = $1`, dead)
	l.system(`UPDATE kpi_runs SET status = 'active', claim = gen_random_uuid(), beat_at = now() - interval '15 seconds' WHERE id = $1`, alive)
	l.system(`UPDATE kpi_runs SET run_at = now() - interval '16 minutes' WHERE id = $1`, lost)
	if n, err := l.revive(t.Context()); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for id, want := range map[uuid.UUID]bool{dead: true, alive: false, lost: true, queued: false} {
		if got := scan[bool](l, `SELECT NOT enqueued AND status = 'delayed' FROM kpi_runs WHERE id = $1`, id); got != want {
			t.Errorf("%s: revived %t, want %t", id, got, want)
		}
	}
	// The old job of a run that somebody works on has nothing to do.
	l.calls.reset(nil)
	if err := l.execute(t.Context(), l.user, alive); err != nil || len(l.calls.log) != 0 {
		t.Errorf("%v, calls %v", err, l.calls.log)
	}
}

// slow is a vault that holds an attempt until it is told to go on.
type slow struct {
	keys
	reached, release chan struct{}
}

func (s slow) Use(ctx context.Context, user uuid.UUID, id int64, use audit.Use) (string, []byte, error) {
	if id == 1 {
		s.reached <- struct{}{}
		<-s.release
	}
	return s.keys.Use(ctx, user, id, use)
}

func TestARunThatIsCancelledOnItsWayWritesNothing(t *testing.T) {
	t.Parallel()
	l := running(t)
	hold := slow{l.credentials.(keys), make(chan struct{}), make(chan struct{})}
	l.credentials = hold
	id := l.make("", "", false)
	done := make(chan error)
	go func() { done <- l.execute(t.Context(), l.user, id) }()
	<-hold.reached
	conn := l.db.In(db.User(l.user))
	if _, err := l.q.CancelRun(t.Context(), conn, id, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	close(hold.release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if r := l.look(id); r.Status != "cancelled" || len(l.tab("Google")) != 0 {
		t.Errorf("%+v, %v", r, l.tab("Google"))
	}
	l.credentials = hold.keys
	if _, err := l.q.RetryRun(t.Context(), conn, kpidb.RetryRunParams{ID: id, Most: mostWaiting, Metadata: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	if status, r := l.ends(id); status != "completed" || r.Appended != 3 {
		t.Errorf("%s %+v", status, r)
	}
}

func TestARetryGoesOnAfterTheLastDayThatIsLoaded(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.calls.reset(func(int, string) (func(), func()) {
		if l.calls.count("runReport") >= 2 {
			return cut, nil
		}
		return nil, nil
	})
	id := l.make(l.ago(200), l.ago(1), false)
	if status, r := l.ends(id); status != "failed" || r.Appended != 90 || r.To != l.ago(111) {
		t.Fatalf("%s %+v", status, r)
	}
	if r := l.look(id); r.Progress != 45 {
		t.Errorf("%d%%", r.Progress)
	}
	l.calls.reset(nil)
	if _, err := l.q.RetryRun(t.Context(), l.db.In(db.User(l.user)), kpidb.RetryRunParams{ID: id, Most: mostWaiting, Metadata: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	if status, r := l.ends(id); status != "completed" || r.Appended != 200 || r.From != l.ago(200) || r.To != l.ago(1) || l.calls.count("runReport") != 2 {
		t.Errorf("%s %+v, %d reports", status, r, l.calls.count("runReport"))
	}
	l.agrees("Google", 200)
}

func TestAnAttemptThatRunsOutOfTimeGoesOnInTheNext(t *testing.T) {
	t.Parallel()
	l := running(t)
	clock := time.Now()
	l.now = func() time.Time { clock = clock.Add(10 * time.Second); return clock }
	id := l.make(l.ago(300), l.ago(1), false)
	if err := l.execute(t.Context(), l.user, id); err == nil {
		t.Fatal("all at once")
	}
	if r := l.look(id); r.Status != "delayed" || r.Attempt != 0 {
		t.Errorf("%+v", r)
	}
	if status, r := l.ends(id); status != "completed" || r.Appended != 300 {
		t.Errorf("%s %+v", status, r)
	}
	l.agrees("Google", 300)
}

func TestARunThatKillsTheProcessAgainAndAgainEnds(t *testing.T) {
	t.Parallel()
	l := running(t)
	id := l.make("", "", false)
	l.system(`UPDATE kpi_runs SET attempt = 23 WHERE id = $1`, id)
	if status, _ := l.ends(id); status != "failed" || l.look(id).Reason != "interrupted" {
		t.Errorf("%s %+v", status, l.look(id))
	}
}

func TestOldRunsAreForgottenAndFiguresStay(t *testing.T) {
	t.Parallel()
	l := running(t)
	id := l.make("", "", false)
	l.ends(id)
	add := func(n int, status, age string) {
		l.system(`INSERT INTO kpi_runs (id, user_id, service, status, finished_at) SELECT gen_random_uuid(), user_no, 'ga4', $1,
			now() - $2::interval - i * interval '1 second' FROM users, generate_series(1, $3) i WHERE id = $4`, status, age, n, l.user)
	}
	add(120, "completed", "1 hour")
	add(3, "completed", "25 hours")
	add(40, "failed", "6 days")
	add(15, "cancelled", "1 hour")
	add(2, "failed", "8 days")
	add(1, "waiting", "90 days")
	purge := Purgers(l.db)["kpi_runs"]
	// Others have runs as well: the walk takes some of them at a time, and leaves nobody out.
	l.system(`INSERT INTO users (app_id, email, password_hash) SELECT app_id, 'other' || i || '@example.com', '!' FROM users, generate_series(1, 25) i WHERE id = $1`, l.user)
	l.system(`INSERT INTO kpi_runs (id, user_id, service, status, finished_at) SELECT gen_random_uuid(), user_no, 'ga4', 'completed', now() - interval '25 hours'
		FROM users, generate_series(1, 3) WHERE email LIKE 'other%'`)
	// Of others than completed ones a week is kept, where they are few as well.
	l.system(`INSERT INTO kpi_runs (id, user_id, service, status, finished_at) SELECT gen_random_uuid(), user_no, 'meta', outcome, now() - age
		FROM users, unnest('{failed,cancelled}'::text[]) outcome, unnest('{6 days,8 days}'::interval[]) age WHERE email LIKE 'other%'`)
	if gone, err := purge(t.Context(), 10); gone != 21+3+5+2+75+50 || err != nil {
		t.Errorf("%d are gone, %v", gone, err)
	}
	if again, err := purge(t.Context(), 10); again != 0 || err != nil {
		t.Errorf("%d more are gone, %v", again, err)
	}
	if scan[int](l, `SELECT count(*) FROM kpi_runs WHERE status = 'completed'`) != 100 || scan[int](l, `SELECT count(*) FROM kpi_runs WHERE status IN ('failed', 'cancelled')`) != 50+50 ||
		scan[int](l, `SELECT count(*) FROM kpi_runs WHERE status = 'waiting'`) != 1 || scan[int](l, `SELECT count(*) FROM kpi_rows`) != 3 {
		t.Error("not what is to be kept")
	}
	l.system(`DELETE FROM kpi_runs WHERE id = $1`, id)
	if n := scan[int](l, `SELECT count(*) FROM kpi_undo`); n != 0 {
		t.Error("what it replaced is still there")
	}
}

func TestTheMessageOfALimitSaysWhoAsked(t *testing.T) {
	t.Parallel()
	l := running(t)
	l.system(`UPDATE credentials SET limited_until = now() + interval '1 hour' WHERE id = 1`)
	id := l.make("", "", false)
	err := l.execute(t.Context(), l.user, id)
	if f, ok := errors.AsType[*failure](err); !ok || !f.paused || !strings.Contains(f.message, "provider") || f.after < 50*time.Minute {
		t.Errorf("%+v", err)
	}
}
