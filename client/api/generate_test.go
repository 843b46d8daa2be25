package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/format"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"turkey/client/api"
)

var update = flag.Bool("update", false, "rewrite types.go and operations.go")

type (
	schema struct {
		Ref         string             `json:"$ref"`
		Type        any                `json:"type"` // a name, or a name and "null"
		Format      string             `json:"format"`
		Description string             `json:"description"`
		Items       *schema            `json:"items"`
		Properties  map[string]*schema `json:"properties"`
		Required    []string           `json:"required"`
		AnyOf       []*schema          `json:"anyOf"`
		Additional  json.RawMessage    `json:"additionalProperties"`
	}
	media     struct{ Schema *schema }
	parameter struct {
		Name, In, Description string
		Schema                *schema
	}
	operation struct {
		OperationID, Summary, Description string
		Parameters                        []parameter
		RequestBody                       *struct{ Content map[string]media }
		Responses                         map[string]struct{ Content map[string]media }
	}
	document struct {
		Paths      map[string]map[string]operation
		Components struct{ Schemas map[string]*schema }
	}
)

// handwritten are operations that package client has in another form.
var handwritten = map[string]string{
	"watchRun":          "Session.WatchRun, a stream",
	"followRevocations": "Verifier.Follow, a stream",
}

func read(t *testing.T) document {
	t.Helper()
	text, err := os.ReadFile("../../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestEveryOperationHasAMethod lists what of the API cannot be called from Go.
func TestEveryOperationHasAMethod(t *testing.T) {
	t.Parallel()
	for path, item := range read(t).Paths {
		for method, o := range item {
			_, found := reflect.TypeFor[*api.API]().MethodByName(goName(o.OperationID))
			if elsewhere := handwritten[o.OperationID]; found == (elsewhere != "") {
				t.Errorf("%s %s: no method %s, or two of it", method, path, goName(o.OperationID))
			}
		}
	}
}

// TestGenerated holds types.go and operations.go to openapi.json.
func TestGenerated(t *testing.T) {
	t.Parallel()
	g := generator{doc: read(t), asked: map[string]bool{}}
	for _, item := range g.doc.Paths {
		for _, o := range item {
			if o.RequestBody != nil {
				g.ask(o.RequestBody.Content["application/json"].Schema)
			}
		}
	}
	for file, text := range map[string]string{"types.go": g.types(), "operations.go": g.operations()} {
		want, err := format.Source([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v\n%s", file, err, text)
		}
		if *update {
			if err := os.WriteFile(file, want, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what openapi.json says (%v): run make generate", file, err)
		}
	}
}

type generator struct {
	doc   document
	asked map[string]bool // schemas that stand in requests
}

func (g generator) ask(s *schema) {
	if s == nil {
		return
	}
	if name := nameOf(s.Ref); name != "" && !g.asked[name] {
		g.asked[name] = true
		g.ask(g.doc.Components.Schemas[name])
	}
	g.ask(s.Items)
	for _, p := range s.Properties {
		g.ask(p)
	}
}

const generated = "// Code generated from openapi.json by go test ./client/api -update; DO NOT EDIT.\n\npackage api\n\n"

func (g generator) types() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(g.doc.Components.Schemas)) {
		s := g.doc.Components.Schemas[name]
		comment(&b, "", name+" is a schema of the API.", s.Description)
		fmt.Fprintf(&b, "type %s struct {\n", name)
		for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
			p := s.Properties[member]
			optional := !slices.Contains(s.Required, member)
			comment(&b, "\t", p.Description)
			tag := member
			if optional {
				tag += ",omitempty"
			}
			fmt.Fprintf(&b, "\t%s %s `json:%q`\n", goName(member), g.member(p, optional, g.asked[name]), tag)
		}
		b.WriteString("}\n\n")
	}
	return generated + imports(b.String(), "encoding/json", "time") + b.String()
}

// member is the type of a field. In requests what is optional is a pointer, so that its zero can be sent.
func (g generator) member(s *schema, optional, asked bool) string {
	base, null := g.typeOf(s)
	if strings.HasPrefix(base, "[]") || strings.HasPrefix(base, "map[") || base == "json.RawMessage" {
		return base
	}
	switch {
	case null && optional && asked:
		return "*Null[" + base + "]"
	case null, optional && (asked || s.Ref != "" || base == "time.Time"):
		return "*" + base
	}
	return base
}

func (g generator) typeOf(s *schema) (name string, null bool) {
	if s.Ref != "" {
		return nameOf(s.Ref), false
	}
	if len(s.AnyOf) == 2 && s.AnyOf[1].Type == "null" {
		name, _ = g.typeOf(s.AnyOf[0])
		return name, true
	}
	kind, _ := s.Type.(string)
	if kinds, ok := s.Type.([]any); ok {
		kind, _ = kinds[0].(string)
		null = true
	}
	switch kind {
	case "string":
		if s.Format == "date-time" {
			return "time.Time", null
		}
		return "string", null
	case "integer":
		return "int64", null
	case "number":
		return "float64", null
	case "boolean":
		return "bool", null
	case "array":
		item, pointer := g.typeOf(s.Items)
		if pointer {
			item = "*" + item
		}
		return "[]" + item, null
	case "object":
		var of schema
		if len(s.Properties) == 0 && json.Unmarshal(s.Additional, &of) == nil && of.Type != nil {
			value, pointer := g.typeOf(&of)
			if pointer {
				value = "*" + value
			}
			return "map[string]" + value, null
		}
	}
	return "json.RawMessage", null
}

var inPath = regexp.MustCompile(`{(\w+)}`)

func (g generator) operations() string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(g.doc.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(g.doc.Paths[path])) {
			if o := g.doc.Paths[path][method]; handwritten[o.OperationID] == "" {
				g.method(&b, strings.ToUpper(method), path, o)
			}
		}
	}
	text := b.String()
	return generated + imports(text, "context", "encoding/json", "net/url", "time") + text
}

func (g generator) method(b *strings.Builder, method, path string, o operation) {
	name := goName(o.OperationID)
	args, at, body, passed := "ctx context.Context", fmt.Sprintf("%q", path), "nil", ""
	for _, m := range inPath.FindAllStringSubmatch(path, -1) {
		arg := strings.ToLower(m[1][:1]) + m[1][1:]
		args += ", " + arg + " string"
		at = strings.Replace(at, m[0], `" + url.PathEscape(`+arg+`) + "`, 1)
	}
	at = strings.TrimSuffix(at, ` + ""`)
	if o.RequestBody != nil {
		body = "body"
		base, _ := g.typeOf(o.RequestBody.Content["application/json"].Schema)
		args += ", body " + base
	}
	var query []parameter
	for _, p := range o.Parameters {
		if p.In == "query" {
			query = append(query, p)
		}
	}
	if len(query) > 0 {
		fmt.Fprintf(b, "// %sQuery are the parameters of %s; zero ones are left out.\ntype %sQuery struct {\n", name, name, name)
		for _, p := range query {
			comment(b, "\t", p.Description)
			base, _ := g.typeOf(p.Schema)
			fmt.Fprintf(b, "\t%s %s\n", goName(p.Name), base)
		}
		b.WriteString("}\n\n")
		args += ", q " + name + "Query"
		passed = "\tparameters := query{}\n"
		for _, p := range query {
			passed += fmt.Sprintf("\tparameters.add(%q, q.%s)\n", p.Name, goName(p.Name))
		}
		at = "parameters.to(" + at + ")"
	}
	result := "json.RawMessage"
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if m, ok := o.Responses[status].Content["application/json"]; ok && status < "300" {
			result, _ = g.typeOf(m.Schema)
		}
	}
	comment(b, "", name+": "+o.Summary+".", o.Description, method+" "+path)
	fmt.Fprintf(b, "func (a *API) %s(%s) (*%s, error) {\n%s\tout := new(%s)\n\tif err := a.send(ctx, %q, %s, %s, out); err != nil {\n\t\treturn nil, err\n\t}\n\treturn out, nil\n}\n\n",
		name, args, result, passed, result, method, at, body)
}

func nameOf(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

func imports(text string, packages ...string) string {
	var used []string
	for _, p := range packages {
		if regexp.MustCompile(`\b` + p[strings.LastIndex(p, "/")+1:] + `\.[A-Z]`).MatchString(text) {
			used = append(used, fmt.Sprintf("%q", p))
		}
	}
	return "import (\n" + strings.Join(used, "\n") + "\n)\n\n"
}

func comment(b *strings.Builder, indent string, parts ...string) {
	for _, part := range parts {
		for line := range strings.Lines(part) {
			if line = strings.TrimSpace(line); line != "" {
				fmt.Fprintf(b, "%s// %s\n", indent, line)
			}
		}
	}
}

var (
	boundary  = regexp.MustCompile(`[^A-Za-z0-9]+`)
	initials  = regexp.MustCompile(`(Id|Url|Ip|Jti|Json|Api)($|[A-Z0-9])`)
	inCapital = map[string]string{"Id": "ID", "Url": "URL", "Ip": "IP", "Jti": "JTI", "Json": "JSON", "Api": "API"}
)

// goName makes CredentialID of credentialId.
func goName(name string) string {
	var b strings.Builder
	for _, part := range boundary.Split(name, -1) {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return initials.ReplaceAllStringFunc(b.String(), func(m string) string {
		for from, to := range inCapital {
			if rest, ok := strings.CutPrefix(m, from); ok {
				return to + rest
			}
		}
		return m
	})
}
