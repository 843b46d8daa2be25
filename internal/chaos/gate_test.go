package chaos_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/connector"
	"turkey/internal/sandbox"
)

// gate is the fake providers behind a door that can hold a call: before its work or after it.
type gate struct {
	fake http.Handler
	url  string

	mu     sync.Mutex
	trap   *trap
	delay  time.Duration
	writes map[string]int // of values, done, by path
	lost   int            // calls whose connection the fake itself cut
}

// trap catches the first call of a method whose path has the text in it, and lets it go no more: whoever called is dead.
type trap struct {
	method, text string
	after        bool
	sprung       chan struct{}
}

func newGate(t testing.TB) (*gate, connector.Config) {
	t.Helper()
	fake, err := sandbox.New(sandbox.Config{ReadsPerMinute: -1, WritesPerMinute: -1})
	must(t, err)
	g := &gate{fake: fake.Handler(), writes: map[string]int{}}
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	g.url = srv.URL
	return g, fake.Bases(srv.URL)
}

// set lays a trap. The channel is closed when somebody is in it.
func (g *gate) set(method, text string, after bool) (sprung <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trap = &trap{method, text, after, make(chan struct{})}
	return g.trap.sprung
}

func (g *gate) cut() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lost
}

// slow makes every call of a provider take its time.
func (g *gate) slow(delay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay = delay
}

// written counts what was done, by spreadsheet.
func (g *gate) written() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.writes)
}

// find is the trap that a call is in, and how long it takes.
func (g *gate) find(r *http.Request) (*trap, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := g.trap
	if found == nil || r.Method != found.method || !strings.Contains(r.URL.Path, found.text) {
		return nil, g.delay
	}
	g.trap = nil
	return found, g.delay
}

// ServeHTTP is for http.Server.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sandbox/") || strings.HasPrefix(r.URL.Path, "/oauth2/") {
		g.fake.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body) // net/http notices that a client is gone only when nothing of its body is left
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	held, delay := g.find(r)
	if held != nil && !held.after {
		close(held.sprung)
		<-r.Context().Done()
		return
	}
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return
	}
	answer := g.work(r)
	if held != nil {
		close(held.sprung)
		<-r.Context().Done()
		return
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the process may be gone
}

// work lets the provider do its work, and counts.
func (g *gate) work(r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	defer func() {
		p := recover()
		g.mu.Lock()
		if strings.HasSuffix(r.URL.Path, "/values:batchUpdate") && (p != nil || answer.Code == http.StatusOK) {
			g.writes[r.URL.Path]++
		}
		if p != nil {
			g.lost++
		}
		g.mu.Unlock()
		if p != nil {
			panic(p)
		}
	}()
	g.fake.ServeHTTP(answer, r)
	return answer
}
