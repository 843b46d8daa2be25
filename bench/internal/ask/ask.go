// Package ask is what the benchmarks say over HTTP, and what about.
package ask

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Client makes a client with connections of its own, as many as it keeps.
func Client(connections int, patience time.Duration) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}, Timeout: patience}
}

// Refusal is an answer that is not a success.
type Refusal struct {
	What, Status, Again string // Again: what Retry-After says
	Code                int
	Body                []byte
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s %.300s", r.What, r.Status, r.Body) }

// Refused tells whether an error is an answer with that status.
func Refused(err error, code int) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Code == code
}

// JSON sends one request and decodes the answer into out (nil: it is thrown away). What is not a success is a Refusal.
func JSON(client *http.Client, method, url string, header http.Header, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, url, body) //nolint:noctx // bounded by the client's timeout
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header.Clone()
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, &Refusal{method + " " + url, resp.Status, resp.Header.Get("Retry-After"), resp.StatusCode, answer}
	}
	if out == nil {
		return resp.Header, nil
	}
	return resp.Header, json.Unmarshal(answer, out)
}

// FreeBase is an address that nobody listens at.
func FreeBase() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close() // the program takes it over
	return "http://" + l.Addr().String(), nil
}

// Port is that of an address.
func Port(base string) string { return base[strings.LastIndexByte(base, ':')+1:] }

// Password is everybody's.
const Password = "Bench-Turkey-1"

// Unique is a word that was never there.
func Unique() string {
	b := make([]byte, 12)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// Tokens is what a sign-in and a refresh answer.
type Tokens struct {
	Data struct {
		AccessToken  string `json:"accessToken"`
		RefreshToken string `json:"refreshToken"`
	} `json:"data"`
}

// ServiceAccount is a credential of a real one's size.
func ServiceAccount() map[string]string {
	//nolint:gosec // of the right size, and no key
	return map[string]string{"type": "service_account", "project_id": "bench", "private_key_id": Unique(),
		"private_key":  "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n", 25) + Unique() + "\n-----END PRIVATE KEY-----\n",
		"client_email": "bench@bench.iam.gserviceaccount.com", "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token"}
}
