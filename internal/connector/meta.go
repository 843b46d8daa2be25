package connector

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	metaAPI = "Meta Marketing API"
	// metaChunk is how many days one call asks for. Meta names no limit, only an error that says "ask for less".
	metaChunk    = 90
	metaPageSize = 100 // rows; one row is one day
)

// meta reads the daily figures of an ad account from the insights of Meta's Marketing API.
type meta struct {
	*Outline
	client  *client
	base    string
	version string
	now     func() time.Time
	chunk   int
}

func newMeta(cfg Config, c *client) *meta {
	return &meta{
		Outline: &metaOutline,
		client:  c,
		base:    base(cfg.MetaBase, "https://graph.facebook.com"),
		version: cmp.Or(cfg.MetaVersion, MetaVersion),
		now:     cfg.Now,
		chunk:   metaChunk,
	}
}

// Version is the pinned one, or the operator's.
func (m *meta) Version() string { return m.version }

// metaSecret is the content of a meta credential, in the order in which it is sealed. Only the first two fields are used; the
// others are kept because the contract keeps them.
type metaSecret struct {
	AccessToken  string      `json:"access_token"`
	AccountID    string      `json:"account_id"`
	TokenType    string      `json:"token_type,omitempty"`
	RefreshToken string      `json:"refresh_token,omitempty"`
	ExpiresIn    json.Number `json:"expires_in,omitempty"` // seconds from when it was issued, which is taken to be when it is saved
	AccountName  string      `json:"account_name,omitempty"`
}

var accountID = regexp.MustCompile(`^(?:act_)?([0-9]{1,20})$`)

// Parse accepts an access token with the ad account it is for.
func (m *meta) Parse(raw []byte) (Content, []string) {
	f, ok := readFields(raw)
	if !ok {
		return Content{}, []string{invalidJSON}
	}
	s := metaSecret{
		AccessToken:  f.required("access_token"),
		AccountID:    f.required("account_id"),
		TokenType:    f.optional("token_type"),
		RefreshToken: f.optional("refresh_token"),
		AccountName:  f.optional("account_name"),
	}
	if s.AccountID != "" && !accountID.MatchString(s.AccountID) {
		f.problem("Invalid account_id")
	}
	var ends *time.Time
	s.ExpiresIn, ends = m.readExpiry(f)
	if len(f.problems) > 0 {
		return Content{}, f.problems
	}
	sealed, err := canonical(s)
	if err != nil {
		return Content{}, []string{invalidJSON}
	}
	return Content{JSON: sealed, Type: TypeAccessToken, Preview: mask(s.AccountID), Host: "graph.facebook.com", ExpiresAt: ends}, nil
}

// maxExpiry is longer than any token lives and short enough to count with.
const maxExpiry = 100 * 365 * 24 * time.Hour

// readExpiry reads expires_in, a number of seconds, also as text. Meta writes 0 for tokens without an end.
func (m *meta) readExpiry(f *fields) (json.Number, *time.Time) {
	var given json.Number
	switch value := f.members["expires_in"].(type) {
	case nil:
		return "", nil
	case json.Number:
		given = value
	case string:
		if given = json.Number(strings.TrimSpace(value)); given == "" {
			return "", nil
		}
	}
	seconds, err := strconv.ParseInt(given.String(), 10, 64)
	if err != nil || seconds < 0 || seconds > int64(maxExpiry/time.Second) {
		f.problem("Invalid expires_in")
		return "", nil
	}
	if seconds == 0 {
		return "0", nil
	}
	ends := m.now().Add(time.Duration(seconds) * time.Second)
	return json.Number(strconv.FormatInt(seconds, 10)), &ends
}

// adAccount is one credential, opened.
type adAccount struct {
	token string
	id    string // digits alone
}

func (a adAccount) String() string { return "act_" + a.id } // for messages, so without the token

// headerValue is what can be a token at all; anything else could not even be sent.
var headerValue = regexp.MustCompile(`^[!-~]+$`)

// open reads a sealed content again.
func (m *meta) open(secret []byte) (adAccount, error) {
	var s metaSecret
	if err := json.Unmarshal(secret, &s); err != nil {
		return adAccount{}, fail(Invalid, "The content of the credential cannot be read") // the cause could quote it
	}
	id := accountID.FindStringSubmatch(s.AccountID)
	if id == nil {
		return adAccount{}, fail(Invalid, "Invalid account_id")
	}
	token := strings.TrimSpace(s.AccessToken)
	if !headerValue.MatchString(token) {
		return adAccount{}, fail(Rejected, "The access token has characters that no token of Meta has: paste it again")
	}
	return adAccount{token: token, id: id[1]}, nil
}

// get reads below the ad account. The token travels in the header alone: addresses end up in logs.
func (m *meta) get(ctx context.Context, who adAccount, path string, q url.Values, out any) (answer, error) {
	a, err := m.client.do(ctx, request{
		provider: metaAPI,
		method:   http.MethodGet,
		url:      m.base + "/" + m.version + "/act_" + who.id + path + "?" + q.Encode(),
		bearer:   who.token,
		budget:   Meta,
		account:  []byte(who.id + who.token),
	})
	if a.status >= 400 {
		return a, m.failure(who, a, err)
	}
	if err != nil {
		return a, err
	}
	return a, a.decode(metaAPI, out)
}

// metaAccount is the part of an ad account that is read.
type metaAccount struct {
	AccountID string `json:"account_id"`
	Name      string `json:"name"`
	Status    int    `json:"account_status"`
	TimeZone  string `json:"timezone_name"`
	Currency  string `json:"currency"`
	served    string // the version that answered, "" if it did not say
}

func (m *meta) account(ctx context.Context, who adAccount) (metaAccount, error) {
	var account metaAccount
	a, err := m.get(ctx, who, "", url.Values{"fields": {"account_id,name,account_status,timezone_name,currency"}}, &account)
	if err != nil {
		return metaAccount{}, err
	}
	if account.AccountID == "" {
		return metaAccount{}, fail(Unavailable, "The %s did not describe the ad account", metaAPI)
	}
	account.served = a.header.Get("Facebook-Api-Version")
	return account, nil
}

// Verify reads the ad account and asks for its insights: the right on the first does not include the second.
func (m *meta) Verify(ctx context.Context, secret []byte, _ Binding) (Proof, error) {
	who, err := m.open(secret)
	if err != nil {
		return Proof{}, err
	}
	account, err := m.account(ctx, who)
	if err != nil {
		return Proof{}, err
	}
	if _, err := m.insights(ctx, who, url.Values{"fields": {"account_id"}, "limit": {"1"}}); err != nil {
		return Proof{}, err
	}
	proof := Proof{ConnectedAs: account.Name, TimeZone: account.TimeZone, Currency: account.Currency, Notes: m.notes(account)}
	if proof.ConnectedAs == "" {
		proof.ConnectedAs = account.AccountID
	}
	return proof, nil
}

// accountStates are the values of account_status in which nothing is delivered or soon will not be. 1 is active.
// Source: Marketing API reference, Ad Account.
var accountStates = map[int]string{
	2: "is disabled", 3: "has an unsettled bill", 7: "is under review", 8: "has a payment pending", 9: "is in its grace period",
	100: "is being closed", 101: "is closed", 202: "is closed",
}

// notes says what does not stand in the way of reading.
func (m *meta) notes(account metaAccount) (notes []string) {
	if state, ok := accountStates[account.Status]; ok {
		notes = append(notes, fmt.Sprintf("The ad account %s at Meta. Its figures can be read.", state))
	}
	if account.served != "" && account.served != m.version {
		notes = append(notes, fmt.Sprintf("Meta answers with version %s of its API in place of %s.", plainVersion(account.served), m.version))
	}
	return notes
}

var versionText = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,3}$`)

// plainVersion keeps a header of any content out of the text.
func plainVersion(text string) string {
	if !versionText.MatchString(text) {
		return "(unknown)"
	}
	return text
}

// Extract reads the days in as few calls as Meta answers.
func (m *meta) Extract(ctx context.Context, secret []byte, from, to string) (Report, error) {
	who, err := m.open(secret)
	if err != nil {
		return Report{}, err
	}
	var days []string
	if from != "" {
		if days, err = daysBetween(from, to); err != nil {
			return Report{}, err
		}
	}
	account, err := m.account(ctx, who)
	if err != nil {
		return Report{}, err
	}
	found := map[string]Row{}
	if from == "" {
		days, err = m.yesterday(ctx, who, account, found)
	} else {
		err = m.days(ctx, who, days, found)
	}
	if err != nil {
		return Report{}, err
	}
	report := Report{TimeZone: account.TimeZone, Currency: account.Currency, Rows: make([]Row, 0, len(days))}
	for _, day := range days {
		row, ok := found[day]
		if !ok { // nothing was delivered
			row = metaInsight{DateStart: day}.row()
		}
		report.Rows = append(report.Rows, row)
	}
	return report, nil
}

// yesterday leaves the day to Meta. Only an empty one must be computed here, in the account's zone.
func (m *meta) yesterday(ctx context.Context, who adAccount, account metaAccount, found map[string]Row) ([]string, error) {
	rows, err := m.read(ctx, who, url.Values{"date_preset": {"yesterday"}}, 1)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		found[row.Date] = row
		return []string{row.Date}, nil
	}
	zone, err := time.LoadLocation(account.TimeZone)
	if err != nil || account.TimeZone == "" {
		return nil, fail(Unavailable, "The %s did not name a time zone that is known", metaAPI)
	}
	year, month, day := m.now().In(zone).Date()
	return []string{time.Date(year, month, day-1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)}, nil
}

// days reads the days chunk by chunk. Where Meta finds a chunk too much, the chunks become half as long.
func (m *meta) days(ctx context.Context, who adAccount, days []string, found map[string]Row) error {
	size := m.chunk
	for len(days) > 0 {
		chunk := days[:min(size, len(days))]
		span, err := json.Marshal(map[string]string{"since": chunk[0], "until": chunk[len(chunk)-1]})
		if err != nil {
			return fail(Invalid, "The days cannot be asked for").because(err)
		}
		rows, err := m.read(ctx, who, url.Values{"time_range": {string(span)}}, len(chunk))
		if tooMuch(err) && len(chunk) > 1 {
			size = (len(chunk) + 1) / 2
			continue
		}
		if err != nil {
			return err
		}
		for _, row := range rows {
			if _, ok := slices.BinarySearch(chunk, row.Date); !ok {
				return fail(Unavailable, "The %s gave a day that was not asked for: %s", metaAPI, row.Date)
			}
			found[row.Date] = row
		}
		days = days[len(chunk):]
	}
	return nil
}

// metaPage is one page of insights.
type metaPage struct {
	Data   []metaInsight `json:"data"` // [] where nothing was delivered; nil: an answer of another form
	Paging struct {
		Cursors struct {
			After string `json:"after"`
		} `json:"cursors"`
		// Next says whether there is another page. It is never called: it carries the token, and its host is Meta's word alone.
		Next string `json:"next"`
	} `json:"paging"`
}

func (m *meta) insights(ctx context.Context, who adAccount, q url.Values) (page metaPage, err error) {
	if _, err = m.get(ctx, who, "/insights", q, &page); err == nil && page.Data == nil {
		err = fail(Unavailable, "The %s gave an answer of another form", metaAPI) // anything but a day without figures
	}
	return page, err
}

// read gets all pages over at most so many days, as rows of one day each.
func (m *meta) read(ctx context.Context, who adAccount, q url.Values, days int) ([]Row, error) {
	q.Set("level", "account")
	q.Set("time_increment", "1")
	q.Set("action_breakdowns", "action_type")
	q.Set("fields", "date_start,date_stop,"+strings.Join(m.fields(), ","))
	q.Set("limit", strconv.Itoa(metaPageSize))
	var rows []Row
	seen := map[string]bool{}
	for pages := 0; ; pages++ {
		page, err := m.insights(ctx, who, q)
		if err != nil {
			return nil, err
		}
		for _, insight := range page.Data {
			if err := insight.check(seen); err != nil {
				return nil, err
			}
			rows = append(rows, insight.row())
		}
		// The last page has cursors too, so it is next that counts.
		if page.Paging.Next == "" && len(rows) <= days {
			return rows, nil
		}
		after := page.Paging.Cursors.After
		if len(rows) > days || pages > days+1 || after == "" || after == q.Get("after") {
			return nil, fail(Unavailable, "The %s gave other pages than a report of these days has", metaAPI)
		}
		q.Set("after", after)
	}
}
