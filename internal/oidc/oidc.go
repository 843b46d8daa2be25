package oidc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	lru "github.com/hashicorp/golang-lru/v2"

	"turkey/internal/outbound"
)

// What is wrong with a token; the text behind it says more, and nothing of the token.
var (
	ErrMalformed   = errors.New("not a decodable token")
	ErrRefused     = errors.New("token refused")
	ErrUnavailable = errors.New("the issuer's keys cannot be read")
)

// ClerkApp is the app that Clerk's users belong to. ClerkIssuer names Clerk where no issuer is known: in tokens without one,
// and for users of an import.
const (
	ClerkApp    = "clerk"
	ClerkIssuer = "clerk"
)

// Config is whose tokens are verified.
type Config struct {
	Own          string // our own issuer, which is nobody else's
	Clerk        ClerkConfig
	Issuers      []Issuer
	AllowPrivate bool // outside production: http, and addresses that are not public
	Log          *slog.Logger
	Now          func() time.Time
}

// Issuer is an OpenID provider.
type Issuer struct {
	Issuer   string // `iss`, byte for byte
	JWKS     string // address of the key set; empty: the issuer's discovery document names it
	Audience string // must be among a token's `aud`
	App      string // the users' app
}

// Token is what an issuer says of somebody, verified.
type Token struct {
	Issuer, Subject     string
	App                 string
	Clerk               bool
	Email               string // as the issuer gives it, or ""
	EmailVerified       *bool  // nil: the issuer does not say
	Name                string
	IssuedAt, ExpiresAt time.Time // IssuedAt is zero where the issuer does not say
	Profile             func(context.Context) (Profile, error)
}

// verifier is one issuer with its keys.
type verifier struct {
	Issuer   // Issuer.Issuer "" takes every token that is nobody else's (Clerk by its key alone)
	clerk    bool
	algs     []jose.SignatureAlgorithm
	parties  []string // azp must be one of them, if any
	required bool     // Audience is
	keys     *keys
}

// Issuers verifies tokens of other issuers. A nil *Issuers refuses all of them.
type Issuers struct {
	cfg    Config
	byName map[string]*verifier
	clerk  *verifier // nil: off, or unusable
	api    *clerkAPI // nil: no secret key
	seen   *lru.Cache[[sha256.Size]byte, *key]
}

const (
	maxToken = 8 << 10
	seenSize = 10_000          // tokens whose signatures need not be checked again
	leeway   = 5 * time.Second // between two clocks
)

// New makes the verifiers without asking anybody. An unusable CLERK_PUBLIC_KEY is logged as an error and Clerk's tokens
// are refused; two issuers of one name are an error.
func New(cfg Config) (*Issuers, error) {
	seen, err := lru.New[[sha256.Size]byte, *key](seenSize)
	if err != nil {
		return nil, err
	}
	s := &Issuers{cfg: cfg, byName: map[string]*verifier{}, seen: seen}
	client := outbound.Client(cfg.AllowPrivate)
	if err := s.addClerk(client); err != nil {
		return nil, err
	}
	for _, i := range cfg.Issuers {
		v := &verifier{Issuer: i, algs: []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}, required: true,
			keys: s.remote(client, i.Issuer, i.JWKS)}
		if err := s.add(v); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Issuers) add(v *verifier) error {
	name := v.Issuer.Issuer
	if _, taken := s.byName[name]; taken || name == s.cfg.Own {
		return fmt.Errorf("the issuer %s is configured twice: among OIDC_ISSUERS, CLERK_PUBLIC_KEY, CLERK_ISSUER and JWT_ISSUER each may appear once", name)
	}
	s.byName[name] = v
	return nil
}

func (s *Issuers) addClerk(client *http.Client) error {
	c := s.cfg.Clerk
	if c.Key == "" && c.Issuer == "" {
		return nil
	}
	from, err := parseClerk(c, s.cfg.AllowPrivate)
	if err != nil {
		s.cfg.Log.Error("CLERK_PUBLIC_KEY cannot be used: tokens of Clerk are refused until it is mended", "error", err)
		return nil
	}
	v := &verifier{Issuer: Issuer{Issuer: from.issuer, App: ClerkApp}, clerk: true, algs: []jose.SignatureAlgorithm{jose.RS256}, parties: c.Parties}
	if from.key != nil {
		v.keys = &keys{fixed: from.key}
	} else {
		v.keys = s.remote(client, "Clerk", from.jwks)
	}
	s.clerk = v
	if c.Secret != "" {
		s.api = &clerkAPI{client: client, base: strings.TrimSuffix(c.API, "/"), secret: c.Secret}
	}
	if from.issuer == "" {
		return nil
	}
	return s.add(v)
}

// remote are keys that an issuer publishes; without an address its discovery document is asked for one.
func (s *Issuers) remote(client *http.Client, issuer, jwks string) *keys {
	return &keys{client: client, issuer: issuer, jwks: jwks, allowHTTP: s.cfg.AllowPrivate, log: s.cfg.Log, now: s.cfg.Now}
}

// Clerk is the issuer of Clerk's tokens, ClerkIssuer where only its key is known; "" where Clerk is not configured.
func (s *Issuers) Clerk() string {
	switch {
	case s == nil || s.clerk == nil:
		return ""
	case s.clerk.Issuer.Issuer == "":
		return ClerkIssuer
	}
	return s.clerk.Issuer.Issuer
}

// Apps are those that users of the issuers belong to.
func (s *Issuers) Apps() (apps []string) {
	if s == nil {
		return nil
	}
	if s.clerk != nil {
		apps = append(apps, ClerkApp)
	}
	for _, i := range s.cfg.Issuers {
		apps = append(apps, i.App)
	}
	return apps
}

// Warm reads all key sets in the background, so that the first callers need not wait for them.
func (s *Issuers) Warm() {
	if s == nil {
		return
	}
	for _, v := range s.all() {
		v.keys.refreshIfDue()
	}
}

func (s *Issuers) all() (vs []*verifier) {
	for _, v := range s.byName {
		vs = append(vs, v)
	}
	if s.clerk != nil && s.clerk.Issuer.Issuer == "" {
		vs = append(vs, s.clerk)
	}
	return vs
}

// ClerkState says how it stands with the keys for Clerk's tokens: "ok", "stale" (they could not be read again) or "off". It
// has them read in the background when it is time.
func (s *Issuers) ClerkState() string {
	switch {
	case s == nil || s.clerk == nil:
		return "off"
	case s.clerk.keys.refreshIfDue():
		return "ok"
	}
	return "stale"
}

// Verify checks everything about a token. The error is ErrMalformed, ErrRefused or ErrUnavailable.
func (s *Issuers) Verify(ctx context.Context, token string) (Token, error) {
	return s.verify(ctx, token, true)
}

// VerifyAtOnce is Verify with the keys that are here: it waits for nobody.
func (s *Issuers) VerifyAtOnce(token string) (Token, error) {
	return s.verify(context.Background(), token, false)
}

func (s *Issuers) verify(ctx context.Context, token string, wait bool) (Token, error) {
	parsed, err := parse(token)
	if err != nil {
		return Token{}, err
	}
	v := s.verifierOf(parsed.issuer)
	if v == nil {
		return Token{}, refused("its issuer is not configured")
	}
	if err := parsed.checkHeader(v.algs); err != nil {
		return Token{}, err
	}
	k, err := v.keys.find(ctx, parsed.kid, parsed.alg, wait)
	if err != nil {
		return Token{}, err
	}
	if err := s.checkSignature(token, parsed.alg, k); err != nil {
		return Token{}, err
	}
	if err := v.checkClaims(parsed, s.cfg.Now()); err != nil {
		return Token{}, err
	}
	t := Token{Issuer: parsed.issuer, Subject: parsed.subject, App: v.App, Clerk: v.clerk, Email: parsed.email,
		EmailVerified: parsed.emailVerified, Name: parsed.name, IssuedAt: parsed.issuedAt, ExpiresAt: parsed.expires}
	if v.clerk && s.api != nil {
		t.Profile = func(ctx context.Context) (Profile, error) { return s.api.profile(ctx, parsed.subject) }
	}
	if v.clerk && t.Issuer == "" {
		t.Issuer = ClerkIssuer
	}
	return t, nil
}

func (s *Issuers) verifierOf(issuer string) *verifier {
	if s == nil || (issuer == s.cfg.Own && issuer != "") {
		return nil
	}
	if v := s.byName[issuer]; v != nil {
		return v
	}
	if s.clerk != nil && s.clerk.Issuer.Issuer == "" {
		return s.clerk
	}
	return nil
}

// checkSignature remembers what it has checked under the token's SHA-256 and the very key: a key that was replaced since
// counts as another.
func (s *Issuers) checkSignature(token string, alg jose.SignatureAlgorithm, k *key) error {
	digest := sha256.Sum256([]byte(token))
	if with, ok := s.seen.Get(digest); ok && with == k {
		return nil
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		return refused("its form is not that of a signed token")
	}
	if _, err := jws.Verify(k.public); err != nil {
		return refused("its signature is wrong")
	}
	s.seen.Add(digest, k)
	return nil
}

func (v *verifier) checkClaims(p parsed, now time.Time) error {
	switch {
	case p.expires.IsZero():
		return refused("it has no exp")
	case !now.Before(p.expires.Add(leeway)):
		return refused("it has expired")
	case p.notBefore.After(now.Add(leeway)):
		return refused("its nbf lies ahead")
	case p.issuedAt.After(now.Add(leeway)):
		return refused("its iat lies ahead")
	case v.required && !slices.Contains(p.audience, v.Audience):
		return refused("its aud is not the configured audience")
	case len(v.parties) > 0 && !slices.Contains(v.parties, p.party):
		return refused("its azp is not one of CLERK_AUTHORIZED_PARTIES")
	}
	return nil
}

func refused(why string) error { return fmt.Errorf("%w: %s", ErrRefused, why) }
