package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/bench/internal/proc"
	"turkey/internal/db/pgdev"
)

// clients is how many keep-alive connections ask at once.
const clients = 8

// figures are those of one slice, or of several put together.
type figures struct {
	ops, failed      int
	first            error // of those that failed
	perSecond        float64
	server, database time.Duration   // processor time per operation
	took             []time.Duration // of the first mostKept of each client; sorted
	rss              int
}

func (f figures) total() time.Duration { return f.server + f.database }

// together is the median of slices by their processor time, with what all of them took.
func together(all []figures) figures {
	slices.SortFunc(all, func(a, b figures) int { return int(a.total() - b.total()) })
	m := all[len(all)/2]
	m.took, m.ops, m.failed = nil, 0, 0
	for _, f := range all {
		m.took = append(m.took, f.took...)
		m.ops, m.failed = m.ops+f.ops, m.failed+f.failed
		m.rss = max(m.rss, f.rss)
		if m.first == nil {
			m.first = f.first
		}
	}
	slices.Sort(m.took)
	return m
}

// mostKept bounds what is remembered of operations that take less than a microsecond.
const mostKept = 1 << 17

// crew are the clients of one side.
func crew(work worker) ([]func() error, error) {
	calls := make([]func() error, clients)
	for i := range calls {
		var err error
		if calls[i], err = work(i); err != nil {
			return nil, err
		}
	}
	return calls, nil
}

// measure loads one side for a slice, each client sending its next request when the last is answered, and reads what that
// cost. Answers that were refused count as failed; it is an error when all were.
func (b *bench) measure(s *server, calls []func() error) (figures, error) {
	var warm sync.WaitGroup
	failed := make([]error, len(calls))
	for i, call := range calls { // connections, prepared statements, caches
		warm.Go(func() {
			for range 3 {
				failed[i] = errors.Join(failed[i], call())
			}
		})
	}
	warm.Wait()
	if err := errors.Join(failed...); err != nil {
		return figures{}, err
	}
	pid := s.cmd.Process.Pid
	server, database := proc.CPU(pid), proc.Family(b.master)
	began := time.Now()
	var mu sync.Mutex
	var f figures
	var all sync.WaitGroup
	for _, call := range calls {
		all.Go(func() {
			var mine []time.Duration
			var ops, failed int
			var first error
			for time.Since(began) < b.slice {
				t := time.Now()
				if err := call(); err != nil {
					failed++
					first = err
					time.Sleep(time.Millisecond)
					continue
				}
				if ops++; len(mine) < mostKept {
					mine = append(mine, time.Since(t))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			f.took, f.ops, f.failed, f.first = append(f.took, mine...), f.ops+ops, f.failed+failed, cmp.Or(f.first, first)
		})
	}
	all.Wait()
	if f.ops == 0 {
		return f, f.first
	}
	f.perSecond = float64(f.ops) / time.Since(began).Seconds()
	n := time.Duration(f.ops)
	f.server, f.database, f.rss = (proc.CPU(pid)-server)/n, (proc.Family(b.master)-database)/n, proc.RSS(pid)
	slices.Sort(f.took)
	return f, nil
}

// analyze takes statistics of what was written, which autovacuum would do in a minute.
func analyze(ctx context.Context, pg *pgdev.Server, names ...string) error {
	for _, n := range names {
		if err := execute(ctx, pg.DSN("postgres", n), "VACUUM ANALYZE"); err != nil {
			return err
		}
	}
	return nil
}

// execute runs statements as the superuser.
func execute(ctx context.Context, dsn string, statements ...string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	for _, s := range statements {
		if _, err = conn.Exec(ctx, s); err != nil {
			err = fmt.Errorf("%s: %w", s, err)
			break
		}
	}
	return errors.Join(err, conn.Close(ctx))
}
