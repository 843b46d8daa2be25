package connector_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"turkey/internal/connector"
)

// adAccount makes one with its token and returns the secret for it.
func (b *bench) adAccount(settings map[string]any) (credential map[string]any, secret []byte) {
	b.t.Helper()
	body := map[string]any{"accountId": "act_1234567890", "name": "Shoes", "timeZone": "America/New_York", "currency": "USD"}
	for k, v := range settings {
		body[k] = v
	}
	credential = b.control(http.MethodPost, "/ad-accounts", body)
	return credential, b.secret(connector.Meta, credential)
}

func (b *bench) meta() connector.Source {
	b.t.Helper()
	s, ok := b.set.Source(connector.Meta)
	if !ok {
		b.t.Fatal("no source meta")
	}
	return s
}

func TestParseMeta(t *testing.T) {
	t.Parallel()
	set := connector.New(connector.Config{Now: func() time.Time { return start }})
	service, _ := set.Service(connector.Meta)
	const token = `"access_token":"EAAB<&>secret",`
	day := start.Add(24 * time.Hour)
	for _, tt := range []struct {
		name, raw, preview, sealed string
		ends                       *time.Time
		problems                   []string
	}{
		{name: "the guide's fields", raw: `{` + token + `"account_id":"act_1234567890","token_type":"bearer","refresh_token":"r","expires_in":86400,` +
			`"account_name":"Shoes","extra":[1]}`, preview: "act...890", ends: &day,
			sealed: `{"access_token":"EAAB<&>secret","account_id":"act_1234567890","token_type":"bearer","refresh_token":"r","expires_in":86400,"account_name":"Shoes"}`},
		{name: "the least", raw: `{` + token + `"account_id":"1234567890"}`, preview: "123...890",
			sealed: `{"access_token":"EAAB<&>secret","account_id":"1234567890"}`},
		{name: "a short id", raw: `{` + token + `"account_id":"42"}`, preview: "***"},
		{name: "expiry as text", raw: `{` + token + `"account_id":"42","expires_in":" 86400 "}`, preview: "***", ends: &day},
		{name: "a token without an end", raw: `{` + token + `"account_id":"42","expires_in":0}`, preview: "***"},
		{name: "null optional fields", raw: `{` + token + `"account_id":"42","expires_in":null,"token_type":null}`, preview: "***"},
		{name: "nothing", raw: `{}`, problems: []string{"Missing access_token", "Missing account_id"}},
		{name: "blanks", raw: `{"access_token":" ","account_id":""}`, problems: []string{"Missing access_token", "Missing account_id"}},
		{name: "a number as the account", raw: `{` + token + `"account_id":1234567890}`, problems: []string{"Missing account_id"}},
		{name: "a path as the account", raw: `{` + token + `"account_id":"act_1/../me"}`, problems: []string{"Invalid account_id"}},
		{name: "two prefixes", raw: `{` + token + `"account_id":"act_act_1"}`, problems: []string{"Invalid account_id"}},
		{name: "a line break", raw: `{` + token + `"account_id":"1\n"}`, problems: []string{"Invalid account_id"}},
		{name: "a negative expiry", raw: `{` + token + `"account_id":"1","expires_in":-1}`, problems: []string{"Invalid expires_in"}},
		{name: "half a second", raw: `{` + token + `"account_id":"1","expires_in":0.5}`, problems: []string{"Invalid expires_in"}},
		{name: "an endless expiry", raw: `{` + token + `"account_id":"1","expires_in":9223372036854775807}`, problems: []string{"Invalid expires_in"}},
		{name: "an object as expiry", raw: `{` + token + `"account_id":"1","expires_in":{}}`, problems: []string{"Invalid expires_in"}},
		{name: "a list", raw: `[]`, problems: []string{"Invalid JSON format"}},
	} {
		got, problems := service.Parse([]byte(tt.raw))
		if !slices.Equal(problems, tt.problems) {
			t.Errorf("%s: problems = %q, want %q", tt.name, problems, tt.problems)
			continue
		}
		if len(problems) > 0 {
			continue
		}
		if got.Type != connector.TypeAccessToken || got.Preview != tt.preview || got.Host != "graph.facebook.com" ||
			tt.sealed != "" && string(got.JSON) != tt.sealed {
			t.Errorf("%s: %s %s %s %s", tt.name, got.Type, got.Preview, got.Host, got.JSON)
		}
		if (got.ExpiresAt == nil) != (tt.ends == nil) || tt.ends != nil && !got.ExpiresAt.Equal(*tt.ends) {
			t.Errorf("%s: ExpiresAt = %v, want %v", tt.name, got.ExpiresAt, tt.ends)
		}
	}
	if meta, ok := set.Source(connector.Meta); !ok || meta.Window() != 28 || strings.Join(meta.Columns(), " ") !=
		"id date spend reach impressions clicks landing_page_views add_to_cart initiate_checkout purchases revenue roas cpm ctr" {
		t.Errorf("Columns() = %v", meta.Columns())
	}
}

func FuzzParseMeta(f *testing.F) {
	f.Add([]byte(`{"access_token":"EAA","account_id":"act_1","expires_in":"60","account_name":"\u2028"}`))
	f.Add([]byte(`{"access_token":"EAA","account_id":"1","expires_in":1e3}`))
	fuzzParse(f, connector.Meta)
}

func TestVerifyMeta(t *testing.T) {
	t.Parallel()
	b := setup(t)
	credential, secret := b.adAccount(nil)
	proof, err := b.verify(connector.Meta, secret, connector.Binding{})
	if err != nil || proof.ConnectedAs != "Shoes" || proof.TimeZone != "America/New_York" || proof.Currency != "USD" || proof.Notes != nil || proof.ExpiresAt != nil {
		t.Fatalf("Verify = %+v, %v", proof, err)
	}
	// Without the prefix, and with what pasting adds.
	credential["account_id"], credential["access_token"] = "1234567890", credential["access_token"].(string)+" \n"
	if _, err := b.verify(connector.Meta, b.secret(connector.Meta, credential), connector.Binding{}); err != nil {
		t.Error(err)
	}
	credential["account_id"] = "987"
	_, err = b.verify(connector.Meta, b.secret(connector.Meta, credential), connector.Binding{})
	wantError(t, err, connector.NotFound, "act_987 does not exist")
	credential["access_token"] = "EAA\x01"
	_, err = b.verify(connector.Meta, b.secret(connector.Meta, credential), connector.Binding{})
	wantError(t, err, connector.Rejected, "characters that no token")
	credential["access_token"] = "EAAother"
	_, err = b.verify(connector.Meta, b.secret(connector.Meta, credential), connector.Binding{})
	wantError(t, err, connector.Rejected, "make a new one at Meta")
	_, err = b.verify(connector.Meta, []byte("{"), connector.Binding{})
	wantError(t, err, connector.Invalid, "cannot be read")
}

// A disabled account and a version that Meta no longer serves do not stand in the way; the person learns of both.
func TestVerifyMetaNotes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, secret := b.adAccount(map[string]any{"status": 2})
	proof, err := b.verify(connector.Meta, secret, connector.Binding{})
	if err != nil || len(proof.Notes) != 1 || !strings.Contains(proof.Notes[0], "is disabled at Meta") {
		t.Errorf("Verify = %+v, %v", proof, err)
	}
	b.adAccount(map[string]any{"status": 1})
	b.cfg.MetaVersion = "v21.0"
	b.set = connector.New(b.cfg)
	proof, err = b.verify(connector.Meta, secret, connector.Binding{})
	if err != nil || len(proof.Notes) != 1 || !strings.Contains(proof.Notes[0], "version v26.0 of its API in place of v21.0") {
		t.Errorf("Verify = %+v, %v", proof, err)
	}
	b.cfg.MetaVersion = "v99.0"
	b.set = connector.New(b.cfg)
	_, err = b.verify(connector.Meta, secret, connector.Binding{})
	wantError(t, err, connector.Invalid, "set META_API_VERSION")
}

func TestVerifyMetaTokensEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, expiring := b.adAccount(map[string]any{"expiresIn": 60})
	_, unread := b.adAccount(map[string]any{"scopes": []string{"public_profile"}})
	if _, err := b.verify(connector.Meta, expiring, connector.Binding{}); err != nil {
		t.Fatal(err)
	}
	b.clock.advance(time.Minute)
	_, err := b.verify(connector.Meta, expiring, connector.Binding{})
	wantError(t, err, connector.Rejected, "has expired")
	_, err = b.verify(connector.Meta, unread, connector.Binding{})
	wantError(t, err, connector.Forbidden, "needs the permission ads_read")
	for subcode, text := range map[int]string{466: "was revoked", 460: "password", 458: "app", 459: "log in and confirm"} {
		b.control(http.MethodDelete, fmt.Sprintf("/ad-accounts/1234567890/tokens?subcode=%d", subcode), nil)
		_, err := b.verify(connector.Meta, unread, connector.Binding{})
		wantError(t, err, connector.Rejected, text)
	}
}

func TestMetaFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		fault  map[string]any
		reason connector.Reason
		text   string
		wait   time.Duration
	}{
		{"application limit", map[string]any{"code": 4, "retryAfter": 300}, connector.Limited, "limits the calls", 5 * time.Minute},
		{"user limit", map[string]any{"code": 17, "subcode": 2446079}, connector.Limited, "act_1234567890", 0},
		{"page limit", map[string]any{"code": 32}, connector.Limited, "limits the calls", 0},
		{"custom limit", map[string]any{"code": 613, "subcode": 1487742}, connector.Limited, "limits the calls", 0},
		{"insights limit", map[string]any{"code": 80000, "retryAfter": 60}, connector.Limited, "limits the calls", time.Minute},
		{"account limit", map[string]any{"code": 80004, "retryAfter": 9 * 3600}, connector.Limited, "limits the calls", time.Hour},
		{"status 429 alone", map[string]any{"status": 429, "html": true}, connector.Limited, "limits the calls", 0},
		{"unknown error", map[string]any{"code": 1, "status": 500}, connector.Unavailable, "code 1", 0},
		{"service", map[string]any{"code": 2, "status": 503, "subcode": 1504044}, connector.Unavailable, "code 2", 0},
		{"an outage with status 400", map[string]any{"code": 2}, connector.Unavailable, "code 2", 0},
		{"transient", map[string]any{"code": 368, "transient": true}, connector.Unavailable, "code 368", 0},
		{"down", map[string]any{"status": 502, "html": true}, connector.Unavailable, "status 502", 0},
		{"HTML", map[string]any{"html": true}, connector.Unavailable, "JSON", 0},
		{"HTML 404", map[string]any{"html": true, "status": 404}, connector.Unavailable, "JSON", 0},
		{"redirect", map[string]any{"status": 302}, connector.Unavailable, "redirect", 0},
		{"connection cut", map[string]any{"cut": true, "times": 2}, connector.Unavailable, "cannot be reached", 0},
		{"no right of the app", map[string]any{"code": 10, "status": 403}, connector.Forbidden, "ads_read", 0},
		{"no right of the user", map[string]any{"code": 294}, connector.Forbidden, "ads_read", 0},
		{"proof wanted", map[string]any{"code": 100, "reason": "API calls from the server require an appsecret_proof argument"}, connector.Forbidden, "Require app secret", 0},
		{"session", map[string]any{"code": 102}, connector.Rejected, "make a new one", 0},
		{"status 401", map[string]any{"status": 401}, connector.Rejected, "make a new one", 0},
		{"too old", map[string]any{"code": 3018}, connector.Invalid, "37 months", 0},
		{"ended version", map[string]any{"code": 2635}, connector.Invalid, "META_API_VERSION", 0},
		{"another parameter", map[string]any{"code": 100, "subcode": 99}, connector.Invalid, "code 100, subcode 99", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			_, secret := b.adAccount(nil)
			tt.fault["path"] = "/graph/v26.0/act_1234567890/insights" // the second call of a verification, which counts too
			b.fault(tt.fault)
			_, err := b.verify(connector.Meta, secret, connector.Binding{})
			if e := wantError(t, err, tt.reason, tt.text); e.RetryAfter != tt.wait {
				t.Errorf("RetryAfter = %v, want %v", e.RetryAfter, tt.wait)
			}
			if _, err := b.verify(connector.Meta, secret, connector.Binding{}); err != nil {
				t.Errorf("after it: %v", err)
			}
		})
	}
}

func TestMetaSlowAndPrivate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, secret := b.adAccount(nil)
	b.fault(map[string]any{"path": "/graph", "delayMs": 3000})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := b.meta().Verify(ctx, secret, connector.Binding{})
	wantError(t, err, connector.Unavailable, "ended before")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cause: %v", err)
	}
	cfg := b.cfg
	cfg.AllowPrivate = false
	service, _ := connector.New(cfg).Service(connector.Meta)
	_, err = service.Verify(t.Context(), secret, connector.Binding{})
	wantError(t, err, connector.Unavailable, "private address")
}

// A provider that repeats everything it was sent, in every field and shape, must not get the token into an error.
func TestMetaErrorsHoldNoToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const token = "EAAplantedtoken"
	var addresses []string
	evil := func(body string, status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			addresses = append(addresses, r.URL.String())
			all := r.Header.Get("Authorization") + " " + token
			w.Header().Set("Facebook-Api-Version", all)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, strings.ReplaceAll(body, "ALL", all))
		})
	}
	secret := b.secret(connector.Meta, map[string]string{"access_token": token, "account_id": "1"})
	for _, tt := range []struct {
		body   string
		status int
	}{
		{`{"error":{"message":"ALL","type":"ALL","code":190,"error_subcode":1}}`, 400},
		{`{"error":{"message":"ALL","type":"ALL","code":1}}`, 500},
		{`{"error":{"message":"ALL","type":"ALL","code":77777}}`, 400},
		{`{"error":"ALL"}`, 400}, {`"ALL"`, 401}, {`"ALL"`, 403}, {`"ALL"`, 200}, {`<html>ALL`, 200}, {`<html>ALL`, 500},
		{`{"data":[{"date_start":"ALL","date_stop":"ALL"}],"account_id":"1","timezone_name":"ALL"}`, 200},
		{`{"data":[],"account_id":"1","timezone_name":"ALL"}`, 200},
		{`{"data":[],"paging":{"cursors":{"after":"x"},"next":"ALL"},"account_id":"1","timezone_name":"ALL"}`, 200},
	} {
		server := httptest.NewServer(evil(tt.body, tt.status))
		t.Cleanup(server.Close)
		cfg := b.cfg
		cfg.MetaBase = server.URL
		source, _ := connector.New(cfg).Source(connector.Meta)
		_, err := source.Extract(t.Context(), secret, "", "")
		if err == nil {
			t.Errorf("%s: no error", tt.body)
			continue
		}
		if text := fmt.Sprintf("%v %+v %#v %#v", err, err, err, errors.Unwrap(err)); strings.Contains(text, "planted") {
			t.Errorf("%s: the error holds the token: %s", tt.body, text)
		}
		proof, err := source.Verify(t.Context(), secret, connector.Binding{})
		if text := fmt.Sprintf("%v %v", err, proof.Notes); strings.Contains(text, "planted") {
			t.Errorf("%s: %s", tt.body, text)
		}
	}
	for _, a := range addresses {
		if strings.Contains(a, "planted") {
			t.Errorf("the token stands in the address %s", a)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range connector.Versions() {
		seen[v.Service] = true
		if v.API == "" || v.Version == "" || !strings.HasPrefix(v.Source, "https://") {
			t.Errorf("%+v", v)
		}
	}
	for _, name := range connector.New(connector.Config{}).Names() {
		if !seen[name] {
			t.Errorf("no version of %s", name)
		}
	}
}

func TestSourcesThatAreOff(t *testing.T) {
	t.Parallel()
	set := connector.New(connector.Config{Off: []string{connector.Meta}})
	if got := set.Sources(); slices.Contains(got, connector.Meta) || !slices.Contains(got, connector.GA4) || slices.Contains(got, connector.GoogleSheets) {
		t.Errorf("Sources() = %v", got)
	}
	if _, ok := set.Source(connector.Meta); !ok || !slices.Contains(set.Names(), connector.Meta) {
		t.Error("a source that is off must stay usable by itself")
	}
}

// asJSON is for comparing rows with their figures' exact texts.
func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
