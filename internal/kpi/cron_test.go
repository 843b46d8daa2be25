package kpi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, ok := zoneNamed(name)
	if !ok {
		t.Fatalf("no zone %s", name)
	}
	return z
}

func cron(t testing.TB, text string) Cron {
	t.Helper()
	c, err := ParseCron(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return c
}

// Clocks change in 2026: Berlin 29 March 2→3 and 25 October 3→2, New York 8 March 2→3 and 1 November 2→1, Lord Howe (by half
// an hour) 4 October 2:00→2:30 and 5 April 2:00→1:30. Times are local with their offset, except that after is where it begins.
func TestCronAroundClockChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, cron, after string
		want              []string
	}{
		{"Europe/Berlin", "30 2 * * *", "2026-03-28T00:00:00+01:00", []string{"2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"Europe/Berlin", "0 2 * * *", "2026-03-29T00:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"Europe/Berlin", "0 3 * * *", "2026-03-29T00:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"}},
		{"Europe/Berlin", "0 * * * *", "2026-03-29T00:30:00+01:00", []string{"2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"}},
		{"Europe/Berlin", "*/20 2,3 * * *", "2026-03-29T01:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00", "2026-03-29T03:40:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"Europe/Berlin", "30 2 * * *", "2026-10-25T02:10:00+01:00", []string{"2026-10-26T02:30:00+01:00"}}, // in the repeated hour
		{"Europe/Berlin", "0 * * * *", "2026-10-25T01:30:00+02:00", []string{"2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00"}},
		{"Europe/Berlin", "0 3 * * *", "2026-10-25T00:00:00+02:00", []string{"2026-10-25T03:00:00+01:00"}},
		{"America/New_York", "30 2 * * *", "2026-03-08T00:00:00-05:00", []string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"}},
		{"America/New_York", "15 1 * * SUN", "2026-10-31T00:00:00-04:00", []string{"2026-11-01T01:15:00-04:00", "2026-11-08T01:15:00-05:00"}},
		{"America/New_York", "59 1 * * *", "2026-11-01T01:59:00-04:00", []string{"2026-11-02T01:59:00-05:00"}},
		{"America/New_York", "0 2 8 3 *", "2026-01-01T00:00:00-05:00", []string{"2026-03-08T03:00:00-04:00", "2027-03-08T02:00:00-05:00"}},
		{"Australia/Lord_Howe", "15 2 * * *", "2026-10-04T00:00:00+10:30", []string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"Australia/Lord_Howe", "*/10 2 * * *", "2026-10-04T00:00:00+10:30", []string{"2026-10-04T02:30:00+11:00", "2026-10-04T02:40:00+11:00"}},
		{"Australia/Lord_Howe", "45 1 * * *", "2026-04-05T00:00:00+11:00", []string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		{"Australia/Lord_Howe", "*/15 1,2 * * *", "2026-04-05T01:20:00+11:00", []string{"2026-04-05T01:30:00+11:00", "2026-04-05T01:45:00+11:00", "2026-04-05T02:00:00+10:30"}},
		{"Pacific/Apia", "0 9 30 12 *", "2011-12-01T00:00:00-10:00", []string{"2011-12-31T00:00:00+14:00", "2012-12-30T09:00:00+14:00"}}, // a day that was not
		{"UTC", "0 2 * * *", "2026-03-29T02:00:00Z", []string{"2026-03-30T02:00:00Z"}},
	} {
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			at = cron(t, c.cron).Next(at, zone(t, c.zone))
			if got := at.In(zone(t, c.zone)).Format(time.RFC3339); got != want {
				t.Errorf("%s in %s after %s: %s, want %s", c.cron, c.zone, c.after, got, want)
			}
		}
	}
}

func TestCronDays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cron, after, want string }{
		{"0 2 13 * FRI", "2026-02-01T00:00:00Z", "2026-02-06T02:00:00Z"}, // both restricted: either
		{"0 2 13 * FRI", "2026-02-07T00:00:00Z", "2026-02-13T02:00:00Z"},
		{"0 2 10 * FRI", "2026-02-07T00:00:00Z", "2026-02-10T02:00:00Z"},
		{"0 2 */1 * FRI", "2026-02-01T00:00:00Z", "2026-02-06T02:00:00Z"}, // all days restrict nothing
		{"0 2 1-31 * 5", "2026-02-01T00:00:00Z", "2026-02-06T02:00:00Z"},
		{"0 2 10 * 0-6", "2026-02-01T00:00:00Z", "2026-02-10T02:00:00Z"},
		{"0 0 * * 7", "2026-02-02T00:00:00Z", "2026-02-08T00:00:00Z"},
		{"0 0 * * fri-sun", "2026-02-02T00:00:00Z", "2026-02-06T00:00:00Z"},
		{"0 0 * * 5-7", "2026-02-08T00:00:00Z", "2026-02-13T00:00:00Z"},
		{"0 0 31 * *", "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"},
		{"0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"0 0 30 2 MON", "2026-01-30T00:00:00Z", "2026-02-02T00:00:00Z"}, // Mondays of February
		{"5/20 4 * jan,DEC *", "2026-02-01T00:00:00Z", "2026-12-01T04:05:00Z"},
		{"10-30/10,59 23 31 12 *", "2026-12-31T23:30:00Z", "2026-12-31T23:59:00Z"},
		{"10-30/10,59 23 31 12 *", "2026-12-31T23:59:00Z", "2027-12-31T23:10:00Z"},
		{"* * * * *", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := cron(t, c.cron).Next(at, time.UTC).Format(time.RFC3339); got != c.want {
			t.Errorf("%s after %s: %s, want %s", c.cron, c.after, got, c.want)
		}
	}
}

func TestCronRefused(t *testing.T) {
	t.Parallel()
	const parts = "Invalid cron expression: must have 5 parts (minute, hour, day, month, weekday)"
	for text, want := range map[string]string{
		"": parts, "* * * *": parts, "0 0 2 * * *": parts, "@daily": parts,
		"60 * * * *":                          "Invalid cron expression: minute: 60 is not from 0 to 59",
		"* 24 * * *":                          "Invalid cron expression: hour: 24 is not from 0 to 23",
		"* * 0 * *":                           "Invalid cron expression: day of month: 0 is not from 1 to 31",
		"* * * 13 *":                          "Invalid cron expression: month: 13 is not from 1 to 12",
		"* * * * 8":                           "Invalid cron expression: weekday: 8 is not from 0 to 7",
		"*/0 * * * *":                         "Invalid cron expression: minute: a step is a number from 1 to 59",
		"*/60 * * * *":                        "Invalid cron expression: minute: a step is a number from 1 to 59",
		"* * * * */7":                         "Invalid cron expression: weekday: a step is a number from 1 to 6",
		"30-10 * * * *":                       "Invalid cron expression: minute: the range begins after its end",
		"0 0 30 2 *":                          "Invalid cron expression: no month of these has such a day",
		"0 0 31 2,4,SEP *":                    "Invalid cron expression: no month of these has such a day",
		"x * * * *":                           `Invalid cron expression: minute: "x" is not understood`,
		"1,,2 * * * *":                        `Invalid cron expression: minute: "" is not understood`,
		"-1 * * * *":                          `Invalid cron expression: minute: "" is not understood`,
		"+1 * * * *":                          `Invalid cron expression: minute: "+1" is not understood`,
		"1-2-3 * * * *":                       `Invalid cron expression: minute: "2-3" is not understood`,
		"** * * * *":                          `Invalid cron expression: minute: "**" is not understood`,
		"JAN * * * *":                         `Invalid cron expression: minute: "JAN" is not understood`,
		"* * * ANF *":                         `Invalid cron expression: month: "ANF" is not understood`,
		"* * ? * *":                           `Invalid cron expression: day of month: "?" is not understood`,
		"٣ * * * *":                           `Invalid cron expression: minute: "٣" is not understood`,
		"*/ * * * *":                          "Invalid cron expression: minute: a step is a number from 1 to 59",
		strings.Repeat(" ", 99) + "* * * * *": "Invalid cron expression: at most 100 characters",
	} {
		if _, err := ParseCron(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestZones(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Local", "Mars/Olympus", "posix/Europe/Berlin", "right/UTC", "../etc/passwd", "/etc/localtime", "Europe", "Europe/Berlin ", "\x00", strings.Repeat("A", 60)} {
		if _, ok := zoneNamed(name); ok {
			t.Errorf("%q is a zone", name)
		}
	}
	for _, name := range []string{"UTC", "Asia/Kolkata", "America/Argentina/ComodRivadavia", "Etc/GMT+12"} {
		zone(t, name)
	}
}

// walk is the truth, minute by minute: the clock of the zone is looked at, and what it shows for the first time, or skipped to
// get there, is due.
func walk(c Cron, from, until time.Time, z *time.Location) (due []time.Time) {
	wall := func(t time.Time) time.Time {
		l := t.In(z)
		return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
	}
	t := from.Truncate(time.Minute).Add(-30 * time.Hour) // what is repeated at from was seen before
	seen := wall(t)
	for ; !t.After(until); t = t.Add(time.Minute) {
		fire := false
		for ; seen.Before(wall(t)); seen = seen.Add(time.Minute) {
			fire = fire || matches(c, seen.Add(time.Minute))
		}
		if fire && t.After(from) {
			due = append(due, t)
		}
	}
	return due
}

func matches(c Cron, wall time.Time) bool {
	has := func(set uint64, v int) bool { return set&(1<<v) != 0 }
	date, weekday := has(c.days, wall.Day()), has(c.weekdays, int(wall.Weekday()))
	day := date || weekday
	if c.days == everyDay || c.weekdays == everyWeekday {
		day = date && weekday
	}
	return has(c.minutes, wall.Minute()) && has(c.hours, wall.Hour()) && has(c.months, int(wall.Month())) && day
}

// changes are moments around which the clock of a zone does something odd.
var changes = map[string][]string{
	"Europe/Berlin":       {"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"},
	"America/New_York":    {"2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"},
	"Australia/Lord_Howe": {"2026-10-03T15:30:00Z", "2026-04-04T15:00:00Z"},
	"Pacific/Apia":        {"2011-12-30T10:00:00Z"},
	"Africa/Cairo":        {"2026-04-23T22:00:00Z", "2026-10-29T21:00:00Z"}, // at midnight
	"Asia/Kolkata":        {"2026-01-31T18:30:00Z"},
}

func TestCronIsWhatAClockShows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo", "Asia/Kolkata"}).Draw(t, "zone")
		z, _ := zoneNamed(name)
		text := drawCron(t)
		c, err := ParseCron(text)
		if err != nil {
			t.Skip(err.Error())
		}
		at, err := time.Parse(time.RFC3339, rapid.SampledFrom(changes[name]).Draw(t, "change"))
		if err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Duration(rapid.IntRange(-26*3600, 26*3600).Draw(t, "seconds")) * time.Second)
		until := at.Add(48 * time.Hour)
		for i, want := range walk(c, at, until, z) {
			if at = c.Next(at, z); !at.Equal(want) {
				t.Fatalf("%q in %s: due %d is %s, the clock says %s", text, name, i, at.In(z), want.In(z))
			}
		}
		if extra := c.Next(at, z); !extra.After(until) {
			t.Fatalf("%q in %s: due at %s, the clock says never", text, name, extra.In(z))
		}
	})
}

// drawCron leans to expressions that are due around the hours at which clocks change.
func drawCron(t *rapid.T) string {
	draw := func(label string, f field, likely ...string) string {
		return rapid.OneOf(rapid.SampledFrom(append(likely, "*")), rapid.Custom(func(t *rapid.T) string {
			from := rapid.IntRange(f.min, f.max).Draw(t, "from")
			to := rapid.IntRange(from, f.max).Draw(t, "to")
			return fmt.Sprintf("%d-%d/%d", from, to, rapid.IntRange(1, 6).Draw(t, "step"))
		})).Draw(t, label)
	}
	return strings.Join([]string{draw("minute", cronFields[0], "0", "30", "*/10", "59"), draw("hour", cronFields[1], "0", "1", "2", "1,2,3", "*/2"),
		draw("day", cronFields[2]), draw("month", cronFields[3]), draw("weekday", cronFields[4], "SUN", "7")}, " ")
}

func FuzzParseCron(f *testing.F) {
	for _, seed := range []string{"0 2 * * *", "*/5 1-3,7/2 29 FEB sun-sat", "0 0 30 2 *", "@daily", "1-2-3 * * * *", "0 0 29 2 6-7"} {
		f.Add(seed)
	}
	berlin := zone(f, "Europe/Berlin")
	from := time.Date(2026, 3, 29, 0, 59, 30, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCron(text)
		if err != nil {
			return
		}
		first := c.Next(from, berlin)
		second := c.Next(first, berlin)
		if !first.After(from) || !second.After(first) || second.Second() != 0 {
			t.Errorf("%q: %s, %s", text, first, second)
		}
		if again, err := ParseCron(strings.Join(strings.Fields(text), " ")); err != nil || again != c {
			t.Errorf("%q: blanks matter", text)
		}
	})
}

func BenchmarkCronNext(b *testing.B) {
	c, z, at := cron(b, "0 2 * * *"), zone(b, "Europe/Berlin"), time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for b.Loop() {
		c.Next(at, z)
	}
}
