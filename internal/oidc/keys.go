package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	keysFresh   = time.Hour          // how long a key set is used without being read again
	keysAhead   = keysFresh * 9 / 10 // from here on it is read again in the background, while it is used
	keysStale   = 24 * time.Hour     // how long it is used while the issuer does not answer
	keysPause   = 30 * time.Second   // between two readings, whoever wants them
	keysTimeout = 10 * time.Second   // of one reading, the discovery document included
	maxDocument = 1 << 20
)

// keys are the public keys of one issuer: one fixed key, or a key set that is read, kept and read again.
type keys struct {
	fixed *key

	client    *http.Client
	issuer    string
	jwks      string // address; empty: from the discovery document
	allowHTTP bool
	log       *slog.Logger
	now       func() time.Time

	mu      sync.Mutex
	set     keySet
	read    time.Time     // when set was; zero: never
	tried   time.Time     // when the last reading began
	failed  bool          // the last reading did
	reading chan struct{} // closed when the reading under way ends; nil: none is
}

// find is the key for a kid and an algorithm. A set that is out of date is read again first, and so is one that does not
// have the kid; without wait nothing is read.
func (k *keys) find(ctx context.Context, kid string, alg jose.SignatureAlgorithm, wait bool) (*key, error) {
	if k.fixed != nil {
		return k.fixed, nil
	}
	k.mu.Lock()
	found, age := k.usable(kid, alg), k.now().Sub(k.read)
	switch {
	case found != nil && (age < keysFresh || k.failed):
		if age >= keysAhead {
			k.begin()
		}
		k.mu.Unlock()
		return found, nil
	case !wait:
		k.mu.Unlock()
		return nil, ErrUnavailable
	}
	reading := k.begin()
	k.mu.Unlock()
	if reading != nil {
		select {
		case <-reading:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if found := k.usable(kid, alg); found != nil {
		return found, nil
	}
	if k.failed || k.read.IsZero() {
		return nil, ErrUnavailable // it may be a key that is new
	}
	return nil, refused("its kid is not one of the issuer's keys")
}

// usable is the key in a set that is not too old to be used at all.
func (k *keys) usable(kid string, alg jose.SignatureAlgorithm) *key {
	if k.read.IsZero() || k.now().Sub(k.read) >= keysStale {
		return nil
	}
	return k.set.find(kid, alg)
}

// refreshIfDue begins a reading when it is time for one, and reports whether the last one went well.
func (k *keys) refreshIfDue() (well bool) {
	if k.fixed != nil {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed || k.read.IsZero() || k.now().Sub(k.read) >= keysAhead {
		k.begin()
	}
	return !k.failed
}

// begin joins the reading under way or begins one, unless the last one began a moment ago. It belongs to all who wait, so it
// does not end with the request that began it. The lock is held.
func (k *keys) begin() <-chan struct{} {
	if k.reading != nil {
		return k.reading
	}
	now := k.now()
	if !k.tried.IsZero() && now.Sub(k.tried) < keysPause {
		return nil
	}
	k.tried = now
	done := make(chan struct{})
	k.reading = done
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), keysTimeout)
		defer cancel()
		set, err := k.fetch(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.reading = nil
		if err != nil {
			k.failed = true
			k.log.Warn("keys of an issuer could not be read; going on with the last known for at most a day", "issuer", k.issuer, "error", err)
			return
		}
		for _, why := range set.left {
			k.log.Warn("a key of an issuer is not used", "issuer", k.issuer, "why", why)
		}
		if k.failed {
			k.log.Info("keys of an issuer are read again", "issuer", k.issuer)
		}
		set.keep(k.set)
		k.set, k.read, k.failed = set, now, false
	}()
	return done
}

// fetch reads the key set, and before it where it is.
func (k *keys) fetch(ctx context.Context) (keySet, error) {
	address := k.jwks
	if address == "" {
		var err error
		if address, err = k.discover(ctx); err != nil {
			return keySet{}, err
		}
	}
	body, err := k.get(ctx, address)
	if err != nil {
		return keySet{}, fmt.Errorf("key set: %w", err)
	}
	return parseKeySet(body)
}

// discover asks the discovery document (OpenID Connect Discovery 1.0 §4), which must be the issuer's own.
func (k *keys) discover(ctx context.Context) (string, error) {
	body, err := k.get(ctx, strings.TrimSuffix(k.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", fmt.Errorf("discovery document: %w", err)
	}
	var doc struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return "", errors.New("discovery document: not JSON")
	}
	if doc.Issuer != k.issuer {
		return "", errors.New("discovery document: it is another issuer's")
	}
	return doc.JWKS, nil
}

func (k *keys) get(ctx context.Context, address string) ([]byte, error) {
	if err := checkURL(address, k.allowHTTP); err != nil {
		return nil, err
	}
	return get(ctx, k.client, address, "")
}

// get reads a JSON document. The error names neither the secret nor the document.
func get(ctx context.Context, client *http.Client, address, secret string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("not an address")
	}
	req.Header.Set("Accept", "application/json")
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxDocument {
		return nil, errors.New("more than 1 MiB")
	}
	return body, nil
}

// checkURL accepts https, and http where that is allowed.
func checkURL(address string, allowHTTP bool) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("expected an address such as https://issuer.example.com/keys")
	case u.Scheme == "https", u.Scheme == "http" && allowHTTP:
		return nil
	}
	return errors.New("expected an address that begins with https://")
}
