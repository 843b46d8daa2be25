// Command bench measures what the project promises about speed and prints it: start-up, memory, and the processor time
// of the hot operations against the floor (bench/floor), interleaved in one run. `make bench` builds and runs it; it
// writes bench/REPORT.md. It needs an otherwise quiet machine to mean anything, and it is not a test.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/pgdev"
)

func main() {
	rounds := flag.Int("rounds", 5, "interleaved rounds of each load")
	slice := flag.Duration("slice", 1500*time.Millisecond, "length of one measured slice")
	report := flag.String("report", "bench/REPORT.md", "where the report goes; empty: nowhere")
	only := flag.String("only", "", "measure just the operations whose name holds this, and nothing else; pipeline: runs of schedules")
	load := pipelineLoad{timeout: 10 * time.Minute}
	flag.IntVar(&load.users, "users", 300, "users of the pipeline, with three schedules each")
	flag.DurationVar(&load.latency, "latency", 50*time.Millisecond, "of every call to a provider of the pipeline")
	settings := flag.String("set", "", "further settings of the pipeline's server, NAME=value with spaces between")
	flag.Parse()
	load.env = strings.Fields(*settings)
	sandboxProcess(load.latency)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	b := &bench{rounds: *rounds, slice: *slice, only: *only, load: load}
	err := b.run(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
	if *report != "" {
		if err := b.write(*report); err != nil {
			log.Fatal(err)
		}
	}
}

// write stores the report; of the pipeline alone, its part of it.
func (b *bench) write(path string) error {
	text := b.text.String()
	if b.only == pipelineOnly {
		old, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		before, _, _ := strings.Cut(string(old), "## Pipeline\n") // it is the last part
		_, part, _ := strings.Cut(text, "## Pipeline\n")
		text = before + "## Pipeline\n" + part
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

type bench struct {
	rounds int
	slice  time.Duration
	only   string
	load   pipelineLoad
	dir    string
	turkey string // the program
	floor  string
	text   strings.Builder
}

// printf prints a line as it comes, and keeps it for the report.
func (b *bench) printf(format string, args ...any) {
	line := fmt.Sprintf(format, args...) + "\n"
	fmt.Print(line)
	b.text.WriteString(line)
}

func (b *bench) run(ctx context.Context) error {
	var err error
	if b.dir, err = os.MkdirTemp("", "turkey-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := os.Chmod(b.dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's own account passes through
		return err
	}
	if b.turkey, err = filepath.Abs("bin/turkey"); err != nil {
		return err
	}
	b.floor = filepath.Join(b.dir, "floor")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.floor, "./bench/floor").CombinedOutput(); err != nil { //nolint:gosec // our own floor
		return fmt.Errorf("build the floor: %w\n%s", err, out)
	}
	commit, _ := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output() // a tarball has none
	b.printf("# Benchmark report\n")
	b.printf("`make bench`, commit %s, %s, %d processors, %s/%s, %s. Medians of interleaved rounds; the spread is minimum to maximum.\n",
		strings.TrimSpace(string(commit)), time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	for _, base := range []*string{&turkeyBase, &floorBase} {
		if *base, err = freeBase(); err != nil {
			return err
		}
	}
	if b.only == pipelineOnly {
		return b.pipeline(ctx)
	}
	if b.only == "" {
		if err := b.startUp(ctx); err != nil {
			return err
		}
	}
	pg, err := pgdev.Start(ctx, pgdev.Config{DataDir: filepath.Join(b.dir, "pg")})
	if err != nil {
		return err
	}
	defer pg.Stop() //nolint:errcheck // a temporary cluster
	if err := createDatabases(ctx, pg, "started", "ours", "floor"); err != nil {
		return err
	}
	if b.only == "" {
		if err := b.startExternal(ctx, pg.DSN("postgres", "started")); err != nil {
			return err
		}
	}
	if err := b.loads(ctx, pg); err != nil || b.only != "" {
		return err
	}
	return b.pipeline(ctx)
}

func createDatabases(ctx context.Context, pg *pgdev.Server, names ...string) error {
	conn, err := pgx.Connect(ctx, pg.DSN("postgres", "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, n := range names {
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+n); err != nil {
			return err
		}
	}
	return nil
}
