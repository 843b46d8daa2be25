package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// newClient makes a client with connections of its own, as many as ask at once.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}, Timeout: 30 * time.Second}
}

var httpClient = newClient()

// refusal is an answer that is not a success.
type refusal struct {
	what, status, again string // again: what Retry-After says
	code                int
	body                []byte
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %s %.300s", r.what, r.status, r.body) }

// refused tells whether an error is an answer with that status.
func refused(err error, code int) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.code == code
}

// call sends one request and decodes the answer into out (nil: it is thrown away).
func call(method, url, token string, in, out any) error {
	return callBy(httpClient, method, url, token, in, out)
}

// callBy is call on the connections of a client, with further headers.
func callBy(client *http.Client, method, url, token string, in, out any, headers ...[2]string) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, url, body) //nolint:noctx // bounded by the client's timeout
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		req.Header.Set(h[0], h[1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return &refusal{method + " " + url, resp.Status, resp.Header.Get("Retry-After"), resp.StatusCode, answer}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
