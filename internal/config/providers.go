package config

import (
	"regexp"
	"strings"
)

var (
	metaVersion    = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]$`)
	shopifyVersion = regexp.MustCompile(`^20[0-9]{2}-(01|04|07|10)$`)
)

func (c *Config) checkProviders() (problems []string) {
	if c.MetaVersion != "" && !metaVersion.MatchString(c.MetaVersion) {
		problems = append(problems, "META_API_VERSION: expected a version such as v26.0")
	}
	if c.ShopifyVer != "" && !shopifyVersion.MatchString(c.ShopifyVer) {
		problems = append(problems, "SHOPIFY_API_VERSION: expected a version such as 2026-10")
	}
	for name, days := range c.Windows() {
		if days < 0 || days > 365 {
			problems = append(problems, strings.ToUpper(name)+"_WINDOW_DAYS: expected a number of days from 1 to 365")
		}
	}
	return problems
}

// Windows are the days that each run of a source restates; 0 leaves it to the source.
func (c *Config) Windows() map[string]int {
	return map[string]int{"meta": c.MetaWindow, "ga4": c.GA4Window, "shopify": c.ShopifyWindow, "http_json": c.JSONWindow}
}

// SourcesOff lists the services that "sync all" leaves out.
func (c *Config) SourcesOff() (off []string) {
	if !c.GA4Enabled {
		off = append(off, "ga4")
	}
	if !c.MetaEnabled {
		off = append(off, "meta")
	}
	if !c.ShopifyOn {
		off = append(off, "shopify")
	}
	return off
}
