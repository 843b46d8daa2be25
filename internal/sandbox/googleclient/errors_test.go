package googleclient_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"

	"turkey/internal/sandbox"
)

// wantError checks what Google's client made of a refusal: the code, the status in the body, and the reason of its ErrorInfo,
// or that of the older list.
func wantError(t *testing.T, err error, code int, status, reason string) *googleapi.Error {
	t.Helper()
	e, ok := errors.AsType[*googleapi.Error](err)
	if !ok {
		t.Fatalf("%v is no *googleapi.Error", err)
	}
	var body struct {
		Error struct {
			Code   int    `json:"code"`
			Status string `json:"status"`
		} `json:"error"`
	}
	if e.Code != code || status != "" && (json.Unmarshal([]byte(e.Body), &body) != nil || body.Error.Status != status || body.Error.Code != code || e.Message == "") {
		t.Errorf("%d %q, want %d %s: %s", e.Code, e.Message, code, status, e.Body)
	}
	var reasons []string
	for _, item := range e.Errors {
		reasons = append(reasons, item.Reason)
	}
	for _, d := range e.Details {
		if info, ok := d.(map[string]any); ok && info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo" {
			if text, ok := info["reason"].(string); ok && info["domain"] == "googleapis.com" {
				reasons = append(reasons, text)
			}
		}
	}
	if reason != "" && !strings.Contains(" "+strings.Join(reasons, " ")+" ", " "+reason+" ") {
		t.Errorf("reasons %v, want %s", reasons, reason)
	}
	return e
}

// A key that was revoked, and a clock that is wrong, are refused at the token endpoint, in the form of RFC 6749.
func TestSignIn(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Config{})
	b.control("DELETE", "/service-accounts/"+url.PathEscape(b.email), nil)
	_, err := b.drive.Files.List().Do()
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || e.Response.StatusCode != 400 || string(bytes.TrimSpace(e.Body)) != `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}` {
		t.Errorf("%v", err)
	}
}
