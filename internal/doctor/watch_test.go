package doctor

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// desk writes down what an operator is told.
type desk struct{ open, over []string }

func (d *desk) Tell(_ context.Context, event, subject, message string) error {
	d.open = append(d.open, event+"|"+subject+"|"+message)
	return nil
}

func (d *desk) Over(_ context.Context, event, subject, _ string) error {
	d.over = append(d.over, event+"|"+subject)
	return nil
}

func TestWatch(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	aged := func(days int, state string) SigningKey {
		return SigningKey{ID: "key_" + state, State: state, CreatedAt: now.Add(-time.Duration(days) * day)}
	}
	look := func(keys []SigningKey, ends time.Time) *desk {
		cfg := Config{Now: func() time.Time { return now }, APIs: []API{{Name: "Some API", Version: "v1", Ends: ends, Source: "https://example.com"}},
			Keys: func(context.Context) (SigningKeys, error) { return SigningKeys{Keys: keys}, nil }}
		o := &desk{}
		must(t, (&watchWorker{doctor: New(cfg), operator: o}).Work(t.Context(), nil))
		return o
	}
	is := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.EqualFunc(got, want, strings.HasPrefix) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	o := look([]SigningKey{aged(82, "signing")}, time.Time{})
	is("a young key", o.open)
	is("a young key", o.over, "api.sunset|Some API")
	o = look([]SigningKey{aged(83, "signing"), aged(400, "verifying"), aged(1, "next")}, now.Add(61*day))
	is("an old key", o.open, "key.old|key_signing|Signing key key_signing is older than 90 days from 2027-03-08 on")
	is("an old key", o.over, "key.old|key_verifying", "key.old|key_next", "api.sunset|Some API")
	o = look(nil, now.Add(60*day))
	is("an API that ends", o.open, "api.sunset|Some API|Some API v1 is served until 2027-04-30: Upgrade")
	is("an API that ends", o.over)
	is("an API that ended", look(nil, now.Add(-day)).open, "api.sunset|Some API|")
}
