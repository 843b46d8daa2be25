package cli_test

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// spans is a collector of traces that keeps all it gets.
func spans(t *testing.T) (url string, got *lines) {
	t.Helper()
	got = &lines{}
	c := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(got, r.Body) // what is torn lacks the spans that are looked for
	}))
	t.Cleanup(c.Close)
	return c.URL, got
}

// scrape is what Prometheus would read.
func scrape(t testing.TB, address string) string {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %d %s", resp.StatusCode, text)
	}
	return string(text)
}

// namesIn are the names of metrics in a scrape, with those that a histogram is asked by.
func namesIn(text string) map[string]bool {
	all := map[string]bool{}
	for _, name := range regexp.MustCompile(`(?m)^[a-z_]+`).FindAllString(text, -1) {
		all[name] = true
	}
	return all
}

// TestWhatIsMeasuredOfARealServer plays people, a run and a mail, with secrets in every place, and then looks at everything
// that leaves the server for whoever watches it.
func TestWhatIsMeasuredOfARealServer(t *testing.T) {
	t.Parallel()
	metrics, health := "localhost:"+freePort(t), "localhost:"+freePort(t)
	collector, traces := spans(t)
	const header, trace = "hunter2-collector", "0af7651916cd43dd8448eb211c80319c"
	s := setup(t, "METRICS_ADDR="+metrics, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector, "OTEL_EXPORTER_OTLP_HEADERS=x-key="+header, "LOG_FORMAT=json",
		"BACKUP_DIR="+t.TempDir())
	s.secret(header)
	u, g := s.user("shop"), s.google()
	s.secret(u.Tokens().AccessToken)
	s.secret(u.Tokens().RefreshToken)
	g.ready(u)
	job, err := u.Sync(t.Context(), "ga4", "")
	must(t, err)
	if j, err := u.WaitJob(t.Context(), job); err != nil || j.Status != "completed" {
		t.Fatalf("%+v, %v", j, err)
	}
	req, err := http.NewRequest(http.MethodPost, s.base+"/v1/auth/login?token="+s.secret("hunter2-query"), strings.NewReader(
		`{"appId":"shop","email":"nobody@example.com","password":"`+s.secret("hunter2-password")+`"}`))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	s.do(req).want(t, 401, "")
	guess := map[string]string{"appId": "shop", "email": "nobody@example.com", "password": "wrong-password"}
	for range 4 {
		s.call(http.MethodPost, "/v1/auth/login", "", guess).want(t, 401, "")
	}
	s.call(http.MethodPost, "/v1/auth/login", "", guess).want(t, 429, "account_locked")
	const path = "hunter2-path" // the log has paths
	s.call(http.MethodGet, "/api/credentials/"+path, bearer(u), nil)

	// Nothing of it is for the public.
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/vars"} {
		s.call(http.MethodGet, path, "", nil).want(t, 404, "not_found")
	}

	var text string
	eventually(t, "the run, the mail and the seal are counted", func() bool {
		text = scrape(t, metrics)
		return strings.Contains(text, `turkey_runs_total{outcome="completed",reason="",service="ga4"} 1`) &&
			strings.Contains(text, `turkey_mails_total{kind="verify_email",outcome="sent"} 1`) && strings.Contains(text, `turkey_jobs_total{kind="audit_seal",`) &&
			strings.Contains(text, `turkey_revocation_feed_current 1`)
	})
	for _, line := range []string{
		`turkey_http_requests_total{method="POST",route="/v1/auth/login",status="4xx"} 6`, `turkey_http_requests_total{method="POST",route="/api/credentials/save",status="2xx"} 2`,
		`turkey_build_info{goversion="`, `turkey_credentials{service="ga4",state="`, `turkey_hashing_duration_seconds_count 6`,
		`turkey_limit_refusals_total{limiter="lockout"} 1`, `turkey_backup_last_success_timestamp_seconds 0`, `turkey_http_requests_in_flight `,
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("no line %s… in:\n%s", line, ours(text))
		}
	}

	// A worker has a listener of its own.
	w := serve(t, []string{"DATABASE_URL=" + s.db, "TURKEY_DATA_DIR=" + s.dir, "TURKEY_SANDBOX=true", "TURKEY_SANDBOX_PORT=" + s.sandbox[strings.LastIndex(s.sandbox, ":")+1:],
		"PORT=" + strings.TrimPrefix(health, "localhost:"), "WORKER_HEALTH_ADDR=" + health, "METRICS_ADDR=localhost:" + freePort(t)}, "worker")
	address := regexp.MustCompile(`Metrics at http://([^/ ]+)/metrics`).FindStringSubmatch(w.log.String())
	if address == nil || !namesIn(scrape(t, address[1]))["turkey_db_pool_connections"] {
		t.Errorf("the worker has no metrics:\n%s", w.log)
	}
	w.call(http.MethodGet, "/metrics", "", nil).want(t, 404, "not_found")
	w.stop(syscall.SIGTERM)

	checkAsked(t, namesIn(text))
	checkDocumented(t, text)

	s.stop(syscall.SIGTERM) // sends the last spans
	for _, want := range []string{`"POST /v1/auth/login"`, `"job kpi_run"`, `"run ga4"`, `"StartRun"`, `"traceId":"` + trace + `"`, `"server.address"`} {
		if !strings.Contains(traces.String(), want) {
			t.Errorf("no span has %s", want)
		}
	}
	if !regexp.MustCompile(`"path":"/v1/auth/login","status":401[^\n]*"trace_id":"` + trace + `"`).MatchString(s.log.String()) {
		t.Error("the line of the request does not name its trace")
	}
	for what, sink := range map[string]string{"metrics": text, "traces": traces.String()} {
		s.secrets.Range(func(v, _ any) bool {
			if strings.Contains(sink, v.(string)) {
				t.Errorf("the %s hold the secret %q", what, v)
			}
			return true
		})
		for _, personal := range []string{path, "@example.com", `"shop"`, "user-1", g.spreadsheet, `"` + g.property} {
			if strings.Contains(sink, personal) {
				t.Errorf("the %s hold %q", what, personal)
			}
		}
		if found := neverLogged.FindString(sink); found != "" {
			t.Errorf("the %s hold %q", what, found)
		}
	}
}

// ours are the lines of a scrape that a test may have missed one among.
func ours(text string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return !strings.HasPrefix(l, "turkey_") || strings.Contains(l, "_bucket") }), "\n")
}

// checkAsked holds the names in the dashboard and in the alerts against those of a scrape.
func checkAsked(t *testing.T, there map[string]bool) {
	t.Helper()
	for _, name := range []string{"../../deploy/grafana/turkey-dashboard.json", "../../deploy/prometheus/alerts.yaml"} {
		content, err := os.ReadFile(name)
		must(t, err)
		if strings.HasSuffix(name, ".json") && !json.Valid(content) {
			t.Errorf("%s is no JSON", name)
		}
		found := regexp.MustCompile(`\b(turkey|go|process)_[a-z_]+`).FindAllString(string(content), -1)
		if len(found) < 20 {
			t.Errorf("%s asks for %d metrics", name, len(found))
		}
		for _, metric := range found {
			if !there[metric] {
				t.Errorf("%s asks for %s, which no server has", name, metric)
			}
		}
	}
}

var (
	helpLine   = regexp.MustCompile(`(?m)^# HELP (turkey_[a-z_]+) (.*)\n# TYPE \S+ (\S+)`)
	labelledBy = regexp.MustCompile(`(?m)^(turkey_[a-z_]+)\{([^\n]*)\} `)
	labelName  = regexp.MustCompile(`([a-z]+)="`)
	partOfOne  = regexp.MustCompile(`_(bucket|count|sum)$`)
)

// checkDocumented holds the table of docs/observability.md against a scrape; with -update it is written.
func checkDocumented(t *testing.T, text string) {
	t.Helper()
	const path, begin, end = "../../docs/observability.md", "<!-- metrics -->\n", "<!-- /metrics -->"
	labels := map[string][]string{}
	for _, m := range labelledBy.FindAllStringSubmatch(text, -1) {
		name := partOfOne.ReplaceAllString(m[1], "")
		for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "le" && !slices.Contains(labels[name], "`"+l[1]+"`") {
				labels[name] = append(labels[name], "`"+l[1]+"`")
			}
		}
	}
	table := "| metric | type | labels | meaning |\n|---|---|---|---|\n"
	for _, m := range helpLine.FindAllStringSubmatch(text, -1) {
		table += "| `" + m[1] + "` | " + m[3] + " | " + strings.Join(labels[m[1]], ", ") + " | " + m[2] + " |\n"
	}
	doc, err := os.ReadFile(path)
	must(t, err)
	before, rest, begun := strings.Cut(string(doc), begin)
	have, after, ended := strings.Cut(rest, end)
	switch {
	case !begun || !ended:
		t.Errorf("%s has no place for the metrics", path)
	case flag.Lookup("update").Value.String() == "true": // that of TestOpenAPI
		must(t, os.WriteFile(path, []byte(before+begin+table+end+after), 0o600))
	case have != table:
		t.Errorf("%s differs from what a server says: run go test ./internal/cli -run TestWhatIsMeasured -update. It would be:\n%s", path, table)
	}
}

// TestLogFileIsOpenedAnew does what logrotate does, under load: no line is lost, and none is torn.
func TestLogFileIsOpenedAnew(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "logs", "app.log")
	s := setup(t, "LOG_FILE="+file, "LOG_FORMAT=json")
	done, asked := make(chan struct{}), make(chan int64)
	var answered atomic.Int64
	go func() {
		for {
			select {
			case <-done:
				asked <- answered.Load()
				return
			default:
			}
			if resp, err := http.Get(s.base + "/nowhere"); err == nil {
				_ = resp.Body.Close() // only the line in the log counts
				answered.Add(1)
			}
		}
	}()
	read := func(name string) string {
		b, _ := os.ReadFile(name) // not there yet is empty
		return string(b)
	}
	moved := []string{file + ".1", file + ".2", file + ".3"}
	for _, name := range moved {
		from := answered.Load()
		eventually(t, "requests are logged", func() bool { return answered.Load() > from+20 })
		must(t, os.Rename(file, name))
		must(t, s.cmd.Process.Signal(syscall.SIGHUP))
		eventually(t, "a new file appears", func() bool { return strings.Contains(read(file), "LOG_FILE was opened anew") })
	}
	close(done)
	want := <-asked
	s.stop(syscall.SIGTERM)
	var logged int64
	for _, name := range append(moved, file) {
		for _, line := range strings.Split(strings.TrimSpace(read(name)), "\n") {
			var m struct{ Path string }
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatalf("%s: %q: %v", name, line, err)
			}
			if m.Path == "/nowhere" {
				logged++
			}
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o007 != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if logged != want {
		t.Errorf("%d of %d lines are in the files", logged, want)
	}
}

func TestSettingsOfObservabilityThatCannotWork(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, bad := range []string{"METRICS_ADDR=" + strings.TrimPrefix(s.base, "http://"), "METRICS_ADDR=9090", "OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318", "OTEL_TRACES_SAMPLER=sometimes"} {
		name, _, _ := strings.Cut(bad, "=")
		o := run(t, []string{"DATABASE_URL=" + s.db, bad, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:1/v1/traces", "PORT=" + freePort(t)}, "serve")
		if o.code != 1 || !strings.Contains(o.err, name) {
			t.Errorf("%s: %d: %s", bad, o.code, o.err)
		}
	}
}
