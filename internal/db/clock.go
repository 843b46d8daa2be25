package db

import (
	"context"
	"sync"
	"time"
)

// What processes share is timed by PostgreSQL's clock, and somebody may set that clock while they work. Set an hour ahead, it
// makes a lease of this moment look long over. So what one process takes from another has to be over by Steady, too.
const (
	// settleTime is how long things are judged as if the clock had not been set ahead. All that went on at that moment has then
	// ended or been renewed: leases of 90 seconds, signs of life, attempts of jobs, which have two minutes.
	settleTime = 3 * time.Minute
	clockJump  = time.Second // a clock that is ahead by more was set; by less it may just run fast
)

// clock is what this process knows of PostgreSQL's. Between two readings it goes on by the monotonic clock, which nobody sets.
type clock struct {
	mu      sync.Mutex
	now     reading
	before  reading   // as if it had not been set ahead
	settled time.Time // until then before counts
}

type reading struct{ theirs, at time.Time }

func (r reading) on(at time.Time) time.Time { return r.theirs.Add(at.Sub(r.at)) }

// note takes a reading whose answer came at this moment.
func (c *clock) note(theirs, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.now.at.IsZero() && theirs.Sub(c.now.on(at)) > clockJump {
		if at.After(c.settled) || c.now.on(at).Before(c.before.on(at)) {
			c.before = c.now
		}
		c.settled = at.Add(settleTime)
	}
	c.now = reading{theirs, at}
}

func (c *clock) on(at time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.on(at)
}

func (c *clock) steady(at time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now.on(at)
	if before := c.before.on(at); at.Before(c.settled) && before.Before(now) {
		return before
	}
	return now
}

// ReadClock asks PostgreSQL what time it is, for Now and Steady. Whoever relies on them asks now and then.
func (d *DB) ReadClock(ctx context.Context) error {
	var theirs time.Time
	if err := d.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&theirs); err != nil {
		return outage(err)
	}
	d.clock.note(theirs, time.Now())
	return nil
}

// Now is PostgreSQL's time, as far as this process knows.
func (d *DB) Now() time.Time { return d.clock.on(time.Now()) }

// Steady is PostgreSQL's time, or what it would be if its clock had not been set ahead in the last minutes. A statement takes the
// earlier of this and its own now(): the clock may have been set back since it was read.
func (d *DB) Steady() time.Time { return d.clock.steady(time.Now()) }
