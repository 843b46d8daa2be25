package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/bench/internal/proc"
)

// printf prints a line as it comes, and keeps it for the report.
func (b *bench) printf(format string, args ...any) {
	line := fmt.Sprintf(format, args...) + "\n"
	fmt.Print(line)
	b.text.WriteString(line)
}

// title begins a part of the report.
func (b *bench) title(name string) { b.printf("\n## %s\n", name) }

// table begins a table with these columns.
func (b *bench) table(columns ...string) {
	b.printf("\n| %s |\n|%s", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

func (b *bench) row(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = fmt.Sprint(c)
	}
	b.printf("| %s |", strings.Join(text, " | "))
}

// head says what was measured, when, and where.
func (b *bench) head(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.pg.DSN("postgres", "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var version string
	if err := conn.QueryRow(ctx, `SHOW server_version`).Scan(&version); err != nil {
		return err
	}
	commit, _ := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output() // a tarball has none
	processor, _ := proc.Field("/proc/cpuinfo", "model name")
	memory, _ := proc.Field("/proc/meminfo", "MemTotal")
	b.printf("# Benchmark report\n")
	b.printf("`make bench`, commit %s, %s, %d processors (%s), memory %s, %s/%s, %s, PostgreSQL %s. The load comes from the same machine. "+
		"Medians of rounds in turns; the spread is minimum to maximum.", strings.TrimSpace(string(commit)), time.Now().UTC().Format(time.DateOnly),
		runtime.NumCPU(), processor, memory, runtime.GOOS, runtime.GOARCH, runtime.Version(), version)
	return nil
}

// write stores the report: the whole of it, or what was measured in the place of what stands there under the same titles.
func write(path, text string, whole bool) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !whole && len(old) > 0 {
		text = merge(string(old), text)
	}
	text = manyLines.ReplaceAllString(strings.TrimSpace(text), "\n\n") + "\n"
	return os.WriteFile(path, []byte(text), 0o600)
}

var manyLines = regexp.MustCompile(`\n{3,}`)

func merge(old, text string) string {
	there, measured := sections(old), sections(text)
	for _, m := range measured[1:] {
		m := m + "\n" + strings.TrimSpace(strings.SplitN(measured[0], "\n\n", 2)[1]) + "\n"
		if i := slices.IndexFunc(there, func(s string) bool { return titleOf(s) == titleOf(m) }); i >= 0 {
			there[i] = m
		} else {
			there = append(there, m)
		}
	}
	for i := range there {
		there[i] = strings.TrimSpace(there[i])
	}
	return strings.Join(there, "\n\n")
}

// sections are the report's: what stands before the first title, and each title with what is under it.
func sections(text string) []string {
	all := strings.Split(text, "\n## ")
	for i := range all[1:] {
		all[i+1] = "## " + all[i+1]
	}
	return all
}

func titleOf(section string) string {
	title, _, _ := strings.Cut(section, "\n")
	return title
}

func ms(d time.Duration) string {
	if d > 0 && d < 10*time.Microsecond {
		return fmt.Sprintf("%.5f", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.2f", d.Seconds()*1000)
}

// percentile is the value below which so many percent of a sorted list are.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(float64(len(sorted))*p/100), len(sorted)-1)]
}

// percentiles are p50, p95, p99 and p99.9 in milliseconds.
func percentiles(sorted []time.Duration) string {
	return fmt.Sprintf("%s / %s / %s / %s", ms(percentile(sorted, 50)), ms(percentile(sorted, 95)), ms(percentile(sorted, 99)), ms(percentile(sorted, 99.9)))
}

func mib(bytes int) float64 { return float64(bytes) / (1 << 20) }
