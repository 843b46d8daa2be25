package trace

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

const (
	canary = "hunter2-canary"
	parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
)

// TestOneRequestsTrace plays a request that asks PostgreSQL and a provider, with a secret wherever one can be.
func TestOneRequestsTrace(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	traces := c.start(t, func(cfg *Config) { cfg.Resource = "deployment.environment.name=test" })
	database, err := db.Open(t.Context(), db.Config{URL: dbtest.URL(t), MaxConns: 2, Tracer: traces.Statements()})
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	var leaked http.Header
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked = r.Header
		w.WriteHeader(http.StatusTeapot)
	}))
	defer provider.Close()

	r := httptest.NewRequest(http.MethodPost, "/v1/things/"+canary+"?token="+canary, strings.NewReader(canary))
	r.Header.Set("Traceparent", parent)
	r.Header.Set("Authorization", canary)
	ctx, end := traces.Request(r)
	var n int
	conn := database.In(db.System())
	if err := conn.QueryRow(ctx, "-- name: CountThings :one\nSELECT length($1::text), '"+canary+"'::text IS NULL", canary).Scan(&n, new(bool)); err != nil {
		t.Fatal(err)
	}
	// The message of this error quotes the argument.
	if err := conn.QueryRow(ctx, "-- name: BrokenThing :one\nSELECT $1::text::integer", canary).Scan(&n); err == nil {
		t.Error("not an integer")
	}
	client := http.Client{Transport: traces.Calls(http.DefaultTransport)}
	for _, url := range []string{provider.URL + "/" + canary + "?access_token=" + canary, "http://127.0.0.1:1/" + canary} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			if len(c.spans) > 0 {
				t.Error("sent too early")
			}
		}
	}
	end("POST /v1/things/{id}", 500)
	var log bytes.Buffer
	slog.New(Logs(slog.NewJSONHandler(&log, nil))).InfoContext(ctx, "x")
	// Without a span around it a statement is none.
	if err := conn.QueryRow(t.Context(), "-- name: Silent :one\nSELECT 1").Scan(&n); err != nil {
		t.Fatal(err)
	}
	stop(t, traces)

	request, statement, broken, call := c.spans["POST /v1/things/{id}"], c.spans["CountThings"], c.spans["BrokenThing"], c.spans["GET 127.0.0.1"]
	if request.TraceID != "0af7651916cd43dd8448eb211c80319c" || request.Parent != "b7ad6b7169203331" || request.Kind != 2 || request.Status == nil {
		t.Errorf("the request: %+v", request)
	}
	for _, s := range []span{statement, broken, call} {
		if s.TraceID != request.TraceID || s.Parent != request.SpanID || s.Kind != 3 {
			t.Errorf("a part of the request: %+v", s)
		}
	}
	request.is(t, "http.route", "/v1/things/{id}")
	request.is(t, "http.response.status_code", "500")
	statement.is(t, "db.system.name", "postgresql")
	broken.is(t, "db.response.status_code", "22P02")
	if statement.Status != nil || broken.Status == nil || broken.Status.Code != 2 {
		t.Errorf("%+v, %+v", statement.Status, broken.Status)
	}
	if c.service != "turkey" || c.headers.Get("Authorization") != "Bearer collector" || !strings.Contains(c.raw.String(), "deployment.environment.name") {
		t.Errorf("%q, %v", c.service, c.headers)
	}
	if strings.Contains(c.raw.String(), canary) || strings.Contains(c.raw.String(), "SELECT length") || strings.Contains(c.raw.String(), "Silent") {
		t.Errorf("a trace holds what it must not: %s", c.raw.String())
	}
	if leaked.Get("Traceparent") != "" || leaked.Get("Tracestate") != "" {
		t.Errorf("the provider heard of the trace: %v", leaked)
	}
	if !strings.Contains(log.String(), `"trace_id":"0af7651916cd43dd8448eb211c80319c"`) {
		t.Errorf("the line does not name its trace: %s", log.String())
	}
}

func TestJobsAndRuns(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	traces := c.start(t, nil)
	ctx, end := traces.Job(t.Context(), "kpi_run")
	_, ended := traces.Run(ctx, "ga4")
	ended("failed", "rejected")
	end("completed")
	stop(t, traces)
	job, run := c.spans["job kpi_run"], c.spans["run ga4"]
	if job.Parent != "" || run.Parent != job.SpanID || run.Status == nil || job.Status != nil {
		t.Errorf("%+v, %+v", job, run)
	}
	run.is(t, "turkey.run.reason", "rejected")
	job.is(t, "turkey.job.result", "completed")
}

// A collector that is busy is asked again; one that refuses, or is not there, costs spans and nothing else.
func TestACollectorThatIsNotWell(t *testing.T) {
	t.Parallel()
	for _, answers := range [][]int{{503}, {400}, {302}} {
		c := newCollector(t)
		c.status = answers
		var log bytes.Buffer
		traces := c.start(t, func(cfg *Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		_, end := traces.Job(t.Context(), "mail")
		end("completed")
		stop(t, traces)
		if _, sent := c.spans["job mail"]; sent != (answers[0] == 503) || sent == strings.Contains(log.String(), "traces cannot be sent") {
			t.Errorf("%v: sent: %t, log: %s", answers, sent, log.String())
		}
	}
	var log bytes.Buffer
	traces, err := Start(Config{Endpoint: "http://user:" + canary + "@127.0.0.1:1/v1/traces", Service: "x", Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	_, end := traces.Job(t.Context(), "mail")
	end("completed")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := traces.Stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if strings.Contains(log.String(), canary) {
		t.Errorf("the log holds the address: %s", log.String())
	}
}

func TestSampling(t *testing.T) {
	t.Parallel()
	for sampler, want := range map[string]bool{"": true, "always_on": true, "always_off": false, "parentbased_always_off": false, "traceidratio": false,
		"parentbased_traceidratio": false} {
		c := newCollector(t)
		traces := c.start(t, func(cfg *Config) { cfg.Sampler, cfg.SamplerArg = sampler, "0" })
		_, end := traces.Request(httptest.NewRequest(http.MethodGet, "/", nil))
		end("", 200)
		stop(t, traces)
		if _, sent := c.spans["GET"]; sent != want {
			t.Errorf("%q: %t", sampler, sent)
		}
	}
	for _, bad := range [][2]string{{"sometimes", ""}, {"traceidratio", "2"}, {"", "x"}} {
		if CheckSampler(bad[0], bad[1]) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := Start(Config{Headers: canary}); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("headers of the wrong form: %v", err)
	}
}

// Switched off, nothing is in any path.
func TestNobodyTraces(t *testing.T) {
	t.Parallel()
	var traces *Tracing
	if traces.Statements() != nil || traces.Calls(http.DefaultTransport) != http.DefaultTransport || traces.Stop(t.Context()) != nil {
		t.Error("something is in the way")
	}
	ctx, end := traces.Job(t.Context(), "x")
	end("completed")
	if ctx != t.Context() {
		t.Error("another context")
	}
}
