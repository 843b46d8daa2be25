package connector_test

import (
	"slices"
	"testing"

	"turkey/internal/connector"
)

// A total of a column that a source does not have would be missing without a word.
func TestTotalsAreOfColumns(t *testing.T) {
	t.Parallel()
	set := connector.New(connector.Config{})
	for _, name := range set.Names() {
		source, ok := set.Source(name)
		if !ok {
			continue
		}
		totals, columns := source.Totals(), source.Columns()
		if len(totals.Sums) == 0 || len(totals.Ratios) == 0 {
			t.Errorf("%s: %+v", name, totals)
		}
		for _, sum := range totals.Sums {
			if !slices.Contains(columns, sum) {
				t.Errorf("%s has no column %s", name, sum)
			}
		}
		for _, r := range totals.Ratios {
			if !slices.Contains(totals.Sums, r.Of) || !slices.Contains(totals.Sums, r.By) || r.Times < 1 {
				t.Errorf("%s: %+v is not of sums", name, r)
			}
			if slices.Contains(totals.Sums, r.Name) {
				t.Errorf("%s: %s is a sum and a ratio", name, r.Name)
			}
		}
	}
}
