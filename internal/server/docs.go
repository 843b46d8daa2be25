package server

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed pages
var pages embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{"prose": prose, "lower": strings.ToLower}).ParseFS(pages, "pages/*.html"))

// maxFieldDepth bounds how far fields of fields are written out.
const maxFieldDepth = 4

func (s *Server) mountPages() {
	s.mux.HandleFunc("GET /openapi.json", s.serveOpenAPI)
	s.mux.HandleFunc("GET /api/docs.json", s.serveOpenAPI)
	s.mux.HandleFunc("GET /docs", s.serveDocs)
	s.mux.HandleFunc("GET /docs/style.css", serveStyle)
	s.mux.HandleFunc("GET /docs/{page}", s.serveGuide)
	s.mux.HandleFunc("GET /docs/images/{file}", s.servePicture)
	s.mux.HandleFunc("GET /api/docs", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/docs", http.StatusFound)
	})
	s.mux.HandleFunc("GET /{$}", s.serveFront)
}

func (s *Server) serveFront(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Front != "" {
		http.Redirect(w, r, s.cfg.Front, http.StatusFound)
		return
	}
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, "front.html", s.cfg.Version); err != nil {
		s.WriteError(w, r, err)
		return
	}
	writePage(w, page.Bytes())
}

func (s *Server) serveDocs(w http.ResponseWriter, r *http.Request) {
	page, err := s.docs()
	if err != nil {
		s.WriteError(w, r, err)
		return
	}
	writePage(w, page)
}

func writePage(w http.ResponseWriter, page []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}

func serveStyle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(w, r, pages, "pages/style.css")
}

// renderDocs runs once, at the first request, when everything is mounted.
func (s *Server) renderDocs() ([]byte, error) {
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, "docs.html", newReference(s.api.OpenAPI())); err != nil {
		return nil, fmt.Errorf("render the API reference: %w", err)
	}
	return page.Bytes(), nil
}

// The reference as its page shows it.
type (
	reference struct {
		Title, Version, Description string
		Groups                      []refGroup
		Schemes                     []refScheme
		Errors                      []refError
	}
	refGroup struct {
		Name, Anchor, Description string
		Operations                []refOperation
	}
	refOperation struct {
		Anchor, Method, Path, Summary, Description, Auth string
		Deprecated, BodyRequired                         bool
		Parameters, Body                                 []refField
		BodyType                                         string
		Responses                                        []refResponse
	}
	refField struct {
		Name, In, Type, Description string
		Required                    bool
	}
	refResponse struct {
		Status, Description, Type string
		Error                     string // anchor of the error's shape
		Fields                    []refField
	}
	refScheme struct{ Name, Use, Description string }
	refError  struct {
		Name, Where string
		Fields      []refField
	}
)

func newReference(api *huma.OpenAPI) reference {
	b := refBuilder{api}
	ref := reference{Title: api.Info.Title, Version: api.Info.Version, Description: api.Info.Description}
	for _, name := range sortedKeys(api.Components.SecuritySchemes) {
		ref.Schemes = append(ref.Schemes, newScheme(name, api.Components.SecuritySchemes[name]))
	}
	for _, e := range []refError{{Name: "AuthError", Where: "everywhere but under /api"}, {Name: "APIError", Where: "under /api"}} {
		e.Fields = b.fields(&huma.Schema{Ref: schemaPrefix + e.Name})
		ref.Errors = append(ref.Errors, e)
	}

	groups := map[string]*refGroup{}
	var order []string
	group := func(name, description string) *refGroup {
		if groups[name] == nil {
			groups[name] = &refGroup{Name: name, Anchor: "tag-" + anchor(name), Description: description}
			order = append(order, name)
		}
		return groups[name]
	}
	for _, tag := range api.Tags {
		group(tag.Name, tag.Description)
	}
	for _, path := range sortedKeys(api.Paths) {
		for _, op := range operations(api.Paths[path]) {
			g := group(cmp.Or(slices.Concat(op.Tags, []string{"Other"})[0], "Other"), "")
			g.Operations = append(g.Operations, b.operation(op))
		}
	}
	for _, name := range order {
		if g := groups[name]; len(g.Operations) > 0 {
			ref.Groups = append(ref.Groups, *g)
		}
	}
	return ref
}

func newScheme(name string, s *huma.SecurityScheme) refScheme {
	use := "Authorization: Bearer <token>"
	if s.Type == "apiKey" {
		use = s.Name + ": <key>"
	}
	return refScheme{schemeNames(name), use, s.Description}
}

func schemeNames(name string) string {
	switch name {
	case "bearerAuth":
		return "Access token"
	case "serviceKey":
		return "Service key"
	case "adminKey":
		return "Admin key"
	default:
		return name
	}
}

type refBuilder struct{ api *huma.OpenAPI }

func (b refBuilder) operation(op *huma.Operation) refOperation {
	out := refOperation{
		Anchor:      anchor(cmp.Or(op.OperationID, op.Method+"-"+op.Path)),
		Method:      op.Method,
		Path:        op.Path,
		Summary:     cmp.Or(op.Summary, op.OperationID),
		Description: op.Description,
		Deprecated:  op.Deprecated,
		Auth:        b.auth(op),
	}
	for _, p := range op.Parameters {
		if p.Ref != "" {
			p = b.api.Components.Parameters[strings.TrimPrefix(p.Ref, parameterPrefix)]
		}
		out.Parameters = append(out.Parameters, refField{
			Name: p.Name, In: p.In, Type: b.typeOf(p.Schema), Required: p.Required,
			Description: cmp.Or(p.Description, describe(p.Schema)),
		})
	}
	if op.RequestBody != nil {
		for _, media := range sortedKeys(op.RequestBody.Content) {
			schema := op.RequestBody.Content[media].Schema
			out.BodyType, out.BodyRequired = media, op.RequestBody.Required
			out.Body = b.fields(schema)
		}
	}
	for _, status := range sortedKeys(op.Responses) {
		out.Responses = append(out.Responses, b.response(status, op.Responses[status]))
	}
	return out
}

func (b refBuilder) auth(op *huma.Operation) string {
	security := op.Security
	if security == nil {
		security = b.api.Security
	}
	var ways []string
	for _, all := range security {
		var needed []string
		for _, name := range sortedKeys(all) {
			needed = append(needed, schemeNames(name))
		}
		ways = append(ways, cmp.Or(strings.Join(needed, " and "), "nothing"))
	}
	return strings.Join(ways, " or ")
}

func (b refBuilder) response(status string, r *huma.Response) refResponse {
	if r.Ref != "" {
		r = b.api.Components.Responses[strings.TrimPrefix(r.Ref, responsePrefix)]
	}
	out := refResponse{Status: status, Description: r.Description}
	for _, media := range sortedKeys(r.Content) {
		schema := r.Content[media].Schema
		if name := strings.TrimPrefix(refOf(schema), schemaPrefix); name == "AuthError" || name == "APIError" {
			out.Error = name
			continue
		}
		out.Type = b.typeOf(schema)
		if media != "application/json" {
			out.Type = media
		}
		out.Fields = b.fields(schema)
	}
	return out
}

func refOf(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	if len(s.AllOf) > 0 {
		return s.AllOf[0].Ref
	}
	return s.Ref
}

// resolve follows a reference.
func (b refBuilder) resolve(s *huma.Schema) *huma.Schema {
	if s != nil && s.Ref != "" {
		return b.api.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// fields lists the fields of an object or of the objects in an array, fields of fields with dotted names.
func (b refBuilder) fields(s *huma.Schema) []refField { return b.fieldsUnder("", s, 0, nil) }

func (b refBuilder) fieldsUnder(prefix string, s *huma.Schema, depth int, above []*huma.Schema) []refField {
	s = b.resolve(s)
	for s != nil && s.Items != nil {
		s, prefix = b.resolve(s.Items), strings.TrimSuffix(prefix, ".")+"[]."
	}
	if s == nil || depth >= maxFieldDepth || slices.Contains(above, s) {
		return nil
	}
	prefix = strings.TrimPrefix(prefix, "[].") // a whole body that is a list
	above = append(slices.Clone(above), s)
	var out []refField
	names := sortedKeys(s.Properties)
	slices.SortStableFunc(names, func(a, b string) int { // what is required comes first
		return rank(s, a) - rank(s, b)
	})
	for _, name := range names {
		p := s.Properties[name]
		out = append(out, refField{
			Name: prefix + name, Type: b.typeOf(p), Required: slices.Contains(s.Required, name),
			Description: cmp.Or(p.Description, describe(b.resolve(p))),
		})
		out = append(out, b.fieldsUnder(prefix+name+".", p, depth+1, above)...)
	}
	return out
}

func rank(s *huma.Schema, name string) int {
	if slices.Contains(s.Required, name) {
		return 0
	}
	return 1
}

// describe says what a schema without words allows.
func describe(s *huma.Schema) string {
	if s == nil || len(s.Enum) == 0 {
		return ""
	}
	values := make([]string, len(s.Enum))
	for i, v := range s.Enum {
		values[i] = fmt.Sprintf("`%v`", v)
	}
	return "One of " + strings.Join(values, ", ") + "."
}

// typeOf is the short name of a type: string (uuid), integer, array of object, string or null.
func (b refBuilder) typeOf(s *huma.Schema) string {
	s = b.resolve(s)
	if s == nil {
		return "any"
	}
	name := cmp.Or(s.Type, "any")
	switch {
	case s.Type == huma.TypeArray:
		name = "array of " + b.typeOf(s.Items)
	case s.Type == huma.TypeInteger:
		// int32 or int64 is of no use to a reader of JSON
	case s.Format != "":
		name += " (" + s.Format + ")"
	}
	if s.Nullable {
		name += " or null"
	}
	return name
}

func anchor(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(s)), "-")
}

// prose turns a description into paragraphs; text in backquotes becomes code.
func prose(text string) template.HTML {
	var out strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.TrimSpace(paragraph) == "" {
			continue
		}
		out.WriteString("<p>")
		for i, part := range strings.Split(paragraph, "`") {
			if i%2 == 1 {
				out.WriteString("<code>" + template.HTMLEscapeString(part) + "</code>")
			} else {
				out.WriteString(template.HTMLEscapeString(part))
			}
		}
		out.WriteString("</p>")
	}
	return template.HTML(out.String()) //nolint:gosec // every part is escaped above
}
