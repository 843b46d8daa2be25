package auth

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/seal"
)

// Config is what the auth half needs to run.
type Config struct {
	DB              *db.DB
	Log             *slog.Logger
	Now             func() time.Time
	Secret          []byte // JWT_SECRET: seals signing keys and the refresh key at rest, never signs
	Issuer          string // `iss`, byte for byte the baseUrl of the SDKs
	DefaultApp      string // the app when a request names none
	Apps            []string
	Production      bool // unknown apps are refused instead of created
	AllowRole       bool // registration may ask for a role; never in production
	AccessTTL       time.Duration
	RefreshTTL      time.Duration
	RefreshAbsolute time.Duration // 0: no cap
	RefreshGrace    time.Duration
}

// Service is the auth half.
type Service struct {
	cfg    Config
	q      *authdb.Queries
	keys   keyring
	mac    []byte // refresh token MAC key
	hasher *hasher

	mu   sync.RWMutex
	apps map[string]bool // apps known to exist
}

// New loads the keys, or makes them on the first start, and registers the configured apps. A stored key that the
// secret does not open is an error: a new one in its place would end every session without a word.
func New(ctx context.Context, cfg Config) (*Service, error) {
	box, err := seal.New(cfg.Secret, "signing-keys")
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, q: authdb.New(), hasher: newHasher(runtime.GOMAXPROCS(0)), apps: map[string]bool{}}
	if err := s.loadKeys(ctx, box); err != nil {
		return nil, err
	}
	for _, app := range append([]string{cfg.DefaultApp}, cfg.Apps...) {
		if err := s.CreateApp(ctx, app, app); err != nil {
			return nil, err
		}
	}
	known, err := s.q.AppsSystem(ctx, cfg.DB.In(db.System()))
	if err != nil {
		return nil, fmt.Errorf("read apps: %w", err)
	}
	for _, app := range known {
		s.apps[app] = true
	}
	return s, nil
}

// CreateApp registers an app; an app that exists is left as it is.
func (s *Service) CreateApp(ctx context.Context, id, name string) error {
	if !appIDPattern.MatchString(id) {
		return fmt.Errorf("app id %q must be 1 to 100 letters, numbers, underscores and hyphens", id)
	}
	if err := s.q.EnsureAppSystem(ctx, s.cfg.DB.In(db.System()), id, name); err != nil {
		return fmt.Errorf("create app %s: %w", id, err)
	}
	s.mu.Lock()
	s.apps[id] = true
	s.mu.Unlock()
	return nil
}

// app resolves the app of a request: the default one when none is named; an unknown one is created in development and
// refused in production, where another server may have made it meanwhile.
func (s *Service) app(ctx context.Context, id string) (string, error) {
	if id == "" {
		return s.cfg.DefaultApp, nil
	}
	s.mu.RLock()
	known := s.apps[id]
	s.mu.RUnlock()
	if known {
		return id, nil
	}
	if !s.cfg.Production {
		return id, s.CreateApp(ctx, id, id)
	}
	ids, err := s.q.AppsSystem(ctx, s.cfg.DB.In(db.System()))
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range ids {
		s.apps[a] = true
	}
	if !s.apps[id] {
		return "", invalidRequest.WithFields(fault.Field{Name: "appId", Code: "invalid_enum_value",
			Message: "Unknown app. The operator can register it: gravy app create " + id})
	}
	return id, nil
}
