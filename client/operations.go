package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"turkey/client/api"
)

// API has every operation of the server, in the name of the session: the access token is renewed where needed.
func (s *Session) API() *api.API {
	return api.New(func(ctx context.Context, method, path string, body, out any) error {
		token, err := s.AccessToken(ctx)
		if err != nil {
			return err
		}
		return s.c.Do(ctx, method, path, token, body, out)
	})
}

// API has every operation of the server, in the name of nobody: signing in, keys, health.
func (c *Client) API() *api.API { return c.keyed("", "") }

// AdminAPI has every operation of the server with an operator's key, which gravy key makes.
func (c *Client) AdminAPI(key string) *api.API { return c.keyed("X-Turkey-Admin-Key", key) }

// ServiceAPI has every operation of the server with the key of a backend service: introspection, revocations.
func (c *Client) ServiceAPI(key string) *api.API { return c.keyed("X-Turkey-Service-Key", key) }

func (c *Client) keyed(name, key string) *api.API {
	return api.New(func(ctx context.Context, method, path string, body, out any) error {
		header := http.Header{}
		if name != "" {
			header.Set(name, key)
		}
		return c.send(ctx, method, path, header, body, out)
	})
}

// ErrStreamEnded means that the server ended a stream before it had told everything: ask again.
var ErrStreamEnded = errors.New("turkey: the stream ended")

// WatchRun calls each with every state of a run, beginning with the present one, until the run has ended or each fails.
func (s *Session) WatchRun(ctx context.Context, id string, each func(api.Run) error) error {
	token, err := s.AccessToken(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.c.base+"/api/runs/"+url.PathEscape(id)+"/events", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+token)
	endless := *s.c.http
	endless.Timeout = 0
	resp, err := endless.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // it is read to its end, or given up
	if resp.StatusCode != http.StatusOK {
		answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return err
		}
		return failure(resp, answer)
	}
	last := ""
	err = events(resp.Body, func(_, _, data string) error {
		var run api.Run
		if err := json.Unmarshal([]byte(data), &run); err != nil {
			return err
		}
		last = run.Status
		return each(run)
	})
	if done := (Job{Status: last}).Done(); err == nil && !done {
		return ErrStreamEnded
	}
	return err
}
