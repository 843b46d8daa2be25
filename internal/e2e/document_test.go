package e2e_test

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"os"
	stdpath "path"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is openapi.json: every answer of these tests is held against it.
var document = sync.OnceValue(func() *published {
	text, err := os.ReadFile("../../openapi.json")
	if err != nil {
		panic(err)
	}
	d := &published{mux: http.NewServeMux(), schemas: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	if err := json.Unmarshal(text, &d.doc); err != nil {
		panic(err)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	shut(whole, parts(whole, map[string]bool{}), false)
	d.schemas.DefaultDraft(jsonschema.Draft2020)
	d.schemas.AssertFormat()
	if err := d.schemas.AddResource(documentURL, whole); err != nil {
		panic(err)
	}
	for path, item := range d.doc.Paths {
		for method := range item {
			d.mux.Handle(strings.ToUpper(method)+" "+path, http.NotFoundHandler())
		}
	}
	return d
})

// shut lets objects have the members that are documented, and no others. Clients must not mind others, so the document itself
// does not say it.
func shut(v any, parts map[string]bool, part bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			shut(e, parts, part)
		}
	case map[string]any:
		_, listed := v["properties"].(map[string]any)
		_, whole := v["allOf"].([]any)
		if (listed || whole) && !part && v["additionalProperties"] == nil {
			v["unevaluatedProperties"] = false
		}
		for name, e := range v {
			shut(e, parts, name == "allOf" || parts[name])
		}
	}
}

// parts are the schemas that others are made of, by allOf: a part does not know the members of the whole.
func parts(v any, found map[string]bool) map[string]bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			parts(e, found)
		}
	case map[string]any:
		all, _ := v["allOf"].([]any)
		for _, e := range all {
			if ref, ok := e.(map[string]any)["$ref"].(string); ok {
				found[ref[strings.LastIndex(ref, "/")+1:]] = true
			}
		}
		for _, e := range v {
			parts(e, found)
		}
	}
	return found
}

const documentURL = "file:///openapi.json"

type published struct {
	mux *http.ServeMux
	doc struct {
		Paths      map[string]map[string]struct{ Responses map[string]answerOf }
		Components struct{ Responses map[string]answerOf }
	}

	mu       sync.Mutex // of the two below; a compiled schema may be used by many
	schemas  *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

type answerOf struct {
	Ref     string `json:"$ref"`
	Content map[string]struct{}
}

// check says what is wrong with an answer, "" of a good one and of a request that no operation takes.
func (d *published) check(r *http.Request, status int, contentType string, body []byte) string {
	if stdpath.Clean(r.URL.Path) != r.URL.Path {
		return "" // no route's path
	}
	_, pattern := d.mux.Handler(r)
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || method != r.Method {
		return ""
	}
	method = strings.ToLower(method)
	a, ok := d.doc.Paths[path][method].Responses[strconv.Itoa(status)]
	if !ok {
		return "this status is not documented"
	}
	at := "#/paths/" + pointer(path) + "/" + method + "/responses/" + strconv.Itoa(status)
	if a.Ref != "" {
		at = a.Ref
		a = d.doc.Components.Responses[a.Ref[strings.LastIndex(a.Ref, "/")+1:]]
	}
	if len(body) == 0 && len(a.Content) == 0 {
		return ""
	}
	media, _, err := mime.ParseMediaType(contentType)
	if _, documented := a.Content[media]; err != nil || !documented {
		return "content type " + strconv.Quote(contentType) + " is not documented"
	}
	if media != "application/json" {
		return ""
	}
	schema, err := d.schema(at + "/content/" + pointer(media) + "/schema")
	if err != nil {
		return err.Error()
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	if err := schema.Validate(value); err != nil {
		return err.Error()
	}
	return ""
}

func (d *published) schema(at string) (*jsonschema.Schema, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.compiled[at]; s != nil {
		return s, nil
	}
	s, err := d.schemas.Compile(documentURL + at)
	if err == nil {
		d.compiled[at] = s
	}
	return s, err
}

var escaped = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")

func pointer(member string) string { return escaped.Replace(member) }
