package sandbox

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// jsonAPI is some API with daily figures, on a host of its own, such as a user might name in an http_json credential.
type jsonAPI struct {
	Host     string `json:"host"`
	TimeZone string `json:"timeZone"`
	Currency string `json:"currency"`
	Header   string `json:"header,omitempty"` // that signs in; "" = open to everybody
	Hash     string `json:"hash,omitempty"`   // of what it holds
	Paging   string `json:"paging,omitempty"` // cursor, link, or "" = one page
	PageSize int    `json:"pageSize"`
	// Whole means that it knows no range of days, and always tells of the last thirty.
	Whole bool `json:"whole,omitempty"`
	// Days holds what was changed by hand: fields of a day's row, whatever their form; null is a day without a row.
	Days map[string]json.RawMessage `json:"days,omitempty"`
}

// jsonAPIRoutes are the API itself, and its console.
func (s *Sandbox) jsonAPIRoutes() {
	s.mux.HandleFunc("GET /http-json/{host}/v1/daily", s.answer(s.jsonDaily))
	s.mux.HandleFunc("POST /_sandbox/json-apis", s.answer(s.createJSONAPI))
	s.mux.HandleFunc("PUT /_sandbox/json-apis/{host}/days", s.answer(s.correctJSONDay))
}

var apiHost = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,100}$`)

// createJSONAPI makes an API, or changes the one that exists and gives it another key. The answer is the credential, ready to
// paste.
func (s *Sandbox) createJSONAPI(r *http.Request) (any, error) {
	var body struct {
		Host     string `json:"host"`
		TimeZone string `json:"timeZone"`
		Currency string `json:"currency"`
		Auth     string `json:"auth"`   // bearer (the default), header, basic or none
		Paging   string `json:"paging"` // cursor, link or none (the default)
		PageSize int    `json:"pageSize"`
		Whole    bool   `json:"whole"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	a := &jsonAPI{Host: cmp.Or(body.Host, "api-"+randomHex(4)+".example.com"), TimeZone: cmp.Or(body.TimeZone, "Europe/Berlin"),
		Currency: cmp.Or(body.Currency, "EUR"), Paging: strings.TrimPrefix(body.Paging, "none"), PageSize: cmp.Or(body.PageSize, 10), Whole: body.Whole}
	if before, ok := s.state.JSONAPIs[a.Host]; ok {
		a.Days = before.Days
	}
	if !apiHost.MatchString(a.Host) || !slices.Contains([]string{"", "cursor", "link"}, a.Paging) || a.PageSize < 1 {
		return nil, refuseControl(http.StatusBadRequest, "host is a name, paging is cursor, link or none, pageSize is positive")
	}
	if _, err := time.LoadLocation(a.TimeZone); err != nil {
		return nil, refuseControl(http.StatusBadRequest, "timeZone is an IANA name")
	}
	credential := map[string]any{
		"url": "https://" + a.Host + "/v1/daily", "rows": "data.days", "dateField": "day", "timezone": a.TimeZone, "currency": a.Currency,
		"metrics": []any{
			map[string]string{"column": "orders", "field": "orders"},
			map[string]string{"column": "revenue", "field": "money.revenue"},
			map[string]string{"column": "visitors", "field": "visitors", "kind": "per_day"},
		},
	}
	if !a.Whole {
		credential["fromParam"], credential["toParam"] = "since", "until"
	}
	switch a.Paging {
	case "cursor":
		credential["nextField"], credential["nextParam"] = "paging.next", "cursor"
	case "link":
		credential["nextField"] = "paging.next"
	}
	auth, ok := a.signIn(cmp.Or(body.Auth, "bearer"))
	if !ok {
		return nil, refuseControl(http.StatusBadRequest, "auth is bearer, header, basic or none")
	}
	if auth != nil {
		credential["auth"] = auth
	}
	s.state.JSONAPIs[a.Host] = a
	return created{credential}, s.save()
}

// signIn makes a secret of a kind, keeps its hash, and returns it as the credential's auth.
func (a *jsonAPI) signIn(kind string) (auth any, ok bool) {
	secret := "key-" + rand.Text()
	expect := func(header, value string) { a.Header, a.Hash = header, hashOf(value) }
	switch kind {
	case "none":
		return nil, true
	case "bearer":
		expect("Authorization", "Bearer "+secret)
		return map[string]string{"type": kind, "token": secret}, true
	case "header":
		expect("X-Api-Key", secret)
		return map[string]string{"type": kind, "name": "X-Api-Key", "value": secret}, true
	case "basic":
		expect("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("reports:"+secret)))
		return map[string]string{"type": kind, "username": "reports", "password": secret}, true
	}
	return nil, false
}

// refuseJSON is an error in the form of this API.
func refuseJSON(status int, text string) *refusal {
	return &refusal{status: status, body: map[string]any{"error": map[string]string{"message": text}}}
}

// jsonDaily tells of days, with the newest first, as many APIs do.
func (s *Sandbox) jsonDaily(r *http.Request) (any, error) {
	a, ok := s.state.JSONAPIs[r.PathValue("host")]
	if !ok {
		return nil, refuseJSON(http.StatusNotFound, "no such host")
	}
	if a.Header != "" && subtle.ConstantTimeCompare([]byte(a.Hash), []byte(hashOf(r.Header.Get(a.Header)))) != 1 {
		return nil, refuseJSON(http.StatusUnauthorized, "sign in")
	}
	q := r.URL.Query()
	first, last, err := a.asked(q, s.cfg.Now())
	if err != nil {
		return nil, err
	}
	rows := []any{}
	for day := last; !day.Before(first); day = day.AddDate(0, 0, -1) {
		if row := a.row(day.Format(time.DateOnly)); row != nil {
			rows = append(rows, row)
		}
	}
	return a.page(r.URL.Path, q, rows)
}

// asked is the range of days; today is not over, and told of nevertheless.
func (a *jsonAPI) asked(q url.Values, now time.Time) (first, last time.Time, err error) {
	zone, err := time.LoadLocation(a.TimeZone)
	if err != nil {
		return first, last, err
	}
	today, _ := dayOf("today", now.In(zone))
	if a.Whole {
		return today.AddDate(0, 0, -29), today, nil
	}
	first, errFirst := time.Parse(time.DateOnly, q.Get("since"))
	last, errLast := time.Parse(time.DateOnly, q.Get("until"))
	if errFirst != nil || errLast != nil || last.Before(first) {
		return first, last, refuseJSON(http.StatusBadRequest, "since and until are days, YYYY-MM-DD, in order")
	}
	if last.After(today) {
		last = today
	}
	return first, last, nil
}

// page cuts the rows to one page and says where the next one is.
func (a *jsonAPI) page(path string, q url.Values, rows []any) (any, error) {
	size := len(rows)
	if a.Paging != "" {
		size = a.PageSize
	}
	start := 0
	if cursor := q.Get("cursor"); cursor != "" {
		text, err := base64.RawURLEncoding.DecodeString(cursor)
		n, numberErr := strconv.Atoi(string(text))
		if err != nil || numberErr != nil || n < 0 || n > len(rows) {
			return nil, refuseJSON(http.StatusBadRequest, "no such cursor")
		}
		start = n
	}
	end := min(start+size, len(rows))
	var next any
	if end < len(rows) {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(end)))
		next = cursor
		if a.Paging == "link" {
			q.Set("cursor", cursor)
			// The path as its own clients see it, without what leads to the host within the sandbox.
			next = "https://" + a.Host + strings.TrimPrefix(path, "/http-json/"+a.Host) + "?" + q.Encode()
		}
	}
	return map[string]any{"data": map[string]any{"days": rows[start:end]}, "paging": map[string]any{"next": next}}, nil
}

// row makes up a day, always the same for a host and date; nil is a day without a row.
func (a *jsonAPI) row(date string) map[string]any {
	r := seeded(a.Host + "/" + date)
	orders := math.Round(10 + r.Float64()*90)
	row := map[string]any{
		"day": date, "orders": orders, "visitors": orders * math.Round(5+r.Float64()*30),
		// Money as text, as APIs do that care for cents.
		"money": map[string]string{"revenue": fmt.Sprintf("%.2f", orders*(15+r.Float64()*60)), "currency": a.Currency},
	}
	if r.IntN(12) == 0 {
		row = nil
	}
	changed, ok := a.Days[date]
	if !ok {
		return row
	}
	var fields map[string]any
	if json.Unmarshal(changed, &fields) != nil || fields == nil {
		return nil
	}
	if row == nil {
		row = map[string]any{"day": date}
	}
	maps.Copy(row, fields)
	return row
}

// correctJSONDay changes fields of a day's row; a row that is null takes the day away.
func (s *Sandbox) correctJSONDay(r *http.Request) (any, error) {
	a, ok := s.state.JSONAPIs[r.PathValue("host")]
	if !ok {
		return nil, refuseControl(http.StatusNotFound, "no such API")
	}
	var body struct {
		Date string          `json:"date"`
		Row  json.RawMessage `json:"row"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if _, err := time.Parse(time.DateOnly, body.Date); err != nil {
		return nil, refuseControl(http.StatusBadRequest, "date is YYYY-MM-DD")
	}
	var row map[string]any
	if err := json.Unmarshal(body.Row, &row); err != nil {
		return nil, refuseControl(http.StatusBadRequest, "row is an object or null")
	}
	if a.Days == nil {
		a.Days = map[string]json.RawMessage{}
	}
	a.Days[body.Date] = body.Row
	return map[string]bool{"success": true}, s.save()
}

// jsonAPILines are the APIs on the page.
func (s *Sandbox) jsonAPILines(b *strings.Builder) {
	for _, host := range slices.Sorted(maps.Keys(s.state.JSONAPIs)) {
		a := s.state.JSONAPIs[host]
		fmt.Fprintf(b, "  https://%s/v1/daily  %s, %s\n", host, a.TimeZone, a.Currency)
	}
}
