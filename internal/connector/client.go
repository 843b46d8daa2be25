package connector

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"turkey/internal/outbound"
)

const (
	callTimeout   = 10 * time.Second
	maxAnswer     = 5 << 20 // bytes, after decompression
	maxRetryAfter = time.Hour
)

// ErrTooLong is the cause where a provider had more to say than is read at a time.
var ErrTooLong = errors.New("the answer is too long")

// client is the one way out to a provider.
type client struct {
	http *http.Client
	now  func() time.Time
	gate func(budget, account string) time.Duration
}

// request is one call. provider is the name that error messages use.
type request struct {
	provider    string
	method, url string
	contentType string
	bearer      string
	header      map[string]string // further headers
	body        []byte
	pages       bool   // the provider refuses with HTML pages, so a 4xx needs no JSON
	budget      string // one of Budgets, "" if the call is of none
	account     []byte // who the provider counts it for: with its key or token, so that nobody spends what is somebody else's
}

type answer struct {
	status     int
	retryAfter time.Duration
	header     http.Header
	body       []byte
}

func newClient(allowPrivate bool, cfg Config) *client {
	c := &client{now: cfg.Now, http: outbound.Client(allowPrivate), gate: cfg.Gate}
	if cfg.Watch != nil {
		c.http.Transport = cfg.Watch(c.http.Transport)
	}
	return c
}

// do makes the call and returns any answer that looks like the provider's: JSON, or a status that needs no body. Everything
// else (timeout, redirect, HTML, too long) is an *Error already; the answer comes along if there was one, for providers that
// explain a 5xx.
func (c *client) do(ctx context.Context, r request) (answer, error) {
	if err := c.admit(r); err != nil {
		return answer{}, err
	}
	called, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(called, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, fail(Unavailable, "The address of %s is not usable", r.provider)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "turkey-connector/1")
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, unreachable(ctx, r.provider, err)
	}
	defer resp.Body.Close() // the body was only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, unreachable(ctx, r.provider, err)
	}
	a := answer{status: resp.StatusCode, retryAfter: c.retryAfter(resp.Header.Get("Retry-After")), header: resp.Header, body: body}
	if r.pages && a.status >= 400 && a.status < 500 && len(body) <= maxAnswer {
		return a, nil
	}
	return a, a.plausible(r.provider)
}

// admit keeps an account within what its provider allows, over all runs and replicas: the provider would refuse the call, and
// some count refused ones too.
func (c *client) admit(r request) error {
	if c.gate == nil || r.budget == "" {
		return nil
	}
	account := sha256.Sum256(r.account)
	wait := c.gate(r.budget, hex.EncodeToString(account[:16]))
	if wait <= 0 {
		return nil
	}
	e := fail(Limited, "The account has used up the calls that %s allows it for now", r.provider)
	e.RetryAfter, e.Held = wait, true
	return e
}

// plausible refuses what the provider itself would not have said.
func (a answer) plausible(provider string) error {
	switch {
	case len(a.body) > maxAnswer:
		// Asking again gives the same, hence not Unavailable.
		return fail(Invalid, "%s answered with more than %d MiB", provider, maxAnswer>>20).because(ErrTooLong)
	case a.status == http.StatusTooManyRequests: // also Google's HTML page for blocked networks
		return nil
	case a.status >= 500:
		e := fail(Unavailable, "%s is not available at the moment (status %d)", provider, a.status)
		e.RetryAfter = a.retryAfter
		return e
	case a.status >= 300 && a.status < 400:
		return fail(Unavailable, "%s answered with a redirect, which is not followed", provider)
	case !json.Valid(a.body):
		return fail(Unavailable, "%s did not answer with JSON (status %d)", provider, a.status)
	}
	return nil
}

func (a answer) decode(provider string, out any) error {
	if err := json.Unmarshal(a.body, out); err != nil {
		return fail(Unavailable, "%s gave an answer of an unknown form", provider)
	}
	return nil
}

// retryAfter reads both forms of the header, RFC 9110 §10.2.3.
func (c *client) retryAfter(value string) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(c.now())
	}
	return max(0, min(wait, maxRetryAfter))
}

// unreachable explains a call without an answer. ctx is the caller's, not the one with the call's own limit.
func unreachable(ctx context.Context, provider string, err error) *Error {
	if ctx.Err() != nil {
		return fail(Unavailable, "The call to %s was ended before it answered", provider).because(ctx.Err())
	}
	if errors.Is(err, outbound.ErrPrivate) {
		return fail(Unavailable, "%s resolves to a private address, which is refused", provider).because(outbound.ErrPrivate)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fail(Unavailable, "%s did not answer within %d seconds", provider, int(callTimeout.Seconds())).because(context.DeadlineExceeded)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fail(Unavailable, "%s cannot be reached", provider).because(err)
}
