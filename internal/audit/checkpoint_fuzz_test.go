package audit_test

import (
	"testing"

	"turkey/internal/audit"
)

// FuzzParseCheckpoints: what an operator keeps elsewhere may come back damaged.
func FuzzParseCheckpoints(f *testing.F) {
	f.Add([]byte(`{"no":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := audit.ParseCheckpoints(text)
		if (err == nil) != (len(all) > 0) {
			t.Errorf("%q: %d checkpoints, %v", text, len(all), err)
		}
		for _, c := range all {
			if c.No <= 0 {
				t.Errorf("%q: checkpoint %d", text, c.No)
			}
		}
	})
}
