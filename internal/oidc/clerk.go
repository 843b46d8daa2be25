package oidc

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// ClerkConfig says how Clerk's session tokens are verified (credential-api.md §2, §12).
type ClerkConfig struct {
	Key     string   // CLERK_PUBLIC_KEY: a PEM, the address of a key set, or a publishable key
	Issuer  string   // CLERK_ISSUER
	Parties []string // CLERK_AUTHORIZED_PARTIES
	Secret  string   // CLERK_SECRET_KEY, for the e-mail and the name of a new user
	API     string   // CLERK_API_URL
}

// clerkKeys is where the keys for Clerk's tokens come from, and who their issuer is; "" where that is not known.
type clerkKeys struct {
	key    *key   // or
	jwks   string // its address
	issuer string
}

// hostPattern is a DNS name of at least two labels.
var hostPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// parseClerk tells the forms of CLERK_PUBLIC_KEY apart. Errors do not hold the value: it may be a secret that was put in
// the wrong place.
func parseClerk(c ClerkConfig, allowHTTP bool) (clerkKeys, error) {
	value := strings.TrimSpace(c.Key)
	publishable, isTest := strings.CutPrefix(value, "pk_test_")
	live, isLive := strings.CutPrefix(value, "pk_live_")
	switch {
	case value == "":
		return clerkKeys{jwks: strings.TrimSuffix(c.Issuer, "/") + "/.well-known/jwks.json", issuer: c.Issuer}, nil
	case strings.HasPrefix(value, "-----BEGIN"):
		k, err := parsePEM(value)
		return clerkKeys{key: k, issuer: c.Issuer}, err
	case isTest || isLive:
		if isLive {
			publishable = live
		}
		host, err := publishableHost(publishable)
		issuer := "https://" + host
		from := clerkKeys{jwks: issuer + "/.well-known/jwks.json", issuer: issuer}
		if c.Issuer != "" {
			from.issuer = c.Issuer
		}
		return from, err
	case strings.HasPrefix(value, "https://"), strings.HasPrefix(value, "http://"):
		return clerkKeys{jwks: value, issuer: c.Issuer}, checkURL(value, allowHTTP)
	}
	return clerkKeys{}, errors.New("expected a PEM public key, the https address of a key set, or a publishable key (pk_test_…, pk_live_…)")
}

// parsePEM reads an RSA public key; in .env files its line ends are often written \n.
func parsePEM(value string) (*key, error) {
	block, rest := pem.Decode([]byte(strings.ReplaceAll(value, `\n`, "\n")))
	if block == nil || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("the PEM cannot be read: expected one block, with its line ends real or written \\n")
	}
	var public any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, errors.New("the PEM is not a public key: expected -----BEGIN PUBLIC KEY-----")
	}
	if err != nil {
		return nil, errors.New("the PEM holds no public key that can be read")
	}
	if _, ok := public.(*rsa.PublicKey); !ok {
		return nil, errors.New("the PEM is not an RSA key, and Clerk signs with RS256")
	}
	return newKey(public, "")
}

// publishableHost is the host that a publishable key encodes: base64 of the host and a $.
func publishableHost(encoded string) (string, error) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	host, ok := strings.CutSuffix(string(b), "$")
	if err != nil || !ok || len(host) > 253 || !hostPattern.MatchString(host) {
		return "", errors.New("the publishable key is not one of Clerk's: copy it from the Clerk dashboard, API keys")
	}
	return host, nil
}

// Profile is what Clerk knows of a user.
type Profile struct {
	Email         string // the primary address, "" if there is none
	EmailVerified bool
	Name          string // first and last
}

// clerkAPI is Clerk's Backend API.
type clerkAPI struct {
	client *http.Client
	base   string
	secret string
}

const profileTimeout = 5 * time.Second

// subjectPattern is that of Clerk's ids; nothing else becomes part of an address.
var subjectPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// profile asks for one user (https://clerk.com/docs/reference/backend-api, GET /users/{user_id}).
func (c *clerkAPI) profile(ctx context.Context, subject string) (Profile, error) {
	if !subjectPattern.MatchString(subject) {
		return Profile{}, errors.New("user at Clerk: the subject is not an id of Clerk")
	}
	ctx, cancel := context.WithTimeout(ctx, profileTimeout)
	defer cancel()
	body, err := get(ctx, c.client, c.base+"/v1/users/"+subject, c.secret)
	if err != nil {
		return Profile{}, fmt.Errorf("user at Clerk: %w", err)
	}
	var u struct {
		ID        string  `json:"id"`
		First     *string `json:"first_name"`
		Last      *string `json:"last_name"`
		Primary   *string `json:"primary_email_address_id"`
		Addresses []struct {
			ID           string `json:"id"`
			Email        string `json:"email_address"`
			Verification *struct {
				Status string `json:"status"`
			} `json:"verification"`
		} `json:"email_addresses"`
	}
	if err := json.Unmarshal(body, &u); err != nil || u.ID != subject {
		return Profile{}, errors.New("user at Clerk: the answer is not that user")
	}
	var p Profile
	for _, a := range u.Addresses {
		if u.Primary != nil && a.ID == *u.Primary {
			p.Email, p.EmailVerified = a.Email, a.Verification != nil && a.Verification.Status == "verified"
		}
	}
	for _, part := range []*string{u.First, u.Last} {
		if part != nil {
			p.Name = strings.TrimSpace(p.Name + " " + *part)
		}
	}
	return p, nil
}
