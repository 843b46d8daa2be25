package chaos_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"turkey/internal/connector"
)

// differences compares all tabs and all stored rows with what the sources say now, and with what people typed.
func (w *world) differences(services ...string) (found []string) {
	w.t.Helper()
	for n, p := range w.people {
		for _, service := range services {
			for _, d := range p.compare(service) {
				found = append(found, fmt.Sprintf("person %d, %s: %s", n, service, d))
			}
		}
	}
	return found
}

func (p *person) compare(service string) (found []string) {
	p.w.t.Helper()
	differ := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	source, _ := p.w.connectors.Source(service)
	tab, stored := p.tab(service), p.stored(service)
	from, to := p.w.ago(p.history[service]), p.w.ago(1)
	if _, later := stored[p.w.ago(0)]; later { // midnight has passed
		to = p.w.ago(0)
	}
	report, err := source.Extract(p.w.t.Context(), p.content[service], from, to)
	must(p.w.t, err)
	columns := map[string]int{}
	for i, cell := range tab[0] {
		if name := strings.TrimSpace(fmt.Sprint(cell)); slices.Contains(source.Columns(), name) {
			columns[name] = i
		}
	}
	at := map[string][]any{}
	for i, row := range tab[1:] {
		day := text(row, columns["date"])
		if day == "" {
			if id := text(row, columns["id"]); id != "" {
				differ("row %d has an id and no day", i+2)
			}
			continue
		}
		if at[day] != nil {
			differ("%s stands there twice", day)
		}
		at[day] = row
	}
	if len(at) != len(report.Rows) || len(stored) != len(report.Rows) {
		differ("%d days stand in the tab, %d are stored, the source has %d", len(at), len(stored), len(report.Rows))
	}
	for _, r := range report.Rows {
		row, kept := at[r.Date], stored[r.Date]
		if row == nil || kept.metrics == nil {
			differ("%s: in the tab %t, stored %t", r.Date, row != nil, kept.metrics != nil)
			continue
		}
		if id := text(row, columns["id"]); id != kept.id {
			differ("%s: id %s in the tab, %s stored", r.Date, id, kept.id)
		}
		for name, true := range r.Metrics {
			want, err := true.Float64()
			must(p.w.t, err)
			if got := value(row, columns[name]); got != want {
				differ("%s: %s is %v in the tab, and %v", r.Date, name, got, want)
			}
			if got, err := kept.metrics[name].Float64(); err != nil || got != want {
				differ("%s: %s is stored as %q, and is %v", r.Date, name, kept.metrics[name], want)
			}
		}
	}
	for a1, typed := range p.own[service] {
		column, row := int(a1[0]-'A'), 0
		_, err := fmt.Sscan(a1[1:], &row)
		must(p.w.t, err)
		if got := value(tab[row-1], column); got != typed {
			differ("the person's %s is %v, was %v", a1, got, typed)
		}
	}
	for i, row := range tab { // nothing but theirs stands in their columns, or right of ours
		for j, v := range row {
			a1 := cell(j, i+1)
			if _, own := p.own[service][a1]; !own && v != nil && v != "" && !slices.Contains(values(columns), j) {
				differ("%s holds %v, which nobody typed", a1, v)
			}
		}
	}
	return found
}

func values(m map[string]int) (all []int) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

func value(row []any, column int) any {
	if column >= len(row) {
		return nil
	}
	return row[column]
}

func text(row []any, column int) string {
	if v := value(row, column); v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

// tab is a tab as the sandbox keeps it, formulas as such.
func (p *person) tab(title string) [][]any {
	p.w.t.Helper()
	var file struct {
		Tabs []struct {
			Title string
			Cells [][]any
		}
	}
	p.w.console("GET", "/spreadsheets/"+p.spreadsheet, nil, &file)
	for _, t := range file.Tabs {
		if t.Title == title {
			return t.Cells
		}
	}
	p.w.t.Fatalf("no tab %s", title)
	return nil
}

type kept struct {
	id      string
	metrics map[string]json.Number
}

// stored is what kpi_rows has, by day.
func (p *person) stored(service string) map[string]kept {
	p.w.t.Helper()
	rows, err := p.w.sql.Query(p.w.t.Context(), `SELECT k.day, k.id::text, k.metrics FROM kpi_rows k JOIN users u ON u.user_no = k.user_id
		WHERE u.id = $1 AND k.service = $2`, p.id, service)
	must(p.w.t, err)
	defer rows.Close()
	all := map[string]kept{}
	for rows.Next() {
		var day time.Time
		var k kept
		must(p.w.t, rows.Scan(&day, &k.id, &k.metrics))
		all[day.Format(time.DateOnly)] = k
	}
	must(p.w.t, rows.Err())
	return all
}

// corrects changes what a source says of a day.
func (p *person) corrects(service, day string, n int) {
	p.w.t.Helper()
	switch service {
	case connector.GA4:
		p.w.console("PUT", "/properties/"+p.property+"/days", object{"date": day, "metrics": object{"sessions": n, "ecommercePurchases": n / 7}}, nil)
	case connector.Meta:
		p.w.console("PUT", "/ad-accounts/"+p.account+"/days", object{"date": day, "row": object{"spend": fmt.Sprintf("%d.25", n), "clicks": fmt.Sprint(n)}}, nil)
	case connector.Shopify:
		p.w.console("PUT", "/shops/"+p.shop+"/days", object{"date": day, "metrics": object{"orders": n, "returning_customers": n / 3}}, nil)
	}
}
