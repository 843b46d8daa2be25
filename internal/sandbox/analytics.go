package sandbox

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// property is a GA4 property. Days holds what was corrected by hand, by date and metric.
type property struct {
	ID       string                        `json:"id"`
	TimeZone string                        `json:"timeZone"`
	Currency string                        `json:"currency"`
	Shared   map[string]role               `json:"shared"`
	Days     map[string]map[string]float64 `json:"days,omitempty"`
	Reports  int                           `json:"reports"` // made so far; each costs one quota token
}

// metricTypes are the metrics that the sandbox knows.
var metricTypes = map[string]string{
	"sessions":           "TYPE_INTEGER",
	"totalUsers":         "TYPE_INTEGER",
	"activeUsers":        "TYPE_INTEGER",
	"screenPageViews":    "TYPE_INTEGER",
	"addToCarts":         "TYPE_INTEGER",
	"ecommercePurchases": "TYPE_INTEGER",
	"totalRevenue":       "TYPE_CURRENCY",
	"bounceRate":         "TYPE_FLOAT",
}

type named struct {
	Name string `json:"name"`
}

type reportRequest struct {
	DateRanges []struct {
		StartDate string `json:"startDate"`
		EndDate   string `json:"endDate"`
	} `json:"dateRanges"`
	Dimensions []named `json:"dimensions"`
	Metrics    []named `json:"metrics"`
	OrderBys   []struct {
		Desc      bool `json:"desc"`
		Dimension *struct {
			DimensionName string `json:"dimensionName"`
		} `json:"dimension"`
	} `json:"orderBys"`
	Limit               any  `json:"limit"`  // int64: a string or a number
	Offset              any  `json:"offset"` // likewise
	ReturnPropertyQuota bool `json:"returnPropertyQuota"`
}

func (s *Sandbox) runReport(r *http.Request) (any, error) {
	id, ok := strings.CutSuffix(r.PathValue("call"), ":runReport")
	if !ok {
		return nil, refuse(http.StatusNotFound, "", "Requested entity was not found.")
	}
	email, err := s.authorize(r, "analytics.readonly", "analytics")
	if err != nil {
		return nil, err
	}
	p, ok := s.state.Properties[id]
	if !ok || p.Shared[email] == "" || p.Shared[email] == nobody {
		// Google does not tell an unknown property from somebody else's.
		return nil, refuse(http.StatusForbidden, "", "User does not have sufficient permissions for this property. To learn more about "+
			"Property ID, see https://developers.google.com/analytics/devguides/reporting/data/v1/property-id.")
	}
	var body reportRequest
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	p.Reports++ // saved with the next change; the count need not survive a crash
	return p.report(body, s.cfg.Now())
}

// reportRow is one row before it is rendered. day is "" without dimensions.
type reportRow struct {
	day     string
	figures map[string]float64
}

func (p *property) report(body reportRequest, now time.Time) (any, error) {
	byDate, err := body.check()
	if err != nil {
		return nil, err
	}
	limit, limitOK := int64Of(body.Limit, 10_000)
	offset, offsetOK := int64Of(body.Offset, 0)
	if !limitOK || !offsetOK || limit < 1 || limit > 250_000 || offset < 0 {
		return nil, refuse(http.StatusBadRequest, "", "limit is 1 to 250000 and offset is not negative")
	}
	zone, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		return nil, refuse(http.StatusInternalServerError, "", "Unknown zone.")
	}
	rows, err := p.rows(body, now.In(zone), byDate)
	if err != nil {
		return nil, err
	}
	start := min(int(offset), len(rows))
	end := min(start+int(limit), len(rows))
	return p.render(body, rows[start:end], len(rows)), nil
}

// check validates dimensions and metrics. byDate says that the report is by day.
func (b reportRequest) check() (byDate bool, err error) {
	if len(b.Metrics) == 0 {
		return false, refuse(http.StatusBadRequest, "", "Requests must have at least one metric.")
	}
	for _, m := range b.Metrics {
		if metricTypes[m.Name] == "" {
			return false, refuse(http.StatusBadRequest, "", "Field %s is not a valid metric. For a list of valid dimensions and metrics, "+
				"see https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema", m.Name)
		}
	}
	for _, d := range b.Dimensions {
		if d.Name != "date" {
			return false, refuse(http.StatusBadRequest, "", "Field %s is not a valid dimension. For a list of valid dimensions and metrics, "+
				"see https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema", d.Name)
		}
	}
	if len(b.DateRanges) != 1 {
		return false, refuse(http.StatusBadRequest, "", "The sandbox wants exactly one date range.")
	}
	return len(b.Dimensions) > 0, nil
}

// rows computes the report. now is in the property's zone.
func (p *property) rows(body reportRequest, now time.Time, byDate bool) ([]reportRow, error) {
	first, firstOK := dayOf(body.DateRanges[0].StartDate, now)
	last, lastOK := dayOf(body.DateRanges[0].EndDate, now)
	if !firstOK || !lastOK || last.Before(first) {
		return nil, refuse(http.StatusBadRequest, "", "Invalid startDate or endDate: dates are YYYY-MM-DD, yesterday, today or NdaysAgo, in order.")
	}
	today, _ := dayOf("today", now)
	rows := []reportRow{}
	for day := first; !day.After(last) && !day.After(today); day = day.AddDate(0, 0, 1) {
		if figures := p.figures(day.Format(time.DateOnly)); figures != nil {
			rows = append(rows, reportRow{day.Format("20060102"), figures})
		}
	}
	if !byDate {
		return total(rows), nil
	}
	body.sort(rows)
	return rows, nil
}

// sort orders by date if asked to, otherwise by the first metric, the largest first, as GA4 does.
func (b reportRequest) sort(rows []reportRow) {
	if len(b.OrderBys) > 0 && b.OrderBys[0].Dimension != nil {
		if b.OrderBys[0].Desc {
			slices.Reverse(rows) // they are made in ascending order
		}
		return
	}
	slices.SortStableFunc(rows, func(x, y reportRow) int {
		return cmp.Compare(y.figures[b.Metrics[0].Name], x.figures[b.Metrics[0].Name])
	})
}

// total adds up days. Users that came on several days count more than once here; GA4 counts them once.
func total(rows []reportRow) []reportRow {
	if len(rows) == 0 {
		return rows
	}
	sum := map[string]float64{}
	bounced := 0.0
	for _, r := range rows {
		for name, value := range r.figures {
			sum[name] += value
		}
		bounced += r.figures["bounceRate"] * r.figures["sessions"]
	}
	if sum["bounceRate"] = 0; sum["sessions"] > 0 {
		sum["bounceRate"] = bounced / sum["sessions"]
	}
	return []reportRow{{figures: sum}}
}

func (p *property) render(body reportRequest, rows []reportRow, count int) any {
	answer := map[string]any{
		"kind":     "analyticsData#runReport",
		"metadata": map[string]string{"currencyCode": p.Currency, "timeZone": p.TimeZone},
	}
	dimensions := []any{}
	for _, d := range body.Dimensions {
		dimensions = append(dimensions, d)
	}
	metrics := []any{}
	for _, m := range body.Metrics {
		metrics = append(metrics, map[string]string{"name": m.Name, "type": metricTypes[m.Name]})
	}
	if len(dimensions) > 0 {
		answer["dimensionHeaders"] = dimensions
	}
	answer["metricHeaders"] = metrics
	if count > 0 { // proto3 JSON leaves out zeros and empty lists
		answer["rowCount"] = count
	}
	if len(rows) > 0 {
		answer["rows"] = renderRows(body, rows)
	}
	if body.ReturnPropertyQuota {
		answer["propertyQuota"] = p.quota()
	}
	return answer
}

func renderRows(body reportRequest, rows []reportRow) []any {
	type value struct {
		Value string `json:"value"`
	}
	rendered := make([]any, 0, len(rows))
	for _, r := range rows {
		row := map[string]any{}
		if len(body.Dimensions) > 0 {
			row["dimensionValues"] = []value{{r.day}}
		}
		values := []value{}
		for _, m := range body.Metrics {
			values = append(values, value{strconv.FormatFloat(r.figures[m.Name], 'f', -1, 64)})
		}
		row["metricValues"] = values
		rendered = append(rendered, row)
	}
	return rendered
}

// quota counts one token a report against the limits of a standard property. They are shown, not enforced.
func (p *property) quota() any {
	status := func(limit, used int) map[string]int {
		return map[string]int{"consumed": 1, "remaining": max(0, limit-used)}
	}
	return map[string]any{
		"tokensPerDay":                          status(200_000, p.Reports),
		"tokensPerHour":                         status(40_000, p.Reports),
		"tokensPerProjectPerHour":               status(14_000, p.Reports),
		"concurrentRequests":                    map[string]int{"remaining": 10},
		"serverErrorsPerProjectPerHour":         map[string]int{"remaining": 10},
		"potentiallyThresholdedRequestsPerHour": map[string]int{"remaining": 120},
	}
}

// figures makes up a day, always the same for a property and date; nil is a day without activity.
func (p *property) figures(date string) map[string]float64 {
	figures := invented(p.ID, date)
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

func invented(id, date string) map[string]float64 {
	r := seeded(id + "/" + date)
	if r.IntN(12) == 0 {
		return nil
	}
	size := 200 + seeded(id).Float64()*1800 // sessions on an average day of this property
	if day, err := time.Parse(time.DateOnly, date); err == nil && (day.Weekday() == time.Saturday || day.Weekday() == time.Sunday) {
		size *= 0.7
	}
	share := func(of, low, high float64) float64 { return math.Round(of * (low + r.Float64()*(high-low))) }
	sessions := share(size, 0.8, 1.25)
	users := share(sessions, 0.7, 0.9)
	carts := share(sessions, 0.05, 0.12)
	purchases := share(carts, 0.2, 0.4)
	return map[string]float64{
		"sessions":           sessions,
		"totalUsers":         users,
		"activeUsers":        share(users, 0.9, 1),
		"screenPageViews":    share(sessions, 2, 5),
		"addToCarts":         carts,
		"ecommercePurchases": purchases,
		"totalRevenue":       math.Round(purchases*(20+r.Float64()*100)*100) / 100,
		"bounceRate":         share(sessions, 0.3, 0.65) / sessions,
	}
}

func seeded(text string) *rand.Rand {
	sum := sha256.Sum256([]byte(text))
	//nolint:gosec // figures for a demo, the same everywhere
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])))
}

// dayOf reads a date of the Data API. now is in the property's zone.
func dayOf(text string, now time.Time) (time.Time, bool) {
	year, month, day := now.Date()
	today := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	switch text {
	case "today":
		return today, true
	case "yesterday":
		return today.AddDate(0, 0, -1), true
	}
	if days, ok := strings.CutSuffix(text, "daysAgo"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return today.AddDate(0, 0, -int(n)), err == nil
	}
	t, err := time.Parse(time.DateOnly, text)
	return t, err == nil
}

// int64Of reads proto3 JSON's int64, a string or a number. Absent and 0 mean the default.
func int64Of(value any, otherwise int64) (int64, bool) {
	var text string
	switch v := value.(type) {
	case nil:
		return otherwise, true
	case string:
		text = v
	case json.Number:
		text = v.String()
	default:
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if n == 0 {
		n = otherwise
	}
	return n, err == nil
}
