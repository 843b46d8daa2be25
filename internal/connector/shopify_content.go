package connector

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// shopHost is the only form of a host that a shop's token is sent to.
var shopHost = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*\.myshopify\.com$`)

// hostOf takes a scheme and one slash at the end off a shop_url.
func hostOf(shopURL string) (string, bool) {
	host, ok := strings.CutPrefix(shopURL, "https://")
	if !ok {
		host, _ = strings.CutPrefix(shopURL, "http://")
	}
	host = strings.TrimSuffix(host, "/")
	return host, shopHost.MatchString(host)
}

// shopifySecret is the content of a shopify credential, in the order in which it is sealed. APIVersion and Scope are kept
// because the contract keeps them; nothing reads them. There are three kinds:
//   - access_token alone: a permanent token of a custom app, used as it is;
//   - access_token, refresh_token, client_id and client_secret: an expiring offline token, renewed with the refresh token;
//   - client_id and client_secret: an app of the shop's own organisation, renewed by the client credentials grant.
type shopifySecret struct {
	ShopURL          string      `json:"shop_url,omitempty"`
	AccessToken      string      `json:"access_token,omitempty"`
	RefreshToken     string      `json:"refresh_token,omitempty"`
	ExpiresAt        string      `json:"expires_at,omitempty"`               // RFC 3339, of the access token
	ExpiresIn        json.Number `json:"expires_in,omitempty"`               // seconds from the paste
	RefreshExpiresIn json.Number `json:"refresh_token_expires_in,omitempty"` // seconds from the paste
	ClientID         string      `json:"client_id,omitempty"`
	ClientSecret     string      `json:"client_secret,omitempty"`
	APIVersion       string      `json:"api_version,omitempty"`
	Scope            string      `json:"scope,omitempty"`

	// GrantEnds is set by WithGrant only.
	GrantEnds time.Time `json:"grant_ends,omitzero"`
}

// renews tells the kinds that need a grant. A permanent token may stand beside the client pair of its app; only one with an
// end is worth renewing.
func (s shopifySecret) renews() bool {
	if s.ClientID == "" || s.ClientSecret == "" {
		return false
	}
	return s.RefreshToken != "" || s.AccessToken == "" || s.ExpiresAt != "" || s.ExpiresIn != ""
}

// grantEnds is what Verify reports as the end of the credential.
func (s shopifySecret) grantEnds() *time.Time {
	if s.GrantEnds.IsZero() {
		return nil
	}
	return &s.GrantEnds
}

// Parse accepts the three kinds of shopifySecret.
func (s *shopify) Parse(raw []byte) (Content, []string) {
	f, ok := readFields(raw)
	if !ok {
		return Content{}, []string{invalidJSON}
	}
	c := shopifySecret{
		ShopURL:          f.required("shop_url"),
		AccessToken:      unblank(f.members["access_token"]),
		RefreshToken:     unblank(f.optional("refresh_token")),
		ExpiresAt:        f.optional("expires_at"),
		ExpiresIn:        f.seconds("expires_in"),
		RefreshExpiresIn: f.seconds("refresh_token_expires_in"),
		ClientID:         unblank(f.optional("client_id")),
		ClientSecret:     unblank(f.optional("client_secret")),
		APIVersion:       f.optional("api_version"),
		Scope:            f.optional("scope"),
	}
	host, ok := hostOf(c.ShopURL)
	if !ok && c.ShopURL != "" {
		f.problem("Invalid shop_url")
	}
	c.checkTokens(f)
	ends := c.ends(f, s.now())
	if len(f.problems) > 0 {
		return Content{}, f.problems
	}
	sealed, err := canonical(c)
	if err != nil {
		return Content{}, []string{invalidJSON}
	}
	return Content{JSON: sealed, Type: TypeAccessToken, Preview: mask(c.ShopURL), Host: host, ExpiresAt: ends}, nil
}

// unblank is the text as sent, or "" if it is none or only white space.
func unblank(value any) string {
	text, _ := value.(string)
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return text
}

// checkTokens names what is missing for the kind that the content looks like.
func (s shopifySecret) checkTokens(f *fields) {
	switch {
	case s.ClientID != "" && s.ClientSecret != "":
	case s.AccessToken == "" && s.RefreshToken+s.ClientID+s.ClientSecret == "":
		f.problem("Missing access_token")
	case s.AccessToken == "" || s.RefreshToken != "":
		if s.ClientID == "" {
			f.problem("Missing client_id")
		}
		if s.ClientSecret == "" {
			f.problem("Missing client_secret")
		}
	}
}

// ends is the end of the credential as its content states it: of the refresh token, or of an access token that nothing can
// renew. What the client pair renews has no end.
func (s shopifySecret) ends(f *fields, now time.Time) *time.Time {
	var at *time.Time
	if s.ExpiresAt != "" {
		t, err := time.Parse(time.RFC3339, s.ExpiresAt)
		if err != nil || t.Year() < 2000 || t.Year() > 9998 { // what PostgreSQL and JSON can hold in every zone
			f.problem("Invalid expires_at")
			return nil
		}
		at = &t
	} else {
		at = after(now, s.ExpiresIn)
	}
	switch {
	case s.RefreshToken != "":
		return after(now, s.RefreshExpiresIn)
	case s.renews():
		return nil
	}
	return at
}

func after(now time.Time, seconds json.Number) *time.Time {
	n, err := strconv.ParseInt(seconds.String(), 10, 64)
	if err != nil {
		return nil
	}
	t := now.Add(time.Duration(n) * time.Second).UTC()
	return &t
}

var secondsText = regexp.MustCompile(`^[1-9][0-9]{0,8}$`) // up to 31 years

// seconds returns a member that is a whole number above 0, as a number or as text; "" when it is absent, null or empty.
func (f *fields) seconds(name string) json.Number {
	var text string
	switch value := f.members[name].(type) {
	case nil:
		return ""
	case string:
		text = value
	case json.Number:
		text = value.String()
	default:
		f.problem("Invalid " + name)
		return ""
	}
	if text != "" && !secondsText.MatchString(text) {
		f.problem("Invalid " + name)
		return ""
	}
	return json.Number(text)
}
