package sandbox

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"
)

const (
	appTokenLife     = 24*time.Hour - time.Second // of client credentials
	offlineTokenLife = time.Hour
	refreshLife      = 90 * 24 * time.Hour
	retryLife        = 30 * 24 * time.Hour // of a spent refresh token whose successor was never used
)

// shopToken is Shopify's token endpoint: client credentials for an organisation's own app, rotating refresh tokens for others.
func (s *Sandbox) shopToken(r *http.Request) (any, error) {
	shop, err := s.openShop(r)
	if err != nil {
		return nil, err
	}
	if err := r.ParseForm(); err != nil {
		return nil, oauthPage("invalid_request", "The request is malformed")
	}
	if shop.ClientID == "" || r.PostForm.Get("client_id") != shop.ClientID {
		return nil, oauthPage("application_cannot_be_found", "The application cannot be found")
	}
	if !sameHash(shop.SecretHash, r.PostForm.Get("client_secret")) {
		return nil, oauthPage("invalid_client", "The client secret is wrong")
	}
	now := s.cfg.Now()
	switch r.PostForm.Get("grant_type") {
	case "client_credentials":
		if !shop.Own {
			return nil, oauthPage("shop_not_permitted", "Client credentials cannot be performed on this shop")
		}
		return shop.issue(now, appTokenLife), s.save()
	case "refresh_token":
		if !shop.spend(r.PostForm.Get("refresh_token"), now) {
			return nil, &refusal{status: http.StatusBadRequest, body: map[string]string{
				"error": "invalid_grant", "error_description": "This request requires an active refresh_token",
			}}
		}
		return shop.issuePair(now), s.save()
	}
	return nil, oauthPage("invalid_request", "The grant type is not supported")
}

func oauthPage(code, text string) *refusal {
	return &refusal{status: http.StatusBadRequest, body: page("Oauth error " + code + ": " + text)}
}

// spend uses a refresh token up. The one before it works again as long as its successor was never used, for an answer that
// got lost; a retry replaces the successor.
func (p *shop) spend(token string, now time.Time) bool {
	switch {
	case sameHash(p.Refresh.Hash, token) && now.Before(p.Refresh.Ends):
		p.Previous = p.Refresh
		p.Previous.Spent = now
		return true
	case sameHash(p.Previous.Hash, token):
		return now.Before(p.Previous.Ends) && now.Before(p.Previous.Spent.Add(retryLife))
	}
	return false
}

// issue makes an access token. Expired ones are forgotten on the way.
func (p *shop) issue(now time.Time, life time.Duration) map[string]any {
	for hash, ends := range p.Access {
		if !now.Before(ends) {
			delete(p.Access, hash)
		}
	}
	if p.Access == nil {
		p.Access = map[string]time.Time{}
	}
	token := "shpat_" + randomHex(16)
	p.Access[hashOf(token)] = now.Add(life)
	return map[string]any{"access_token": token, "scope": strings.Join(p.Scopes, ","), "expires_in": int64(life.Seconds())}
}

// issuePair makes an access token and the next refresh token.
func (p *shop) issuePair(now time.Time) map[string]any {
	granted := p.issue(now, offlineTokenLife)
	refresh := "shprt_" + strings.ToLower(rand.Text()+rand.Text())
	p.Refresh = refreshToken{Hash: hashOf(refresh), Ends: now.Add(refreshLife)}
	granted["refresh_token"], granted["refresh_token_expires_in"] = refresh, int64(refreshLife.Seconds())
	return granted
}
