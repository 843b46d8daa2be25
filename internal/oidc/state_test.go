package oidc

import (
	"context"
	"slices"
	"testing"
)

// TestStates waits for the keys of every issuer, and for none that does not answer longer than it may.
func TestStates(t *testing.T) {
	t.Parallel()
	good, bad := newProvider(t, jwk(rsaKeys()[0].Public(), "k")), newProvider(t, jwk(rsaKeys()[0].Public(), "k"))
	bad.down.Store(true)
	b := setup(t, func(c *Config) {
		c.Clerk = ClerkConfig{Key: pemOf(t, rsaKeys()[0].Public())}
		c.Issuers = []Issuer{{Issuer: good.url, JWKS: good.url + "/keys", Audience: "a", App: "a"}, {Issuer: bad.url, JWKS: bad.url + "/keys", Audience: "a", App: "a"}}
	})
	expect := func(when string, ctx context.Context, want map[string]string) {
		t.Helper()
		states := b.States(ctx)
		got := map[string]string{}
		for _, s := range states {
			got[s.Issuer] = s.Keys
		}
		if len(states) != len(want) || !slices.IsSortedFunc(states, func(a, b State) int { return map[bool]int{true: -1, false: 1}[a.Issuer < b.Issuer] }) {
			t.Errorf("%s: %v", when, states)
		}
		for name, keys := range want {
			if got[name] != keys {
				t.Errorf("%s: %s is %q, want %q", when, name, got[name], keys)
			}
		}
	}
	expect("at once", t.Context(), map[string]string{"clerk": "ok", good.url: "ok", bad.url: "unread"})
	good.down.Store(true)
	bad.down.Store(false)
	b.pass(keysFresh)
	expect("an hour later", t.Context(), map[string]string{"clerk": "ok", good.url: "stale", bad.url: "ok"})
	b.pass(keysStale)
	expect("a day later", t.Context(), map[string]string{"clerk": "ok", good.url: "unread", bad.url: "ok"})

	slow := newProvider(t, jwk(rsaKeys()[0].Public(), "k"))
	slow.slow = make(chan struct{})
	defer close(slow.slow)
	b = setup(t, func(c *Config) {
		c.Issuers = []Issuer{{Issuer: slow.url, JWKS: slow.url + "/keys", Audience: "a", App: "a"}}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	expect("without patience", ctx, map[string]string{slow.url: "unread"})

	b = setup(t, func(c *Config) { c.Clerk.Key = "pk_test_YOUR_KEY_HERE" })
	expect("an unusable key", t.Context(), map[string]string{"clerk": "off"})
	b = setup(t, func(*Config) {})
	expect("nobody", t.Context(), nil)
	var none *Issuers
	if none.States(t.Context()) != nil {
		t.Error("a nil one has states")
	}
}
