package auth

import (
	"crypto/ecdsa"
	"crypto/sha256"
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
	signer  jose.Signer
}

// keyring is the server's keys as of one moment: the one that signs, all that verify, and how they are published. It
// knows when it ends, and what follows it then, without asking the database.
type keyring struct {
	signer jose.Signer // nil: no key can sign
	public map[string]*ecdsa.PublicKey
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
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: life.kid}},
		(&jose.SignerOptions{}).WithType("JWT"))
	return signingKey{keyLife: life, private: private, signer: signer}, err
}

// newKeyring is the ring of now. The signer is published first, the others follow, newest first.
func newKeyring(keys []signingKey, drain time.Duration, now, readAt time.Time) (*keyring, error) {
	r := &keyring{public: map[string]*ecdsa.PublicKey{}, keys: keys, drain: drain, readAt: readAt}
	lives := make(schedule, len(keys))
	for i, k := range keys {
		lives[i] = k.keyLife
	}
	signer := lives.signerAt(now)
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, i := range lives.order(signer) {
		k := keys[i]
		r.until = earliest(now, r.until, k.signsFrom, k.retiredAt, k.leaves(drain))
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
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jws.CompactSerialize()
}

// verificationKey is the published key of that name. A name that is unknown is told as a foreign one only while the ring
// cannot have missed a key: a server that is cut off answers neither yes nor no.
func (s *Service) verificationKey(kid string) (*ecdsa.PublicKey, error) {
	r := s.keyring()
	if key, ok := r.public[kid]; ok {
		return key, nil
	}
	if !r.readAt.IsZero() && time.Since(r.readAt) > publishDelay {
		return nil, errKeysOutdated
	}
	return nil, errForeignToken
}
