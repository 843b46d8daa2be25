package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// OIDCIssuer is an entry of OIDC_ISSUERS: another issuer whose tokens are accepted under /api.
type OIDCIssuer struct {
	Issuer   string `json:"issuer"`
	JWKS     string `json:"jwks"`     // empty: the discovery document names it
	Audience string `json:"audience"` // must be among a token's aud
	App      string `json:"app"`      // the users' app
}

// Issuers are the entries of OIDC_ISSUERS, which Load has checked.
func (c *Config) Issuers() []OIDCIssuer {
	list, _ := c.readIssuers() // a problem would have kept Load from succeeding
	return list
}

func (c *Config) readIssuers() (list []OIDCIssuer, err error) {
	if c.OIDCIssuers == "" {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(string(c.OIDCIssuers)))
	d.DisallowUnknownFields() // a misspelt jwks would go unnoticed
	if err = d.Decode(&list); err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the list")
		}
	}
	return list, err
}

var appPattern = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,100}$`)

// maxIssuer is how long the name of an issuer may be.
const maxIssuer = 255

// checkIssuers lists what is wrong with Clerk's settings and OIDC_ISSUERS. CLERK_PUBLIC_KEY is not among them: a value that
// cannot be used is told in the log, and the server runs.
func (c *Config) checkIssuers() (problems []string) {
	c.ClerkParties = slices.DeleteFunc(c.ClerkParties, func(p string) bool { return strings.TrimSpace(p) == "" })
	for i, p := range c.ClerkParties {
		c.ClerkParties[i] = strings.TrimSpace(p)
	}
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	address := "an address that begins with https://"
	if !c.Production() {
		address += " (or http://)"
	}
	if c.ClerkIssuer != "" && !c.isAddress(c.ClerkIssuer) {
		add("CLERK_ISSUER: expected %s, as in the iss of the tokens", address)
	}
	if c.ClerkIssuer != "" && c.ClerkIssuer == c.JWTIssuer {
		add("CLERK_ISSUER: it is JWT_ISSUER, the name of this server")
	}
	if !c.isAddress(c.ClerkAPI) {
		add("CLERK_API_URL: expected %s", address)
	}
	list, err := c.readIssuers()
	if err != nil {
		add(`OIDC_ISSUERS: expected a JSON list such as [{"issuer":"https://id.example.com","audience":"turkey","app":"shop"}], with jwks if there is no discovery document, and nothing else`)
		return problems
	}
	for i, entry := range list {
		name := fmt.Sprintf("OIDC_ISSUERS: entry %d", i+1)
		if !c.isAddress(entry.Issuer) {
			add("%s: issuer: expected %s, as in the iss of the tokens", name, address)
		}
		if entry.Issuer != "" && (entry.Issuer == c.JWTIssuer || entry.Issuer == c.ClerkIssuer) {
			add("%s: issuer: it is JWT_ISSUER or CLERK_ISSUER", name)
		}
		if slices.ContainsFunc(list[:i], func(o OIDCIssuer) bool { return o.Issuer == entry.Issuer }) {
			add("%s: issuer: an earlier entry has it", name)
		}
		if entry.JWKS != "" && !c.isAddress(entry.JWKS) {
			add("%s: jwks: expected %s", name, address)
		}
		if strings.TrimSpace(entry.Audience) == "" {
			add("%s: audience: required, the aud of tokens that are meant for this server", name)
		}
		if !appPattern.MatchString(entry.App) {
			add("%s: app: expected 1 to 100 letters, numbers, underscores and hyphens", name)
		}
	}
	return problems
}

// isAddress accepts https, and http outside production.
func (c *Config) isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxIssuer && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && !c.Production())
}
