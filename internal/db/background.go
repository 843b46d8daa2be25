package db

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
)

type backgroundKey struct{}

// Background marks work for which no person waits. However much of it there is, its statements take at most half of the
// pool's connections at a time, so that requests find one. Transactions are not held up: they may have taken locks.
func Background(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

func inBackground(ctx context.Context) bool { return ctx.Value(backgroundKey{}) != nil }

// enter waits for a place, if the statement needs one. leave may be called more than once.
func (d *DB) enter(ctx context.Context) (leave func(), err error) {
	if !inBackground(ctx) {
		return func() {}, nil
	}
	select {
	case d.background <- struct{}{}:
		return sync.OnceFunc(func() { <-d.background }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// leaving gives the place back with the connection.
type leaving struct {
	pgx.BatchResults
	leave func()
}

func (l leaving) Close() error {
	defer l.leave()
	return l.BatchResults.Close()
}
