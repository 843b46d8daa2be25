// Package api has a method for every operation of the server and a type for every schema, as openapi.json has them. Package
// client makes an API that acts for a session, with a key, or for nobody:
//
//	runs, err := session.API().ListRuns(ctx, api.ListRunsQuery{Limit: 10})
//
// Errors are *client.Error.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"
)

// Send performs a request: body (nil: none) goes out as JSON, and the answer is decoded into out.
type Send func(ctx context.Context, method, path string, body, out any) error

// API has the operations of a server. It is safe for concurrent use.
type API struct{ send Send }

// New makes an API of what performs its requests.
func New(send Send) *API { return &API{send} }

// Null is a member of a request that may be null besides being absent: a nil *Null leaves it out, Null{} sends null.
type Null[T any] struct{ Value *T }

// Some is a value for such a member.
func Some[T any](v T) *Null[T] { return &Null[T]{&v} }

// MarshalJSON is for encoding/json.
func (n Null[T]) MarshalJSON() ([]byte, error) { return json.Marshal(n.Value) }

// UnmarshalJSON is for encoding/json.
func (n *Null[T]) UnmarshalJSON(text []byte) error {
	if bytes.Equal(text, []byte("null")) {
		n.Value = nil
		return nil
	}
	return json.Unmarshal(text, &n.Value)
}

type keyOfWrite struct{}

// WithIdempotencyKey lets the write that is sent with the context be repeated without a second effect.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyOfWrite{}, key)
}

// IdempotencyKey is what WithIdempotencyKey gave, or "".
func IdempotencyKey(ctx context.Context) string {
	key, _ := ctx.Value(keyOfWrite{}).(string)
	return key
}

// query collects parameters that are set.
type query url.Values

func (q query) add(name string, v any) {
	text := ""
	switch v := v.(type) {
	case string:
		text = v
	case bool:
		if v {
			text = "true"
		}
	case int64:
		if v != 0 {
			text = strconv.FormatInt(v, 10)
		}
	case time.Time:
		if !v.IsZero() {
			text = v.UTC().Format(time.RFC3339)
		}
	}
	if text != "" {
		url.Values(q).Set(name, text)
	}
}

func (q query) to(path string) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + url.Values(q).Encode()
}
