package connector

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// graphError is the error form of the Graph API. Sources: Graph API "Handle errors", Marketing API "Error codes",
// Ads Insights API "Error codes".
type graphError struct {
	Error struct {
		Message   string `json:"message"`
		Code      int    `json:"code"`
		Subcode   int    `json:"error_subcode"`
		Transient bool   `json:"is_transient"`
	} `json:"error"`
}

// metaCause is what Meta itself said, as far as it is prose.
type metaCause struct {
	code, subcode int
	text          string
	tooMuch       bool // the range is too long for one answer
}

func (e metaCause) Error() string {
	return fmt.Sprintf("meta: code %d, subcode %d: %s", e.code, e.subcode, e.text)
}

// tooMuch reports whether Meta would answer a shorter range.
func tooMuch(err error) bool {
	cause, ok := errors.AsType[metaCause](err)
	return ok && cause.tooMuch
}

// failure explains a refusal. otherwise is what the answer's form alone says, nil where that is fine.
func (m *meta) failure(who adAccount, a answer, otherwise error) error {
	var said graphError
	if err := json.Unmarshal(a.body, &said); err != nil || said.Error.Code == 0 {
		if otherwise != nil {
			return otherwise
		}
		return m.refusedWithoutCode(who, a)
	}
	e := m.refusal(who, said, a.status)
	switch e.Reason {
	case Limited:
		e.RetryAfter = max(a.retryAfter, regain(a.header))
	case Unavailable:
		e.RetryAfter = a.retryAfter
	}
	return e.because(metaCause{
		code: said.Error.Code, subcode: said.Error.Subcode, text: wordsWithout(who.token, said.Error.Message), tooMuch: said.tooMuch(),
	})
}

// wordsWithout keeps the plain words of Meta's message. A word that the token has too goes, in case the token is made of letters.
func wordsWithout(token, message string) string {
	words := strings.Fields(quoted("", message).text)
	for i, word := range words {
		if len(word) > 3 && strings.Contains(token, strings.Trim(word, `'"()[].,:;?!`)) {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

func (m *meta) refusedWithoutCode(who adAccount, a answer) *Error {
	switch a.status {
	case http.StatusUnauthorized:
		return tokenRefused(0)
	case http.StatusForbidden:
		return noRight(who)
	case http.StatusTooManyRequests:
		e := fail(Limited, "The %s limits the calls at the moment", metaAPI)
		e.RetryAfter = max(a.retryAfter, regain(a.header))
		return e
	}
	return fail(Invalid, "The %s refused the request (status %d)", metaAPI, a.status)
}

// tooMuch: two subcodes for a request that timed out, and the words that come with code 1 and no subcode.
func (g graphError) tooMuch() bool {
	e := g.Error
	return e.Code == 100 && e.Subcode == 1504018 || e.Code == 2 && e.Subcode == 1504038 ||
		e.Code == 1 && strings.Contains(e.Message, "reduce the amount of data")
}

func (m *meta) refusal(who adAccount, said graphError, status int) *Error {
	e := said.Error
	switch {
	case said.tooMuch():
		return fail(Unavailable, "The %s took too long for these days", metaAPI)
	case e.Code == 190, e.Code == 102:
		return tokenRefused(e.Subcode)
	case e.Code == 4, e.Code == 17, e.Code == 32, e.Code == 341, e.Code == 613, e.Code >= 80000 && e.Code <= 80014:
		return fail(Limited, "The %s limits the calls for %s at the moment", metaAPI, who)
	case strings.Contains(e.Message, "appsecret_proof"):
		return fail(Forbidden, "The app of this access token wants a proof with each call: switch off \"Require app secret\" in its advanced settings at Meta")
	case e.Code == 3, e.Code == 10, e.Code >= 200 && e.Code <= 299:
		return noRight(who)
	case e.Code == 100 && e.Subcode == 33, e.Code == 803:
		return fail(NotFound, "The ad account %s does not exist, or the access token has no access to it", who)
	case e.Code == 3018:
		return fail(Invalid, "Meta keeps figures for 37 months; these days are older")
	case e.Code == 2635, e.Code == 2500:
		return fail(Invalid, "Meta does not serve version %s of its API: set META_API_VERSION to one that it does", m.version)
	case e.Code == 1, e.Code == 2, e.Transient, status >= 500:
		return fail(Unavailable, "The %s is not available at the moment (code %d)", metaAPI, e.Code)
	case status == http.StatusTooManyRequests:
		return fail(Limited, "The %s limits the calls at the moment", metaAPI)
	}
	return fail(Invalid, "The %s refused the request (code %d, subcode %d)", metaAPI, e.Code, e.Subcode)
}

func noRight(who adAccount) *Error {
	return fail(Forbidden, "The access token may not read the figures of %s: it needs the permission ads_read, and its user access to the ad account", who)
}

// tokenRefused tells the ends of a token apart that a person mends differently.
func tokenRefused(subcode int) *Error {
	const again = ": make a new one at Meta and save it here"
	switch subcode {
	case 458:
		return fail(Rejected, "The app of this access token was removed from the Facebook account"+again)
	case 459, 464:
		return fail(Rejected, "Facebook wants the person behind this access token to log in and confirm the account; after that make a new token and save it here")
	case 460:
		return fail(Rejected, "The access token ended when the password of its Facebook account was changed"+again)
	case 463:
		return fail(Rejected, "The access token has expired"+again)
	}
	return fail(Rejected, "Meta does not accept this access token; it was revoked, or is not complete"+again)
}

// regain reads when calls are allowed again. Source: Graph API "Rate limits", headers.
func regain(h http.Header) time.Duration {
	var wait time.Duration
	var cases map[string][]struct {
		Minutes float64 `json:"estimated_time_to_regain_access"`
	}
	if json.Unmarshal([]byte(h.Get("X-Business-Use-Case-Usage")), &cases) == nil {
		for _, uses := range cases {
			for _, use := range uses {
				wait = max(wait, atMost(use.Minutes, time.Minute))
			}
		}
	}
	var account struct {
		Percent float64 `json:"acc_id_util_pct"`
		Seconds float64 `json:"reset_time_duration"`
	}
	if json.Unmarshal([]byte(h.Get("X-Ad-Account-Usage")), &account) == nil && account.Percent >= 100 {
		wait = max(wait, atMost(account.Seconds, time.Second))
	}
	return wait
}

// atMost is n units within the bounds of any wait.
func atMost(n float64, unit time.Duration) time.Duration {
	return time.Duration(max(0, min(n, float64(maxRetryAfter/unit))) * float64(unit))
}
