package connector

import (
	"context"
	"encoding/json"
	"net/http"
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
	HTTPJSON     = "http_json"
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
	// HTTPJSONBase is followed by the host that the credential names: HTTPJSONBase + "/api.example.com/v1/…".
	HTTPJSONBase string
	// ShopifyVersion is the Admin API's version; "" is the pinned one.
	ShopifyVersion string
	// MetaVersion is the Graph API's version; "" is the pinned one.
	MetaVersion string
	// Off names sources that the operator has switched off. They stay usable one by one, and are not among Sources.
	Off []string
	// HTTPJSON adds the service http_json, which the credential API's list of services does not have.
	HTTPJSON bool
	// AllowPrivate permits loopback and private addresses. Only for an overridden base.
	AllowPrivate bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Watch puts somebody who looks on between the calls and the network; nil is nobody.
	Watch func(http.RoundTripper) http.RoundTripper
	// Gate is asked before each call of one of Budgets whether the account has calls left, over all who use it; nil is no
	// limit. A wait of more than 0 is the time until it has some again.
	Gate func(budget, account string) (wait time.Duration)
}

// Budgets are the calls that a Gate counts, and how many of them a provider lets one account make in a minute, where it says
// so; 0 where it counts by other measures, and says in its answers when it has enough.
// Sources: developers.google.com/workspace/sheets/api/limits.
func Budgets() map[string]int {
	return map[string]int{budgetSheetsRead: 60, budgetSheetsWrite: 60, GA4: 0, Meta: 0, Shopify: 0}
}

const (
	budgetSheetsRead  = GoogleSheets + ".read"
	budgetSheetsWrite = GoogleSheets + ".write"
)

// Service is one provider as the vault sees it.
type Service interface {
	Name() string
	// Parse checks a pasted credential. The problems are the texts of the contract (§4); without any, Content can be saved.
	Parse(raw []byte) (Content, []string)
	// Verify proves by the fewest calls that the credential works now (§5). secret is a Content.JSON. The error is an *Error.
	Verify(ctx context.Context, secret []byte, bound Binding) (Proof, error)
}

// Source is a provider that the pipeline reads figures from. Embedding an *Outline is most of it.
type Source interface {
	Service
	// Outlined says what is fixed about the source.
	Outlined() *Outline
	// Columns and Totals are the outline's.
	Columns() []string
	Totals() Totals
	// Window is the number of days that each run reads again, because the provider still corrects them.
	Window() int
	// Version is that of the provider's API as it stands in addresses, "" if there is none.
	Version() string
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
	Metrics            []Metric // of a source whose outline has none: what this credential's rows hold
}

// Row is one day of a source. The keys of Metrics are Columns without id and date; each value is a plain decimal number.
// Sources says which of several candidates a metric was taken from, under "<metric>_source" (§7.1); nil where there is no choice.
type Row struct {
	Date    string
	Metrics map[string]json.Number
	Sources map[string]string
}

// registry lists the services. A new one is a line here, besides its own file.
var registry = []struct {
	*Outline
	open func(Config, *google) Service
}{
	{&sheetsOutline, func(cfg Config, g *google) Service { return newSheets(cfg, g) }},
	{&metaOutline, func(cfg Config, g *google) Service { return newMeta(cfg, g.client) }},
	{&ga4Outline, func(cfg Config, g *google) Service { return newGA4(cfg, g) }},
	{&shopifyOutline, func(cfg Config, g *google) Service { return newShopify(cfg, g.client) }},
	{&httpJSONOutline, func(cfg Config, _ *google) Service { return newHTTPJSON(cfg) }},
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
	s := &Set{services: map[string]Service{}, off: cfg.Off}
	for _, r := range registry {
		if r.Service != HTTPJSON || cfg.HTTPJSON {
			s.services[r.Service] = r.open(cfg, g)
		}
	}
	s.sheets, _ = s.services[GoogleSheets].(*Sheets) // the registry has it
	return s
}

func base(override, standard string) string {
	if override == "" {
		return standard
	}
	return strings.TrimRight(override, "/")
}

// SourceNames lists what runs collect from, also those that are switched off.
func SourceNames() (all []string) {
	for _, r := range registry {
		if r.Service != GoogleSheets {
			all = append(all, r.Service)
		}
	}
	return all
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
