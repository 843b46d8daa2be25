package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/fault"
)

// app is one app with its settings, the server's defaults filled in.
type app struct {
	id, name             string
	baseURL              string // base of links in mails
	origins              []string
	accessTTL            time.Duration
	refreshTTL           time.Duration
	refreshAbsolute      time.Duration // 0: no cap
	refreshGrace         time.Duration
	registrationOpen     bool
	verificationRequired bool
	silentRegistration   bool
	policy               passwordPolicy
}

// wrongCredentials is the answer to a sign-in whose e-mail and password do not fit.
func (a app) wrongCredentials() error {
	if a.silentRegistration {
		return errCredentialsOrUnverified
	}
	return errCredentials
}

// appCache remembers apps until they change (notification) or for a short while (no notification came through).
type appCache struct {
	mu   sync.RWMutex
	apps map[string]cachedApp
}

type cachedApp struct {
	app
	until time.Time
}

const (
	appCacheTTL = 30 * time.Second
	appCacheMax = 10_000
)

func (c *appCache) get(id string, now time.Time) (app, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	a, ok := c.apps[id]
	return a.app, ok && now.Before(a.until)
}

func (c *appCache) put(a app, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.apps == nil || len(c.apps) >= appCacheMax {
		c.apps = map[string]cachedApp{}
	}
	c.apps[a.id] = cachedApp{a, now.Add(appCacheTTL)}
}

func (c *appCache) clear() {
	c.mu.Lock()
	c.apps = nil
	c.mu.Unlock()
}

// CreateApp registers an app; an app that exists is left as it is.
func (s *Service) CreateApp(ctx context.Context, id, name string) error {
	if err := appIDRule(id); err != nil {
		return err
	}
	if err := s.q.EnsureAppSystem(ctx, s.cfg.DB.In(db.System()), id, name); err != nil {
		return fmt.Errorf("create app %s: %w", id, err)
	}
	return nil
}

// appIDRule is the field rule for those who type the id into a command or a setting.
func appIDRule(id string) error {
	if appIDPattern.MatchString(id) {
		return nil
	}
	return fmt.Errorf("app id %q must be 1 to 100 letters, numbers, underscores and hyphens", id)
}

// app resolves the app of a request: the default one when none is named. An unknown app is created in development and
// refused in production.
func (s *Service) app(ctx context.Context, id string) (app, error) {
	if id == "" {
		id = s.cfg.DefaultApp
	}
	a, err := s.knownApp(ctx, id)
	if !errors.Is(err, pgx.ErrNoRows) {
		return a, err
	}
	if s.cfg.Production {
		return app{}, invalidRequest.WithFields(fault.Field{Name: "appId", Code: "invalid_enum_value",
			Message: "Unknown app. The operator can register it: gravy app create " + id})
	}
	if err := s.CreateApp(ctx, id, id); err != nil {
		return app{}, err
	}
	return s.knownApp(ctx, id)
}

// knownApp reads an app that must exist; pgx.ErrNoRows if it does not.
func (s *Service) knownApp(ctx context.Context, id string) (app, error) {
	now := time.Now() // a cache's clock, not the tokens'
	if a, ok := s.apps.get(id, now); ok {
		return a, nil
	}
	row, err := s.q.AppSystem(ctx, s.cfg.DB.In(db.System()), id)
	if err != nil {
		return app{}, err
	}
	a := s.settings(row)
	s.apps.put(a, now)
	return a, nil
}

// settings fills in the server's defaults.
func (s *Service) settings(r authdb.App) app {
	a := app{id: r.ID, name: r.Name, origins: r.Origins, baseURL: s.cfg.PublicURL, accessTTL: s.cfg.AccessTTL, refreshTTL: s.cfg.RefreshTTL,
		refreshAbsolute: s.cfg.RefreshAbsolute, refreshGrace: s.cfg.RefreshGrace, registrationOpen: r.RegistrationOpen,
		verificationRequired: s.cfg.RequireVerification, silentRegistration: r.SilentRegistration,
		policy: passwordPolicy{min: int(r.PasswordMin), classes: r.PasswordClasses}}
	if r.BaseUrl != nil && *r.BaseUrl != "" {
		a.baseURL = *r.BaseUrl
	}
	if r.VerificationRequired != nil {
		a.verificationRequired = *r.VerificationRequired
	}
	if a.silentRegistration { // a sign-in without it would tell whether the address was new
		a.verificationRequired = true
	}
	seconds := func(d *time.Duration, v *int32) {
		if v != nil {
			*d = time.Duration(*v) * time.Second
		}
	}
	seconds(&a.accessTTL, r.AccessTtl)
	seconds(&a.refreshTTL, r.RefreshTtl)
	seconds(&a.refreshAbsolute, r.RefreshAbsoluteTtl)
	seconds(&a.refreshGrace, r.RefreshGrace)
	return a
}

// eventLife is how long a revocation must be remembered: as long as a token that it ends can live, and a margin for
// clocks. The longest lifetime an app can set is a day, and tokens issued before it was shortened live on.
func (s *Service) eventLife() time.Duration {
	return max(s.cfg.AccessTTL, 24*time.Hour) + clocksApart
}

// clocksApart is how far the clocks of a server and of PostgreSQL may be from each other, or be set, before a token that was
// ended could be taken again: an hour, as where one of them keeps summer time, and a margin. auth.sql says the same.
const clocksApart = 65 * time.Minute
