package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const password = "Bench-Turkey-1"

func unique() string {
	b := make([]byte, 12)
	rand.Read(b)
	return hex.EncodeToString(b)
}

var connections = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}, Timeout: 2 * time.Minute}

// user asks a server with headers of his own.
type user struct {
	base    string
	headers http.Header
}

func newUser(base string) *user { return &user{base, http.Header{}} }

// call sends one request and decodes the answer into out (nil: it is thrown away). What is not a success is an error.
func (u *user) call(method, path string, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, u.base+path, body) //nolint:noctx // bounded by the client's timeout
	if err != nil {
		return nil, err
	}
	req.Header = u.headers.Clone()
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := connections.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s %.300s", method, path, resp.Status, answer)
	}
	if out == nil {
		return resp.Header, nil
	}
	return resp.Header, json.Unmarshal(answer, out)
}

// gets makes what a client does out of one address.
func (u *user) gets(path string) func() error {
	return func() error { _, err := u.call(http.MethodGet, path, nil, nil); return err }
}

// serviceAccount is a credential of a real one's size.
func serviceAccount() map[string]string {
	//nolint:gosec // of the right size, and no key
	return map[string]string{"type": "service_account", "project_id": "bench", "private_key_id": unique(),
		"private_key":  "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n", 25) + unique() + "\n-----END PRIVATE KEY-----\n",
		"client_email": "bench@bench.iam.gserviceaccount.com", "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token"}
}
