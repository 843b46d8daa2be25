package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/bench/internal/proc"
)

// found is what came out about one peer.
type found struct {
	contestant
	version string
	duels   []duel
}

type duel struct {
	operation string
	fewer     int
	result
}

// moduleVersion reads from a Go program which version of a module is in it.
func moduleVersion(module string) func(string) (string, error) {
	return func(path string) (string, error) {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return "", err
		}
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == module {
				return m.Version + ", " + info.GoVersion, nil
			}
		}
		return "", fmt.Errorf("%s was not built from %s", path, module)
	}
}

// printf prints a line as it comes, and keeps it for the report.
func (f *field) printf(format string, args ...any) {
	line := fmt.Sprintf(format, args...) + "\n"
	fmt.Print(line)
	f.text.WriteString(line)
}

func (f *field) print(ctx context.Context, all []found) error {
	conn, err := pgx.Connect(ctx, f.pg.DSN("postgres", "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var postgres string
	if err := conn.QueryRow(ctx, `SHOW server_version`).Scan(&postgres); err != nil {
		return err
	}
	commit, _ := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output() // a tarball has none
	processor, _ := proc.Field("/proc/cpuinfo", "model name")
	f.printf("# Against the field\n")
	f.printf("`make bench-peers`, commit %s, %s, %d processors (%s), %s/%s, %s, PostgreSQL %s. %s\n", strings.TrimSpace(string(commit)), time.Now().UTC().Format(time.DateOnly),
		runtime.NumCPU(), processor, runtime.GOOS, runtime.GOARCH, runtime.Version(), postgres, f.remark)
	f.printf("How the peers are got and set up, and which could not be had, is in [peers/README.md](peers/README.md). %d keep-alive connections, closed loop, "+
		"%d rounds of %s each, in turns; the one that is not asked is halted. CPU is processor time per operation, in µs: of the server and, after the plus, of PostgreSQL. "+
		"Ratios are theirs by ours in the same round, median (minimum to maximum); above 1, ours takes less. "+
		"The targets are about the servers' time, and where the peer's database is in its process, about the time with PostgreSQL's.\n", clients, f.rounds, f.slice)
	f.printf("| operation | peer | ours µs | theirs µs | servers, ratio | with the database, ratio | target | ours op/s | theirs op/s |\n|%s", strings.Repeat("---|", 9))
	for _, op := range operations {
		for _, p := range all {
			for _, d := range p.duels {
				if d.operation == op.name {
					f.printf("%s", d.row(p))
				}
			}
		}
	}
	f.printf("\n## What each does differently\n\nOurs: me verifies a signed access token and reads the user's row. A refresh takes a refresh token that it has not seen before, " +
		"signs the next one and an access token, notices reuse, and writes a row of the audit. A credential is checked, sealed with the user's key and stored with a row of the audit; " +
		"what is read of it are its metadata.\n")
	for _, p := range all {
		f.printf("- **%s** (%s). %s", p.name, p.version, p.differs)
	}
	return nil
}

func (d duel) row(p found) string {
	theirs := fmt.Sprintf("%d + %d", d.theirs.server.Microseconds(), d.theirs.database.Microseconds())
	servers, whole := "**"+ratio(d.server)+"**", ratio(d.whole)
	if p.inside { // there is nothing to tell apart
		theirs, servers, whole = fmt.Sprint(d.theirs.server.Microseconds()), "", "**"+whole+"**"
	}
	return fmt.Sprintf("| %s | %s | %d + %d | %s | %s | %s | ≥ %d | %.0f | %.0f |", d.operation, p.name, d.ours.server.Microseconds(), d.ours.database.Microseconds(),
		theirs, servers, whole, d.fewer, d.ours.perSecond, d.theirs.perSecond)
}

// ratio is the median of sorted ones with their spread.
func ratio(sorted []float64) string {
	return fmt.Sprintf("%.1f (%.1f to %.1f)", sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1])
}
