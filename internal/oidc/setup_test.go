package oidc

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

type object = map[string]any

const own = "https://turkey.example.com"

// Keys of tests are made once: RSA takes its time.
var (
	rsaKeys = sync.OnceValue(func() (ks [3]*rsa.PrivateKey) {
		for i := range ks {
			ks[i], _ = rsa.GenerateKey(rand.Reader, 2048)
		}
		return ks
	})
	weakKey = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 1024); return k })
	ecKey   = sync.OnceValue(func() *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k })
	edKey   = sync.OnceValue(func() ed25519.PrivateKey { _, k, _ := ed25519.GenerateKey(rand.Reader); return k })
)

func jwk(public any, kid string) jose.JSONWebKey { return jose.JSONWebKey{Key: public, KeyID: kid} }

// provider is an issuer with its key set and discovery document.
type provider struct {
	t    testing.TB
	url  string
	asks atomic.Int64 // for the key set
	down atomic.Bool
	mu   sync.Mutex
	body []byte
	slow chan struct{} // when not nil, the key set waits for it
}

func newProvider(t testing.TB, keys ...any) *provider {
	t.Helper()
	p := &provider{t: t}
	mux := http.NewServeMux()
	document := func(w http.ResponseWriter, _ *http.Request) {
		p.asks.Add(1)
		p.mu.Lock()
		body, slow := p.body, p.slow
		p.mu.Unlock()
		if slow != nil {
			<-slow
		}
		if p.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		_, _ = w.Write(body)
	}
	mux.HandleFunc("/keys", document)
	mux.HandleFunc("/.well-known/jwks.json", document)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(object{"issuer": p.url, "jwks_uri": p.url + "/keys"})
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	p.url = srv.URL
	p.publish(keys...)
	return p
}

// publish replaces the key set.
func (p *provider) publish(keys ...any) {
	p.t.Helper()
	if keys == nil {
		keys = []any{}
	}
	body, err := json.Marshal(object{"keys": keys})
	must(p.t, err)
	p.raw(body)
}

func (p *provider) raw(body []byte) {
	p.mu.Lock()
	p.body = body
	p.mu.Unlock()
}

// bundle is a set of verifiers with a clock that the test moves.
type bundle struct {
	*Issuers
	t   testing.TB
	now *atomic.Int64 // Unix nanoseconds
	log *bytes.Buffer
}

func (b *bundle) time() time.Time      { return time.Unix(0, b.now.Load()) }
func (b *bundle) pass(d time.Duration) { b.now.Add(int64(d)) }
func (b *bundle) epoch() int64         { return b.time().Unix() }

func setup(t testing.TB, change func(*Config)) *bundle {
	t.Helper()
	b := &bundle{t: t, now: new(atomic.Int64), log: &bytes.Buffer{}}
	b.now.Store(time.Now().UnixNano())
	cfg := Config{Own: own, AllowPrivate: true, Now: b.time, Log: slog.New(slog.NewTextHandler(&locked{b: b.log}, nil))}
	change(&cfg)
	var err error
	b.Issuers, err = New(cfg)
	must(t, err)
	return b
}

// locked is a buffer that background work may write to.
type locked struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// claims are those of a good token of issuer, changed; nil removes.
func (b *bundle) claims(issuer string, changes ...any) object {
	return changed(object{"iss": issuer, "sub": "user_2Ab", "aud": "turkey", "iat": b.epoch(), "nbf": b.epoch(), "exp": b.epoch() + 60}, changes...)
}

func changed(m object, changes ...any) object {
	m = maps.Clone(m)
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == nil {
			delete(m, changes[i].(string))
		} else {
			m[changes[i].(string)] = changes[i+1]
		}
	}
	return m
}

// sign makes a token with whatever header it is given.
func sign(t testing.TB, private any, header, claims object) string {
	t.Helper()
	input := part(t, header) + "." + part(t, claims)
	var signature []byte
	var err error
	digest := sha256.Sum256([]byte(input))
	switch k := private.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		signature = make([]byte, 64)
		r, s, e := ecdsa.Sign(rand.Reader, k, digest[:])
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		err = e
	case ed25519.PrivateKey:
		signature = ed25519.Sign(k, []byte(input))
	}
	must(t, err)
	return input + "." + b64(signature)
}

func rs256(t testing.TB, k *rsa.PrivateKey, kid string, claims object) string {
	t.Helper()
	return sign(t, k, object{"alg": "RS256", "typ": "JWT", "kid": kid}, claims)
}

func part(t testing.TB, v any) string {
	t.Helper()
	body, err := json.Marshal(v)
	must(t, err)
	return b64(body)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func pemOf(t testing.TB, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// eventually waits for background work.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// quotes reports whether an error tells something of the token.
func quotes(err error, token string) bool {
	for _, p := range strings.Split(token, ".") {
		if len(p) > 8 && strings.Contains(err.Error(), p[:8]) {
			return true
		}
	}
	return strings.Contains(err.Error(), "user_2Ab")
}
