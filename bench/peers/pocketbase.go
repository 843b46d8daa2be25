package main

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"

	"turkey/bench/internal/ask"
)

var pocketBase = contestant{
	name: "PocketBase", file: "pocketbase", inside: true,
	differs: "Its database is SQLite, inside the server: no network and no other process, one server only, and a commit is not flushed to the disk (`synchronous` NORMAL), which ours is. me is the view of one's own record, " +
		"after the token was checked by another statement. Its refresh signs a new token and keeps nothing: none is rotated or can be revoked alone. " +
		"A credential is a record that only its owner sees: it lies in the database as it came, not sealed, and no audit says so.",
	start: func(ctx context.Context, f *field) (*server, error) {
		base, err := ask.FreeBase()
		if err != nil {
			return nil, err
		}
		program, data := filepath.Join(f.programs, "pocketbase"), "--dir="+filepath.Join(f.dir, "pocketbase")
		if err := f.once(ctx, nil, program, "superuser", "upsert", "admin@example.com", ask.Password, data); err != nil {
			return nil, err
		}
		s, err := f.start(ctx, base, "/api/health", nil, program, "serve", "--http="+address(base), data)
		if err != nil {
			return nil, err
		}
		if err := pocketBaseSettings(base); err != nil {
			s.stop()
			return nil, err
		}
		s.acts = map[string]worker{
			me: func() (func() error, error) {
				u, id, err := pocketBaseUser(base)
				return u.gets("/api/collections/users/records/" + id), err
			},
			refresh: func() (func() error, error) {
				u, _, err := pocketBaseUser(base)
				return func() error {
					var t pocketBaseToken
					_, err := u.call(http.MethodPost, "/api/collections/users/auth-refresh", nil, &t)
					u.headers.Set("Authorization", t.Token)
					if err == nil && t.Token == "" {
						return errors.New("no token")
					}
					return err
				}, err
			},
			write: func() (func() error, error) {
				u, id, err := pocketBaseUser(base)
				return func() error { _, err := pocketBaseSave(u, id); return err }, err
			},
			read: func() (func() error, error) {
				u, id, err := pocketBaseUser(base)
				if err != nil {
					return nil, err
				}
				secret, err := pocketBaseSave(u, id)
				return u.gets("/api/collections/secrets/records/" + secret + "?fields=id,name,service,created"), err
			},
		}
		return s, nil
	},
	version: moduleVersion("github.com/pocketbase/pocketbase"),
}

type pocketBaseToken struct {
	Token  string `json:"token"`
	Record struct {
		ID string `json:"id"`
	} `json:"record"`
}

// pocketBaseSettings makes the collection of credentials, and has requests logged as little as with the others.
func pocketBaseSettings(base string) error {
	admin := newUser(base)
	var t pocketBaseToken
	if _, err := admin.call(http.MethodPost, "/api/collections/_superusers/auth-with-password", map[string]string{"identity": "admin@example.com", "password": ask.Password}, &t); err != nil {
		return err
	}
	admin.headers.Set("Authorization", t.Token)
	if _, err := admin.call(http.MethodPatch, "/api/settings", map[string]any{"logs": map[string]any{"minLevel": 4}}, nil); err != nil {
		return err
	}
	const own = "owner = @request.auth.id"
	_, err := admin.call(http.MethodPost, "/api/collections", map[string]any{
		"name": "secrets", "type": "base", "createRule": own, "viewRule": own, "listRule": own,
		"fields": []map[string]any{
			{"name": "owner", "type": "relation", "collectionId": "_pb_users_auth_", "maxSelect": 1, "required": true, "cascadeDelete": true},
			{"name": "name", "type": "text"},
			{"name": "service", "type": "text"},
			{"name": "content", "type": "json"},
			{"name": "created", "type": "autodate", "onCreate": true},
		},
		"indexes": []string{"CREATE INDEX secrets_owner ON secrets (owner)"},
	}, nil)
	return err
}

func pocketBaseUser(base string) (*user, string, error) {
	u, email := newUser(base), ask.Unique()+"@example.com"
	if _, err := u.call(http.MethodPost, "/api/collections/users/records", map[string]string{"email": email, "password": ask.Password, "passwordConfirm": ask.Password}, nil); err != nil {
		return u, "", err
	}
	var t pocketBaseToken
	_, err := u.call(http.MethodPost, "/api/collections/users/auth-with-password", map[string]string{"identity": email, "password": ask.Password}, &t)
	u.headers.Set("Authorization", t.Token)
	return u, t.Record.ID, err
}

func pocketBaseSave(u *user, owner string) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	_, err := u.call(http.MethodPost, "/api/collections/secrets/records", map[string]any{"owner": owner, "name": "Bench", "service": "google_sheets", "content": ask.ServiceAccount()}, &made)
	return made.ID, err
}
