package sandbox

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

var shopHost = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*\.myshopify\.com$`)

// createShop makes a shop with an app in it, or another credential for one that exists. The answer is the credential, ready
// to paste. kind is permanent (the default), client or expiring.
func (s *Sandbox) createShop(r *http.Request) (any, error) {
	var body struct {
		Shop     string   `json:"shop"`
		Name     string   `json:"name"`
		TimeZone string   `json:"timeZone"`
		Currency string   `json:"currency"`
		Scopes   []string `json:"scopes"` // default read_reports, read_customers
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	host := cmp.Or(body.Shop, "shop-"+randomHex(4)+".myshopify.com")
	if !shopHost.MatchString(host) {
		return nil, refuseControl(http.StatusBadRequest, "shop is x.myshopify.com")
	}
	if _, err := time.LoadLocation(body.TimeZone); err != nil {
		return nil, refuseControl(http.StatusBadRequest, "timeZone is an IANA name")
	}
	kind := cmp.Or(r.URL.Query().Get("kind"), "permanent")
	if kind != "permanent" && kind != "client" && kind != "expiring" {
		return nil, refuseControl(http.StatusBadRequest, "kind is permanent, client or expiring")
	}
	p, ok := s.state.Shops[host]
	if !ok {
		name, _, _ := strings.Cut(host, ".")
		p = &shop{Host: host, ID: randomDigits(11), Name: name, TimeZone: "Europe/Berlin", Currency: "EUR", Scopes: []string{"read_reports", "read_customers"}}
		s.state.Shops[host] = p
	}
	p.Name, p.TimeZone, p.Currency = cmp.Or(body.Name, p.Name), cmp.Or(body.TimeZone, p.TimeZone), cmp.Or(body.Currency, p.Currency)
	if body.Scopes != nil {
		p.Scopes = body.Scopes
	}
	return created{p.credential(kind, s.cfg.Now())}, s.save()
}

func (p *shop) credential(kind string, now time.Time) map[string]any {
	if kind == "permanent" {
		token := "shpat_" + randomHex(16)
		p.Permanent = append(p.Permanent, hashOf(token))
		return map[string]any{"shop_url": p.Host, "access_token": token}
	}
	content := map[string]any{}
	if kind == "expiring" {
		content = p.issuePair(now)
		p.Previous = refreshToken{}
	}
	secret := "shpss_" + randomHex(16)
	p.ClientID, p.SecretHash, p.Own = randomHex(16), hashOf(secret), kind == "client"
	content["shop_url"], content["client_id"], content["client_secret"] = p.Host, p.ClientID, secret
	return content
}

// changeShop is the merchant at the admin, or Shopify at the shop. Members that are absent stay.
func (s *Sandbox) changeShop(r *http.Request) (any, error) {
	p, err := s.shop(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Scopes     []string `json:"scopes"`
		Unapproved *bool    `json:"unapproved"`
		Status     *int     `json:"status"` // 402 frozen, 423 locked, 0 open
		Serves     *string  `json:"serves"`
		Available  *float64 `json:"available"` // points left in the bucket
		Errors     []string `json:"errors"`    // GraphQL codes for the next queries
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if body.Status != nil && *body.Status != 0 && *body.Status != http.StatusPaymentRequired && *body.Status != http.StatusLocked {
		return nil, refuseControl(http.StatusBadRequest, "status is 402, 423 or 0")
	}
	if body.Available != nil && (*body.Available < 0 || *body.Available > bucketSize) {
		return nil, refuseControl(http.StatusBadRequest, "available is 0 to %d", bucketSize)
	}
	if body.Scopes != nil {
		p.Scopes = body.Scopes
	}
	if body.Unapproved != nil {
		p.Unapproved = *body.Unapproved
	}
	if body.Status != nil {
		p.Status = *body.Status
	}
	if body.Serves != nil {
		p.Serves = *body.Serves
	}
	if body.Available != nil {
		p.bucket = bucket{used: bucketSize - *body.Available, at: s.cfg.Now()}
	}
	p.errors = append(p.errors, body.Errors...)
	return map[string]bool{"success": true}, s.save()
}

// correctSales sets figures of a day, as orders that are edited or returned later do.
func (s *Sandbox) correctSales(r *http.Request) (any, error) {
	p, err := s.shop(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Date    string             `json:"date"`
		Metrics map[string]float64 `json:"metrics"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if _, err := time.Parse(time.DateOnly, body.Date); err != nil {
		return nil, refuseControl(http.StatusBadRequest, "date is YYYY-MM-DD")
	}
	for name := range body.Metrics {
		if shopMetrics[name] == "" {
			return nil, refuseControl(http.StatusBadRequest, "unknown metric %q", name)
		}
	}
	if p.Days == nil {
		p.Days = map[string]map[string]float64{}
	}
	p.Days[body.Date] = body.Metrics
	return map[string]bool{"success": true}, s.save()
}

// uninstallApp takes back every token of the shop.
func (s *Sandbox) uninstallApp(r *http.Request) (any, error) {
	p, err := s.shop(r)
	if err != nil {
		return nil, err
	}
	p.Permanent, p.Access, p.Refresh, p.Previous = nil, nil, refreshToken{}, refreshToken{}
	p.ClientID, p.SecretHash = "", ""
	return map[string]bool{"success": true}, s.save()
}

func (s *Sandbox) shop(r *http.Request) (*shop, error) {
	p, ok := s.state.Shops[r.PathValue("shop")]
	if !ok {
		return nil, refuseControl(http.StatusNotFound, "no such shop")
	}
	return p, nil
}

// summary is the shop's line on the page.
func (p *shop) summary() string {
	return fmt.Sprintf("%s  %s, %s  permanent tokens: %d, scopes: %s", p.Host, p.TimeZone, p.Currency, len(p.Permanent), strings.Join(p.Scopes, ", "))
}
