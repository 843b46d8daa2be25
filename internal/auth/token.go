package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
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
}

// leeway forgives this much difference between two servers' clocks for nbf.
const leeway = 5 * time.Second

// person is whom a token is for.
type person struct {
	id           uuid.UUID
	email, role  string
	tokenVersion int32
}

func (s *Service) signAccess(p person, app string, session uuid.UUID) (string, error) {
	now := s.cfg.Now()
	var id [16]byte
	rand.Read(id[:]) //nolint:errcheck // crypto/rand.Read never fails, it ends the program
	payload, err := json.Marshal(Claims{
		Issuer: s.cfg.Issuer, Audience: app, Subject: p.id, Email: p.email, Role: p.role, ID: "at_" + hex.EncodeToString(id[:]),
		SessionID: session, TokenVersion: p.tokenVersion,
		IssuedAt: now.Unix(), NotBefore: now.Unix(), ExpiresAt: now.Add(s.cfg.AccessTTL).Unix(),
	})
	if err != nil {
		return "", err
	}
	jws, err := s.keys.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return jws.CompactSerialize()
}

// parseAccess checks everything about an access token that needs no database, in the order of the contract (§6.2).
func (s *Service) parseAccess(token string) (Claims, error) {
	var c Claims
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return c, errInvalidToken
	}
	h := jws.Signatures[0].Protected
	key, ok := s.keys.public[h.KeyID]
	if !ok || h.JSONWebKey != nil {
		return c, errInvalidToken
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return c, errInvalidSignature
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return c, errMissingClaims
	}
	now := s.cfg.Now()
	switch {
	case c.Issuer != s.cfg.Issuer:
		return c, errInvalidIssuer
	case !now.Before(time.Unix(c.ExpiresAt, 0)):
		return c, errTokenExpired
	case time.Unix(c.NotBefore, 0).After(now.Add(leeway)):
		return c, errInvalidToken
	case c.Subject == uuid.Nil || c.Email == "" || c.Role == "" || c.ID == "" || c.Audience == "":
		return c, errMissingClaims
	}
	return c, nil
}

// refreshToken is rt_<session>.<generation>.<MAC>. The same session and generation always give the same token.
func (s *Service) refreshToken(session uuid.UUID, generation int32) string {
	body := session.String() + "." + strconv.Itoa(int(generation))
	return "rt_" + body + "." + base64.RawURLEncoding.EncodeToString(s.refreshMAC(body))
}

func (s *Service) refreshMAC(body string) []byte {
	m := hmac.New(sha256.New, s.mac)
	m.Write([]byte(body))
	return m.Sum(nil)
}

// parseRefresh tells a token of ours from junk without a query.
func (s *Service) parseRefresh(token string) (session uuid.UUID, generation int32, ok bool) {
	rest, found := strings.CutPrefix(token, "rt_")
	i := strings.LastIndexByte(rest, '.')
	if !found || i < 0 {
		return uuid.Nil, 0, false
	}
	body := rest[:i]
	mac, err := base64.RawURLEncoding.Strict().DecodeString(rest[i+1:])
	if err != nil || !hmac.Equal(mac, s.refreshMAC(body)) {
		return uuid.Nil, 0, false
	}
	id, gen, _ := strings.Cut(body, ".")
	session, err = uuid.Parse(id)
	if err != nil {
		return uuid.Nil, 0, false
	}
	n, err := strconv.ParseInt(gen, 10, 32)
	return session, int32(n), err == nil
}
