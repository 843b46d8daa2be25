package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// feed is what the server revoked, in memory.
type feed struct {
	serviceKey string
	maxAge     time.Duration

	mu       sync.RWMutex
	tokens   map[string]time.Time // jti → when it would have expired
	sessions map[string]time.Time
	users    map[string]userEnd
	apps     map[string]time.Time // app → tokens issued before are void
	seen     time.Time            // the server last said that it knows everything
	last     string               // id of the last event
}

type userEnd struct {
	version int32 // tokens of an older version are void
	until   time.Time
}

func newFeed(serviceKey string, maxAge time.Duration) *feed {
	return &feed{serviceKey: serviceKey, maxAge: maxAge, tokens: map[string]time.Time{}, sessions: map[string]time.Time{}, users: map[string]userEnd{},
		apps: map[string]time.Time{}}
}

// revocation is an event of GET /v1/revocations/stream.
type revocation struct {
	Kind      string     `json:"kind"`
	Subject   string     `json:"subject"`
	Version   *int32     `json:"version"`
	NotBefore *time.Time `json:"notBefore"`
	ExpiresAt time.Time  `json:"expiresAt"`
}

func (f *feed) judge(c *Claims, now time.Time) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if now.Sub(f.seen) > f.maxAge {
		return fmt.Errorf("%w: nothing was heard of revocations for %s", ErrUnknown, f.maxAge)
	}
	_, token := f.tokens[c.ID]
	_, session := f.sessions[c.SessionID]
	if token || session || f.users[c.UserID].version > c.TokenVersion || time.Unix(c.IssuedAt, 0).Before(f.apps[c.App]) {
		return ErrTokenRevoked
	}
	return nil
}

func (f *feed) put(all ...revocation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range all {
		switch r.Kind {
		case "jti":
			f.tokens[r.Subject] = r.ExpiresAt
		case "session":
			f.sessions[r.Subject] = r.ExpiresAt
		case "user":
			if r.Version != nil && *r.Version >= f.users[r.Subject].version {
				f.users[r.Subject] = userEnd{*r.Version, r.ExpiresAt}
			}
		case "app":
			if r.NotBefore != nil && r.NotBefore.After(f.apps[r.Subject]) {
				f.apps[r.Subject] = *r.NotBefore
			}
		}
	}
}

// alive notes a sign of life, and drops what can end nothing any more.
func (f *feed) alive(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sweep := now.Truncate(time.Minute) != f.seen.Truncate(time.Minute)
	f.seen = now
	if !sweep {
		return
	}
	over := now.Add(-time.Minute) // tokens are forgiven some seconds
	for k, until := range f.tokens {
		if until.Before(over) {
			delete(f.tokens, k)
		}
	}
	for k, until := range f.sessions {
		if until.Before(over) {
			delete(f.sessions, k)
		}
	}
	for k, end := range f.users {
		if end.until.Before(over) {
			delete(f.users, k)
		}
	}
}

// Follow keeps keys and revocations current until ctx is done, and then returns its error. It connects anew whenever the
// stream ends. An error other than the context's means that following is of no use: no WithRevocations, or a wrong key.
func (v *Verifier) Follow(ctx context.Context) error {
	if v.feed == nil {
		return errors.New("turkey: the verifier was made without WithRevocations")
	}
	pause := 100 * time.Millisecond
	for {
		begun := v.now()
		err := v.stream(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if e, ok := errors.AsType[*Error](err); ok && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Status == http.StatusNotFound) {
			return err
		}
		if v.now().Sub(begun) > 10*time.Second {
			pause = 100 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + rand.N(pause/2)): //nolint:gosec // by chance, since many backends lost the same server; it is no secret
		}
		pause = min(2*pause, 2*time.Second)
	}
}

// silence is how long a stream may say nothing before it is given up.
const silence = 10 * time.Second

func (v *Verifier) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	path := "/v1/revocations/stream"
	if v.c.app != "" {
		path += "?appId=" + v.c.app
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.c.base+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if v.feed.serviceKey != "" {
		req.Header.Set("X-Turkey-Service-Key", v.feed.serviceKey)
	}
	if v.feed.last != "" {
		req.Header.Set("Last-Event-ID", v.feed.last)
	}
	endless := *v.c.http
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
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	return events(resp.Body, func(name, id, data string) error {
		watch.Reset(silence)
		return v.heard(ctx, name, id, data)
	})
}

func (v *Verifier) heard(ctx context.Context, name, id, data string) error {
	switch name {
	case "snapshot":
		var all struct{ Data []revocation }
		if err := json.Unmarshal([]byte(data), &all); err != nil {
			return err
		}
		v.feed.put(all.Data...)
		if err := v.fetchKeys(ctx); err != nil { // that they changed while nobody listened is not told again
			return err
		}
	case "revocation":
		var one revocation
		if err := json.Unmarshal([]byte(data), &one); err != nil {
			return err
		}
		v.feed.put(one)
	case "keys":
		if err := v.fetchKeys(ctx); err != nil {
			return err
		}
	case "alive":
		v.feed.alive(v.now())
	}
	if id != "" {
		v.feed.last = id
	}
	return nil
}

// events reads server-sent events (WHATWG HTML, 9.2).
func events(r io.Reader, each func(name, id, data string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 64<<20)
	var name, id, data string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			data += value
		case "":
			if lines.Text() != "" { // a comment
				continue
			}
			if name != "" {
				if err := each(name, id, data); err != nil {
					return err
				}
			}
			name, id, data = "", "", ""
		}
	}
	return lines.Err()
}
