package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/pgdev"
)

// clients is how many keep-alive connections ask at once.
const clients = 8

// side is one of the two programs under load: how to make a worker, whose every call is one operation.
type side struct {
	server *server
	worker func(n int) (func() error, error)
}

type scenario struct {
	name        string
	target      string
	ours, floor side
}

type figures struct {
	ops              int
	perSecond        float64
	server, database time.Duration // processor time per operation
	p50, p99         time.Duration
}

func (f figures) total() time.Duration { return f.server + f.database }

// loads runs every scenario on both sides in turns.
func (b *bench) loads(ctx context.Context, pg *pgdev.Server) error {
	ours, err := start(ctx, b.turkey, []string{"serve"}, turkeyEnv("DATABASE_URL="+pg.DSN("postgres", "ours"),
		"TURKEY_DATA_DIR="+filepath.Join(b.dir, "data"), "TURKEY_SANDBOX=true", "RATE_LIMIT_MAX_REQUESTS=1000000000",
		"LOGIN_RATE_LIMIT_MAX_ATTEMPTS=1000000000", "REFRESH_RATE_LIMIT_MAX_ATTEMPTS=1000000000", "REGISTER_RATE_LIMIT_MAX_ATTEMPTS=1000000000"),
		turkeyBase, "/health")
	if err != nil {
		return err
	}
	defer ours.stop()
	floor, err := start(ctx, b.floor, nil, []string{"DATABASE_URL=" + pg.DSN("postgres", "floor"), "FLOOR_ADDR=127.0.0.1:" + port(floorBase)}, floorBase, "/static")
	if err != nil {
		return err
	}
	defer floor.stop()
	postmaster, err := postmasterPID(pg)
	if err != nil {
		return err
	}
	b.printf("## Hot operations against the floor\n")
	b.printf("%d keep-alive connections, closed loop, %d rounds of %s each, in turns. CPU is processor time per operation; the targets are about the server's.\n", clients, b.rounds, b.slice)
	b.printf("| operation | server CPU | spread | target | with PostgreSQL's | ours: server + PG µs | floor: server + PG µs | ours op/s | floor op/s | ours p50 / p99 ms |\n|---|---|---|---|---|---|---|---|---|---|")
	for _, sc := range scenarios(ours, floor) {
		if !strings.Contains(sc.name, b.only) {
			continue
		}
		if err := b.compare(ctx, sc, pg, postmaster); err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
	}
	b.printf("\nRSS of the server after the loads: %.1f MiB\n", mib(rss(ours.cmd.Process.Pid)))
	if b.only != "" {
		return nil
	}
	return b.storm(ours)
}

// storm is many sign-ins at once: whether the server still answers others, and what it weighs meanwhile.
func (b *bench) storm(s *server) error {
	const callers, length = 64, 5 * time.Second
	login, err := ourLogin(0)
	if err != nil {
		return err
	}
	began := time.Now()
	var done, refused atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for time.Since(began) < length {
				if err := login(); err != nil { // 503 with Retry-After: the queue for hashes is short
					refused.Add(1)
					time.Sleep(100 * time.Millisecond)
					continue
				}
				done.Add(1)
			}
		})
	}
	var health []time.Duration
	heaviest := 0
	for time.Since(began) < length {
		t := time.Now()
		if err := call(http.MethodGet, s.base+"/health", "", nil, nil); err != nil {
			return err
		}
		health = append(health, time.Since(t))
		heaviest = max(heaviest, rss(s.cmd.Process.Pid))
		time.Sleep(10 * time.Millisecond)
	}
	wg.Wait()
	slices.Sort(health)
	b.printf("## A storm of sign-ins\n")
	b.printf("%d callers for %s: %d signed in, %d were asked to wait (503). /health meanwhile: p50 %.1f ms, p99 %.1f ms (target < 50). RSS at most %.0f MiB (target < 250).",
		callers, length, done.Load(), refused.Load(), health[len(health)/2].Seconds()*1000, health[len(health)*99/100].Seconds()*1000, mib(heaviest))
	return nil
}

func (b *bench) compare(ctx context.Context, sc scenario, pg *pgdev.Server, postmaster int) error {
	var ratios, whole []float64
	var ours, floors []figures
	for round := range b.rounds {
		if round == 0 { // rows to take statistics of, which autovacuum would do in a minute
			for _, s := range []side{sc.ours, sc.floor} {
				if _, err := b.measure(s, postmaster); err != nil {
					return err
				}
			}
			if err := analyze(ctx, pg, "ours", "floor"); err != nil {
				return err
			}
		}
		o, err := b.measure(sc.ours, postmaster)
		if err != nil {
			return fmt.Errorf("ours: %w", err)
		}
		f, err := b.measure(sc.floor, postmaster)
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		ours, floors = append(ours, o), append(floors, f)
		ratios = append(ratios, float64(o.server)/float64(f.server))
		whole = append(whole, float64(o.total())/float64(f.total()))
	}
	slices.Sort(ratios)
	slices.Sort(whole)
	o, f := median(ours), median(floors)
	b.printf("| %s | **%.2f** | %.2f to %.2f | %s | %.2f | %d + %d | %d + %d | %.0f | %.0f | %.2f / %.2f |", sc.name, ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1], sc.target, whole[len(whole)/2],
		o.server.Microseconds(), o.database.Microseconds(), f.server.Microseconds(), f.database.Microseconds(), o.perSecond, f.perSecond,
		o.p50.Seconds()*1000, o.p99.Seconds()*1000)
	return nil
}

func analyze(ctx context.Context, pg *pgdev.Server, names ...string) error {
	for _, n := range names {
		conn, err := pgx.Connect(ctx, pg.DSN("postgres", n))
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "VACUUM ANALYZE")
		_ = conn.Close(ctx) // nothing is left to lose
		if err != nil {
			return err
		}
	}
	return nil
}

func median(all []figures) figures {
	slices.SortFunc(all, func(a, b figures) int { return int(a.total() - b.total()) })
	return all[len(all)/2]
}

// measure loads one side for a slice and reads what that cost.
func (b *bench) measure(s side, postmaster int) (figures, error) {
	calls := make([]func() error, clients)
	for i := range calls {
		var err error
		if calls[i], err = s.worker(i); err != nil {
			return figures{}, err
		}
	}
	for range 20 { // connections and caches
		for _, call := range calls {
			if err := call(); err != nil {
				return figures{}, err
			}
		}
	}
	pid := s.server.cmd.Process.Pid
	server, database := cpu(pid), childrenCPU(postmaster)
	began := time.Now()
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(func() {
			var mine []time.Duration
			for time.Since(began) < b.slice {
				t := time.Now()
				if err := call(); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					return
				}
				mine = append(mine, time.Since(t))
			}
			mu.Lock()
			all = append(all, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	took := time.Since(began)
	if failed != nil {
		return figures{}, failed
	}
	n := time.Duration(len(all))
	slices.Sort(all)
	return figures{ops: len(all), perSecond: float64(len(all)) / took.Seconds(), server: (cpu(pid) - server) / n,
		database: (childrenCPU(postmaster) - database) / n, p50: all[len(all)/2], p99: all[len(all)*99/100]}, nil
}

func postmasterPID(pg *pgdev.Server) (int, error) {
	b, err := os.ReadFile(filepath.Join(pg.DataDir, "pg", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strconv.Atoi(line)
}

var httpClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: 30 * time.Second}

// call sends one request and decodes the answer into out (nil: it is thrown away).
func call(method, url, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, url, body) //nolint:noctx // bounded by the client's timeout
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %s", method, url, resp.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
