package sandbox

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shopSchema is the part of the Admin API's schema that the sandbox has.
var shopSchema = fieldMask{
	"shop":                   {"id": nil, "name": nil, "ianaTimezone": nil, "currencyCode": nil, "myshopifyDomain": nil},
	"currentAppInstallation": {"accessScopes": {"handle": nil}},
	"shopifyqlQuery":         {"parseErrors": nil, "tableData": {"columns": {"name": nil, "dataType": nil, "displayName": nil}, "rows": nil}},
}

// Points that a query costs.
const (
	costOfShop   = 3
	costOfReport = 25
)

// answer runs a query. Errors of GraphQL are answers with status 200.
func (p *shop) answer(text string, variables map[string]any, now time.Time) any {
	asked, reportVariable, err := parseGraphQL(text)
	if err == nil {
		err = asked.within(shopSchema, "QueryRoot")
	}
	if err != nil {
		return map[string]any{"errors": []any{map[string]any{"message": err.Error(), "extensions": map[string]any{"code": "undefinedField"}}}}
	}
	cost := costOfShop
	if asked["shopifyqlQuery"] != nil {
		cost = costOfReport
	}
	if p.bucket.available(now) < float64(cost) {
		return p.failed("THROTTLED", "Throttled", cost, now)
	}
	p.bucket.used += float64(cost)
	if len(p.errors) > 0 {
		code := p.errors[0]
		p.errors = p.errors[1:]
		return p.failed(code, "Scripted failure", cost, now)
	}
	data := map[string]any{
		"shop": map[string]any{"id": "gid://shopify/Shop/" + p.ID, "name": p.Name, "ianaTimezone": p.TimeZone,
			"currencyCode": p.Currency, "myshopifyDomain": p.Host},
		"currentAppInstallation": map[string]any{"accessScopes": p.scopes()},
	}
	if asked["shopifyqlQuery"] != nil {
		if !slices.Contains(p.Scopes, "read_reports") || p.Unapproved {
			return p.failed("ACCESS_DENIED", "Access denied for shopifyqlQuery field. Required access: `read_reports` access scope. Also: Level 2 "+
				"access to Customer data including name, address, phone, and email fields.", cost, now)
		}
		q, ok := variables[reportVariable].(string)
		if !ok {
			return p.failed("INVALID_VARIABLE", "Variable $"+reportVariable+" of type String! was provided invalid value", cost, now)
		}
		data["shopifyqlQuery"] = p.report(q, now)
	}
	return map[string]any{"data": asked.apply(plain(data)), "extensions": p.cost(cost, cost, now)}
}

// plain gives an answer the form that a fieldMask works on.
func plain(answer any) any {
	text, err := json.Marshal(answer)
	if err != nil {
		return nil
	}
	var out any
	_ = json.Unmarshal(text, &out) // it was just encoded
	return out
}

func (p *shop) failed(code, message string, cost int, now time.Time) any {
	return map[string]any{
		"errors":     []any{map[string]any{"message": message, "extensions": map[string]any{"code": code}}},
		"extensions": p.cost(cost, nil, now),
	}
}

func (p *shop) cost(requested int, actual any, now time.Time) any {
	return map[string]any{"cost": map[string]any{
		"requestedQueryCost": requested, "actualQueryCost": actual,
		"throttleStatus": map[string]any{"maximumAvailable": bucketSize, "currentlyAvailable": math.Floor(p.bucket.available(now)), "restoreRate": bucketRate},
	}}
}

func (p *shop) scopes() []any {
	scopes := []any{}
	for _, handle := range p.Scopes {
		scopes = append(scopes, map[string]string{"handle": handle})
	}
	return scopes
}

var (
	queryToken  = regexp.MustCompile(`\s*([A-Za-z_][A-Za-z0-9_]*|[{}]|\([^()]*\))`)
	reportInput = regexp.MustCompile(`^\(\s*query\s*:\s*\$([A-Za-z_][A-Za-z0-9_]*)\s*\)$`)
)

// parseGraphQL reads "query Name($q: String!) { field(args) { … } }". Arguments are only allowed on shopifyqlQuery, whose
// variable's name comes back.
func parseGraphQL(text string) (asked fieldMask, variable string, err error) {
	var tokens []string
	text = strings.TrimSpace(text)
	for at := 0; at < len(text); {
		m := queryToken.FindStringSubmatchIndex(text[at:])
		if m == nil || m[0] != 0 {
			return nil, "", fmt.Errorf("syntax error at %d", at)
		}
		tokens = append(tokens, text[at+m[2]:at+m[3]])
		at += m[1]
	}
	if len(tokens) > 0 && tokens[0] == "query" {
		tokens = tokens[1:]
		for len(tokens) > 0 && tokens[0] != "{" {
			tokens = tokens[1:] // the name and the variables
		}
	}
	if len(tokens) == 0 || tokens[0] != "{" {
		return nil, "", fmt.Errorf("syntax error: a query is wanted")
	}
	asked, rest, err := parseSelection(tokens[1:], &variable)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("syntax error: text after the query")
	}
	return asked, variable, err
}

func parseSelection(tokens []string, variable *string) (fieldMask, []string, error) {
	asked := fieldMask{}
	for len(tokens) > 0 && tokens[0] != "}" {
		name := tokens[0]
		tokens = tokens[1:]
		if name == "{" || name[0] == '(' {
			return nil, nil, fmt.Errorf("syntax error at %q", name)
		}
		if len(tokens) > 0 && tokens[0][0] == '(' {
			m := reportInput.FindStringSubmatch(tokens[0])
			if m == nil || name != "shopifyqlQuery" {
				return nil, nil, fmt.Errorf("field '%s' doesn't accept %s", name, tokens[0])
			}
			*variable, tokens = m[1], tokens[1:]
		}
		asked[name] = nil
		if len(tokens) > 0 && tokens[0] == "{" {
			below, rest, err := parseSelection(tokens[1:], variable)
			if err != nil {
				return nil, nil, err
			}
			asked[name], tokens = below, rest
		}
	}
	if len(tokens) == 0 {
		return nil, nil, fmt.Errorf("syntax error: unexpected end")
	}
	return asked, tokens[1:], nil
}

// within checks a selection: only known fields, and objects only with a selection of their own.
func (m fieldMask) within(schema fieldMask, parent string) error {
	for name, below := range m {
		known, ok := schema[name]
		if !ok || (known == nil) != (below == nil) {
			return fmt.Errorf("field '%s' doesn't exist on %s or lacks its selection", name, parent)
		}
		if err := below.within(known, name); err != nil {
			return err
		}
	}
	return nil
}

// shopMetrics are the columns of ShopifyQL that the sandbox knows, with their types.
var shopMetrics = map[string]string{
	"orders": "INTEGER", "total_sales": "MONEY", "net_sales": "MONEY", "returns": "MONEY",
	"new_customers": "INTEGER", "returning_customers": "INTEGER", "sessions": "INTEGER",
}

const maxReportDays = 1000 // rows that ShopifyQL gives without a LIMIT

// shopReport is the only form of ShopifyQL that the sandbox understands.
var shopReport = regexp.MustCompile(`^FROM sales, customers, sessions SHOW day, ([a-z_]+(?:, [a-z_]+)*) GROUP BY day ` +
	`(?:SINCE ([0-9]{4}-[0-9]{2}-[0-9]{2}) UNTIL ([0-9]{4}-[0-9]{2}-[0-9]{2})|DURING yesterday) ORDER BY day$`)

func (p *shop) report(q string, now time.Time) any {
	wrong := func(format string, args ...any) any {
		return map[string]any{"tableData": nil, "parseErrors": []string{fmt.Sprintf(format, args...)}}
	}
	m := shopReport.FindStringSubmatch(q)
	if m == nil {
		return wrong("Line 1 Column 0: syntax error in the query")
	}
	columns := []any{shopColumn("day", "DAY_TIMESTAMP")}
	metrics := strings.Split(m[1], ", ")
	for _, name := range metrics {
		if shopMetrics[name] == "" {
			return wrong("Line 1 Column 0: column %s does not exist", name)
		}
		columns = append(columns, shopColumn(name, shopMetrics[name]))
	}
	zone, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		return wrong("unknown zone")
	}
	today, _ := dayOf("today", now.In(zone))
	first, last := today.AddDate(0, 0, -1), today.AddDate(0, 0, -1)
	if m[2] != "" {
		var errs [2]error
		first, errs[0] = time.Parse(time.DateOnly, m[2])
		last, errs[1] = time.Parse(time.DateOnly, m[3])
		if errs[0] != nil || errs[1] != nil || last.Before(first) {
			return wrong("Line 1 Column 0: the dates are not a range")
		}
	}
	rows := []any{}
	for day := first; !day.After(last) && !day.After(today) && len(rows) < maxReportDays; day = day.AddDate(0, 0, 1) {
		date := day.Format(time.DateOnly)
		if figures := p.figures(date); figures != nil {
			row := map[string]any{"day": date}
			for _, name := range metrics {
				row[name] = shopValue(name, figures[name])
			}
			rows = append(rows, row)
		}
	}
	return map[string]any{"tableData": map[string]any{"columns": columns, "rows": rows}, "parseErrors": []string{}}
}

func shopColumn(name, dataType string) any {
	return map[string]string{"name": name, "dataType": dataType, "displayName": strings.ReplaceAll(name, "_", " ")}
}

// shopValue is a figure as Shopify writes it: text, money with two decimals.
func shopValue(name string, value float64) string {
	if shopMetrics[name] == "MONEY" {
		return strconv.FormatFloat(value, 'f', 2, 64)
	}
	return strconv.FormatFloat(value, 'f', -1, 64)
}

// figures makes up a day, always the same for a shop and date; nil is a day without activity.
func (p *shop) figures(date string) map[string]float64 {
	figures := inventedSales(p.Host, date)
	corrected, ok := p.Days[date]
	if !ok {
		return figures
	}
	if figures == nil {
		figures = map[string]float64{}
	}
	for name, value := range corrected {
		figures[name] = value
	}
	return figures
}

func inventedSales(host, date string) map[string]float64 {
	r := seeded(host + "/" + date)
	if r.IntN(12) == 0 {
		return nil
	}
	size := 300 + seeded(host).Float64()*1500 // sessions on an average day of this shop
	share := func(of, low, high float64) float64 { return math.Round(of * (low + r.Float64()*(high-low))) }
	cents := func(amount float64) float64 { return math.Round(amount*100) / 100 }
	sessions := share(size, 0.8, 1.25)
	orders := share(sessions, 0.01, 0.04)
	total := cents(orders * (30 + r.Float64()*60))
	newcomers := share(orders, 0.4, 0.8)
	return map[string]float64{
		"orders": orders, "total_sales": total, "net_sales": cents(total * (0.78 + r.Float64()*0.1)), "returns": -cents(total * r.Float64() * 0.08),
		"new_customers": newcomers, "returning_customers": orders - newcomers, "sessions": sessions,
	}
}
