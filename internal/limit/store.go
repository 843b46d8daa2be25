package limit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"turkey/internal/db"
)

// store keeps what the replicas share. PostgreSQL and Redis are the two.
type store interface {
	// take counts one unit of the key, unless that would be more than the rule allows.
	take(ctx context.Context, key string, r Rule) (window, error)
	// giveBack takes units back, from the windows they were counted in.
	giveBack(ctx context.Context, units []unit) error
	// merge adds what a process counted and tells what all of them did, in the same order. Keys are unique.
	merge(ctx context.Context, counts []count) ([]window, error)

	// What comes along with begin, unless it refuses, and with succeed, follows them; its error is not theirs.
	begin(ctx context.Context, who login, known bool, along db.Along) (verdict, error)
	// fail counts a failure and ends the attempt; it tells how long the client is locked out now.
	fail(ctx context.Context, who login, lease int64) (time.Duration, error)
	succeed(ctx context.Context, who login, lease int64, along db.Along) error
	release(ctx context.Context, who login, lease int64) error
	clear(ctx context.Context, who login) error
}

// window is a window of a key after a statement.
type window struct {
	hits int           // above the limit: this one was refused
	left time.Duration // until it is over
	id   int64         // when it is over by the clock of the store, in µs: tells windows of one key apart
}

// unit is n units that were counted in one window of a key.
type unit struct {
	key    string
	window int64 // window.id
	limit  int
	n      int
}

// count is what one process counted of a key since its last merge; below zero when it took more back.
type count struct {
	key  string
	hits int
	left time.Duration // of the window of the process; the store's wins where it has one
}

// verdict is whether a login may be verified.
type verdict struct {
	outcome outcome
	retry   time.Duration // unless granted
	lease   int64         // when granted
}

type outcome int

const (
	granted outcome = iota
	locked          // this client failed too often
	slowed          // too many failures from everywhere
	busy            // too many at the same time
)

// probeEvery is how often a Redis that was lost is asked for.
const probeEvery = 500 * time.Millisecond

// shared asks Redis where there is one, and PostgreSQL where there is none or it is lost. An operation that Redis failed
// may have been carried out there: counts then err on the strict side.
type shared struct {
	postgres store
	redis    *redisStore // nil: not configured
	log      *slog.Logger
	up       atomic.Bool

	mu     sync.Mutex
	closed bool
	stop   context.CancelFunc
	ctx    context.Context //nolint:containedctx // the life of the probe, which no request owns
	probes sync.WaitGroup
}

func newShared(postgres store, r *redisStore, log *slog.Logger) *shared {
	s := &shared{postgres: postgres, redis: r, log: log}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.up.Store(r != nil)
	return s
}

// connect looks for Redis now instead of at the first request.
func (s *shared) connect(ctx context.Context) {
	if s.redis == nil {
		return
	}
	if err := s.redis.probe(ctx); err != nil {
		s.lost(err)
	}
}

// ask runs an operation in the store that is there.
func ask[T any](ctx context.Context, s *shared, operation func(store) (T, error)) (T, error) {
	if s.up.Load() {
		v, err := operation(s.redis)
		if err == nil || ctx.Err() != nil {
			return v, err
		}
		s.lost(err)
	}
	v, err := operation(s.postgres)
	return v, unavailable(err)
}

// do is ask for operations without an answer.
func do(ctx context.Context, s *shared, operation func(store) error) error {
	_, err := ask(ctx, s, func(st store) (struct{}, error) { return struct{}{}, operation(st) })
	return err
}

// lost turns to PostgreSQL until Redis counts again. An incident is one line in the log, and its end another.
func (s *shared) lost(cause error) {
	if !s.up.CompareAndSwap(true, false) {
		return
	}
	s.log.Warn("Redis does not answer: PostgreSQL counts rate limits and failed logins until it is back", "error", cause)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.probes.Go(s.find)
	}
}

func (s *shared) find() {
	since := time.Now()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(probeEvery):
		}
		if s.redis.probe(s.ctx) == nil {
			s.up.Store(true)
			s.log.Info("Redis is back and counts rate limits and failed logins", "after", time.Since(since).Round(time.Millisecond))
			return
		}
	}
}

// clear forgets in both stores: the one that is not asked now may be asked next.
func (s *shared) clear(ctx context.Context, who login) error {
	err := s.postgres.clear(ctx, who)
	if s.redis != nil {
		err = errors.Join(err, s.redis.clear(ctx, who))
	}
	return unavailable(err)
}

func (s *shared) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.probes.Wait()
	if s.redis == nil {
		return nil
	}
	return s.redis.close()
}
