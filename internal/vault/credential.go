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

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/seal"
	"turkey/internal/vault/vaultdb"
)

// Limits of the contract (credential-api.md §3.1).
const (
	maxName        = 255
	maxContent     = 64 << 10
	maxLive        = 100 // live credentials per user and service
	verifyDeadline = 25 * time.Second
)

// Config is what the vault needs to run.
type Config struct {
	DB         *db.DB
	Log        *slog.Logger
	Secret     []byte // ENCRYPTION_KEY_SALT
	Connectors *connector.Set
}

// Service is the vault.
type Service struct {
	db         *db.DB
	log        *slog.Logger
	q          *vaultdb.Queries
	keys       *keystore
	connectors *connector.Set
}

// New opens the vault. It fails when the secret is not the one the stored credentials were sealed under.
func New(ctx context.Context, cfg Config) (*Service, error) {
	root, err := seal.New(cfg.Secret, "vault-root")
	if err != nil {
		return nil, err
	}
	q := vaultdb.New()
	keys, err := newKeystore(ctx, cfg.DB, q, root)
	if err != nil {
		return nil, err
	}
	return &Service{db: cfg.DB, log: cfg.Log, q: q, keys: keys, connectors: cfg.Connectors}, nil
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

type saved struct {
	id        int64
	createdAt time.Time
	content   connector.Content
}

// save checks, seals and stores a credential and points the user's service to it.
func (s *Service) save(ctx context.Context, user uuid.UUID, service, name string, raw []byte) (saved, error) {
	var none saved
	c, err := s.connector(service)
	if err != nil {
		return none, err
	}
	if utf8.RuneCountInString(name) > maxName {
		return none, errNameTooLong
	}
	if strings.ContainsRune(name, 0) {
		return none, errName
	}
	if len(raw) > maxContent {
		return none, errTooBig
	}
	content, problems := c.Parse(raw)
	if len(problems) > 0 {
		return none, errFormat.WithDetails(map[string]any{"errors": explainShell(raw, problems)})
	}
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
		Fingerprint: fingerprint, Host: &content.Host, ExpiresAt: content.ExpiresAt, KeyID: int64(keys.id), MaxLive: maxLive, Metadata: audit.Meta(ctx, nil),
	})
	switch {
	case db.IsUnique(err, "credentials_fingerprint_idx"):
		return none, errDuplicate
	case errors.Is(err, pgx.ErrNoRows):
		return none, errTooMany
	case err != nil:
		return none, err
	}
	return saved{id: row.ID, createdAt: row.CreatedAt, content: content}, nil
}

// explainShell helps with the one mistake everybody makes who pastes the guide's curl line as printed.
func explainShell(raw []byte, problems []string) []string {
	if len(raw) > 1 && raw[0] == '$' && raw[1] == '(' {
		return append(problems, "The shell did not expand $(…): send the credential as a JSON object instead of a quoted string")
	}
	return problems
}

// Use opens a credential for a purpose ("sync", "proxy"), which is written to the audit in the same statement that
// reads it. The content is the caller's to forget.
func (s *Service) Use(ctx context.Context, user uuid.UUID, id int64, purpose string) (service string, content []byte, err error) {
	t, content, err := s.take(ctx, user, id, purpose)
	return t.Service, content, err
}

func (s *Service) take(ctx context.Context, user uuid.UUID, id int64, purpose string) (vaultdb.TakeCredentialRow, []byte, error) {
	conn := s.db.In(db.User(user))
	row, err := s.q.TakeCredential(ctx, conn, vaultdb.TakeCredentialParams{ID: id, Purpose: purpose, Metadata: audit.Meta(ctx, nil)})
	if errors.Is(err, pgx.ErrNoRows) {
		return row, nil, errNotFound
	}
	if err != nil {
		return row, nil, err
	}
	keys, err := s.keys.of(ctx, user)
	if err != nil {
		return row, nil, err
	}
	content, err := keys.openRecord(record{user: user, uid: row.Uid, service: row.Service, version: row.Version}, *row.EncryptedData)
	if err != nil {
		if auditErr := s.q.RecordUnreadable(ctx, conn, vaultdb.RecordUnreadableParams{Service: row.Service, ErrorMessage: errUnreadable.Message,
			Metadata: audit.Meta(ctx, map[string]any{"credentialId": id, "purpose": purpose})}); auditErr != nil {
			s.log.ErrorContext(ctx, "audit of an unreadable credential failed", "credentialId", id, "error", auditErr)
		}
		return row, nil, err
	}
	return row, content, nil
}

// verify proves a credential at its provider and records the outcome. A provider that is down or throttles proves
// nothing: the stored state stays.
func (s *Service) verify(ctx context.Context, user uuid.UUID, id int64) (connector.Proof, error) {
	var none connector.Proof
	row, content, err := s.take(ctx, user, id, "verify")
	if err != nil {
		return none, err
	}
	c, err := s.connector(row.Service)
	if err != nil {
		return none, err
	}
	deadline, cancel := context.WithTimeout(ctx, verifyDeadline)
	defer cancel()
	proof, verifyErr := c.Verify(deadline, content, connector.Binding{SpreadsheetID: row.SpreadsheetID})
	clear(content)
	arg := vaultdb.RecordVerificationParams{ID: id, Version: row.Version, Verified: verifyErr == nil, Metadata: audit.Meta(ctx, nil),
		ConnectedAs: &proof.ConnectedAs, ExpiresAt: proof.ExpiresAt, SourceTimezone: optional(proof.TimeZone), SourceCurrency: optional(proof.Currency)}
	if verifyErr != nil {
		refused, ok := errors.AsType[*connector.Error](verifyErr)
		if !ok || refused.Retryable() {
			return none, fault.New(fault.Upstream, "SERVICE_ERROR", "The provider could not be asked: "+reason(refused)).Because(verifyErr)
		}
		arg.ErrorMessage = &refused.Message
		verifyErr = fault.New(fault.Invalid, "VERIFICATION_FAILED", "Credential verification failed: "+refused.Message).Because(verifyErr)
	}
	if _, err := s.q.RecordVerification(ctx, s.db.In(db.User(user)), arg); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return none, err
	}
	return proof, verifyErr
}

func reason(e *connector.Error) string {
	if e == nil {
		return "no answer"
	}
	return e.Message
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
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
