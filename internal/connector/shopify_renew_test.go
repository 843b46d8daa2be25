package connector_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"turkey/internal/connector"
)

const day = 24 * time.Hour

func TestShopifyRenewsExpiringTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, renewer := b.shop("expiring"), b.renewer(connector.Shopify)
	if !renewer.Renews(secret) {
		t.Fatal("an expiring token must be renewed")
	}
	first, err := renewer.Renew(t.Context(), secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	if first.AccessToken == "" || first.RefreshToken == "" || !first.ExpiresAt.Equal(start.Add(time.Hour)) || !first.GrantEnds.Equal(start.Add(90*day)) {
		t.Errorf("Renew = %+v", first)
	}
	granted, err := renewer.WithGrant(secret, first)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := b.verify(connector.Shopify, granted, connector.Binding{})
	if err != nil || proof.ExpiresAt == nil || !proof.ExpiresAt.Equal(first.GrantEnds) {
		t.Errorf("Verify = %+v, %v", proof, err)
	}

	// The answer to a renewal got lost: the pair before it works once more, and what it gives goes on.
	if _, err := renewer.Renew(t.Context(), secret, &first); err != nil {
		t.Fatal(err)
	}
	second, err := renewer.Renew(t.Context(), secret, &first)
	if err != nil || second.RefreshToken == first.RefreshToken {
		t.Fatalf("a retry: %+v, %v", second, err)
	}
	third, err := renewer.Renew(t.Context(), secret, &second)
	if err != nil {
		t.Fatal(err)
	}
	_, err = renewer.Renew(t.Context(), secret, &first) // its successor has been used by now
	wantError(t, err, connector.Rejected, "connect the shop again")
	_, err = renewer.Renew(t.Context(), secret, nil)
	wantError(t, err, connector.Rejected, "connect the shop again")

	b.clock.advance(2 * time.Hour)
	_, err = b.verify(connector.Shopify, granted, connector.Binding{})
	wantError(t, err, connector.Rejected, "access token")
	b.clock.advance(90 * day)
	_, err = renewer.Renew(t.Context(), secret, &third)
	wantError(t, err, connector.Rejected, "connect the shop again")
}

func TestShopifyRenewsByClientCredentials(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, renewer := b.shop("client"), b.renewer(connector.Shopify)
	if !renewer.Renews(secret) {
		t.Fatal("client credentials must be traded")
	}
	_, err := b.verify(connector.Shopify, secret, connector.Binding{})
	wantError(t, err, connector.Invalid, "no access token yet")
	var newest *connector.Grant
	for range 3 { // the pair signs in again and again, whatever came before
		grant, err := renewer.Renew(t.Context(), secret, newest)
		if err != nil || grant.RefreshToken != "" || !grant.GrantEnds.IsZero() || !grant.ExpiresAt.Equal(b.clock.Now().Add(day-time.Second)) {
			t.Fatalf("Renew = %+v, %v", grant, err)
		}
		granted, err := renewer.WithGrant(secret, grant)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := b.verify(connector.Shopify, granted, connector.Binding{})
		if err != nil || proof.ExpiresAt != nil {
			t.Errorf("Verify = %+v, %v", proof, err)
		}
		if report, err := b.shopify().Extract(t.Context(), granted, "2026-11-01", "2026-11-03"); err != nil || len(report.Rows) != 3 {
			t.Errorf("Extract = %+v, %v", report, err)
		}
		newest = &grant
		b.clock.advance(day)
		_, err = b.verify(connector.Shopify, granted, connector.Binding{})
		wantError(t, err, connector.Rejected, "access token")
	}
}

func TestShopifyRenewFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	renewer := b.renewer(connector.Shopify)
	permanent := b.shop("permanent")
	if renewer.Renews(permanent) || renewer.Renews([]byte("{")) {
		t.Error("Renews")
	}
	_, err := renewer.Renew(t.Context(), permanent, nil)
	wantError(t, err, connector.Invalid, "permanent")
	_, err = renewer.WithGrant(permanent, connector.Grant{AccessToken: "x"})
	wantError(t, err, connector.Invalid, "permanent")

	content := b.control(http.MethodPost, "/shops?kind=client", map[string]any{"shop": testShop})
	change := func(name, value string) []byte {
		changed := map[string]any{}
		for k, v := range content {
			changed[k] = v
		}
		changed[name] = value
		return b.secret(connector.Shopify, changed)
	}
	secret := b.secret(connector.Shopify, content)
	for _, tt := range []struct {
		name   string
		secret []byte
		change map[string]any
		fault  map[string]any
		reason connector.Reason
		text   string
	}{
		{name: "secret", secret: change("client_secret", "wrong"), reason: connector.Rejected, text: "client_id and client_secret"},
		{name: "id", secret: change("client_id", "wrong"), reason: connector.Rejected, text: "client_id and client_secret"},
		{name: "shop", secret: change("shop_url", "nobody.myshopify.com"), reason: connector.NotFound, text: "nobody.myshopify.com"},
		{name: "a page for 404", fault: map[string]any{"status": 404, "html": true}, reason: connector.NotFound, text: testShop},
		{name: "an unknown page", fault: map[string]any{"status": 400, "html": true}, reason: connector.Rejected, text: "sign-in of the app"},
		{name: "limited", fault: map[string]any{"status": 429, "html": true}, reason: connector.Limited, text: "limits"},
		{name: "down", fault: map[string]any{"status": 502, "html": true}, reason: connector.Unavailable, text: "not available"},
		{name: "a page for 200", fault: map[string]any{"html": true}, reason: connector.Unavailable, text: "JSON"},
		{name: "frozen", change: map[string]any{"status": 402}, reason: connector.Forbidden, text: "frozen"},
	} {
		if tt.secret == nil {
			tt.secret = secret
		}
		if tt.fault != nil {
			tt.fault["path"] = "/shopify"
			b.fault(tt.fault)
		}
		if tt.change != nil {
			b.changeShop(tt.change)
		}
		_, err := renewer.Renew(t.Context(), tt.secret, nil)
		e, ok := err.(*connector.Error) //nolint:errorlint // the interface promises the type itself
		if !ok || e.Reason != tt.reason || !strings.Contains(e.Message, tt.text) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	b.changeShop(map[string]any{"status": 0})

	// An app of another organisation cannot sign in as itself.
	expiring := b.control(http.MethodPost, "/shops?kind=expiring", map[string]any{"shop": testShop})
	for _, name := range []string{"access_token", "refresh_token"} {
		delete(expiring, name)
	}
	_, err = renewer.Renew(t.Context(), b.secret(connector.Shopify, expiring), nil)
	wantError(t, err, connector.Forbidden, "organisation")
}

// A content that never passed Parse, for example an imported one, must not lead a token anywhere else either.
func TestShopifyHostIsCheckedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	renewer := b.renewer(connector.Shopify)
	for _, host := range foreignHosts {
		secret, err := json.Marshal(map[string]string{"shop_url": host, "access_token": "t", "refresh_token": "r", "client_id": "c", "client_secret": "s"})
		if err != nil {
			t.Fatal(err)
		}
		_, verified := renewer.Verify(t.Context(), secret, connector.Binding{})
		_, extracted := b.shopify().Extract(t.Context(), secret, "2026-11-01", "")
		_, renewed := renewer.Renew(t.Context(), secret, nil)
		_, given := renewer.WithGrant(secret, connector.Grant{AccessToken: "x"})
		for _, err := range []error{verified, extracted, renewed, given} {
			wantError(t, err, connector.Invalid, "Invalid shop_url")
		}
	}
	if n := b.calls.under("/shopify"); n != 0 {
		t.Errorf("%d calls arrived", n)
	}
}
