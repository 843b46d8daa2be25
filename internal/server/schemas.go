package server

import (
	"cmp"
	"encoding/json"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
)

// schemaNames gives schemas the names that huma needs while routes are mounted, and those that are published.
type schemaNames struct {
	names map[schemaKey]string
	owner map[string]schemaKey
}

// schemaKey is a type; one without a name is told apart by where it stands.
type schemaKey struct {
	t    reflect.Type
	hint string
}

func newSchemaNames() *schemaNames {
	return &schemaNames{names: map[schemaKey]string{}, owner: map[string]schemaKey{}}
}

// name names schemas after their Go type; a second type of the same name gets its package in front, since domains do not
// know each other's names. It depends on the order of registration alone.
func (n *schemaNames) name(t reflect.Type, hint string) string {
	base := t
	for base.Kind() == reflect.Pointer {
		base = base.Elem()
	}
	k := schemaKey{t: base}
	if base.Name() == "" {
		k.hint = hint
	}
	if name, ok := n.names[k]; ok {
		return name
	}
	name := huma.DefaultSchemaNamer(t, hint)
	for i := 1; ; i++ {
		if _, taken := n.owner[name]; !taken || name == "" {
			break
		}
		name = huma.DefaultSchemaNamer(t, hint)
		if pkg := path.Base(base.PkgPath()); i == 1 && base.PkgPath() != "" {
			name = capital(pkg) + name
		} else {
			name += strconv.Itoa(i + 1)
		}
	}
	n.names[k], n.owner[name] = name, k
	return name
}

// public is true for schemas of exported Go types, whose names are published as they are.
func (n *schemaNames) public(name string) bool {
	k, known := n.owner[name]
	return !known || k.t.Name() != "" && unicode.IsUpper(rune(k.t.Name()[0])) && !strings.Contains(k.t.Name(), "[")
}

// published says under which name each schema stands in the document, where it is another. A body of one operation is
// named after it, as CreateRunRequest or CreateRunResult; a body of several after its type; what stands in another schema
// without a name of its own, after that schema and the property.
func (n *schemaNames) published(api *huma.OpenAPI) map[string]string {
	schemas := api.Components.Schemas.Map()
	type use struct{ operation, kind string }
	uses := map[string][]use{}
	for _, p := range sortedKeys(api.Paths) {
		for _, op := range operations(api.Paths[p]) {
			if op.RequestBody != nil {
				for name := range bodies(op.RequestBody.Content) {
					uses[name] = append(uses[name], use{op.OperationID, "Request"})
				}
			}
			for _, r := range op.Responses {
				for name := range bodies(r.Content) {
					uses[name] = append(uses[name], use{op.OperationID, "Result"})
				}
			}
		}
	}
	to := map[string]string{}
	taken := func(name string) bool {
		_, exists := schemas[name]
		for _, other := range to {
			exists = exists || other == name
		}
		return exists
	}
	rename := func(from, name string) {
		if from != name && !taken(name) {
			to[from] = name
		}
	}
	for _, name := range sortedKeys(schemas) {
		switch used := uses[name]; {
		case n.public(name):
		case len(used) == 1:
			rename(name, camel(used[0].operation)+used[0].kind)
		case len(used) > 1:
			rename(name, shared(name, used[0].kind))
		}
	}
	var inside func(name string)
	inside = func(name string) {
		parent := name
		if as, ok := to[name]; ok {
			parent = as
		}
		for _, property := range sortedKeys(schemas[name].Properties) {
			s := schemas[name].Properties[property]
			for s.Items != nil {
				s = s.Items
			}
			child := strings.TrimPrefix(s.Ref, schemaPrefix)
			if k, known := n.owner[child]; known && k.t.Name() == "" && to[child] == "" && uses[child] == nil {
				rename(child, parent+camel(property))
				inside(child)
			}
		}
	}
	for _, name := range sortedKeys(schemas) {
		if n.owner[name].t == nil || n.owner[name].t.Name() != "" || uses[name] != nil {
			inside(name)
		}
	}
	return to
}

func bodies(content map[string]*huma.MediaType) map[string]bool {
	found := map[string]bool{}
	for _, media := range content {
		if media.Schema != nil && media.Schema.Ref != "" {
			found[strings.TrimPrefix(media.Schema.Ref, schemaPrefix)] = true
		}
	}
	return found
}

// shared names a body of several operations: PageOutputAppBody becomes AppPage, MessageOutputBody MessageResult.
func shared(name, kind string) string {
	base := strings.TrimSuffix(strings.TrimRight(name, "0123456789"), "Body")
	if of, ok := strings.CutPrefix(base, "PageOutput"); ok && of != "" {
		return of + "Page"
	}
	if of, ok := strings.CutPrefix(base, "DataOutput"); ok && of != "" {
		return of + kind
	}
	return strings.TrimSuffix(strings.TrimSuffix(base, "Output"), "Input") + kind
}

// camel makes ApiHealth of api-health.
func camel(name string) string {
	var b strings.Builder
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' || r == '.' }) {
		b.WriteString(capital(part))
	}
	return b.String()
}

// renamed is the registry as it is published.
type renamed struct {
	huma.Registry
	schemas map[string]*huma.Schema
}

// MarshalJSON is for the document.
func (r renamed) MarshalJSON() ([]byte, error) { return json.Marshal(r.schemas) }

// answered completes what huma makes of a Go type: a pointer to an object that is nil goes out as null, and an embedded one
// leaves its fields out. Bodies of requests take neither.
func (n *schemaNames) answered(name string, s *huma.Schema) *huma.Schema {
	k, known := n.owner[name]
	if !known || k.t.Kind() != reflect.Struct || s.Properties == nil {
		return s
	}
	c := *s
	c.Properties, c.Required = maps.Clone(s.Properties), slices.Clone(s.Required)
	for f := range k.t.Fields() {
		if f.Type.Kind() != reflect.Pointer {
			continue
		}
		member, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && member == "" && f.Type.Elem().Kind() == reflect.Struct {
			for inner := range f.Type.Elem().Fields() {
				absent, _, _ := strings.Cut(inner.Tag.Get("json"), ",")
				c.Required = slices.DeleteFunc(c.Required, func(r string) bool { return r == absent })
			}
			continue
		}
		if p := c.Properties[member]; p != nil && p.Ref != "" && !strings.Contains(options, "omit") {
			c.Properties[member] = &huma.Schema{AnyOf: []*huma.Schema{p, {Type: "null"}}}
		}
	}
	return &c
}

// requested lists the schemas that stand in bodies of requests.
func requested(api *huma.OpenAPI) map[string]bool {
	found := map[string]bool{}
	var add func(s *huma.Schema)
	add = func(s *huma.Schema) {
		if s == nil {
			return
		}
		if name := strings.TrimPrefix(s.Ref, schemaPrefix); s.Ref != "" && !found[name] {
			found[name] = true
			add(api.Components.Schemas.SchemaFromRef(s.Ref))
		}
		add(s.Items)
		for _, p := range s.Properties {
			add(p)
		}
	}
	for _, item := range api.Paths {
		for _, op := range operations(item) {
			if op.RequestBody != nil {
				for _, media := range op.RequestBody.Content {
					add(media.Schema)
				}
			}
		}
	}
	return found
}

// marshalOpenAPI runs once, at the first request, when everything is mounted.
func (s *Server) marshalOpenAPI() ([]byte, error) {
	doc := *s.api.OpenAPI()
	components := *doc.Components
	to, asked := s.schemas.published(&doc), requested(&doc)
	schemas := map[string]*huma.Schema{}
	for name, schema := range components.Schemas.Map() {
		if !asked[name] {
			schema = s.schemas.answered(name, schema)
		}
		schemas[cmp.Or(to[name], name)] = schema
	}
	components.Schemas = renamed{components.Schemas, schemas}
	doc.Components = &components
	text, err := json.Marshal(&doc)
	if err != nil {
		return nil, err
	}
	refs := make([]string, 0, 2*len(to))
	for _, from := range sortedKeys(to) {
		refs = append(refs, `"`+schemaPrefix+from+`"`, `"`+schemaPrefix+to[from]+`"`)
	}
	return []byte(strings.NewReplacer(refs...).Replace(string(text))), nil
}
