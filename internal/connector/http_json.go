package connector

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	httpJSONPages    = 50       // of one report, unless the credential says otherwise
	httpJSONMaxBytes = 32 << 20 // of all pages of a report
)

// httpJSONOutline has no metrics: each credential names its own.
var httpJSONOutline = Outline{Service: HTTPJSON, Title: "HTTP JSON", Restates: 7}

// httpJSON reads daily figures from any API that answers a GET with JSON. The credential says where they are, how to sign in,
// and where in the answer the rows, their days and their figures stand.
type httpJSON struct {
	*Outline
	client *client
	base   string // "" = the credential's own host
	now    func() time.Time
}

// newHTTPJSON has a client of its own: the address is the user's, so private ones are open to it only where an override
// leads all of it to one place.
func newHTTPJSON(cfg Config) *httpJSON {
	return &httpJSON{
		Outline: &httpJSONOutline,
		client:  newClient(cfg.AllowPrivate && cfg.HTTPJSONBase != "", cfg),
		base:    strings.TrimRight(cfg.HTTPJSONBase, "/"),
		now:     cfg.Now,
	}
}

// Version is none: the API is the user's.
func (h *httpJSON) Version() string { return "" }

// jsonAPI is one credential in use.
type jsonAPI struct {
	httpJSONSecret
	url    *url.URL
	zone   *time.Location
	rows   jsonPath
	day    jsonPath
	next   jsonPath
	layout string // of days, for package time
	fields []jsonPath
	seen   map[string]bool // addresses that were called
}

// open reads a sealed content again, and checks it again: an imported one never passed Parse.
func (h *httpJSON) open(secret []byte) (*jsonAPI, error) {
	a := &jsonAPI{seen: map[string]bool{}}
	if err := json.Unmarshal(secret, &a.httpJSONSecret); err != nil {
		return nil, fail(Invalid, "The content of the credential cannot be read") // the cause could quote it
	}
	var problems []string
	if a.url, problems = a.check(); len(problems) > 0 {
		return nil, fail(Invalid, "%s", problems[0])
	}
	a.zone, _ = time.LoadLocation(a.TimeZone) // checked
	a.layout, _ = dayLayout(a.DateFormat)
	a.rows, _ = newJSONPath(a.Rows)
	a.day, _ = newJSONPath(a.DateField)
	a.next, _ = newJSONPath(a.NextField)
	for _, m := range a.Metrics {
		path, _ := newJSONPath(m.Field)
		a.fields = append(a.fields, path)
	}
	return a, nil
}

// Verify reads the first page of yesterday: the least that proves the right, and that the fields are where they should be.
func (h *httpJSON) Verify(ctx context.Context, secret []byte, _ Binding) (Proof, error) {
	a, err := h.open(secret)
	if err != nil {
		return Proof{}, err
	}
	yesterday := a.yesterday(h.now())
	body, err := h.get(ctx, a, a.first(yesterday, yesterday))
	if err != nil {
		return Proof{}, err
	}
	found := map[string]Row{}
	if err := a.read(body, nil, found); err != nil {
		return Proof{}, err
	}
	if _, err := a.after(a.url, body); err != nil {
		return Proof{}, err
	}
	proof := Proof{ConnectedAs: a.url.Host, TimeZone: a.TimeZone, Currency: a.Currency}
	if len(found) == 0 {
		proof.Notes = []string{"The answer has no row for yesterday, so the fields of rows could not be checked."}
	}
	return proof, nil
}

// Extract reads all pages over the days.
func (h *httpJSON) Extract(ctx context.Context, secret []byte, from, to string) (Report, error) {
	a, err := h.open(secret)
	if err != nil {
		return Report{}, err
	}
	if from == "" {
		from = a.yesterday(h.now())
		to = from
	}
	days, err := daysBetween(from, to)
	if err != nil {
		return Report{}, err
	}
	found := map[string]Row{}
	at, bytes := a.first(days[0], days[len(days)-1]), 0
	for pages := 1; at != nil; pages++ {
		if pages > a.MaxPages {
			return Report{}, fail(Invalid, "%s has more than %d pages for these days: ask for larger pages in url, or raise maxPages", a.url.Host, a.MaxPages)
		}
		body, err := h.get(ctx, a, at)
		if err != nil {
			return Report{}, err
		}
		if bytes += len(body); bytes > httpJSONMaxBytes {
			return Report{}, fail(Invalid, "%s answered with more than %d MiB for these days", a.url.Host, httpJSONMaxBytes>>20)
		}
		if err := a.read(body, days, found); err != nil {
			return Report{}, err
		}
		if at, err = a.after(at, body); err != nil {
			return Report{}, err
		}
	}
	return a.report(days, found)
}

// report puts one row for each of the days. An API that is asked for days said by its silence that one was without activity;
// what lies before the first day of any other is not known, and stays as it is.
func (a *jsonAPI) report(days []string, found map[string]Row) (Report, error) {
	r := Report{TimeZone: a.TimeZone, Currency: a.Currency, Rows: make([]Row, 0, len(days))}
	for _, m := range a.Metrics {
		r.Metrics = append(r.Metrics, Metric{Column: m.Column, Kind: m.Kind})
	}
	silent := Outline{Metrics: r.Metrics}
	for _, day := range days {
		row, ok := found[day]
		switch {
		case ok:
		case len(r.Rows) == 0 && a.FromParam == "":
			continue
		default:
			row = Row{Date: day, Metrics: silent.zero()}
		}
		r.Rows = append(r.Rows, row)
	}
	if len(r.Rows) == 0 {
		return Report{}, fail(Invalid, "%s gives no figures for %s to %s, and is not asked for days: name its parameters in fromParam and toParam, if it has any",
			a.url.Host, days[0], days[len(days)-1])
	}
	return r, nil
}

func (a *jsonAPI) yesterday(now time.Time) string {
	year, month, day := now.In(a.zone).Date()
	return time.Date(year, month, day-1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// first is the address of the first page.
func (a *jsonAPI) first(from, to string) *url.URL {
	q := a.url.Query()
	for name, day := range map[string]string{a.FromParam: from, a.ToParam: to} {
		if name != "" {
			at, _ := time.Parse(time.DateOnly, day) // our own
			q.Set(name, at.Format(a.layout))
		}
	}
	first := *a.url
	first.RawQuery = q.Encode()
	return &first
}

// after is the address of the page after the one at an address, nil after the last.
func (a *jsonAPI) after(at *url.URL, body []byte) (*url.URL, error) {
	if a.NextField == "" {
		return nil, nil //nolint:nilnil // there are no pages
	}
	value, _ := a.next.scalar(body)
	var text string
	switch v := value.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	}
	if text == "" { // absent, null, false
		return nil, nil //nolint:nilnil // the last page
	}
	next := *at
	if a.NextParam != "" {
		q := at.Query()
		q.Set(a.NextParam, text)
		next.RawQuery = q.Encode()
	} else {
		ref, err := at.Parse(text)
		if err != nil || ref.Scheme != "https" || !sameHost(ref, a.url) || ref.User != nil {
			return nil, fail(Invalid, "The next page that %s names is not one of the same host, so it is not called", a.url.Host)
		}
		ref.Fragment = ""
		next = *ref
	}
	if a.seen[next.String()] {
		return nil, fail(Invalid, "The pages of %s run in a circle", a.url.Host)
	}
	return &next, nil
}

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(strings.TrimSuffix(a.Host, ":443"), strings.TrimSuffix(b.Host, ":443"))
}

// read takes over the rows of a page. Days outside the range are passed over, unless days is nil. A day that comes twice means
// that a row is not a day: adding up would double what is a total already.
func (a *jsonAPI) read(body []byte, days []string, found map[string]Row) error {
	n := 0
	ok, err := a.rows.each(body, func(element []byte) error {
		n++
		value, _ := a.day.scalar(element)
		date, ok := a.date(value)
		if !ok {
			return fail(Invalid, "Row %d of %s has no day in %q: a day is text in the form %s", n, a.url.Host, a.DateField, a.DateFormat)
		}
		if _, within := slices.BinarySearch(days, date); days != nil && !within {
			return nil
		}
		if _, twice := found[date]; twice {
			return fail(Invalid, "%s gives several rows for %s: choose an answer with one row for each day, by the parameters in url", a.url.Host, date)
		}
		if len(found) == maxDays {
			return fail(Invalid, "%s gives rows for more than %d days: bound them by the parameters in url, or by fromParam and toParam", a.url.Host, maxDays)
		}
		row := Row{Date: date, Metrics: make(map[string]json.Number, len(a.Metrics))}
		for i, m := range a.Metrics {
			n, err := a.figure(element, i, date)
			if err != nil {
				return err
			}
			row.Metrics[m.Column] = n
		}
		found[date] = row
		return nil
	})
	switch {
	case err != nil:
		return err
	case !ok:
		return fail(Invalid, "The answer of %s has no list in %q", a.url.Host, a.Rows)
	}
	return nil
}

// date reads a day label: in the credential's form, or as an ISO date with or without midnight, which is the label's day
// whatever zone it names.
func (a *jsonAPI) date(value json.Token) (string, bool) {
	label := ""
	switch v := value.(type) {
	case string:
		label = v
	case json.Number:
		label = v.String()
	}
	if at, err := time.Parse(a.layout, label); err == nil {
		return at.Format(time.DateOnly), true
	}
	return shopDay(label)
}

// figure reads one metric of a row. null is a day without it; anything else that is no number is not passed over, since the
// mapping is the user's own and may be wrong.
func (a *jsonAPI) figure(row []byte, i int, date string) (json.Number, error) {
	value, found := a.fields[i].scalar(row)
	if !found {
		return "", fail(Invalid, "The row of %s has no field %q", date, a.Metrics[i].Field)
	}
	var text string
	switch v := value.(type) {
	case nil:
		return "0", nil
	case string:
		text = v
	case json.Number:
		text = v.String()
	}
	n, ok := figure(text)
	if !ok {
		return "", fail(Invalid, "The field %q of %s is not a number", a.Metrics[i].Field, date)
	}
	return n, nil
}

// get makes one call and explains a refusal. Addresses may hold a key, so messages name the host alone.
func (h *httpJSON) get(ctx context.Context, a *jsonAPI, at *url.URL) ([]byte, error) {
	a.seen[at.String()] = true
	r := request{provider: a.url.Host, method: http.MethodGet, url: at.String(), pages: true}
	if h.base != "" {
		r.url = h.base + "/" + at.Host + at.RequestURI()
	}
	switch auth := a.Auth; {
	case auth == nil:
	case auth.Type == authBearer:
		r.bearer = auth.Token
	case auth.Type == authBasic:
		r.header = map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(auth.Username+":"+auth.Password))}
	default:
		r.header = map[string]string{auth.Name: auth.Value}
	}
	said, err := h.client.do(ctx, r)
	if said.status >= 300 && said.status < 400 {
		return nil, fail(Invalid, "%s answered with a redirect, which is not followed: put the address that it leads to into url", a.url.Host)
	}
	if err != nil {
		return nil, err
	}
	if said.status >= 400 {
		return nil, a.refusal(said)
	}
	return said.body, nil
}

func (a *jsonAPI) refusal(said answer) *Error {
	host := a.url.Host
	var e *Error
	switch said.status {
	case http.StatusUnauthorized:
		e = fail(Rejected, "%s does not accept the sign-in of this credential", host)
	case http.StatusForbidden:
		e = fail(Forbidden, "%s does not let this credential read these figures", host)
	case http.StatusNotFound, http.StatusGone:
		e = fail(NotFound, "%s has nothing at the path of url", host)
	case http.StatusTooManyRequests:
		e = fail(Limited, "%s limits the calls at the moment", host)
	case http.StatusRequestTimeout, http.StatusTooEarly:
		e = fail(Unavailable, "%s could not finish the call", host)
	default:
		e = fail(Invalid, "%s refused the request (status %d)", host, said.status)
	}
	e.RetryAfter = said.retryAfter
	return e.because(fmt.Errorf("http_json: status %d", said.status))
}
