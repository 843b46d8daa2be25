package connector_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"turkey/internal/connector"
)

// foreignHosts are shop_urls that a token must never go to.
var foreignHosts = []string{
	"127.0.0.1", "localhost", "[::1]", "169.254.169.254", "0x7f.1", "evil.example", "myshopify.com", ".myshopify.com", "-a.myshopify.com",
	"a.b.myshopify.com", "a.myshopify.com.evil.example", "a.myshopify.comevil.example", "evil.example/a.myshopify.com", "evil.example#a.myshopify.com",
	"evil.example?a.myshopify.com", "user@a.myshopify.com", "a.myshopify.com@evil.example", "user:pass@a.myshopify.com", "a.myshopify.com:8443",
	"a.myshopify.com/admin", "a.myshopify.com//", "a.myshopify.com/..", "a.myshopify.com.", "a.MyShopify.com", "A.myshopify.com", "a。myshopify.com",
	"a.myshopify。com", "ａ.myshopify.com", "ä.myshopify.com", " a.myshopify.com", "a.myshopify.com ", "a.myshopify.com\n", "a\n.myshopify.com", "a_b.myshopify.com",
	"a%2emyshopify.com", "ftp://a.myshopify.com", "HTTPS://a.myshopify.com", "https://https://a.myshopify.com", "//a.myshopify.com", "https://", "/",
	`a.myshopify.com\@evil.example`, "http://169.254.169.254/latest/meta-data/", "https://127.0.0.1:5432/", "file:///etc/passwd",
}

func TestParseShopify(t *testing.T) {
	t.Parallel()
	b := setup(t)
	service, _ := b.set.Service(connector.Shopify)
	parse := func(raw string) (connector.Content, []string) { return service.Parse([]byte(raw)) }
	const shop = `"shop_url":"a.myshopify.com"`
	for _, tt := range []struct {
		name, raw string
		problems  []string
		sealed    string
		ends      time.Duration // from now; 0 = none
		renews    bool
	}{
		{name: "permanent", raw: `{` + shop + `,"access_token":"shpat_1","api_version":"2024-01","scope":"read_reports","extra":1}`,
			sealed: `{` + shop + `,"access_token":"shpat_1","api_version":"2024-01","scope":"read_reports"}`},
		{name: "any token", raw: `{` + shop + `,"access_token":"x y"}`, sealed: `{` + shop + `,"access_token":"x y"}`},
		{name: "permanent with its app", raw: `{"access_token":"t","client_id":"c","client_secret":"s",` + shop + `}`,
			sealed: `{` + shop + `,"access_token":"t","client_id":"c","client_secret":"s"}`},
		{name: "an end that nothing moves", raw: `{` + shop + `,"access_token":"t","expires_at":"2026-11-22T12:00:00Z"}`, ends: day,
			sealed: `{` + shop + `,"access_token":"t","expires_at":"2026-11-22T12:00:00Z"}`},
		{name: "client", raw: `{` + shop + `,"client_id":"c","client_secret":"s"}`, renews: true, sealed: `{` + shop + `,"client_id":"c","client_secret":"s"}`},
		{name: "the answer to client credentials", raw: `{` + shop + `,"access_token":"t","expires_in":86399,"client_id":"c","client_secret":"s"}`, renews: true,
			sealed: `{` + shop + `,"access_token":"t","expires_in":86399,"client_id":"c","client_secret":"s"}`},
		{name: "expiring", raw: `{` + shop + `,"access_token":"t","refresh_token":"r","expires_in":"3600","refresh_token_expires_in":7776000,"client_id":"c","client_secret":"s"}`,
			renews: true, ends: 90 * day,
			sealed: `{` + shop + `,"access_token":"t","refresh_token":"r","expires_in":3600,"refresh_token_expires_in":7776000,"client_id":"c","client_secret":"s"}`},
		{name: "expiring without its ends", raw: `{` + shop + `,"access_token":"t","refresh_token":"r","expires_at":"2026-11-21T13:00:00+01:00","client_id":"c","client_secret":"s"}`,
			renews: true, sealed: `{` + shop + `,"access_token":"t","refresh_token":"r","expires_at":"2026-11-21T13:00:00+01:00","client_id":"c","client_secret":"s"}`},
		{name: "nothing", raw: `{}`, problems: []string{"Missing shop_url", "Missing access_token"}},
		{name: "no token", raw: `{` + shop + `}`, problems: []string{"Missing access_token"}},
		{name: "no text", raw: `{"shop_url":1,"access_token":2}`, problems: []string{"Missing shop_url", "Missing access_token"}},
		{name: "blanks", raw: `{"shop_url":" ","access_token":" ","client_id":" "}`, problems: []string{"Missing shop_url", "Missing access_token"}},
		{name: "half a pair", raw: `{` + shop + `,"client_id":"c"}`, problems: []string{"Missing client_secret"}},
		{name: "the other half", raw: `{` + shop + `,"client_secret":"s"}`, problems: []string{"Missing client_id"}},
		{name: "nothing to renew with", raw: `{` + shop + `,"access_token":"t","refresh_token":"r"}`, problems: []string{"Missing client_id", "Missing client_secret"}},
		{name: "odd ends", raw: `{` + shop + `,"access_token":"t","expires_at":"tomorrow","expires_in":-1,"refresh_token_expires_in":1e3}`,
			problems: []string{"Invalid expires_in", "Invalid refresh_token_expires_in", "Invalid expires_at"}},
		{name: "odd optional", raw: `{` + shop + `,"access_token":"t","api_version":2024}`, problems: []string{"Invalid api_version"}},
		{name: "array", raw: `[]`, problems: []string{"Invalid JSON format"}},
	} {
		got, problems := parse(tt.raw)
		if !slices.Equal(problems, tt.problems) || string(got.JSON) != tt.sealed {
			t.Errorf("%s: %q\n%s\n%s", tt.name, problems, got.JSON, tt.sealed)
		}
		if problems != nil {
			continue
		}
		if got.Type != connector.TypeAccessToken || got.Preview != "a.m...com" || got.Host != "a.myshopify.com" {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if (got.ExpiresAt == nil) != (tt.ends == 0) || got.ExpiresAt != nil && !got.ExpiresAt.Equal(start.Add(tt.ends)) {
			t.Errorf("%s: ExpiresAt = %v", tt.name, got.ExpiresAt)
		}
		if renews := b.renewer(connector.Shopify).Renews(got.JSON); renews != tt.renews {
			t.Errorf("%s: Renews = %v", tt.name, renews)
		}
	}
	for _, url := range []string{"a.myshopify.com", "a.myshopify.com/", "https://a.myshopify.com", "http://a.myshopify.com/", "0-1.myshopify.com"} {
		if got, problems := parse(`{"shop_url":"` + url + `","access_token":"t"}`); problems != nil || !strings.HasSuffix(got.Host, ".myshopify.com") || strings.Contains(got.Host, "/") {
			t.Errorf("%s: %+v, %v", url, got, problems)
		}
	}
	for _, url := range foreignHosts {
		raw, err := json.Marshal(map[string]string{"shop_url": url, "access_token": "t"})
		if err != nil {
			t.Fatal(err)
		}
		if got, problems := service.Parse(raw); !slices.Equal(problems, []string{"Invalid shop_url"}) || got.JSON != nil {
			t.Errorf("%q: %v", url, problems)
		}
	}
}

func FuzzParseShopify(f *testing.F) {
	f.Add([]byte(`{"shop_url":"https://a.myshopify.com/","access_token":"t","refresh_token":"r","expires_in":3600,"refresh_token_expires_in":"7776000","client_id":"c","client_secret":"<s>"}`))
	f.Add([]byte(`{"shop_url":"a.myshopify.com","access_token":"t","expires_at":"2026-11-21T13:00:00+01:00","scope":"\u2028"}`))
	fuzzParse(f, connector.Shopify)
}

// FuzzShopifyTable: whatever table comes, each day has every column as a plain number, or there is an error.
func FuzzShopifyTable(f *testing.F) {
	f.Add([]byte(`{"columns":[` + shopColumns + `],"rows":[{"day":"2026-11-20","orders":"3","total_sales":"1e3","returns":"--5"}]}`))
	f.Add([]byte(`{"columns":[` + shopColumns + `],"rows":[["1e400","2026-11-20T00:00:00",-3,"10","1","+2",null,{}]]}`))
	f.Add([]byte(`{"columns":[` + shopColumns + `],"rows":[null,7]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		days, err := connector.ShopTable(raw)
		if err != nil {
			return
		}
		for date, metrics := range days {
			if _, err := time.Parse(time.DateOnly, date); err != nil || len(metrics) != 8 {
				t.Fatalf("%q: %v", date, metrics)
			}
			for name, value := range metrics {
				if !plain.MatchString(value.String()) || !json.Valid([]byte(value)) || name == "total_returns" && value[0] == '-' {
					t.Fatalf("%s = %q", name, value)
				}
			}
		}
	})
}
