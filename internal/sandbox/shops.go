package sandbox

import (
	"errors"
	"net/http"
	"regexp"
	"time"
)

// shop is a Shopify shop with the one app that is installed in it.
type shop struct {
	Host     string   `json:"host"` // x.myshopify.com
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	TimeZone string   `json:"timeZone"`
	Currency string   `json:"currency"`
	Scopes   []string `json:"scopes"`
	// Unapproved means that the app may not see protected customer data.
	Unapproved bool `json:"unapproved,omitempty"`
	// Status is what every call is refused with: 402 frozen, 423 locked; 0 = open.
	Status int `json:"status,omitempty"`
	// Serves is the version of the API that answers whatever was asked for; "" = the one asked for.
	Serves string `json:"serves,omitempty"`

	ClientID   string               `json:"clientId"`
	SecretHash string               `json:"secretHash"`
	Own        bool                 `json:"own"`                 // app and shop are of one organisation: client credentials work
	Permanent  []string             `json:"permanent,omitempty"` // hashes
	Access     map[string]time.Time `json:"access,omitempty"`    // ends of access tokens by hash; they survive a restart, as at Shopify
	Refresh    refreshToken         `json:"refresh,omitzero"`
	Previous   refreshToken         `json:"previous,omitzero"` // spent, and good for a retry until Refresh is used

	// Days holds what was corrected by hand, by date and metric.
	Days map[string]map[string]float64 `json:"days,omitempty"`

	bucket bucket
	errors []string // GraphQL codes that the next queries fail with
}

type refreshToken struct {
	Hash  string    `json:"hash"`
	Ends  time.Time `json:"ends"`
	Spent time.Time `json:"spent,omitzero"` // when it was first used
}

const (
	bucketSize = 2000 // points of the standard plan
	bucketRate = 100  // points a second
)

// bucket is the cost an app can still spend on a shop. The zero value is full.
type bucket struct {
	used float64 // at the time at
	at   time.Time
}

func (b *bucket) available(now time.Time) float64 {
	if restored := now.Sub(b.at).Seconds() * bucketRate; restored > 0 {
		b.used, b.at = max(0, b.used-restored), now
	}
	return bucketSize - b.used
}

// shopNotHere is what Shopify says about an unknown shop or version.
var shopNotHere = shopRefusal(http.StatusNotFound, "Not Found")

func shopRefusal(status int, text string) *refusal {
	return &refusal{status: status, body: map[string]string{"errors": text}}
}

// openShop finds the shop that a call is for.
func (s *Sandbox) openShop(r *http.Request) (*shop, error) {
	shop, ok := s.state.Shops[r.PathValue("shop")]
	if !ok {
		return nil, shopNotHere
	}
	switch shop.Status {
	case http.StatusPaymentRequired:
		return nil, shopRefusal(shop.Status, "Unavailable Shop")
	case http.StatusLocked:
		return nil, shopRefusal(shop.Status, "This shop is locked")
	}
	return shop, nil
}

// page marks a refusal that Shopify shows as a page.
type page string

// shopAnswer is answer for Shopify, which says the version in a header and refuses some things with pages.
func (s *Sandbox) shopAnswer(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if version := r.PathValue("version"); version != "" {
			w.Header().Set("X-Shopify-API-Version", s.servedVersion(r.PathValue("shop"), version))
		}
		body, err := s.locked(r, e)
		refused, _ := errors.AsType[*refusal](err)
		if refused != nil {
			if text, ok := refused.body.(page); ok {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				w.WriteHeader(refused.status)
				_, _ = w.Write([]byte("<!DOCTYPE html>\n<title>400 Oauth error</title>\n<p>" + string(text) + "\n")) // the client went away
				return
			}
		}
		if err != nil {
			writeRefusal(w, err)
			return
		}
		writeJSON(w, http.StatusOK, body)
	}
}

func (s *Sandbox) servedVersion(host, asked string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if shop, ok := s.state.Shops[host]; ok && shop.Serves != "" {
		return shop.Serves
	}
	return asked
}

var shopVersion = regexp.MustCompile(`^20[0-9]{2}-(01|04|07|10)$`)

// shopGraphQL is the Admin API as far as the connector uses it.
func (s *Sandbox) shopGraphQL(r *http.Request) (any, error) {
	shop, err := s.openShop(r)
	if err != nil {
		return nil, err
	}
	if !shopVersion.MatchString(r.PathValue("version")) {
		return nil, shopNotHere
	}
	now := s.cfg.Now()
	if !shop.knows(r.Header.Get("X-Shopify-Access-Token"), now) {
		return nil, shopRefusal(http.StatusUnauthorized, "[API] Invalid API key or access token (unrecognized login or wrong password)")
	}
	var body struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, shopRefusal(http.StatusBadRequest, "Required parameter missing or invalid")
	}
	return shop.answer(body.Query, body.Variables, now), nil
}

func (p *shop) knows(token string, now time.Time) bool {
	for _, hash := range p.Permanent {
		if sameHash(hash, token) {
			return true
		}
	}
	ends, ok := p.Access[hashOf(token)]
	return ok && now.Before(ends)
}
