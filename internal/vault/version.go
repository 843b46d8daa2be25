package vault

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/vault/vaultdb"
)

// edit is what a PUT asks for: at least one of name and raw.
type edit struct {
	service string  // "": not said
	name    *string // nil: stays
	raw     []byte  // new content as pasted; empty: stays
}

// head is what a credential's next content is bound to. CREDENTIAL_NOT_FOUND: none of this user's that is alive.
func (s *Service) head(ctx context.Context, user uuid.UUID, id int64) (vaultdb.CredentialHeadRow, error) {
	row, err := s.q.CredentialHead(ctx, s.db.In(db.User(user)), id)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, errNotFound
	}
	return row, err
}

// update renames a credential, replaces its content, or both.
func (s *Service) update(ctx context.Context, user uuid.UUID, id int64, e edit) (vaultdb.CredentialHeadRow, error) {
	head, err := s.head(ctx, user, id)
	if err != nil {
		return head, err
	}
	if e.service != "" && e.service != head.Service {
		return head, errOtherType
	}
	if e.name != nil {
		if err := checkName(*e.name); err != nil {
			return head, err
		}
	}
	n := next{name: e.name, raw: e.raw}
	if len(e.raw) > 0 {
		content, err := s.check(head.Service, e.raw)
		if err != nil {
			return head, err
		}
		defer clear(content.JSON)
		n.content = &content
	}
	return s.advance(ctx, user, head, n)
}

// restoreVersion makes an old content the present one again. It takes the way of a new content: the history goes on, and
// nothing is verified.
func (s *Service) restoreVersion(ctx context.Context, user uuid.UUID, id int64, version int32) (vaultdb.CredentialHeadRow, error) {
	head, err := s.head(ctx, user, id)
	if err != nil || head.Version == version {
		return head, err
	}
	conn := s.db.In(db.User(user))
	old, err := s.q.TakeVersion(ctx, conn, vaultdb.TakeVersionParams{ID: id, Version: version, Metadata: audit.Meta(ctx, nil)})
	if errors.Is(err, pgx.ErrNoRows) {
		return head, errNoVersion
	}
	if err != nil {
		return head, err
	}
	secret, err := s.open(ctx, user, record{user: user, uid: old.Uid, service: old.Service, version: old.Version}, old.EncryptedData)
	if errors.Is(err, errUnreadable) {
		recording, cancel := surviving(ctx)
		defer cancel()
		if auditErr := s.q.RecordUnreadableVersion(recording, conn, vaultdb.RecordUnreadableVersionParams{Service: old.Service, Message: errUnreadable.Message,
			Metadata: audit.Meta(ctx, map[string]any{"credentialId": id, "purpose": "restore", "version": version})}); auditErr != nil {
			s.log.ErrorContext(ctx, "audit of an unreadable version failed", "credentialId", id, "error", auditErr)
		}
	}
	if err != nil {
		return head, err
	}
	defer clear(secret)
	content, err := s.check(old.Service, secret)
	if err != nil {
		return head, err
	}
	defer clear(content.JSON)
	content.ExpiresAt = old.ExpiresAt // counted from when it was saved, not from now
	return s.advance(ctx, user, head, next{raw: secret, content: &content, fingerprint: old.Fingerprint, facts: map[string]any{"restoredVersion": version}})
}

// next is what a credential shall become.
type next struct {
	name        *string            // nil: stays
	content     *connector.Content // nil: stays
	raw         []byte             // the content as pasted, for its fingerprint
	fingerprint []byte             // if it is known already
	facts       map[string]any     // for the audit
}

// advance takes a credential from the version that head names to the next. Whoever is overtaken reads again and goes on from
// there, a bounded number of times.
func (s *Service) advance(ctx context.Context, user uuid.UUID, head vaultdb.CredentialHeadRow, n next) (vaultdb.CredentialHeadRow, error) {
	for try := range attempts {
		row, err := s.step(ctx, user, head, n)
		if !errors.Is(err, pgx.ErrNoRows) {
			return row, storing(err)
		}
		s.keys.forget(user) // a rotation of them looks the same
		if err := pause(ctx, try); err != nil {
			return head, err
		}
		if head, err = s.head(ctx, user, head.ID); err != nil {
			return head, err
		}
	}
	return head, errChanged
}

// pause lets those pass who are ahead, longer each time.
func pause(ctx context.Context, try int) error {
	select {
	case <-time.After(rand.N(time.Duration(try+1) * 10 * time.Millisecond)): //nolint:gosec // jitter, not a secret
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// step writes one change. pgx.ErrNoRows: the credential is not at head any more, or its user's keys are not those that sealed.
func (s *Service) step(ctx context.Context, user uuid.UUID, head vaultdb.CredentialHeadRow, n next) (vaultdb.CredentialHeadRow, error) {
	if n.content == nil {
		return s.rename(ctx, user, head, n.name)
	}
	keys, err := s.keys.of(ctx, user)
	if err != nil {
		return head, err
	}
	fingerprint := n.fingerprint
	if fingerprint == nil {
		if fingerprint, err = keys.fingerprint(head.Service, n.raw); err != nil {
			return head, errFormat.WithDetails(map[string]any{"errors": []string{"Invalid JSON format"}})
		}
	}
	if bytes.Equal(fingerprint, head.Fingerprint) { // what it holds already is no new content, and no duplicate of itself
		return s.rename(ctx, user, head, n.name)
	}
	sealed, err := keys.sealRecord(record{user: user, uid: head.Uid, service: head.Service, version: head.Version + 1}, n.content.JSON)
	if err != nil {
		return head, err
	}
	row, err := s.q.ReplaceCredential(ctx, s.db.In(db.User(user)), vaultdb.ReplaceCredentialParams{KeyID: int64(keys.id), ID: head.ID, Version: head.Version, Name: n.name,
		Type: n.content.Type, EncryptedData: sealed, Preview: n.content.Preview, Fingerprint: fingerprint, Host: optional(n.content.Host),
		ExpiresAt: n.content.ExpiresAt, Keep: maxVersions, Metadata: audit.Meta(ctx, n.facts)})
	if db.IsUnique(err, "credentials_fingerprint_idx") {
		return head, errDuplicate
	}
	if err != nil {
		return head, err
	}
	head.Name, head.Version, head.Verified, head.UpdatedAt = row.Name, row.Version, row.Verified, row.UpdatedAt
	return head, nil
}

func (s *Service) rename(ctx context.Context, user uuid.UUID, head vaultdb.CredentialHeadRow, name *string) (vaultdb.CredentialHeadRow, error) {
	if name == nil || *name == head.Name {
		return head, nil
	}
	row, err := s.q.RenameCredential(ctx, s.db.In(db.User(user)), vaultdb.RenameCredentialParams{ID: head.ID, Version: head.Version, Name: *name, Metadata: audit.Meta(ctx, nil)})
	if err != nil {
		return head, err
	}
	head.Name, head.Version, head.Verified, head.UpdatedAt = row.Name, row.Version, row.Verified, row.UpdatedAt
	return head, nil
}

// restore brings a deleted credential back. CREDENTIAL_NOT_FOUND: unknown, of somebody else, purged; CREDENTIAL_EXISTS: not
// deleted; DUPLICATE_CREDENTIAL: its content was saved anew meanwhile.
func (s *Service) restore(ctx context.Context, user uuid.UUID, id int64) error {
	for range attempts {
		row, err := s.q.RestoreCredential(ctx, s.db.In(db.User(user)), vaultdb.RestoreCredentialParams{ID: id, Kept: restorable, MaxLive: maxLive, Metadata: audit.Meta(ctx, nil)})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return errNotFound
		case db.IsUnique(err, "credentials_fingerprint_idx"):
			return errDuplicate
		case err != nil:
			return err
		case row.Restored:
			return nil
		case row.Alive:
			return errAlive
		case row.Live >= maxLive:
			return errTooMany
		}
		// Somebody else restored it at the same moment, or purged it: look again.
	}
	return errChanged
}
