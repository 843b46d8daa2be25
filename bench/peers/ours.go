package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"

	"turkey/bench/internal/ask"
)

// startOurs starts our server as in production. One address sends everything, so no limit is in the way.
func startOurs(ctx context.Context, f *field) (*server, error) {
	const database = "ours"
	if err := f.database(ctx, database); err != nil {
		return nil, err
	}
	base, err := ask.FreeBase()
	if err != nil {
		return nil, err
	}
	const never = "=1000000000"
	s, err := f.start(ctx, base, "/health", []string{"NODE_ENV=production", "DATABASE_URL=" + f.pg.DSN("postgres", database), "DATABASE_ADMIN_URL=", "HOST=127.0.0.1", "PORT=" + ask.Port(base), "LOG_LEVEL=warn",
		"JWT_SECRET=" + ask.Unique() + ask.Unique(), "ENCRYPTION_KEY_SALT=" + ask.Unique() + ask.Unique(), "TURKEY_DATA_DIR=" + filepath.Join(f.dir, "data"), "EMAIL_SERVICE=mailbox",
		"RATE_LIMIT_MAX_REQUESTS" + never, "API_RATE_LIMIT_MAX_REQUESTS" + never, "REFRESH_RATE_LIMIT_MAX_ATTEMPTS" + never, "REGISTER_RATE_LIMIT_MAX_ATTEMPTS" + never}, f.turkey, "serve")
	if err != nil {
		return nil, err
	}
	s.database = database
	s.acts = map[string]worker{
		me: func() (func() error, error) {
			u, _, err := register(base)
			return u.gets("/v1/users/me"), err
		},
		refresh: func() (func() error, error) {
			u, token, err := register(base)
			u.headers = http.Header{}
			return func() error {
				var t ask.Tokens
				_, err := u.call(http.MethodPost, "/v1/auth/refresh", map[string]string{"refreshToken": token}, &t)
				token = t.Data.RefreshToken
				return err
			}, err
		},
		write: savers(base),
		read: func() (func() error, error) {
			u, _, err := register(base)
			if err != nil {
				return nil, err
			}
			id, err := save(u)
			return u.gets(fmt.Sprintf("/api/credentials/%d", id)), err
		},
	}
	return s, nil
}

func register(base string) (*user, string, error) {
	u := newUser(base)
	var t ask.Tokens
	_, err := u.call(http.MethodPost, "/v1/auth/register", map[string]string{"email": ask.Unique() + "@example.com", "password": ask.Password}, &t)
	u.headers.Set("Authorization", "Bearer "+t.Data.AccessToken)
	return u, t.Data.RefreshToken, err
}

func save(u *user) (int64, error) {
	var made struct {
		ID int64 `json:"credentialId"`
	}
	_, err := u.call(http.MethodPost, "/api/credentials/save", map[string]any{"credentialJson": ask.ServiceAccount(), "credentialName": "Bench", "service": "google_sheets"}, &made)
	return made.ID, err
}

// A user may keep so many credentials of a service. Users are registered before anything is measured, for that costs a
// password hash.
const (
	savesPerUser = 90
	saversEach   = 40
)

// savers makes clients with a stock of users, who save for one after the other.
func savers(base string) worker {
	return func() (func() error, error) {
		stock := make([]*user, saversEach)
		errs := make([]error, saversEach)
		var all sync.WaitGroup
		for hand := range 4 {
			all.Go(func() {
				for i := hand; i < len(stock); i += 4 {
					stock[i], _, errs[i] = register(base)
				}
			})
		}
		all.Wait()
		saved := 0
		return func() error {
			if saved == savesPerUser*saversEach {
				return errors.New("every user is full: take shorter slices, or fewer")
			}
			_, err := save(stock[saved/savesPerUser])
			saved++
			return err
		}, errors.Join(errs...)
	}
}
