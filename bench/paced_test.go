package main

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"turkey/bench/internal/ask"
)

// A request that hangs makes those wait that should have been sent meanwhile, and their waiting counts.
func TestWaitingCountsFromTheTimetable(t *testing.T) {
	t.Parallel()
	for patience, want := range map[time.Duration]struct{ late, unsent int }{
		time.Minute:            {50, 0},  // the one that hangs, and 49 behind it
		300 * time.Millisecond: {31, 19}, // those that would have been sent more than 0.3 s late have gone
	} {
		synctest.Test(t, func(t *testing.T) {
			all := paced(100, time.Second, patience, []act{func(place int) (string, error) {
				if place == 10 {
					time.Sleep(500 * time.Millisecond)
				}
				return "x", nil
			}})
			o := sum(all, "")
			late := 0
			for _, took := range o.took {
				if took > 0 {
					late++
				}
			}
			if o.offered() != 100 || late != want.late || o.unsent != want.unsent || percentile(o.took, 100) != 500*time.Millisecond {
				t.Errorf("patience %s: %d offered, %d late, %d not sent, %s at most; want %+v", patience, o.offered(), late, o.unsent, percentile(o.took, 100), want)
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	var o outcome
	for _, err := range []error{nil, &ask.Refusal{Code: 503, Again: "1"}, &ask.Refusal{Code: 503}, &ask.Refusal{Code: 429, Again: "1"}, &ask.Refusal{Code: 500}, errors.New("reset")} {
		o.note(time.Second, err)
	}
	if len(o.took) != 1 || o.shed != 2 || o.limited != 1 || o.bare != 1 || o.failed != 2 || o.offered() != 6 {
		t.Errorf("%+v", o)
	}
}

// A part that is measured by itself takes its place, and nothing else changes.
func TestReportsAreMerged(t *testing.T) {
	t.Parallel()
	old := "# Report\n\nthen\n\n## A\n\na\n\n## B\n\nb\n\n## C\n\nc\n"
	got := merge(old, "# Report\n\nnow\n\n## B\n\nnew\n\n## D\n\nd\n")
	if want := "# Report\n\nthen\n\n## A\n\na\n\n## B\n\nnew\n\nnow\n\n## C\n\nc\n\n## D\n\nd\n\nnow"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestResultsOfBenchmarks(t *testing.T) {
	t.Parallel()
	all := results("goos: linux\nBenchmarkHot/me-2  \t 100\t  123.5 ns/op\t 7 cpu-µs/op\t 12 B/op\t 3 allocs/op\nBenchmarkHot/me-2 100 100 ns/op 8 cpu-µs/op 12 B/op 3 allocs/op\nPASS\n")
	if len(all) != 1 || all[0].name != "Hot/me" || strings.Join(all[0].order, " ") != "ns/op cpu-µs/op B/op allocs/op" || middle(all[0].units["ns/op"]) != "124" {
		t.Errorf("%+v", all)
	}
}

// Statements are counted by trips, without the one that sets the scope; what only prepares is no trip.
func TestTripsOnTheWire(t *testing.T) {
	t.Parallel()
	x := &tap{}
	c := &tappedConn{tap: x, names: map[string]string{}}
	text := func(s ...string) []byte { return []byte(strings.Join(s, "\x00") + "\x00") }
	parse := func(name, sql string) { c.sent('P', text(name, sql)) }
	run := func(names ...string) {
		for _, n := range names {
			c.sent('B', text("", n))
			c.sent('E', nil)
		}
		c.sent('S', nil)
	}
	parse("s1", "SELECT set_config('role', 'turkey_app', true)")
	parse("s2", "-- name: LiveUser :one\nSELECT 1")
	c.sent('S', nil)
	c.answered('Z', []byte("I"))
	run("s1", "s2")
	c.sent('Q', text("begin"))
	run("s2")
	for _, status := range "ITT" {
		c.answered('Z', []byte(string(status)))
	}
	c.sent('Q', text("commit"))
	c.answered('Z', []byte("I"))
	var got []string
	for _, trip := range x.take() {
		name := strings.Join(trip.asked, "+")
		if trip.ended {
			name += "."
		}
		got = append(got, name)
	}
	if g := strings.Join(got, " "); g != "LiveUser. begin LiveUser commit." {
		t.Errorf("%q", g)
	}
}
