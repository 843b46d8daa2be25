package e2e_test

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestAppsHaveABrand(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.user("shop")
	admin := s.user("shop", "role = 'admin'")
	other := s.user("another", "role = 'admin'")
	plain := s.get("/v1/apps/shop", "").want(t, 200, "")
	if plain.at("data", "brand", "color") != nil || plain.at("data", "name") != "shop" || plain.at("data", "registrationOpen") != true {
		t.Errorf("%s", plain.raw)
	}
	s.get("/v1/apps/none", "").want(t, 404, "not_found")
	s.get("/v1/apps/no%00ne", "").want(t, 404, "not_found")

	logo := "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte("<svg/>"))
	s.call("PUT", "/v1/admin/apps/shop/brand", admin.access, object{"color": "#0B62d6", "logo": logo}).want(t, 200, "")
	if a := s.get("/v1/apps/shop", ""); a.at("data", "brand", "color") != "#0b62d6" || a.at("data", "brand", "logo") != logo {
		t.Errorf("%s", a.raw)
	}
	for _, body := range []object{
		{"color": "red"}, {"color": "#12345"}, {"color": "#123456;}"}, {"logo": "https://cdn.example/logo.png"}, {"logo": "javascript:alert(1)"},
		{"logo": "data:text/html;base64,PGI+"}, {"logo": "data:image/png;base64,!"}, {"logo": "data:image/png;base64,"},
		{"logo": "data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 64<<10+1)))},
	} {
		s.call("PUT", "/v1/admin/apps/shop/brand", admin.access, body).want(t, 400, "validation_error")
	}
	s.call("PUT", "/v1/admin/apps/shop/brand", other.access, object{"color": "#000000"}).want(t, 403, "insufficient_permissions")
	if a := s.get("/v1/apps/shop", ""); a.at("data", "brand", "color") != "#0b62d6" {
		t.Errorf("%s", a.raw)
	}
	s.call("PUT", "/v1/admin/apps/shop/brand", admin.access, object{}).want(t, 200, "")
	if a := s.get("/v1/apps/shop", ""); a.at("data", "brand", "color") != nil {
		t.Errorf("%s", a.raw)
	}
}
