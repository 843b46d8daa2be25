package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/server"
)

// TestAStopLingers: for a while nothing is refused, but nobody is to come back: not ready, and each answer ends its connection.
func TestAStopLingers(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.Linger = 2 * time.Second
	url, stop, done := serve(t, server.New(cfg), time.Second)
	get := func(path string) (status int, last bool) {
		t.Helper()
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode, res.Close
	}
	if status, last := get("/livez"); status != 200 || last {
		t.Errorf("%d, close %v", status, last)
	}
	begin := time.Now()
	stop()
	for _, last := get("/livez"); !last; _, last = get("/livez") {
		if time.Since(begin) > cfg.Linger {
			t.Fatal("answers do not close their connections")
		}
	}
	if status, last := get("/readyz"); status != 503 || !last {
		t.Errorf("ready: %d, close %v", status, last)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took < cfg.Linger {
		t.Errorf("it stopped after %s", took)
	}
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), time.Second); err == nil {
		t.Error("the port is still open")
	}
}

// TestWhoDoesNotReadIsCutOff: an answer that nobody takes does not hold its connection and its goroutine for good.
func TestWhoDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.WriteTimeout = 200 * time.Millisecond
	s := server.New(cfg)
	failed := make(chan error, 1)
	s.Handle("GET /big", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for range 1 << 10 {
			if _, err = w.Write(make([]byte, 64<<10)); err != nil {
				break
			}
		}
		failed <- err
	}))
	url, _, _ := serve(t, s, time.Second)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failed:
		if err == nil {
			t.Error("64 MiB were sent to somebody who does not read")
		}
	case <-time.After(10 * time.Second):
		t.Error("the answer waits for good")
	}
}

// TestConnectionsThatWaitAreServed: those that were made and that nobody has taken when a server stops get their answers.
func TestConnectionsThatWaitAreServed(t *testing.T) {
	t.Parallel()
	const n = 20
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	held := &holding{Listener: ln, free: make(chan struct{})} // a server that is slow to take them
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.New(quiet()).Serve(ctx, held, 5*time.Second) }()
	conns := make([]net.Conn, n)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		if _, err := io.WriteString(conns[i], "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	for i, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if all, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 200") {
			t.Fatalf("connection %d: %q %v", i, all, err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// holding takes no connection until it is closed.
type holding struct {
	net.Listener
	free chan struct{}
	once sync.Once
}

func (h *holding) Accept() (net.Conn, error) { <-h.free; return h.Listener.Accept() }
func (h *holding) Close() error              { h.once.Do(func() { close(h.free) }); return h.Listener.Close() }
func (h *holding) File() (*os.File, error)   { return h.Listener.(*net.TCPListener).File() }
