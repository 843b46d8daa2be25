package connector

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// The action types of each column by rank: they overlap, so the first one present counts and nothing is added up (§7.1).
var (
	metaViews     = []string{"landing_page_view", "omni_landing_page_view"}
	metaCarts     = []string{"add_to_cart", "offsite_conversion.fb_pixel_add_to_cart", "omni_add_to_cart"}
	metaCheckouts = []string{"initiate_checkout", "offsite_conversion.fb_pixel_initiate_checkout", "omni_initiated_checkout"}
	metaPurchases = []string{
		"purchase", "offsite_conversion.fb_pixel_purchase", "omni_purchase", "onsite_web_purchase", "onsite_web_app_purchase",
		"web_in_store_purchase",
	}
)

// metaPick says which entry of a list of figures by action type counts for a column. chosen are the types that earlier columns
// were taken from.
type metaPick func(list metaActions, chosen map[string]string) (value json.Number, from string)

// metaTable has the fields of insights. A person who was reached on two days is one.
var metaTable = []struct {
	Metric
	pick metaPick // nil: the field is a figure
}{
	{Metric{Column: "spend", Field: "spend", Kind: Sum, Mark: true}, nil},
	{Metric{Column: "reach", Field: "reach", Kind: PerDay, Mark: true}, nil},
	{Metric{Column: "impressions", Field: "impressions", Kind: Sum, Mark: true}, nil},
	{Metric{Column: "clicks", Field: "clicks", Kind: Sum, Mark: true}, nil},
	{Metric{Column: "landing_page_views", Field: "actions", Kind: Sum, Mark: true}, first(metaViews)},
	{Metric{Column: "add_to_cart", Field: "actions", Kind: Sum}, first(metaCarts)},
	{Metric{Column: "initiate_checkout", Field: "actions", Kind: Sum}, first(metaCheckouts)},
	{Metric{Column: "purchases", Field: "actions", Kind: Sum}, first(metaPurchases)},
	{Metric{Column: "revenue", Field: "action_values", Kind: Sum}, func(l metaActions, _ map[string]string) (json.Number, string) {
		return l.firstPositive(metaPurchases)
	}},
	{Metric{Column: "roas", Field: "purchase_roas", Kind: PerDay, Later: true}, func(l metaActions, chosen map[string]string) (json.Number, string) {
		return l.of(chosen["revenue_source"]), ""
	}},
	{Metric{Column: "cpm", Field: "cpm", Kind: PerDay, Later: true}, nil},
	{Metric{Column: "ctr", Field: "ctr", Kind: PerDay, Later: true}, nil},
}

var metaOutline = Outline{
	Service: Meta, Title: "Meta", Restates: 28, // Meta attributes purchases to ads of up to 28 days before
	Metrics: metaMetrics(),
	Ratios: []Ratio{
		{"cpm", "spend", "impressions", 1000}, {"ctr", "clicks", "impressions", 100}, {"cpc", "spend", "clicks", 1},
		{"cac", "spend", "purchases", 1}, {"roas", "revenue", "spend", 1}, {"aov", "revenue", "purchases", 1},
	},
}

func metaMetrics() (list []Metric) {
	for _, m := range metaTable {
		list = append(list, m.Metric)
	}
	return list
}

func first(kinds []string) metaPick {
	return func(l metaActions, _ map[string]string) (json.Number, string) { return l.first(kinds) }
}

// metaInsight is one row of insights: its day, and its figures by field.
type metaInsight struct {
	DateStart string `json:"date_start"`
	DateStop  string `json:"date_stop"`
	fields    map[string]json.RawMessage
}

// UnmarshalJSON keeps the figures as they came.
func (i *metaInsight) UnmarshalJSON(b []byte) error {
	type day metaInsight
	return errors.Join(json.Unmarshal(b, (*day)(i)), json.Unmarshal(b, &i.fields))
}

// check refuses rows that are not one day, and a second row for a day.
func (i metaInsight) check(seen map[string]bool) error {
	if _, err := time.Parse(time.DateOnly, i.DateStart); err != nil {
		return fail(Unavailable, "The %s gave a row without a date", metaAPI)
	}
	if i.DateStop != i.DateStart {
		return fail(Unavailable, "The %s gave a row of several days, from %s", metaAPI, i.DateStart)
	}
	if seen[i.DateStart] {
		return fail(Unavailable, "The %s gave several rows for %s", metaAPI, i.DateStart)
	}
	seen[i.DateStart] = true
	return nil
}

// row applies the rules of §7.1. Of a metaInsight without figures it is the zero day. Figures are decimal strings at Meta;
// whatever is none counts as absent.
func (i metaInsight) row() Row {
	r := Row{Date: i.DateStart, Metrics: map[string]json.Number{}, Sources: map[string]string{}}
	for _, m := range metaTable {
		if m.pick == nil {
			var figure metaFigure
			i.read(m.Field, &figure)
			r.Metrics[m.Column] = figure.number()
			continue
		}
		var list metaActions
		i.read(m.Field, &list)
		value, from := m.pick(list, r.Sources)
		r.Metrics[m.Column] = value
		if from != "" {
			r.Sources[m.Column+"_source"] = from
		}
	}
	return r
}

// read decodes a field into one of the types below, which take anything; an absent one stays empty.
func (i metaInsight) read(field string, into json.Unmarshaler) {
	if raw, ok := i.fields[field]; ok {
		_ = into.UnmarshalJSON(raw) // never fails
	}
}

// metaFigure is a figure as text, "" when it is absent or of another form.
type metaFigure string

// UnmarshalJSON never fails: an odd figure is 0 and does not cost the others of its day.
func (f *metaFigure) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*f = metaFigure(text)
		return nil
	}
	var n json.Number
	if json.Unmarshal(b, &n) == nil {
		*f = metaFigure(n)
	}
	return nil
}

func (f metaFigure) number() json.Number { return number(string(f)) }

type metaAction struct {
	Type  string
	Value metaFigure
}

// metaActions is a list of figures by action type. A plain value, which purchase_roas has been too, is one without a type.
type metaActions []metaAction

// UnmarshalJSON leaves out what is no entry of such a list.
func (l *metaActions) UnmarshalJSON(b []byte) error {
	*l = nil
	var usual []struct { // read at once: entry by entry, as odd lists need it, allocates three times as much
		Type  string `json:"action_type"`
		Value string `json:"value"`
	}
	if json.Unmarshal(b, &usual) == nil {
		for _, entry := range usual {
			*l = append(*l, metaAction{Type: entry.Type, Value: metaFigure(entry.Value)})
		}
		return nil
	}
	var entries []json.RawMessage
	if json.Unmarshal(b, &entries) != nil {
		var plain metaFigure
		if err := plain.UnmarshalJSON(b); err == nil && plain != "" {
			*l = metaActions{{Value: plain}}
		}
		return nil
	}
	for _, raw := range entries {
		var entry struct {
			Type  metaFigure `json:"action_type"`
			Value metaFigure `json:"value"`
		}
		if json.Unmarshal(raw, &entry) == nil {
			*l = append(*l, metaAction{Type: string(entry.Type), Value: entry.Value})
		}
	}
	return nil
}

func (l metaActions) find(kind string) (metaAction, bool) {
	for _, a := range l {
		if a.Type == kind {
			return a, true
		}
	}
	return metaAction{}, false
}

// first is the first of the kinds that the list has, whatever its value.
func (l metaActions) first(kinds []string) (value json.Number, from string) {
	for _, kind := range kinds {
		if a, ok := l.find(kind); ok {
			return a.Value.number(), kind
		}
	}
	return "0", "NOT_FOUND"
}

// firstPositive is the first of the kinds with a value above zero.
func (l metaActions) firstPositive(kinds []string) (value json.Number, from string) {
	if len(l) == 0 {
		return "0", "NO_DATA"
	}
	for _, kind := range kinds {
		a, ok := l.find(kind)
		if !ok {
			continue
		}
		n := a.Value.number()
		if f, err := strconv.ParseFloat(n.String(), 64); err == nil && f > 0 {
			return n, kind
		}
	}
	return "0", "NO_PURCHASE_FOUND"
}

// of is the figure of that kind, else the first one.
func (l metaActions) of(kind string) json.Number {
	if a, ok := l.find(kind); ok {
		return a.Value.number()
	}
	if len(l) > 0 {
		return l[0].Value.number()
	}
	return "0"
}
