package oidc

import (
	"context"
	"slices"
	"strings"
)

// State is how it stands with the keys of an issuer: "ok", "stale" (they could not be read again), "unread" (they could
// not be read yet, or too long ago) or "off" (CLERK_PUBLIC_KEY cannot be used). Tokens are refused in the last two.
type State struct {
	Issuer string
	Keys   string
}

// States looks at every issuer, by name. Keys that are due are read before, until ctx is done.
func (s *Issuers) States(ctx context.Context) []State {
	if s == nil {
		return nil
	}
	var all []State
	if c := s.cfg.Clerk; s.clerk == nil && c.Key+c.Issuer != "" {
		all = append(all, State{ClerkIssuer, "off"})
	}
	due := s.all()
	for _, v := range due {
		v.keys.refreshIfDue() // all at once, and then wait for each
	}
	for _, v := range due {
		name := v.Issuer.Issuer
		if name == "" {
			name = ClerkIssuer
		}
		all = append(all, State{name, v.keys.state(ctx)})
	}
	slices.SortFunc(all, func(a, b State) int { return strings.Compare(a.Issuer, b.Issuer) })
	return all
}

func (k *keys) state(ctx context.Context) string {
	if k.fixed != nil {
		return "ok"
	}
	k.mu.Lock()
	reading := k.reading
	k.mu.Unlock()
	if reading != nil {
		select {
		case <-reading:
		case <-ctx.Done():
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.read.IsZero() || k.now().Sub(k.read) >= keysStale:
		return "unread"
	case k.failed:
		return "stale"
	}
	return "ok"
}
