package metric

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// scrape is what Prometheus would read.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in:\n%s", line, text)
		}
	}
}

func TestRequestsCountByRoute(t *testing.T) {
	t.Parallel()
	m := New("1.2.3", Known{})
	m.Request("GET", "GET /v1/users/{id}", 200, 3*time.Millisecond)
	m.Request("HEAD", "GET /v1/users/{id}", 404, time.Millisecond)
	m.Request("GET", "GET /v1/users/{id}", 503, time.Second)
	m.Request("GET", "GET /v1/feed", 200, -1) // a stream
	m.Request("GET", "", 404, time.Millisecond)
	m.Request("GET", "/console/", 0, time.Millisecond) // cut
	m.Request("CANARY", "", 404, time.Millisecond)
	text := scrape(t, m)
	has(t, text,
		`turkey_http_requests_total{method="GET",route="/v1/users/{id}",status="2xx"} 1`,
		`turkey_http_requests_total{method="GET",route="/v1/users/{id}",status="5xx"} 1`,
		`turkey_http_requests_total{method="HEAD",route="/v1/users/{id}",status="4xx"} 1`,
		`turkey_http_requests_total{method="GET",route="/v1/feed",status="2xx"} 1`,
		`turkey_http_requests_total{method="GET",route="unmatched",status="4xx"} 1`,
		`turkey_http_requests_total{method="GET",route="/console/",status="aborted"} 1`,
		`turkey_http_requests_total{method="other",route="unmatched",status="4xx"} 1`,
		`turkey_http_request_duration_seconds_count{method="GET",route="/v1/users/{id}"} 2`,
		`turkey_http_request_duration_seconds_count{method="GET",route="/v1/feed"} 0`,
		`turkey_http_request_duration_seconds_bucket{method="GET",route="/v1/users/{id}",le="0.005"} 1`)
	if strings.Contains(text, "CANARY") {
		t.Error("a word of a client became a label")
	}
}

// Whatever should one day come as a pattern, the labels do not grow without end.
func TestRoutesAreBounded(t *testing.T) {
	t.Parallel()
	m := New("1.2.3", Known{})
	for i := range 3 * mostRoutes {
		m.Request("GET", fmt.Sprintf("/%d", i), 200, time.Millisecond)
	}
	text := scrape(t, m)
	if n := strings.Count(text, "turkey_http_requests_total{"); n > mostRoutes+1 {
		t.Errorf("%d lines", n)
	}
	has(t, text, fmt.Sprintf(`turkey_http_requests_total{method="other",route="other",status="2xx"} %d`, 2*mostRoutes))
}

func TestWhatIsKnownStartsAtZero(t *testing.T) {
	t.Parallel()
	m := New("1.2.3", Known{Limiters: []string{"login"}, Services: []string{"ga4"}, Mails: []string{"welcome"}, Formats: []string{"slack"}})
	has(t, scrape(t, m), `turkey_limit_refusals_total{limiter="login"} 0`, `turkey_runs_total{outcome="completed",reason="",service="ga4"} 0`,
		`turkey_mails_total{kind="welcome",outcome="failed"} 0`, `turkey_webhook_deliveries_total{format="slack",outcome="failed"} 0`)
	m.Mail("welcome", nil, false)
	m.Mail("welcome", errors.New("later"), false)
	m.Mail("welcome", errors.New("never"), true)
	_, end := m.Job(t.Context(), "mail")
	has(t, scrape(t, m), `turkey_jobs_running{kind="mail"} 1`)
	end("completed")
	_, ended := m.Run(t.Context(), "ga4")
	ended("failed", "rejected")
	m.Hashed(time.Millisecond, 20*time.Millisecond)
	m.Refused("login")
	m.Delivery("slack", "failed")
	has(t, scrape(t, m), `turkey_mails_total{kind="welcome",outcome="sent"} 1`, `turkey_mails_total{kind="welcome",outcome="retried"} 1`,
		`turkey_mails_total{kind="welcome",outcome="failed"} 1`, `turkey_jobs_running{kind="mail"} 0`, `turkey_jobs_total{kind="mail",result="completed"} 1`,
		`turkey_runs_total{outcome="failed",reason="rejected",service="ga4"} 1`, `turkey_hashing_wait_seconds_count 1`,
		`turkey_hashing_duration_seconds_bucket{le="0.025"} 1`, `turkey_limit_refusals_total{limiter="login"} 1`,
		`turkey_webhook_deliveries_total{format="slack",outcome="failed"} 1`)
}

// Who is measured does not ask whether somebody measures.
func TestNobodyMeasures(t *testing.T) {
	t.Parallel()
	var m *Metrics
	m.Request("GET", "", 200, 0)
	m.Hashed(0, 0)
	m.Refused("x")
	m.Mail("x", nil, false)
	m.Delivery("x", "y")
	m.Watch(Sources{})
	m.Read(nil, nil, nil)
	_, end := m.Job(context.Background(), "x")
	end("completed")
	_, ended := m.Run(context.Background(), "x")
	ended("completed", "")
}

func TestListenerHasProfilesAndNothingElse(t *testing.T) {
	t.Parallel()
	m := New("1.2.3", Known{})
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := m.Serve(l, slog.New(slog.DiscardHandler))
	for path, want := range map[string]int{"/metrics": 200, "/livez": 200, "/debug/pprof/": 200, "/debug/pprof/heap": 200, "/debug/pprof/cmdline": 200, "/": 404,
		"/v1/auth/login": 404} {
		resp, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	stop()
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

// What the server pays for each request.
func BenchmarkRequest(b *testing.B) {
	m := New("1.2.3", Known{})
	b.ReportAllocs()
	for b.Loop() {
		m.Request("POST", "POST /v1/auth/login", 200, 1234*time.Microsecond)
	}
}

func TestARequestAllocatesNothing(t *testing.T) {
	m := New("1.2.3", Known{})
	if n := testing.AllocsPerRun(100, func() { m.Request("POST", "POST /v1/auth/login", 200, time.Millisecond) }); n > 0 {
		t.Errorf("%.0f allocations", n)
	}
}
