package server

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

const (
	schemaPrefix    = "#/components/schemas/"
	parameterPrefix = "#/components/parameters/"
)

// idempotencyKey is the header that writes of a user take (package idempotency).
const idempotencyKey = "IdempotencyKey"

// tags orders and explains the groups of the reference. Operations name one of them.
var tags = []*huma.Tag{
	{Name: "Authentication", Description: "Sign up, log in, refresh and end sessions, reset passwords, check and revoke tokens."},
	{Name: "Users", Description: "The account of the caller: profile, password, sessions, export, deletion."},
	{Name: "Keys", Description: "Public signing keys, to verify access tokens without asking the server."},
	{Name: "Revocations", Description: "The feed of revoked tokens, for services that verify tokens themselves."},
	{Name: "Administration", Description: "Apps, users, sessions, keys and the audit log, for operators and administrators of an app."},
	{Name: "Credentials", Description: "The vault: credentials of third-party services, sealed per user; saved, verified, replaced, restored."},
	{Name: "Services", Description: "Which services a user has switched on, and with which credential."},
	{Name: "Sheets", Description: "Spreadsheets that receive the figures, and what a user's Google credential can see."},
	{Name: "KPIs", Description: "The figures that have been collected."},
	{Name: "Sync", Description: "Collect now: at once, or through the queue."},
	{Name: "Runs", Description: "Each collecting of figures: begin, watch, cancel, repeat, undo."},
	{Name: "Schedules", Description: "Collect regularly, in the time zone of the user."},
	{Name: "Notifications", Description: "Who hears of failures, by mail, chat or webhook."},
	{Name: "Activity", Description: "What happened in a user's vault and pipeline."},
	{Name: "System", Description: "Is the server well: for people, load balancers and monitors. No authentication."},
}

func newAPI(version string, s *Server) huma.API {
	format := huma.Format{Marshal: marshalJSON, Unmarshal: unmarshalBody}
	cfg := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "TurKey",
				Version: version,
				License: &huma.License{Name: "Apache License 2.0", Identifier: "Apache-2.0"},
				Description: "Users, sessions and tokens for every app under `/v1`; the vault for third-party credentials and the KPI pipeline " +
					"under `/api`. Errors have one shape in each half: `AuthError` and `APIError`. Unknown request fields are ignored; " +
					"times are ISO 8601 UTC. Writes of a signed-in user take an `Idempotency-Key`.",
			},
			Servers: []*huma.Server{{URL: "/", Description: "The server that this document comes from."}},
			Components: &huma.Components{
				Schemas:   huma.NewMapRegistry(schemaPrefix, s.schemas.name),
				Responses: map[string]*huma.Response{},
				Parameters: map[string]*huma.Param{idempotencyKey: {Name: "Idempotency-Key", In: "header",
					Description: "Lets this write be repeated without repeating its effect: the same key with the same request gets the same answer for " +
						"24 hours, marked Idempotency-Replayed; with another request it is 409.",
					Schema: &huma.Schema{Type: huma.TypeString, MinLength: new(1), MaxLength: new(255), Pattern: "^[!-~]+$"}}},
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearerAuth": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "Access token from login or refresh; under /api also a Clerk session token."},
					"serviceKey": {Type: "apiKey", In: "header", Name: "X-Turkey-Service-Key", Description: "Key of a backend service that checks or revokes tokens."},
					"adminKey":   {Type: "apiKey", In: "header", Name: "X-Turkey-Admin-Key", Description: "Key of an operator, made by gravy."},
				},
			},
			Tags: slices.Clone(tags),
		},
		Formats:       map[string]huma.Format{"application/json": format},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{rerender},
	}
	cfg.AllowAdditionalPropertiesByDefault = true // unknown fields are ignored, answers may gain fields
	schemas := cfg.Components.Schemas
	schemas.RegisterTypeAlias(reflect.TypeFor[json.Number](), reflect.TypeFor[float64]())
	api := huma.NewAPI(cfg, &routes{Adapter: humago.NewAdapter(s.mux, ""), schemas: schemas, shared: cfg.Components.Responses, streams: s.streams})
	schemas.Schema(reflect.TypeFor[AuthError](), true, "AuthError")
	schemas.Schema(reflect.TypeFor[APIError](), true, "APIError")
	return api
}

// routes mounts operations on the mux and bends each to the house: bodies are checked by bind.go and bounded by the
// middleware, errors are documented in the shape of their half.
type routes struct {
	huma.Adapter
	schemas huma.Registry
	shared  map[string]*huma.Response // failures of few codes, by status and codes
	streams map[string]bool
}

// Handle receives the operation that huma itself goes on using, so changes take effect.
func (a *routes) Handle(op *huma.Operation, handler func(huma.Context)) {
	op.SkipValidateBody = true
	if op.MaxBodyBytes > 0 {
		op.MaxBodyBytes = -1
	}
	// huma would leave its read deadline standing, and net/http would cancel the request when it expires.
	op.BodyReadTimeout = 0
	if isStream(op) {
		a.streams[strings.ToUpper(op.Method)+" "+op.Path] = true
	}
	documentKey(op)
	a.documentErrors(op)
	if op.Security == nil {
		op.Security = []map[string][]string{} // nothing is needed, and that is meant
	}
	if a.bodyIsOptional(op) {
		next := handler
		handler = func(ctx huma.Context) { next(&emptyBodyContext{humaContext: ctx}) }
	}
	a.Adapter.Handle(op, handler)
}

// isStream is true for server-sent events, and for operations that say so with Metadata "stream": true. They have no
// deadline and end when the server drains.
func isStream(op *huma.Operation) bool {
	if says, _ := op.Metadata["stream"].(bool); says {
		return true
	}
	for _, r := range op.Responses {
		if r.Content["text/event-stream"] != nil {
			return true
		}
	}
	return false
}

// documentKey adds the header that every write with an access token takes.
func documentKey(op *huma.Operation) {
	if op.Method == http.MethodGet || op.Method == http.MethodHead {
		return
	}
	for _, way := range op.Security {
		if _, byToken := way["bearerAuth"]; byToken {
			op.Parameters = append(op.Parameters, &huma.Param{Ref: parameterPrefix + idempotencyKey})
			return
		}
	}
}

// bodyIsOptional is true for JSON bodies without a required field; their absence is then documented and means {}.
func (a *routes) bodyIsOptional(op *huma.Operation) bool {
	if op.RequestBody == nil || !op.RequestBody.Required {
		return false
	}
	media := op.RequestBody.Content["application/json"]
	if media == nil || media.Schema == nil {
		return false
	}
	schema := media.Schema
	if schema.Ref != "" {
		schema = a.schemas.SchemaFromRef(schema.Ref)
	}
	if schema.Type != huma.TypeObject || len(schema.Required) > 0 {
		return false
	}
	op.RequestBody.Required = false
	return true
}

type humaContext huma.Context

// emptyBodyContext reads {} where the request has no body, so that Validate still runs.
type emptyBodyContext struct{ humaContext }

// Unwrap is for humago.Unwrap.
func (c *emptyBodyContext) Unwrap() huma.Context { return c.humaContext }

func (c *emptyBodyContext) BodyReader() io.Reader {
	return &defaultReader{Reader: c.humaContext.BodyReader(), otherwise: strings.NewReader("{}")}
}

// defaultReader reads otherwise when Reader turns out to be empty.
type defaultReader struct {
	io.Reader
	otherwise io.Reader
	started   bool
}

func (r *defaultReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.started = true
	}
	if n == 0 && errors.Is(err, io.EOF) && !r.started {
		r.Reader, r.started = r.otherwise, true
		return r.Reader.Read(p)
	}
	return n, err
}

func (s *Server) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	document, err := s.openapi()
	if err != nil {
		s.WriteError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document)
}

// operations lists what a path item holds, in the order people expect.
func operations(item *huma.PathItem) []*huma.Operation {
	all := []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete}
	return slices.DeleteFunc(all, func(op *huma.Operation) bool { return op == nil })
}

// sortedKeys makes pages come out the same each time.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
