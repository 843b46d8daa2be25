package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"turkey/bench/internal/ask"
)

var kratos = contestant{
	name: "Ory Kratos", file: "kratos",
	differs: "A session is a random token and a row; no token is signed. me is `GET /sessions/whoami`. " +
		"Its refresh is `PATCH /admin/sessions/{id}/extend`: the row's expiry moves, the token stays. It keeps no credentials.",
	start: func(ctx context.Context, f *field) (*server, error) {
		const database = "kratos"
		if err := f.database(ctx, database); err != nil {
			return nil, err
		}
		public, err := ask.FreeBase()
		if err != nil {
			return nil, err
		}
		admin, err := ask.FreeBase()
		if err != nil {
			return nil, err
		}
		schema, err := f.file("kratos-schema.json", kratosSchema)
		if err != nil {
			return nil, err
		}
		config, err := f.file("kratos.yml", fmt.Sprintf(kratosConfig, public, ask.Port(public), admin, ask.Port(admin), schema, ask.Unique(), ask.Unique()[:8], ask.Unique()))
		if err != nil {
			return nil, err
		}
		env, program := []string{"DSN=" + f.url(database), "SQA_OPT_OUT=true"}, filepath.Join(f.programs, "kratos")
		if err := f.once(ctx, env, program, "migrate", "sql", "-e", "--yes", "--config", config); err != nil {
			return nil, err
		}
		s, err := f.start(ctx, public, "/health/ready", env, program, "serve", "--config", config)
		if err != nil {
			return nil, err
		}
		s.database = database
		s.acts = map[string]worker{
			me: func() (func() error, error) {
				u, _, err := kratosUser(public)
				return u.gets("/sessions/whoami"), err
			},
			refresh: func() (func() error, error) {
				_, session, err := kratosUser(public)
				operator, expired := newUser(admin), time.Time{}
				return func() error {
					var answer struct {
						ExpiresAt time.Time `json:"expires_at"`
					}
					if _, err := operator.call(http.MethodPatch, "/admin/sessions/"+session+"/extend", nil, &answer); err != nil {
						return err
					}
					if !answer.ExpiresAt.After(expired) {
						return errors.New("the session was not extended")
					}
					expired = answer.ExpiresAt
					return nil
				}, err
			},
		}
		return s, nil
	},
	version: moduleVersion("github.com/ory/kratos"),
}

// kratosUser registers somebody as an app does, and returns the session too.
func kratosUser(base string) (*user, string, error) {
	u := newUser(base)
	var flow struct {
		ID string `json:"id"`
	}
	if _, err := u.call(http.MethodGet, "/self-service/registration/api", nil, &flow); err != nil {
		return u, "", err
	}
	var made struct {
		Token   string `json:"session_token"`
		Session struct {
			ID string `json:"id"`
		} `json:"session"`
	}
	_, err := u.call(http.MethodPost, "/self-service/registration?flow="+url.QueryEscape(flow.ID),
		map[string]any{"method": "password", "password": ask.Unique(), "traits": map[string]string{"email": ask.Unique() + "@example.com"}}, &made)
	u.headers.Set("X-Session-Token", made.Token)
	return u, made.Session.ID, err
}

const kratosConfig = `
version: v1.3.1
serve:
  public: {base_url: "%s/", host: 127.0.0.1, port: %s}
  admin: {base_url: "%s/", host: 127.0.0.1, port: %s}
identity: {default_schema_id: default, schemas: [{id: default, url: "file://%s"}]}
secrets: {cookie: ["%s"], cipher: ["%s%s"]}
ciphers: {algorithm: xchacha20-poly1305}
log: {level: warning}
selfservice:
  default_browser_return_url: http://127.0.0.1/
  methods: {password: {enabled: true, config: {haveibeenpwned_enabled: false}}}
  flows: {registration: {after: {password: {hooks: [{hook: session}]}}}}
session: {earliest_possible_extend: 720h}
`

const kratosSchema = `{
  "$id": "person", "$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
  "properties": {"traits": {"type": "object", "required": ["email"], "properties": {
    "email": {"type": "string", "format": "email", "ory.sh/kratos": {"credentials": {"password": {"identifier": true}}}}}}}
}`
