// Package client is the Go SDK of TurKey: users sign in, and a session acts for them on the vault and the pipeline.
//
//	c := client.New("https://auth.example.com", client.WithApp("marketing-site"))
//	s, err := c.Login(ctx, "ada@example.com", password)
//	id, err := s.SaveCredential(ctx, client.NewCredential{Service: "ga4", Name: "Analytics", Content: key})
//
// Session and Client have methods for what most programs do; package api has one for every operation of the server:
//
//	runs, err := s.API().ListRuns(ctx, api.ListRunsQuery{Limit: 10})
//
// Every method returns *Error for an answer that is not a success: Code is the stable code of the API.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"turkey/client/api"
)

// Error is an answer of the server that is not a success.
type Error struct {
	Status     int    // HTTP status
	Code       string // stable code, such as invalid_credentials or CREDENTIAL_NOT_FOUND
	Message    string
	RequestID  string
	RetryAfter time.Duration // 0 if the server named none
	Fields     []Field       // broken rules of the request (/v1)
	Problems   []string      // what is wrong with a credential's content (/api)
}

// ErrAnswer is an answer that says it is a success and is none of a TurKey server: a network's sign-in page, or one that was cut off.
var ErrAnswer = errors.New("turkey: an answer that is not what was expected")

// Field is one broken rule of one field.
type Field struct {
	Name    string `json:"field"`
	Message string `json:"message"`
	Code    string `json:"code"`
}

func (e *Error) Error() string {
	return fmt.Sprintf("turkey: %d %s: %s", e.Status, e.Code, e.Message)
}

// Client speaks to one server for one app. It is safe for concurrent use.
type Client struct {
	base string
	app  string
	http *http.Client
}

// Option changes a Client.
type Option func(*Client)

// WithApp sets the app that users sign in to; without it the server's default app is meant.
func WithApp(id string) Option { return func(c *Client) { c.app = id } }

// WithHTTPClient replaces the HTTP client, whose timeout is 60 seconds.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// New makes a client of the server at baseURL.
func New(baseURL string, options ...Option) *Client {
	c := &Client{base: strings.TrimRight(baseURL, "/"), http: &http.Client{Timeout: 60 * time.Second}}
	for _, o := range options {
		o(c)
	}
	return c
}

// Do sends one request and decodes the answer into out (nil: it is thrown away). body nil sends none; a json.RawMessage
// goes as it is. token "" sends no Authorization header.
func (c *Client) Do(ctx context.Context, method, path, token string, body, out any) error {
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return c.send(ctx, method, path, header, body, out)
}

func (c *Client) send(ctx context.Context, method, path string, header http.Header, body, out any) error {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return err
	}
	req.Header = header
	if body != nil {
		header.Set("Content-Type", "application/json")
	}
	if key := api.IdempotencyKey(ctx); key != "" {
		header.Set("Idempotency-Key", key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // everything has been read
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return failure(resp, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%w: answer of %s %s: %w", ErrAnswer, method, path, err)
	}
	return nil
}

// failure reads both error shapes: {error, message, details[]} of /v1 and {error, code, details{}} of /api.
func failure(resp *http.Response, answer []byte) error {
	e := &Error{Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id")}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	var body struct {
		Error   string          `json:"error"`
		Message string          `json:"message"`
		Code    string          `json:"code"`
		Details json.RawMessage `json:"details"`
	}
	if json.Unmarshal(answer, &body) != nil {
		e.Code, e.Message = "not_json", "the answer is not JSON; is this a TurKey server?"
		return e
	}
	if body.Code != "" {
		e.Code, e.Message = body.Code, body.Error
		var d struct{ Errors []string }
		_ = json.Unmarshal(body.Details, &d) // details are optional
		e.Problems = d.Errors
		return e
	}
	e.Code, e.Message = body.Error, body.Message
	_ = json.Unmarshal(body.Details, &e.Fields) // details are optional
	return e
}
