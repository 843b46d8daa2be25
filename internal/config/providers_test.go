package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestProviders(t *testing.T) {
	t.Parallel()
	if c := mustLoad(t, nil, nil); c.MetaVersion != "" || slices.Contains(c.SourcesOff(), "meta") {
		t.Errorf("defaults: %q, %v", c.MetaVersion, c.SourcesOff())
	}
	c := mustLoad(t, nil, map[string]string{"META_API_VERSION": "v27.0", "META_API_BASE": "http://localhost:1/graph", "META_ENABLED": "false", "GA4_ENABLED": "false"})
	if c.MetaVersion != "v27.0" || c.MetaBase != "http://localhost:1/graph" || !slices.Contains(c.SourcesOff(), "meta") || !slices.Contains(c.SourcesOff(), "ga4") {
		t.Errorf("settings: %+v", c)
	}
	for _, version := range []string{"26.0", "v26", "v26.0/me", "latest"} {
		c := &Config{MetaVersion: version}
		if problems := c.checkProviders(); len(problems) != 1 || !strings.HasPrefix(problems[0], "META_API_VERSION: ") {
			t.Errorf("%s: %v", version, problems)
		}
	}
}

func TestShopifySettings(t *testing.T) {
	t.Parallel()
	if c := mustLoad(t, nil, nil); c.ShopifyVer != "" || slices.Contains(c.SourcesOff(), "shopify") {
		t.Errorf("defaults: %q, %v", c.ShopifyVer, c.SourcesOff())
	}
	c := mustLoad(t, nil, map[string]string{"SHOPIFY_API_VERSION": "2027-01", "SHOPIFY_API_BASE": "http://localhost:1/shopify", "SHOPIFY_ENABLED": "false"})
	if c.ShopifyVer != "2027-01" || c.ShopifyBase != "http://localhost:1/shopify" || !slices.Contains(c.SourcesOff(), "shopify") {
		t.Errorf("settings: %+v", c)
	}
	for _, version := range []string{"2026-11", "2026-10/graphql.json?", "unstable", "latest"} {
		c := &Config{ShopifyVer: version}
		if problems := c.checkProviders(); len(problems) != 1 || !strings.HasPrefix(problems[0], "SHOPIFY_API_VERSION: ") {
			t.Errorf("%s: %v", version, problems)
		}
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	if w := mustLoad(t, nil, nil).Windows(); w["meta"]+w["ga4"]+w["shopify"] != 0 {
		t.Errorf("defaults: %v", w)
	}
	w := mustLoad(t, nil, map[string]string{"META_WINDOW_DAYS": "7", "GA4_WINDOW_DAYS": "30", "SHOPIFY_WINDOW_DAYS": "365"}).Windows()
	if w["meta"] != 7 || w["ga4"] != 30 || w["shopify"] != 365 {
		t.Errorf("settings: %v", w)
	}
	c := &Config{GA4Window: 366, MetaWindow: -1}
	if problems := c.checkProviders(); len(problems) != 2 {
		t.Errorf("problems: %v", problems)
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	standard := map[string]int{"google_sheets.read": 60, "meta": 0}
	rates, err := mustLoad(t, nil, map[string]string{"PROVIDER_RATES": "google_sheets.read=300, meta=200"}).Rates(standard)
	if err != nil || rates["google_sheets.read"] != 300 || rates["meta"] != 200 || standard["meta"] != 0 {
		t.Errorf("%v, %v", rates, err)
	}
	if rates, err = mustLoad(t, nil, nil).Rates(standard); err != nil || !maps.Equal(rates, standard) {
		t.Errorf("defaults: %v, %v", rates, err)
	}
	for _, text := range []string{"meta", "meta=", "meta=-1", "meta=many", "fax=3", "meta=1000001"} {
		if _, err := (&Config{ProviderRates: text}).Rates(standard); err == nil || !strings.Contains(err.Error(), "google_sheets.read, meta") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if problems := (&Config{ProviderRates: "meta=x"}).checkProviders(); len(problems) != 1 {
		t.Errorf("problems: %v", problems)
	}
}
