package auth

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"turkey/internal/caller"
	"turkey/internal/fault"
)

// Bearer is the operation middleware that lets only users through who may act right now, and puts them into the context
// as the database knows them: one statement.
func (s *Service) Bearer(api huma.API) func(huma.Context, func(huma.Context)) {
	return s.admit(api, s.Authenticate)
}

// Recognised is Bearer by the revocation feed: no statement while the feed is current. E-mail and role are the token's.
func (s *Service) Recognised(api huma.API) func(huma.Context, func(huma.Context)) {
	return s.admit(api, s.Recognise)
}

// middleware is one of an operation.
type middleware = func(huma.Context, func(huma.Context))

// Then adds a middleware that runs once the user is known, on every route that takes an access token. Call it before
// requests come.
func (s *Service) Then(m middleware) { s.then = m }

// pass goes on with the caller in the context.
func (s *Service) pass(with context.Context, ctx huma.Context, next func(huma.Context)) {
	ctx = huma.WithContext(ctx, with)
	if s.then != nil {
		s.then(ctx, next)
		return
	}
	next(ctx)
}

// admit answers in the shape of the half of the API that was asked.
func (s *Service) admit(api huma.API, who func(context.Context, string) (caller.User, error)) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		user, err := who(ctx.Context(), ctx.Header("Authorization"))
		if err != nil {
			if strings.HasPrefix(ctx.URL().Path, "/api/") {
				err = asAPI(err)
			}
			_ = huma.WriteErr(api, ctx, http.StatusUnauthorized, "", err) // a client that is gone hears nothing
			return
		}
		s.pass(caller.WithUser(ctx.Context(), user), ctx, next)
	}
}

// operation describes a route.
func operation(method, path, id, tag, summary, description string) huma.Operation {
	return huma.Operation{Method: method, Path: path, OperationID: id, Tags: []string{tag}, Summary: summary, Description: description,
		SkipValidateBody: true, DefaultStatus: http.StatusOK}
}

// protected adds a middleware that needs an access token.
func protected(op huma.Operation, middleware ...func(huma.Context, func(huma.Context))) huma.Operation {
	op.Security = []map[string][]string{{"bearerAuth": {}}}
	op.Middlewares = middleware
	return op
}

// Mount adds the /v1 routes of apps' users and the public keys.
func (s *Service) Mount(api huma.API) {
	s.mountSessions(api)
	s.mountTokens(api)
	s.mountFeed(api)
	s.mountEntrance(api)
	s.mountMails(api)
	s.mountUsers(api)
	keys := operation(http.MethodGet, "/.well-known/jwks.json", "jwks", "Keys", "Public signing keys",
		"With these anybody verifies access tokens: ES256, by kid, `iss` this server, `aud` your appId.")
	mountDocument(api, keys, "The key set (RFC 7517). keys[0] signs at present.", s.jwks)
	discovery := operation(http.MethodGet, "/.well-known/openid-configuration", "openidConfiguration", "Keys", "Where the keys are",
		"Issuer and address of the key set, for libraries that configure themselves. There is no authorization endpoint: apps "+
			"sign their users in with /v1/auth.")
	mountDocument(api, discovery, "The metadata (OpenID Connect Discovery 1.0, RFC 8414), as far as it applies.", s.discovery)
}

// mountDocument mounts a public JSON document that caches may hold. Its bytes are there already: nothing is left for huma to
// encode, and it is asked for by everybody who verifies.
func mountDocument(api huma.API, op huma.Operation, what string, current func() document) {
	text := func(about string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: about} }
	const tag = "Tag of the copy the caller has"
	op.Parameters = []*huma.Param{{Name: "If-None-Match", In: "header", Description: tag, Schema: text(tag)}}
	op.Responses = map[string]*huma.Response{
		"200": {Description: what, Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}},
			Headers: map[string]*huma.Param{"Cache-Control": {Schema: text("")}, "Content-Type": {Schema: text("")}, "ETag": {Schema: text("")}}},
		"304": {Description: "The caller's copy (If-None-Match) is current."},
	}
	api.OpenAPI().AddOperation(&op)
	api.Adapter().Handle(&op, func(ctx huma.Context) {
		d := current()
		ctx.SetHeader("Cache-Control", publicCaching)
		ctx.SetHeader("ETag", d.etag)
		status, body := d.answer(ctx.Header("If-None-Match"))
		if body != nil {
			ctx.SetHeader("Content-Type", "application/json")
		}
		ctx.SetStatus(status)
		_, _ = ctx.BodyWriter().Write(body) // the client is gone when this fails
	})
}

type messageOutput struct {
	Body struct {
		Message string `json:"message"`
	}
}

func message(text string) *messageOutput {
	out := &messageOutput{}
	out.Body.Message = text
	return out
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// required is the broken rule of a field that is missing.
func required(name string) fault.Field {
	return fault.Field{Name: name, Message: "Required", Code: "invalid_type", Received: "undefined"}
}
