package vault

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestACursorComesBackAsItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Int64Min(0).Draw(t, "id")
		at := time.UnixMicro(rapid.Int64Range(0, 253402300799999999).Draw(t, "micros")) // to the end of 9999
		back, backID, err := readPlace(*cursor(at.UnixMicro(), id))
		if err != nil || !back.Equal(at) || backID != id {
			t.Fatalf("%v %d came back as %v %d, %v", at, id, back, backID, err)
		}
		if n, err := readCursor(*cursor(id), 1); err != nil || n[0] != id {
			t.Fatalf("%d came back as %v, %v", id, n, err)
		}
	})
	if at, id, err := readPlace(""); at != nil || id != 0 || err != nil {
		t.Errorf("no cursor: %v %d, %v", at, id, err)
	}
}

func FuzzCursor(f *testing.F) {
	for _, s := range []string{"", "!", "MQ", "MSAy", "MSAyIDM", "LTEgMg", "OTk5OTk5OTk5OTk5OTk5OTk5IDE", *cursor(1, 2), *cursor(7)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, c string) {
		at, id, err := readPlace(c)
		switch {
		case err != nil:
			if !errors.Is(err, errCursor) {
				t.Errorf("%q: %v", c, err)
			}
		case c != "" && (id < 0 || at.Year() < 1970 || at.Year() > 9999):
			t.Errorf("%q is %v %d", c, at, id)
		}
	})
}
