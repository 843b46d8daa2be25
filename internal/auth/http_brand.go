package auth

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
)

func (s *Service) mountEntrance(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/apps/{id}", "getEntrance", "Authentication", "What a sign-in page has to know",
		"Name, look and rules of an app. Public."), s.handleEntrance)
}

func (s *Service) mountBrand(m adminRoutes) {
	huma.Register(m.api, m.op(http.MethodPut, "apps/{id}/brand", "setBrand", "Change how an app's pages look",
		"Colour and logo of the pages for signing in and of the console; null is the house's own."), s.handleSetBrand)
}

// brandBody is a whole brand: what is absent or null is the house's own.
type brandBody struct {
	Color Setting[string] `json:"color,omitzero" doc:"#rrggbb; null: the house's own"`
	Logo  Setting[string] `json:"logo,omitzero" doc:"A data: URL of a PNG, JPEG, WebP or SVG image of at most 64 KiB; null: the house's own"`
}

func (b *brandBody) brand() Brand { return Brand{Color: b.Color.Value, Logo: b.Logo.Value} }

// Validate lists every broken rule.
func (b *brandBody) Validate() []fault.Field {
	brand := b.brand()
	return brand.Validate()
}

func (s *Service) handleEntrance(ctx context.Context, in *AppPath) (*dataOutput[Entrance], error) {
	if !appIDPattern.MatchString(in.ID) {
		return nil, errNoApp
	}
	return answered(s.Entrance(ctx, in.ID))
}

func (s *Service) handleSetBrand(ctx context.Context, in *struct {
	AppPath
	Body brandBody
}) (*dataOutput[Entrance], error) {
	if !appIDPattern.MatchString(in.ID) {
		return nil, errNoApp
	}
	if err := s.SetBrand(ctx, in.ID, in.Body.brand()); err != nil {
		return nil, err
	}
	return answered(s.Entrance(ctx, in.ID))
}
