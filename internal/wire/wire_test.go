package wire_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turkey/internal/wire"
)

func TestTimeIsShownInUTCWithMilliseconds(t *testing.T) {
	t.Parallel()
	kolkata := time.FixedZone("IST", 5*3600+1800)
	for _, c := range []struct {
		in   time.Time
		want string
	}{
		{time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC), "2026-01-02T03:04:05.678Z"},
		{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02T03:04:05.000Z"},
		{time.Date(2026, 1, 2, 3, 4, 5, 999_999_999, time.UTC), "2026-01-02T03:04:05.999Z"},
		{time.Date(2026, 1, 1, 2, 0, 0, 0, kolkata), "2025-12-31T20:30:00.000Z"},
		{time.Time{}, "0001-01-01T00:00:00.000Z"},
	} {
		if got := wire.Time(c.in).String(); got != c.want {
			t.Errorf("%v is shown as %q, want %q", c.in, got, c.want)
		}
		body, err := json.Marshal(map[string]any{"at": wire.Time(c.in), "ptr": wire.TimePtr(&c.in), "none": wire.TimePtr(nil)})
		if want := `{"at":"` + c.want + `","none":null,"ptr":"` + c.want + `"}`; err != nil || string(body) != want {
			t.Errorf("JSON %s, %v; want %s", body, err, want)
		}
	}
}

func TestTimeReadsAnyRFC3339Moment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"},
		{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"},
		{"2026-01-02T03:04:05.123456789+05:30", "2026-01-01T21:34:05.123Z"},
		{"2026-01-02", ""},
		{"2026-01-02 03:04:05Z", ""},
		{"2026-02-30T03:04:05Z", ""},
		{"2026-01-02T03:04:05", ""},
		{"1767322000", ""},
		{"", ""},
	} {
		var got wire.Time
		err := got.UnmarshalText([]byte(c.in))
		if (err == nil) != (c.want != "") || err == nil && got.String() != c.want {
			t.Errorf("%q reads as %s, %v; want %q", c.in, got, err, c.want)
		}
	}
}

func TestTimeSurvivesTheWireToTheMillisecond(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(-62135596800000, 253402300799999).Draw(t, "ms") // years 1 to 9999
		want := time.UnixMilli(ms)
		body, err := json.Marshal(wire.Time(want))
		if err != nil {
			t.Fatal(err)
		}
		var got wire.Time
		if err := json.Unmarshal(body, &got); err != nil || !time.Time(got).Equal(want) {
			t.Fatalf("%s reads as %v, %v", body, got, err)
		}
	})
}

func TestDayIsYearMonthDayAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"2026-01-02", "2024-02-29", "0001-01-01", "9999-12-31"} {
		d, err := wire.ParseDay(s)
		if err != nil || d.String() != s {
			t.Errorf("%q reads as %s, %v", s, d, err)
		}
		if body, err := json.Marshal(d); err != nil || string(body) != `"`+s+`"` {
			t.Errorf("%q as JSON: %s, %v", s, body, err)
		}
	}
	for _, s := range []string{"", "2026-1-2", "2026-02-30", "2025-02-29", "2026-13-01", "2026-01-02T00:00:00Z", " 2026-01-02", "2026-01-02 ",
		"20260102", "02.01.2026", "2026-01-02\n", "-001-01-01", "10000-01-01", "2026-01-0२"} {
		if d, err := wire.ParseDay(s); err == nil {
			t.Errorf("%q passes as %s", s, d)
		}
	}
}

func FuzzParseDay(f *testing.F) {
	f.Add("2026-01-02")
	f.Add("2026-02-30")
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := wire.ParseDay(s); err == nil && d.String() != s {
			t.Errorf("%q reads as %s", s, d)
		}
	})
}
