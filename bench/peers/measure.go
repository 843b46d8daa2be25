package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"turkey/bench/internal/proc"
)

// clients is how many keep-alive connections ask at once.
const clients = 8

// cost is what an operation takes of the processor.
type cost struct {
	server, database time.Duration
	perSecond        float64
}

func (c cost) total() time.Duration { return c.server + c.database }

// result is what came out of the rounds of one operation.
type result struct {
	ours, theirs cost      // medians by the processor time
	server       []float64 // theirs by ours, of the servers alone; sorted
	whole        []float64 // with the databases'; sorted
}

// duel measures one operation in rounds, in turns.
func (f *field) duel(ctx context.Context, operation string, ours, theirs *server) (result, error) {
	var r result
	ourCrew, err := crew(ours.acts[operation])
	if err != nil {
		return r, err
	}
	theirCrew, err := crew(theirs.acts[operation])
	if err != nil {
		return r, err
	}
	var mine, others []cost
	for round := range f.rounds + 1 { // the first only warms up, and makes rows to take statistics of
		length := f.slice
		if round == 0 {
			length = f.warm
		}
		var o, t cost
		if err := theirs.halted(func() (err error) { o, err = f.load(ctx, ours, ourCrew, length); return err }); err != nil {
			return r, err
		}
		if err := ours.halted(func() (err error) { t, err = f.load(ctx, theirs, theirCrew, length); return err }); err != nil {
			return r, err
		}
		if round == 0 {
			for _, s := range []*server{ours, theirs} {
				if s.database == "" {
					continue
				}
				if err := f.execute(ctx, s.database, "VACUUM ANALYZE"); err != nil {
					return r, err
				}
			}
			continue
		}
		mine, others = append(mine, o), append(others, t)
		r.server = append(r.server, float64(t.server)/float64(o.server))
		r.whole = append(r.whole, float64(t.total())/float64(o.total()))
	}
	slices.Sort(r.server)
	slices.Sort(r.whole)
	r.ours, r.theirs = median(mine), median(others)
	return r, nil
}

func median(all []cost) cost {
	slices.SortFunc(all, func(a, b cost) int { return cmp.Compare(a.total(), b.total()) })
	return all[len(all)/2]
}

func crew(work worker) ([]func() error, error) {
	calls := make([]func() error, clients)
	for i := range calls {
		var err error
		if calls[i], err = work(); err != nil {
			return nil, err
		}
	}
	return calls, nil
}

// load loads a server for one slice, each client sending its next request when the last is answered. Every answer has to
// be a success.
func (f *field) load(ctx context.Context, s *server, calls []func() error, length time.Duration) (cost, error) {
	connections.CloseIdleConnections()                                        // a server may have ended them while they were idle
	if _, err := each(calls, func(n int) bool { return n < 3 }); err != nil { // connections, prepared statements, caches
		return cost{}, err
	}
	server, database := proc.Family(s.cmd.Process.Pid), proc.Family(f.master)
	began := time.Now()
	ops, err := each(calls, func(int) bool { return time.Since(began) < length && ctx.Err() == nil })
	if err := errors.Join(err, ctx.Err()); err != nil {
		return cost{}, err
	}
	n := time.Duration(ops)
	c := cost{server: (proc.Family(s.cmd.Process.Pid) - server) / n, perSecond: float64(ops) / time.Since(began).Seconds()}
	if s.database != "" {
		c.database = (proc.Family(f.master) - database) / n
	}
	return c, nil
}

// each has every client go on for as long as it may, and counts what was done.
func each(calls []func() error, more func(done int) bool) (ops int, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, call := range calls {
		all.Go(func() {
			var n int
			var failed error
			for ; failed == nil && more(n); n++ {
				failed = call()
			}
			mu.Lock()
			defer mu.Unlock()
			ops, err = ops+n, errors.Join(err, failed)
		})
	}
	all.Wait()
	return ops, err
}
