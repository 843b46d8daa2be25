package connector

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

const (
	callTimeout   = 10 * time.Second
	maxAnswer     = 5 << 20 // bytes, after decompression
	maxRetryAfter = time.Hour
)

// client is the one way out to a provider.
type client struct {
	http *http.Client
	now  func() time.Time
}

// request is one call. provider is the name that error messages use.
type request struct {
	provider    string
	method, url string
	contentType string
	bearer      string
	body        []byte
}

type answer struct {
	status     int
	retryAfter time.Duration
	body       []byte
}

func newClient(allowPrivate bool, now func() time.Time) *client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	if !allowPrivate {
		dialer.Control = refusePrivate
	}
	return &client{
		now: now,
		http: &http.Client{
			// No Proxy: the dialer could then only check the proxy's address, not the provider's.
			Transport: &http.Transport{
				DialContext:            dialer.DialContext,
				ForceAttemptHTTP2:      true,
				MaxIdleConns:           64,
				MaxIdleConnsPerHost:    16,
				IdleConnTimeout:        90 * time.Second,
				TLSHandshakeTimeout:    5 * time.Second,
				MaxResponseHeaderBytes: 64 << 10,
				TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// do makes the call and returns any answer that looks like the provider's: JSON, or a status that needs no body. Everything
// else (timeout, redirect, HTML, too long) is an *Error already.
func (c *client) do(ctx context.Context, r request) (answer, error) {
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
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, unreachable(ctx, r.provider, err)
	}
	defer resp.Body.Close() // the body was only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, unreachable(ctx, r.provider, err)
	}
	a := answer{status: resp.StatusCode, retryAfter: c.retryAfter(resp.Header.Get("Retry-After")), body: body}
	return a, a.plausible(r.provider)
}

// plausible refuses what the provider itself would not have said.
func (a answer) plausible(provider string) error {
	switch {
	case len(a.body) > maxAnswer:
		// Asking again gives the same, hence not Unavailable.
		return fail(Invalid, "%s answered with more than %d MiB", provider, maxAnswer>>20)
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
	if errors.Is(err, errPrivate) {
		return fail(Unavailable, "%s resolves to a private address, which is refused", provider).because(errPrivate)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fail(Unavailable, "%s did not answer within %d seconds", provider, int(callTimeout.Seconds())).because(context.DeadlineExceeded)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fail(Unavailable, "%s cannot be reached", provider).because(err)
}

var errPrivate = errors.New("connector: address is not public")

// refusePrivate runs after DNS resolution, for each address that is dialled, so no name can lead inside.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !public(ap.Addr()) {
		return fmt.Errorf("dial: %w", errPrivate)
	}
	return nil
}

// reserved lists what netip has no predicate for. Source: IANA special-purpose address registries.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),    // carrier-grade NAT; 100.100.100.200 is Alibaba's metadata service
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's host agent, though the address is public
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"), // reserved and broadcast
	netip.MustParsePrefix("::/96"),       // IPv4-compatible
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), // Teredo and other protocol assignments
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4 embeds any IPv4 address
	netip.MustParsePrefix("fec0::/10"), // site-local
}

// nat64 is the well-known prefix of networks without IPv4; the address behind it is what counts.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func public(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false // loopback, link-local (with 169.254.169.254), multicast, unspecified, private
	}
	for _, p := range reserved {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}
