package connector

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	ga4PageSize = 10000 // rows per call; one row is one day
	maxDays     = 5000  // more than GA4 has existed, and a bound on the rows of one report
)

// ga4Outline has the Data API's metrics in the order in which they are asked for. Somebody who came on two days is one user.
var ga4Outline = Outline{
	Service: GA4, Title: "GA4", Restates: 3, Settles: 2, // GA4 settles within 24 to 48 h
	Metrics: []Metric{
		{Column: "sessions", Field: "sessions", Kind: Sum, Mark: true},
		{Column: "users", Field: "totalUsers", Kind: PerDay, Mark: true},
		{Column: "add_to_cart", Field: "addToCarts", Kind: Sum},
		{Column: "purchases", Field: "ecommercePurchases", Kind: Sum},
		{Column: "revenue", Field: "totalRevenue", Kind: Sum},
		{Column: "bounce_rate", Field: "bounceRate", Kind: PerDay, Mark: true},
		{Column: "ad_spend", Kind: Sum, Later: true}, // GA4 does not know it
	},
	Ratios: []Ratio{{"conversion_rate", "purchases", "sessions", 100}, {"aov", "revenue", "purchases", 1}},
}

// ga4 reads Google Analytics 4 through the Data API v1beta.
type ga4 struct {
	*Outline
	google   *google
	base     string
	now      func() time.Time
	pageSize int
}

func newGA4(cfg Config, g *google) *ga4 {
	return &ga4{
		Outline:  &ga4Outline,
		google:   g,
		base:     base(cfg.GADataBase, "https://analyticsdata.googleapis.com"),
		now:      cfg.Now,
		pageSize: ga4PageSize,
	}
}

// Version is the pinned one.
func (g *ga4) Version() string { return ga4Version }

var propertyID = regexp.MustCompile(`^(?:properties/)?([0-9]{1,20})$`)

// Parse accepts a service account's key file with or without property_id, or an OAuth user's refresh token with it.
func (g *ga4) Parse(raw []byte) (Content, []string) {
	f, ok := readFields(raw)
	if !ok {
		return Content{}, []string{invalidJSON}
	}
	if f.members["type"] == TypeServiceAccount {
		s := readServiceAccount(f)
		s.PropertyID = checkPropertyID(f, f.optional("property_id"))
		return googleContent(f, s, TypeServiceAccount, s.ClientEmail, "analyticsdata.googleapis.com")
	}
	s := googleSecret{
		RefreshToken: f.required("refresh_token"),
		ClientID:     f.required("client_id"),
		ClientSecret: f.required("client_secret"),
		PropertyID:   checkPropertyID(f, f.required("property_id")),
	}
	readTokenURI(f) // a foreign one is refused here too; it is no named field of this kind, so not kept
	return googleContent(f, s, TypeOAuth, s.PropertyID, "analyticsdata.googleapis.com")
}

func checkPropertyID(f *fields, id string) string {
	if id != "" && !propertyID.MatchString(id) {
		f.problem("Invalid property_id")
	}
	return id
}

// Verify signs in anew and reads one metric of yesterday: the least that proves the right on the property.
func (g *ga4) Verify(ctx context.Context, secret []byte, _ Binding) (Proof, error) {
	who, property, err := g.open(secret)
	if err != nil {
		return Proof{}, err
	}
	access, err := g.google.renew(ctx, who)
	if err != nil {
		return Proof{}, err
	}
	r, err := g.run(ctx, who, property, ga4Request{
		DateRanges: []ga4Range{{StartDate: "yesterday", EndDate: "yesterday"}},
		Metrics:    []ga4Name{{Name: ga4Outline.fields()[0]}},
		Limit:      1,
	})
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{ConnectedAs: who.ClientEmail, TimeZone: r.Metadata.TimeZone, Currency: r.Metadata.CurrencyCode}
	if proof.ConnectedAs == "" {
		proof.ConnectedAs = who.PropertyID
	}
	if !access.grantEnds.IsZero() {
		proof.ExpiresAt = &access.grantEnds
	}
	return proof, nil
}

func (g *ga4) Extract(ctx context.Context, secret []byte, from, to string) (Report, error) {
	who, property, err := g.open(secret)
	if err != nil {
		return Report{}, err
	}
	if from == "" {
		return g.yesterday(ctx, who, property)
	}
	days, err := daysBetween(from, to)
	if err != nil {
		return Report{}, err
	}
	found, err := g.days(ctx, who, property, ga4Range{StartDate: days[0], EndDate: days[len(days)-1]})
	if err != nil {
		return Report{}, err
	}
	return found.report(days)
}

// yesterday leaves the day to GA4. Only an empty one must be computed here, from the zone GA4 names.
func (g *ga4) yesterday(ctx context.Context, who *account, property string) (Report, error) {
	found, err := g.days(ctx, who, property, ga4Range{StartDate: "yesterday", EndDate: "yesterday"})
	if err != nil {
		return Report{}, err
	}
	for day := range found.rows {
		return found.report([]string{day}) // a second day is outside and refused there
	}
	if found.timeZone == "" {
		return Report{}, fail(Unavailable, "The Google Analytics Data API did not name the time zone of the property")
	}
	zone, err := time.LoadLocation(found.timeZone)
	if err != nil {
		return Report{}, fail(Unavailable, "The time zone of the property is not known: %q", found.timeZone)
	}
	year, month, day := g.now().In(zone).Date()
	return found.report([]string{time.Date(year, month, day-1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)})
}

// open reads the content and the property in it, which a service account may be saved without.
func (g *ga4) open(secret []byte) (*account, string, error) {
	who, err := g.google.open(secret, scopeAnalytics)
	if err != nil {
		return nil, "", err
	}
	if who.PropertyID == "" {
		return nil, "", fail(Invalid, "Missing property_id")
	}
	m := propertyID.FindStringSubmatch(who.PropertyID)
	if m == nil {
		return nil, "", fail(Invalid, "Invalid property_id")
	}
	return who, m[1], nil
}

func daysBetween(from, to string) ([]string, error) {
	if to == "" {
		to = from
	}
	first, err := time.Parse(time.DateOnly, from)
	if err != nil {
		return nil, fail(Invalid, "Not a date: %q", from)
	}
	last, err := time.Parse(time.DateOnly, to)
	if err != nil {
		return nil, fail(Invalid, "Not a date: %q", to)
	}
	if last.Before(first) || last.Sub(first) > maxDays*24*time.Hour {
		return nil, fail(Invalid, "Not a range of days: %s to %s", from, to)
	}
	var days []string
	for d := first; !d.After(last); d = d.AddDate(0, 0, 1) {
		days = append(days, d.Format(time.DateOnly))
	}
	return days, nil
}

type ga4Name struct {
	Name string `json:"name"`
}

type ga4Range struct {
	StartDate string `json:"startDate"`
	EndDate   string `json:"endDate"`
}

// ga4Request is RunReportRequest. int64 travels as a string in Google's JSON.
type ga4Request struct {
	DateRanges          []ga4Range `json:"dateRanges"`
	Dimensions          []ga4Name  `json:"dimensions,omitempty"`
	Metrics             []ga4Name  `json:"metrics"`
	OrderBys            []any      `json:"orderBys,omitempty"`
	KeepEmptyRows       bool       `json:"keepEmptyRows,omitempty"`
	Limit               int        `json:"limit,string"`
	Offset              int        `json:"offset,string,omitempty"`
	ReturnPropertyQuota bool       `json:"returnPropertyQuota,omitempty"`
}

type ga4Value struct {
	Value string `json:"value"`
}

// ga4Response is the part of RunReportResponse that is read.
type ga4Response struct {
	MetricHeaders []ga4Name `json:"metricHeaders"`
	Rows          []struct {
		DimensionValues []ga4Value `json:"dimensionValues"`
		MetricValues    []ga4Value `json:"metricValues"`
	} `json:"rows"`
	RowCount int `json:"rowCount"`
	Metadata struct {
		CurrencyCode string `json:"currencyCode"`
		TimeZone     string `json:"timeZone"`
	} `json:"metadata"`
}

// ga4Days is a report by date.
type ga4Days struct {
	rows               map[string]map[string]json.Number
	timeZone, currency string
}

// days reads all pages of the report over a range of days.
func (g *ga4) days(ctx context.Context, who *account, property string, span ga4Range) (*ga4Days, error) {
	r := ga4Request{
		DateRanges: []ga4Range{span},
		Dimensions: []ga4Name{{Name: "date"}},
		// Paging is only sound over a fixed order; the default one is by figures, which change.
		OrderBys:            []any{map[string]any{"dimension": map[string]any{"dimensionName": "date"}}},
		KeepEmptyRows:       true,
		Limit:               g.pageSize,
		ReturnPropertyQuota: true,
	}
	for _, name := range g.fields() {
		r.Metrics = append(r.Metrics, ga4Name{Name: name})
	}
	found := &ga4Days{rows: map[string]map[string]json.Number{}}
	for {
		page, err := g.run(ctx, who, property, r)
		if err != nil {
			return nil, err
		}
		if err := found.add(page); err != nil {
			return nil, err
		}
		r.Offset += len(page.Rows)
		if r.Offset >= page.RowCount {
			return found, nil
		}
		if len(page.Rows) == 0 || r.Offset > maxDays {
			return nil, fail(Unavailable, "The Google Analytics Data API gave an incomplete report")
		}
	}
}

func (g *ga4) run(ctx context.Context, who *account, property string, r ga4Request) (ga4Response, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return ga4Response{}, fail(Invalid, "The report cannot be asked for").because(err)
	}
	denied := "The connected Google account has no access to the GA4 property " + property
	if who.ClientEmail != "" {
		denied = fmt.Sprintf("No access to the GA4 property %s: add %s as a Viewer of the property", property, who.ClientEmail)
	}
	t := target{
		api:     "Google Analytics Data API",
		service: "analyticsdata.googleapis.com",
		denied:  denied,
		missing: "GA4 property not found: " + property,
	}
	var out ga4Response
	err = g.google.call(ctx, who, t, request{
		method:      http.MethodPost,
		url:         g.base + "/" + ga4Version + "/properties/" + property + ":runReport",
		contentType: "application/json",
		body:        body,
	}, &out)
	return out, err
}

// add takes over a page. A day that comes twice, or a row that is no day ("(other)"), means the figures are not what was
// asked for.
func (d *ga4Days) add(page ga4Response) error {
	d.timeZone, d.currency = page.Metadata.TimeZone, page.Metadata.CurrencyCode
	column := map[string]int{}
	for i, h := range page.MetricHeaders {
		column[h.Name] = i
	}
	for _, row := range page.Rows {
		if len(row.DimensionValues) != 1 {
			return fail(Unavailable, "The Google Analytics Data API gave a report of another form")
		}
		day, err := time.Parse("20060102", row.DimensionValues[0].Value)
		if err != nil {
			return fail(Unavailable, "The Google Analytics Data API gave a row without a date")
		}
		date := day.Format(time.DateOnly)
		if _, twice := d.rows[date]; twice {
			return fail(Unavailable, "The Google Analytics Data API gave several rows for %s", date)
		}
		d.rows[date] = ga4Outline.day(func(field string) json.Number {
			if i, ok := column[field]; ok && i < len(row.MetricValues) {
				return number(row.MetricValues[i].Value)
			}
			return "0"
		})
	}
	return nil
}

// report puts one row for each of the days, which are ascending, and refuses rows of other days.
func (d *ga4Days) report(days []string) (Report, error) {
	for date := range d.rows {
		if _, ok := slices.BinarySearch(days, date); !ok {
			return Report{}, fail(Unavailable, "The Google Analytics Data API gave a day that was not asked for: %s", date)
		}
	}
	r := Report{TimeZone: d.timeZone, Currency: d.currency, Rows: make([]Row, 0, len(days))}
	for _, date := range days {
		metrics, ok := d.rows[date]
		if !ok {
			metrics = ga4Outline.zero()
		}
		r.Rows = append(r.Rows, Row{Date: date, Metrics: metrics})
	}
	return r, nil
}

var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?$`)

// number reads a provider's figure as a plain decimal; anything that is no number is 0 (§7).
func number(text string) json.Number {
	n, ok := figure(text)
	if !ok {
		return "0"
	}
	return n
}

// figure reads a plain decimal, exactly where it is one.
func figure(text string) (n json.Number, ok bool) {
	text = strings.TrimSpace(text)
	if decimal.MatchString(text) {
		return json.Number(text), true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xX_") || math.IsInf(f, 0) || math.IsNaN(f) || math.Abs(f) >= 1e30 {
		return "", false
	}
	return json.Number(strconv.FormatFloat(f, 'f', -1, 64)), true
}
