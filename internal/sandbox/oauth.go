package sandbox

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	tokenLife = 3599 * time.Second // what Google grants
	// clockSkew is how far ahead of us an assertion's time may be.
	clockSkew = 5 * time.Minute

	scopePrefix = "https://www.googleapis.com/auth/"
)

// audiences are the token endpoints Google accepts as aud.
var audiences = []string{
	"https://oauth2.googleapis.com/token",
	"https://accounts.google.com/o/oauth2/token",
	"https://www.googleapis.com/oauth2/v4/token",
}

// accessGrant is what an access token stands for.
type accessGrant struct {
	email   string
	scopes  []string
	expires time.Time
}

// refuseGrant is the error shape of RFC 6749 §5.2.
func refuseGrant(status int, code, description string) *refusal {
	return &refusal{status: status, body: map[string]string{"error": code, "error_description": description}}
}

func (s *Sandbox) token(r *http.Request) (any, error) {
	if err := r.ParseForm(); err != nil {
		return nil, refuseGrant(http.StatusBadRequest, "invalid_request", "Bad Request")
	}
	switch r.PostForm.Get("grant_type") {
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return s.grantAssertion(r.PostForm.Get("assertion"))
	case "refresh_token":
		return s.grantRefresh(r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"), r.PostForm.Get("refresh_token"))
	}
	return nil, refuseGrant(http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: "+r.PostForm.Get("grant_type"))
}

type assertionClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Scope    string `json:"scope"`
	Audience string `json:"aud"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

func (s *Sandbox) grantAssertion(assertion string) (any, error) {
	const badRequest = http.StatusBadRequest
	claims, keyID, ok := readAssertion(assertion)
	if !ok {
		return nil, refuseGrant(badRequest, "invalid_grant", "Invalid JWT: Failed to parse the assertion.")
	}
	account, ok := s.state.ServiceAccounts[claims.Issuer]
	if !ok {
		return nil, refuseGrant(badRequest, "invalid_grant", "Invalid grant: account not found")
	}
	if !account.signed(assertion, keyID) {
		return nil, refuseGrant(badRequest, "invalid_grant", "Invalid JWT Signature.")
	}
	if !slices.Contains(audiences, claims.Audience) {
		return nil, refuseGrant(badRequest, "invalid_grant", "Invalid JWT: Failed audience check. The right audience is "+audiences[0])
	}
	now := s.cfg.Now()
	issued, expires := time.Unix(claims.IssuedAt, 0), time.Unix(claims.Expires, 0)
	if issued.After(now.Add(clockSkew)) || !expires.After(now) || !expires.After(issued) || expires.Sub(issued) > time.Hour {
		return nil, refuseGrant(badRequest, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "+
			"reasonable timeframe. Check your iat and exp values in the JWT claim.")
	}
	if claims.Subject != "" && claims.Subject != claims.Issuer {
		return nil, refuseGrant(http.StatusUnauthorized, "unauthorized_client",
			"Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.")
	}
	scopes := strings.Fields(claims.Scope)
	if len(scopes) == 0 || slices.ContainsFunc(scopes, func(scope string) bool { return !strings.HasPrefix(scope, scopePrefix) }) {
		return nil, refuseGrant(badRequest, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
	}
	return s.issue(account.Email, scopes), nil
}

// readAssertion decodes an RS256 JWT without judging it.
func readAssertion(assertion string) (claims assertionClaims, keyID string, ok bool) {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return claims, "", false
	}
	var header struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
	}
	ok = decodePart(parts[0], &header) && decodePart(parts[1], &claims) && header.Algorithm == "RS256"
	return claims, header.KeyID, ok
}

func decodePart(part string, out any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, out) == nil
}

// signed checks the signature with the key that the assertion names, or with each key if it names none.
func (a *serviceAccount) signed(assertion, keyID string) bool {
	dot := strings.LastIndexByte(assertion, '.')
	signature, err := base64.RawURLEncoding.DecodeString(assertion[dot+1:])
	if err != nil {
		return false
	}
	digest := sha256.Sum256([]byte(assertion[:dot]))
	for id, der := range a.Keys {
		if keyID != "" && keyID != id {
			continue
		}
		key, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			continue
		}
		public, ok := key.(*rsa.PublicKey)
		if ok && rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil {
			return true
		}
	}
	return false
}

func (s *Sandbox) grantRefresh(clientID, secret, refresh string) (any, error) {
	client, ok := s.state.OAuthClients[clientID]
	if !ok {
		return nil, refuseGrant(http.StatusUnauthorized, "invalid_client", "The OAuth client was not found.")
	}
	if !sameHash(client.SecretHash, secret) {
		return nil, refuseGrant(http.StatusUnauthorized, "invalid_client", "Unauthorized")
	}
	ended := !client.GrantEnds.IsZero() && !s.cfg.Now().Before(client.GrantEnds)
	if ended || !sameHash(client.RefreshHash, refresh) {
		return nil, refuseGrant(http.StatusBadRequest, "invalid_grant", "Token has been expired or revoked.")
	}
	granted := s.issue(client.Email, client.Scopes)
	granted["scope"] = strings.Join(client.Scopes, " ")
	if !client.GrantEnds.IsZero() {
		granted["refresh_token_expires_in"] = int64(client.GrantEnds.Sub(s.cfg.Now()).Seconds())
	}
	return granted, nil
}

// issue makes an access token. Expired ones are forgotten on the way.
func (s *Sandbox) issue(email string, scopes []string) map[string]any {
	now := s.cfg.Now()
	for hash, g := range s.tokens {
		if !now.Before(g.expires) {
			delete(s.tokens, hash)
		}
	}
	value := "ya29." + rand.Text() + rand.Text()
	s.tokens[hashOf(value)] = accessGrant{email: email, scopes: scopes, expires: now.Add(tokenLife)}
	return map[string]any{"access_token": value, "expires_in": int64(tokenLife.Seconds()), "token_type": "Bearer"}
}

// authorize finds the account behind a call and checks that its token has one of the scopes, given without their prefix.
func (s *Sandbox) authorize(r *http.Request, scopes ...string) (email string, err error) {
	value, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	grant, ok := s.tokens[hashOf(value)]
	if !ok || !s.cfg.Now().Before(grant.expires) {
		return "", refuse(http.StatusUnauthorized, "ACCESS_TOKEN_EXPIRED",
			"Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "+
				"authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.")
	}
	for _, scope := range scopes {
		if slices.Contains(grant.scopes, scopePrefix+scope) {
			return grant.email, nil
		}
	}
	return "", refuse(http.StatusForbidden, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "Request had insufficient authentication scopes.")
}

// endSessions makes an account's access tokens invalid.
func (s *Sandbox) endSessions(email string) {
	for hash, g := range s.tokens {
		if g.email == email {
			delete(s.tokens, hash)
		}
	}
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func sameHash(hash, secret string) bool {
	return subtle.ConstantTimeCompare([]byte(hash), []byte(hashOf(secret))) == 1
}
