package kpi

import (
	"slices"
	"strings"
	"testing"

	"turkey/internal/connector"
)

// A tab of a source's first generation gets the columns that came later at its right end, for each source its own.
func TestHeadersOfTheFirstGeneration(t *testing.T) {
	t.Parallel()
	set := connector.New(connector.Config{})
	for service, first := range map[string]string{
		connector.Meta:    "id date spend reach impressions clicks landing_page_views add_to_cart initiate_checkout purchases revenue",
		connector.GA4:     "id date sessions users add_to_cart purchases revenue bounce_rate",
		connector.Shopify: "id date total_orders total_revenue net_revenue total_returns new_customers repeat_customers",
	} {
		source, ok := set.Source(service)
		if !ok {
			t.Errorf("no source %s", service)
			continue
		}
		var row []any
		for name := range strings.FieldsSeq(first) {
			row = append(row, name)
		}
		at, write, err := header(service, source.Columns(), grid{shown: [][]any{row}})
		if err != nil || write == nil || len(at) != len(source.Columns()) {
			t.Errorf("%s: %v, %v, %v", service, at, write, err)
			continue
		}
		added := source.Columns()[len(row):]
		if got := write.Values[0]; len(got) != len(added) || !slices.EqualFunc(got, added, func(a any, b string) bool { return a == b }) {
			t.Errorf("%s: added %v, want %v", service, got, added)
		}
		if _, _, err := header(service, source.Columns(), grid{shown: [][]any{row[:len(row)-1]}}); err == nil {
			t.Errorf("%s: a header of no generation is extended", service)
		}
	}
}
