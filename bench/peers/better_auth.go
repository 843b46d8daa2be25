package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"turkey/bench/internal/ask"
)

//go:embed better-auth.mjs
var betterAuthServer string

var betterAuth = contestant{
	name: "Better Auth", file: "better-auth",
	differs: "Node. A session is a signed cookie and a row; no token is signed. me reads session and user in two statements (in one with `advanced.database.joins`, which is off unless asked for). " +
		"Its refresh extends the row and sets the same cookie again: no rotation, no reuse detection, no access token. It keeps no credentials.",
	start: func(ctx context.Context, f *field) (*server, error) {
		const database = "better_auth"
		if err := f.database(ctx, database); err != nil {
			return nil, err
		}
		base, err := ask.FreeBase()
		if err != nil {
			return nil, err
		}
		program, err := f.file("better-auth.mjs", betterAuthServer)
		if err != nil {
			return nil, err
		}
		// Node looks for modules beside the program.
		if err := os.Symlink(filepath.Join(f.programs, "better-auth", "node_modules"), filepath.Join(f.dir, "node_modules")); err != nil {
			return nil, err
		}
		s, err := f.start(ctx, base, "/api/auth/ok", []string{"NODE_ENV=production", "BASE=" + base, "SECRET=" + ask.Unique() + ask.Unique(),
			"PGHOST=" + f.pg.SocketDir, "PGUSER=postgres", "PGDATABASE=" + database}, "node", program)
		if err != nil {
			return nil, err
		}
		s.database = database
		session := func(method string, check func(http.Header, string) error) worker {
			return func() (func() error, error) {
				u := newUser(base)
				u.headers.Set("Origin", base)
				h, err := u.call(http.MethodPost, "/api/auth/sign-up/email", map[string]string{"email": ask.Unique() + "@example.com", "password": ask.Password, "name": "Bench"}, nil)
				if err != nil {
					return nil, err
				}
				cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
				u.headers.Set("Cookie", cookie)
				return func() error {
					var answer struct {
						Session struct {
							ExpiresAt string `json:"expiresAt"`
						} `json:"session"`
					}
					h, err := u.call(method, "/api/auth/get-session", nil, &answer)
					if err != nil {
						return err
					}
					return check(h, answer.Session.ExpiresAt)
				}, nil
			}
		}
		s.acts = map[string]worker{
			me: session(http.MethodGet, func(_ http.Header, expires string) error {
				if expires == "" {
					return errors.New("no session")
				}
				return nil
			}),
			refresh: session(http.MethodPost, func(h http.Header, expires string) error {
				if expires == "" || h.Get("Set-Cookie") == "" {
					return errors.New("the session was not extended")
				}
				return nil
			}),
		}
		return s, nil
	},
	version: func(path string) (string, error) {
		text, err := os.ReadFile(filepath.Join(path, "node_modules", "better-auth", "package.json"))
		var about struct {
			Version string `json:"version"`
		}
		return about.Version, errors.Join(err, json.Unmarshal(text, &about))
	},
}
