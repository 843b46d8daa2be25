package main

import (
	"net/http"
	"time"

	"turkey/bench/internal/ask"
)

var connections = ask.Client(64, 2*time.Minute)

// user asks a server with headers of his own.
type user struct {
	base    string
	headers http.Header
}

func newUser(base string) *user { return &user{base, http.Header{}} }

// call sends one request and decodes the answer into out (nil: it is thrown away). What is not a success is an error.
func (u *user) call(method, path string, in, out any) (http.Header, error) {
	return ask.JSON(connections, method, u.base+path, u.headers, in, out)
}

// gets makes what a client does out of one address.
func (u *user) gets(path string) func() error {
	return func() error { _, err := u.call(http.MethodGet, path, nil, nil); return err }
}
