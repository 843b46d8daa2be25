package connector

import (
	"container/list"
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	maxTokens = 8192 // access tokens kept, about 1 KB each; the least recently used goes first
	// tokenMargin is how long before its expiry a token is no longer used, so none dies in the middle of a run.
	tokenMargin = 5 * time.Minute
)

// token is an access token. refresh is the refresh token that came with it, "" if none did; grantEnds is when the grant behind
// it ends, zero if the provider states no end.
type token struct {
	value     string
	refresh   string
	expires   time.Time
	grantEnds time.Time
}

// tokenKey is the SHA-256 of secret and scope: a changed secret never finds the old token, and the map holds no secret.
type tokenKey [sha256.Size]byte

func newTokenKey(secret []byte, scope string) tokenKey {
	h := sha256.New()
	inner := sha256.Sum256(secret) // fixed length, so secret and scope cannot run into each other
	h.Write(inner[:])
	h.Write([]byte(scope))
	return tokenKey(h.Sum(nil))
}

// tokenCache keeps access tokens in memory and lets only one caller at a time obtain one for the same key.
type tokenCache struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[tokenKey]*list.Element // of tokenEntry
	recent  *list.List                 // most recently used first
	flights map[tokenKey]*tokenFlight
}

type tokenEntry struct {
	key   tokenKey
	token token
}

type tokenFlight struct {
	done  chan struct{} // closed when token and err are set
	token token
	err   error
}

func newTokenCache(now func() time.Time) *tokenCache {
	return &tokenCache{
		now:     now,
		entries: map[tokenKey]*list.Element{},
		recent:  list.New(),
		flights: map[tokenKey]*tokenFlight{},
	}
}

// get returns the kept token or obtains one.
func (c *tokenCache) get(ctx context.Context, key tokenKey, fetch func(context.Context) (token, error)) (token, error) {
	c.mu.Lock()
	if element, ok := c.entries[key]; ok {
		entry := element.Value.(tokenEntry) // the list holds nothing else
		if c.now().Before(entry.token.expires.Add(-tokenMargin)) {
			c.recent.MoveToFront(element)
			c.mu.Unlock()
			return entry.token, nil
		}
		c.remove(element)
	}
	return c.join(ctx, key, fetch)
}

// renew obtains a new token whatever is kept.
func (c *tokenCache) renew(ctx context.Context, key tokenKey, fetch func(context.Context) (token, error)) (token, error) {
	c.mu.Lock()
	return c.join(ctx, key, fetch)
}

// drop forgets a token that the provider refused, unless it has been replaced already.
func (c *tokenCache) drop(key tokenKey, refused token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[key]; ok && element.Value.(tokenEntry).token.value == refused.value {
		c.remove(element)
	}
}

// join starts a fetch or waits for the one under way. It is called with the lock held and releases it. The fetch outlives
// the caller that started it (its own timeout ends it), so one cancelled run does not fail the others.
func (c *tokenCache) join(ctx context.Context, key tokenKey, fetch func(context.Context) (token, error)) (token, error) {
	flight, ok := c.flights[key]
	if !ok {
		flight = &tokenFlight{done: make(chan struct{})}
		c.flights[key] = flight
		go c.fly(context.WithoutCancel(ctx), key, flight, fetch)
	}
	c.mu.Unlock()
	select {
	case <-flight.done:
		return flight.token, flight.err
	case <-ctx.Done():
		return token{}, fail(Unavailable, "The sign-in was ended before the provider answered").because(ctx.Err())
	}
}

func (c *tokenCache) fly(ctx context.Context, key tokenKey, flight *tokenFlight, fetch func(context.Context) (token, error)) {
	flight.token, flight.err = fetch(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, key)
	if flight.err == nil {
		c.put(key, flight.token)
	}
	close(flight.done)
}

func (c *tokenCache) put(key tokenKey, t token) {
	if element, ok := c.entries[key]; ok {
		c.remove(element)
	}
	c.entries[key] = c.recent.PushFront(tokenEntry{key: key, token: t})
	if c.recent.Len() > maxTokens {
		c.remove(c.recent.Back())
	}
}

func (c *tokenCache) remove(element *list.Element) {
	entry := c.recent.Remove(element).(tokenEntry)
	delete(c.entries, entry.key)
}
