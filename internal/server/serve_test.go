package server_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

	"turkey/internal/server"
)

// serveBundle puts a server that the test made itself behind a listener.
func serveBundle(t *testing.T, s *server.Server) *bundle {
	t.Helper()
	ts := httptest.NewServer(s.Handler())
	t.Cleanup(ts.Close)
	return &bundle{s, t, &logBuffer{}, ts}
}

// serve runs Serve on a free port; stop cancels it and done gives its result.
func serve(t *testing.T, s *server.Server, shutdown time.Duration) (url string, stop func(), done chan error) {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done = make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln, shutdown) }()
	t.Cleanup(stop)
	return "http://" + ln.Addr().String(), stop, done
}

func quiet() server.Config { return server.Config{Log: slog.New(slog.DiscardHandler)} }

func TestDrain(t *testing.T) {
	t.Parallel()
	s := server.New(quiet())
	arrived, release := make(chan struct{}), make(chan struct{})
	s.Handle("GET /slow", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		if r.Context().Err() != nil {
			t.Error("the request was cancelled")
		}
		_, _ = io.WriteString(w, "finished")
	}))
	url, stop, done := serve(t, s, 10*time.Second)
	got := make(chan string, 1)
	go func() {
		res, err := http.Get(url + "/slow")
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		got <- string(body)
	}()
	<-arrived
	stop()
	ready := func() int {
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return rec.Code
	}
	for deadline := time.Now().Add(5 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), time.Second)
		if err == nil {
			conn.Close()
		}
		if err != nil && ready() == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("still accepting or still ready")
		}
		time.Sleep(5 * time.Millisecond)
	}
	close(release)
	if body := <-got; body != "finished" {
		t.Errorf("in-flight request got %q", body)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestShutdownClosesWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := server.New(quiet())
	arrived := make(chan struct{})
	s.Handle("GET /forever", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done() // ended by the closed connection alone
	}))
	url, stop, done := serve(t, s, 50*time.Millisecond)
	go func() {
		if res, err := http.Get(url + "/forever"); err == nil {
			res.Body.Close()
		}
	}()
	<-arrived
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Serve does not return")
	}
}

func TestServeReportsFailure(t *testing.T) {
	t.Parallel()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := server.New(quiet()).Serve(t.Context(), ln, time.Second); err == nil {
		t.Error("no error for a closed listener")
	}
}

func TestStreamsOutliveTheTimeoutAndEndWithTheDrain(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.RequestTimeout = 20 * time.Millisecond
	s := server.New(cfg)
	type tick struct {
		N int `json:"n"`
	}
	sse.Register(s.API(), huma.Operation{OperationID: "ticks", Method: http.MethodGet, Path: "/v1/ticks"}, map[string]any{"tick": tick{}},
		func(ctx context.Context, _ *struct{}, send sse.Sender) {
			for n := 0; ctx.Err() == nil; n++ {
				_ = send.Data(tick{n})
				select {
				case <-ctx.Done():
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	url, stop, done := serve(t, s, 10*time.Second)
	res, err := http.Get(url + "/v1/ticks")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	buf, seen := make([]byte, 4096), ""
	for !strings.Contains(seen, `{"n":20}`) {
		n, err := res.Body.Read(buf)
		if err != nil {
			t.Fatalf("the stream ended early: %v after %s", err, seen)
		}
		seen += string(buf[:n])
	}
	stop()
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Errorf("the stream was cut, not ended: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSlowBodyIsCut(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *server.Config) { c.RequestTimeout = 50 * time.Millisecond })
	reader, writer := io.Pipe()
	t.Cleanup(func() { writer.Close() })
	go func() { _, _ = writer.Write([]byte(`{"email":`)) }()
	b.send(http.MethodPost, "/v1/sign-up", reader, "Content-Type", "application/json").want(408, "request_timeout")
}

// The read deadline of a body must not outlive it: net/http would cancel the request when it expires.
func TestLongRequestAfterBodyIsNotCancelled(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.RequestTimeout = 50 * time.Millisecond
	s := server.New(cfg)
	s.Handle("POST /work", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusTeapot)
		case <-time.After(150 * time.Millisecond):
		}
	}))
	b := serveBundle(t, s)
	if a := b.do(http.MethodPost, "/work", "x"); a.status != 200 {
		t.Errorf("cancelled: %d", a.status)
	}
}
