package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// spec is the served OpenAPI document, as far as requests can be made from it.
type spec struct {
	schemas object
	details []detail
}

// detail is an operation with everything that a request may hold.
type detail struct {
	operation
	params []param
	schema object // of the body; nil: it takes none
	stream bool   // without an end
}

type param struct {
	in, name string
	schema   object
}

// endless are streams that only the client ends.
var endless = []string{"followRevocations"}

func (s *replica) spec() *spec {
	s.t.Helper()
	var doc struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Schemas, Parameters map[string]object }
	}
	must(s.t, json.Unmarshal([]byte(s.get("/openapi.json", "").raw), &doc))
	all := &spec{schemas: object{}}
	for name, schema := range doc.Components.Schemas {
		all.schemas[name] = schema
	}
	for _, o := range s.operations() {
		var op struct {
			Parameters  []object
			RequestBody struct {
				Content map[string]struct{ Schema object }
			}
		}
		must(s.t, json.Unmarshal(doc.Paths[o.path][strings.ToLower(o.method)], &op))
		d := detail{operation: o, schema: op.RequestBody.Content["application/json"].Schema, stream: slices.Contains(endless, o.id)}
		for _, p := range op.Parameters {
			if ref, ok := p["$ref"].(string); ok {
				p = doc.Components.Parameters[ref[strings.LastIndex(ref, "/")+1:]]
			}
			schema, _ := p["schema"].(object)
			d.params = append(d.params, param{p["in"].(string), p["name"].(string), schema})
		}
		all.details = append(all.details, d)
	}
	return all
}

// resolve follows a reference.
func (s *spec) resolve(schema object) object {
	if ref, ok := schema["$ref"].(string); ok {
		schema, _ = s.schemas[ref[strings.LastIndex(ref, "/")+1:]].(object)
	}
	return schema
}

// takes reports whether a schema takes a type. One that says nothing takes all.
func takes(schema object, kind string) bool {
	switch t := schema["type"].(type) {
	case string:
		return t == kind
	case []any:
		return slices.Contains(t, any(kind))
	}
	return schema["properties"] == nil
}

func alternatives(schema object) (all []object) {
	for _, word := range []string{"oneOf", "anyOf"} {
		list, _ := schema[word].([]any)
		for _, a := range list {
			all = append(all, a.(object))
		}
	}
	return all
}

// texts are the places of a body that take a text: names of members, and 0 for an element of a list.
func (s *spec) texts(schema object, at ...any) (all [][]any) {
	schema = s.resolve(schema)
	if or := alternatives(schema); len(or) > 0 {
		for _, a := range or {
			all = append(all, s.texts(a, at...)...)
		}
		return all
	}
	if takes(schema, "string") {
		all = append(all, at)
	}
	if takes(schema, "object") {
		properties, _ := schema["properties"].(object)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			all = append(all, s.texts(properties[name].(object), append(slices.Clone(at), name)...)...)
		}
	}
	if items, ok := schema["items"].(object); ok {
		all = append(all, s.texts(items, append(slices.Clone(at), 0)...)...)
	}
	return all
}

// objects are the places of a body that are objects with members that the document names.
func (s *spec) objects(schema object, at ...any) (all [][]any) {
	schema = s.resolve(schema)
	if properties, ok := schema["properties"].(object); ok {
		all = append(all, at)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			all = append(all, s.objects(properties[name].(object), append(slices.Clone(at), name)...)...)
		}
	}
	return all
}

// put is a value with another at a place in it, which is made where it is not there.
func put(in any, at []any, v any) any {
	if len(at) == 0 {
		return v
	}
	if name, ok := at[0].(string); ok {
		m, _ := in.(object)
		if m = maps.Clone(m); m == nil {
			m = object{}
		}
		m[name] = put(m[name], at[1:], v)
		return m
	}
	return []any{put(nil, at[1:], v)}
}

// openBodies are what an act's is for an operation that takes no access token.
var openBodies = map[string]string{
	"register":             `{"email":"{fresh}@example.com","password":"` + password + `","appId":"{app}"}`,
	"login":                `{"email":"{email}","password":"` + password + `","appId":"{app}"}`,
	"refresh":              `{"refreshToken":"rt_01900000-0000-7000-8000-000000000000.AAAA","appId":"{app}"}`,
	"logout":               `{"refreshToken":"rt_01900000-0000-7000-8000-000000000000.AAAA"}`,
	"logoutAll":            `{"refreshToken":"rt_01900000-0000-7000-8000-000000000000.AAAA"}`,
	"revoke":               `{"token":"a.b.c","reason":"none"}`,
	"introspect":           `{"token":"a.b.c"}`,
	"revocationCheck":      `{"jti":"at_none"}`,
	"requestPasswordReset": `{"email":"{email}","appId":"{app}"}`,
	"resendVerification":   `{"email":"{email}","appId":"{app}"}`,
	"resetPassword":        `{"token":"` + zeros + `","newPassword":"` + another + `"}`,
	"verifyEmail":          `{"token":"` + zeros + `"}`,
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

// attempt is a request that can be changed before it is sent.
type attempt struct {
	method, path string
	args         []string // of the path
	query        url.Values
	headers      map[string]string
	body         any // nil: none
	token        string
}

// good is the request of an operation as whoever may send it does.
func (of *tenant) good(t testing.TB, o detail, token string) *attempt {
	t.Helper()
	var a act
	if list := acts[o.id]; len(list) > 0 {
		a = list[0]
	} else {
		a.body = openBodies[o.id]
		for _, p := range parameter.FindAllString(o.path, -1) { // of an entrance: its app
			a.args += of.things["app"] + " "
			_ = p
		}
	}
	at := &attempt{method: o.method, path: o.path, headers: map[string]string{}, token: token, query: url.Values{}}
	for arg := range strings.FieldsSeq(a.args) {
		if v, ok := of.things[arg]; ok {
			arg = v
		}
		at.args = append(at.args, arg)
	}
	if a.query != "" {
		q, err := url.ParseQuery(strings.TrimPrefix(of.fill(t, o.operation, a.query), "?"))
		must(t, err)
		at.query = q
	}
	if a.body != "" {
		must(t, json.Unmarshal([]byte(of.fill(t, o.operation, a.body)), &at.body))
	}
	if !o.bearer {
		at.headers["X-Turkey-Service-Key"] = serviceKey
	}
	return at
}

func (a *attempt) clone() *attempt {
	b := *a
	b.args, b.query, b.headers = slices.Clone(a.args), maps.Clone(a.query), maps.Clone(a.headers)
	return &b
}

// url is the path with its arguments and query, escaped.
func (a *attempt) url() string {
	args := a.args
	path := parameter.ReplaceAllStringFunc(a.path, func(string) string {
		arg := "x"
		if len(args) > 0 {
			arg, args = args[0], args[1:]
		}
		return url.PathEscape(arg)
	})
	if len(a.query) > 0 {
		path += "?" + a.query.Encode()
	}
	return path
}

// play sends it.
func (s *replica) play(a *attempt) (answer, error) {
	headers := []header{set("Content-Type", "application/json"), func(r *http.Request) {
		for name, value := range a.headers {
			r.Header.Set(name, value)
		}
	}}
	return s.try(a.method, a.url(), a.token, a.body, headers...)
}

// actor is the token of whoever may do it with the least rights: the owner, the app's administrator, or an operator.
func (of *tenant) actor(o operation) string {
	switch {
	case !o.bearer:
		return ""
	case o.ofApp():
		return of.d.person(of.things["app"], "role = 'admin'").access
	case o.admin:
		return of.d.operator
	default:
		return of.owner.access
	}
}

// tenantFor is one with what the operation's first act names.
func (d *deployment) tenantFor(t testing.TB, o detail) *tenant {
	t.Helper()
	var a act
	if list := acts[o.id]; len(list) > 0 {
		a = list[0]
	}
	return d.tenant(t, a)
}

// head is play for a stream: the head of the answer, and the body where it is an error.
func (s *replica) head(a *attempt) (answer, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, a.method, s.base+a.url(), nil)
	if err != nil {
		return answer{}, err
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	for name, value := range a.headers {
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(r) // not the client's: the inspector reads to the end
	if errors.Is(err, context.DeadlineExceeded) {
		return answer{}, nil // nothing has happened yet
	}
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got := answer{status: resp.StatusCode, header: resp.Header}
	if resp.StatusCode >= 500 {
		s.t.Errorf("%s %s: %d", a.method, a.url(), resp.StatusCode)
	}
	if resp.StatusCode != http.StatusOK {
		raw, err := io.ReadAll(resp.Body)
		got.raw = string(raw)
		return got, err
	}
	return got, nil
}
