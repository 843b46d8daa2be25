package auth

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/mail"
	"turkey/internal/oidc"
	"turkey/internal/queue"
)

// Config is what the auth half needs to run.
type Config struct {
	DB        *db.DB
	Log       *slog.Logger
	Now       func() time.Time
	Queue     *queue.Queue
	Mail      mail.Sender
	Templates *mail.Templates
	Lockout   Lockout             // nil: guessing is not bounded (tests)
	Purgers   map[string]Purger   // further tables for the cleanup job
	Exporters map[string]Exporter // what other parts of the server add to a user's export
	Foreign   *oidc.Issuers       // whose tokens are taken under /api besides our own; nil: nobody's

	Secret         []byte // JWT_SECRET: seals signing keys and the refresh key at rest, never signs
	PreviousSecret []byte // JWT_SECRET_PREVIOUS: opens what was sealed before the secret was changed
	SecretFile     string // where runs without JWT_SECRET keep theirs, if one did; for the error of a secret that does not fit
	ServiceKey     []byte // TURKEY_SERVICE_API_KEY of backend services; empty: none
	Issuer         string // `iss`, byte for byte the baseUrl of the SDKs
	PublicURL      string // base of links in mails, unless the app has its own
	DefaultApp     string // the app when a request names none
	Apps           []string
	Origins        []string // allowed pages, besides those of the apps

	Production          bool // unknown apps are refused instead of created
	AllowRole           bool // registration may ask for a role; never in production
	RequireVerification bool // sign-in needs a verified address
	RequireRevokeAuth   bool // possession of a token does not authorise revoking it

	AccessTTL       time.Duration
	RefreshTTL      time.Duration
	RefreshAbsolute time.Duration // 0: no cap
	RefreshGrace    time.Duration
	ResetTTL        time.Duration // life of a password reset link
	VerificationTTL time.Duration // life of a verification link
	CleanupInterval time.Duration
	MailFrom        string
	MailFromName    string

	Hashed func(waited, took time.Duration) // hears of each password hash; nil: nobody
}

// Service is the auth half.
type Service struct {
	cfg        Config
	q          *authdb.Queries
	keys       keyStore
	mac        []byte // refresh token MAC key, which stays as it is
	macs       sync.Pool
	deviceKey  []byte // device cookie MAC key
	hasher     *hasher
	seen       *lru.Cache[[32]byte, authenticToken] // tokens whose signature was checked
	apps       appCache
	origins    origins
	revoked    *revocations
	followers  followers
	identities *identities
	then       middleware // after authentication; nil: nothing
}

// New loads the keys, or makes them on the first start, and registers the configured apps. A stored key that the
// secret does not open is an error: a new one in its place would end every session without a word.
func New(ctx context.Context, cfg Config) (*Service, error) {
	s := &Service{cfg: cfg, q: authdb.New(), hasher: newHasher(runtime.GOMAXPROCS(0)), revoked: newRevocations(), seen: newSeen(), identities: newIdentities()}
	s.hasher.hashed = cfg.Hashed
	if err := s.loadKeys(ctx); err != nil {
		return nil, err
	}
	for _, app := range append([]string{cfg.DefaultApp}, cfg.Apps...) {
		if err := s.CreateApp(ctx, app, app); err != nil {
			return nil, err
		}
	}
	for _, app := range cfg.Foreign.Apps() {
		if err := s.ensureForeignApp(ctx, app); err != nil {
			return nil, err
		}
	}
	if cfg.Queue != nil {
		queue.Register(cfg.Queue, &mailWorker{service: s})
		queue.Register(cfg.Queue, &cleanupWorker{service: s})
		queue.Every(cfg.Queue, cfg.CleanupInterval, cleanupArgs{})
	}
	return s, nil
}

func newSeen() *lru.Cache[[32]byte, authenticToken] {
	c, err := lru.New[[32]byte, authenticToken](authenticCacheSize)
	if err != nil { // only for a size below one
		panic(err)
	}
	return c
}
