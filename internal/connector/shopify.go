package connector

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	shopifyScope   = "read_reports"
	shopifyMissing = "Missing scope " + shopifyScope

	// shopifyDenied is what the person at the shop can do about a refusal.
	shopifyDenied = "Shopify denies access to the reports: the app needs the scope read_reports and approved access to " +
		"protected customer data (level 2)"
)

// shopify reads a shop's figures through the GraphQL Admin API. Every shop is a host of its own.
type shopify struct {
	*Outline
	client  *client
	now     func() time.Time
	base    string // "" = the shop's own host
	version string
}

func newShopify(cfg Config, c *client) *shopify {
	return &shopify{
		Outline: &shopifyOutline,
		client:  c,
		now:     cfg.Now,
		base:    strings.TrimRight(cfg.ShopifyBase, "/"),
		version: cmp.Or(cfg.ShopifyVersion, ShopifyVersion),
	}
}

// Version is the pinned one, or the operator's.
func (s *shopify) Version() string { return s.version }

// store is one credential in use.
type store struct {
	shopifySecret
	host string // matched shopHost: no token goes anywhere else
	at   string // "https://" + host, or the override with the host in its path
}

// open reads a sealed content again and checks its host again: an imported content never passed Parse.
func (s *shopify) open(secret []byte) (*store, error) {
	who := &store{}
	if err := json.Unmarshal(secret, &who.shopifySecret); err != nil {
		return nil, fail(Invalid, "The content of the credential cannot be read") // the cause could quote it
	}
	host, ok := hostOf(who.ShopURL)
	if !ok {
		return nil, fail(Invalid, "Invalid shop_url")
	}
	who.host, who.at = host, "https://"+host
	if s.base != "" {
		who.at = s.base + "/" + host
	}
	return who, nil
}

// shop is what every query asks of the shop.
type shop struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	TimeZone string `json:"ianaTimezone"`
	Currency string `json:"currencyCode"`
}

// Verify asks for the shop and the app's scopes, which proves the token, and that the reports may be read.
func (s *shopify) Verify(ctx context.Context, secret []byte, _ Binding) (Proof, error) {
	who, err := s.open(secret)
	if err != nil {
		return Proof{}, err
	}
	var data struct {
		Shop         shop `json:"shop"`
		Installation struct {
			Scopes []struct {
				Handle string `json:"handle"`
			} `json:"accessScopes"`
		} `json:"currentAppInstallation"`
	}
	served, err := s.query(ctx, who, `query { shop { id name ianaTimezone currencyCode } currentAppInstallation { accessScopes { handle } } }`, nil, &data)
	if err != nil {
		return Proof{}, err
	}
	if data.Shop.ID == "" {
		return Proof{}, fail(Unavailable, "Shopify answered without the shop")
	}
	proof := Proof{ConnectedAs: data.Shop.Name, TimeZone: data.Shop.TimeZone, Currency: data.Shop.Currency, ExpiresAt: who.grantEnds()}
	if proof.ConnectedAs == "" {
		proof.ConnectedAs = who.ShopURL
	}
	for _, scope := range data.Installation.Scopes {
		proof.Scopes = append(proof.Scopes, scope.Handle)
	}
	if !slices.Contains(proof.Scopes, shopifyScope) {
		return Proof{}, fail(Forbidden, "%s", shopifyMissing)
	}
	if served != s.version && apiVersion.MatchString(served) {
		proof.Notes = append(proof.Notes, fmt.Sprintf("Shopify answered with version %s of its API instead of %s.", served, s.version))
	}
	return proof, nil
}

var apiVersion = regexp.MustCompile(`^(20[0-9]{2}-[0-9]{2}|unstable)$`)

// query asks the shop and returns the version of the API that answered.
func (s *shopify) query(ctx context.Context, who *store, text string, variables map[string]any, data any) (served string, err error) {
	if who.AccessToken == "" {
		return "", fail(Invalid, "The credential has no access token yet")
	}
	body, err := json.Marshal(map[string]any{"query": text, "variables": variables})
	if err != nil {
		return "", fail(Invalid, "The query cannot be asked").because(err)
	}
	a, err := s.client.do(ctx, request{
		provider:    "Shopify",
		method:      http.MethodPost,
		url:         who.at + "/admin/api/" + s.version + "/graphql.json",
		contentType: "application/json",
		header:      map[string]string{"X-Shopify-Access-Token": who.AccessToken},
		body:        body,
		budget:      Shopify,
		account:     []byte(who.host + who.AccessToken),
	})
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK {
		return "", shopRefusal(who, a)
	}
	var said shopifyAnswer
	if err := a.decode("Shopify", &said); err != nil {
		return "", err
	}
	if err := said.failure(who); err != nil {
		return "", err
	}
	if err := json.Unmarshal(said.Data, data); err != nil {
		return "", fail(Unavailable, "Shopify gave an answer of an unknown form")
	}
	return a.header.Get("X-Shopify-Api-Version"), nil
}

// shopRefusal explains a status other than 200. Source: shopify.dev, API response status and error codes.
func shopRefusal(who *store, a answer) *Error {
	var e *Error
	switch a.status {
	case http.StatusUnauthorized:
		e = fail(Rejected, "Shopify does not accept the access token: it has expired, was revoked or belongs to another shop")
	case http.StatusPaymentRequired:
		e = fail(Forbidden, "The shop %s is frozen: its owner has to settle the bill with Shopify", who.host)
	case http.StatusForbidden:
		e = fail(Forbidden, "%s", shopifyDenied)
	case http.StatusNotFound:
		e = fail(NotFound, "Shop not found: %s", who.host)
	case http.StatusLocked:
		e = fail(Forbidden, "The shop %s is locked: its owner has to ask Shopify to unlock it", who.host)
	case http.StatusTooManyRequests:
		e = fail(Limited, "Shopify limits the calls to this shop at the moment")
	case http.StatusRequestTimeout, http.StatusConflict:
		e = fail(Unavailable, "Shopify could not finish the call")
	default:
		e = fail(Invalid, "Shopify refused the request (status %d)", a.status)
	}
	e.RetryAfter = a.retryAfter
	var said struct {
		Errors string `json:"errors"`
	}
	if json.Unmarshal(a.body, &said) == nil && said.Errors != "" {
		return e.because(who.said("", said.Errors))
	}
	return e
}

// shopifyAnswer is the form of every GraphQL answer. Errors come with status 200.
type shopifyAnswer struct {
	Data   json.RawMessage `json:"data"`
	Errors []struct {
		Message    string `json:"message"`
		Extensions struct {
			Code string `json:"code"`
		} `json:"extensions"`
	} `json:"errors"`
	Extensions struct {
		Cost struct {
			Requested float64 `json:"requestedQueryCost"`
			Throttle  struct {
				Available float64 `json:"currentlyAvailable"`
				Rate      float64 `json:"restoreRate"` // points a second
			} `json:"throttleStatus"`
		} `json:"cost"`
	} `json:"extensions"`
}

// failure explains the first error that decides; data beside errors is incomplete and not used.
func (a shopifyAnswer) failure(who *store) error {
	if len(a.Errors) == 0 {
		if len(a.Data) == 0 || string(a.Data) == "null" {
			return fail(Unavailable, "Shopify gave an answer without data")
		}
		return nil
	}
	code := func(name string) int {
		for i, e := range a.Errors {
			if e.Extensions.Code == name {
				return i
			}
		}
		return -1
	}
	for _, known := range []struct {
		code, message string
		reason        Reason
	}{
		{"THROTTLED", "The quota of the Shopify API is used up for now", Limited},
		{"ACCESS_DENIED", shopifyDenied, Forbidden},
		{"SHOP_INACTIVE", "The shop is not active", Forbidden},
		{"INTERNAL_SERVER_ERROR", "Shopify could not finish the call", Unavailable},
		{"TIMEOUT", "Shopify could not finish the call", Unavailable},
	} {
		if i := code(known.code); i >= 0 {
			e := fail(known.reason, "%s", known.message)
			if known.reason == Limited {
				e.RetryAfter = a.wait()
			}
			return e.because(who.said(known.code, a.Errors[i].Message))
		}
	}
	return fail(Invalid, "Shopify refused the query").because(who.said(a.Errors[0].Extensions.Code, a.Errors[0].Message))
}

// wait is how long the bucket takes to hold what the query costs, in whole seconds; 0 if Shopify gave no figures.
func (a shopifyAnswer) wait() time.Duration {
	cost := a.Extensions.Cost
	if cost.Throttle.Rate <= 0 {
		return 0
	}
	seconds := math.Ceil((cost.Requested - cost.Throttle.Available) / cost.Throttle.Rate)
	return time.Duration(max(1, min(seconds, maxRetryAfter.Seconds()))) * time.Second
}

// said is the plain words of what Shopify said, for the log, without those that a secret of the credential holds: it need
// not look like one of Shopify's.
func (who *store) said(code, text string) error {
	q := quoted(code, text)
	words := append([]string{q.code}, strings.Fields(q.text)...)
	for i, word := range words {
		for _, secret := range []string{who.AccessToken, who.RefreshToken, who.ClientID, who.ClientSecret} {
			if strings.Contains(secret, strings.Trim(word, `'"()[].,:;?!`)) {
				words[i] = "…"
			}
		}
	}
	return errors.New("shopify: " + words[0] + ": " + strings.Join(words[1:], " "))
}
