package oidc

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeys    = 100
	minRSABits = 2048
	maxRSABits = 8192 // a larger one costs too much per signature
)

// key is a public key with the one algorithm it is for.
type key struct {
	public crypto.PublicKey
	alg    jose.SignatureAlgorithm
	kid    string
	print  []byte // thumbprint (RFC 7638)
}

// newKey takes keys that are strong enough: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA.
func newKey(public crypto.PublicKey, kid string) (*key, error) {
	k := &key{public: public, kid: kid}
	switch p := public.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("RSA keys need %d to %d bits", minRSABits, maxRSABits)
		}
		k.alg = jose.RS256
	case *ecdsa.PublicKey:
		if p.Curve != elliptic.P256() {
			return nil, errors.New("of elliptic curves only P-256 is used")
		}
		k.alg = jose.ES256
	case ed25519.PublicKey:
		k.alg = jose.EdDSA
	default:
		return nil, errors.New("only public keys are used, of RSA, P-256 and Ed25519")
	}
	var err error
	k.print, err = (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	return k, err
}

// keySet are the usable keys of a key set (RFC 7517), and why others are left out.
type keySet struct {
	keys []*key
	left []string
}

// parseKeySet reads a key set. Keys that cannot be used are left out, and so is every key whose kid another one has: a
// token must mean one key.
func parseKeySet(body []byte) (keySet, error) {
	var doc struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &doc); err != nil || doc.Keys == nil {
		return keySet{}, errors.New("not a key set")
	}
	if len(*doc.Keys) > maxKeys {
		return keySet{}, fmt.Errorf("more than %d keys", maxKeys)
	}
	var set keySet
	byKid := map[string][]*key{}
	for _, raw := range *doc.Keys {
		k, err := parseKey(raw)
		if err != nil {
			set.left = append(set.left, err.Error())
		}
		if k != nil && !sameAsAny(k, byKid[k.kid]) {
			byKid[k.kid] = append(byKid[k.kid], k)
		}
	}
	for kid, ks := range byKid {
		if len(ks) > 1 && kid != "" {
			set.left = append(set.left, "several keys have one kid")
			continue
		}
		set.keys = append(set.keys, ks...)
	}
	return set, nil
}

func sameAsAny(k *key, ks []*key) bool {
	for _, other := range ks {
		if bytes.Equal(k.print, other.print) {
			return true
		}
	}
	return false
}

// parseKey reads one key; nil without an error is a key for something else. Certificates (x5c and the like) play no part.
func parseKey(raw json.RawMessage) (*key, error) {
	var fields map[string]json.RawMessage
	var jwk jose.JSONWebKey
	err := json.Unmarshal(raw, &fields)
	if err == nil {
		maps.DeleteFunc(fields, func(name string, _ json.RawMessage) bool { return strings.HasPrefix(name, "x5") })
		raw, err = json.Marshal(fields)
	}
	if err == nil {
		err = jwk.UnmarshalJSON(raw)
	}
	if err != nil {
		return nil, errors.New("it is of an unknown kind or broken")
	}
	if jwk.Use != "" && jwk.Use != "sig" {
		return nil, nil
	}
	k, err := newKey(jwk.Key, jwk.KeyID)
	if err != nil {
		return nil, err
	}
	if jwk.Algorithm != "" && jwk.Algorithm != string(k.alg) {
		return nil, nil
	}
	return k, nil
}

// find is the key that a kid names, if it is for the algorithm. Without a kid it is the only key for the algorithm.
func (s keySet) find(kid string, alg jose.SignatureAlgorithm) (found *key) {
	for _, k := range s.keys {
		switch {
		case k.alg != alg || kid != "" && k.kid != kid:
		case found != nil:
			return nil
		default:
			found = k
		}
	}
	return found
}

// keep takes over the keys that are as they were, so that signatures checked with them need not be checked again.
func (s keySet) keep(old keySet) {
	for i, k := range s.keys {
		for _, o := range old.keys {
			if o.kid == k.kid && bytes.Equal(o.print, k.print) {
				s.keys[i] = o
			}
		}
	}
}
