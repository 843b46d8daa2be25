package server_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turkey/internal/server"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	b := setup(t, func(c *server.Config) {
		c.Ping = func(context.Context) error {
			if down.Load() {
				return errors.New("dial tcp: " + secret)
			}
			return nil
		}
		c.Redis = func() bool { return true }
		c.Clerk = func() string { return "stale" }
	})
	b.get("/health").wantBody(200, `{"status":"healthy","database":"connected","uptime":"0d 0h 3m","version":"1.2.3"}`)
	b.get("/api/health").wantBody(200, `{"status":"healthy","version":"1.2.3","uptime":185,"redis":{"connected":true},"database":{"connected":true},"auth":{"clerk":"stale"}}`)
	b.get("/livez").wantBody(200, `{"status":"ok"}`)
	b.get("/readyz").wantBody(200, `{"status":"ok"}`)
	down.Store(true)
	b.get("/health").wantBody(503, `{"status":"unhealthy","database":"disconnected","uptime":"0d 0h 3m","version":"1.2.3"}`)
	b.get("/api/health").wantBody(503, `{"status":"unhealthy","version":"1.2.3","uptime":185,"redis":{"connected":true},"database":{"connected":false},"auth":{"clerk":"stale"}}`)
	b.get("/livez").wantBody(200, `{"status":"ok"}`)
	b.get("/readyz").wantBody(503, `{"status":"unavailable"}`)
	down.Store(false)
	b.get("/health").wantBody(200, `{"status":"healthy","database":"connected","uptime":"0d 0h 3m","version":"1.2.3"}`)
}

func TestReadyAsksTheWiring(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	b := setup(t, func(c *server.Config) {
		c.Ready = func() error {
			if !ready.Load() {
				return errors.New("migrations pending")
			}
			return nil
		}
	})
	b.get("/readyz").wantBody(503, `{"status":"unavailable"}`)
	ready.Store(true)
	b.get("/readyz").wantBody(200, `{"status":"ok"}`)
	b.get("/api/health").wantBody(200, `{"status":"healthy","version":"1.2.3","uptime":185,"redis":{"connected":false},"database":{"connected":true},"auth":{"clerk":"off"}}`)
}

func TestHangingPingsDoNotPileUp(t *testing.T) {
	t.Parallel()
	var running, most atomic.Int32
	release := make(chan struct{})
	b := setup(t, func(c *server.Config) {
		c.HealthTimeout = 50 * time.Millisecond
		c.Ping = func(context.Context) error { // deaf to its context
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			<-release
			return nil
		}
	})
	start := time.Now()
	var all sync.WaitGroup
	for range 20 {
		for _, path := range []string{"/health", "/api/health"} {
			all.Go(func() {
				if a := b.get(path); a.status != 503 {
					t.Errorf("%s: %d while the database hangs", path, a.status)
				}
			})
		}
	}
	all.Wait()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	close(release)
	if most.Load() != 1 {
		t.Errorf("%d pings at once", most.Load())
	}
	deadline := time.Now().Add(5 * time.Second)
	for b.get("/health").status != 200 {
		if time.Now().After(deadline) {
			t.Fatal("never recovers")
		}
	}
}

func TestPanickingPingIsDown(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *server.Config) { c.Ping = func(context.Context) error { panic("boom") } })
	if a := b.get("/health"); a.status != 503 {
		t.Error(a.body)
	}
}
