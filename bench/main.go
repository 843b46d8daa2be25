// Command bench measures what the project promises about speed and prints it: start-up, memory, what the hot operations cost
// against the floor (bench/floor), what they ask PostgreSQL, how long answers take at a given rate of requests, and what the
// server does when it is given too much or rubbish. `make bench` builds and runs it; it writes bench/REPORT.md. It needs an
// otherwise quiet machine to mean anything, and it is not a test.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/bench/internal/ask"
	"turkey/bench/internal/proc"
	"turkey/internal/db/pgdev"
)

func main() {
	load := pipelineLoad{timeout: 10 * time.Minute}
	b := &bench{}
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	flag.IntVar(&b.rounds, "rounds", 5, "interleaved rounds of each load")
	flag.DurationVar(&b.slice, "slice", 1500*time.Millisecond, "length of one measured slice")
	flag.DurationVar(&b.length, "length", 8*time.Second, "length of each load at a fixed rate")
	binary := flag.String("binary", "bin/turkey", "the program that is measured")
	report := flag.String("report", "bench/REPORT.md", "where the report goes; empty: nowhere")
	only := flag.String("only", "", "measure just these parts of the report, with commas between: "+strings.Join(names, ", ")+
		"; or just the operations whose name holds this, without a report")
	flag.IntVar(&load.users, "users", 300, "users of the pipeline, with three schedules each")
	flag.DurationVar(&load.latency, "latency", 50*time.Millisecond, "of every call to a provider of the pipeline")
	settings := flag.String("set", "", "further settings of the pipeline's server, NAME=value with spaces between")
	flag.Parse()
	load.env = strings.Fields(*settings)
	b.load, b.turkey = load, *binary
	sandboxProcess(load.latency)
	chosen := parts
	if *only != "" {
		asked := strings.Split(*only, ",")
		chosen = slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !slices.Contains(asked, p.name) })
		if len(chosen) == 0 {
			b.filter, *report = *only, ""
			chosen = []part{{"hot", (*bench).hot}}
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := b.run(ctx, chosen)
	stop()
	if err == nil && *report != "" {
		err = write(*report, b.text.String(), len(chosen) == len(parts))
	}
	if err != nil {
		log.Fatal(err)
	}
}

// part is one of the report's.
type part struct {
	name    string
	measure func(*bench, context.Context) error
}

var parts = []part{
	{"start", (*bench).startUp},
	{"hot", (*bench).hot},
	{"statements", (*bench).statements},
	{"open", (*bench).open},
	{"overload", (*bench).overload},
	{"bad", (*bench).bad},
	{"connections", (*bench).connections},
	{"micro", (*bench).micro},
	{"pipeline", (*bench).pipeline},
}

type bench struct {
	rounds int
	slice  time.Duration
	length time.Duration
	filter string // of operations
	load   pipelineLoad
	dir    string
	turkey string // the program
	floor  string
	pg     *pgdev.Server
	master int // process of PostgreSQL
	text   strings.Builder
}

func (b *bench) run(ctx context.Context, chosen []part) error {
	var err error
	if b.dir, err = os.MkdirTemp("", "turkey-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := os.Chmod(b.dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's own account passes through
		return err
	}
	if b.turkey, err = filepath.Abs(b.turkey); err != nil {
		return err
	}
	b.floor = filepath.Join(b.dir, "floor")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.floor, "./bench/floor").CombinedOutput(); err != nil { //nolint:gosec // our own floor
		return fmt.Errorf("build the floor: %w\n%s", err, out)
	}
	for _, base := range []*string{&turkeyBase, &floorBase, &providersBase} {
		if *base, err = ask.FreeBase(); err != nil {
			return err
		}
	}
	if b.pg, err = pgdev.Start(ctx, pgdev.Config{DataDir: filepath.Join(b.dir, "pg")}); err != nil {
		return err
	}
	defer b.pg.Stop() //nolint:errcheck // a temporary cluster
	if b.master, err = proc.Postmaster(filepath.Join(b.pg.DataDir, "pg")); err != nil {
		return err
	}
	if err := b.head(ctx); err != nil {
		return err
	}
	for _, p := range chosen {
		began := time.Now()
		if err := p.measure(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Printf("(%s: %s)\n", p.name, time.Since(began).Round(time.Second))
	}
	return nil
}

// database makes an empty one and returns its address.
func (b *bench) database(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, b.pg.DSN("postgres", "postgres"))
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name)
	return b.pg.DSN("postgres", name), errors.Join(err, conn.Close(ctx))
}

// serve starts the server on a database of its own, without limits in the way of a load that comes from one address.
func (b *bench) serve(ctx context.Context, database string, args []string, more ...string) (*server, error) {
	dsn, err := b.database(ctx, database)
	if err != nil {
		return nil, err
	}
	env := turkeyEnv("DATABASE_URL="+dsn, "TURKEY_DATA_DIR="+filepath.Join(b.dir, "data"), "RATE_LIMIT_MAX_REQUESTS=1000000000",
		"LOGIN_RATE_LIMIT_MAX_ATTEMPTS=1000000000", "REFRESH_RATE_LIMIT_MAX_ATTEMPTS=1000000000", "REGISTER_RATE_LIMIT_MAX_ATTEMPTS=1000000000")
	return start(ctx, b.turkey, append([]string{"serve"}, args...), append(env, more...), turkeyBase, "/health")
}
