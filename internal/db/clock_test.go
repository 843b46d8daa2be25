package db

import (
	"testing"
	"time"
)

func TestAClockThatIsSetAheadIsBelievedLate(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	at := func(d time.Duration) time.Time { return begin.Add(d) }
	for name, c := range map[string]struct {
		set  map[time.Duration]time.Duration // after → how far off the clock is from then on
		want map[time.Duration]time.Duration // after → how far off Steady is
	}{
		"nobody sets it": {nil, map[time.Duration]time.Duration{0: 0, time.Hour: 0}},
		"ahead": {map[time.Duration]time.Duration{time.Minute: time.Hour},
			map[time.Duration]time.Duration{59 * time.Second: 0, time.Minute: 0, 3 * time.Minute: 0, 5 * time.Minute: time.Hour}},
		"ahead, and back": {map[time.Duration]time.Duration{time.Minute: time.Hour, 2 * time.Minute: 0},
			map[time.Duration]time.Duration{90 * time.Second: 0, 2 * time.Minute: 0, 10 * time.Minute: 0}},
		"back, and ahead": {map[time.Duration]time.Duration{time.Minute: -time.Hour, 2 * time.Minute: 0},
			map[time.Duration]time.Duration{time.Minute: -time.Hour, 2 * time.Minute: -time.Hour, 4 * time.Minute: -time.Hour, 6 * time.Minute: 0}},
		"ahead, behind, and right": {map[time.Duration]time.Duration{time.Minute: time.Hour, 2 * time.Minute: -time.Hour, 3 * time.Minute: 0},
			map[time.Duration]time.Duration{90 * time.Second: 0, 2 * time.Minute: -time.Hour, 3 * time.Minute: -time.Hour, 5 * time.Minute: -time.Hour, 7 * time.Minute: 0}},
		"ahead twice": {map[time.Duration]time.Duration{time.Minute: time.Hour, 3 * time.Minute: 2 * time.Hour},
			map[time.Duration]time.Duration{3 * time.Minute: 0, 5 * time.Minute: 0, 7 * time.Minute: 2 * time.Hour}},
		"a little fast": {map[time.Duration]time.Duration{time.Minute: 200 * time.Millisecond}, map[time.Duration]time.Duration{time.Minute: 200 * time.Millisecond}},
	} {
		var k clock
		off := time.Duration(0)
		for now := time.Duration(0); now <= time.Hour; now += time.Second {
			if set, ok := c.set[now]; ok {
				off = set
			}
			k.note(at(now).Add(off), at(now))
			want, ok := c.want[now]
			if got := k.steady(at(now)).Sub(at(now)); ok && got != want {
				t.Errorf("%s, after %s: %s off, want %s", name, now, got, want)
			}
		}
	}
}
