package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	lru "github.com/hashicorp/golang-lru/v2"
)

// What is wrong with a token. They are compared with errors.Is.
var (
	ErrTokenMalformed = errors.New("turkey: not an access token")
	ErrTokenSignature = errors.New("turkey: the token's signature is not of this server")
	ErrTokenExpired   = errors.New("turkey: the token has expired")
	ErrTokenForeign   = errors.New("turkey: the token is of another issuer or app")
	ErrTokenRevoked   = errors.New("turkey: the token was revoked")
	// ErrUnknown means that nobody can say now: keys or revocations could not be had. It is not the caller's fault: answer 503.
	ErrUnknown = errors.New("turkey: the token cannot be judged now")
)

// Claims are what an access token says.
type Claims struct {
	Issuer       string `json:"iss"`
	App          string `json:"aud"`
	UserID       string `json:"sub"`
	Email        string `json:"email"`
	Role         string `json:"role"`
	ID           string `json:"jti"`
	SessionID    string `json:"sid"`
	TokenVersion int32  `json:"tokenVersion"`
	IssuedAt     int64  `json:"iat"` // seconds since 1970
	NotBefore    int64  `json:"nbf"`
	ExpiresAt    int64  `json:"exp"`
}

// Verifier judges access tokens in a backend, without asking the server for each: by its public keys, and, with
// WithRevocations, by its feed of revocations. It is safe for concurrent use.
type Verifier struct {
	c        *Client
	issuer   string
	leeway   time.Duration
	cache    *lru.Cache[string, checked] // by the token itself
	heads    *lru.Cache[string, string]  // key ids by the headers of good tokens
	keys     atomic.Pointer[map[string]*ecdsa.PublicKey]
	fetching sync.Mutex
	fetched  atomic.Int64 // when the keys were last asked for, Unix nanoseconds
	feed     *feed        // nil: revocations are not followed
	now      func() time.Time
}

type checked struct {
	kid    string
	claims *Claims
}

// VerifierOption changes a Verifier.
type VerifierOption func(*Verifier)

// WithIssuer sets the issuer that tokens must name, where it is not the client's base URL.
func WithIssuer(issuer string) VerifierOption { return func(v *Verifier) { v.issuer = issuer } }

// WithLeeway forgives a clock that differs from the server's; the default is 5 seconds.
func WithLeeway(d time.Duration) VerifierOption { return func(v *Verifier) { v.leeway = d } }

// WithRevocations makes Follow keep the server's revocations in memory, with the key of a backend service (it may be empty
// where the server asks for none). Tokens are refused with ErrUnknown once the last sign of life is older than maxAge (0 is
// 5 seconds): better no answer than a stale yes.
func WithRevocations(serviceKey string, maxAge time.Duration) VerifierOption {
	return func(v *Verifier) {
		if maxAge <= 0 {
			maxAge = 5 * time.Second
		}
		v.feed = newFeed(serviceKey, maxAge)
	}
}

// Bounds of what a Verifier remembers and how often it asks.
const (
	verifiedTokens = 4096
	knownHeads     = 16
	keysMaxAge     = 5 * time.Minute
	keysMinGap     = 5 * time.Second // between two questions for a key that nobody knows
)

// NewVerifier makes a verifier of the tokens of the client's app (of every app, where the client names none).
func (c *Client) NewVerifier(options ...VerifierOption) *Verifier {
	cache, err := lru.New[string, checked](verifiedTokens)
	if err != nil {
		panic(err) // a size below one, and it is above
	}
	heads, err := lru.New[string, string](knownHeads)
	if err != nil {
		panic(err) // as above
	}
	v := &Verifier{c: c, issuer: c.base, leeway: 5 * time.Second, cache: cache, heads: heads, now: time.Now}
	for _, o := range options {
		o(v)
	}
	return v
}

// Verify tells whether an access token is good now, and what it says. The error is one of those above.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	one, ok := v.cache.Get(token)
	if !ok || !v.knows(one.kid) {
		var err error
		if one, err = v.authentic(ctx, token); err != nil {
			return nil, err
		}
		v.cache.Add(token, one)
	}
	c, now := one.claims, v.now()
	switch {
	case now.After(time.Unix(c.ExpiresAt, 0).Add(v.leeway)):
		v.cache.Remove(token)
		return nil, ErrTokenExpired
	case now.Add(v.leeway).Before(time.Unix(c.NotBefore, 0)):
		return nil, ErrTokenForeign
	}
	if v.feed != nil {
		if err := v.feed.judge(c, now); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// authentic checks what does not change with time. It costs little more than the signature: the header, which is the same in
// every token of a key, is read once.
func (v *Verifier) authentic(ctx context.Context, token string) (checked, error) {
	var none checked
	signed := strings.LastIndexByte(token, '.')
	if len(token) > 8192 || signed < 0 {
		return none, ErrTokenMalformed
	}
	head, body, ok := strings.Cut(token[:signed], ".")
	signature, err := exactly.DecodeString(token[signed+1:])
	if !ok || err != nil || len(signature) != 2*coordinate || len(token)-signed-1 != exactly.EncodedLen(len(signature)) { // line breaks would pass
		return none, ErrTokenMalformed
	}
	kid, err := v.keyID(head)
	if err != nil {
		return none, err
	}
	key, err := v.key(ctx, kid)
	if err != nil {
		return none, err
	}
	hash := sha256.Sum256([]byte(token[:signed]))
	r, s := new(big.Int).SetBytes(signature[:coordinate]), new(big.Int).SetBytes(signature[coordinate:])
	if !ecdsa.Verify(key, hash[:], r, s) {
		return none, ErrTokenSignature
	}
	v.heads.Add(head, kid)
	payload, err := exactly.DecodeString(body)
	c := &Claims{}
	if err != nil || json.Unmarshal(payload, c) != nil || c.UserID == "" || c.ID == "" || c.ExpiresAt == 0 {
		return none, ErrTokenMalformed
	}
	if c.Issuer != v.issuer || v.c.app != "" && c.App != v.c.app {
		return none, ErrTokenForeign
	}
	return checked{kid, c}, nil
}

// exactly takes base64url in its one spelling (RFC 7515, 2).
var exactly = base64.RawURLEncoding.Strict()

// coordinate is the size of r and of s in a signature of ES256, in bytes (RFC 7518, 3.4).
const coordinate = 32

// keyID reads a header: of ES256 alone, and without extensions that a verifier would have to understand.
func (v *Verifier) keyID(head string) (string, error) {
	if kid, ok := v.heads.Get(head); ok {
		return kid, nil
	}
	text, err := exactly.DecodeString(head)
	var h struct {
		Algorithm string          `json:"alg"`
		KeyID     string          `json:"kid"`
		Critical  json.RawMessage `json:"crit"`
	}
	if err != nil || json.Unmarshal(text, &h) != nil || h.Algorithm != string(jose.ES256) || h.Critical != nil {
		return "", ErrTokenMalformed
	}
	return h.KeyID, nil
}

func (v *Verifier) knows(kid string) bool {
	keys := v.keys.Load()
	return keys != nil && (*keys)[kid] != nil
}

// key finds a key, and asks the server for those it has made since. Strangers' key ids do not become a flood of questions.
func (v *Verifier) key(ctx context.Context, kid string) (*ecdsa.PublicKey, error) {
	if keys := v.keys.Load(); keys != nil && (*keys)[kid] != nil && v.age() < keysMaxAge {
		return (*keys)[kid], nil
	}
	v.fetching.Lock()
	defer v.fetching.Unlock()
	had := v.keys.Load()
	if had != nil && ((*had)[kid] != nil && v.age() < keysMaxAge || (*had)[kid] == nil && v.age() < keysMinGap) {
		if key := (*had)[kid]; key != nil { // somebody asked while we waited
			return key, nil
		}
		return nil, ErrTokenSignature
	}
	if err := v.fetchKeys(ctx); err != nil {
		if had != nil && (*had)[kid] != nil { // known keys hold through an outage
			return (*had)[kid], nil
		}
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if key := (*v.keys.Load())[kid]; key != nil {
		return key, nil
	}
	return nil, ErrTokenSignature
}

func (v *Verifier) age() time.Duration { return v.now().Sub(time.Unix(0, v.fetched.Load())) }

func (v *Verifier) fetchKeys(ctx context.Context) error {
	var set jose.JSONWebKeySet
	if err := v.c.Do(ctx, http.MethodGet, "/.well-known/jwks.json", "", nil, &set); err != nil {
		return err
	}
	keys := make(map[string]*ecdsa.PublicKey, len(set.Keys))
	for _, k := range set.Keys {
		if key, ok := k.Key.(*ecdsa.PublicKey); ok && k.Algorithm == string(jose.ES256) && key.Curve == elliptic.P256() {
			keys[k.KeyID] = key
		}
	}
	v.keys.Store(&keys)
	v.fetched.Store(v.now().UnixNano())
	return nil
}

type claimsKey struct{}

// ClaimsFrom finds what Handler put into a request's context; nil where there is none.
func ClaimsFrom(ctx context.Context) *Claims {
	c, _ := ctx.Value(claimsKey{}).(*Claims)
	return c
}

// Handler lets requests with a good Bearer token through to next, which finds its claims with ClaimsFrom. Others get 401, and
// 503 where the token cannot be judged, as {"error": code, "message": text}.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			refuse(w, http.StatusUnauthorized, "missing_token", "Authorization header with Bearer token is required")
			return
		}
		c, err := v.Verify(r.Context(), token)
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, c)))
		case errors.Is(err, ErrUnknown):
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "service_unavailable", "The token cannot be judged now")
		case errors.Is(err, ErrTokenExpired):
			refuse(w, http.StatusUnauthorized, "token_expired", "Token has expired")
		case errors.Is(err, ErrTokenRevoked):
			refuse(w, http.StatusUnauthorized, "token_revoked", "Token has been revoked")
		default:
			refuse(w, http.StatusUnauthorized, "invalid_token", "Token validation failed")
		}
	})
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "message": message}) // a reader that is gone hears nothing
}
