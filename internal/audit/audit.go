// Package audit says what is recorded about an act: who asked, from where, under which request id. The rows themselves
// (tables `audit` and `audit_logs`) are written by the statement that does the act, so none is lost and none is for
// something that did not happen. No secret is ever recorded; Meta redacts the names under which one might come.
package audit

import (
	"bytes"
	"context"
	"encoding/json"

	"turkey/internal/caller"
)

// redactedKeys are the exact metadata keys whose values are never recorded, at any depth (credential contract §10).
var redactedKeys = map[string]bool{
	"credentialJson": true, "credential": true, "credentials": true, "encrypted_data": true, "password": true,
	"token": true, "access_token": true, "refresh_token": true, "api_key": true, "secret": true, "client_secret": true,
	"private_key": true, "authorization": true,
}

// Meta is the metadata object of a row: the request's id and address, and the facts of the act.
func Meta(ctx context.Context, facts map[string]any) json.RawMessage {
	m := make(map[string]any, len(facts)+2)
	if r := caller.RequestFrom(ctx); r.ID != "" {
		m["requestId"], m["ip"] = r.ID, r.IP
	}
	for k, v := range facts {
		m[k] = v
	}
	b, err := json.Marshal(redact(m))
	if err != nil { // facts are plain values; a row without them beats an act without a row
		return json.RawMessage(`{}`)
	}
	return b
}

// Origin is where a request came from, as the columns of `audit` take it; nil where nothing is known.
func Origin(ctx context.Context) (ip, userAgent *string) {
	r := caller.RequestFrom(ctx)
	return text(r.IP), text(r.UserAgent)
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func redact(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if redactedKeys[k] {
				out[k] = "[REDACTED]"
				continue
			}
			out[k] = redact(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = redact(e)
		}
		return out
	case nil, string, bool, int, int32, int64, float64, json.Number:
		return v
	}
	return redact(plain(v))
}

// plain is the JSON form of a typed value, as maps, slices and scalars that redact can look into.
func plain(v any) (out any) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // a float would round ids
	if d.Decode(&out) != nil {
		return nil
	}
	return out
}

// Use is for what a credential is opened. Its host comes from the credential itself.
type Use struct {
	Purpose string // verify, sync, proxy, …
	Job     string // the run that needs it; "" outside runs
}
