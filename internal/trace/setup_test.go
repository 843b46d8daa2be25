package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// collector is the other end; it answers as it is told and keeps what it got.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	status  []int // of the next answers; then 200
	headers http.Header
	raw     bytes.Buffer
	spans   map[string]span // by name
	service string
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{spans: map[string]span{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.status) > 0 {
			w.WriteHeader(c.status[0])
			c.status = c.status[1:]
			return
		}
		c.headers = r.Header
		c.raw.Write(body)
		var m request
		if err := json.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		for _, rs := range m.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					c.service, _ = a.Value["stringValue"].(string)
				}
			}
			for _, s := range rs.ScopeSpans[0].Spans {
				c.spans[s.Name] = s
			}
		}
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) start(t *testing.T, change func(*Config)) *Tracing {
	t.Helper()
	cfg := Config{Endpoint: c.URL + "/v1/traces", Headers: "Authorization=Bearer%20collector", Service: "turkey", Version: "1.2.3", Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	traces, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return traces
}

// stop sends everything.
func stop(t *testing.T, traces *Tracing) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := traces.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// is fails the test unless the span has this value of an attribute.
func (s span) is(t *testing.T, key string, want any) {
	t.Helper()
	for _, a := range s.Attributes {
		if a.Key == key {
			for _, v := range a.Value {
				if v != want {
					t.Errorf("%s: %s is %v, want %v", s.Name, key, v, want)
				}
			}
			return
		}
	}
	t.Errorf("%s has no %s: %+v", s.Name, key, s.Attributes)
}
