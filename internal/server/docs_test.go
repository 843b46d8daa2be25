package server_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/fault"
)

func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	a := b.get("/openapi.json")
	doc := a.object()
	if a.status != 200 || doc["openapi"] != "3.1.0" || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", a.status, doc["openapi"], a.header.Get("Content-Type"))
	}
	if same := b.get("/api/docs.json"); same.body != a.body {
		t.Error("/api/docs.json differs")
	}
	at := func(path ...string) any {
		t.Helper()
		var v any = doc
		for _, p := range path {
			m, _ := v.(map[string]any)
			if v = m[p]; v == nil {
				t.Fatalf("%v is missing at %s", path, p)
			}
		}
		return v
	}
	at("components", "securitySchemes", "bearerAuth")
	at("components", "securitySchemes", "serviceKey")
	for root, response := range map[string]string{"/v1": "400.bad_request.validation_error", "/api": "api.400.INVALID_JSON.VALIDATION_ERROR"} {
		ref := at("paths", root+"/sign-up", "post", "responses", "400", "$ref")
		if ref != "#/components/responses/"+response {
			t.Errorf("%s: %v", root, ref)
		}
		if text, _ := at("components", "responses", response, "description").(string); !strings.Contains(text, "breaks a rule") {
			t.Errorf("%s: %s", root, text)
		}
	}
	if required := at("paths", "/v1/sign-up", "post", "requestBody", "required"); required != true {
		t.Error("a body with required fields is optional")
	}
	for _, unwanted := range []string{`"422"`, "$schema", "ErrorModel", `"additionalProperties":false`} {
		if strings.Contains(a.body, unwanted) {
			t.Errorf("the document contains %s", unwanted)
		}
	}
}

// Bodies are named after their operation, and what stands in them after its property.
func TestSchemaNames(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	schemas := b.get("/openapi.json").object()["components"].(map[string]any)["schemas"].(map[string]any)
	for name := range schemas {
		if strings.HasSuffix(name, "Body") && name != "ClerkBody" || strings.Contains(name, "Struct") || strings.ContainsAny(name, "0123456789") {
			t.Errorf("%s is named by accident", name)
		}
	}
	if schemas["SignUpRequest"] == nil {
		t.Errorf("schemas: %v", slices.Sorted(maps.Keys(schemas)))
	}
}

// Two domains may use one name for two types.
func TestSchemaNamesDoNotClash(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	mountTwin1(b.API())
	mountTwin2(b.API())
	a := b.get("/openapi.json")
	schemas := a.object()["components"].(map[string]any)["schemas"].(map[string]any)
	if schemas["Twin"] == nil || schemas["Server_testTwin"] == nil {
		t.Errorf("schemas: %v", slices.Sorted(maps.Keys(schemas)))
	}
	b.get("/api/twin2").wantBody(404, `{"success":false,"error":"Not found","code":"NOT_FOUND"}`)
}

func mountTwin1(api huma.API) {
	type Twin struct{ A int }
	huma.Register(api, huma.Operation{OperationID: "twin1", Method: http.MethodGet, Path: "/api/twin1"},
		func(context.Context, *struct{}) (*struct{ Body Twin }, error) { return nil, nil })
}

// mountTwin2 also asks for success:false in its errors.
func mountTwin2(api huma.API) {
	type Twin struct{ B string }
	huma.Register(api, huma.Operation{OperationID: "twin2", Method: http.MethodGet, Path: "/api/twin2", Metadata: map[string]any{"envelope": true}},
		func(context.Context, *struct{}) (*struct{ Body Twin }, error) {
			return nil, fault.New(fault.NotFound, "", "")
		})
}

func TestDocsPage(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	a := b.get("/docs")
	if a.status != 200 || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %s", a.status, a.header.Get("Content-Type"))
	}
	for _, want := range []string{
		"Test sign-up", "/v1/sign-up", "An operation of the <code>test</code> domain.", "Address of the user.", "Needs: Access token.",
		"options.sheet", "X-Turkey-Service-Key", "AuthError", "APIError", "array of string", "<code>/health</code>", "One of <code>meta</code>, <code>ga4</code>.",
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, unwanted := range []string{"<script", "<style", "style=", "onclick", "http://", "https://"} {
		if strings.Contains(a.body, unwanted) {
			t.Errorf("the page contains %q", unwanted)
		}
	}
	if css := b.get("/docs/style.css"); css.status != 200 || !strings.HasPrefix(css.header.Get("Content-Type"), "text/css") {
		t.Errorf("%d %s", css.status, css.header.Get("Content-Type"))
	}
	if to := b.get("/api/docs"); to.status != 302 || to.header.Get("Location") != "/docs" {
		t.Errorf("%d %s", to.status, to.header.Get("Location"))
	}
}

func TestFrontPage(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	a := b.get("/")
	for _, want := range []string{"TurKey", `href="/docs"`, `href="/health"`, "1.2.3"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestAnswersCarryNoSchemaLink(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	if a := b.get("/v1/who"); strings.Contains(a.body, "$schema") || a.header.Get("Link") != "" {
		t.Errorf("%s %s", a.body, a.header.Get("Link"))
	}
}
