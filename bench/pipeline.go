package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/pgdev"
)

// pipelineOnly measures nothing but the pipeline.
const pipelineOnly = "pipeline"

// pipelineLoad is the size of the pipeline scenario.
type pipelineLoad struct {
	users   int
	latency time.Duration // of every provider call
	timeout time.Duration // of one round
	env     []string      // further settings of the server
}

// night is one round of the scenario: all schedules come due at one moment, and their runs end.
type night struct {
	runs, ended      int           // of which so many ended in time
	failed           int           // or did not end
	enqueued, done   time.Duration // since the moment
	server, database time.Duration // processor time, of which of the sandbox
	sandbox          time.Duration
	transactions     int64
	asked            tally
	heaviest         int // bytes
	me, list         []time.Duration
	reasons          string
}

// pipeline measures what runs cost when all schedules are due at once.
func (b *bench) pipeline(ctx context.Context) error {
	load := b.load
	base, err := freeBase()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	providers, err := start(ctx, self, []string{"-latency", load.latency.String()}, []string{sandboxAddress + "=" + strings.TrimPrefix(base, "http://")}, base, "/tally")
	if err != nil {
		return err
	}
	defer providers.stop()
	pg, err := pgdev.Start(ctx, pgdev.Config{DataDir: filepath.Join(b.dir, "pipeline-pg")})
	if err != nil {
		return err
	}
	defer pg.Stop() //nolint:errcheck // a temporary cluster
	if err := createDatabases(ctx, pg, "pipeline"); err != nil {
		return err
	}
	dsn := pg.DSN("postgres", "pipeline")
	at := bases(base)
	env := append(turkeyEnv("DATABASE_URL="+dsn, "TURKEY_DATA_DIR="+filepath.Join(b.dir, "pipeline-data"), "ENCRYPTION_KEY_SALT="+benchSalt,
		"RATE_LIMIT_MAX_REQUESTS=1000000000", "REGISTER_RATE_LIMIT_MAX_ATTEMPTS=1000000000", "GOOGLE_OAUTH_BASE="+at.GoogleOAuthBase,
		"GOOGLE_SHEETS_BASE="+at.GoogleSheetsBase, "GOOGLE_DRIVE_BASE="+at.GoogleDriveBase, "GA_DATA_BASE="+at.GADataBase, "META_API_BASE="+at.MetaBase,
		"SHOPIFY_API_BASE="+at.ShopifyBase, "JWT_ACCESS_EXPIRES_IN=2h", "PROVIDER_RATES=google_sheets.read=0,google_sheets.write=0"), load.env...)
	ours, err := start(ctx, b.turkey, []string{"serve"}, env, turkeyBase, "/health") // it makes the tables
	if err != nil {
		return err
	}
	defer ours.stop()
	began := time.Now()
	w, err := newWorld(base, load.users)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if err := seedUsers(ctx, dsn, base, w); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if err := analyze(ctx, pg, "pipeline"); err != nil {
		return err
	}
	fmt.Printf("(%d users seeded in %s)\n", load.users, time.Since(began).Round(time.Second))
	return b.nights(ctx, load, ours, providers, pg, dsn, w)
}

func (b *bench) nights(ctx context.Context, load pipelineLoad, ours, providers *server, pg *pgdev.Server, dsn string, w *world) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	caller, err := newPerson()
	if err != nil {
		return err
	}
	idle := caller.ask(func() bool { return true }, 4*time.Second)
	if idle.err != nil {
		return idle.err
	}
	b.printf("## Pipeline\n")
	b.printf("%d users with 3 schedules each, all due at once; every provider call takes %s. Server, PostgreSQL and sandbox share %d processors.",
		load.users, load.latency, runtime.NumCPU())
	b.printf("Idle: GET /v1/users/me p99 %s ms, GET /api/credentials/list p99 %s ms.\n", ms(p99(idle.me)), ms(p99(idle.list)))
	b.printf("| round | runs | enqueued after s | runs/s | CPU ms per run: server + PG + sandbox | RSS MiB | transactions per run | provider calls, sign-ins | Sheets reads, writes per run | not completed | me p99, list p99 ms |\n|---|---|---|---|---|---|---|---|---|---|---|")
	for i, name := range []string{"28 days into empty tabs", "one day corrected"} {
		if i > 0 {
			if err := w.correct(providers.base); err != nil {
				return err
			}
		}
		n, err := measureNight(ctx, load, conn, ours, providers, pg, caller)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		per := func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1000/float64(max(n.ended, 1))) }
		each := func(v int64) string { return fmt.Sprintf("%.2f", float64(v)/float64(max(n.ended, 1))) }
		b.printf("| %s | %d | %.1f | %.0f | %s + %s + %s | %.0f | %s | %s, %s | %s, %s | %d %s | %s, %s |", name, n.runs, n.enqueued.Seconds(),
			float64(n.ended)/n.done.Seconds(), per(n.server), per(n.database), per(n.sandbox), mib(n.heaviest), each(n.transactions),
			each(n.asked.Calls), each(n.asked.SignIns), each(n.asked.Reads), each(n.asked.Writes), n.failed, n.reasons, ms(p99(n.me)), ms(p99(n.list)))
		fmt.Printf("(at most %d calls at once)\n", n.asked.MostAtOne)
	}
	return nil
}

// measureNight makes all schedules due and waits until their runs have ended.
func measureNight(ctx context.Context, load pipelineLoad, conn *pgx.Conn, ours, providers *server, pg *pgdev.Server, caller person) (n night, err error) {
	postmaster, err := postmasterPID(pg)
	if err != nil {
		return n, err
	}
	n.runs = 3 * load.users
	asked, transactions, err := counted(ctx, conn, providers)
	if err != nil {
		return n, err
	}
	server, database, fake := cpu(ours.cmd.Process.Pid), childrenCPU(postmaster), cpu(providers.cmd.Process.Pid)
	began := time.Now()
	if _, err := conn.Exec(ctx, `UPDATE job_schedules SET next_run_at = now()`); err != nil {
		return n, err
	}
	stop := make(chan struct{})
	answers := make(chan answers)
	go func() {
		answers <- caller.ask(func() bool {
			select {
			case <-stop:
				return false
			default:
				return true
			}
		}, load.timeout)
	}()
	for {
		var made, ended, failed int
		if err = conn.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE status NOT IN ('waiting', 'delayed', 'active')),
			count(*) FILTER (WHERE status <> 'completed') FROM kpi_runs WHERE created_at > $1`, began.Add(-time.Second)).Scan(&made, &ended, &failed); err != nil {
			break
		}
		if made >= n.runs && n.enqueued == 0 {
			n.enqueued = time.Since(began)
		}
		n.heaviest = max(n.heaviest, rss(ours.cmd.Process.Pid))
		n.done, n.ended, n.failed = time.Since(began), ended, failed
		if ended >= n.runs || n.done > load.timeout {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	close(stop)
	a := <-answers
	if err == nil {
		err = a.err
	}
	if err != nil {
		return n, err
	}
	n.me, n.list = a.me, a.list
	n.server, n.database, n.sandbox = cpu(ours.cmd.Process.Pid)-server, childrenCPU(postmaster)-database, cpu(providers.cmd.Process.Pid)-fake
	if n.asked, n.transactions, err = counted(ctx, conn, providers); err != nil {
		return n, err
	}
	n.transactions -= transactions
	n.asked.Calls, n.asked.SignIns, n.asked.Reads, n.asked.Writes = n.asked.Calls-asked.Calls, n.asked.SignIns-asked.SignIns, n.asked.Reads-asked.Reads, n.asked.Writes-asked.Writes
	err = conn.QueryRow(ctx, `SELECT coalesce(string_agg(DISTINCT status || ' ' || coalesce(error_reason, ''), ', '), '') FROM kpi_runs WHERE status <> 'completed'`).Scan(&n.reasons)
	return n, err
}

// counted is what the providers and PostgreSQL have done so far.
func counted(ctx context.Context, conn *pgx.Conn, providers *server) (t tally, transactions int64, err error) {
	if err := call(http.MethodGet, providers.base+"/tally", "", nil, &t); err != nil {
		return t, 0, err
	}
	time.Sleep(1100 * time.Millisecond) // backends report their counts once a second
	err = conn.QueryRow(ctx, `SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()`).Scan(&transactions)
	return t, transactions, err
}

// person looks at the API while runs are worked on.
type person struct{ account }

func newPerson() (person, error) {
	a, err := newAccount()
	if err != nil {
		return person{}, err
	}
	return person{a}, call(http.MethodPost, turkeyBase+"/api/credentials/save", a.access,
		map[string]any{"credentialJson": serviceAccount(), "credentialName": "Bench", "service": "google_sheets"}, nil)
}

type answers struct {
	me, list []time.Duration
	err      error
}

// ask asks both routes some five times a second, as long as it is told to.
func (p person) ask(on func() bool, most time.Duration) (a answers) {
	for began := time.Now(); on() && time.Since(began) < most; time.Sleep(200 * time.Millisecond) {
		for _, r := range []struct {
			path string
			took *[]time.Duration
		}{{"/v1/users/me", &a.me}, {"/api/credentials/list", &a.list}} {
			t := time.Now()
			if a.err = call(http.MethodGet, turkeyBase+r.path, p.access, nil, nil); a.err != nil {
				return a
			}
			*r.took = append(*r.took, time.Since(t))
		}
	}
	return a
}

func p99(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

func ms(d time.Duration) string { return strconv.FormatFloat(d.Seconds()*1000, 'f', 1, 64) }
