package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "rewrite openapi.json")

const golden = "../../openapi.json"

// TestOpenAPI holds the published document to the routes: a change of the API shows in the diff of openapi.json.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	doc, err := openAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, doc, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v; make generate writes it", err)
	}
	if !bytes.Equal(doc, want) {
		t.Error("openapi.json is not what the routes say: run `make generate` and look at the diff")
	}
}

// methodName is what every language takes as the name of a method.
var methodName = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)

// accident is in the names that schemas get where nobody thought of one.
var accident = regexp.MustCompile(`[0-9]|(?:Output|Input)(?:Body|Result|Request)|Struct`)

// Examples are what people copy, and names of schemas are types in other languages.
func TestSchemasAreNamedAndExamplesFit(t *testing.T) {
	t.Parallel()
	text, err := openAPI()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("file:///openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	found := 0
	var walk func(v any, at string)
	walk = func(v any, at string) {
		object, ok := v.(map[string]any)
		if !ok {
			return
		}
		if examples, ok := object["examples"].([]any); ok {
			schema, err := compiler.Compile("file:///openapi.json#" + at)
			if err != nil {
				t.Fatal(err)
			}
			for _, example := range examples {
				found++
				if err := schema.Validate(example); err != nil {
					t.Errorf("%s: %v: %v", at, example, err)
				}
			}
		}
		for name, member := range object {
			walk(member, at+"/"+strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(name))
		}
	}
	walk(doc, "")
	if found < 10 {
		t.Errorf("%d examples", found)
	}
	for name := range doc.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any) {
		if accident.MatchString(name) {
			t.Errorf("the schema %s is named by accident: name its Go type", name)
		}
	}
}

func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	text, err := openAPI()
	if err != nil {
		t.Fatal(err)
	}
	type response struct {
		Ref         string         `json:"$ref"`
		Description string         `json:"description"`
		Content     map[string]any `json:"content"`
	}
	type operation struct {
		OperationID string                `json:"operationId"`
		Summary     string                `json:"summary"`
		Tags        []string              `json:"tags"`
		Security    []map[string][]string `json:"security"`
		Responses   map[string]response   `json:"responses"`
	}
	var doc struct {
		OpenAPI string                          `json:"openapi"`
		Paths   map[string]map[string]operation `json:"paths"`

		Components struct {
			Responses map[string]response `json:"responses"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) == 0 {
		t.Errorf("OpenAPI %q with %d paths", doc.OpenAPI, len(doc.Paths))
	}
	seen := map[string]string{}
	for path, operations := range doc.Paths {
		for method, o := range operations {
			name := method + " " + path
			if !methodName.MatchString(o.OperationID) {
				t.Errorf("%s: the operationId %q makes no method name", name, o.OperationID)
			}
			if o.Summary == "" || len(o.Tags) == 0 || o.OperationID == "" {
				t.Errorf("%s: summary %q, tags %v, operationId %q", name, o.Summary, o.Tags, o.OperationID)
			}
			if other, taken := seen[o.OperationID]; taken {
				t.Errorf("%s and %s share the operationId %s", name, other, o.OperationID)
			}
			seen[o.OperationID] = name
			documented := false
			for status, r := range o.Responses {
				if r.Ref != "" {
					r = doc.Components.Responses[strings.TrimPrefix(r.Ref, "#/components/responses/")]
				}
				if r.Description == "" {
					t.Errorf("%s: response %s has no description", name, status)
				}
				if (status[0] == '4' || status[0] == '5') && len(r.Content) > 0 {
					documented = true
				}
			}
			if !documented && !strings.HasPrefix(path, "/.well-known/") && path != "/livez" { // served from memory: they do not fail
				t.Errorf("%s: no error is documented", name)
			}
			if strings.HasPrefix(path, "/api/") && path != "/api/health" && len(o.Security) == 0 {
				t.Errorf("%s: no security", name)
			}
		}
	}
}
