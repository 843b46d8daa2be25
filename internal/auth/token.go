package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json" // refuses members that come twice and compares names exactly
	"github.com/google/uuid"

	"turkey/internal/fault"
)

// Claims are the claims of an access token (contract auth-api.md §6.1). Times are Unix seconds.
type Claims struct {
	Issuer       string    `json:"iss"`
	Audience     string    `json:"aud"` // the app
	Subject      uuid.UUID `json:"sub"`
	Email        string    `json:"email"`
	Role         string    `json:"role"`
	Scope        string    `json:"scope"`
	ID           string    `json:"jti"`
	SessionID    uuid.UUID `json:"sid"`
	TokenVersion int32     `json:"tokenVersion"`
	IssuedAt     int64     `json:"iat"`
	NotBefore    int64     `json:"nbf"`
	ExpiresAt    int64     `json:"exp"`
	App          *string   `json:"appId,omitempty"` // of imported tokens; equals the audience
}

// leeway forgives this much difference between two servers' clocks for nbf.
const leeway = 5 * time.Second

// person is whom a token is for.
type person struct {
	id           uuid.UUID
	email, role  string
	tokenVersion int32
}

func (s *Service) signAccess(p person, a app, session uuid.UUID) (string, error) {
	now := s.cfg.Now()
	var id [16]byte
	rand.Read(id[:]) // never fails, it ends the program
	payload, err := encodeClaims(Claims{
		Issuer: s.cfg.Issuer, Audience: a.id, Subject: p.id, Email: p.email, Role: p.role, ID: "at_" + hex.EncodeToString(id[:]),
		SessionID: session, TokenVersion: p.tokenVersion,
		IssuedAt: now.Unix(), NotBefore: now.Unix(), ExpiresAt: now.Add(a.accessTTL).Unix(),
	})
	if err != nil {
		return "", err
	}
	return s.sign(payload)
}

// encodeClaims does not write an & of an address as six characters, as is done for HTML.
func encodeClaims(c Claims) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(c)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

const (
	maxAccess    = 999 // characters of an access token (contract auth-api.md §6.1)
	accessHeader = 96  // of these the header, which names a kid,
	accessRest   = 88  // and the signature with both dots
	leastEmail   = 100 // what an app takes however long its id and the issuer are
)

// longestEmail is how long an address may be for its tokens to keep to maxAccess. Where the app's id and the issuer are not
// long themselves, that is more than the 254 characters an address can have.
func (s *Service) longestEmail(app string) int {
	late := time.Unix(9_999_999_999, 0).Unix()
	others, err := encodeClaims(Claims{Issuer: s.cfg.Issuer, Audience: app, Role: "admin", ID: "at_" + strings.Repeat("0", 32), TokenVersion: math.MaxInt32,
		IssuedAt: late, NotBefore: late, ExpiresAt: late})
	if err != nil {
		return leastEmail
	}
	return max(base64.RawURLEncoding.DecodedLen(maxAccess-accessHeader-accessRest)-len(others), leastEmail)
}

// fits checks that an address that passes checkEmail fits into an app's tokens.
func (s *Service) fits(app, email string) error {
	if len(email) <= s.longestEmail(app) {
		return nil
	}
	return invalidRequest.WithFields(fault.Field{Name: "email", Message: "Email too long", Code: "too_big"})
}

// parseAccess checks everything about an access token that needs no database, in the order of the contract (§6.2).
func (s *Service) parseAccess(token string) (Claims, error) {
	c, _, err := s.readAccess(token)
	return c, err
}

// readAccess is parseAccess and the claims as they were signed. Of a token whose only fault is its age the claims are
// returned with the error.
func (s *Service) readAccess(token string) (Claims, json.RawMessage, error) {
	var none Claims
	a, err := s.authentic(token)
	if err != nil {
		return none, nil, err
	}
	now := s.cfg.Now()
	switch {
	case time.Unix(a.claims.NotBefore, 0).After(now.Add(leeway)):
		return none, nil, errForeignToken
	case !now.Before(time.Unix(a.claims.ExpiresAt, 0)):
		return a.claims, a.payload, errTokenExpired
	}
	return a.claims, a.payload, nil
}

// authenticToken is a token that holds whenever its key does: signature, form, issuer, and the claims there must be.
type authenticToken struct {
	kid     string
	claims  Claims
	payload json.RawMessage
}

// authenticCacheSize bounds the tokens whose signatures need not be checked again, about 1 KB each.
const authenticCacheSize = 10_000

// authentic checks what does not change with time. Most requests bring a token that was just here: the cache, keyed by the
// token's SHA-256, spares them the signature check, but not the question whether its key is still one of ours.
func (s *Service) authentic(token string) (authenticToken, error) {
	digest := sha256.Sum256([]byte(token))
	if a, ok := s.seen.Get(digest); ok {
		_, err := s.verificationKey(a.kid)
		return a, err
	}
	a, err := s.checkSignature(token)
	if err == nil {
		s.seen.Add(digest, a)
	}
	return a, err
}

func (s *Service) checkSignature(token string) (authenticToken, error) {
	var none authenticToken
	if !canonical(token) {
		return none, errInvalidToken
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if _, foreign := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); foreign {
		return none, errForeignToken
	}
	if err != nil {
		return none, errInvalidToken
	}
	kid := jws.Signatures[0].Protected.KeyID
	key, err := s.verificationKey(kid)
	if err != nil {
		return none, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return none, errInvalidSignature
	}
	c, whole := readClaims(payload)
	switch {
	case whole && c.ID == "":
		return none, errMissingClaims.Because(errNoJTI)
	case !whole, c.Subject == uuid.Nil, c.Email == "", c.Role == "", c.Audience == "":
		return none, errMissingClaims
	case c.Issuer != s.cfg.Issuer:
		return none, errInvalidIssuer
	case c.App != nil && *c.App != c.Audience:
		return none, errInvalidAudience
	}
	return authenticToken{kid: kid, claims: c, payload: payload}, nil
}

// canonical reports whether a token is spelled the one way we spell it: a header of exactly alg, typ and kid, so nothing
// that points at a foreign key, and base64url without padding, line breaks or spare bits.
func canonical(token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || strings.ContainsAny(token, "\r\n") {
		return false
	}
	var header []byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return false
		}
		if i == 0 {
			header = b
		}
	}
	var members map[string]string // of strings only
	err := josejson.Unmarshal(header, &members)
	_, alg := members["alg"]
	_, kid := members["kid"]
	return err == nil && len(members) == 3 && alg && kid && members["typ"] == "JWT"
}

// readClaims reads a payload in which every member has one value and one spelling. Whole means that nothing is absent
// whose zero value would pass for a value.
func readClaims(payload []byte) (c Claims, whole bool) {
	var in struct {
		Claims
		TokenVersion *int32 `json:"tokenVersion"`
		IssuedAt     *int64 `json:"iat"`
		NotBefore    *int64 `json:"nbf"`
		ExpiresAt    *int64 `json:"exp"`
	}
	err := josejson.Unmarshal(payload, &in)
	if err != nil || in.TokenVersion == nil || in.IssuedAt == nil || in.NotBefore == nil || in.ExpiresAt == nil {
		return in.Claims, false
	}
	c = in.Claims
	c.TokenVersion, c.IssuedAt, c.NotBefore, c.ExpiresAt = *in.TokenVersion, *in.IssuedAt, *in.NotBefore, *in.ExpiresAt
	return c, true
}

// refreshToken is rt_<session>.<generation>.<MAC>. The same session and generation always give the same token.
func (s *Service) refreshToken(session uuid.UUID, generation int32) string {
	body := session.String() + "." + strconv.Itoa(int(generation))
	return "rt_" + body + "." + base64.RawURLEncoding.EncodeToString(s.refreshMAC(body))
}

// refreshMAC takes a hash that knows the key already: making one costs more than using it.
func (s *Service) refreshMAC(body string) []byte {
	m, ok := s.macs.Get().(hash.Hash)
	if !ok {
		m = hmac.New(sha256.New, s.mac)
	}
	m.Reset()
	m.Write([]byte(body))
	sum := m.Sum(nil)
	s.macs.Put(m)
	return sum
}

// parseRefresh tells a token of ours from junk without a query: what it reads must build the very same token.
func (s *Service) parseRefresh(token string) (session uuid.UUID, generation int32, ok bool) {
	rest, _ := strings.CutPrefix(token, "rt_")
	id, rest, _ := strings.Cut(rest, ".")
	text, _, _ := strings.Cut(rest, ".")
	session, err := uuid.Parse(id)
	if err != nil {
		return uuid.Nil, 0, false
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || !hmac.Equal([]byte(token), []byte(s.refreshToken(session, int32(n)))) {
		return uuid.Nil, 0, false
	}
	return session, int32(n), true
}
