package connector

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// Renews reports whether the content is of a kind that ends by itself and can be renewed.
func (s *shopify) Renews(secret []byte) bool {
	var c shopifySecret
	return json.Unmarshal(secret, &c) == nil && c.renews()
}

// Renew spends the refresh token, or signs in with the app's own credentials. A refresh token is replaced with every
// renewal: Shopify accepts the old one again until the new one is used, for 30 days, so an answer that was lost is no loss.
// Source: shopify.dev changelog, 28 Aug 2026.
func (s *shopify) Renew(ctx context.Context, secret []byte, newest *Grant) (Grant, error) {
	who, err := s.open(secret)
	if err != nil {
		return Grant{}, err
	}
	if !who.renews() {
		return Grant{}, fail(Invalid, "A permanent access token is not renewed")
	}
	if newest != nil && newest.RefreshToken != "" {
		who.RefreshToken = newest.RefreshToken
	}
	form := url.Values{"client_id": {who.ClientID}, "client_secret": {who.ClientSecret}, "grant_type": {"client_credentials"}}
	if who.RefreshToken != "" {
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", who.RefreshToken)
	}
	return s.token(ctx, who, form)
}

// WithGrant puts the newest access token in the place of the saved one.
func (s *shopify) WithGrant(secret []byte, grant Grant) ([]byte, error) {
	who, err := s.open(secret)
	if err != nil {
		return nil, err
	}
	if !who.renews() {
		return nil, fail(Invalid, "A permanent access token is not renewed")
	}
	who.AccessToken, who.GrantEnds = grant.AccessToken, grant.GrantEnds
	granted, err := canonical(who.shopifySecret)
	if err != nil {
		return nil, fail(Invalid, "The content of the credential cannot be written").because(err)
	}
	return granted, nil
}

func (s *shopify) token(ctx context.Context, who *store, form url.Values) (Grant, error) {
	asked := s.now()
	r := request{
		provider:    "Shopify sign-in",
		method:      http.MethodPost,
		url:         who.at + "/admin/oauth/access_token",
		contentType: "application/x-www-form-urlencoded",
		body:        []byte(form.Encode()),
		pages:       true,
	}
	a, err := s.client.do(ctx, r)
	if err != nil {
		return Grant{}, err
	}
	if a.status != http.StatusOK {
		return Grant{}, signInRefusal(who, a)
	}
	var granted struct {
		AccessToken    string `json:"access_token"`
		RefreshToken   string `json:"refresh_token"`
		ExpiresIn      int64  `json:"expires_in"`               // seconds
		GrantExpiresIn int64  `json:"refresh_token_expires_in"` // seconds
	}
	if err := a.decode(r.provider, &granted); err != nil {
		return Grant{}, err
	}
	if granted.AccessToken == "" || granted.ExpiresIn <= 0 {
		return Grant{}, fail(Unavailable, "Shopify sign-in answered without an access token and its end")
	}
	g := Grant{AccessToken: granted.AccessToken, ExpiresAt: asked.Add(time.Duration(granted.ExpiresIn) * time.Second)}
	if who.RefreshToken == "" {
		return g, nil // client credentials: nothing else is kept, the pair signs in again
	}
	if g.RefreshToken = granted.RefreshToken; g.RefreshToken == "" {
		g.RefreshToken = who.RefreshToken
	}
	if granted.GrantExpiresIn > 0 {
		g.GrantEnds = asked.Add(time.Duration(granted.GrantExpiresIn) * time.Second)
	}
	return g, nil
}

// oauthCode finds the code on Shopify's page for a refused sign-in.
var oauthCode = regexp.MustCompile(`Oauth error ([a-z_]{1,40})`)

// signInRefusal explains a refusal of the token endpoint, which is JSON of RFC 6749 §5.2 or a page with the same code.
func signInRefusal(who *store, a answer) *Error {
	switch a.status {
	case http.StatusPaymentRequired, http.StatusNotFound, http.StatusLocked, http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusConflict:
		return shopRefusal(who, a)
	}
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(a.body, &said) != nil {
		if m := oauthCode.FindSubmatch(a.body); m != nil {
			said.Error = string(m[1])
		}
	}
	return signInDenial(who, said.Error).because(who.said(said.Error, said.Description))
}

func signInDenial(who *store, code string) *Error {
	switch {
	case code == "invalid_client", code == "application_cannot_be_found":
		return fail(Rejected, "Shopify does not accept client_id and client_secret")
	case code == "app_not_installed":
		return fail(Forbidden, "The app is not installed in the shop %s: install it and connect again", who.host)
	case code == "shop_not_permitted":
		return fail(Forbidden, "The app and the shop %s do not belong to the same organisation: use an access token with a refresh token", who.host)
	case who.RefreshToken != "":
		return fail(Rejected, "The refresh token has expired or was revoked: connect the shop again")
	}
	return fail(Rejected, "Shopify refused the sign-in of the app: check client_id and client_secret and that the app is installed in %s", who.host)
}
