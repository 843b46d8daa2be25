package vault

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/vault/vaultdb"
)

// recordDeadline bounds writing down what happened after the client may have gone.
const recordDeadline = 5 * time.Second

// surviving is a context for writing down an outcome: a provider was asked, whoever still listens.
func surviving(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), recordDeadline)
}

// Use opens a credential. For what, by which job and towards which host is written to the audit by the statement that hands
// out the record. The content is the caller's to clear. CREDENTIAL_NOT_FOUND: no such credential of this user;
// SERVICE_ERROR (500): it does not open; a *connector.Error: its access token could not be renewed.
func (s *Service) Use(ctx context.Context, user uuid.UUID, id int64, use audit.Use) (service string, content []byte, err error) {
	t, content, err := s.take(ctx, user, id, use, false)
	s.noteLost(ctx, user, t, err)
	return t.Service, content, err
}

// take opens a credential as its service takes it. prove asks that a grant behind it still stands.
func (s *Service) take(ctx context.Context, user uuid.UUID, id int64, use audit.Use, prove bool) (vaultdb.TakeCredentialRow, []byte, error) {
	for range attempts {
		row, err := s.q.TakeCredential(ctx, s.db.In(db.User(user)), vaultdb.TakeCredentialParams{ID: id, Purpose: use.Purpose, Job: use.Job, Metadata: audit.Meta(ctx, nil)})
		if errors.Is(err, pgx.ErrNoRows) {
			return row, nil, errNotFound
		}
		if err != nil {
			return row, nil, err
		}
		content, err := s.open(ctx, user, record{user: user, uid: row.Uid, service: row.Service, version: row.Version}, *row.EncryptedData)
		if err == nil {
			if content, err = s.fresh(ctx, user, row, content, prove); errors.Is(err, errReplaced) {
				continue
			}
		}
		if !errors.Is(err, errUnreadable) {
			return row, content, err
		}
		if s.unreadable(ctx, user, row, use) {
			return row, nil, err
		}
	}
	return vaultdb.TakeCredentialRow{}, nil, errBusy
}

// open opens a record with the user's keys. Those in memory may be older than the record, so they are read again before it
// is called unreadable.
func (s *Service) open(ctx context.Context, user uuid.UUID, r placed, envelope string) ([]byte, error) {
	keys, err := s.keys.of(ctx, user)
	if err == nil {
		content, err := keys.openRecord(r, envelope)
		if err == nil {
			return content, nil
		}
	} else if !errors.Is(err, errUnreadable) {
		return nil, err
	}
	s.keys.forget(user)
	if keys, err = s.keys.of(ctx, user); err != nil {
		return nil, err
	}
	return keys.openRecord(r, envelope)
}

// unreadable records that a record does not open. It is false when another one has taken its place meanwhile.
func (s *Service) unreadable(ctx context.Context, user uuid.UUID, row vaultdb.TakeCredentialRow, use audit.Use) bool {
	ctx, cancel := surviving(ctx)
	defer cancel()
	facts := map[string]any{"purpose": use.Purpose}
	if use.Job != "" {
		facts["jobId"] = use.Job
	}
	err := s.conclude(ctx, user, check{id: row.ID, version: row.Version, sealed: row.EncryptedData, action: "credential_accessed", facts: facts,
		outcome: outcome{verdict: refused, reason: reasonUnreadable, message: errUnreadable.Message}})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		s.log.ErrorContext(ctx, "audit of an unreadable credential failed", "credentialId", row.ID, "error", err)
	}
	return !errors.Is(err, pgx.ErrNoRows)
}

// verify proves a credential because its owner asks.
func (s *Service) verify(ctx context.Context, user uuid.UUID, id int64) (connector.Proof, error) {
	return s.prove(ctx, user, id, audit.Use{Purpose: "verify"})
}

func either(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
