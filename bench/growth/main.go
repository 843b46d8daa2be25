// Command growth shows what becomes of the server when its tables grow: it fills databases of several sizes, server-side,
// and measures the hot operations, their plans and the jobs that keep house on each. The sizes are measured in turns on one
// PostgreSQL, so that they compare. `make bench-growth` builds and runs it; it writes bench/GROWTH.md. The largest size of
// that target needs 16 GB of disk and some 20 minutes.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"turkey/internal/db/pgdev"
)

func main() {
	g := &growth{}
	sizes := flag.String("users", "10000,100000,1000000", "how many users, for each size, the smallest first; everything else is in proportion")
	flag.StringVar(&g.dir, "dir", "", "where the data goes; kept, and used again by the next run; empty: a temporary directory")
	flag.StringVar(&g.turkey, "binary", "bin/turkey", "the program")
	flag.StringVar(&g.report, "report", "bench/GROWTH.md", "where the report goes; empty: nowhere")
	flag.IntVar(&g.rounds, "rounds", 5, "rounds in which the sizes take turns, for each operation")
	flag.DurationVar(&g.slice, "slice", time.Second, "length of one measured slice")
	flag.StringVar(&g.only, "only", "", "measure just the operations whose name holds this, and nothing else")
	flag.BoolVar(&g.noJobs, "no-jobs", false, "leave out the jobs")
	flag.Parse()
	for s := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 6000 {
			log.Fatalf("-users: %q is not a number of at least 6000", s)
		}
		g.sizes = append(g.sizes, &size{users: n, name: "growth_" + s})
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := g.run(ctx)
	stop()
	if err == nil && g.report != "" {
		err = os.WriteFile(g.report, []byte(g.text.String()), 0o600)
	}
	if err != nil {
		log.Fatal(err)
	}
}

type growth struct {
	sizes          []*size
	dir            string
	turkey, report string
	rounds         int
	slice          time.Duration
	only           string
	noJobs         bool
	text           strings.Builder
}

// clients ask at once, each for one thing after the other.
const clients = 2

// size is one database, and what was found out about it.
type size struct {
	users  int
	name   string // of the database
	filled string // how long that took
	dsn    string
	base   string
	server *exec.Cmd
	people people
	rows   map[string]int64
	bytes  map[string]int64
}

// printf prints a line as it comes, and keeps it for the report.
func (g *growth) printf(format string, args ...any) {
	line := fmt.Sprintf(format, args...) + "\n"
	fmt.Print(line)
	g.text.WriteString(line)
}

func (g *growth) run(ctx context.Context) error {
	var err error
	if g.turkey, err = filepath.Abs(g.turkey); err != nil {
		return err
	}
	if g.dir == "" {
		if g.dir, err = os.MkdirTemp("", "turkey-growth-"); err != nil {
			return err
		}
		defer os.RemoveAll(g.dir)
	}
	if err := os.Chmod(g.dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's own account passes through
		return err
	}
	if err := g.fill(ctx); err != nil {
		return err
	}
	// As an operator would set it on such a machine, and careful with what is committed.
	pg, err := pgdev.Start(ctx, pgdev.Config{DataDir: filepath.Join(g.dir, "pg"), Settings: []string{
		"shared_buffers=1GB", "effective_cache_size=8GB", "max_wal_size=4GB", "random_page_cost=1.1", "max_connections=100", "autovacuum=off", "work_mem=16MB"}})
	if err != nil {
		return err
	}
	defer pg.Stop() //nolint:errcheck // it is over
	for _, s := range g.sizes {
		s.dsn = pg.DSN("postgres", s.name)
		if err := g.prepare(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	g.head(ctx)
	if err := g.operations(ctx); err != nil || g.only != "" {
		return err
	}
	if !g.noJobs {
		if err := g.jobs(ctx); err != nil {
			return err
		}
	}
	return g.plans(ctx, g.sizes[len(g.sizes)-1])
}

// head says what is measured on.
func (g *growth) head(ctx context.Context) {
	commit, _ := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output() // a tarball has none
	g.printf("# Growth\n")
	g.printf("`make bench-growth`, commit %s, %s. Written by `bench/growth`; what follows from it is in [scale.md](../docs/scale.md#data-that-grows).\n", strings.TrimSpace(string(commit)), time.Now().UTC().Format(time.DateOnly))
	g.printf("## Sizes\n")
	row := func(what string, of func(*size) string) {
		line := "| " + what
		for _, s := range g.sizes {
			line += " | " + of(s)
		}
		g.printf("%s |", line)
	}
	row("", func(s *size) string { return count(int64(s.users)) + " users" })
	g.printf("|%s", strings.Repeat("---|", len(g.sizes)+1))
	for _, t := range counted {
		row(t, func(s *size) string { return count(s.rows[t]) })
	}
	row("database", func(s *size) string { return fmt.Sprintf("%.2f GB", float64(s.bytes["all"])/1e9) })
	row("filled in", func(s *size) string { return s.filled })
	largest := g.sizes[len(g.sizes)-1]
	g.printf("\nBytes of a row with its indexes, at the largest size:")
	line := ""
	for _, t := range counted {
		if n := largest.rows[t]; n > 0 && largest.bytes[t] > 0 {
			line += fmt.Sprintf("%s %d, ", t, largest.bytes[t]/n)
		}
	}
	g.printf("%s.\n", strings.TrimSuffix(line, ", "))
}

// count is a number that people can read.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
