package vault

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var monday = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// in is a moment after monday.
func in(d time.Duration) *time.Time { t := monday.Add(d); return &t }

func TestHealthAfter(t *testing.T) {
	t.Parallel()
	earlier := monday.Add(-48 * time.Hour)
	down := outcome{verdict: unanswered, reason: "unavailable", message: "down"}
	no := outcome{verdict: refused, reason: "rejected", message: "no"}
	for _, c := range []struct {
		name   string
		before condition
		o      outcome
		want   condition // since: monday if the state changed
		events string
	}{
		{"the first proof", condition{state: healthUnchecked}, outcome{}, condition{state: healthOK}, ""},
		{"ok stays ok", condition{state: healthOK}, outcome{}, condition{state: healthOK}, ""},
		{"one lost answer is no news", condition{state: healthOK}, down, condition{state: healthOK, failures: 1}, ""},
		{"nor a second", condition{state: healthOK, failures: 1}, down, condition{state: healthOK, failures: 2}, ""},
		{"a third is", condition{state: healthOK, failures: 2}, down, condition{state: healthFailing, reason: "unavailable", message: "down", failures: 3}, ""},
		{"unchecked is not judged by silence", condition{state: healthUnchecked}, down, condition{state: healthUnchecked, failures: 1}, ""},
		{"an answer ends failing", condition{state: healthFailing, reason: "unavailable", message: "down", failures: 7}, outcome{}, condition{state: healthOK}, ""},
		{"a refusal breaks at once", condition{state: healthOK, failures: 1}, no, condition{state: healthBroken, reason: "rejected", message: "no", toldBroken: true}, "credential.broken"},
		{"also what was never proved", condition{state: healthUnchecked}, no, condition{state: healthBroken, reason: "rejected", message: "no", toldBroken: true}, "credential.broken"},
		{"and is told once", condition{state: healthBroken, reason: "rejected", message: "no", toldBroken: true}, outcome{verdict: refused, reason: "forbidden", message: "not shared"},
			condition{state: healthBroken, reason: "forbidden", message: "not shared", toldBroken: true}, ""},
		{"silence does not cover a refusal", condition{state: healthBroken, reason: "rejected", message: "no", failures: 9, toldBroken: true}, down,
			condition{state: healthBroken, reason: "rejected", message: "no", failures: 10, toldBroken: true}, ""},
		{"mended", condition{state: healthBroken, reason: "rejected", message: "no", toldBroken: true}, outcome{}, condition{state: healthOK}, "credential.recovered"},
		{"mended by other content", condition{state: healthUnchecked, toldBroken: true}, outcome{}, condition{state: healthOK}, "credential.recovered"},
		{"replaced, and silence", condition{state: healthUnchecked, toldBroken: true}, down, condition{state: healthUnchecked, failures: 1, toldBroken: true}, ""},
		{"broken again after other content", condition{state: healthUnchecked, toldBroken: true}, no,
			condition{state: healthBroken, reason: "rejected", message: "no", toldBroken: true}, "credential.broken"},
		{"the provider states an end", condition{state: healthOK}, outcome{expires: in(13 * day)},
			condition{state: healthExpiring, reason: "expiring", message: "Ends on 15 November 2026, 09:00 UTC", expires: in(13 * day), alerted: 14}, "credential.expiring"},
		{"far away", condition{state: healthOK}, outcome{expires: in(60 * day)}, condition{state: healthOK, expires: in(60 * day)}, ""},
		{"the end of the content comes near, without an answer", condition{state: healthOK, expires: in(6 * day), alerted: 14}, down,
			condition{state: healthExpiring, reason: "expiring", message: "Ends on 8 November 2026, 09:00 UTC", expires: in(6 * day), alerted: 7, failures: 1}, "credential.expiring"},
		{"a later end starts over", condition{state: healthExpiring, expires: in(day / 2), alerted: 1}, outcome{expires: in(10 * day)},
			condition{state: healthExpiring, reason: "expiring", message: "Ends on 12 November 2026, 09:00 UTC", expires: in(10 * day), alerted: 14}, "credential.expiring"},
		{"no second notice", condition{state: healthExpiring, expires: in(6 * day), alerted: 7}, outcome{expires: in(6*day + time.Minute)},
			condition{state: healthExpiring, reason: "expiring", message: "Ends on 8 November 2026, 09:01 UTC", expires: in(6*day + time.Minute), alerted: 7}, ""},
		{"what is broken does not expire", condition{state: healthOK, expires: in(6 * day)}, no,
			condition{state: healthBroken, reason: "rejected", message: "no", expires: in(6 * day), toldBroken: true}, "credential.broken"},
		{"an end that passed while it works was wrong", condition{state: healthExpiring, expires: in(-time.Hour), alerted: 1}, outcome{}, condition{state: healthOK}, ""},
	} {
		c.before.since, c.want.since = earlier, earlier
		if c.before.state != c.want.state {
			c.want.since = monday
		}
		got := healthAfter(c.before, c.o, monday)
		if (got.expires == nil) != (c.want.expires == nil) || got.expires != nil && !got.expires.Equal(*c.want.expires) {
			t.Errorf("%s: ends %v", c.name, got.expires)
		}
		got.expires, c.want.expires = nil, nil
		if got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
		got = healthAfter(c.before, c.o, monday)
		if events := strings.Join(c.before.events(got), " "); events != c.events {
			t.Errorf("%s: tells %q", c.name, events)
		}
	}
}

// Whatever checks give in whatever order.
func TestHealthHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, at := condition{state: healthUnchecked, since: monday}, monday
		told := map[string]int{}
		for range rapid.IntRange(1, 40).Draw(t, "checks") {
			at = at.Add(time.Duration(rapid.Int64Range(1, int64(3*day)).Draw(t, "pause")))
			o := outcome{verdict: verdict(rapid.IntRange(0, 2).Draw(t, "verdict")), reason: "r", message: "m"}
			if o.verdict == proved && rapid.Bool().Draw(t, "ends") {
				e := at.Add(time.Duration(rapid.Int64Range(int64(time.Hour), int64(40*day)).Draw(t, "left")))
				o.expires = &e
			}
			after := healthAfter(c, o, at)
			if (after.state != c.state) != after.since.Equal(at) {
				t.Fatalf("since %v after %+v", after.since, c)
			}
			if o.verdict == unanswered && (after.state == healthBroken) != (c.state == healthBroken) {
				t.Fatal("silence broke or mended it")
			}
			if o.verdict == proved && after.state != healthOK && after.state != healthExpiring || o.verdict == refused && after.state != healthBroken {
				t.Fatalf("%+v after %+v", after, o)
			}
			if (after.state == healthOK || after.state == healthUnchecked) != (after.reason == "") {
				t.Fatalf("%s with reason %q", after.state, after.reason)
			}
			for _, e := range c.events(after) {
				told[e]++
			}
			if owed := told[eventBroken] - told[eventRecovered]; owed != 0 && owed != 1 || (owed == 1) != after.toldBroken {
				t.Fatalf("told %v", told)
			}
			next := after.nextCheckAt(o, at)
			if !next.After(at) || next.After(at.Add(8*day)) || after.state != healthBroken && next.After(at.Add(27*time.Hour)) {
				t.Fatalf("%s: next check %s after %s", after.state, next, at)
			}
			c = after
		}
	})
}

// Whenever checks happen to be, they are at the moments of the notices, and each notice is given once.
func TestEachNoticeComesOnceAndInTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ends := monday.Add(time.Duration(rapid.Int64Range(int64(15*day), int64(40*day)).Draw(t, "left")))
		silent := rapid.Bool().Draw(t, "silent")
		c, at := condition{state: healthOK, since: monday, expires: &ends}, monday
		var given []int
		for at.Before(ends) {
			o := outcome{expires: &ends}
			if silent {
				o = outcome{verdict: unanswered}
			}
			after := healthAfter(c, o, at)
			if slices.Contains(c.events(after), eventExpiring) {
				given = append(given, after.alerted)
				if late := time.Duration(after.alerted)*day - ends.Sub(at); late > 0 {
					t.Fatalf("the notice of %d days comes %s late", after.alerted, late)
				}
			}
			c, at = after, after.nextCheckAt(o, at)
		}
		if !slices.Equal(given, []int{14, 7, 1}) {
			t.Fatalf("notices %v", given)
		}
		if !at.Equal(ends) {
			t.Fatalf("the end at %s is looked at only at %s", ends, at)
		}
	})
}

func TestNextCheck(t *testing.T) {
	t.Parallel()
	down := outcome{verdict: unanswered}
	for _, c := range []struct {
		name string
		c    condition
		o    outcome
		want time.Duration
	}{
		{"ok", condition{state: healthOK}, outcome{}, day},
		{"expiring", condition{state: healthExpiring}, outcome{}, day},
		{"one without an answer", condition{state: healthOK, failures: 1}, down, 5 * time.Minute},
		{"two", condition{state: healthOK, failures: 2}, down, 15 * time.Minute},
		{"failing", condition{state: healthFailing, failures: 3}, down, time.Hour},
		{"for longer", condition{state: healthFailing, failures: 4}, down, 6 * time.Hour},
		{"and longer", condition{state: healthFailing, failures: 999}, down, 6 * time.Hour},
		{"the provider names a time", condition{state: healthOK, failures: 1}, outcome{verdict: unanswered, after: 2 * time.Hour}, 2 * time.Hour},
		{"a silly one", condition{state: healthOK, failures: 1}, outcome{verdict: unanswered, after: 1000 * time.Hour}, 6 * time.Hour},
		{"broken", condition{state: healthBroken, since: monday.Add(-6 * day)}, outcome{verdict: refused}, day},
		{"broken for a week", condition{state: healthBroken, since: monday.Add(-7 * day)}, outcome{verdict: refused}, 7 * day},
	} {
		if got := c.c.nextCheck(c.o, monday); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if at := c.c.nextCheckAt(c.o, monday).Sub(monday); at < c.want*9/10 || at > c.want*11/10 {
			t.Errorf("%s: %s with jitter", c.name, at)
		}
	}
}
