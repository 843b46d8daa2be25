package db_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// TestAListenerHearsAndComesBack follows a channel, loses its connection, and goes on; what happened meanwhile is the
// snapshot's to tell.
func TestAListenerHearsAndComesBack(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	heard := make(chan string, 10)
	var connected, alive atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		(&db.Listener{URL: url, Channels: []string{"test_channel"}, Log: slog.New(slog.DiscardHandler), Heartbeat: 50 * time.Millisecond,
			Connected: func(context.Context) error { connected.Add(1); return nil },
			Notified:  func(channel, payload string) { heard <- channel + ":" + payload },
			Alive:     func() { alive.Add(1) }}).Run(ctx)
	}()
	hear := func(payload string) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for {
			if _, err := conn.Exec(t.Context(), `SELECT pg_notify('test_channel', $1)`, payload); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-heard:
				if got == "test_channel:"+payload {
					return
				}
			case <-time.After(100 * time.Millisecond): // not connected yet
			case <-deadline:
				t.Fatalf("%q was not heard", payload)
			}
		}
	}
	hear("first")
	before := alive.Load()
	if _, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'turkey-listen' AND datname = current_database()`); err != nil {
		t.Fatal(err)
	}
	hear("second")
	for start := time.Now(); alive.Load() <= before && time.Since(start) < 10*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
	if connected.Load() < 2 || alive.Load() <= before {
		t.Errorf("%d snapshots, %d signs of life after %d", connected.Load(), alive.Load(), before)
	}
	cancel()
	<-done
}
