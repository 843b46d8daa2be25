package sandbox

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// createAdAccount makes an ad account, or changes the one that exists, and hands out a token for it: the credential as it is
// pasted.
func (s *Sandbox) createAdAccount(r *http.Request) (any, error) {
	var body struct {
		AccountID string   `json:"accountId"`
		Name      string   `json:"name"`
		TimeZone  string   `json:"timeZone"`
		Currency  string   `json:"currency"`
		Status    int      `json:"status"`
		MaxDays   int      `json:"maxDays"`
		PageSize  int      `json:"pageSize"`
		Scopes    []string `json:"scopes"`    // of the token, default ads_read
		ExpiresIn int64    `json:"expiresIn"` // seconds until the token expires; 0 = never
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	id := cmp.Or(strings.TrimPrefix(body.AccountID, "act_"), "1"+randomDigits(14))
	if !digits.MatchString(id) {
		return nil, refuseControl(http.StatusBadRequest, "accountId is a number, with or without act_")
	}
	if _, err := time.LoadLocation(body.TimeZone); err != nil {
		return nil, refuseControl(http.StatusBadRequest, "timeZone is an IANA name")
	}
	if body.ExpiresIn < 0 || body.MaxDays < 0 || body.PageSize < 0 {
		return nil, refuseControl(http.StatusBadRequest, "expiresIn, maxDays and pageSize are not negative")
	}
	a, ok := s.state.AdAccounts[id]
	if !ok {
		a = &adAccount{ID: id, Name: "Ads " + id, TimeZone: "Europe/Berlin", Currency: "EUR", Status: 1, Tokens: map[string]*graphToken{}}
		s.state.AdAccounts[id] = a
	}
	a.Name, a.TimeZone, a.Currency = cmp.Or(body.Name, a.Name), cmp.Or(body.TimeZone, a.TimeZone), cmp.Or(body.Currency, a.Currency)
	a.Status, a.MaxDays, a.PageSize = cmp.Or(body.Status, a.Status), cmp.Or(body.MaxDays, a.MaxDays), cmp.Or(body.PageSize, a.PageSize)
	token := &graphToken{Scopes: body.Scopes}
	if len(token.Scopes) == 0 {
		token.Scopes = []string{"ads_read"}
	}
	credential := map[string]any{"access_token": "EAA" + rand.Text() + rand.Text() + rand.Text(), "token_type": "bearer",
		"account_id": "act_" + id, "account_name": a.Name}
	if body.ExpiresIn > 0 {
		token.Ends = s.cfg.Now().Add(time.Duration(body.ExpiresIn) * time.Second).UTC()
		credential["expires_in"] = body.ExpiresIn
	}
	a.Tokens[hashOf(credential["access_token"].(string))] = token
	return created{credential}, s.save()
}

// endAdTokens ends all tokens of an ad account. The query's subcode says why, as error_subcode will: 460 for a changed
// password.
func (s *Sandbox) endAdTokens(r *http.Request) (any, error) {
	a, err := s.adAccount(r)
	if err != nil {
		return nil, err
	}
	subcode, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("subcode"), strconv.Itoa(sessionEnded)))
	if err != nil || subcode < 1 {
		return nil, refuseControl(http.StatusBadRequest, "subcode is a number")
	}
	for _, t := range a.Tokens {
		t.Ended = subcode
	}
	return map[string]bool{"success": true}, s.save()
}

// correctInsight changes fields of a day's row, as Meta does for weeks after it. A field that is null is taken out; a row that
// is null makes it a day without delivery.
func (s *Sandbox) correctInsight(r *http.Request) (any, error) {
	a, err := s.adAccount(r)
	if err != nil {
		return nil, err
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
	for name := range row {
		if !slices.Contains(insightFields, name) {
			return nil, refuseControl(http.StatusBadRequest, "unknown field %q", name)
		}
	}
	if a.Days == nil {
		a.Days = map[string]json.RawMessage{}
	}
	a.Days[body.Date] = body.Row
	return map[string]bool{"success": true}, s.save()
}

func (s *Sandbox) adAccount(r *http.Request) (*adAccount, error) {
	a, ok := s.state.AdAccounts[strings.TrimPrefix(r.PathValue("id"), "act_")]
	if !ok {
		return nil, refuseControl(http.StatusNotFound, "no such ad account")
	}
	return a, nil
}

// adAccountLines are the ad accounts on the page.
func (s *Sandbox) adAccountLines(b *strings.Builder) {
	for _, id := range slices.Sorted(maps.Keys(s.state.AdAccounts)) {
		a := s.state.AdAccounts[id]
		live := 0
		for _, t := range a.Tokens {
			if t.end(s.cfg.Now()) == 0 {
				live++
			}
		}
		fmt.Fprintf(b, "  act_%s  %s  %s, %s  live tokens: %d\n", id, a.Name, a.TimeZone, a.Currency, live)
	}
}
