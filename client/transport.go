package client

import (
	"context"
	"net/http"
	"time"
)

// Transport is an http.RoundTripper in the name of a session: it adds the access token, renews it before it expires, and once
// more when it is refused. Give it only to clients whose addresses may see the token.
func (s *Session) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{s, base}
}

type transport struct {
	s    *Session
	base http.RoundTripper
}

// early is how long before its end a token is renewed.
const early = 10 * time.Second

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := t.s.AccessToken(r.Context())
	if err != nil {
		return nil, err
	}
	resp, err := t.base.RoundTrip(withToken(r, token))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || r.Body != nil && r.GetBody == nil {
		return resp, err
	}
	if err := t.s.renew(r.Context(), token); err != nil {
		return resp, nil //nolint:nilerr // the refusal says more than the failed renewal
	}
	again := r
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return resp, nil //nolint:nilerr // as above
		}
		again = r.Clone(r.Context())
		again.Body = body
	}
	_ = resp.Body.Close() // of no more use
	return t.base.RoundTrip(withToken(again, t.s.Tokens().AccessToken))
}

func withToken(r *http.Request, token string) *http.Request {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// AccessToken returns a token that is good for some seconds yet, and renews it where needed.
func (s *Session) AccessToken(ctx context.Context) (string, error) {
	s.mu.Lock()
	token, until := s.t.AccessToken, s.until
	s.mu.Unlock()
	if until.IsZero() || time.Now().Add(early).Before(until) {
		return token, nil
	}
	if err := s.renew(ctx, token); err != nil {
		return "", err
	}
	return s.Tokens().AccessToken, nil
}

// renew makes one renewal of many callers that found the same token wanting.
func (s *Session) renew(ctx context.Context, wanting string) error {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	if s.Tokens().AccessToken != wanting {
		return nil
	}
	return s.Refresh(ctx)
}
