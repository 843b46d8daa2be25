package connector

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// shopifyChunk is the days of one query; ShopifyQL gives at most 1000 rows.
const shopifyChunk = 366

// shopifyOutline has ShopifyQL's metrics in the order in which they are asked for. A customer who buys on two days is one.
var shopifyOutline = Outline{
	Service: Shopify, Title: "Shopify", Restates: 28, // returns and edits of orders come late
	Metrics: []Metric{
		{Column: "total_orders", Field: "orders", Kind: Sum, Mark: true},
		{Column: "total_revenue", Field: "total_sales", Kind: Sum, Mark: true},
		{Column: "net_revenue", Field: "net_sales", Kind: Sum, Mark: true},
		{Column: "total_returns", Field: "returns", Kind: Sum, shape: sizeOf},
		{Column: "new_customers", Field: "new_customers", Kind: Sum},
		{Column: "repeat_customers", Field: "returning_customers", Kind: PerDay, Mark: true},
		{Column: "total_sessions", Field: "sessions", Kind: Sum, Later: true},
		{Column: "aov", Kind: PerDay, Later: true, from: func(day map[string]json.Number) json.Number {
			return average(day["total_revenue"], day["total_orders"])
		}},
	},
	Ratios: []Ratio{
		{"aov", "total_revenue", "total_orders", 1}, {"new_customer_rate", "new_customers", "total_orders", 100},
		{"return_rate", "total_returns", "total_revenue", 100},
	},
}

// sizeOf: returns are money taken off the sales, hence negative at Shopify; the sheet wants their size (§7.3).
func sizeOf(n json.Number) json.Number { return json.Number(strings.TrimPrefix(n.String(), "-")) }

func (s *shopify) Extract(ctx context.Context, secret []byte, from, to string) (Report, error) {
	who, err := s.open(secret)
	if err != nil {
		return Report{}, err
	}
	if from == "" {
		return s.yesterday(ctx, who)
	}
	days, err := daysBetween(from, to)
	if err != nil {
		return Report{}, err
	}
	var r Report
	for part := range slices.Chunk(days, shopifyChunk) {
		found, err := s.days(ctx, who, "SINCE "+part[0]+" UNTIL "+part[len(part)-1])
		if err != nil {
			return Report{}, err
		}
		rows, err := found.rowsOf(part)
		if err != nil {
			return Report{}, err
		}
		r.Rows = append(r.Rows, rows...)
		r.TimeZone, r.Currency = found.shop.TimeZone, found.shop.Currency
	}
	return r, nil
}

// yesterday leaves the day to Shopify. Only an empty one must be computed here, from the shop's zone.
func (s *shopify) yesterday(ctx context.Context, who *store) (Report, error) {
	found, err := s.days(ctx, who, "DURING yesterday")
	if err != nil {
		return Report{}, err
	}
	zone, err := time.LoadLocation(found.shop.TimeZone)
	if err != nil || found.shop.TimeZone == "" {
		return Report{}, fail(Unavailable, "The time zone of the shop is not known: %q", found.shop.TimeZone)
	}
	year, month, day := s.now().In(zone).Date()
	days := []string{time.Date(year, month, day-1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)}
	for date := range found.rows {
		days[0] = date // a second day is outside and refused below
	}
	rows, err := found.rowsOf(days)
	return Report{Rows: rows, TimeZone: found.shop.TimeZone, Currency: found.shop.Currency}, err
}

// shopDays is a report by date.
type shopDays struct {
	rows map[string]map[string]json.Number
	shop shop
}

// days asks for one period. The query travels as a variable, so nothing of it is read as GraphQL.
func (s *shopify) days(ctx context.Context, who *store, period string) (*shopDays, error) {
	q := fmt.Sprintf("FROM sales, customers, sessions SHOW day, %s GROUP BY day %s ORDER BY day", strings.Join(s.fields(), ", "), period)
	var data struct {
		Shop   shop `json:"shop"`
		Report struct {
			Table       *shopTable `json:"tableData"`
			ParseErrors []string   `json:"parseErrors"`
		} `json:"shopifyqlQuery"`
	}
	const text = `query Report($q: String!) { shop { id name ianaTimezone currencyCode } ` +
		`shopifyqlQuery(query: $q) { tableData { columns { name } rows } parseErrors } }`
	if _, err := s.query(ctx, who, text, map[string]any{"q": q}, &data); err != nil {
		return nil, err
	}
	if len(data.Report.ParseErrors) > 0 {
		return nil, fail(Invalid, "Shopify does not understand the report that was asked for").
			because(who.said("parseErrors", data.Report.ParseErrors[0]))
	}
	if data.Report.Table == nil {
		return nil, fail(Unavailable, "Shopify answered without the report")
	}
	rows, err := data.Report.Table.days()
	if err != nil {
		return nil, err
	}
	return &shopDays{rows: rows, shop: data.Shop}, nil
}

// rowsOf gives one row for each of the days, which are ascending, and refuses rows of other days.
func (d *shopDays) rowsOf(days []string) ([]Row, error) {
	for date := range d.rows {
		if _, ok := slices.BinarySearch(days, date); !ok {
			return nil, fail(Unavailable, "Shopify gave a day that was not asked for: %s", date)
		}
	}
	rows := make([]Row, 0, len(days))
	for _, date := range days {
		metrics, ok := d.rows[date]
		if !ok {
			metrics = shopifyOutline.zero()
		}
		rows = append(rows, Row{Date: date, Metrics: metrics})
	}
	return rows, nil
}

// shopTable is ShopifyqlTableData. Each row is an object by column name, or a list in the order of the columns.
type shopTable struct {
	Columns []struct {
		Name string `json:"name"`
	} `json:"columns"`
	Rows []shopRow `json:"rows"`
}

type shopRow struct {
	byName map[string]any
	list   []any
}

func (r *shopRow) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if text[0] == '[' {
		return d.Decode(&r.list)
	}
	return d.Decode(&r.byName)
}

// days takes the table over. A column that is not there means another report, not zeros; a day that comes twice means the
// figures are not what was asked for.
func (t *shopTable) days() (map[string]map[string]json.Number, error) {
	at := map[string]int{}
	for i, c := range t.Columns {
		at[c.Name] = i
	}
	days := map[string]map[string]json.Number{}
	if len(t.Rows) == 0 {
		return days, nil
	}
	for _, name := range append([]string{"day"}, shopifyOutline.fields()...) {
		if _, ok := at[name]; !ok {
			return nil, fail(Unavailable, "Shopify gave a report without the column %s", name)
		}
	}
	for _, row := range t.Rows {
		date, ok := shopDay(row.cell("day", at))
		if !ok {
			return nil, fail(Unavailable, "Shopify gave a row without a day")
		}
		if _, twice := days[date]; twice {
			return nil, fail(Unavailable, "Shopify gave several rows for %s", date)
		}
		days[date] = row.metrics(at)
	}
	return days, nil
}

func (r shopRow) metrics(at map[string]int) map[string]json.Number {
	return shopifyOutline.day(func(field string) json.Number { return number(r.cell(field, at)) })
}

// cell is the text of a value, "" for null and for what is no single value.
func (r shopRow) cell(name string, at map[string]int) string {
	var value any
	if r.byName != nil {
		value = r.byName[name]
	} else if i := at[name]; i < len(r.list) {
		value = r.list[i]
	}
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// shopDay reads a day label, which is in the shop's zone whatever it looks like: "2026-11-20" or "2026-11-20T00:00:00Z".
func shopDay(label string) (string, bool) {
	date, clock, timed := strings.Cut(label, "T")
	if timed && !strings.HasPrefix(clock, "00:00:00") {
		return "", false
	}
	_, err := time.Parse(time.DateOnly, date)
	return date, err == nil
}

// average divides exactly and rounds to two decimals, half away from zero; 0 without orders.
func average(amount, count json.Number) json.Number {
	a, okA := new(big.Rat).SetString(amount.String())
	n, okN := new(big.Rat).SetString(count.String())
	if !okA || !okN || n.Sign() <= 0 {
		return "0"
	}
	return json.Number(a.Quo(a, n).FloatString(2))
}
