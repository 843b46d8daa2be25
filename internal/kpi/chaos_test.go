package kpi

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// stops are the ways in which a run is interrupted at a call of a provider.
var stops = []struct {
	name   string
	after  bool // the provider has done its work
	killed bool // the process is gone, and writes nothing down
}{
	{"the connection is cut before the work", false, false},
	{"the connection is cut after the work", true, false},
	{"the process dies before the call", false, true},
	{"the process dies after the call", true, true},
}

// TestARunInterruptedAtAnyCallLeavesNoDuplicateAndNoGap interrupts a load in two pieces, with corrections of days that stand in
// the tab already, at each of its calls, in each way, and compares the tab with what is stored after the retry.
func TestARunInterruptedAtAnyCallLeavesNoDuplicateAndNoGap(t *testing.T) {
	t.Parallel()
	l := running(t)
	const span = 100
	prepare := func() {
		l.system(`DELETE FROM kpi_rows`)
		l.system(`DELETE FROM kpi_runs`)
		l.console("POST", "/spreadsheets", map[string]any{"tabs": []string{"Google"}, "shareWith": l.email}, &struct{ SpreadsheetID *string }{&l.spreadsheet})
		l.system(`UPDATE sheet_mappings SET spreadsheet_id = $1, sheet_id = NULL`, l.spreadsheet)
		l.calls.reset(nil)
		l.completes(l.ago(span), l.ago(span-4))
		l.correct(l.ago(span-1), float64(len(l.spreadsheet)))
		l.calls.reset(nil)
	}
	prepare()
	l.completes(l.ago(span), l.ago(1))
	calls := len(l.calls.log)
	if calls < 8 {
		t.Fatalf("only %d calls", calls)
	}
	n := 0
	for _, stop := range stops {
		for at := 1; at <= calls; at++ {
			prepare()
			ctx, cancel := context.WithCancel(t.Context())
			l.calls.reset(func(n int, _ string) (func(), func()) {
				act := cut
				if stop.killed {
					act = func() { cancel(); cut() }
				}
				switch {
				case n != at:
					return nil, nil
				case stop.after:
					return nil, act
				}
				return act, nil
			})
			id := l.make(l.ago(span), l.ago(1), false)
			_ = l.execute(ctx, l.user, id)
			cancel()
			if stop.killed { // as if nothing had been written down, its lease neither
				l.system(`UPDATE kpi_runs SET status = 'active', claim = gen_random_uuid(), beat_at = now() - interval '1 hour' WHERE id = $1`, id)
				l.system(`INSERT INTO sheet_leases VALUES ($1, '0', $2, now() + interval '1 minute') ON CONFLICT DO NOTHING`, l.spreadsheet, id)
				if found, err := l.revive(t.Context()); err != nil || found != 1 {
					t.Fatalf("%d runs are revived, %v", found, err)
				}
			}
			if status, r := l.ends(id); status != "completed" {
				t.Errorf("%s, call %d: %s %+v", stop.name, at, status, r)
			}
			l.calls.reset(nil)
			l.agrees("Google", span)
			if t.Failed() {
				t.Fatalf("%s, call %d", stop.name, at)
			}
			n++
		}
	}
	t.Logf("%d interruptions", n)
}

// The sandbox's own fault does the work and says nothing, as a provider whose answer is lost.
func TestAnswersThatAreLostAtEachWrite(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/values", "/values:batchUpdate", ":batchUpdate"} {
		l := running(t)
		for i, name := range ga4Columns[:8] {
			l.edit(letters(18+i)+"1", name) // so that the grid must grow
		}
		l.console("POST", "/faults", map[string]any{"path": "/sheets/v4/spreadsheets/" + l.spreadsheet + path, "cut": true, "times": 2}, nil)
		if r := l.completes(l.ago(3), l.ago(1)); r.Appended+r.Skipped != 3 {
			t.Errorf("%q: %+v", path, r)
		}
		cells := l.tab("Google")
		if text := fmt.Sprint(cells); len(cells) != 4 || strings.Count(text, l.ago(1)) != 1 {
			t.Errorf("%q: %v", path, cells)
		}
	}
}
