package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// benchmarks are those of the packages that are on the way of every request.
var benchmarks = []struct{ pkg, names string }{
	{"./internal/auth", "^Benchmark(SignAccess|VerifyAccess|Junk|RefreshToken)$"},
	{"./client", "^BenchmarkVerify$"},
	{"./internal/seal", "^BenchmarkBox$"},
	{"./internal/vault", "^Benchmark(OpenForUse|Envelope)$"},
	{"./internal/limit", "^Benchmark(General|GeneralParallel|Layer|ExactPG|LoginPG)$"},
	{"./internal/db", "^BenchmarkScope$"},
	{"./internal/audit", "^BenchmarkMeta$"},
	{"./internal/server", "^BenchmarkLivez$"},
	{"./internal/e2e", "^BenchmarkHot$"},
}

// micro runs the packages' own benchmarks.
func (b *bench) micro(ctx context.Context) error {
	b.title("Benchmarks of parts")
	b.printf("`go test -run '^$' -bench … -benchmem -count 3`, medians; the spread is minimum to maximum. Those of `limit` with PG and of `db` include a trip to PostgreSQL. " +
		"`e2e` is a whole request, from the socket through every layer to PostgreSQL and back, with one password hash in a login; what it allocates is the server's, " +
		"for the side that asks allocates next to nothing.")
	b.table("package", "benchmark", "ns/op", "spread", "B/op", "allocs/op", "more")
	for _, k := range benchmarks {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", k.names, "-benchmem", "-count", "3", "-benchtime", "300ms", k.pkg) //nolint:gosec // from the list above
		var wrong bytes.Buffer
		cmd.Stderr = &wrong
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s%s", k.pkg, err, out, wrong.Bytes())
		}
		pkg := strings.TrimPrefix(strings.TrimPrefix(k.pkg, "./"), "internal/")
		found := results(string(out))
		if len(found) == 0 {
			return fmt.Errorf("%s has no benchmark %s:\n%s", k.pkg, k.names, out)
		}
		for _, r := range found {
			ns := r.units["ns/op"]
			slices.Sort(ns)
			var more []string
			for _, unit := range r.order {
				if !slices.Contains([]string{"ns/op", "B/op", "allocs/op"}, unit) {
					more = append(more, middle(r.units[unit])+" "+unit)
				}
			}
			spread := "" // a benchmark may say something else instead
			if len(ns) > 0 {
				spread = number(ns[0]) + " to " + number(ns[len(ns)-1])
			}
			b.row(pkg, r.name, middle(ns), spread, middle(r.units["B/op"]), middle(r.units["allocs/op"]), strings.Join(more, ", "))
		}
	}
	return nil
}

// result is what the lines of one benchmark say.
type result struct {
	name  string
	order []string
	units map[string][]float64
}

// results reads the output of go test: a name, how often it ran, then values with their units.
func results(out string) []*result {
	var all []*result
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(words[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 { // the number of processors
			name = name[:i]
		}
		i := slices.IndexFunc(all, func(r *result) bool { return r.name == name })
		if i < 0 {
			i = len(all)
			all = append(all, &result{name: name, units: map[string][]float64{}})
		}
		for w := 2; w+1 < len(words); w += 2 {
			v, err := strconv.ParseFloat(words[w], 64)
			if err != nil {
				break
			}
			unit := words[w+1]
			if all[i].units[unit] == nil {
				all[i].order = append(all[i].order, unit)
			}
			all[i].units[unit] = append(all[i].units[unit], v)
		}
	}
	return all
}

func middle(values []float64) string {
	if len(values) == 0 {
		return ""
	}
	values = slices.Sorted(slices.Values(values))
	return number(values[len(values)/2])
}

func number(v float64) string {
	if v >= 100 || v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
