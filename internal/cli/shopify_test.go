package cli_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"turkey/client"
)

var shopifyHeader = []any{"id", "date", "total_orders", "total_revenue", "net_revenue", "total_returns", "new_customers", "repeat_customers", "total_sessions", "aov"}

// TestShopifySync: from a shop's token to 28 days in a spreadsheet, and the days that Shopify corrects later.
func TestShopifySync(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ctx := t.Context()
	u, g := s.user("shop"), s.google()
	sheets, err := u.SaveCredential(ctx, g.sheets())
	must(t, err)
	_, err = u.Verify(ctx, sheets)
	must(t, err)

	var content map[string]any
	g.console("POST", "/_sandbox/shops", map[string]any{"name": "Tea & Cake"}, &content)
	host := content["shop_url"].(string)
	s.secret(content["access_token"].(string))
	id, err := u.SaveCredential(ctx, client.NewCredential{Service: "shopify", Name: "Shop", Content: encode(t, content)})
	must(t, err)
	if _, err := u.SaveCredential(ctx, client.NewCredential{Service: "shopify", Name: "Evil", Content: encode(t, map[string]any{
		"shop_url": "169.254.169.254/" + host, "access_token": content["access_token"],
	})}); err == nil {
		t.Error("a shop_url that is no shop was saved")
	}
	if as, err := u.Verify(ctx, id); err != nil || as != "Tea & Cake" {
		t.Fatalf("%s, %v", as, err)
	}
	must(t, u.Enable(ctx, "shopify", id))
	_, err = u.SetMapping(ctx, mapping("shopify", g.spreadsheet, "Other"))
	must(t, err)

	sync := func() client.JobResult {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		a := s.call("POST", "/api/v1/sync/shopify", bearer(u), nil).want(t, 200, "")
		if a.at("message") != "Shopify sync job enqueued" || a.at("data", "source") != "shopify" || a.at("data", "targetDate") != berlin(t, 1) {
			t.Errorf("sync: %s", a.raw)
		}
		j, err := u.WaitJob(ctx, fmt.Sprint(a.at("data", "jobId")))
		if err != nil || j.Status != "completed" || j.Result == nil {
			t.Fatalf("%+v, %v", j, err)
		}
		return *j.Result
	}
	r := sync()
	if !r.Success || r.From != berlin(t, 28) || r.To != berlin(t, 1) || r.Appended != 28 || r.Updated+r.Skipped != 0 || r.RowNumber != 29 {
		t.Errorf("result %+v", r)
	}
	cells := g.tab("Other")
	if len(cells) != 29 || !slices.Equal(cells[0], shopifyHeader) {
		t.Fatalf("the tab holds %v", cells)
	}
	for i, row := range cells[1:] {
		if len(row) != 10 || !uuidV4.MatchString(fmt.Sprint(row[0])) || row[1] != berlin(t, 28-i) {
			t.Fatalf("row %v", row)
		}
		for _, figure := range row[2:] {
			if n, number := figure.(float64); !number || n < 0 {
				t.Errorf("%v in %v", figure, row)
			}
		}
	}

	g.console("PUT", "/_sandbox/shops/"+host+"/days", map[string]any{"date": berlin(t, 20), "metrics": map[string]any{
		"orders": 3, "total_sales": 100, "net_sales": 80.5, "returns": -12.25, "new_customers": 1, "returning_customers": 2, "sessions": 70,
	}}, nil)
	if r := sync(); r.Updated != 1 || r.Skipped != 27 || r.Appended != 0 {
		t.Errorf("a corrected day: %+v", r)
	}
	if row := g.tab("Other")[9]; !slices.Equal(row[1:], []any{berlin(t, 20), 3.0, 100.0, 80.5, 12.25, 1.0, 2.0, 70.0, 33.33}) {
		t.Errorf("the corrected row %v", row)
	}
	if r := sync(); r.Mode != "skip" || r.Skipped != 28 {
		t.Errorf("nothing new: %+v", r)
	}
}
