package main

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
)

const password = "Bench-Turkey-1"

func unique() string {
	b := make([]byte, 12)
	rand.Read(b)
	return hex.EncodeToString(b)
}

type account struct {
	email, access, refresh string
}

type tokens struct {
	Data struct {
		AccessToken  string `json:"accessToken"`
		RefreshToken string `json:"refreshToken"`
	} `json:"data"`
}

// newAccount registers a user with us.
func newAccount() (account, error) {
	a := account{email: unique() + "@example.com"}
	var t tokens
	err := call(http.MethodPost, turkeyBase+"/v1/auth/register", "", map[string]string{"email": a.email, "password": password}, &t)
	a.access, a.refresh = t.Data.AccessToken, t.Data.RefreshToken
	return a, err
}

type seeded struct {
	AT, RT string
}

// seed makes a user of the floor.
func seed() (seeded, error) {
	var s seeded
	err := call(http.MethodPost, floorBase+"/seed", "", map[string]string{"email": unique()}, &s)
	return s, err
}

// get makes workers that read one address.
func get(url string) func(int) (func() error, error) {
	return func(int) (func() error, error) {
		return func() error { return call(http.MethodGet, url, "", nil, nil) }, nil
	}
}

// scenarios are the operations whose cost is promised.
func scenarios(ours, floor *server) []scenario {
	return []scenario{
		{"JWKS / a static answer", "≤ 1.5", side{ours, get(turkeyBase + "/.well-known/jwks.json")}, side{floor, get(floorBase + "/static")}},
		{"users/me", "≤ 1.3", side{ours, ourMe}, side{floor, floorMe}},
		{"refresh", "≤ 1.3", side{ours, ourRefresh}, side{floor, floorRefresh}},
		{"login / one hash", "≤ 1.03", side{ours, ourLogin}, side{floor, floorHash}},
		{"credential save", "≤ 1.5", side{ours, ourSave}, side{floor, floorSave}},
		{"credential read (metadata)", "≤ 1.3", side{ours, ourRead}, side{floor, floorRead}},
	}
}

func ourMe(int) (func() error, error) {
	a, err := newAccount()
	return func() error { return call(http.MethodGet, turkeyBase+"/v1/users/me", a.access, nil, nil) }, err
}

func floorMe(int) (func() error, error) {
	s, err := seed()
	return func() error { return call(http.MethodGet, floorBase+"/me", s.AT, nil, nil) }, err
}

func ourRefresh(int) (func() error, error) {
	a, err := newAccount()
	return func() error {
		var t tokens
		err := call(http.MethodPost, turkeyBase+"/v1/auth/refresh", "", map[string]string{"refreshToken": a.refresh}, &t)
		a.refresh = t.Data.RefreshToken
		return err
	}, err
}

func floorRefresh(int) (func() error, error) {
	s, err := seed()
	return func() error {
		var next seeded
		err := call(http.MethodPost, floorBase+"/refresh", "", map[string]string{"rt": s.RT}, &next)
		s.RT = next.RT
		return err
	}, err
}

func ourLogin(int) (func() error, error) {
	a, err := newAccount()
	return func() error {
		return call(http.MethodPost, turkeyBase+"/v1/auth/login", "", map[string]string{"email": a.email, "password": password}, nil)
	}, err
}

func floorHash(int) (func() error, error) {
	return func() error { return call(http.MethodPost, floorBase+"/hash", "", nil, nil) }, nil
}

// serviceAccount is a credential of a real one's size.
func serviceAccount() map[string]string {
	//nolint:gosec // of the right size, and no key
	return map[string]string{"type": "service_account", "project_id": "bench", "private_key_id": unique(),
		"private_key":  "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n", 25) + unique() + "\n-----END PRIVATE KEY-----\n",
		"client_email": "bench@bench.iam.gserviceaccount.com", "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token"}
}

// savesPerAccount stays below the limit of live credentials per user and service.
const savesPerAccount = 90

// saveAccounts are registered before anything is measured: a registration costs a password hash.
var saveAccounts = sync.OnceValue(func() chan account {
	const n = 240
	ready := make(chan account, n)
	for range n {
		a, err := newAccount()
		if err != nil {
			break // the first save without an account says why
		}
		ready <- a
	}
	return ready
})

func ourSave(int) (func() error, error) {
	accounts := saveAccounts()
	var a account
	n := savesPerAccount
	return func() error {
		if n == savesPerAccount {
			select {
			case a = <-accounts:
			default:
				var err error
				if a, err = newAccount(); err != nil {
					return err
				}
			}
			n = 0
		}
		n++
		return call(http.MethodPost, turkeyBase+"/api/credentials/save", a.access,
			map[string]any{"credentialJson": serviceAccount(), "credentialName": "Bench", "service": "google_sheets"}, nil)
	}, nil
}

func floorSave(int) (func() error, error) {
	return func() error { return call(http.MethodPost, floorBase+"/secret/"+unique(), "", serviceAccount(), nil) }, nil
}

func ourRead(int) (func() error, error) {
	a, err := newAccount()
	if err != nil {
		return nil, err
	}
	err = call(http.MethodPost, turkeyBase+"/api/credentials/save", a.access,
		map[string]any{"credentialJson": serviceAccount(), "credentialName": "Bench", "service": "google_sheets"}, nil)
	return func() error { return call(http.MethodGet, turkeyBase+"/api/credentials/list", a.access, nil, nil) }, err
}

func floorRead(int) (func() error, error) {
	p := unique()
	err := call(http.MethodPost, floorBase+"/secret/"+p, "", serviceAccount(), nil)
	return func() error { return call(http.MethodGet, floorBase+"/secret/"+p, "", nil, nil) }, err
}
