package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
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
	if _, err := c.Rates(nil); err != nil {
		problems = append(problems, "PROVIDER_RATES: "+err.Error())
	}
	return problems
}

// Rates are the calls per account and minute by name: those given, changed by PROVIDER_RATES. A name that is not among those
// given is an error, unless none are.
func (c *Config) Rates(standard map[string]int) (map[string]int, error) {
	rates := maps.Clone(standard)
	if rates == nil {
		rates = map[string]int{}
	}
	for part := range strings.FieldsFuncSeq(c.ProviderRates, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(value)
		if _, known := standard[name]; err != nil || n < 0 || n > 1_000_000 || standard != nil && !known {
			return nil, fmt.Errorf("expected name=calls per minute with commas between, such as google_sheets.read=300; names: %s",
				strings.Join(slices.Sorted(maps.Keys(standard)), ", "))
		}
		rates[name] = n
	}
	return rates, nil
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
