package main

import (
	"fmt"
	"net/http"
	"sync"

	"turkey/bench/internal/ask"
)

// account is a user of ours. Its methods are one request each.
type account struct {
	email, access, refresh string
	client                 *http.Client
	saved                  []int64 // credentials
}

// newAccount registers a user with us.
func newAccount() (*account, error) {
	a := &account{email: ask.Unique() + "@example.com", client: httpClient}
	var t ask.Tokens
	err := call(http.MethodPost, turkeyBase+"/v1/auth/register", "", map[string]string{"email": a.email, "password": ask.Password}, &t)
	a.access, a.refresh = t.Data.AccessToken, t.Data.RefreshToken
	return a, err
}

// newAccounts registers several at once, for a registration costs a password hash.
func newAccounts(n int) ([]*account, error) {
	made := make([]*account, n)
	var first error
	var mu sync.Mutex
	var all sync.WaitGroup
	for hand := range 4 {
		all.Go(func() {
			for i := hand; i < n; i += 4 {
				a, err := newAccount()
				if err != nil {
					mu.Lock()
					first = err
					mu.Unlock()
					return
				}
				made[i] = a
			}
		})
	}
	all.Wait()
	return made, first
}

func (a *account) get(path string) error {
	return callBy(a.client, http.MethodGet, turkeyBase+path, a.access, nil, nil)
}

func (a *account) me() error       { return a.get("/v1/users/me") }
func (a *account) list() error     { return a.get("/api/credentials/list") }
func (a *account) services() error { return a.get("/api/services") }

// read is the metadata of the first credential.
func (a *account) read() error { return a.get(fmt.Sprintf("/api/credentials/%d", a.saved[0])) }

func (a *account) login() error {
	return callBy(a.client, http.MethodPost, turkeyBase+"/v1/auth/login", "", map[string]string{"email": a.email, "password": ask.Password}, nil)
}

func (a *account) refreshed() error {
	var t ask.Tokens
	err := callBy(a.client, http.MethodPost, turkeyBase+"/v1/auth/refresh", "", map[string]string{"refreshToken": a.refresh}, &t)
	if err == nil {
		a.refresh = t.Data.RefreshToken
	}
	return err
}

func (a *account) introspect() error {
	return callBy(a.client, http.MethodPost, turkeyBase+"/v1/auth/introspect", "", map[string]string{"token": a.access}, nil)
}

func (a *account) save() error {
	_, err := a.saveFor("google_sheets", ask.ServiceAccount())
	return err
}

func (a *account) saveFor(service string, content any) (int64, error) {
	var made struct {
		ID int64 `json:"credentialId"`
	}
	err := callBy(a.client, http.MethodPost, turkeyBase+"/api/credentials/save", a.access,
		map[string]any{"credentialJson": content, "credentialName": "Bench", "service": service}, &made)
	if err == nil {
		a.saved = append(a.saved, made.ID)
	}
	return made.ID, err
}

// turn saves a credential, or deletes one where there are some already.
func (a *account) turn() error {
	if len(a.saved) < 5 {
		return a.save()
	}
	id := a.saved[len(a.saved)-1]
	a.saved = a.saved[:len(a.saved)-1]
	return callBy(a.client, http.MethodDelete, fmt.Sprintf("%s/api/credentials/%d", turkeyBase, id), a.access, nil, nil)
}

func (a *account) enable(service string, id int64) error {
	return callBy(a.client, http.MethodPost, turkeyBase+"/api/services/"+service+"/enable", a.access, map[string]any{"credentialId": id}, nil)
}

func (a *account) sync(service string) error {
	return callBy(a.client, http.MethodPost, turkeyBase+"/api/v1/sync/"+service, a.access, map[string]any{}, nil)
}

// seeded is a user of the floor.
type seeded struct {
	AT, RT string
}

func seed() (seeded, error) {
	var s seeded
	err := call(http.MethodPost, floorBase+"/seed", "", map[string]string{"email": ask.Unique()}, &s)
	return s, err
}
