package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
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

func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	text, err := openAPI()
	if err != nil {
		t.Fatal(err)
	}
	type operation struct {
		OperationID string                `json:"operationId"`
		Summary     string                `json:"summary"`
		Tags        []string              `json:"tags"`
		Security    []map[string][]string `json:"security"`
		Responses   map[string]struct {
			Description string         `json:"description"`
			Content     map[string]any `json:"content"`
		} `json:"responses"`
	}
	var doc struct {
		OpenAPI string                          `json:"openapi"`
		Paths   map[string]map[string]operation `json:"paths"`
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
			if o.Summary == "" || len(o.Tags) == 0 || o.OperationID == "" {
				t.Errorf("%s: summary %q, tags %v, operationId %q", name, o.Summary, o.Tags, o.OperationID)
			}
			if other, taken := seen[o.OperationID]; taken {
				t.Errorf("%s and %s share the operationId %s", name, other, o.OperationID)
			}
			seen[o.OperationID] = name
			documented := false
			for status, r := range o.Responses {
				if r.Description == "" {
					t.Errorf("%s: response %s has no description", name, status)
				}
				if (status[0] == '4' || status[0] == '5' || status == "default") && len(r.Content) > 0 {
					documented = true
				}
			}
			if !documented && !strings.HasPrefix(path, "/.well-known/") { // served from memory: they do not fail
				t.Errorf("%s: no error is documented", name)
			}
			if strings.HasPrefix(path, "/api/") && path != "/api/health" && len(o.Security) == 0 {
				t.Errorf("%s: no security", name)
			}
		}
	}
}
