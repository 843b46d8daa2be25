package auth

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"turkey/internal/db"
)

// origins remembers the pages that any app allows, besides the server's own list.
type origins struct {
	mu    sync.Mutex
	pages map[string]bool
	until time.Time
}

// AllowsOrigin reports whether a page may call from a browser: the server's list and every app's, exactly. While PostgreSQL
// is away the last known answer holds.
func (s *Service) AllowsOrigin(origin string) bool {
	if slices.Contains(s.cfg.Origins, origin) {
		return true
	}
	s.origins.mu.Lock()
	defer s.origins.mu.Unlock()
	if now := time.Now(); now.After(s.origins.until) {
		s.origins.until = now.Add(appCacheTTL)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		all, err := s.q.AllOriginsSystem(ctx, s.cfg.DB.In(db.System()))
		if err != nil {
			s.cfg.Log.Warn("the apps' origins could not be read; going on with the last known", "error", err)
			return s.origins.pages[origin]
		}
		s.origins.pages = map[string]bool{}
		for _, o := range all {
			s.origins.pages[o] = true
		}
	}
	return s.origins.pages[origin]
}

func (o *origins) clear() {
	o.mu.Lock()
	o.until = time.Time{}
	o.mu.Unlock()
}

// HasServiceKey reports whether a request carries the valid key of a backend service.
func (s *Service) HasServiceKey(r *http.Request) bool {
	key := r.Header.Get("X-Turkey-Service-Key")
	return key != "" && s.serviceKey(key) == nil
}

// TokenUser is the user a request's token is for, by its signature alone, or "". For counting, not for admitting. Whom a
// token of another issuer stands for may not be known yet; it then counts for its issuer and subject.
func (s *Service) TokenUser(r *http.Request) string {
	token, err := bearer(r.Header.Get("Authorization"))
	if err != nil {
		return ""
	}
	if !s.ours(token) {
		t, err := s.cfg.Foreign.VerifyAtOnce(token)
		if err != nil {
			return ""
		}
		if k, ok := s.identities.known.Peek(who{t.App, t.Issuer, t.Subject}); ok {
			return k.user.ID.String()
		}
		return t.Issuer + " " + t.Subject
	}
	c, err := s.parseAccess(token)
	if err != nil {
		return ""
	}
	return c.Subject.String()
}
