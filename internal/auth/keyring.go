package auth

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"turkey/internal/fault"
)

// signingKey is an open key of the server.
type signingKey struct {
	keyLife
	private *ecdsa.PrivateKey
	signer  *signer
}

// keyring is the server's keys as of one moment: the one that signs, all that verify, and how they are published. It
// knows when it ends, and what follows it then, without asking the database.
type keyring struct {
	signer *signer // nil: no key can sign
	public map[string]*ecdsa.PublicKey
	void   map[string]bool // revoked ones whose tokens may come yet
	jwks   document

	keys   []signingKey
	drain  time.Duration // how long a retired key stays
	until  time.Time     // when the next ring follows; zero: never
	readAt time.Time     // when the keys were read; a cache's clock, not the tokens'
}

// document is a public one, with the tag of its content.
type document struct {
	body []byte
	etag string
}

func newDocument(v any) (document, error) {
	body, err := json.Marshal(v)
	sum := sha256.Sum256(body)
	return document{body: body, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}, err
}

func newSigningKey(life keyLife, private *ecdsa.PrivateKey) (signingKey, error) {
	header, err := json.Marshal(map[string]string{"alg": string(jose.ES256), "kid": life.kid, "typ": "JWT"})
	return signingKey{keyLife: life, private: private, signer: &signer{header: base64.RawURLEncoding.EncodeToString(header) + ".", key: private}}, err
}

// signer makes compact JWS (RFC 7515 §7.1) by ES256 (RFC 7518 §3.4) under one key. It does by hand what go-jose's signer
// does, without encoding the header anew for each token: half of what signing costs besides the signature itself.
type signer struct {
	header string // encoded, with the dot
	key    *ecdsa.PrivateKey
}

func (s *signer) sign(payload []byte) (string, error) {
	token := make([]byte, 0, len(s.header)+base64.RawURLEncoding.EncodedLen(len(payload))+1+base64.RawURLEncoding.EncodedLen(es256Size))
	token = append(token, s.header...)
	token = base64.RawURLEncoding.AppendEncode(token, payload)
	digest := sha256.Sum256(token)
	r, t, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	var signature [es256Size]byte
	r.FillBytes(signature[:es256Size/2])
	t.FillBytes(signature[es256Size/2:])
	return string(base64.RawURLEncoding.AppendEncode(append(token, '.'), signature[:])), nil
}

const es256Size = 64 // r and s of P-256

// newKeyring is the ring of now. The signer is published first, the others follow, newest first.
func newKeyring(keys []signingKey, drain time.Duration, now, readAt time.Time) (*keyring, error) {
	r := &keyring{public: map[string]*ecdsa.PublicKey{}, void: map[string]bool{}, keys: keys, drain: drain, readAt: readAt}
	lives := make(schedule, len(keys))
	for i, k := range keys {
		lives[i] = k.keyLife
	}
	signer := lives.signerAt(now)
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, i := range lives.order(signer) {
		k := keys[i]
		r.until = earliest(now, r.until, k.signsFrom, k.retiredAt, k.leaves(drain))
		r.void[k.kid] = k.revoked()
		if !k.publishedAt(now, drain) {
			continue
		}
		r.public[k.kid] = &k.private.PublicKey
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &k.private.PublicKey, KeyID: k.kid, Algorithm: string(jose.ES256), Use: "sig"})
	}
	if signer >= 0 {
		r.signer = keys[signer].signer
	}
	var err error
	r.jwks, err = newDocument(set)
	return r, err
}

// earliest is the first of the times that lies after now; zero if none does.
func earliest(now time.Time, times ...time.Time) (first time.Time) {
	for _, t := range times {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// keyring is the ring of this moment.
func (s *Service) keyring() *keyring {
	r := s.keys.ring.Load()
	if r.until.IsZero() {
		return r
	}
	now := s.cfg.Now()
	if now.Before(r.until) {
		return r
	}
	next, err := newKeyring(r.keys, r.drain, now, r.readAt)
	if err != nil { // these keys have been encoded before
		return r
	}
	s.keys.ring.CompareAndSwap(r, next) // a ring that was read meanwhile is newer
	return next
}

var (
	errCannotSign   = fault.New(fault.Unavailable, "", "No signing key is available. Please try again shortly.").WithRetryAfter(5 * time.Second)
	errKeysOutdated = fault.New(fault.Unavailable, "", "The token cannot be checked right now. Please try again shortly.").WithRetryAfter(5 * time.Second)
)

// sign makes a compact JWS under the key whose turn it is.
func (s *Service) sign(payload []byte) (string, error) {
	signer := s.keyring().signer
	if signer == nil {
		return "", errCannotSign
	}
	return signer.sign(payload)
}

// strangerPause is how often, at most, keys are read again for a name that the ring does not know.
const strangerPause = 250 * time.Millisecond

// verificationKey is the published key of that name. A name that is unknown is told as a foreign one only while the ring
// cannot have missed a key: a server that is cut off answers neither yes nor no.
func (s *Service) verificationKey(kid string) (*ecdsa.PublicKey, error) {
	r := s.keyring()
	if age := time.Since(r.readAt); !r.readAt.IsZero() && age > strangerPause {
		_, known := r.public[kid]
		switch {
		case !known && !r.void[kid]: // the successor of a revoked key signs before others have heard of it
			s.catchUp(strangerPause, true)
		case known && age > feedBound && (s.keys.missed.Load() || s.revoked.age(time.Now()) > feedBound): // it may have been revoked
			s.catchUp(feedBound, false)
		}
		r = s.keyring()
	}
	if key, ok := r.public[kid]; ok {
		return key, nil
	}
	switch {
	case r.void[kid]:
		return nil, errTokenRevoked
	case !r.readAt.IsZero() && time.Since(r.readAt) > publishDelay:
		return nil, errKeysOutdated
	}
	return nil, errForeignToken
}
