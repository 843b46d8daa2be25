package connector

import (
	"cmp"
	"encoding/json"
	"strings"
)

// Kind says what may be told of a column over several days.
type Kind string

// The kinds. A ratio, or a number of different people, stands for its day alone.
const (
	Sum    Kind = "sum"
	PerDay Kind = "per_day"
)

// Metric is one column of a source, and where its figures come from.
type Metric struct {
	Column string `json:"column"`
	Kind   Kind   `json:"kind"`
	Field  string `json:"-"` // at the provider; "" where it has none
	Mark   bool   `json:"-"` // a header with two such columns is taken for this source's
	Later  bool   `json:"-"` // a tab of the source's first generation does not have it yet

	shape func(json.Number) json.Number                // what is made of the provider's figure; nil: as it is
	from  func(day map[string]json.Number) json.Number // works a column without a Field out; nil: always 0
}

// Ratio is Of / By × Times, both sums over the same days; 0 where By is 0.
type Ratio struct {
	Name, Of, By string
	Times        int64
}

// Totals says what may be told of several days of a source. A column that is in neither list, such as a number of different
// people, has no total.
type Totals struct {
	Sums   []string // columns that add up
	Ratios []Ratio  // worked out from sums, never from the ratios of days
}

// Outline is what is fixed about a service. Of a source, its table of metrics: the columns of its tab, what is asked of the
// provider, how an answer is read and what adds up over days all follow from it.
type Outline struct {
	Service  string   // its name in the API
	Title    string   // its name for people
	Restates int      // days that each run reads again, because the provider still corrects them
	Settles  int      // days that the provider corrects as a rule; 0 = as long as they are read again
	Metrics  []Metric // in the order of the tab; nil where each credential names its own (Report.Metrics)
	Ratios   []Ratio
}

// Name is the service's name in the API.
func (o *Outline) Name() string { return o.Service }

// Outlined is the outline itself, for those that embed it.
func (o *Outline) Outlined() *Outline { return o }

// Window is the number of days that each run reads again.
func (o *Outline) Window() int { return o.Restates }

// Settling is the number of days after which a figure counts as final. It is less than Restates: what the last run that reads
// a day says of it is final.
func (o *Outline) Settling() int { return cmp.Or(o.Settles, o.Restates-1) }

// Columns is the header of the source's tab, in order, id and date included (§7.4).
func (o *Outline) Columns() []string {
	columns := make([]string, 0, len(o.Metrics)+2)
	columns = append(columns, "id", "date")
	for _, m := range o.Metrics {
		columns = append(columns, m.Column)
	}
	return columns
}

// Totals says which columns add up over days, and what is worked out from the sums.
func (o *Outline) Totals() Totals {
	t := Totals{Ratios: o.Ratios}
	for _, m := range o.Metrics {
		if m.Kind == Sum {
			t.Sums = append(t.Sums, m.Column)
		}
	}
	return t
}

// Later counts the columns at the end of the header that the source's first generation did not have.
func (o *Outline) Later() (n int) {
	for _, m := range o.Metrics {
		if m.Later {
			n++
		}
	}
	return n
}

// fields are the provider's names of what is asked for, in the order of the table, each once.
func (o *Outline) fields() []string {
	var names []string
	seen := map[string]bool{"": true}
	for _, m := range o.Metrics {
		if !seen[m.Field] {
			seen[m.Field] = true
			names = append(names, m.Field)
		}
	}
	return names
}

// day builds a day's figures: what figure gives for each field, then what is worked out from that.
func (o *Outline) day(figure func(field string) json.Number) map[string]json.Number {
	day := make(map[string]json.Number, len(o.Metrics))
	for _, m := range o.Metrics {
		day[m.Column] = "0"
		if m.Field == "" {
			continue
		}
		day[m.Column] = figure(m.Field)
		if m.shape != nil {
			day[m.Column] = m.shape(day[m.Column])
		}
	}
	for _, m := range o.Metrics {
		if m.from != nil {
			day[m.Column] = m.from(day)
		}
	}
	return day
}

// zero is a day without activity.
func (o *Outline) zero() map[string]json.Number {
	return o.day(func(string) json.Number { return "0" })
}

// OutlineOf finds what is fixed about a service.
func OutlineOf(service string) (*Outline, bool) {
	for _, r := range registry {
		if r.Service == service {
			return r.Outline, true
		}
	}
	return nil, false
}

// Outlines are those of all services.
func Outlines() []*Outline {
	all := make([]*Outline, len(registry))
	for i, r := range registry {
		all[i] = r.Outline
	}
	return all
}

// Title is a service's name for people.
func Title(service string) string {
	if o, ok := OutlineOf(service); ok {
		return o.Title
	}
	return strings.ToUpper(service[:min(1, len(service))]) + service[min(1, len(service)):]
}
