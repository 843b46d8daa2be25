package connector_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"turkey/internal/connector"
)

func (b *bench) renewer(name string) connector.Renewer {
	b.t.Helper()
	renewer, ok := b.set.Renewer(name)
	if !ok {
		b.t.Fatalf("%s is no Renewer", name)
	}
	return renewer
}

func TestGA4Renews(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.control(http.MethodPost, "/oauth-clients", map[string]any{"expiresIn": 7 * 24 * 3600})
	b.control(http.MethodPost, "/properties", map[string]any{"propertyId": "77", "shareWith": client["client_id"]})
	client["property_id"] = "77"
	secret, renewer := b.secret(connector.GA4, client), b.renewer(connector.GA4)
	if !renewer.Renews(secret) {
		t.Fatal("an OAuth user's content must be renewed")
	}
	grant, err := renewer.Renew(t.Context(), secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	ends := start.Add(7 * 24 * time.Hour)
	if grant.AccessToken == "" || grant.RefreshToken != "" || !grant.GrantEnds.Equal(ends) || !grant.ExpiresAt.Equal(start.Add(3599*time.Second)) {
		t.Errorf("Renew = %+v", grant)
	}

	// With the grant nobody signs in: neither Verify, which otherwise always does, nor Extract.
	granted, err := renewer.WithGrant(secret, grant)
	if err != nil {
		t.Fatal(err)
	}
	signIns := b.calls.tokens()
	proof, err := b.verify(connector.GA4, granted, connector.Binding{})
	if err != nil || proof.ConnectedAs != "77" || proof.ExpiresAt == nil || !proof.ExpiresAt.Equal(ends) {
		t.Errorf("Verify = %+v, %v", proof, err)
	}
	if _, err := b.source().Extract(t.Context(), granted, "2026-11-01", "2026-11-02"); err != nil {
		t.Errorf("Extract: %v", err)
	}
	if n := b.calls.tokens(); n != signIns {
		t.Errorf("%d sign-ins besides the renewal", n-signIns)
	}

	// A dead access token is not replaced behind the vault's back.
	b.clock.advance(2 * time.Hour)
	reports := b.calls.under("/analyticsdata")
	_, err = b.source().Extract(t.Context(), granted, "2026-11-01", "2026-11-02")
	wantError(t, err, connector.Rejected, "does not accept")
	if n := b.calls.tokens(); n != signIns {
		t.Errorf("%d sign-ins besides the renewal", n-signIns)
	}
	if n := b.calls.under("/analyticsdata") - reports; n != 1 {
		t.Errorf("a dead token was tried %d times", n)
	}

	b.control(http.MethodDelete, "/oauth-clients/"+client["client_id"].(string), nil)
	_, err = renewer.Renew(t.Context(), secret, &grant)
	wantError(t, err, connector.Rejected, "connect the Google account again")
}

func TestGA4DoesNotRenewServiceAccounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, renewer := b.secret(connector.GA4, b.with(map[string]string{"property_id": "1"})), b.renewer(connector.GA4)
	if renewer.Renews(secret) || renewer.Renews([]byte("{")) {
		t.Error("Renews")
	}
	_, err := renewer.Renew(t.Context(), secret, nil)
	wantError(t, err, connector.Invalid, "service account")
	_, err = renewer.WithGrant(secret, connector.Grant{AccessToken: "x"})
	wantError(t, err, connector.Invalid, "service account")
	if _, ok := b.set.Renewer(connector.GoogleSheets); ok {
		t.Error("google_sheets must not be a Renewer")
	}
}

// Google may hand out another refresh token; the newest is the one to spend, and it stays until the next.
func TestGA4KeepsTheNewestRefreshToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var spent []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		spent = append(spent, form.Get("refresh_token"))
		answer := map[string]any{"access_token": "a", "expires_in": 60}
		if len(spent) == 1 {
			answer["refresh_token"] = "second"
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	cfg := b.cfg
	cfg.GoogleOAuthBase = server.URL
	renewer, _ := connector.New(cfg).Renewer(connector.GA4)
	secret := b.secret(connector.GA4, map[string]string{
		"refresh_token": "first", "client_id": "c", "client_secret": "s", "property_id": "1", "access_token": "pasted",
	})
	var newest *connector.Grant
	for range 3 {
		grant, err := renewer.Renew(t.Context(), secret, newest)
		if err != nil || grant.RefreshToken != "second" || !grant.GrantEnds.IsZero() {
			t.Fatalf("Renew = %+v, %v", grant, err)
		}
		newest = &grant
	}
	if len(spent) != 3 || spent[0] != "first" || spent[1] != "second" || spent[2] != "second" {
		t.Errorf("spent %q", spent)
	}
}
