package googleclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/oauth2/google"
	analyticsdata "google.golang.org/api/analyticsdata/v1beta"
	drive "google.golang.org/api/drive/v3"
	"google.golang.org/api/option"
	sheets "google.golang.org/api/sheets/v4"

	"turkey/internal/sandbox"
)

// bench is a sandbox with a service account, and Google's clients that sign in as it.
type bench struct {
	t         *testing.T
	url       string
	key       []byte
	email     string
	sheets    *sheets.Service
	drive     *drive.Service
	analytics *analyticsdata.Service
}

func setup(t *testing.T, cfg sandbox.Config) *bench {
	t.Helper()
	box, err := sandbox.New(cfg)
	must(t, err)
	server := httptest.NewServer(box.Handler())
	t.Cleanup(server.Close)
	b := &bench{t: t, url: server.URL}
	b.key = b.control(http.MethodPost, "/service-accounts", map[string]any{"name": "robot"})
	var key struct {
		Email string `json:"client_email"`
	}
	must(t, json.Unmarshal(b.key, &key))
	b.email = key.Email
	b.as(sheets.SpreadsheetsScope, drive.DriveReadonlyScope, analyticsdata.AnalyticsReadonlyScope)
	return b
}

// as makes the clients anew, with these scopes.
func (b *bench) as(scopes ...string) {
	b.t.Helper()
	ctx := context.WithoutCancel(b.t.Context())
	account, err := google.JWTConfigFromJSON(b.key, scopes...)
	must(b.t, err)
	// Google's audience at the sandbox's address.
	account.Audience, account.TokenURL = account.TokenURL, b.url+"/oauth2/token"
	at := func(path string) []option.ClientOption {
		return []option.ClientOption{option.WithHTTPClient(account.Client(ctx)), option.WithEndpoint(b.url + path)}
	}
	b.sheets, err = sheets.NewService(ctx, at("/sheets/")...)
	must(b.t, err)
	b.drive, err = drive.NewService(ctx, at("/drive/drive/v3/")...)
	must(b.t, err)
	b.analytics, err = analyticsdata.NewService(ctx, at("/analyticsdata/")...)
	must(b.t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// control is a person at Google's consoles.
func (b *bench) control(method, path string, body any) []byte {
	b.t.Helper()
	encoded, err := json.Marshal(body)
	must(b.t, err)
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+"/_sandbox"+path, bytes.NewReader(encoded))
	must(b.t, err)
	resp, err := http.DefaultClient.Do(req)
	must(b.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		b.t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, text, err)
	}
	return text
}

// spreadsheet makes one that is shared with the service account.
func (b *bench) spreadsheet(title, role string, tabs ...string) string {
	b.t.Helper()
	var made struct{ SpreadsheetID string }
	must(b.t, json.Unmarshal(b.control(http.MethodPost, "/spreadsheets",
		map[string]any{"title": title, "tabs": tabs, "shareWith": b.email, "role": role}), &made))
	return made.SpreadsheetID
}
