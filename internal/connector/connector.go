package connector

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Names of the services, as in the credential API.
const (
	GoogleSheets = "google_sheets"
	Meta         = "meta"
	GA4          = "ga4"
	Shopify      = "shopify"
)

// Kinds of credential content, as in the credential API.
const (
	TypeServiceAccount = "service_account"
	TypeOAuth          = "oauth"
	TypeAccessToken    = "access_token"
)

// Config holds the operator's settings. The zero value speaks to the real providers.
type Config struct {
	// Bases override the scheme and host (and a path prefix) of a provider, for tests and the sandbox. The provider's real
	// path is appended: GoogleOAuthBase + "/token".
	GoogleOAuthBase, GoogleSheetsBase, GoogleDriveBase, GADataBase string
	MetaBase                                                       string
	// ShopifyBase is followed by the shop, because each shop is a host of its own: ShopifyBase + "/x.myshopify.com/admin/…".
	ShopifyBase string
	// ShopifyVersion is the Admin API's version; "" is the pinned one.
	ShopifyVersion string
	// MetaVersion is the Graph API's version; "" is the pinned one.
	MetaVersion string
	// Off names sources that the operator has switched off. They stay usable one by one, and are not among Sources.
	Off []string
	// AllowPrivate permits loopback and private addresses. Only for an overridden base.
	AllowPrivate bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Service is one provider as the vault sees it.
type Service interface {
	Name() string
	// Parse checks a pasted credential. The problems are the texts of the contract (§4); without any, Content can be saved.
	Parse(raw []byte) (Content, []string)
	// Verify proves by the fewest calls that the credential works now (§5). secret is a Content.JSON. The error is an *Error.
	Verify(ctx context.Context, secret []byte, bound Binding) (Proof, error)
}

// Source is a provider that the pipeline reads figures from.
type Source interface {
	Service
	// Columns is the header of the source's tab, in order, id and date included (§7.4).
	Columns() []string
	// Totals says which columns add up over days, and what is worked out from the sums.
	Totals() Totals
	// Window is the number of days that each run reads again, because the provider still corrects them.
	Window() int
	// Extract returns one row for each day from..to, YYYY-MM-DD, both included, in the source's own time zone. A day without
	// activity is a row of zeros. An empty from means the provider's own yesterday; to is then ignored, otherwise an empty to
	// means from. The error is an *Error.
	Extract(ctx context.Context, secret []byte, from, to string) (Report, error)
}

// Content is a credential that passed Parse.
type Content struct {
	JSON    []byte // the named fields alone, compact, in fixed order: what gets sealed
	Type    string // TypeServiceAccount, TypeOAuth or TypeAccessToken
	Preview string // masked, safe to show
	Host    string // where uses of it go, for the audit
	// ExpiresAt is the end of the credential as its content states it, nil if it does not.
	ExpiresAt *time.Time
}

// Grant is a token pair that the server itself obtained for a credential.
type Grant struct {
	AccessToken  string    `json:"accessToken"`
	RefreshToken string    `json:"refreshToken,omitempty"` // the newest; "" if the provider does not rotate it
	ExpiresAt    time.Time `json:"expiresAt"`              // of the access token
	GrantEnds    time.Time `json:"grantEnds,omitzero"`     // of the refresh token, zero if the provider states no end
}

// Renewer is a service some of whose credentials are not used as they are: the server trades them for access tokens, one
// renewal at a time over all replicas (package vault holds the lease and keeps the pair).
type Renewer interface {
	Service
	// Renews reports whether this content needs a Grant.
	Renews(secret []byte) bool
	// Renew trades the content, or the newest pair if there is one, for a new pair. Rejected means that the person must
	// connect anew. The error is an *Error.
	Renew(ctx context.Context, secret []byte, newest *Grant) (Grant, error)
	// WithGrant is the content that Verify and Extract take: the saved one with the pair's access token in it.
	WithGrant(secret []byte, g Grant) ([]byte, error)
}

// Binding is what a credential is used on besides itself.
type Binding struct {
	SpreadsheetID string // the mapped spreadsheet, "" if none
}

// Proof is what verification learned.
type Proof struct {
	ConnectedAs        string
	ExpiresAt          *time.Time // nil when the provider states no expiry
	TimeZone, Currency string     // of the source, "" where it has none
	Scopes             []string   // granted rights, nil where the provider does not say
	Notes              []string   // what the person should know although it works, as sentences
}

// Report holds the rows of an extraction, by ascending date.
type Report struct {
	Rows               []Row
	TimeZone, Currency string
}

// Row is one day of a source. The keys of Metrics are Columns without id and date; each value is a plain decimal number.
// Sources says which of several candidates a metric was taken from, under "<metric>_source" (§7.1); nil where there is no choice.
type Row struct {
	Date    string
	Metrics map[string]json.Number
	Sources map[string]string
}

// Set is all connectors on one HTTP client and one token cache. It is safe for concurrent use.
type Set struct {
	services map[string]Service
	sheets   *Sheets
	off      []string
}

// New wires the connectors.
func New(cfg Config) *Set {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	g := newGoogle(cfg)
	sheets := &Sheets{
		google:     g,
		sheetsBase: base(cfg.GoogleSheetsBase, "https://sheets.googleapis.com"),
		driveBase:  base(cfg.GoogleDriveBase, "https://www.googleapis.com"),
	}
	analytics := &ga4{
		google:   g,
		base:     base(cfg.GADataBase, "https://analyticsdata.googleapis.com"),
		now:      cfg.Now,
		pageSize: ga4PageSize,
	}
	return &Set{
		services: map[string]Service{GoogleSheets: sheets, GA4: analytics, Meta: newMeta(cfg, g.client), Shopify: newShopify(cfg, g.client)},
		sheets:   sheets,
		off:      cfg.Off,
	}
}

func base(override, standard string) string {
	if override == "" {
		return standard
	}
	return strings.TrimRight(override, "/")
}

// Names lists the services, sorted.
func (s *Set) Names() []string {
	names := make([]string, 0, len(s.services))
	for name := range s.services {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Service finds a service by name.
func (s *Set) Service(name string) (Service, bool) {
	service, ok := s.services[name]
	return service, ok
}

// Source finds a service that figures can be read from.
func (s *Set) Source(name string) (Source, bool) {
	source, ok := s.services[name].(Source)
	return source, ok
}

// Renewer finds a service some of whose credentials are renewed.
func (s *Set) Renewer(name string) (Renewer, bool) {
	renewer, ok := s.services[name].(Renewer)
	return renewer, ok
}

// Sources lists the sources that the operator has not switched off, sorted.
func (s *Set) Sources() []string {
	var names []string
	for _, name := range s.Names() {
		if _, ok := s.Source(name); ok && !slices.Contains(s.off, name) {
			names = append(names, name)
		}
	}
	return names
}

// Sheets is the Google Sheets destination.
func (s *Set) Sheets() *Sheets { return s.sheets }
