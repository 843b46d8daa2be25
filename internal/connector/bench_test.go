package connector_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/internal/connector"
	"turkey/internal/sandbox"
)

// bench is a sandbox of its own with one service account, and the connectors on it.
type bench struct {
	t     *testing.T
	url   string
	cfg   connector.Config
	set   *connector.Set
	clock *clock
	calls *calls
	email string
	key   map[string]string // the key file
}

// start is Saturday noon in UTC, Sunday already east of +12.
var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func setup(t *testing.T) *bench {
	t.Helper()
	ready := prepared()
	if ready.err != nil {
		t.Fatal(ready.err)
	}
	file := filepath.Join(t.TempDir(), "sandbox.json")
	if err := os.WriteFile(file, ready.state, 0o600); err != nil {
		t.Fatal(err)
	}
	c := &clock{now: start}
	box, err := sandbox.New(sandbox.Config{File: file, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	n := &calls{paths: map[string]int{}}
	server := httptest.NewServer(n.count(box.Handler()))
	t.Cleanup(server.Close)
	b := &bench{t: t, url: server.URL, cfg: box.Bases(server.URL), clock: c, calls: n, key: map[string]string{}}
	b.set = connector.New(b.cfg)
	if err := json.Unmarshal(ready.key, &b.key); err != nil {
		t.Fatal(err)
	}
	b.email = b.key["client_email"]
	return b
}

type preparation struct {
	state, key []byte
	err        error
}

// prepared makes one service account for all tests, because its RSA key takes a while.
var prepared = sync.OnceValue(func() (p preparation) {
	dir, err := os.MkdirTemp("", "sandbox")
	if err != nil {
		return preparation{err: err}
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "state.json")
	box, err := sandbox.New(sandbox.Config{File: file})
	if err != nil {
		return preparation{err: err}
	}
	w := httptest.NewRecorder()
	box.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/_sandbox/service-accounts", strings.NewReader(`{"name":"kpi"}`)))
	p.key = w.Body.Bytes()
	p.state, p.err = os.ReadFile(file)
	return p
})

// control sets the sandbox up, as a person at the provider's console.
func (b *bench) control(method, path string, body any) map[string]any {
	b.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+"/_sandbox"+path, bytes.NewReader(encoded))
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		b.t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, text, err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(text, &out); err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bench) fault(fault map[string]any) { b.control(http.MethodPost, "/faults", fault) }

// with returns the key file with changed fields; an empty value removes one.
func (b *bench) with(changes map[string]string) map[string]string {
	key := map[string]string{}
	for k, v := range b.key {
		key[k] = v
	}
	for k, v := range changes {
		if key[k] = v; v == "" {
			delete(key, k)
		}
	}
	return key
}

// secret parses a credential as the vault does and returns what it would seal.
func (b *bench) secret(service string, content any) []byte {
	b.t.Helper()
	raw, err := json.Marshal(content)
	if err != nil {
		b.t.Fatal(err)
	}
	s, ok := b.set.Service(service)
	if !ok {
		b.t.Fatalf("no service %s", service)
	}
	parsed, problems := s.Parse(raw)
	if len(problems) > 0 {
		b.t.Fatalf("Parse: %v", problems)
	}
	return parsed.JSON
}

func (b *bench) sheetsSecret() []byte { return b.secret(connector.GoogleSheets, b.key) }

// spreadsheet makes one that is shared with the service account.
func (b *bench) spreadsheet(tabs ...string) string {
	b.t.Helper()
	return b.control(http.MethodPost, "/spreadsheets", map[string]any{"title": "KPI", "tabs": tabs, "shareWith": b.email})["spreadsheetId"].(string)
}

// property makes one that is shared with the service account and returns the secret for it.
func (b *bench) property(zone string) (id string, secret []byte) {
	b.t.Helper()
	id = b.control(http.MethodPost, "/properties", map[string]any{
		"propertyId": "424242", "timeZone": zone, "currency": "EUR", "shareWith": b.email,
	})["propertyId"].(string)
	return id, b.secret(connector.GA4, b.with(map[string]string{"property_id": id}))
}

func (b *bench) source() connector.Source {
	s, ok := b.set.Source(connector.GA4)
	if !ok {
		b.t.Fatal("no source ga4")
	}
	return s
}

func (b *bench) verify(service string, secret []byte, bound connector.Binding) (connector.Proof, error) {
	s, ok := b.set.Service(service)
	if !ok {
		b.t.Fatalf("no service %s", service)
	}
	return s.Verify(b.t.Context(), secret, bound)
}

// wantError checks the reason and that the message contains the text.
func wantError(t *testing.T, err error, reason connector.Reason, text string) connector.Error {
	t.Helper()
	e, ok := errors.AsType[*connector.Error](err)
	if !ok {
		t.Fatalf("error = %v, want a *connector.Error", err)
	}
	if e.Reason != reason || !strings.Contains(e.Message, text) {
		t.Fatalf("error = %s %q, want %s %q", e.Reason, e.Message, reason, text)
	}
	if e.Retryable() != (reason == connector.Limited || reason == connector.Unavailable) {
		t.Errorf("Retryable() = %v for %s", e.Retryable(), reason)
	}
	return *e
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// calls counts requests by path.
type calls struct {
	mu    sync.Mutex
	paths map[string]int
}

func (c *calls) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.paths[r.URL.Path]++
		c.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (c *calls) tokens() int { return c.of("/oauth2/token") }

func (c *calls) of(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paths[path]
}

// under counts the calls below a path.
func (c *calls) under(prefix string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for path, times := range c.paths {
		if strings.HasPrefix(path, prefix) {
			n += times
		}
	}
	return n
}
