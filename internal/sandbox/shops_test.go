package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const teaShop = "tea.myshopify.com"

// graphql asks teaShop and returns status, answer and the version that served it.
func (b *bench) graphql(version, token, query string, variables map[string]any) (int, map[string]any, string) {
	b.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+"/shopify/"+teaShop+"/admin/api/"+version+"/graphql.json", bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("X-Shopify-Access-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(text, &out); err != nil {
		b.t.Fatalf("%s: %v", text, err)
	}
	return resp.StatusCode, out, resp.Header.Get("X-Shopify-Api-Version")
}

func (b *bench) shop(kind string) map[string]any {
	b.t.Helper()
	return b.ok(http.MethodPost, "/_sandbox/shops?kind="+kind, "", map[string]any{"shop": teaShop})
}

func TestShopGraphQL(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.shop("permanent")["access_token"].(string)
	const report = `query R($q: String!) { shopifyqlQuery(query: $q) { parseErrors tableData { columns { name dataType } rows } } }`
	const ql = "FROM sales, customers, sessions SHOW day, orders, total_sales GROUP BY day SINCE 2026-11-01 UNTIL 2026-11-20 ORDER BY day"
	ask := func(query string, q any) map[string]any {
		t.Helper()
		status, out, _ := b.graphql("2026-10", token, query, map[string]any{"q": q})
		if status != 200 {
			t.Fatalf("%d %v", status, out)
		}
		return out
	}
	status, out, version := b.graphql("2026-10", token, "{ shop { name } }", nil)
	if status != 200 || version != "2026-10" || fmt.Sprint(out["data"]) != "map[shop:map[name:tea]]" || out["extensions"] == nil {
		t.Errorf("shop: %d %v %s", status, out, version)
	}
	for _, wrong := range []string{"", "shop", "{ shop }", "{ shop { secret } }", "{ orders { id } }", "{ shop { name { first } } }", "{ shop(id: 1) { name } }", "{ shop { name }"} {
		if out := ask(wrong, ""); out["errors"] == nil || out["data"] != nil {
			t.Errorf("%q: %v", wrong, out)
		}
	}
	table := ask(report, ql)["data"].(map[string]any)["shopifyqlQuery"].(map[string]any)
	rows := table["tableData"].(map[string]any)["rows"].([]any)
	if len(rows) < 12 || len(rows) > 20 || len(table["parseErrors"].([]any)) != 0 {
		t.Errorf("%d rows, %v", len(rows), table["parseErrors"])
	}
	first := rows[0].(map[string]any)
	if !strings.HasPrefix(first["day"].(string), "2026-11-") || !strings.Contains(first["total_sales"].(string), ".") || len(first) != 3 {
		t.Errorf("row %v", first)
	}
	if again := ask(report, ql); fmt.Sprint(again["data"]) != fmt.Sprint(ask(report, ql)["data"]) {
		t.Error("the figures of a day change")
	}
	for _, wrong := range []string{
		"", "FROM sales SHOW day", strings.Replace(ql, "orders", "profit", 1), strings.Replace(ql, "2026-11-01", "2026-11-31", 1),
		strings.Replace(ql, "2026-11-01", "2026-12-01", 1), ql + "; DROP", strings.ReplaceAll(ql, "GROUP BY day ", ""), ql + "\n",
	} {
		table := ask(report, wrong)["data"].(map[string]any)["shopifyqlQuery"].(map[string]any)
		if len(table["parseErrors"].([]any)) != 1 || table["tableData"] != nil {
			t.Errorf("%q: %v", wrong, table)
		}
	}
	if out := ask(report, nil); out["errors"] == nil {
		t.Errorf("no variable: %v", out)
	}
	for name, status := range map[string]int{"2026-11": 404, "latest": 404} {
		if got, out, _ := b.graphql(name, token, "{ shop { name } }", nil); got != status {
			t.Errorf("%s: %d %v", name, got, out)
		}
	}
	if got, out, _ := b.graphql("2026-10", "shpat_wrong", "{ shop { name } }", nil); got != 401 || out["errors"] == nil {
		t.Errorf("a wrong token: %d %v", got, out)
	}
	b.ok(http.MethodPut, "/_sandbox/shops/"+teaShop, "", map[string]any{"scopes": []string{"read_orders"}})
	if out := ask(report, ql); !strings.Contains(fmt.Sprint(out["errors"]), "ACCESS_DENIED") {
		t.Errorf("without the scope: %v", out)
	}
}

// The bucket empties with the cost of queries and fills with time.
func TestShopCost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.shop("permanent")["access_token"].(string)
	ask := func() string {
		t.Helper()
		_, out, _ := b.graphql("2026-10", token, "{ shop { name } }", nil)
		if out["errors"] == nil {
			return "ok"
		}
		return fmt.Sprint(out["errors"], out["extensions"])
	}
	b.ok(http.MethodPut, "/_sandbox/shops/"+teaShop, "", map[string]any{"available": 7})
	for range 2 {
		if got := ask(); got != "ok" {
			t.Errorf("throttled too early: %s", got)
		}
	}
	if got := ask(); !strings.Contains(got, "THROTTLED") || !strings.Contains(got, "currentlyAvailable:1") || !strings.Contains(got, "requestedQueryCost:3") {
		t.Errorf("not throttled: %s", got)
	}
	b.clock.advance(time.Second)
	if got := ask(); got != "ok" {
		t.Errorf("a second later: %s", got)
	}
}

func TestShopTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	content := b.shop("expiring")
	works := func(token any) bool {
		status, _, _ := b.graphql("2026-10", token.(string), "{ shop { name } }", nil)
		return status == 200
	}
	if !works(content["access_token"]) || content["expires_in"] != 3600.0 || content["refresh_token_expires_in"] != 7776000.0 {
		t.Errorf("the credential %v", content)
	}
	refresh := func(token any) (int, map[string]any) {
		return b.do(http.MethodPost, "/shopify/"+teaShop+"/admin/oauth/access_token", "", url.Values{"grant_type": {"refresh_token"},
			"refresh_token": {token.(string)}, "client_id": {content["client_id"].(string)}, "client_secret": {content["client_secret"].(string)}})
	}
	status, second := refresh(content["refresh_token"])
	if status != 200 || !works(second["access_token"]) || second["refresh_token"] == content["refresh_token"] {
		t.Fatalf("refresh: %d %v", status, second)
	}
	b.restart() // tokens survive, as they do at Shopify
	status, retried := refresh(content["refresh_token"])
	if status != 200 || !works(retried["access_token"]) || !works(second["access_token"]) {
		t.Fatalf("retry: %d %v", status, retried)
	}
	if status, _ := refresh(second["refresh_token"]); status != 400 {
		t.Error("a retry replaces the successor")
	}
	if status, _ := refresh(retried["refresh_token"]); status != 200 {
		t.Error("the newest must work")
	}
	if status, out := refresh(content["refresh_token"]); status != 400 || out["error"] != "invalid_grant" {
		t.Errorf("after its successor was used: %d %v", status, out)
	}
	b.clock.advance(30 * 24 * time.Hour)
	if status, _ := refresh(retried["refresh_token"]); status != 400 {
		t.Error("a retry after 30 days")
	}
	if works(retried["access_token"]) {
		t.Error("an access token outlives its hour")
	}

	token := func(form url.Values) (int, string) {
		status, out := b.do(http.MethodPost, "/shopify/"+teaShop+"/admin/oauth/access_token", "", form)
		return status, fmt.Sprint(out)
	}
	client := b.shop("client")
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client["client_id"].(string)}, "client_secret": {client["client_secret"].(string)}}
	if status, out := token(form); status != 200 || !strings.Contains(out, "expires_in:86399") || !strings.Contains(out, "scope:read_reports,read_customers") {
		t.Errorf("client credentials: %d %s", status, out)
	}
	for name, value := range map[string]string{"client_id": "x", "client_secret": "x", "grant_type": "password"} {
		kept := form.Get(name)
		form.Set(name, value)
		if status, out := token(form); status != 400 || !strings.Contains(out, "Oauth error") {
			t.Errorf("%s: %d %s", name, status, out)
		}
		form.Set(name, kept)
	}
	b.ok(http.MethodDelete, "/_sandbox/shops/"+teaShop+"/app", "", nil)
	if status, _ := token(form); status != 400 {
		t.Errorf("after the app is gone: %d", status)
	}
}

func TestShopControl(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.shop("permanent")["access_token"].(string)
	for _, tt := range []struct {
		method, path string
		body         any
		status       int
	}{
		{http.MethodPost, "/shops", map[string]any{"shop": "evil.example"}, 400},
		{http.MethodPost, "/shops", map[string]any{"timeZone": "Mars/Olympus"}, 400},
		{http.MethodPost, "/shops?kind=eternal", map[string]any{}, 400},
		{http.MethodPut, "/shops/x.myshopify.com", map[string]any{}, 404},
		{http.MethodPut, "/shops/" + teaShop, map[string]any{"status": 500}, 400},
		{http.MethodPut, "/shops/" + teaShop, map[string]any{"available": -1}, 400},
		{http.MethodPut, "/shops/" + teaShop + "/days", map[string]any{"date": "x"}, 400},
		{http.MethodPut, "/shops/" + teaShop + "/days", map[string]any{"date": "2026-11-01", "metrics": map[string]any{"profit": 1}}, 400},
		{http.MethodDelete, "/shops/x.myshopify.com/app", nil, 404},
	} {
		if status, out := b.do(tt.method, "/_sandbox"+tt.path, "", tt.body); status != tt.status {
			t.Errorf("%s %s %v: %d %v", tt.method, tt.path, tt.body, status, out)
		}
	}
	for _, status := range []int{402, 423} {
		b.ok(http.MethodPut, "/_sandbox/shops/"+teaShop, "", map[string]any{"status": status})
		if got, _, _ := b.graphql("2026-10", token, "{ shop { name } }", nil); got != status {
			t.Errorf("status %d, want %d", got, status)
		}
	}
	_, out := b.do(http.MethodGet, "/", "", nil)
	if !strings.Contains(out["text"].(string), teaShop+"  Europe/Berlin, EUR  permanent tokens: 1") || strings.Contains(out["text"].(string), "shpat_") {
		t.Errorf("the page:\n%s", out["text"])
	}
}
