package limit_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/limit"
)

// fail makes one failed login; it fails the test when the attempt is not let through.
func (b *bundle) fail(app, email, ip string) limit.Attempt {
	b.t.Helper()
	a, err := b.Lockout().Begin(b.t.Context(), app, email, ip, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := a.Failed(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return a
}

// refused fails unless an attempt gets this answer.
func (b *bundle) refused(app, email, ip, code string, retry time.Duration) {
	b.t.Helper()
	_, err := b.Lockout().Begin(b.t.Context(), app, email, ip, nil)
	f := faultOf(b.t, err)
	if f.Kind != fault.Limited || f.Code != code || f.RetryAfter != retry {
		b.t.Fatalf("%s %q, to be tried again after %s; want %s after %s", f.Code, f.Message, f.RetryAfter, code, retry)
	}
}

func (b *bundle) let(app, email, ip string) limit.Attempt {
	b.t.Helper()
	a, err := b.Lockout().Begin(b.t.Context(), app, email, ip, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func TestLockoutFollowsTheContract(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		const app, email, ip = "shop", "ada@example.org", "192.0.2.1"
		for n := 1; n <= 22; n++ {
			want := time.Duration(0)
			switch {
			case n >= 20:
				want = 60 * time.Minute
			case n >= 10:
				want = 15 * time.Minute
			case n >= 5:
				want = 5 * time.Minute
			}
			if got := b.fail(app, email, ip).Locked(); got != want {
				t.Fatalf("failure %d locks for %s, want %s", n, got, want)
			}
			if want > 0 { // the count survives the end of the lock, to the millisecond
				b.refused(app, email, ip, "account_locked", want)
				b.clock.pass(want - time.Millisecond)
				b.refused(app, email, ip, "account_locked", time.Millisecond)
				b.clock.pass(time.Millisecond)
			}
		}
		if err := b.let(app, email, ip).Succeeded(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			b.fail(app, email, ip)
		}
		if got := b.fail(app, email, ip).Locked(); got != 5*time.Minute {
			t.Errorf("after a success the fifth failure locks for %s", got)
		}
		b.clock.pass(24*time.Hour - time.Millisecond)
		if got := b.fail(app, email, ip).Locked(); got != 5*time.Minute {
			t.Errorf("just before 24 h of quiet the sixth failure locks for %s", got)
		}
		b.clock.pass(24 * time.Hour)
		if got := b.fail(app, email, ip).Locked(); got != 0 {
			t.Errorf("after 24 h of quiet the first failure locks for %s", got)
		}
	})
}

func TestALockIsOfOneClientAppAndPerson(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		const ip = "2001:db8:0:1::1"
		for range 5 {
			b.fail("shop", "ada@example.org", ip)
		}
		for _, same := range [][3]string{
			{"shop", "ADA@Example.org", ip},
			{"shop", " ada@example.org\t", ip},
			{"shop", "ada@example.org", "2001:db8:0:1:ffff::2"}, // the same /64
		} {
			b.refused(same[0], same[1], same[2], "account_locked", 5*time.Minute)
		}
		for _, other := range [][3]string{
			{"shop", "ada@example.org", "2001:db8:0:2::1"}, // its owner elsewhere
			{"shop", "ada@example.org", "192.0.2.1"},
			{"shop", "ada@example.net", ip},
			{"shopa", "da@example.org", ip},
		} {
			b.let(other[0], other[1], other[2]).Done(t.Context())
		}
		if err := b.Lockout().Clear(t.Context(), "shop", "Ada@example.org"); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if got := b.fail("shop", "ada@example.org", ip).Locked(); got != 0 {
				t.Errorf("locked for %s after it was cleared", got)
			}
		}
		b.fail("shop", "ada@example.org", ip)
		b.refused("shop", "ada@example.org", ip, "account_locked", 5*time.Minute)
	})
}

func TestTenAtATime(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		const app, email = "shop", "ada@example.org"
		ip := func(n int) string { return fmt.Sprintf("192.0.2.%d", n) }
		var attempts []limit.Attempt
		for n := range 10 {
			attempts = append(attempts, b.let(app, email, ip(n)))
		}
		b.refused(app, email, ip(10), "rate_limit_exceeded", time.Second)
		b.let(app, "bob@example.org", ip(10)).Done(t.Context())

		attempts[0].Done(t.Context())
		attempts[0].Done(t.Context()) // once is enough
		if err := attempts[0].Failed(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.let(app, email, ip(10))
		b.refused(app, email, ip(11), "rate_limit_exceeded", time.Second)
		if err := attempts[1].Failed(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := attempts[2].Succeeded(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		b.let(app, email, ip(12))
		b.let(app, email, ip(13))
		b.refused(app, email, ip(14), "rate_limit_exceeded", time.Second)

		b.clock.pass(30 * time.Second) // the replica that held them crashed
		for n := range 10 {
			b.let(app, email, ip(n))
		}
		b.refused(app, email, ip(10), "rate_limit_exceeded", time.Second)
	})
}

func TestFailuresFromEverywhereSlowDown(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		const app, email, owner = "shop", "ada@example.org", "198.51.100.1"
		for n := range 100 {
			b.fail(app, email, fmt.Sprintf("10.0.%d.1", n))
			b.clock.pass(time.Second)
		}
		// The next attempt is let through, and then one every 10 s, whoever asks.
		b.let(app, email, "10.0.200.1").Done(t.Context())
		b.refused(app, email, "10.0.201.1", "rate_limit_exceeded", 10*time.Second)
		b.clock.pass(4 * time.Second)
		b.refused(app, email, owner, "rate_limit_exceeded", 6*time.Second)
		known := b.t.Context()
		if a, err := b.Lockout().Begin(limit.WithKnownDevice(known, "phone"), app, email, owner, nil); err != nil {
			t.Errorf("a known device: %v", err)
		} else {
			a.Done(known)
		}
		b.refused(app, email, owner, "rate_limit_exceeded", 6*time.Second)
		b.clock.pass(6 * time.Second)
		if err := b.let(app, email, owner).Succeeded(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		b.refused(app, email, owner, "rate_limit_exceeded", 10*time.Second) // no amnesty for others
		b.let(app, "bob@example.org", owner).Done(t.Context())

		b.clock.pass(15*time.Minute - 110*time.Second) // since the first failure
		for range 3 {
			b.let(app, email, "10.0.200.1").Done(t.Context())
		}
		for n := range 100 {
			b.fail(app, email, fmt.Sprintf("10.1.%d.1", n))
		}
		b.let(app, email, owner).Done(t.Context())
		b.refused(app, email, owner, "rate_limit_exceeded", 10*time.Second)
		if err := b.Lockout().Clear(t.Context(), app, email); err != nil {
			t.Fatal(err)
		}
		b.let(app, email, owner).Done(t.Context())
		b.let(app, email, owner).Done(t.Context())
	})
}

// While ten are verified nobody else is, and from the fifth failure on nobody begins: four that ended before, the fifth, and
// the nine that were under way beside it.
func TestABurstOfWrongPasswordsDoesNotOutrunTheCounter(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		var verified, running, most atomic.Int64
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for range 20 { // a client that does not give up
					a, err := b.Lockout().Begin(t.Context(), "shop", "ada@example.org", "192.0.2.1", nil)
					if err != nil {
						if f := faultOf(t, err); f.Kind != fault.Limited {
							t.Error(err)
						}
						continue
					}
					for n := running.Add(1); ; {
						if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
							break
						}
					}
					verified.Add(1)
					time.Sleep(5 * time.Millisecond)
					running.Add(-1)
					if err := a.Failed(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if n := verified.Load(); n < 5 || n > 14 {
			t.Errorf("%d passwords were verified, want 5 to 14", n)
		}
		if n := most.Load(); n > 10 {
			t.Errorf("%d at the same time", n)
		}
		_, err := b.Lockout().Begin(t.Context(), "shop", "ada@example.org", "192.0.2.1", nil)
		if f := faultOf(t, err); f.Code != "account_locked" {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// Everything at once on a few rows: statements that lock them in different orders would be told of a deadlock.
func TestNothingWaitsInACircle(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		all := replicas(b, 3, limit.Rule{Max: 1000}, store)
		var work sync.WaitGroup
		for n, l := range all {
			repeat := func(fn func(i int) error) {
				work.Go(func() {
					for i := range 40 {
						if err := fn(i + n); err != nil {
							if f := faultOf(t, err); f.Kind != fault.Limited {
								t.Error(f)
							}
						}
					}
				})
			}
			repeat(func(int) error {
				for i := range 50 {
					l.Hit(fmt.Sprintf("192.0.3.%d", (i+17*n)%50))
				}
				l.Merge(t.Context())
				return nil
			})
			repeat(func(i int) error { _, err := l.Quota(t.Context(), ip4(i), 1000, time.Hour); return err })
			repeat(func(int) error { _, err := l.Purge(t.Context(), 10); return err })
			repeat(func(int) error { return l.Lockout().Clear(t.Context(), "shop", "ada@example.org") })
			for _, end := range []func(limit.Attempt) error{
				func(a limit.Attempt) error { return a.Failed(t.Context()) },
				func(a limit.Attempt) error { return a.Succeeded(t.Context(), nil) },
				func(a limit.Attempt) error { a.Done(t.Context()); return nil },
			} {
				repeat(func(i int) error {
					a, err := l.Lockout().Begin(t.Context(), "shop", "ada@example.org", ip4(i), nil)
					if err != nil {
						return err
					}
					return end(a)
				})
			}
		}
		s := serve(t, b.Limits)
		for range 4 {
			work.Go(func() {
				for i := range 20 {
					if res := s.ask("POST", "/v1/auth/login", ip4(i)); res.status != 200 {
						t.Errorf("%d %s", res.status, res.body)
					}
				}
			})
		}
		work.Wait()
		b.Settle()
		if n := b.log.count("level=WARN"); n > 0 {
			t.Errorf("%d warnings", n)
		}
	})
}

func ip4(i int) string { return fmt.Sprintf("192.0.2.%d", i%4) }

func TestAClientThatHangsUpHasFailedAllTheSame(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		for range 5 {
			ctx, hangUp := context.WithCancel(t.Context())
			a, err := b.Lockout().Begin(ctx, "shop", "ada@example.org", "192.0.2.1", nil)
			if err != nil {
				t.Fatal(err)
			}
			hangUp()
			if err := a.Failed(ctx); err != nil {
				t.Fatal(err)
			}
		}
		b.refused("shop", "ada@example.org", "192.0.2.1", "account_locked", 5*time.Minute)
	})
}

func TestNoNameReachesTheTables(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for range 5 {
		b.fail("secretshop", "ada@example.org", "192.0.2.1")
	}
	if _, err := b.Quota(t.Context(), "reset:ada@example.org", 3, time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"limit_windows", "login_locks", "login_accounts"} {
		var rows, named int
		err := b.db.In(db.System()).QueryRow(t.Context(), `SELECT count(*),
			count(*) FILTER (WHERE x::text ~* 'ada|example|secretshop' OR x::text ~ '616461|736563726574') FROM `+pgx.Identifier{table}.Sanitize()+` x`).Scan(&rows, &named)
		if err != nil || rows == 0 || named > 0 {
			t.Errorf("%s: %d rows, %d of them tell a name, %v", table, rows, named, err)
		}
	}
}

func TestTheZeroAttemptHasEnded(t *testing.T) {
	t.Parallel()
	var a limit.Attempt
	a.Done(t.Context())
	if a.Failed(t.Context()) != nil || a.Succeeded(t.Context(), nil) != nil || a.Locked() != 0 {
		t.Error("it did something")
	}
}

// A known device is a client of its own, wherever it comes from: neither do its failures lock its address, nor those of
// others at the address the device.
func TestAKnownDeviceIsAClientOfItsOwn(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		const app, email, ip = "shop", "ada@example.org", "192.0.2.1"
		begin := func(device, ip string) (limit.Attempt, error) {
			return b.Lockout().Begin(limit.WithKnownDevice(t.Context(), device), app, email, ip, nil)
		}
		for range 5 {
			b.fail(app, email, ip)
		}
		b.refused(app, email, ip, "account_locked", 5*time.Minute)
		for n := range 5 {
			a, err := begin("phone", fmt.Sprintf("10.0.%d.1", n))
			if err == nil {
				err = a.Failed(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, from := range []string{ip, "10.0.0.1", "10.9.0.1"} {
			_, err := begin("phone", from)
			if f := faultOf(t, err); f.Code != "account_locked" || f.RetryAfter != 5*time.Minute {
				t.Errorf("the device that failed, from %s: %v", from, err)
			}
		}
		b.let(app, email, "10.0.0.1").Done(t.Context())
		a, err := begin("laptop", ip)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Succeeded(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		b.refused(app, email, ip, "account_locked", 5*time.Minute) // the device's success is no amnesty for its address
		if err := b.Lockout().Clear(t.Context(), app, email); err != nil {
			t.Fatal(err)
		}
		if _, err := begin("phone", ip); err != nil {
			t.Errorf("after the lock was lifted: %v", err)
		}
	})
}

// What comes along with an attempt is done once where the attempt may go on, and a right password counts whatever becomes of it.
func TestWhatComesAlong(t *testing.T) {
	inBoth(t, func(t *testing.T, store func(*limit.Config)) {
		b := setup(t, store)
		const app, email, ip = "shop", "ada@example.org", "192.0.2.1"
		done := 0
		say := func(sql string) db.Along {
			return func(first *db.Statement) error {
				done++
				_, err := b.db.In(db.App(app)).After(first).Exec(t.Context(), sql)
				return err
			}
		}
		for _, sql := range []string{`SELECT 1`, `SELECT 1/0`} {
			for range 4 {
				b.fail(app, email, ip)
			}
			done = 0
			a, err := b.Lockout().Begin(t.Context(), app, email, ip, say(sql))
			if err != nil || done != 1 {
				t.Fatalf("%s: done %d times, %v", sql, done, err)
			}
			if err := a.Succeeded(t.Context(), say(sql)); err != nil || done != 2 {
				t.Errorf("%s: done %d times, %v", sql, done, err)
			}
			a.Done(t.Context())
			b.fail(app, email, ip) // the fifth, were the four before it not forgotten
			if a, err = b.Lockout().Begin(t.Context(), app, email, ip, nil); err != nil {
				t.Fatalf("%s: the failures were not forgotten: %v", sql, err)
			}
			if err := a.Succeeded(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}

		gone, leave := context.WithCancel(t.Context())
		for range 4 {
			b.fail(app, email, ip)
		}
		a := b.let(app, email, ip)
		leave()
		if err := a.Succeeded(gone, func(first *db.Statement) error {
			_, err := b.db.In(db.App(app)).After(first).Exec(gone, `SELECT 1`)
			return err
		}); err != nil {
			t.Errorf("the client left: %v", err)
		}
		b.fail(app, email, ip)
		b.let(app, email, ip).Done(t.Context())
	})
}
