package connector

import "time"

// The versions of the providers' APIs that this package is written for. Nothing else names one.
const (
	sheetsVersion = "v4"
	driveVersion  = "v3"
	ga4Version    = "v1beta"
	// MetaVersion is overridden by Config.MetaVersion.
	MetaVersion = "v26.0"
	// ShopifyVersion is overridden by the operator as well.
	ShopifyVersion = "2026-10"
)

// Version is a provider's API as this package speaks it.
type Version struct {
	Service string    // GoogleSheets, Meta, GA4 or Shopify
	API     string    // in words
	Version string    // as it stands in addresses
	Ends    time.Time // first day without the provider's promise to serve it; zero: no end is announced
	Source  string    // where the provider says so
}

// Versions lists the APIs with the ends of their support, as known when this was written.
func Versions() []Version {
	return []Version{
		{Service: GA4, API: "Google Analytics Data API", Version: ga4Version,
			Source: "https://developers.google.com/analytics/devguides/reporting/data/v1/rest"},
		{Service: GoogleSheets, API: "Google Drive API", Version: driveVersion,
			Source: "https://developers.google.com/workspace/drive/api/reference/rest/v3"},
		{Service: GoogleSheets, API: "Google Sheets API", Version: sheetsVersion,
			Source: "https://developers.google.com/workspace/sheets/api/reference/rest"},
		// Released on 29 July 2026, expiration "to be determined". Past its end Meta serves a later version without a word,
		// which the header facebook-api-version tells.
		{Service: Meta, API: "Meta Marketing API", Version: MetaVersion,
			Source: "https://developers.facebook.com/docs/graph-api/changelog/versions/"},
		// Released on 1 October 2026; stable versions live 12 months at least.
		{Service: Shopify, API: "Shopify Admin GraphQL API", Version: ShopifyVersion,
			Ends: time.Date(2027, 10, 1, 0, 0, 0, 0, time.UTC), Source: "https://shopify.dev/docs/api/usage/versioning"},
	}
}

// Version is that of the API which a source is read with, as it stands in addresses; "" of what is no source.
func (s *Set) Version(source string) string {
	if c, ok := s.Source(source); ok {
		return c.Version()
	}
	return ""
}
