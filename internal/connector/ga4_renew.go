package connector

import (
	"context"
	"encoding/json"
)

// Renews is true for an OAuth user. A service account signs in with its own key and has nothing to lose to a second sign-in.
func (g *ga4) Renews(secret []byte) bool {
	var s googleSecret
	return json.Unmarshal(secret, &s) == nil && !s.serviceAccount()
}

// Renew spends the refresh token: the saved one, until Google gives out another.
func (g *ga4) Renew(ctx context.Context, secret []byte, newest *Grant) (Grant, error) {
	who, err := g.google.open(secret, scopeAnalytics)
	if err != nil {
		return Grant{}, err
	}
	if who.serviceAccount() {
		return Grant{}, fail(Invalid, "A service account has no tokens to renew")
	}
	if newest != nil && newest.RefreshToken != "" {
		who.RefreshToken = newest.RefreshToken
	}
	t, err := g.google.grantRefresh(ctx, who)
	if err != nil {
		return Grant{}, err
	}
	renewed := Grant{AccessToken: t.value, RefreshToken: t.refresh, ExpiresAt: t.expires, GrantEnds: t.grantEnds}
	if renewed.RefreshToken == "" && newest != nil {
		renewed.RefreshToken = newest.RefreshToken
	}
	return renewed, nil
}

// WithGrant adds the access token, and when the grant ends, which only a renewal learns.
func (g *ga4) WithGrant(secret []byte, grant Grant) ([]byte, error) {
	who, err := g.google.open(secret, scopeAnalytics)
	if err != nil {
		return nil, err
	}
	if who.serviceAccount() {
		return nil, fail(Invalid, "A service account takes no access token")
	}
	who.AccessToken, who.GrantEnds = grant.AccessToken, grant.GrantEnds
	granted, err := canonical(who.googleSecret)
	if err != nil {
		return nil, fail(Invalid, "The content of the credential cannot be written").because(err)
	}
	return granted, nil
}
