package limit

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"
)

// mergeWait bounds one merge with the store.
const mergeWait = 5 * time.Second

// Limits is every rate limit of the server. Start it, put its Layer into the server, Stop it at the end.
type Limits struct {
	cfg      Config
	keys     keyer
	now      func() time.Time
	postgres *postgres
	store    *shared
	lockout  *Lockout
	returns  returns

	general, api *counter // nil: off
	routes       map[endpoint]*limiter
	admin        *limiter // of everything under /v1/admin; nil: off
	budgets      []*counter

	stop     context.CancelFunc
	loop     sync.WaitGroup
	counting bool // the last merge worked, or there was none; for the log
}

// New makes the limits. A Redis that does not answer is no error; a REDIS_URL that cannot be parsed is.
func New(ctx context.Context, cfg Config) (*Limits, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	l := &Limits{cfg: cfg, keys: keyer(cfg.Key), now: cfg.Now, postgres: &postgres{db: cfg.DB, now: cfg.Now}, counting: true}
	if l.now == nil {
		l.now = time.Now
	}
	var r *redisStore
	if cfg.RedisURL != "" {
		var err error
		if r, err = newRedis(cfg.RedisURL, cfg.Now); err != nil {
			return nil, err
		}
	}
	l.store = newShared(l.postgres, r, cfg.Log)
	l.store.connect(ctx)
	l.lockout = &Lockout{store: l.store, keys: l.keys, refused: cfg.Refused}
	l.returns = returns{store: l.store, waiting: map[unit]int{}}
	if !cfg.General.off() {
		l.general = newCounter("general", cfg.General, l.keys, l.now)
	}
	if !cfg.API.off() {
		l.api = newCounter("api", cfg.API, l.keys, l.now)
	}
	l.routes = l.table()
	l.admin = l.administration()
	return l, nil
}

// Lockout is the guard of logins.
func (l *Limits) Lockout() *Lockout { return l.lockout }

// Redis tells whether Redis answers, for the health report; it is nil where none is configured.
func (l *Limits) Redis() func() bool {
	if l.store.redis == nil {
		return nil
	}
	return l.store.up.Load
}

// Start begins to merge with the other replicas.
func (l *Limits) Start() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.loop.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(l.cfg.MergeEvery):
				l.merge(ctx)
			}
		}
	})
}

// Stop hands what was counted to the other replicas and lets go of Redis. No request may come after it.
func (l *Limits) Stop(ctx context.Context) error {
	if l.stop != nil {
		l.stop()
		l.loop.Wait()
	}
	l.merge(ctx)
	l.returns.wait()
	return l.store.close()
}

// merge exchanges counts with the store. An incident is one line in the log.
func (l *Limits) merge(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, mergeWait)
	defer cancel()
	l.returns.retry()
	var errs []error
	for _, c := range l.counters() {
		errs = append(errs, c.merge(ctx, l.store))
	}
	err := errors.Join(errs...)
	switch {
	case errors.Is(err, context.Canceled): // the server stops
	case err != nil && l.counting:
		l.counting = false
		l.cfg.Log.Warn("each replica counts requests for itself until the store of the rate limits is back", "error", err)
	case err == nil && !l.counting:
		l.counting = true
		l.cfg.Log.Info("the replicas count requests together again")
	}
}

// counters are those that count in the process.
func (l *Limits) counters() []*counter {
	all := slices.Clone(l.budgets)
	for _, c := range []*counter{l.general, l.api} {
		if c != nil {
			all = append(all, c)
		}
	}
	if l.admin != nil {
		all = append(all, l.admin.counter)
	}
	seen := map[*limiter]bool{}
	for _, r := range l.routes {
		if r.counter != nil && !seen[r] {
			seen[r] = true
			all = append(all, r.counter)
		}
	}
	return all
}

// Quota counts one unit of key and reports whether it was within limit per window. It is exact over all replicas. The key
// is stored as a keyed hash.
func (l *Limits) Quota(ctx context.Context, key string, limit int, window time.Duration) (bool, error) {
	hashed := "quota|" + hex.EncodeToString(l.keys.hash("quota", key))
	w, err := l.take(ctx, hashed, Rule{Window: window, Max: limit})
	return err == nil && w.hits <= limit, err
}

// Purge removes up to batch rows that say nothing any more from each table and returns how many; call it until it returns
// 0. Redis forgets by itself.
func (l *Limits) Purge(ctx context.Context, batch int) (int, error) {
	n, err := l.postgres.purge(ctx, batch)
	return n, unavailable(err)
}

func (l *Limits) take(ctx context.Context, key string, r Rule) (window, error) {
	return ask(ctx, l.store, func(s store) (window, error) { return s.take(ctx, key, r) })
}
