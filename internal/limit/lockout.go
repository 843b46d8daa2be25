package limit

import (
	"context"
	"sync/atomic"
	"time"

	"turkey/internal/db"
)

// The lockout of the contract (auth-api.md §8).
const (
	maxParallel = 10               // logins of one (app, e-mail) that are verified at the same time
	leaseFor    = 30 * time.Second // how long one may take, as long as a request may; a replica that crashed holds it no longer
	slowAfter   = 100              // failures of one (app, e-mail) from everywhere within slowWindow …
	slowWindow  = 15 * time.Minute
	slowPause   = 10 * time.Second // … let one attempt through per slowPause until the window is over
	forgetAfter = 24 * time.Hour   // of quiet, after which a client's failures are forgotten
	settleWait  = 5 * time.Second  // for writing down how an attempt ended
)

// locks is how long a failure locks its client out of the account, from which number of failures on.
var locks = []struct {
	from  int
	lasts time.Duration
}{
	{5, 5 * time.Minute},
	{10, 15 * time.Minute},
	{20, 60 * time.Minute},
}

// Lockout slows down guessing of passwords, per (client, app, e-mail) and over all clients.
type Lockout struct {
	store   *shared
	keys    keyer
	refused func(limiter string)
}

// Attempt is a login that is being verified. It must end with one of Failed, Succeeded and Done; what comes after the first
// of them does nothing, so Done can be deferred. The zero Attempt is one that has ended.
type Attempt struct{ *attempt }

type attempt struct {
	lockout *Lockout
	who     login
	lease   int64
	ended   atomic.Bool
	lock    time.Duration
}

type knownKey struct{}

// WithKnownDevice marks a login as coming from a device on which this account has logged in before, as a cookie that the
// server made proves. It passes the wall that failures from everywhere put up. It is the client then, in place of its
// address: its own failures lock it out wherever it comes from, and those of others at its address do not.
func WithKnownDevice(ctx context.Context, device string) context.Context {
	return context.WithValue(ctx, knownKey{}, device)
}

// Begin asks in one trip whether a password may be verified. The error is the answer to give: account_locked,
// rate_limit_exceeded, or unavailable. It asks the same of accounts that do not exist. along is done as well, in the same trip
// where PostgreSQL counts; it may be nil, and says itself how it went.
func (l *Lockout) Begin(ctx context.Context, app, email, ip string, along db.Along) (Attempt, error) {
	who := l.keys.login(app, email, ip)
	device, known := ctx.Value(knownKey{}).(string)
	if known {
		who = l.keys.at(who, device)
	}
	v, err := ask(ctx, l.store, func(s store) (verdict, error) { return s.begin(ctx, who, known, along) })
	switch {
	case err != nil:
		return Attempt{}, err
	case v.outcome == locked:
		l.refused(refusedLockout)
		return Attempt{}, errLocked.WithRetryAfter(v.retry)
	case v.outcome != granted:
		l.refused(refusedAccount)
		return Attempt{}, errLogin.WithRetryAfter(v.retry)
	}
	return Attempt{&attempt{lockout: l, who: who, lease: v.lease}}, nil
}

// Failed counts a wrong password or an unknown user. Call it before the answer is sent.
func (a Attempt) Failed(ctx context.Context) error {
	return a.end(ctx, func(ctx context.Context) (err error) {
		a.lock, err = ask(ctx, a.lockout.store, func(s store) (time.Duration, error) { return s.fail(ctx, a.who, a.lease) })
		return err
	})
}

// Locked tells after Failed for how long this failure locks its client out; 0 is not at all.
func (a Attempt) Locked() time.Duration {
	if a.attempt == nil {
		return 0
	}
	return a.lock
}

// Succeeded forgets the failures of this client. Those from everywhere stay: the owner's login is no amnesty for others. along is
// as for Begin; it is done once the failures are forgotten, or not at all.
func (a Attempt) Succeeded(ctx context.Context, along db.Along) error {
	return a.end(ctx, func(ctx context.Context) error {
		return do(ctx, a.lockout.store, func(s store) error { return s.succeed(ctx, a.who, a.lease, along) })
	})
}

// Done ends an attempt that neither failed nor succeeded, because something else did. What it cannot give back now comes
// back by itself.
func (a Attempt) Done(ctx context.Context) {
	_ = a.end(ctx, func(ctx context.Context) error {
		return do(ctx, a.lockout.store, func(s store) error { return s.release(ctx, a.who, a.lease) })
	})
}

// end runs the first ending. It outlives the request: a client that hangs up has failed all the same.
func (a Attempt) end(ctx context.Context, write func(context.Context) error) error {
	if a.attempt == nil || !a.ended.CompareAndSwap(false, true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWait)
	defer cancel()
	return write(ctx)
}

// Clear lifts every lock and forgets every failure of an account.
func (l *Lockout) Clear(ctx context.Context, app, email string) error {
	return l.store.clear(ctx, l.keys.login(app, email, ""))
}
