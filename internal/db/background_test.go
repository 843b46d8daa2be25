package db_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
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
