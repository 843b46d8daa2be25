package main

import (
	"context"
	"fmt"
	"net/http"

	"turkey/bench/internal/ask"
	"turkey/client"
)

// worker makes what one of the clients does again and again.
type worker func(n int) (func() error, error)

// operation is one thing that clients do.
type operation struct {
	name   string
	ours   worker
	floor  worker // what it is compared with; nil: nothing
	target string // of that ratio
	trips  string // most round trips to PostgreSQL that it may make; "": nothing is promised
	hashes bool   // it costs a password hash
	alone  bool   // it leaves work behind: measured on a server without workers, with an empty queue
}

// operations are what is measured. They keep users of the server that runs.
func operations() []operation {
	s := &stock{}
	return []operation{
		{name: "JWKS / a static answer", ours: get(turkeyBase + "/.well-known/jwks.json"), floor: get(floorBase + "/static"), target: "≤ 1.5", trips: "0"},
		{name: "users/me", ours: by((*account).me), floor: floorMe, target: "≤ 1.3", trips: "1"},
		{name: "refresh", ours: by((*account).refreshed), floor: floorRefresh, target: "≤ 1.3", trips: "1"},
		{name: "login / one hash", ours: by((*account).login), floor: floorHash, target: "≤ 1.03", trips: "2", hashes: true},
		{name: "credential save", ours: s.save, floor: floorSave, target: "≤ 1.5", trips: "1"},
		{name: "credential read (metadata)", ours: withCredential((*account).list), floor: floorRead, target: "≤ 1.3", trips: "1"},
		{name: "credential get", ours: withCredential((*account).read)},
		{name: "service list", ours: withCredential((*account).services)},
		{name: "decrypt for use (read a sheet)", ours: decrypt},
		{name: "introspect", ours: by((*account).introspect), trips: "1"},
		{name: "verify in a backend (Go client)", ours: verify, trips: "0"},
		{name: "register", ours: register, hashes: true},
		{name: "sync (enqueue)", ours: s.sync, alone: true},
	}
}

// get makes workers that read one address.
func get(url string) worker {
	return func(int) (func() error, error) {
		return func() error { return call(http.MethodGet, url, "", nil, nil) }, nil
	}
}

// by makes workers that each act for a user of their own.
func by(act func(*account) error) worker {
	return func(int) (func() error, error) {
		a, err := newAccount()
		return func() error { return act(a) }, err
	}
}

// withCredential is by for users who have one.
func withCredential(act func(*account) error) worker {
	return func(int) (func() error, error) {
		a, err := newAccount()
		if err == nil {
			err = a.save()
		}
		return func() error { return act(a) }, err
	}
}

func register(int) (func() error, error) {
	return func() error { _, err := newAccount(); return err }, nil
}

// verify is what a backend does with a token: no request, but for the keys, once.
func verify(int) (func() error, error) {
	a, err := newAccount()
	v := client.New(turkeyBase).NewVerifier(client.WithIssuer("http://localhost:" + ask.Port(turkeyBase)))
	return func() error { _, err := v.Verify(context.Background(), a.access); return err }, err
}

// decrypt makes workers that read a tab of Google Sheets: of the routes that open a credential it does the least besides.
// The provider is a process of its own, which answers at once.
func decrypt(int) (func() error, error) {
	w, err := newWorld(providersBase, 1)
	if err != nil {
		return nil, err
	}
	a, err := newAccount()
	if err != nil {
		return nil, err
	}
	id, err := a.saveFor("google_sheets", w.google)
	if err == nil {
		err = a.enable("google_sheets", id)
	}
	return func() error {
		return a.get(fmt.Sprintf("/api/sheets/%s/values?sheetName=%s&credential_id=%d", w.spreadsheets[0], sources[0], id))
	}, err
}

// stock are users that are registered before anything is measured.
type stock struct {
	savers  chan *account
	syncers []*account
}

// savesPerAccount stays below the limit of live credentials per user and service.
const savesPerAccount = 90

func (s *stock) save(int) (func() error, error) {
	if s.savers == nil {
		made, err := newAccounts(240)
		if err != nil {
			return nil, err
		}
		s.savers = make(chan *account, len(made))
		for _, a := range made {
			s.savers <- a
		}
	}
	var a *account
	return func() error {
		if a == nil || len(a.saved) == savesPerAccount {
			select {
			case a = <-s.savers:
			default:
				var err error
				if a, err = newAccount(); err != nil {
					return err
				}
			}
		}
		return a.save()
	}, nil
}

// sync makes workers that ask for a run of one user after the other, as mornings do.
func (s *stock) sync(n int) (func() error, error) {
	if s.syncers == nil {
		w, err := newWorld(providersBase, 1)
		if err != nil {
			return nil, err
		}
		if s.syncers, err = newAccounts(240); err != nil {
			return nil, err
		}
		for _, a := range s.syncers {
			id, err := a.saveFor("meta", w.meta)
			if err == nil {
				err = a.enable("meta", id)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return func() error {
		n += clients
		return s.syncers[n%len(s.syncers)].sync("meta")
	}, nil
}

func floorMe(int) (func() error, error) {
	s, err := seed()
	return func() error { return call(http.MethodGet, floorBase+"/me", s.AT, nil, nil) }, err
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

func floorHash(int) (func() error, error) {
	return func() error { return call(http.MethodPost, floorBase+"/hash", "", nil, nil) }, nil
}

func floorSave(int) (func() error, error) {
	return func() error {
		return call(http.MethodPost, floorBase+"/secret/"+ask.Unique(), "", ask.ServiceAccount(), nil)
	}, nil
}

func floorRead(int) (func() error, error) {
	p := ask.Unique()
	err := call(http.MethodPost, floorBase+"/secret/"+p, "", ask.ServiceAccount(), nil)
	return func() error { return call(http.MethodGet, floorBase+"/secret/"+p, "", nil, nil) }, err
}
