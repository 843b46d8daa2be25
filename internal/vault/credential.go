package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/singleflight"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/keyring"
	"turkey/internal/queue"
	"turkey/internal/vault/vaultdb"
)

// Limits of the contract (credential-api.md §3.1).
const (
	maxName        = 255
	maxContent     = 64 << 10
	maxLive        = 100 // live credentials per user and service
	verifyDeadline = 25 * time.Second
)

// How long things are kept, and how often a write that was overtaken is tried.
const (
	restorable  = 90 * 24 * time.Hour // a deleted credential, and a replaced content
	maxVersions = 20                  // replaced contents of a credential
	maxDeleted  = 100                 // restorable credentials per user and service; the oldest go first
	attempts    = 8
)

// Config is what the vault needs to run.
type Config struct {
	DB         *db.DB
	Log        *slog.Logger
	Keyring    *keyring.Keyring
	Secret     []byte // ENCRYPTION_KEY_SALT, where Keyring is nil
	Connectors *connector.Set
	Queue      *queue.Queue     // nil: no credential is checked by itself
	Notifier   Notifier         // nil: nobody is told
	Now        func() time.Time // nil: time.Now
}

// Service is the vault.
type Service struct {
	db         *db.DB
	log        *slog.Logger
	q          *vaultdb.Queries
	keys       *keystore
	connectors *connector.Set
	queue      *queue.Queue
	notifier   Notifier
	now        func() time.Time
	renewal    renewal
	flights    singleflight.Group
}

// New opens the vault. It fails when a root key is not to be had that stored credentials need.
func New(ctx context.Context, cfg Config) (*Service, error) {
	ring := cfg.Keyring
	if ring == nil {
		var err error
		if ring, err = keyring.Open(keyring.Config{Salt: cfg.Secret}); err != nil {
			return nil, err
		}
	}
	q := vaultdb.New()
	keys, err := newKeystore(ctx, cfg.DB, q, ring)
	if err != nil {
		return nil, err
	}
	s := &Service{db: cfg.DB, log: cfg.Log, q: q, keys: keys, connectors: cfg.Connectors, notifier: cfg.Notifier, now: cfg.Now, renewal: standardRenewal}
	if s.now == nil {
		s.now = time.Now
	}
	if cfg.Queue != nil {
		s.register(cfg.Queue)
	}
	return s, nil
}

var (
	errNotFound    = fault.New(fault.NotFound, "CREDENTIAL_NOT_FOUND", "Credential not found")
	errDuplicate   = fault.New(fault.Conflict, "DUPLICATE_CREDENTIAL", "This credential already exists")
	errFormat      = fault.New(fault.Invalid, "INVALID_CREDENTIAL_FORMAT", "Invalid credential format")
	errUnreadable  = fault.New(fault.Internal, "SERVICE_ERROR", "Failed to decrypt credential")
	errNoService   = fault.New(fault.NotFound, "SERVICE_NOT_FOUND", "Service not configured")
	errFits        = fault.New(fault.Invalid, "VALIDATION_ERROR", "This credential belongs to another service")
	errTooMany     = fault.New(fault.Invalid, "VALIDATION_ERROR", fmt.Sprintf("At most %d credentials per service", maxLive))
	errNameTooLong = fault.New(fault.Invalid, "VALIDATION_ERROR", fmt.Sprintf("credentialName is longer than %d characters", maxName))
	errName        = fault.New(fault.Invalid, "VALIDATION_ERROR", "credentialName must not hold the null character")
	errAlive       = fault.New(fault.Conflict, "CREDENTIAL_EXISTS", "This credential is not deleted")
	errChanged     = fault.New(fault.Conflict, "CREDENTIAL_CHANGED", "The credential was replaced at the same moment: read it again and repeat")
	errNoVersion   = fault.New(fault.NotFound, "VERSION_NOT_FOUND", "This credential has no such version")
	errOtherType   = fault.New(fault.Invalid, "INVALID_SERVICE", "The service of a credential cannot be changed")
	errBusy        = fault.New(fault.Unavailable, "SERVICE_ERROR", "The keys of this account are being replaced: try again").WithRetryAfter(2 * time.Second)
	errTooBig      = fault.New(fault.Invalid, "VALIDATION_ERROR", "credentialJson is larger than 64 KiB")
)

func (s *Service) connector(name string) (connector.Service, error) {
	c, ok := s.connectors.Service(name)
	if !ok {
		return nil, fault.New(fault.Invalid, "INVALID_SERVICE", "Invalid service: "+printable(name))
	}
	return c, nil
}

// printable cuts an echoed word to what a message can bear.
func printable(s string) string {
	if !utf8.ValidString(s) {
		return "(not text)"
	}
	if r := []rune(s); len(r) > 50 {
		return string(r[:50]) + "…"
	}
	return s
}

// checkName judges a trimmed name.
func checkName(name string) error {
	if utf8.RuneCountInString(name) > maxName {
		return errNameTooLong
	}
	if strings.ContainsRune(name, 0) {
		return errName
	}
	return nil
}

// check judges what was pasted for a service, before anything of it is kept.
func (s *Service) check(service string, raw []byte) (connector.Content, error) {
	c, err := s.connector(service)
	if err != nil {
		return connector.Content{}, err
	}
	if len(raw) > maxContent {
		return connector.Content{}, errTooBig
	}
	content, problems := c.Parse(raw)
	if len(problems) > 0 {
		return connector.Content{}, errFormat.WithDetails(map[string]any{"errors": explainShell(raw, problems)})
	}
	return content, nil
}

type saved struct {
	id        int64
	createdAt time.Time
	content   connector.Content
}

// save checks, seals and stores a credential and points the user's service to it.
func (s *Service) save(ctx context.Context, user uuid.UUID, service, name string, raw []byte) (saved, error) {
	if _, err := s.connector(service); err != nil {
		return saved{}, err
	}
	if err := checkName(name); err != nil {
		return saved{}, err
	}
	content, err := s.check(service, raw)
	if err != nil {
		return saved{}, err
	}
	defer clear(content.JSON)
	for range attempts {
		r, err := s.store(ctx, user, service, name, raw, content)
		if !errors.Is(err, pgx.ErrNoRows) {
			return r, storing(err)
		}
		s.keys.forget(user) // a rotation was faster: what was just sealed is under a key that goes away
	}
	return saved{}, errBusy
}

// store seals and writes. pgx.ErrNoRows: the keys that sealed are not the user's any more.
func (s *Service) store(ctx context.Context, user uuid.UUID, service, name string, raw []byte, content connector.Content) (saved, error) {
	var none saved
	keys, err := s.keys.of(ctx, user)
	if err != nil {
		return none, err
	}
	fingerprint, err := keys.fingerprint(service, raw)
	if err != nil {
		return none, errFormat.WithDetails(map[string]any{"errors": []string{"Invalid JSON format"}})
	}
	uid, err := uuid.NewV7()
	if err != nil {
		return none, err
	}
	sealed, err := keys.sealRecord(record{user: user, uid: uid, service: service, version: 1}, content.JSON)
	if err != nil {
		return none, err
	}
	row, err := s.q.SaveCredential(ctx, s.db.In(db.User(user)), vaultdb.SaveCredentialParams{
		Uid: uid, Service: service, Name: name, Type: content.Type, EncryptedData: sealed, Preview: content.Preview,
		Fingerprint: fingerprint, Host: optional(content.Host), ExpiresAt: content.ExpiresAt, KeyID: int64(keys.id), MaxLive: maxLive, Metadata: audit.Meta(ctx, nil),
	})
	switch {
	case db.IsUnique(err, "credentials_fingerprint_idx"):
		return none, errDuplicate
	case err != nil:
		return none, err
	case row.ID == 0:
		return none, errTooMany
	}
	return saved{id: row.ID, createdAt: row.CreatedAt, content: content}, nil
}

// storing words the failure of a write for the person who pasted something; what they can mend passes as it is.
func storing(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := fault.From(err); ok && f.Kind != fault.Internal {
		return err
	}
	why := "internal error"
	if errors.Is(err, errUnreadable) {
		why = "the keys of this account cannot be opened"
	}
	return fault.New(fault.Internal, "SERVICE_ERROR", "Failed to save credential: "+why).Because(err)
}

// refused writes down a write that was refused for what was sent (contract §10). What is no credential of the user's, and an
// outage, leave no trace there.
func (s *Service) refused(ctx context.Context, user uuid.UUID, action, service string, facts map[string]any, why error) {
	f, ok := fault.From(why)
	if !ok || f.Kind != fault.Invalid && f.Kind != fault.Conflict {
		return
	}
	row := vaultdb.RecordRefusedParams{Action: action, ErrorMessage: f.Message, Metadata: audit.Meta(ctx, facts)}
	if _, known := s.connectors.Service(service); known {
		row.Service = &service
	}
	if err := s.q.RecordRefused(ctx, s.db.In(db.User(user)), row); err != nil {
		s.log.WarnContext(ctx, "a refused write is not in the audit", "action", action, "error", err)
	}
}

// explainShell helps with the one mistake everybody makes who pastes the guide's curl line as printed.
func explainShell(raw []byte, problems []string) []string {
	if len(raw) > 1 && raw[0] == '$' && raw[1] == '(' {
		return append(problems, "The shell did not expand $(…): send the credential as a JSON object instead of a quoted string")
	}
	return problems
}

// enable points a service of the user to one of the user's credentials for it.
func (s *Service) enable(ctx context.Context, user uuid.UUID, service string, credential int64) error {
	if _, err := s.connector(service); err != nil {
		return err
	}
	belongs, err := s.q.EnableService(ctx, s.db.In(db.User(user)), vaultdb.EnableServiceParams{
		Service: service, CredentialID: credential, Metadata: audit.Meta(ctx, nil)})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errNotFound
	case err != nil:
		return err
	case belongs != service:
		return errFits
	}
	return nil
}
