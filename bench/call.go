package main

import (
	"net/http"
	"time"

	"turkey/bench/internal/ask"
)

// newClient makes a client with connections of its own, as many as ask at once.
func newClient() *http.Client { return ask.Client(1024, 30*time.Second) }

var httpClient = newClient()

// call sends one request and decodes the answer into out (nil: it is thrown away).
func call(method, url, token string, in, out any) error {
	return callBy(httpClient, method, url, token, in, out)
}

// callBy is call on the connections of a client, with further headers.
func callBy(client *http.Client, method, url, token string, in, out any, headers ...[2]string) error {
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		header.Set(h[0], h[1])
	}
	_, err := ask.JSON(client, method, url, header, in, out)
	return err
}
