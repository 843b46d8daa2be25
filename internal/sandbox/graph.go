package sandbox

import (
	"cmp"
	"crypto/rand"
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

// graphVersion is the newest version of the Graph API that the sandbox knows. Older ones are answered by it, as Meta does
// once they have ended.
const graphVersion = 26

// adAccount is an ad account at Meta with the tokens of people who may read it.
type adAccount struct {
	ID       string                     `json:"id"` // digits, without act_
	Name     string                     `json:"name"`
	TimeZone string                     `json:"timeZone"`
	Currency string                     `json:"currency"`
	Status   int                        `json:"status"` // account_status: 1 active, 2 disabled, …
	Tokens   map[string]*graphToken     `json:"tokens"` // by hash
	Days     map[string]json.RawMessage `json:"days,omitempty"`
	MaxDays  int                        `json:"maxDays,omitempty"`  // longer ranges are refused as too much; 0 = none are
	PageSize int                        `json:"pageSize,omitempty"` // rows of a page at most; 0 = as asked for
	Calls    int                        `json:"calls"`
}

// graphToken is an access token. Ended is the error_subcode that says why it does not work any more, 0 while it does.
type graphToken struct {
	Scopes []string  `json:"scopes"`
	Ends   time.Time `json:"ends,omitzero"`
	Ended  int       `json:"ended,omitempty"`
}

// graphEndpoint answers a call about an ad account that the token may read.
type graphEndpoint func(r *http.Request, a *adAccount) (any, error)

// graph serves a path of the Graph API: version, token, usage headers and errors are the same for all.
func (s *Sandbox) graph(e graphEndpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		body, err := s.graphAnswer(w.Header(), r, e)
		s.mu.Unlock()
		if err != nil {
			writeRefusal(w, err)
			return
		}
		writeJSON(w, http.StatusOK, body) // fields selects below data here, so not as Google's does
	}
}

func (s *Sandbox) graphAnswer(h http.Header, r *http.Request, e graphEndpoint) (any, error) {
	version, ok := readGraphVersion(r.PathValue("version"))
	if !ok || version > graphVersion {
		return nil, refuseGraph(http.StatusBadRequest, 2500, 0, "OAuthException", "Unknown path components: /"+r.PathValue("account"))
	}
	h.Set("Facebook-API-Version", fmt.Sprintf("v%d.0", graphVersion))
	account, err := s.authorizeGraph(r)
	if err != nil {
		return nil, err
	}
	account.Calls++ // saved with the next change; the count need not survive a crash
	account.usage(h)
	return e(r, account)
}

var graphVersionText = regexp.MustCompile(`^v([0-9]{1,3})\.[0-9]$`)

func readGraphVersion(text string) (int, bool) {
	m := graphVersionText.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}

// usage sets the headers that show how much of the limits is used. They are shown, not enforced; faults limit.
func (a *adAccount) usage(h http.Header) {
	percent := min(a.Calls/10, 99)
	h.Set("X-FB-Ads-Insights-Throttle", fmt.Sprintf(`{"app_id_util_pct":%d,"acc_id_util_pct":%d,"ads_api_access_tier":"development_access"}`, percent, percent))
	h.Set("X-Ad-Account-Usage", fmt.Sprintf(`{"acc_id_util_pct":%d,"reset_time_duration":0,"ads_api_access_tier":"development_access"}`, percent))
	h.Set("X-Business-Use-Case-Usage", businessUsage(a.ID, percent, 0))
}

func businessUsage(id string, percent, minutes int) string {
	return fmt.Sprintf(`{%q:[{"type":"ads_insights","call_count":%d,"total_cputime":%d,"total_time":%d,"estimated_time_to_regain_access":%d,`+
		`"ads_api_access_tier":"development_access"}]}`, id, percent, percent, percent, minutes)
}

// authorizeGraph finds the ad account that a call is about and checks its token as Meta does.
func (s *Sandbox) authorizeGraph(r *http.Request) (*adAccount, error) {
	const oauth = "OAuthException"
	if r.URL.Query().Has("access_token") {
		return nil, refuseGraph(http.StatusBadRequest, 100, 0, oauth, "The sandbox refuses tokens in addresses: send Authorization: Bearer.")
	}
	value, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || value == "" {
		return nil, refuseGraph(http.StatusBadRequest, 104, 0, oauth, "An access token is required to request this resource.")
	}
	hash := hashOf(value)
	token := s.graphToken(hash)
	if token == nil {
		return nil, refuseGraph(http.StatusUnauthorized, 190, 0, oauth, "Invalid OAuth access token - Cannot parse access token")
	}
	if reason := token.end(s.cfg.Now()); reason != 0 {
		return nil, refuseGraph(http.StatusUnauthorized, 190, reason, oauth, cmp.Or(endedWords[reason],
			"Error validating access token: The session was invalidated explicitly using an API call."))
	}
	id, ok := strings.CutPrefix(r.PathValue("account"), "act_")
	account := s.state.AdAccounts[id]
	if !ok || account == nil || account.Tokens[hash] == nil {
		return nil, refuseGraph(http.StatusBadRequest, 100, 33, "GraphMethodException", fmt.Sprintf("Unsupported get request. Object with ID '%s' "+
			"does not exist, cannot be loaded due to missing permissions, or does not support this operation. Please read the Graph API "+
			"documentation at https://developers.facebook.com/docs/graph-api", r.PathValue("account")))
	}
	if !slices.Contains(token.Scopes, "ads_read") && !slices.Contains(token.Scopes, "ads_management") {
		return nil, refuseGraph(http.StatusForbidden, 200, 0, oauth, "(#200) Ad account owner has NOT grant ads_management or ads_read permission")
	}
	return account, nil
}

func (s *Sandbox) graphToken(hash string) *graphToken {
	for _, a := range s.state.AdAccounts {
		if t := a.Tokens[hash]; t != nil {
			return t
		}
	}
	return nil
}

const (
	passwordChanged = 460
	sessionExpired  = 463
	sessionEnded    = 466
)

var endedWords = map[int]string{
	passwordChanged: "Error validating access token: The session has been invalidated because the user changed their password or Facebook " +
		"has changed the session for security reasons.",
	sessionExpired: "Error validating access token: Session has expired on Thursday, 01-Oct-26 00:00:00 PDT.",
}

func (t *graphToken) end(now time.Time) (subcode int) {
	if t.Ended == 0 && !t.Ends.IsZero() && !now.Before(t.Ends) {
		return sessionExpired
	}
	return t.Ended
}

// refuseGraph is the error shape of the Graph API.
func refuseGraph(status, code, subcode int, kind, message string) *refusal {
	inner := map[string]any{"message": message, "type": kind, "code": code, "fbtrace_id": "A" + rand.Text()[:22]}
	if subcode != 0 {
		inner["error_subcode"] = subcode
	}
	return &refusal{status: status, body: map[string]any{"error": inner}}
}

// graphFault is a scripted failure in the Graph API's shape. A code decides; without one it is guessed from the status.
func graphFault(f scriptedFault) *refusal {
	code := f.Code
	if code == 0 {
		code = map[int]int{401: 190, 403: 200, 429: 4}[f.Status]
	}
	if code == 0 {
		code = 100
		if f.Status >= 500 {
			code = 2
		}
	}
	e := refuseGraph(f.Status, code, f.Subcode, "OAuthException", cmp.Or(f.Reason, "Scripted failure."))
	if f.Transient {
		e.body.(map[string]any)["error"].(map[string]any)["is_transient"] = true
	}
	if f.RetryAfter > 0 { // Meta has no Retry-After: it names minutes in a header of its own
		e.header = map[string]string{"X-Business-Use-Case-Usage": businessUsage("0", 100, (f.RetryAfter+59)/60)}
	}
	return e
}

func (s *Sandbox) graphAccount(r *http.Request, a *adAccount) (any, error) {
	known := map[string]any{
		"account_id": a.ID, "name": a.Name, "account_status": a.Status, "timezone_name": a.TimeZone, "currency": a.Currency,
	}
	out := map[string]any{"id": "act_" + a.ID}
	for name := range strings.SplitSeq(cmp.Or(r.URL.Query().Get("fields"), "id"), ",") {
		value, ok := known[name]
		if !ok && name != "id" {
			return nil, refuseGraph(http.StatusBadRequest, 100, 0, "OAuthException",
				fmt.Sprintf("(#100) Tried accessing nonexisting field (%s) on node type (AdAccount)", name))
		}
		if ok {
			out[name] = value
		}
	}
	return out, nil
}

func (s *Sandbox) graphInsights(r *http.Request, a *adAccount) (any, error) {
	q := r.URL.Query()
	rows, err := a.report(q, s.cfg.Now())
	if err != nil {
		return nil, err
	}
	limit, offset := 25, 0
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return nil, refuseGraph(http.StatusBadRequest, 100, 0, "OAuthException", "(#100) param limit must be a positive integer.")
		}
	}
	if a.PageSize > 0 {
		limit = min(limit, a.PageSize)
	}
	if after := q.Get("after"); after != "" {
		if offset, err = readCursor(after); err != nil || offset > len(rows) {
			return nil, refuseGraph(http.StatusBadRequest, 2642, 0, "OAuthException", "(#2642) Invalid cursors values")
		}
	}
	end := min(offset+limit, len(rows))
	answer := map[string]any{"data": rows[offset:end]}
	if len(rows) > 0 {
		// The cursors are there on the last page too; only next is not.
		paging := map[string]any{"cursors": map[string]string{"before": cursor(offset), "after": cursor(end)}}
		if end < len(rows) {
			paging["next"] = nextPage(r, q, cursor(end))
		}
		answer["paging"] = paging
	}
	return answer, nil
}

// nextPage carries the token, as Meta's does even where it came in the header.
func nextPage(r *http.Request, q url.Values, after string) string {
	q.Set("access_token", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	q.Set("after", after)
	return (&url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: q.Encode()}).String()
}

// cursor hides an offset, so that nobody counts on its form.
func cursor(offset int) string { return "MT" + strconv.FormatInt(int64(offset)*7919+13, 36) + "ZD" }

func readCursor(text string) (int, error) {
	inner, front := strings.CutPrefix(text, "MT")
	inner, back := strings.CutSuffix(inner, "ZD")
	n, err := strconv.ParseInt(inner, 36, 64)
	if err != nil || !front || !back || n < 13 || (n-13)%7919 != 0 {
		return 0, strconv.ErrSyntax
	}
	return int(n-13) / 7919, nil
}
