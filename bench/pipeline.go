package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/bench/internal/proc"
	"turkey/internal/db/pgdev"
)

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
	base := providersBase
	providers, err := startProviders(ctx, load.latency)
	if err != nil {
		return err
	}
	defer providers.stop()
	pg, err := pgdev.Start(ctx, pgdev.Config{DataDir: filepath.Join(b.dir, "pipeline-pg")}) // nothing else is in its statistics
	if err != nil {
		return err
	}
	defer pg.Stop() //nolint:errcheck // a temporary cluster
	dsn := pg.DSN("postgres", "pipeline")
	if err := execute(ctx, pg.DSN("postgres", "postgres"), "CREATE DATABASE pipeline"); err != nil {
		return err
	}
	env := slices.Concat(turkeyEnv("DATABASE_URL="+dsn, "TURKEY_DATA_DIR="+filepath.Join(b.dir, "pipeline-data"), "ENCRYPTION_KEY_SALT="+benchSalt,
		"RATE_LIMIT_MAX_REQUESTS=1000000000", "REGISTER_RATE_LIMIT_MAX_ATTEMPTS=1000000000", "JWT_ACCESS_EXPIRES_IN=2h"), atProviders(base), load.env)
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
	caller, err := newAccount()
	if err != nil {
		return err
	}
	if err := caller.save(); err != nil {
		return err
	}
	idle := lookOn(caller, func() bool { return true }, 4*time.Second)
	if idle.err != nil {
		return idle.err
	}
	b.title("Pipeline")
	b.printf("%d users with 3 schedules each, all due at once; every provider call takes %s. Server, PostgreSQL and sandbox share %d processors.",
		load.users, load.latency, runtime.NumCPU())
	b.printf("Idle: GET /v1/users/me p99 %s ms, GET /api/credentials/list p99 %s ms.\n", p99(idle.me), p99(idle.list))
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
			each(n.asked.Calls), each(n.asked.SignIns), each(n.asked.Reads), each(n.asked.Writes), n.failed, n.reasons, p99(n.me), p99(n.list))
		fmt.Printf("(at most %d calls at once)\n", n.asked.MostAtOne)
	}
	return nil
}

// measureNight makes all schedules due and waits until their runs have ended.
func measureNight(ctx context.Context, load pipelineLoad, conn *pgx.Conn, ours, providers *server, pg *pgdev.Server, caller *account) (n night, err error) {
	postmaster, err := proc.Postmaster(filepath.Join(pg.DataDir, "pg"))
	if err != nil {
		return n, err
	}
	n.runs = 3 * load.users
	asked, transactions, err := counted(ctx, conn, providers)
	if err != nil {
		return n, err
	}
	server, database, fake := proc.CPU(ours.cmd.Process.Pid), proc.Family(postmaster), proc.CPU(providers.cmd.Process.Pid)
	began := time.Now()
	if _, err := conn.Exec(ctx, `UPDATE job_schedules SET next_run_at = now()`); err != nil {
		return n, err
	}
	stop := make(chan struct{})
	answers := make(chan answers)
	go func() {
		answers <- lookOn(caller, func() bool {
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
		n.heaviest = max(n.heaviest, proc.RSS(ours.cmd.Process.Pid))
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
	n.server, n.database, n.sandbox = proc.CPU(ours.cmd.Process.Pid)-server, proc.Family(postmaster)-database, proc.CPU(providers.cmd.Process.Pid)-fake
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

type answers struct {
	me, list []time.Duration
	err      error
}

// lookOn looks at the API some five times a second while runs are worked on, as long as it is told to.
func lookOn(caller *account, on func() bool, most time.Duration) (a answers) {
	for began := time.Now(); on() && time.Since(began) < most; time.Sleep(200 * time.Millisecond) {
		for _, r := range []struct {
			act  func() error
			took *[]time.Duration
		}{{caller.me, &a.me}, {caller.list, &a.list}} {
			t := time.Now()
			if a.err = r.act(); a.err != nil {
				return a
			}
			*r.took = append(*r.took, time.Since(t))
		}
	}
	return a
}

func p99(all []time.Duration) string {
	slices.Sort(all)
	return fmt.Sprintf("%.1f", percentile(all, 99).Seconds()*1000)
}
