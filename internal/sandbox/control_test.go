package sandbox_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"turkey/internal/sandbox"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.token(driveScope)
	const files = "/drive/drive/v3/files"
	b.ok(http.MethodPost, "/_sandbox/faults", "", map[string]any{"path": "/drive", "status": 503, "times": 2, "retryAfter": 3})
	b.refused(http.MethodGet, files, token, nil, 503, "Scripted failure.")
	b.token(driveScope) // other paths are not concerned
	b.refused(http.MethodGet, files, token, nil, 503, "Scripted failure.")
	b.ok(http.MethodGet, files, token, nil)
	b.ok(http.MethodPost, "/_sandbox/faults", "", map[string]any{"path": "/drive", "html": true})
	if status, out := b.do(http.MethodGet, files, token, nil); status != 200 || !strings.Contains(out["text"].(string), "<!DOCTYPE html>") {
		t.Errorf("html: %d %v", status, out)
	}
	b.ok(http.MethodPost, "/_sandbox/faults", "", map[string]any{"delayMs": 60})
	began := time.Now()
	b.ok(http.MethodGet, files, token, nil)
	if time.Since(began) < 60*time.Millisecond {
		t.Error("no delay")
	}
	b.ok(http.MethodPost, "/_sandbox/faults", "", map[string]any{"status": 500, "times": 9})
	b.ok(http.MethodDelete, "/_sandbox/faults", "", nil)
	b.ok(http.MethodGet, files, token, nil)
	if status, _ := b.do(http.MethodPost, "/_sandbox/faults", "", map[string]any{"status": 99}); status != 400 {
		t.Errorf("status 99: %d", status)
	}
}

// A connection that is cut after the work is done: the write is there, the answer is not.
func TestCutAfterTheWrite(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.spreadsheet("T")
	token := b.token(sheetsScope)
	b.ok(http.MethodPost, "/_sandbox/faults", "", map[string]any{"path": "/sheets", "cut": true})
	body := strings.NewReader(`{"valueInputOption":"RAW","data":[{"range":"T!A1","values":[["x"]]}]}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/sheets/v4/spreadsheets/"+id+"/values:batchUpdate", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("answered %d", resp.StatusCode)
	}
	if b.read(id, "T", "") == nil {
		t.Error("nothing was written")
	}
}

func TestControlRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.spreadsheet("T")
	for _, tt := range []struct {
		method, path string
		body         any
		status       int
	}{
		{http.MethodDelete, "/service-accounts/x", nil, 404},
		{http.MethodDelete, "/oauth-clients/x", nil, 404},
		{http.MethodGet, "/spreadsheets/x", nil, 404},
		{http.MethodPost, "/spreadsheets", map[string]any{"tabs": []string{"a", "A"}}, 400},
		{http.MethodPost, "/spreadsheets", map[string]any{"shareWith": "x", "role": "king"}, 400},
		{http.MethodPut, "/spreadsheets/" + id + "/cells", map[string]any{"tab": "T", "a1": "A1:B2", "value": 1}, 400},
		{http.MethodPut, "/spreadsheets/" + id + "/cells", map[string]any{"tab": "T", "a1": "A1001", "value": 1}, 400},
		{http.MethodPut, "/spreadsheets/" + id + "/cells", map[string]any{"tab": "T", "a1": "A1", "value": []int{1}}, 400},
		{http.MethodPut, "/spreadsheets/" + id + "/cells", map[string]any{"tab": "U", "a1": "A1", "value": 1}, 404},
		{http.MethodPost, "/properties", map[string]any{"propertyId": "G-1"}, 400},
		{http.MethodPost, "/properties", map[string]any{"timeZone": "Mars/Olympus"}, 400},
		{http.MethodPut, "/properties/1/days", map[string]any{}, 404},
		{http.MethodPost, "/service-accounts", "no object", 400},
	} {
		if status, out := b.do(tt.method, "/_sandbox"+tt.path, "", tt.body); status != tt.status {
			t.Errorf("%s %s %v: %d %v", tt.method, tt.path, tt.body, status, out)
		}
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.spreadsheet("GA4")
	b.ok(http.MethodPost, "/_sandbox/properties", "", map[string]string{"propertyId": "9"})
	b.ok(http.MethodPost, "/_sandbox/oauth-clients", "", map[string]string{"email": "anna@example.com"})
	_, out := b.do(http.MethodGet, "/", "", nil)
	for _, want := range []string{b.key["client_email"], id, "anna@example.com", "9  Europe/Berlin, EUR  shared with: nobody"} {
		if !strings.Contains(out["text"].(string), want) {
			t.Errorf("the page lacks %q:\n%s", want, out["text"])
		}
	}
	if status, out := b.do(http.MethodGet, "/sheets/v5/x", "", nil); status != 404 || out["text"] == nil {
		t.Errorf("unknown path: %d %v", status, out)
	}
}

func TestNewRefusesABrokenFile(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/state.json"
	if err := os.WriteFile(file, []byte(`{"spreadsheets":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.New(sandbox.Config{File: file}); err == nil {
		t.Error("no error")
	}
}
