package kpi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"turkey/internal/connector"
	"turkey/internal/kpi/kpidb"
	"turkey/internal/wire"
)

// Figures are a source's numbers over some days. All numbers are decimal text: a float would round money.
type Figures struct {
	Service     string            `json:"service"`
	From        wire.Day          `json:"from" format:"date"`
	To          wire.Day          `json:"to" format:"date"`
	Granularity string            `json:"granularity" enum:"day,week,month"`
	Currency    string            `json:"currency" doc:"Of the source, unconverted; empty while it is not known" example:"EUR"`
	Timezone    string            `json:"timezone" doc:"Of the source: its days are these" example:"Europe/Berlin"`
	Rows        []FigureRow       `json:"rows" doc:"By day; a week or month in which the currency changed is one for each"`
	Totals      map[string]string `json:"totals" doc:"Sums over all rows in this currency; what does not add up over days is missing"`
	Derived     map[string]string `json:"derived" doc:"Worked out from the totals, to six places"`
}

// FigureRow is a day, or the part of a week or month that was asked for.
type FigureRow struct {
	Day         wire.Day          `json:"day" format:"date" doc:"First day of the period"`
	To          wire.Day          `json:"to" format:"date" doc:"Last day with figures"`
	Days        int               `json:"days" doc:"How many days have figures"`
	Provisional bool              `json:"provisional" doc:"The source may still correct them"`
	Currency    string            `json:"currency" doc:"Of the account that these days came from, empty while it is not known" example:"EUR"`
	FetchedAt   wire.Time         `json:"fetchedAt" format:"date-time" doc:"Of a period: the oldest of its days"`
	Metrics     map[string]string `json:"metrics" doc:"Of a day as the source gave them; of a week or month the sums"`
	Derived     map[string]string `json:"derived"`
}

// sum adds decimals exactly and remembers how many places they had.
type sum struct {
	value  big.Rat
	places int
}

func (s *sum) add(text string) error {
	var v big.Rat
	ok := !strings.ContainsAny(text, "eE/") // what a Rat understands besides, an exponent of any size too
	if ok {
		_, ok = v.SetString(text)
	}
	if !ok {
		return fmt.Errorf("%q is not a decimal number", text)
	}
	if _, fraction, ok := strings.Cut(text, "."); ok {
		s.places = max(s.places, len(fraction))
	}
	s.value.Add(&s.value, &v)
	return nil
}

func (s *sum) String() string { return s.value.FloatString(s.places) }

// sums are those of one period.
type sums map[string]*sum

func (s sums) add(metrics map[string]json.Number, columns []string) error {
	for _, name := range columns {
		n, ok := metrics[name]
		if !ok {
			continue // an older row: the source had no such column
		}
		if s[name] == nil {
			s[name] = &sum{}
		}
		if err := s[name].add(n.String()); err != nil {
			return err
		}
	}
	return nil
}

func (s sums) text() map[string]string {
	out := make(map[string]string, len(s))
	for name, v := range s {
		out[name] = v.String()
	}
	return out
}

// derivedPlaces is how many places of a ratio are told.
const derivedPlaces = 6

// derived works the ratios out; division by zero gives 0 (contract §7).
func (s sums) derived(ratios []connector.Ratio) map[string]string {
	out := make(map[string]string, len(ratios))
	for _, r := range ratios {
		of, by := s[r.Of], s[r.By]
		if of == nil || by == nil {
			continue
		}
		var v big.Rat
		if by.value.Sign() != 0 {
			v.Quo(&of.value, &by.value)
			v.Mul(&v, new(big.Rat).SetInt64(r.Times))
		}
		out[r.Name] = plainDecimal(v.FloatString(derivedPlaces))
	}
	return out
}

// plainDecimal drops zeros at the end of a fraction, which text has.
func plainDecimal(text string) string {
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if text == "" || text == "-0" || text == "-" {
		return "0"
	}
	return text
}

// periodOf is the first day of the week (Monday) or month that a day lies in, or the day itself.
func periodOf(day time.Time, granularity string) time.Time {
	switch granularity {
	case "week":
		return day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
	case "month":
		return day.AddDate(0, 0, 1-day.Day())
	}
	return day
}

// namedOutline is that of figures whose credential named the columns. Without the credential they are those of the rows, and
// nothing is known of what adds up.
func namedOutline(columns json.RawMessage, rows []kpidb.ListFiguresRow) (*connector.Outline, error) {
	o := &connector.Outline{}
	if len(columns) > 0 {
		if err := json.Unmarshal(columns, &o.Metrics); err != nil {
			return nil, fmt.Errorf("stored columns: %w", err)
		}
	}
	if len(o.Metrics) > 0 {
		return o, nil
	}
	names := map[string]bool{}
	for _, r := range rows {
		var metrics map[string]json.Number
		if err := json.Unmarshal(r.Metrics, &metrics); err != nil {
			return nil, fmt.Errorf("stored figures of %s: %w", r.Day.Format(time.DateOnly), err)
		}
		for name := range metrics {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		o.Metrics = append(o.Metrics, connector.Metric{Column: name, Kind: connector.PerDay})
	}
	return o, nil
}

// fill puts the stored rows, which come by day, together.
func (f *Figures) fill(rows []kpidb.ListFiguresRow, totals connector.Totals) error {
	all, part := sums{}, sums{}
	f.Rows = []FigureRow{}
	end := func() {
		if n := len(f.Rows); n > 0 {
			row := &f.Rows[n-1]
			row.Derived = part.derived(totals.Ratios)
			if f.Granularity != "day" {
				row.Metrics = part.text()
			}
		}
		part = sums{}
	}
	for _, r := range rows {
		var metrics map[string]json.Number
		if err := json.Unmarshal(r.Metrics, &metrics); err != nil {
			return fmt.Errorf("stored figures of %s: %w", r.Day.Format(time.DateOnly), err)
		}
		period, currency := wire.Day{Time: periodOf(r.Day, f.Granularity)}, cmp.Or(r.Currency, f.Currency)
		if n := len(f.Rows); n == 0 || !f.Rows[n-1].Day.Equal(period.Time) || f.Rows[n-1].Currency != currency {
			end()
			f.Rows = append(f.Rows, FigureRow{Day: period, Currency: currency, FetchedAt: wire.Time(r.FetchedAt), Metrics: asText(metrics)})
		}
		row := &f.Rows[len(f.Rows)-1]
		row.To, row.Days, row.Provisional = wire.Day{Time: r.Day}, row.Days+1, row.Provisional || r.Provisional
		if r.FetchedAt.Before(time.Time(row.FetchedAt)) {
			row.FetchedAt = wire.Time(r.FetchedAt)
		}
		into := []sums{all, part}
		if currency != f.Currency { // euros and dollars are not added up
			into = into[1:]
		}
		for _, s := range into {
			if err := s.add(metrics, totals.Sums); err != nil {
				return fmt.Errorf("stored figures of %s: %w", r.Day.Format(time.DateOnly), err)
			}
		}
	}
	end()
	f.Totals, f.Derived = all.text(), all.derived(totals.Ratios)
	return nil
}

func asText(metrics map[string]json.Number) map[string]string {
	out := make(map[string]string, len(metrics))
	for name, n := range metrics {
		out[name] = n.String()
	}
	return out
}

// table is the rows as CSV: the source's columns in their order, then what is derived. A derived figure that has the name of a
// column stands there unless the source gave it for that very day.
func (f *Figures) table(columns []string, ratios []connector.Ratio) ([]byte, error) {
	var names []string
	for _, c := range columns {
		if c != "id" && c != "date" {
			names = append(names, c)
		}
	}
	for _, r := range ratios {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	rows := [][]string{append([]string{"date", "days", "provisional", "currency"}, names...)}
	for _, r := range f.Rows {
		row := []string{r.Day.String(), strconv.Itoa(r.Days), strconv.FormatBool(r.Provisional), harmless(r.Currency)}
		for _, name := range names {
			v, ok := r.Metrics[name]
			if !ok {
				v = r.Derived[name]
			}
			row = append(row, v)
		}
		rows = append(rows, row)
	}
	return table(rows)
}
