package auth

import (
	"testing"
	"time"
)

// TestEnsureUserAsksNothing: the demo's user is there and signs in, whatever somebody made of the demo's app.
func TestEnsureUserAsksNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.start(func(cfg *Config) { cfg.RefreshGrace = time.Minute })
	ctx := t.Context()
	const app, email, password = "demo", "demo@example.com", "simple"
	if _, err := s.AddApp(ctx, app, AppChange{}); err != nil {
		t.Fatal(err)
	}
	closed, long := false, int32(64)
	if _, err := s.ChangeApp(ctx, app, AppChange{RegistrationOpen: &closed, VerificationRequired: Set(new(true)), PasswordMin: &long}); err != nil {
		t.Fatal(err)
	}
	a, err := s.app(ctx, app)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for range 2 { // it is there already
			if err := s.EnsureUser(ctx, app, email, password); err != nil {
				t.Fatal(err)
			}
		}
		p, _, err := s.login(ctx, a, email, password, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.deleteAccount(ctx, app, p.id, "", "account_deleted"); err != nil {
			t.Fatal(err)
		}
	}
}
