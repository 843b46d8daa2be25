package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"turkey/internal/auth"
	"turkey/internal/config"
)

// samples makes credentials of the fake providers, so that whoever tries TurKey out needs no account anywhere. It is mounted
// with the sandbox alone, whose credentials open nothing real; it asks for a token only to keep strangers from filling the disk.
func samples(cfg *config.Config, users *auth.Service, log *slog.Logger) http.Handler {
	fake := fmt.Sprintf("http://localhost:%d", cfg.SandboxPort)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if users.TokenUser(r) == "" {
			http.Error(w, "sign in first", http.StatusUnauthorized)
			return
		}
		content, err := sample(r.Context(), fake, r.PathValue("service"))
		switch {
		case err != nil:
			log.ErrorContext(r.Context(), "no sample credential", "error", err)
			http.Error(w, "the fake providers do not answer", http.StatusBadGateway)
			return
		case content == nil:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(content) // a client that is gone hears nothing
	})
}

// sampleTabs are those of a sample's spreadsheet.
var sampleTabs = []string{"Google", "Meta", "Shopify"}

// sample is the content of a credential as the provider's console would give it out; nil: no such provider.
func sample(ctx context.Context, fake, service string) (map[string]any, error) {
	type object = map[string]any
	content := object{}
	switch service {
	case "google_sheets", "ga4":
		if err := askSandbox(ctx, fake, "/_sandbox/service-accounts", object{}, &content); err != nil {
			return nil, err
		}
		with := content["client_email"]
		if err := askSandbox(ctx, fake, "/_sandbox/spreadsheets", object{"title": "My figures", "tabs": sampleTabs, "shareWith": with}, &object{}); err != nil {
			return nil, err
		}
		if service == "google_sheets" {
			return content, nil
		}
		var property struct {
			ID string `json:"propertyId"`
		}
		if err := askSandbox(ctx, fake, "/_sandbox/properties", object{"timeZone": "Europe/Berlin", "currency": "EUR", "shareWith": with}, &property); err != nil {
			return nil, err
		}
		maps.Copy(content, object{"property_id": property.ID})
		return content, nil
	case "meta":
		return content, askSandbox(ctx, fake, "/_sandbox/ad-accounts", object{"timeZone": "Europe/Berlin", "currency": "EUR"}, &content)
	case "shopify":
		return content, askSandbox(ctx, fake, "/_sandbox/shops", object{"timeZone": "Europe/Berlin", "currency": "EUR"}, &content)
	case "http_json":
		return content, askSandbox(ctx, fake, "/_sandbox/json-apis", object{}, &content)
	default:
		return nil, nil
	}
}

// portOf is the port of a URL that names one.
func portOf(text string) (int, error) {
	u, err := url.Parse(text)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Port())
}
