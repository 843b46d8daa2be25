package auth

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"turkey/internal/caller"
	"turkey/internal/db"
)

// TestAServerKnowsAtOnceWhatItEnded: without waiting for PostgreSQL to tell it.
func TestAServerKnowsAtOnceWhatItEnded(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.start(func(cfg *Config) { cfg.RefreshGrace = time.Minute })
	ctx := t.Context()
	u, first, err := s.AddTestUser(ctx, "default-app", NewUser{Email: "ada@example.com", Role: "user", Password: "Canary-Pass-4711!"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.app(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	p := person{id: uuid.MustParse(u.ID), email: u.Email, role: u.Role}
	open := func() (Tokens, uuid.UUID) {
		t.Helper()
		_, tokens, err := s.open(ctx, c.db.In(db.App(a.id)), a, p, unbounded{})
		if err != nil {
			t.Fatal(err)
		}
		id, _, _ := s.parseRefresh(tokens.RefreshToken)
		return tokens, id
	}
	knows := func(id uuid.UUID) bool {
		s.revoked.mu.RLock()
		defer s.revoked.mu.RUnlock()
		_, ended := s.revoked.sessions[id]
		return ended
	}
	_, second := open()
	_, third := open()
	asking, _, _ := s.parseRefresh(first.RefreshToken)
	n, err := s.endOthers(ctx, caller.User{ID: p.id, AppID: a.id, SessionID: asking})
	if err != nil || n != 2 || !knows(second) || !knows(third) || knows(asking) {
		t.Errorf("ended %d others, %v: %t %t, and its own %t", n, err, knows(second), knows(third), knows(asking))
	}

	token := first.RefreshToken
	for range 2 {
		next, err := s.refresh(ctx, a, token)
		if err != nil {
			t.Fatal(err)
		}
		token = next.RefreshToken
	}
	if _, err := s.refresh(ctx, a, first.RefreshToken); err == nil || !knows(asking) {
		t.Errorf("a token came back: %v, known %t", err, knows(asking))
	}
}
