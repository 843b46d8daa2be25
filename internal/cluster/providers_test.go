package cluster_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"turkey/internal/sandbox"
)

// providers are fake ones that take their time.
type providers struct {
	caller
	env []string // where they are
}

func newProviders(t testing.TB, delay time.Duration) *providers {
	t.Helper()
	fake, err := sandbox.New(sandbox.Config{ReadsPerMinute: -1, WritesPerMinute: -1})
	must(t, err)
	handler := fake.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/_sandbox/") {
			time.Sleep(delay)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	b := fake.Bases(srv.URL)
	return &providers{caller{t: t, base: srv.URL, http: newHTTP()}, []string{"GOOGLE_OAUTH_BASE=" + b.GoogleOAuthBase, "GOOGLE_SHEETS_BASE=" + b.GoogleSheetsBase,
		"GOOGLE_DRIVE_BASE=" + b.GoogleDriveBase, "GA_DATA_BASE=" + b.GADataBase}}
}

// connects gives somebody a source, a spreadsheet and all that belongs to a run.
func (v *providers) connects(p *person) {
	t := v.t
	t.Helper()
	made := func(path string, in object) answer { return v.call("POST", "/_sandbox"+path, "", in).want(t, 201) }
	key, _ := made("/service-accounts", object{"name": fmt.Sprintf("robot-%d", born.Add(1))}).body.(object)
	sheet := made("/spreadsheets", object{"tabs": []string{"ga4"}, "shareWith": key["client_email"]}).text("spreadsheetId")
	source := object{}
	for name, value := range key {
		source[name] = value
	}
	source["property_id"] = made("/properties", object{"timeZone": "Europe/Berlin", "currency": "EUR", "shareWith": key["client_email"]}).text("propertyId")
	for service, content := range map[string]object{"google_sheets": key, "ga4": source} {
		id := p.c.call("POST", "/api/credentials/save", p.access, object{"service": service, "credentialName": service, "credentialJson": content}).want(t, 201).at("credentialId")
		p.c.call("POST", fmt.Sprintf("/api/credentials/%v/verify", id), p.access, object{}).want(t, 200)
		if service == "ga4" {
			p.c.call("POST", "/api/services/ga4/enable", p.access, object{"credentialId": id}).want(t, 200)
		}
	}
	p.c.call("POST", "/api/sheet-mappings/set", p.access, object{"service": "ga4", "spreadsheetId": sheet, "sheetName": "ga4"}).want(t, 201)
}
