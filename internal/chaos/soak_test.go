package chaos_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	soak       = flag.Duration("soak", 4*time.Second, "how long the mixed load goes on")
	soakReport = flag.String("soak-report", "", "file that the report of the soak is written to")
)

// sample is what the server is like after a part of the soak.
type sample struct {
	after                            time.Duration
	rss                              int64 // bytes
	goroutines, connections, answers int64
	median, worst                    time.Duration // of GET /v1/users/me: p50, p99
}

// TestSoak lets people work and runs go on for a while, and looks whether the server grows.
func TestSoak(t *testing.T) {
	t.Parallel()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	w := newWorld(t)
	metrics, number := freeAddress(t), port(t)
	w.env = append(w.env, "PORT="+number, "METRICS_ADDR="+metrics)
	base := "http://localhost:" + number
	p := start(t, w.env, "serve")
	p.healthy(base)
	c := newCrowd(t, base, 4, *seed)
	client := w.at(base)
	for range 2 {
		w.join(client, sources...)
	}
	for _, who := range w.people {
		for _, service := range sources {
			who.furnishes(service)
		}
	}
	began := time.Now()
	part := max(*soak/30, time.Second)
	var samples []sample
	for n := 0; time.Since(began) < *soak; n++ {
		samples = append(samples, w.watch(part, began, base, metrics, p, c))
		for i, who := range w.people {
			who.asks(client, sources[(n+i)%len(sources)], 3, 1)
		}
	}
	w.settles()
	told, _, wrong := c.ends()
	w.leftovers()
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
	var runs int
	must(t, w.sql.QueryRow(t.Context(), `SELECT count(*) FROM kpi_runs WHERE status = 'completed'`).Scan(&runs))
	t.Logf("%s: %d answers, %d runs, %d differences", *soak, told, runs, len(wrong))
	if told < 20 || runs == 0 {
		t.Error("too little happened to prove anything")
	}
	flat(t, samples)
	w.reportSoak(samples, told, runs, len(wrong))
}

// watch looks on for a part of the soak and measures a cheap route meanwhile.
func (w *world) watch(part time.Duration, began time.Time, base, metrics string, p *process, c *crowd) sample {
	w.t.Helper()
	var took []time.Duration
	looker := &actor{t: w.t, base: base, http: http.DefaultClient}
	looker.access, _ = looker.signIn(w.t.Context(), c.all[0].email)
	for end := time.Now().Add(part); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		at := time.Now()
		if status, done := looker.act(w.t.Context(), "GET", "/v1/users/me", looker.access, nil, nil); !done || status != http.StatusOK {
			w.t.Errorf("me: %d", status)
		}
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	s := sample{after: time.Since(began), rss: resident(w.t, p.cmd.Process.Pid), median: took[len(took)/2], worst: took[len(took)*99/100]}
	figures := scrape(w.t, "http://"+metrics+"/metrics", "go_goroutines", "turkey_db_pool_connections")
	s.goroutines, s.connections, s.answers = figures["go_goroutines"], figures["turkey_db_pool_connections"], c.told()
	return s
}

// flat compares the last third with the first one after the warm-up. Short soaks are too short to tell.
func flat(t *testing.T, samples []sample) {
	t.Helper()
	if len(samples) < 12 {
		return
	}
	samples = samples[len(samples)/6:]
	third := len(samples) / 3
	for what, of := range map[string]func(sample) int64{"resident memory": func(s sample) int64 { return s.rss }, "goroutines": func(s sample) int64 { return s.goroutines },
		"connections": func(s sample) int64 { return s.connections }, "median latency": func(s sample) int64 { return int64(s.median) }} {
		first, last := middle(samples[:third], of), middle(samples[len(samples)-third:], of)
		if float64(last) > 1.25*float64(first)+10 {
			t.Errorf("%s grew from %d to %d", what, first, last)
		}
	}
}

func middle(samples []sample, of func(sample) int64) int64 {
	var all []int64
	for _, s := range samples {
		all = append(all, of(s))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func resident(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.Fields(kib)[0], 10, 64)
			must(t, err)
			return n << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// scrape reads figures of a Prometheus page; those with labels are added up.
func scrape(t testing.TB, url string, names ...string) map[string]int64 {
	t.Helper()
	resp, err := http.Get(url)
	must(t, err)
	defer resp.Body.Close()
	found := map[string]int64{}
	lines := bufio.NewScanner(io.LimitReader(resp.Body, 4<<20))
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		bare, _, _ := strings.Cut(name, "{")
		if !ok || !slices.Contains(names, bare) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		must(t, err)
		found[bare] += int64(v)
	}
	for _, name := range names {
		if _, ok := found[name]; !ok {
			t.Errorf("%s says nothing of %s", url, name)
		}
	}
	return found
}

func (w *world) reportSoak(samples []sample, told int64, runs, wrong int) {
	w.t.Helper()
	if *soakReport == "" {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Soak\n\n`make soak`, commit %s, %s, `-seed %d`: %s of mixed load by four people one thing after the other (accounts, sessions, credentials,\n"+
		"mappings) and two whose sources are collected; %d answers, %d runs. Acknowledged and lost, done twice or undone: **%d**.\n\n", *commit, time.Now().UTC().Format(time.DateOnly), *seed, *soak, told, runs, wrong)
	b.WriteString("| after | RSS MiB | goroutines | connections to PostgreSQL | answers | users/me p50, p99 ms |\n|---|---|---|---|---|---|\n")
	for _, s := range samples {
		fmt.Fprintf(&b, "| %s | %.1f | %d | %d | %d | %.1f, %.1f |\n", s.after.Round(time.Second), float64(s.rss)/(1<<20), s.goroutines, s.connections, s.answers,
			s.median.Seconds()*1000, s.worst.Seconds()*1000)
	}
	must(w.t, os.WriteFile(*soakReport, []byte(b.String()), 0o644))
}
