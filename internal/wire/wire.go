// Package wire holds the value forms that both halves of the HTTP API share.
package wire

import (
	"encoding/json"
	"time"
)

// Time is a moment on the wire: ISO 8601 in UTC with milliseconds, 2026-01-02T03:04:05.678Z.
type Time time.Time

const layout = "2006-01-02T15:04:05.000Z"

// String is the wire form.
func (t Time) String() string { return time.Time(t).UTC().Format(layout) }

// MarshalText gives the wire form; it is what JSON shows.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText takes any RFC 3339 moment.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := time.Parse(time.RFC3339Nano, string(b))
	*t = Time(v)
	return err
}

// TimePtr is nil for nil.
func TimePtr(t *time.Time) *Time {
	if t == nil {
		return nil
	}
	w := Time(*t)
	return &w
}

var _ json.Marshaler = Day{}

// Day is a calendar day without a zone, YYYY-MM-DD.
type Day struct{ time.Time }

// ParseDay reads YYYY-MM-DD and nothing else.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	return Day{t}, err
}

func (d Day) String() string { return d.Format(time.DateOnly) }

// MarshalJSON gives the day as a JSON string.
func (d Day) MarshalJSON() ([]byte, error) { return []byte(`"` + d.String() + `"`), nil }
