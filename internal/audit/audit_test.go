package audit_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"turkey/internal/audit"
	"turkey/internal/caller"
)

// secretKeys are the contract's (credential-api.md §10), written out here a second time on purpose.
var secretKeys = []string{"credentialJson", "credential", "credentials", "encrypted_data", "password", "token", "access_token",
	"refresh_token", "api_key", "secret", "client_secret", "private_key", "authorization"}

const canary = "hunter2-canary"

func decode(t *testing.T, body json.RawMessage) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return out
}

func TestSecretsAreRedactedAtAnyDepth(t *testing.T) {
	t.Parallel()
	type typed struct {
		Password string `json:"password"`
		Name     string `json:"name"`
	}
	for _, key := range secretKeys {
		for name, facts := range map[string]map[string]any{
			"top":                {key: canary},
			"object":             {"a": map[string]any{"b": map[string]any{key: canary}}},
			"list":               {"a": []any{[]any{map[string]any{key: canary}}}},
			"object as value":    {key: map[string]any{"inner": canary}},
			"list as value":      {key: []string{canary}},
			"number as value":    {key: 4711},
			"typed map":          {"a": map[string]string{key: canary}},
			"list of maps":       {"a": []map[string]any{{key: canary}}},
			"map of lists":       {"a": map[string][]map[string]string{"b": {{key: canary}}}},
			"raw JSON":           {"a": json.RawMessage(`{"` + key + `":"` + canary + `"}`)},
			"pointer":            {"a": &map[string]string{key: canary}},
			"struct":             {"a": typed{Password: canary}},
			"structs in a slice": {"a": []*typed{{Password: canary}}},
		} {
			body := string(audit.Meta(t.Context(), facts))
			if strings.Contains(body, canary) || strings.Contains(body, "4711") || !strings.Contains(body, "[REDACTED]") {
				t.Errorf("%s, %s: %s", key, name, body)
			}
		}
	}
}

func TestOtherFactsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	body := audit.Meta(t.Context(), map[string]any{
		"credentialId": int64(9007199254740993), "name": "Password of token", "Password": "exact keys only", "date": "2026-01-02",
		"recordCount": 3, "ids": []int64{9007199254740993}, "none": nil, "ok": true, "ratio": 0.1, "tags": map[string]string{"a": "b"},
	})
	want := `{"Password":"exact keys only","credentialId":9007199254740993,"date":"2026-01-02","ids":[9007199254740993],` +
		`"name":"Password of token","none":null,"ok":true,"ratio":0.1,"recordCount":3,"tags":{"a":"b"}}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
}

func TestMetaNamesTheRequest(t *testing.T) {
	t.Parallel()
	ctx := caller.WithRequest(t.Context(), caller.Request{ID: "req_1", IP: "192.0.2.1", UserAgent: "curl"})
	if got, want := decode(t, audit.Meta(ctx, nil)), map[string]any{"requestId": "req_1", "ip": "192.0.2.1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("of a request: %v", got)
	}
	for name, ctx := range map[string]context.Context{"job": t.Context(), "command": caller.WithRequest(t.Context(), caller.Request{})} {
		if got := string(audit.Meta(ctx, nil)); got != `{}` {
			t.Errorf("of a %s: %s", name, got)
		}
	}
}

func TestMetaIsAlwaysAnObject(t *testing.T) {
	t.Parallel()
	for name, fact := range map[string]any{"channel": make(chan int), "function": func() {}, "nested": []any{make(chan int)}} {
		body := audit.Meta(caller.WithRequest(t.Context(), caller.Request{ID: "req_1"}), map[string]any{"a": fact, "b": "c"})
		decode(t, body)
		if strings.Contains(string(body), "0x") {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestMetaDoesNotChangeTheFacts(t *testing.T) {
	t.Parallel()
	facts := map[string]any{"token": canary, "list": []any{map[string]any{"secret": canary}}}
	audit.Meta(caller.WithRequest(t.Context(), caller.Request{ID: "req_1"}), facts)
	if want := (map[string]any{"token": canary, "list": []any{map[string]any{"secret": canary}}}); !reflect.DeepEqual(facts, want) {
		t.Errorf("facts became %v", facts)
	}
}

func TestNoShapeOfFactsLetsASecretThrough(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			kind := rapid.IntRange(0, 6).Draw(t, "kind")
			if depth == 0 {
				kind %= 2
			}
			key := rapid.SampledFrom(secretKeys)
			switch kind {
			case 0:
				return map[string]any{key.Draw(t, "key"): canary}
			case 1:
				return map[string]string{key.Draw(t, "key"): canary, "name": "x"}
			case 2:
				return []any{value(depth-1).Draw(t, "element"), 1, nil}
			case 3:
				return map[string]any{"a": value(depth-1).Draw(t, "member")}
			case 4:
				return []map[string]any{{"a": value(depth-1).Draw(t, "member")}}
			case 5:
				return struct{ A any }{value(depth-1).Draw(t, "field")}
			}
			return map[string][]any{"a": {value(depth-1).Draw(t, "deep")}}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		body := audit.Meta(ctx, map[string]any{"fact": value(4).Draw(t, "fact")})
		if strings.Contains(string(body), canary) {
			t.Fatalf("%s", body)
		}
	})
}

func TestOriginIsNilWhereNothingIsKnown(t *testing.T) {
	t.Parallel()
	if ip, agent := audit.Origin(t.Context()); ip != nil || agent != nil {
		t.Errorf("of a job: %v, %v", ip, agent)
	}
	ip, agent := audit.Origin(caller.WithRequest(t.Context(), caller.Request{IP: "192.0.2.1", UserAgent: "curl"}))
	if ip == nil || *ip != "192.0.2.1" || agent == nil || *agent != "curl" {
		t.Errorf("of a request: %v, %v", ip, agent)
	}
}

// BenchmarkMeta is what a recorded act knows besides its columns.
func BenchmarkMeta(b *testing.B) {
	ctx := caller.WithRequest(b.Context(), caller.Request{ID: "0b0f0c0e-6b7a-4b52-9d5e-000000000001", IP: "192.0.2.1", UserAgent: "bench"})
	facts := map[string]any{"service": "google_sheets", "credentialId": 7, "name": "Bench"}
	b.ReportAllocs()
	for b.Loop() {
		if m := audit.Meta(ctx, facts); len(m) < 10 {
			b.Fatalf("%s", m)
		}
	}
}
