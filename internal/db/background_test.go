package db_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/fault"
)

// However much is done in the background, half of the connections are left for those who wait.
func TestBackgroundWorkLeavesConnections(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t) // four connections
	conn := d.In(db.System())
	ctx, stop := context.WithCancel(db.Background(t.Context()))
	var all sync.WaitGroup
	defer func() { stop(); all.Wait() }()
	for range 10 {
		all.Go(func() { _, _ = conn.Exec(ctx, `SELECT pg_sleep(60)`) }) // ends with ctx
	}
	busy := func() (n int) {
		if err := d.Pool().QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%'
			AND state = 'active' AND pid <> pg_backend_pid()`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for deadline := time.Now().Add(30 * time.Second); busy() < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing runs in the background")
		}
	}
	for range 20 {
		if n := busy(); n != 2 {
			t.Fatalf("%d statements run in the background, want 2 of 4 connections", n)
		}
	}
	waiting, end := context.WithTimeout(ctx, 10*time.Millisecond)
	defer end()
	if err := conn.QueryRow(waiting, `SELECT 1`).Scan(new(int)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a further one: %v", err)
	}
	stop()
	all.Wait()
	// The places came back: rows that are read, an error, and a scope that names nobody give theirs back too.
	again := db.Background(t.Context())
	for range 5 {
		if err := conn.QueryRow(again, `SELECT 1`).Scan(new(int)); err != nil {
			t.Error(err)
		}
		if _, err := conn.Exec(again, `SELECT 1/0`); err == nil {
			t.Error("1/0 went well")
		}
		if _, err := collect(again, d.In(db.App("")), emails); !errors.Is(err, db.ErrNoTenant) {
			t.Error(err)
		}
		if _, err := collect(again, conn, emails); err != nil {
			t.Error(err)
		}
	}
}

// Who finds no connection free is sent away in time, whatever holds them; background work waits.
func TestACrowdIsSentAway(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), db.Config{URL: dbtest.URL(t), MaxConns: 1, MaxWait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	conn := d.In(db.System())
	acts := map[string]func(context.Context) error{
		"exec":        func(ctx context.Context) error { _, err := conn.Exec(ctx, `SELECT 1`); return err },
		"query row":   func(ctx context.Context) error { return conn.QueryRow(ctx, `SELECT 1`).Scan(new(int)) },
		"transaction": func(ctx context.Context) error { return d.Tx(ctx, db.System(), func(pgx.Tx) error { return nil }) },
	}
	held, err := d.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, act := range acts {
		if f, ok := fault.From(act(t.Context())); !ok || f.Kind != fault.Unavailable || f.RetryAfter != time.Second {
			t.Errorf("%s: %v", name, f)
		}
		gone, leave := context.WithTimeout(t.Context(), time.Millisecond)
		if err := act(gone); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s, of who left: %v", name, err)
		}
		leave()
	}
	waiting := make(chan error)
	go func() { waiting <- acts["query row"](db.Background(t.Context())) }()
	select {
	case err := <-waiting:
		t.Errorf("in the background: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	held.Release()
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	for name, act := range acts { // and whatever was sent away holds nothing
		if err := act(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
