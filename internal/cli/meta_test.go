package cli_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"turkey/client"
)

var metaHeader = []any{"id", "date", "spend", "reach", "impressions", "clicks", "landing_page_views", "add_to_cart", "initiate_checkout",
	"purchases", "revenue", "roas", "cpm", "ctr"}

// TestMetaFromTokenToSheet: an ad account's token becomes four weeks of rows, which follow what Meta corrects.
func TestMetaFromTokenToSheet(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	sheets, err := u.SaveCredential(ctx, g.sheets())
	must(t, err)
	_, err = u.Verify(ctx, sheets)
	must(t, err)
	var token map[string]any
	g.console("POST", "/_sandbox/ad-accounts", map[string]any{"accountId": "1234567890", "name": "Shoes", "timeZone": "Europe/Berlin", "expiresIn": 60 * 86400}, &token)
	s.secret(token["access_token"].(string))
	saved := save(s, bearer(u), "meta", "Ads", token).want(t, 201, "")
	if saved.at("type") != "access_token" || saved.at("maskedPreview") != "act...890" {
		t.Errorf("saved: %s", saved.raw)
	}
	id := int64(saved.at("credentialId").(float64))
	verified := s.call("POST", fmt.Sprintf("/api/credentials/%d/verify", id), bearer(u), nil).want(t, 200, "")
	if verified.at("connectedAs") != "Shoes" || verified.at("verified") != true {
		t.Errorf("verified: %s", verified.raw)
	}
	// Meta's answers name no end of the token; what was pasted with it still counts.
	ends, err := time.Parse(time.RFC3339, fmt.Sprint(s.call("GET", fmt.Sprintf("/api/credentials/%d", id), bearer(u), nil).at("expiresAt")))
	if left := time.Until(ends).Hours() / 24; err != nil || left < 59.9 || left > 60 {
		t.Errorf("the token ends at %v, %v", ends, err)
	}
	_, err = u.SetMapping(ctx, mapping("meta", g.spreadsheet, "Other"))
	must(t, err)

	run := func() client.JobResult {
		t.Helper()
		job, err := u.Sync(ctx, "meta", "")
		must(t, err)
		j, err := u.WaitJob(ctx, job)
		must(t, err)
		if j.Status != "completed" || j.Result == nil {
			t.Fatalf("the job ended as %+v", j)
		}
		return *j.Result
	}
	r := run()
	if r.Appended != 28 || r.From != berlin(t, 28) || r.To != berlin(t, 1) || r.RowNumber != 29 {
		t.Errorf("result %+v", r)
	}
	cells := g.tab("Other")
	if len(cells) != 29 || !slices.Equal(cells[0], metaHeader) {
		t.Fatalf("the tab holds %v", cells)
	}
	spent := 0.0
	for i, row := range cells[1:] {
		if len(row) != 14 || !uuidV4.MatchString(fmt.Sprint(row[0])) || row[1] != berlin(t, 28-i) {
			t.Errorf("row %v", row)
			continue
		}
		for _, figure := range row[2:] {
			if _, number := figure.(float64); !number {
				t.Errorf("%v is no number in %v", figure, row)
			}
		}
		spent += row[2].(float64)
	}
	if spent == 0 {
		t.Error("nothing was spent in four weeks")
	}
	for i, name := range metaHeader[2:] {
		if want, _ := r.Metrics[name.(string)].Float64(); want != cells[28][i+2] {
			t.Errorf("%s is %v in the sheet and %v in the answer", name, cells[28][i+2], want)
		}
	}

	g.console("PUT", "/_sandbox/ad-accounts/1234567890/days", map[string]any{"date": berlin(t, 20), "row": map[string]any{"spend": "4711.25"}}, nil)
	if r = run(); r.Updated != 1 || r.Skipped != 27 || r.Appended != 0 || g.tab("Other")[9][2] != 4711.25 {
		t.Errorf("after a correction: %+v, %v", r, g.tab("Other")[9])
	}

	g.console("DELETE", "/_sandbox/ad-accounts/1234567890/tokens", nil, nil)
	job, err := u.Sync(ctx, "meta", "")
	must(t, err)
	j, err := u.WaitJob(ctx, job)
	must(t, err)
	if j.Status != "failed" || !strings.Contains(j.FailedReason, "make a new one at Meta") {
		t.Errorf("with a revoked token: %+v", j)
	}
}

// The services are four, by name, whoever asks.
func TestServicesAreFour(t *testing.T) {
	t.Parallel()
	s := setup(t)
	a := s.call("GET", "/api/services", bearer(s.user("shop")), nil).want(t, 200, "")
	for i, name := range []string{"ga4", "google_sheets", "meta", "shopify"} {
		if a.at("services", i, "name") != name || a.at("services", i, "enabled") != false {
			t.Errorf("services: %s", a.raw)
		}
	}
	if a.at("services", 4) != nil {
		t.Errorf("services: %s", a.raw)
	}
}

// What Meta cannot do at the moment is no verdict on the credential.
func TestMetaOutageLeavesACredentialAsItIs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	var token map[string]any
	g.console("POST", "/_sandbox/ad-accounts", map[string]any{}, &token)
	s.secret(token["access_token"].(string))
	id := save(s, bearer(u), "meta", "Ads", token).want(t, 201, "").at("credentialId")
	verify := func() answer { return s.call("POST", fmt.Sprintf("/api/credentials/%v/verify", id), bearer(u), nil) }
	if a := verify().want(t, 200, ""); a.at("message") != "Connected as "+fmt.Sprint(token["account_name"]) {
		t.Errorf("connected: %s", a.raw)
	}
	g.console("POST", "/_sandbox/ad-accounts", map[string]any{"accountId": token["account_id"], "name": "Shoes", "status": 2}, nil)
	if a := verify().want(t, 200, ""); a.at("message") != "Connected as Shoes. The ad account is disabled at Meta. Its figures can be read." {
		t.Errorf("a disabled account: %s", a.raw)
	}
	g.fault("/graph", map[string]any{"code": 80000, "retryAfter": 120})
	verify().want(t, 502, "SERVICE_ERROR")
	if c, err := u.Credential(t.Context(), int64(id.(float64))); err != nil || !c.Verified {
		t.Errorf("after an outage: %+v, %v", c, err)
	}
	g.console("DELETE", "/_sandbox/ad-accounts/"+strings.TrimPrefix(token["account_id"].(string), "act_")+"/tokens", nil, nil)
	if a := verify().want(t, 400, "VERIFICATION_FAILED"); !strings.Contains(a.raw, "Credential verification failed: Meta does not accept this access token") {
		t.Errorf("revoked: %s", a.raw)
	}
	if c, err := u.Credential(t.Context(), int64(id.(float64))); err != nil || c.Verified {
		t.Errorf("after a refusal: %+v, %v", c, err)
	}
}
