package auth

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"turkey/internal/caller"
	"turkey/internal/fault"
)

// MountAdmin adds the routes of administration (contract new-api.md).
func (s *Service) MountAdmin(api huma.API) {
	m := adminRoutes{api: api, admit: s.admitAdmin(api)}
	s.mountAdminApps(m)
	s.mountBrand(m)
	s.mountMailTemplates(m)
	s.mountAdminUsers(m)
	s.mountAdminSystem(m)
	s.mountAdminJobs(m)
}

type adminRoutes struct {
	api   huma.API
	admit func(huma.Context, func(huma.Context))
}

// op describes a route of administration. Those below one app say so in their path, and take that app's administrators.
func (m adminRoutes) op(method, path, id, summary, description string) huma.Operation {
	op := protected(operation(method, "/v1/admin/"+path, id, "Administration", summary, description), m.admit)
	op.Security = []map[string][]string{{"bearerAuth": {}}, {"adminKey": {}}}
	return op
}

func created(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusCreated
	return op
}

// Operators is the operation middleware that lets only operators through, for routes of administration that others mount.
func (s *Service) Operators(api huma.API) func(huma.Context, func(huma.Context)) {
	return s.admitAdmin(api)
}

// adminKeyHeader carries an operator's key.
const adminKeyHeader = "X-Turkey-Admin-Key"

// operatorsOnly are the routes of an app that only operators take, though its administrators see the app: an origin opens
// every app's cookies to a page, and the base of links and the words of mails lead mails' readers elsewhere.
var operatorsOnly = map[string]bool{"updateApp": true, "deleteApp": true, "setMailTemplate": true, "resetMailTemplate": true}

// admitAdmin lets administrators through, each to what is theirs.
func (s *Service) admitAdmin(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		a, u, err := s.administrator(ctx.Context(), ctx.Header("Authorization"), ctx.Header(adminKeyHeader))
		if err == nil {
			app := ""
			if strings.HasPrefix(ctx.Operation().Path, "/v1/admin/apps/{id}") && !operatorsOnly[ctx.Operation().OperationID] {
				app = ctx.Param("id")
			}
			err = a.reaches(app)
		}
		if err != nil {
			err = s.recordRefusal(ctx.Context(), u, ctx.Method(), refusedPath(ctx), err)
			_ = huma.WriteErr(api, ctx, http.StatusForbidden, "", err) // a client that is gone hears nothing
			return
		}
		with := withAdmin(ctx.Context(), a)
		if u != nil {
			with = caller.WithUser(with, *u)
		}
		s.pass(with, ctx, next)
	}
}

// refusedPath is the address of a call in ASCII, and not all of one that somebody made up.
func refusedPath(ctx huma.Context) string {
	u := ctx.URL()
	path := u.EscapedPath()
	return path[:min(len(path), 200)]
}

// Schema documents a setting as its value or null.
func (Setting[T]) Schema(r huma.Registry) *huma.Schema {
	var v T
	schema := &huma.Schema{Nullable: true}
	switch any(v).(type) {
	case string:
		schema.Type = huma.TypeString
	case bool:
		schema.Type = huma.TypeBoolean
	default:
		schema.Type = huma.TypeInteger
	}
	return schema
}

// PageQuery is what every list takes. It is exported for huma, which looks into no other embedded struct.
type PageQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
	Cursor string `query:"cursor" doc:"nextCursor of the page before"`
}

func (p PageQuery) page() Page { return Page{Cursor: p.Cursor, Limit: p.Limit} }

type pageOutput[T any] struct {
	Body struct {
		Data       []T     `json:"data"`
		NextCursor *string `json:"nextCursor" doc:"null: this is the last page"`
	}
}

func listed[T any](data []T, next *string, err error) (*pageOutput[T], error) {
	if err != nil {
		return nil, err
	}
	out := &pageOutput[T]{}
	out.Body.Data, out.Body.NextCursor = data, next
	return out, nil
}

type dataOutput[T any] struct {
	Body struct {
		Data T `json:"data"`
	}
}

func answered[T any](data T, err error) (*dataOutput[T], error) {
	if err != nil {
		return nil, err
	}
	out := &dataOutput[T]{}
	out.Body.Data = data
	return out, nil
}

// queryRules collects what is wrong with the parameters of a query.
type queryRules struct{ broken []fault.Field }

func (q *queryRules) add(name, message string) {
	q.broken = append(q.broken, fault.Field{Name: name, Message: message, Code: "invalid_string"})
}

func (q *queryRules) err() error {
	if len(q.broken) > 0 {
		return invalidRequest.WithFields(q.broken...)
	}
	return nil
}

// text takes one line of text: PostgreSQL takes neither NUL nor what is no UTF-8.
func (q *queryRules) text(name, v string) string {
	if len(v) > 254 || !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
		q.add(name, "Expected one line of text")
	}
	return v
}

func (q *queryRules) app(name, v string) string {
	if v != "" && !appIDPattern.MatchString(v) {
		q.add(name, "Expected the id of an app")
	}
	return v
}

var actions = regexp.MustCompile(`^[a-z0-9_]{0,50}$`)

func (q *queryRules) action(name, v string) string {
	if !actions.MatchString(v) {
		q.add(name, "Expected the name of an action")
	}
	return v
}

func (q *queryRules) id(name, v string) *uuid.UUID {
	if v == "" {
		return nil
	}
	id, err := uuid.Parse(v)
	if err != nil {
		q.add(name, "Expected a UUID")
		return nil
	}
	return &id
}

func (q *queryRules) time(name, v string) *time.Time {
	if v == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil && t.Year() > 0 {
			return &t
		}
	}
	q.add(name, "Expected an ISO 8601 time or day")
	return nil
}

// UserPath names one user of one app.
type UserPath struct {
	App  string `path:"id" doc:"App id"`
	User string `path:"userId" doc:"User id"`
}

func (p UserPath) id() (uuid.UUID, error) {
	id, err := uuid.Parse(p.User)
	if err != nil {
		return id, errNoUser
	}
	return id, nil
}

// onUser makes a handler of an act on one user.
func onUser(act func(ctx context.Context, app string, id uuid.UUID) (User, error)) func(context.Context, *UserPath) (*dataOutput[User], error) {
	return func(ctx context.Context, in *UserPath) (*dataOutput[User], error) {
		id, err := in.id()
		if err != nil {
			return nil, err
		}
		return answered(act(ctx, in.App, id))
	}
}
