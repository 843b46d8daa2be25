package limit

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// The sizes of a counter. A shard is what one lock guards and holds up for as long as a merge looks through it.
const (
	shards     = 64
	shardCells = 1024 // clients per shard; the clients of a flood of addresses push each other out
	mergeBatch = 500  // keys per statement
)

// counter counts in the process and merges with the other replicas through the store.
type counter struct {
	name   string // first part of its keys in the store
	rule   Rule
	told   told
	keys   keyer
	now    func() time.Time
	start  time.Time
	seed   maphash.Seed
	shards [shards]shard

	merging sync.Mutex // one merge at a time
}

type shard struct {
	mu      sync.Mutex
	cells   map[client]*cell
	windows uint64 // that were ever begun
}

// cell is one window of one client. Times are since counter.start, so that they follow the monotonic clock.
type cell struct {
	hits    int // units that this process knows of, its own included
	pending int // of its own, those that the store does not know yet
	ends    time.Duration
	window  uint64 // its number in the shard
	dirty   bool   // asked for since the last merge
}

// taken is the answer to one request.
type taken struct {
	allowed bool
	hits    int // units of the window, at most the limit
	left    time.Duration
	window  uint64
}

func newCounter(name string, rule Rule, keys keyer, now func() time.Time) *counter {
	c := &counter{name: name, rule: rule, told: tell(rule), keys: keys, now: now, start: now(), seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].cells = map[client]*cell{}
	}
	return c
}

func (c *counter) shard(k client) *shard { return &c.shards[maphash.Comparable(c.seed, k)%shards] }

func (c *counter) clock() time.Duration { return c.now().Sub(c.start) }

func (c *counter) take(k client) taken {
	now := c.clock()
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	cl := s.cell(k)
	if cl.window == 0 || cl.ends <= now {
		s.windows++
		*cl = cell{ends: now + c.rule.Window, window: s.windows}
	}
	allowed := cl.hits < c.rule.Max
	if allowed {
		cl.hits++
		cl.pending++
	}
	cl.dirty = true // also when refused: only a merge tells that others gave something back
	return taken{allowed, min(cl.hits, c.rule.Max), cl.ends - now, cl.window}
}

// giveBack takes a unit back unless its window is over.
func (c *counter) giveBack(k client, window uint64) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if cl := s.cells[k]; cl != nil && cl.window == window && cl.hits > 0 {
		cl.hits--
		cl.pending--
		cl.dirty = true
	}
}

// cell finds or makes the client's cell. A full shard drops another one, best one whose count the store has.
func (s *shard) cell(k client) *cell {
	if cl := s.cells[k]; cl != nil {
		return cl
	}
	if len(s.cells) >= shardCells {
		s.drop()
	}
	cl := &cell{}
	s.cells[k] = cl
	return cl
}

// drop looks at a few clients in the order of the map, which is none.
func (s *shard) drop() {
	const looks = 8
	var victim client
	n := 0
	for k, cl := range s.cells {
		victim = k
		if n++; cl.pending == 0 || n == looks {
			break
		}
	}
	delete(s.cells, victim)
}

// sent is what a merge took out of a cell.
type sent struct {
	client client
	window uint64
	count
}

// merge exchanges counts with the store. What could not be sent is kept for the next time.
func (c *counter) merge(ctx context.Context, s *shared) error {
	c.merging.Lock()
	defer c.merging.Unlock()
	all := c.collect()
	for i := 0; i < len(all); i += mergeBatch {
		batch := all[i:min(i+mergeBatch, len(all))]
		counts := make([]count, len(batch))
		for j, b := range batch {
			counts[j] = b.count
		}
		windows, err := ask(ctx, s, func(st store) ([]window, error) { return st.merge(ctx, counts) })
		if err != nil {
			c.restore(all[i:])
			return err
		}
		c.adopt(batch, windows)
	}
	return nil
}

// collect takes what is pending out of the cells that were asked for, and forgets those whose windows are over.
func (c *counter) collect() []sent {
	now := c.clock()
	var all []sent
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for k, cl := range s.cells {
			switch {
			case cl.ends <= now:
				delete(s.cells, k)
			case cl.dirty:
				all = append(all, sent{k, cl.window, count{hits: cl.pending, left: cl.ends - now}})
				cl.pending, cl.dirty = 0, false
			}
		}
		s.mu.Unlock()
	}
	for i := range all { // outside the locks: it hashes
		all[i].key = c.name + "|" + c.keys.text(all[i].client)
	}
	return all
}

// adopt takes over what the store knows: all replicas' units, and the end of its window.
func (c *counter) adopt(batch []sent, windows []window) {
	now := c.clock()
	for i, b := range batch {
		c.with(b, func(cl *cell) {
			cl.hits = max(windows[i].hits, 0) + cl.pending
			cl.ends = now + windows[i].left
		})
	}
}

func (c *counter) restore(batch []sent) {
	for _, b := range batch {
		c.with(b, func(cl *cell) {
			cl.pending += b.hits
			cl.dirty = true
		})
	}
}

// with calls fn with the cell, if it is still there and in the same window.
func (c *counter) with(b sent, fn func(*cell)) {
	s := c.shard(b.client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if cl := s.cells[b.client]; cl != nil && cl.window == b.window {
		fn(cl)
	}
}
