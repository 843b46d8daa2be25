package kpi

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // schedules name zones, and an image may come without the system's files
)

// Cron is a cron expression of five fields: minute, hour, day of the month, month, weekday. Libraries evaluate cron on the
// clock of the process and leave days of clock changes to chance (robfig/cron drops a time that is skipped). Here an expression names local
// times of a calendar, and each gets exactly one moment (see moment):
//
//   - a local time that happens once: that moment;
//   - one that is repeated when clocks go back: its first;
//   - one that is skipped when clocks go forward: the first moment after the gap. All times of a gap share it.
//
// A field whose values are all allowed restricts nothing, however it is written. Where day of the month and weekday are both
// restricted, either is enough.
type Cron struct {
	minutes, hours, days, months, weekdays uint64 // bit n: value n is allowed
}

// field is one of the five.
type field struct {
	name     string
	min, max int
	names    string // of the values from min on, in three letters each; "" if they have none
}

var cronFields = [5]field{
	{name: "minute", min: 0, max: 59},
	{name: "hour", min: 0, max: 23},
	{name: "day of month", min: 1, max: 31},
	{name: "month", min: 1, max: 12, names: "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
	{name: "weekday", min: 0, max: 7, names: "SUNMONTUEWEDTHUFRISAT"}, // 7 is Sunday too
}

// maxCron is the longest expression, as the table has it.
const maxCron = 100

// cronError says what is wrong with an expression; its text is shown to people.
type cronError string

func (e cronError) Error() string { return "Invalid cron expression: " + string(e) }

// ParseCron reads an expression: numbers, names (JAN to DEC, SUN to SAT), lists, ranges and steps. What can never be, such as 30 February, is refused.
func ParseCron(text string) (Cron, error) {
	parts := strings.Fields(text)
	if len(parts) != len(cronFields) {
		return Cron{}, cronError("must have 5 parts (minute, hour, day, month, weekday)")
	}
	if len(text) > maxCron {
		return Cron{}, cronError(fmt.Sprintf("at most %d characters", maxCron))
	}
	var sets [5]uint64
	for i, f := range cronFields {
		for item := range strings.SplitSeq(parts[i], ",") {
			set, err := f.item(item)
			if err != nil {
				return Cron{}, err
			}
			sets[i] |= set
		}
	}
	c := Cron{minutes: sets[0], hours: sets[1], days: sets[2], months: sets[3], weekdays: (sets[4] | sets[4]>>7) & everyWeekday}
	if c.weekdays == everyWeekday && !c.possible() {
		return Cron{}, cronError("no month of these has such a day")
	}
	return c, nil
}

const (
	everyDay     = 1<<32 - 1<<1
	everyWeekday = 1<<7 - 1
)

// possible reports whether any allowed month has an allowed day.
func (c Cron) possible() bool {
	first := bits.TrailingZeros64(c.days)
	for m := time.January; m <= time.December; m++ {
		if c.months>>m&1 == 1 && first <= daysIn(2000, m) { // a leap year
			return true
		}
	}
	return false
}

// item is one of a list: *, a value, a range, each with a step or without.
func (f field) item(text string) (set uint64, err error) {
	span, stepText, stepped := strings.Cut(text, "/")
	low, high, ranged := strings.Cut(span, "-")
	last := f.max
	if f.name == "weekday" {
		last = 6 // 7 is 0 again
	}
	from, to := f.min, last
	if span != "*" {
		if from, err = f.value(low); err != nil {
			return 0, err
		}
		switch {
		case ranged:
			if to, err = f.value(high); err != nil {
				return 0, err
			}
			if strings.EqualFold(high, "SUN") && from > 0 {
				to = 7 // FRI-SUN
			}
		case stepped:
			to = last // 5/15 begins at 5
		default:
			to = from
		}
	}
	if from > to {
		return 0, cronError(fmt.Sprintf("%s: the range begins after its end", f.name))
	}
	step := 1
	if stepped {
		if step, err = digits(stepText); err != nil || step < 1 || step > last {
			return 0, cronError(fmt.Sprintf("%s: a step is a number from 1 to %d", f.name, last))
		}
	}
	for v := from; v <= to; v += step {
		set |= 1 << v
	}
	return set, nil
}

func (f field) value(text string) (int, error) {
	if f.names != "" && len(text) == 3 {
		if i := strings.Index(f.names, strings.ToUpper(text)); i >= 0 && i%3 == 0 {
			return i/3 + f.min, nil
		}
	}
	n, err := digits(text)
	if err != nil {
		return 0, cronError(fmt.Sprintf("%s: %q is not understood", f.name, text))
	}
	if n < f.min || n > f.max {
		return 0, cronError(fmt.Sprintf("%s: %d is not from %d to %d", f.name, n, f.min, f.max))
	}
	return n, nil
}

// digits reads a number that is nothing but digits.
func digits(text string) (int, error) {
	if len(text) == 0 || len(text) > 4 || strings.Trim(text, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.Atoi(text)
}

// horizon is how many years ahead a time is looked for: 29 February is missing for eight years around 2100.
const horizon = 9

// Next is the first moment after t at which the schedule is due in a zone, in UTC.
func (c Cron) Next(t time.Time, zone *time.Location) time.Time {
	// Moments never go back as local times go on, so what stands on the clock now is where the search begins.
	y, m, d := t.In(zone).Date()
	hour, minute, _ := t.In(zone).Clock()
	for month := time.Date(y, m, 1, 0, 0, 0, 0, time.UTC); month.Year() <= y+horizon; month = month.AddDate(0, 1, 0) {
		if c.months>>month.Month()&1 == 0 {
			d, hour, minute = 1, 0, 0
			continue
		}
		for ; d <= daysIn(month.Year(), month.Month()); d++ {
			day := month.AddDate(0, 0, d-1)
			for ; hour < 24 && c.on(day); hour++ {
				for left := c.minutes >> minute << minute; left != 0 && c.hours>>hour&1 == 1; left &= left - 1 {
					wall := day.Add(time.Duration(hour)*time.Hour + time.Duration(bits.TrailingZeros64(left))*time.Minute)
					if at := moment(wall, zone); at.After(t) {
						return at
					}
				}
				minute = 0
			}
			hour, minute = 0, 0
		}
		d = 1
	}
	return time.Time{} // not with an expression that was parsed
}

// on reports whether a day is allowed; its month is.
func (c Cron) on(day time.Time) bool {
	date, weekday := c.days>>day.Day()&1 == 1, c.weekdays>>day.Weekday()&1 == 1
	if c.days == everyDay || c.weekdays == everyWeekday {
		return date && weekday
	}
	return date || weekday
}

func daysIn(year int, m time.Month) int { return time.Date(year, m+1, 0, 0, 0, 0, 0, time.UTC).Day() }

// moment is when the clocks of a zone first show a local time, which is given as if it were UTC, or where they skip it, when
// they first show a later one. time.Date leaves both open.
func moment(wall time.Time, zone *time.Location) time.Time {
	const most = 26 * time.Hour // further than any zone is from UTC, and a clock change from another
	at := wall.Add(-most).In(zone)
	for {
		start, end := at.ZoneBounds()
		_, offset := at.Zone()
		switch then := wall.Add(-time.Duration(offset) * time.Second); {
		case then.Before(start): // and not in the stretch before: skipped
			return start.UTC()
		case end.IsZero() || then.Before(end):
			return then
		}
		at = end.In(zone)
	}
}

var zones sync.Map // by name; time.LoadLocation reads a file each time

// zoneNamed finds an IANA zone. Names of files that are no zones, and of the process's own zone, are none.
func zoneNamed(name string) (*time.Location, bool) {
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location), true
	}
	first, _, _ := strings.Cut(name, "/")
	if name == "" || len(name) > 50 || name == "Local" || first == "posix" || first == "right" {
		return nil, false
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, false
	}
	zones.Store(name, z) // only names that exist: there are some hundreds
	return z, true
}
