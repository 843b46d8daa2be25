package chaos_test

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report writes what happened, if a file is named for it.
func (k *killer) report(began time.Time) {
	k.t.Helper()
	took := time.Since(began).Round(time.Second)
	var interrupted, attempts int
	must(k.t, k.sql.QueryRow(k.t.Context(), `SELECT count(*) FILTER (WHERE attempt > 1), coalesce(max(attempt), 0) FROM kpi_runs`).Scan(&interrupted, &attempts))
	k.t.Logf("%d kills, %d runs, %d of them interrupted, at most %d attempts, %s, %d differences", *kills, k.asked, interrupted, attempts, took, k.found)
	if *report == "" {
		return
	}
	days := 0
	for _, p := range k.people {
		for _, n := range p.history {
			days += n
		}
	}
	var version string
	must(k.t, k.sql.QueryRow(k.t.Context(), `SHOW server_version`).Scan(&version))
	var b strings.Builder
	fmt.Fprintf(&b, "# Killed workers\n\n`make chaos`, commit %s, %s, %d processors, %s/%s, %s, PostgreSQL %s, `-seed %d`.\n\n", *commit,
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), version, *seed)
	b.WriteString("A server without workers and one worker, as processes of their own, and the sandbox. The worker gets SIGKILL at a step of a load, another one\n" +
		"starts. Meanwhile sources correct days, and people type into columns between ours. Every " + fmt.Sprint(checkEvery) + " kills, when all runs have ended, each\n" +
		"cell of each tab and each row of `kpi_rows` is compared with what the sources say.\n\n")
	fmt.Fprintf(&b, "| what | |\n|---|---|\n| kills | %d |\n| runs asked for, and completed | %d |\n| of them interrupted at least once | %d |\n| most attempts of a run | %d |\n"+
		"| tabs compared | %d, %d days in all |\n| time | %s |\n| differences found (duplicates, gaps, wrong figures, cells of people, runs lost) | **%d** |\n\n",
		*kills, k.asked, interrupted, attempts, len(k.people)*len(sources), days, took, k.found)
	b.WriteString("| killed | times |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(k.count)) {
		fmt.Fprintf(&b, "| %s | %d |\n", name, k.count[name])
	}
	must(k.t, os.WriteFile(*report, []byte(b.String()), 0o644))
}

// reportServer adds what became of the server's own deaths.
func (w *world) reportServer(kills int, told, silent int64, wrong int) {
	w.t.Helper()
	if *report == "" {
		return
	}
	f, err := os.OpenFile(strings.TrimSuffix(*report, ".md")+"-server.md", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	must(w.t, err)
	defer f.Close()
	_, err = fmt.Fprintf(f, "# Killed servers\n\n`make chaos`, commit %s, %s, %d processors, `-seed %d`.\n\nFour people register others, sign in and out, renew tokens, save and delete credentials and set mappings, one thing after the other,\n"+
		"while the server gets SIGKILL at random moments. Then what each was told is compared with what is there.\n\n| what | |\n|---|---|\n| kills | %d |\n| requests answered | %d |\n"+
		"| requests without an answer | %d |\n| acknowledged and lost, done twice, or undone | **%d** |\n", *commit, time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), *seed, kills, told, silent, wrong)
	must(w.t, err)
}
