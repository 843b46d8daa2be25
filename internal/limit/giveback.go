package limit

import (
	"context"
	"sync"
	"time"
)

// giveBackWait bounds one statement; maxReturns what is kept for a store that is away. A unit that is never given back is
// over with its window.
const (
	giveBackWait = 5 * time.Second
	maxReturns   = 10_000
)

// returns gives units back to the store behind the backs of the requests: at once when nothing is on its way, else
// together with all that gathered meanwhile. So it takes a trip's time, and a busy server sends few of them.
type returns struct {
	store *shared

	mu      sync.Mutex
	waiting map[unit]int // by unit without n
	sending bool
	work    sync.WaitGroup
}

func (r *returns) add(key string, window int64, limit int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := unit{key: key, window: window, limit: limit}
	if _, known := r.waiting[u]; !known && len(r.waiting) >= maxReturns {
		return
	}
	r.waiting[u]++
	r.start()
}

// retry sends what could not be sent before.
func (r *returns) retry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start()
}

// start sends unless that is being done; the lock is held.
func (r *returns) start() {
	if !r.sending && len(r.waiting) > 0 {
		r.sending = true
		r.work.Go(r.send)
	}
}

func (r *returns) send() {
	for {
		units := r.gather()
		if len(units) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), giveBackWait)
		err := do(ctx, r.store, func(s store) error { return s.giveBack(ctx, units) })
		cancel()
		if err != nil {
			r.putBack(units)
			return
		}
	}
}

// gather takes up to a batch out; with nothing there the sending is over.
func (r *returns) gather() []unit {
	r.mu.Lock()
	defer r.mu.Unlock()
	var units []unit
	for u, n := range r.waiting {
		if len(units) == mergeBatch {
			break
		}
		delete(r.waiting, u)
		u.n = n
		units = append(units, u)
	}
	r.sending = len(units) > 0
	return units
}

func (r *returns) putBack(units []unit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range units {
		n := u.n
		u.n = 0
		r.waiting[u] += n
	}
	r.sending = false
}

// wait returns when nothing is on its way.
func (r *returns) wait() { r.work.Wait() }
