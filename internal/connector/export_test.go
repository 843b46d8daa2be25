package connector

import (
	"context"
	"encoding/json"
	"time"
)

// Number gives the tests of this directory what no other package needs.
func Number(text string) json.Number { return number(text) }

// MetaRow decodes one row of Meta's insights.
func MetaRow(raw []byte) (Row, error) {
	var i metaInsight
	err := json.Unmarshal(raw, &i)
	return i.row(), err
}

// ShopTable decodes the table of a ShopifyQL report.
func ShopTable(raw []byte) (map[string]map[string]json.Number, error) {
	var table shopTable
	if err := json.Unmarshal(raw, &table); err != nil {
		return nil, err
	}
	return table.days()
}

// CallHTTPJSON calls an address as the source does, past what is said of addresses at once.
func CallHTTPJSON(ctx context.Context, cfg Config, url string) error {
	_, err := newHTTPJSON(cfg).client.do(ctx, request{provider: "it", method: "GET", url: url})
	return err
}

// SetGA4PageSize makes paging testable with few days.
func (s *Set) SetGA4PageSize(n int) { s.services[GA4].(*ga4).pageSize = n }

// TokenCache is the cache alone, with values in place of Google.
type TokenCache struct{ c *tokenCache }

func NewTokenCache(now func() time.Time) TokenCache { return TokenCache{newTokenCache(now)} }

func (t TokenCache) Get(ctx context.Context, secret string, fetch func(context.Context) (string, time.Time, error)) (string, error) {
	got, err := t.c.get(ctx, newTokenKey([]byte(secret), ""), func(ctx context.Context) (token, error) {
		value, expires, err := fetch(ctx)
		return token{value: value, expires: expires}, err
	})
	return got.value, err
}

func (t TokenCache) Len() int { return t.c.recent.Len() }

const MaxTokens = maxTokens
