package kpi

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"turkey/internal/connector"
)

// FuzzHeader reads first rows as a spreadsheet's API gives them: a column of ours is where its name stands first, and nowhere
// else. The same row's cells are read as days.
func FuzzHeader(f *testing.F) {
	f.Add(`["id","date","sessions","users","add_to_cart","purchases","revenue","bounce_rate","ad_spend"]`)
	var all []string
	for _, o := range connector.Outlines() {
		for _, m := range o.Metrics {
			all = append(all, m.Column)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		var row []any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if d.Decode(&row) != nil {
			return
		}
		at := ours(all, row)
		for name, i := range at {
			if i >= len(row) || headed(row[i]) != name || !slices.Contains(all, name) {
				t.Errorf("%s: %q is not in column %d", text, name, i)
			}
			if first := slices.IndexFunc(row, func(cell any) bool { return headed(cell) == name }); first != i {
				t.Errorf("%s: %q is in column %d first, found in %d", text, name, first, i)
			}
		}
		for _, cell := range row {
			if name := headed(cell); slices.Contains(all, name) {
				if _, found := at[name]; !found {
					t.Errorf("%s: %q was not found", text, name)
				}
			}
			if day := dayOf(cell); day != "" {
				if _, err := time.Parse(time.DateOnly, day); err != nil {
					t.Errorf("%v is the day %q", cell, day)
				}
			}
		}
		_ = owner(row)
	})
}
