package limit_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turkey/internal/db"
	"turkey/internal/limit"
)

// replicas are several processes on one store.
func replicas(b *bundle, n int, rule limit.Rule, store func(*limit.Config)) []*limit.Limits {
	b.t.Helper()
	var all []*limit.Limits
	for range n {
		cfg := limit.Config{DB: b.db, Key: key, Now: b.clock.Now, General: rule, Log: slog.New(slog.NewTextHandler(b.log, nil))}
		store(&cfg)
		all = append(all, open(b.t, cfg))
	}
	return all
}

func hits(l *limit.Limits, ip string, n int) (through int) {
	for range n {
		if l.Hit(ip) {
			through++
		}
	}
	return through
}

func TestOneReplicaIsExact(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *limit.Config) { c.General.Max = 50 })
	var through atomic.Int64
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for range 50 {
				if b.Hit("192.0.2.1") {
					through.Add(1)
				}
				if n == 0 {
					b.Merge(t.Context())
				}
			}
		})
	}
	all.Wait()
	if through.Load() != 50 {
		t.Errorf("%d through", through.Load())
	}
}

// The bound of doc.go, in its two halves: all at once, and a steady stream.
func TestOvershoot(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		const limitPer, n = 100, 3
		b := setup(t, store)
		all := replicas(b, n, limit.Rule{Window: 900 * time.Second, Max: limitPer}, store)
		merge := func() {
			for _, l := range all {
				l.Merge(t.Context())
			}
		}
		burst := 0
		for _, l := range all {
			burst += hits(l, "192.0.2.1", 2*limitPer)
		}
		if burst != n*limitPer {
			t.Errorf("a burst before any merge: %d through, want R·max = %d", burst, n*limitPer)
		}
		merge()
		for _, l := range all {
			if l.Hit("192.0.2.1") {
				t.Error("after a merge somebody still lets through")
			}
		}

		const perMerge = 7
		steady := 0
		for range 60 {
			for _, l := range all {
				steady += hits(l, "192.0.2.2", perMerge)
			}
			merge()
		}
		if bound := limitPer + 2*(n-1)*perMerge; steady < limitPer || steady > bound {
			t.Errorf("%d through, want %d to %d", steady, limitPer, bound)
		}

		b.clock.pass(900 * time.Second)
		if got := hits(all[0], "192.0.2.2", 2*limitPer); got != limitPer {
			t.Errorf("in the next window %d", got)
		}
	})
}

// A replica that meets a client later than others takes over their window, with its end.
func TestReplicasShareTheWindow(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		all := replicas(b, 2, limit.Rule{Window: 60 * time.Second, Max: 10}, store)
		hits(all[0], "192.0.2.1", 10)
		all[0].Merge(t.Context())
		b.clock.pass(50 * time.Second)
		all[1].Hit("192.0.2.1")
		all[1].Merge(t.Context())
		if all[1].Hit("192.0.2.1") {
			t.Error("the second replica does not know of the first")
		}
		b.clock.pass(10 * time.Second)
		for i, l := range all {
			if !l.Hit("192.0.2.1") {
				t.Errorf("replica %d: the window did not end with the first one's", i)
			}
		}
	})
}

func TestRealTimeMerges(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		d := setup(t, nil).db
		var all []*limit.Limits
		for range 2 {
			cfg := limit.Config{DB: d, Key: key, General: limit.Rule{Max: 10}, MergeEvery: 10 * time.Millisecond}
			store(&cfg)
			l := open(t, cfg)
			l.Start()
			all = append(all, l)
		}
		hits(all[0], "192.0.2.1", 10)
		eventually(t, func() bool { return !all[1].Hit("192.0.2.1") }, "the second replica never hears of the first")
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for i := range 200_000 {
		b.Hit(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff))
	}
	if n := b.Cells(); n > 64*1024 {
		t.Errorf("%d clients in memory", n)
	}
	b.clock.pass(900 * time.Second)
	b.Merge(t.Context())
	if n := b.Cells(); n != 0 {
		t.Errorf("%d clients are left after their windows", n)
	}
}

func TestQuota(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		var ok atomic.Int64
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				within, err := b.Quota(t.Context(), "user/reset", 3, time.Hour)
				if err != nil {
					t.Error(err)
				}
				if within {
					ok.Add(1)
				}
			})
		}
		all.Wait()
		if ok.Load() != 3 {
			t.Errorf("%d mails", ok.Load())
		}
		if within, err := b.Quota(t.Context(), "user/verify", 3, time.Hour); err != nil || !within {
			t.Errorf("another type: %t, %v", within, err)
		}
		b.clock.pass(time.Hour)
		if within, err := b.Quota(t.Context(), "user/reset", 3, time.Hour); err != nil || !within {
			t.Errorf("an hour later: %t, %v", within, err)
		}
	})
}

func TestPurge(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *limit.Config) { c.Log = nil })
	count := func() (n int) {
		t.Helper()
		if err := b.db.In(db.System()).QueryRow(t.Context(), `SELECT (SELECT count(*) FROM limit_windows)
			+ (SELECT count(*) FROM login_locks) + (SELECT count(*) FROM login_accounts)`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for n := range 7 {
		b.fail("shop", fmt.Sprintf("%d@example.org", n), "192.0.2.1")
		if _, err := b.Quota(t.Context(), fmt.Sprint(n), 3, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	held := b.let("shop", "held@example.org", "192.0.2.1")
	purge := func(batch int) int {
		t.Helper()
		n, err := b.Purge(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	purgeAll := func() { // in small batches
		for n := 1; n > 0; {
			n = purge(3)
		}
	}
	if n := purge(100); n != 0 || count() != 23 {
		t.Errorf("%d rows were removed that still say something, %d are left", n, count())
	}
	b.clock.pass(time.Hour)
	if n := purge(3); n != 6 { // of windows and accounts
		t.Errorf("a batch of 3 removed %d", n)
	}
	purgeAll()
	if n := count(); n != 8 { // the failures
		t.Errorf("%d rows are left after an hour", n)
	}
	if err := held.Failed(context.Background()); err != nil { // its account is gone
		t.Error(err)
	}
	b.clock.pass(24 * time.Hour)
	purgeAll()
	if n := count(); n != 0 {
		t.Errorf("%d rows are left after a day", n)
	}
}
