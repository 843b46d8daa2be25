package cli_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"turkey/client"
)

func names(v any) []string {
	m, _ := v.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

func save(s *server, token, service, name string, content any) answer {
	s.t.Helper()
	return s.call("POST", "/api/credentials/save", token, map[string]any{"service": service, "credentialName": name, "credentialJson": content})
}

func TestSaveTakesTextAndObjectAndGivesNothingBack(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	s.secret(g.key["private_key_id"].(string))
	a := save(s, bearer(u), "google_sheets", "  My key ", g.key).want(t, 201, "")
	if want := []string{"createdAt", "credentialId", "maskedPreview", "name", "service", "type", "verified"}; !slices.Equal(names(a.body), want) {
		t.Errorf("members %v", names(a.body))
	}
	if a.at("name") != "My key" || a.at("verified") != false || a.at("type") != "service_account" || a.at("maskedPreview") != g.email[:3]+"..."+g.email[len(g.email)-3:] {
		t.Errorf("saved: %s", a.raw)
	}
	text := save(s, bearer(u), "ga4", "As text", string(g.ga4().Content)).want(t, 201, "")
	if text.at("credentialId").(float64) <= a.at("credentialId").(float64) {
		t.Errorf("ids %v and %v", a.at("credentialId"), text.at("credentialId"))
	}

	list := s.call("GET", "/api/credentials/list", bearer(u), nil).want(t, 200, "")
	if list.at("credentials", 0, "name") != "As text" || list.at("credentials", 1, "name") != "My key" || list.at("credentials", 2) != nil {
		t.Errorf("not newest first: %s", list.raw)
	}
	one := s.call("GET", fmt.Sprintf("/api/credentials/%v", a.at("credentialId")), bearer(u), nil).want(t, 200, "")
	members := []string{"createdAt", "expiresAt", "health", "healthAt", "healthMessage", "healthReason", "id", "maskedPreview", "name", "service", "type", "updatedAt", "verified", "verifiedAt"}
	if !slices.Equal(names(one.body), members) || !slices.Equal(names(list.at("credentials", 0)), members) {
		t.Errorf("members %v", names(one.body))
	}
	for _, raw := range []string{a.raw, text.raw, list.raw, one.raw} {
		for _, secret := range []string{"BEGIN", g.email, g.key["private_key_id"].(string)} {
			if strings.Contains(raw, secret) {
				t.Errorf("the answer holds %q: %s", secret, raw)
			}
		}
	}
	var sealed string
	must(t, query(t, s.db, `SELECT string_agg(encrypted_data, ' ') FROM credentials`).Scan(&sealed))
	if sealed == "" || strings.Contains(sealed, "BEGIN") || strings.Contains(sealed, g.email) {
		t.Errorf("stored as %s", sealed)
	}
	services := s.call("GET", "/api/services", bearer(u), nil).want(t, 200, "")
	if services.at("services", 0, "name") != "ga4" || services.at("services", 0, "enabled") != true || services.at("services", 0, "credential", "id") != text.at("credentialId") ||
		services.at("services", 1, "credential", "id") != a.at("credentialId") {
		t.Errorf("the services do not point to what was saved: %s", services.raw)
	}
}

func TestSaveRefuses(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	canary := s.secret("canary-content-5678")
	account := func(changes ...string) map[string]any {
		c := map[string]any{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\n" + canary, "client_email": "robot@example.com", "project_id": "p"}
		for i := 0; i < len(changes); i += 2 {
			if c[changes[i]] = changes[i+1]; changes[i+1] == "" {
				delete(c, changes[i])
			}
		}
		return c
	}
	for _, c := range []struct {
		name string
		body any
		code string
		errs []string // details.errors, nil for an answer without
	}{
		{"no JSON", `{"service":"` + canary, "INVALID_JSON", nil},
		{"a list", `[]`, "INVALID_JSON", nil},
		{"nothing", `{}`, "MISSING_FIELDS", nil},
		{"no content", map[string]any{"service": "ga4", "credentialName": "x"}, "MISSING_FIELDS", nil},
		{"empty content", map[string]any{"service": "ga4", "credentialName": "x", "credentialJson": ""}, "MISSING_FIELDS", nil},
		{"null content", map[string]any{"service": "ga4", "credentialName": "x", "credentialJson": nil}, "MISSING_FIELDS", nil},
		{"no name", map[string]any{"service": "ga4", "credentialJson": account()}, "MISSING_FIELDS", nil},
		{"a blank name", map[string]any{"service": "ga4", "credentialName": " \t", "credentialJson": account()}, "MISSING_FIELDS", nil},
		{"no service", map[string]any{"credentialName": "x", "credentialJson": account()}, "MISSING_FIELDS", nil},
		{"an unknown service", map[string]any{"service": "fax", "credentialName": "x", "credentialJson": account()}, "INVALID_SERVICE", nil},
		{"a number as the name", map[string]any{"service": "ga4", "credentialName": 7, "credentialJson": account()}, "VALIDATION_ERROR", []string{"credentialName: Expected string, received number"}},
		{"a name of 256 characters", map[string]any{"service": "google_sheets", "credentialName": strings.Repeat("ä", 256), "credentialJson": account()}, "VALIDATION_ERROR", nil},
		{"content of more than 64 KiB", map[string]any{"service": "google_sheets", "credentialName": "x", "credentialJson": account("pad", strings.Repeat("x", 64<<10))}, "VALIDATION_ERROR", nil},
		{"text that is no JSON", map[string]any{"service": "google_sheets", "credentialName": "x", "credentialJson": canary}, "INVALID_CREDENTIAL_FORMAT", []string{"Invalid JSON format"}},
		{"a list as content", map[string]any{"service": "google_sheets", "credentialName": "x", "credentialJson": []string{canary}}, "INVALID_CREDENTIAL_FORMAT", []string{"Invalid JSON format"}},
		{"a number as content", map[string]any{"service": "google_sheets", "credentialName": "x", "credentialJson": 7}, "INVALID_CREDENTIAL_FORMAT", []string{"Invalid JSON format"}},
		{"the guide's line, unexpanded", map[string]any{"service": "google_sheets", "credentialName": "x", "credentialJson": "$(cat service-account.json | jq -c .)"},
			"INVALID_CREDENTIAL_FORMAT", []string{"Invalid JSON format", "The shell did not expand $(…): send the credential as a JSON object instead of a quoted string"}},
		{"another type", map[string]any{"service": "google_sheets", "credentialName": "x", "credentialJson": account("type", "authorized_user")},
			"INVALID_CREDENTIAL_FORMAT", []string{"Google credential must be a service account"}},
		{"an empty object", map[string]any{"service": "google_sheets", "credentialName": "x", "credentialJson": map[string]any{}}, "INVALID_CREDENTIAL_FORMAT",
			[]string{"Google credential must be a service account", "Missing private_key", "Missing client_email", "Missing project_id"}},
		{"a key that is none", map[string]any{"service": "google_sheets", "credentialName": "x", "credentialJson": account("private_key", canary)}, "INVALID_CREDENTIAL_FORMAT",
			[]string{"Invalid private_key"}},
		{"OAuth without anything", map[string]any{"service": "ga4", "credentialName": "x", "credentialJson": map[string]any{"x": canary}}, "INVALID_CREDENTIAL_FORMAT",
			[]string{"Missing refresh_token", "Missing client_id", "Missing client_secret", "Missing property_id"}},
		{"a property that is no number", map[string]any{"service": "ga4", "credentialName": "x", "credentialJson": account("property_id", canary)}, "INVALID_CREDENTIAL_FORMAT",
			[]string{"Invalid property_id"}},
	} {
		a := s.call("POST", "/api/credentials/save", bearer(u), c.body)
		if a.status != 400 || a.code() != c.code {
			t.Errorf("%s: got %d %s, want 400 %s: %s", c.name, a.status, a.code(), c.code, a.raw)
		}
		var errs []string
		for i := 0; a.at("details", "errors", i) != nil; i++ {
			errs = append(errs, fmt.Sprint(a.at("details", "errors", i)))
		}
		if !slices.Equal(errs, c.errs) {
			t.Errorf("%s: errors %q, want %q", c.name, errs, c.errs)
		}
	}
	s.call("POST", "/api/credentials/save", bearer(u), `{"x":"`+strings.Repeat("x", 1<<20)+`"}`).want(t, 413, "VALIDATION_ERROR")
	if list, err := u.Credentials(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("stored: %v, %v", list, err)
	}
	if a := save(s, bearer(u), "google_sheets", strings.Repeat("ä", 255), account("auth_uri", "https://accounts.google.com/o/oauth2/auth")); a.status != 201 {
		t.Errorf("a name of 255 characters: %s", a.raw)
	}
}

func TestSameContentIsADuplicateHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, other := s.user("shop"), s.user("shop")
	const (
		one = `{"type":"service_account","private_key":"-----BEGIN X","client_email":"robot@example.com","project_id":"p"}`
		two = "{ \"project_id\":\"p\",\n\"client_email\":\"robot@ex\\u0061mple.com\", \"private_key\":\"-----BEGIN X\", \"type\":\"service_account\" }"
	)
	first := save(s, bearer(u), "google_sheets", "One", one).want(t, 201, "")
	for _, content := range []any{one, two, json.RawMessage(one), json.RawMessage(two)} {
		if a := save(s, bearer(u), "google_sheets", "Two", content).want(t, 409, "DUPLICATE_CREDENTIAL"); a.at("error") != "This credential already exists" {
			t.Errorf("%s", a.raw)
		}
	}
	save(s, bearer(u), "ga4", "Another service", one).want(t, 201, "")
	save(s, bearer(other), "google_sheets", "Another user", one).want(t, 201, "")
	must(t, u.DeleteCredential(t.Context(), int64(first.at("credentialId").(float64))))
	save(s, bearer(u), "google_sheets", "After deletion", two).want(t, 201, "")

	// Of parallel saves of one content, one is stored.
	var mu sync.Mutex
	seen := map[int]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			a := save(s, bearer(u), "google_sheets", "Race", strings.Replace(one, `"p"`, `"race"`, 1))
			mu.Lock()
			seen[a.status]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if seen[201] != 1 || seen[409] != 7 {
		t.Errorf("answers by status: %v", seen)
	}
}

func TestAHundredLiveCredentialsAreTheLimit(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u := s.user("shop")
	content := func(i int) string {
		return fmt.Sprintf(`{"type":"service_account","private_key":"-----BEGIN X","client_email":"robot@example.com","project_id":"p%d"}`, i)
	}
	for i := range 100 {
		if a := save(s, bearer(u), "google_sheets", "x", content(i)); a.status != 201 {
			t.Fatalf("%d: %s", i, a.raw)
		}
	}
	save(s, bearer(u), "google_sheets", "x", content(100)).want(t, 400, "VALIDATION_ERROR")
	save(s, bearer(u), "ga4", "x", content(100)).want(t, 201, "")
}

func TestCredentialsOfOthersDoNotExist(t *testing.T) {
	t.Parallel()
	s := setup(t)
	owner, eve, g := s.user("shop"), s.user("shop"), s.google()
	id, err := owner.SaveCredential(t.Context(), g.sheets())
	must(t, err)
	type route struct{ method, suffix string }
	routes := []route{{"GET", ""}, {"DELETE", ""}, {"POST", "/verify"}, {"GET", "/verify-status"}}
	for _, r := range routes {
		for _, foreign := range []string{strconv.FormatInt(id, 10), strconv.FormatInt(id+1000, 10)} {
			if a := s.call(r.method, "/api/credentials/"+foreign+r.suffix, bearer(eve), nil).want(t, 404, "CREDENTIAL_NOT_FOUND"); a.at("error") != "Credential not found" {
				t.Errorf("%s", a.raw)
			}
		}
		for _, bad := range []string{"abc", "0", "-1", "1.5", "1e3", "99999999999999999999", "%20", "1;drop", "01x"} {
			s.call(r.method, "/api/credentials/"+bad+r.suffix, bearer(eve), nil).want(t, 400, "VALIDATION_ERROR")
		}
		s.call(r.method, "/api/credentials/"+strconv.FormatInt(id, 10)+r.suffix, "", nil).want(t, 401, "MISSING_TOKEN")
	}
	refused(t, eve.Enable(t.Context(), "google_sheets", id), 404, "CREDENTIAL_NOT_FOUND")
	s.call("PATCH", fmt.Sprintf("/api/credentials/%d", id), bearer(owner), "{}").want(t, 404, "NOT_FOUND")
	s.call("GET", "/api/credentials", bearer(owner), nil).want(t, 404, "NOT_FOUND")

	if c, err := owner.Credential(t.Context(), id); err != nil || c.ID != id || c.Verified {
		t.Errorf("eve changed something: %+v, %v", c, err)
	}
	must(t, owner.DeleteCredential(t.Context(), id))
	for _, r := range routes {
		s.call(r.method, fmt.Sprintf("/api/credentials/%d%s", id, r.suffix), bearer(owner), nil).want(t, 404, "CREDENTIAL_NOT_FOUND")
	}
	refused(t, owner.Enable(t.Context(), "google_sheets", id), 404, "CREDENTIAL_NOT_FOUND")
	services, err := owner.Services(t.Context())
	must(t, err)
	for _, service := range services {
		if service.Enabled || service.Credential != nil {
			t.Errorf("%s still uses a deleted credential", service.Name)
		}
	}
	var trails int
	must(t, query(t, s.db, `SELECT count(*) FROM audit_logs WHERE action = 'credential_deleted' AND (metadata->>'credentialId')::bigint = $1`, id).Scan(&trails))
	if trails != 1 {
		t.Errorf("deleted %d times in the audit", trails)
	}
}

func TestVerifyProvesAndKeepsWhatItCannotDisprove(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	id, err := u.SaveCredential(t.Context(), g.sheets())
	must(t, err)
	verify := func() answer { return s.call("POST", fmt.Sprintf("/api/credentials/%d/verify", id), bearer(u), nil) }
	status := func(verified bool) answer {
		t.Helper()
		a := s.call("GET", fmt.Sprintf("/api/credentials/%d/verify-status", id), bearer(u), nil).want(t, 200, "")
		if a.at("verified") != verified || (a.at("verifiedAt") != nil) != verified || a.at("lastVerifiedAt") != a.at("verifiedAt") || a.at("credentialId") != float64(id) ||
			!slices.Equal(names(a.body), []string{"credentialId", "expiresAt", "lastVerifiedAt", "verified", "verifiedAt"}) {
			t.Errorf("status: %s", a.raw)
		}
		return a
	}
	status(false)
	if a := verify().want(t, 200, ""); a.at("verified") != true || a.at("connectedAs") != g.email || a.at("message") != "Connected as "+g.email {
		t.Errorf("verify: %s", a.raw)
	}
	before := status(true)

	// A provider that is down proves nothing.
	for _, fault := range []map[string]any{{"status": 503}, {"status": 500}, {"status": 429, "retryAfter": 1}, {"html": true, "status": 502}, {"cut": true}, {"status": 302}} {
		for _, path := range []string{"/oauth2", "/drive"} {
			fault["times"] = 5
			g.fault(path, maps.Clone(fault))
			if a := verify().want(t, 502, "SERVICE_ERROR"); !strings.HasPrefix(fmt.Sprint(a.at("error")), "The provider could not be asked: ") {
				t.Errorf("%v at %s: %s", fault, path, a.raw)
			}
			g.console("DELETE", "/_sandbox/faults", nil, nil)
			if after := status(true); after.raw != before.raw {
				t.Errorf("%v at %s changed the state from %s to %s", fault, path, before.raw, after.raw)
			}
		}
	}

	// Refusals do: an API that is off, a spreadsheet that is not shared, a key that was revoked.
	g.fault("/drive", map[string]any{"status": 403, "reason": "SERVICE_DISABLED"})
	verify().want(t, 400, "VERIFICATION_FAILED")
	status(false)
	verify().want(t, 200, "")
	_, err = u.SetMapping(t.Context(), mapping("ga4", g.spreadsheet, "Google"))
	must(t, err)
	verify().want(t, 200, "")
	g.console("PUT", "/_sandbox/spreadsheets/"+g.spreadsheet+"/sharing", map[string]any{"email": g.email, "role": "none"}, nil)
	if a := verify().want(t, 400, "VERIFICATION_FAILED"); !strings.HasPrefix(fmt.Sprint(a.at("error")), "Credential verification failed: ") || !strings.Contains(a.raw, g.email) {
		t.Errorf("the answer does not say whom to share with: %s", a.raw)
	}
	status(false)
	g.console("PUT", "/_sandbox/spreadsheets/"+g.spreadsheet+"/sharing", map[string]any{"email": g.email}, nil)
	verify().want(t, 200, "")
	g.console("DELETE", "/_sandbox/service-accounts/"+g.email, nil, nil)
	verify().want(t, 400, "VERIFICATION_FAILED")
	status(false)

	for action, least := range map[string]int{"credential_verified": 3, "verification_failed": 3, "credential_accessed": 18} {
		var n int
		must(t, query(t, s.db, `SELECT count(*) FROM audit_logs WHERE action = $1`, action).Scan(&n))
		if n < least {
			t.Errorf("%s is audited %d times", action, n)
		}
	}
}

func TestVerifyGA4(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	verify := func(content any) answer {
		a := save(s, bearer(u), "ga4", "GA4", content).want(t, 201, "")
		return s.call("POST", fmt.Sprintf("/api/credentials/%v/verify", a.at("credentialId")), bearer(u), nil)
	}
	if a := verify(g.ga4().Content).want(t, 200, ""); a.at("connectedAs") != g.email || a.at("expiresAt") != nil {
		t.Errorf("%s", a.raw)
	}
	if a := verify(g.key).want(t, 400, "VERIFICATION_FAILED"); a.at("error") != "Credential verification failed: Missing property_id" {
		t.Errorf("%s", a.raw)
	}
	foreign := newGoogle(t, s.sandbox)
	content := maps.Clone(g.key)
	content["property_id"] = "1" + foreign.property // nobody's
	verify(content).want(t, 400, "VERIFICATION_FAILED")

	// An OAuth grant that ends says when.
	var client map[string]any
	g.console("POST", "/_sandbox/oauth-clients", map[string]any{"expiresIn": 3600}, &client)
	g.console("PUT", "/_sandbox/properties/"+g.property+"/sharing", map[string]any{"email": client["email"]}, nil)
	s.secret(client["client_secret"].(string))
	s.secret(client["refresh_token"].(string))
	oauth := map[string]any{"client_id": client["client_id"], "client_secret": client["client_secret"], "refresh_token": client["refresh_token"], "property_id": g.property}
	a := verify(oauth).want(t, 200, "")
	ends, err := time.Parse(time.RFC3339, fmt.Sprint(a.at("expiresAt")))
	if err != nil || a.at("connectedAs") != g.property || time.Until(ends) < 50*time.Minute || time.Until(ends) > 61*time.Minute {
		t.Errorf("%s", a.raw)
	}
}

func TestServicesAreEnabledAndDisabled(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, eve, g := s.user("shop"), s.user("shop"), s.google()
	list := func() string { return s.call("GET", "/api/services", bearer(u), nil).want(t, 200, "").raw }
	empty := list()
	if !strings.Contains(empty, `"name":"ga4"`) || !strings.Contains(empty, `"name":"google_sheets"`) || strings.Contains(empty, "credential\":") || strings.Contains(empty, "true") {
		t.Errorf("services of a new user: %s", empty)
	}
	s.call("POST", "/api/services/ga4/disable", bearer(u), nil).want(t, 404, "SERVICE_NOT_FOUND")
	sheets, err := u.SaveCredential(t.Context(), g.sheets())
	must(t, err)
	ga4, err := u.SaveCredential(t.Context(), g.ga4())
	must(t, err)
	foreign, err := eve.SaveCredential(t.Context(), g.ga4())
	must(t, err)

	enable := func(service string, id any) answer {
		return s.call("POST", "/api/services/"+service+"/enable", bearer(u), map[string]any{"credentialId": id})
	}
	if a := s.call("POST", "/api/services/ga4/disable", bearer(u), nil).want(t, 200, ""); a.at("enabled") != false || a.at("service") != "ga4" || len(a.body) != 2 {
		t.Errorf("disable: %s", a.raw)
	}
	for _, id := range []any{ga4, strconv.FormatInt(ga4, 10)} {
		if a := enable("ga4", id).want(t, 200, ""); a.at("enabled") != true || a.at("credentialId") != float64(ga4) || a.at("service") != "ga4" || len(a.body) != 3 {
			t.Errorf("enable: %s", a.raw)
		}
	}
	before := list()
	for _, c := range []struct {
		service string
		id      any
		status  int
		code    string
	}{
		{"ga4", foreign, 404, "CREDENTIAL_NOT_FOUND"},
		{"ga4", 999_999, 404, "CREDENTIAL_NOT_FOUND"},
		{"ga4", sheets, 400, "VALIDATION_ERROR"},
		{"ga4", nil, 400, "MISSING_FIELDS"},
		{"ga4", "", 400, "MISSING_FIELDS"},
		{"ga4", "abc", 400, "VALIDATION_ERROR"},
		{"ga4", -1, 400, "VALIDATION_ERROR"},
		{"ga4", 1.5, 400, "VALIDATION_ERROR"},
		{"ga4", map[string]any{}, 400, "VALIDATION_ERROR"},
		{"fax", ga4, 400, "INVALID_SERVICE"},
	} {
		enable(c.service, c.id).want(t, c.status, c.code)
	}
	s.call("POST", "/api/services/ga4/enable", bearer(u), "{}").want(t, 400, "MISSING_FIELDS")
	s.call("POST", "/api/services/fax/disable", bearer(u), nil).want(t, 400, "INVALID_SERVICE")
	if after := list(); after != before {
		t.Errorf("refusals changed %s to %s", before, after)
	}
}

// TestTheClientLivesWithACredential plays the later life of a credential through the Go client, with a run among its uses.
func TestTheClientLivesWithACredential(t *testing.T) {
	t.Parallel()
	s := setup(t)
	u, g := s.user("shop"), s.google()
	ctx := t.Context()
	sheets, ga4 := g.ready(u)
	job, err := u.Sync(ctx, "ga4", "")
	must(t, err)
	if j, err := u.WaitJob(ctx, job); err != nil || j.Status != "completed" {
		t.Fatalf("%+v, %v", j, err)
	}
	for id, host := range map[int64]string{sheets: "sheets.googleapis.com", ga4: "analyticsdata.googleapis.com"} {
		last, next, err := u.CredentialUses(ctx, id, 1, "")
		if err != nil || len(last) != 1 || last[0].Purpose != "sync" || last[0].JobID != job || last[0].Host != host || last[0].Status != "success" || next == "" {
			t.Errorf("last use: %+v, %q, %v", last, next, err)
		}
		before, next, err := u.CredentialUses(ctx, id, 0, next)
		if err != nil || len(before) != 1 || before[0].Purpose != "verify" || before[0].JobID != "" || next != "" {
			t.Errorf("uses before: %+v, %q, %v", before, next, err)
		}
	}
	other := newGoogle(t, s.sandbox)
	c, err := u.UpdateCredential(ctx, ga4, client.CredentialUpdate{Name: "Renamed", Content: other.ga4().Content})
	if err != nil || c.Version != 2 || c.Name != "Renamed" || c.Verified || c.Service != "ga4" || c.ID != ga4 {
		t.Errorf("updated: %+v, %v", c, err)
	}
	if c, err = u.RestoreCredentialVersion(ctx, ga4, 1); err != nil || c.Version != 3 {
		t.Errorf("went back: %+v, %v", c, err)
	}
	if as, err := u.Verify(ctx, ga4); err != nil || as != g.email {
		t.Errorf("connected as %s, %v", as, err)
	}
	versions, err := u.CredentialVersions(ctx, ga4)
	if err != nil || len(versions) != 3 || !versions[0].Current || versions[0].ReplacedAt != nil || versions[2].Number != 1 || versions[2].ReplacedAt == nil {
		t.Errorf("versions: %+v, %v", versions, err)
	}
	must(t, u.DeleteCredential(ctx, ga4))
	page, next, err := u.CredentialPage(ctx, true, 1, "")
	if err != nil || len(page) != 1 || page[0].ID != ga4 || page[0].DeletedAt == nil || next != "" {
		t.Errorf("deleted: %+v, %q, %v", page, next, err)
	}
	if r, err := u.RestoreCredential(ctx, ga4); err != nil || r.ID != ga4 || r.Verified || r.Health != "unchecked" || r.DeletedAt != nil {
		t.Errorf("restored: %+v, %v", r, err)
	}
	_, err = u.RestoreCredential(ctx, ga4)
	refused(t, err, 409, "CREDENTIAL_EXISTS")
	must(t, u.DeleteMapping(ctx, "ga4"))
	refused(t, u.DeleteMapping(ctx, "ga4"), 404, "NOT_FOUND")
}
