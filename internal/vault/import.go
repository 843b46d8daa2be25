package vault

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/connector"
	"turkey/internal/vault/vaultdb"
)

// Imported is a credential of a predecessor, opened.
type Imported struct {
	Service, Name        string
	Content              []byte // nil: it was deleted there, and only that there was one is taken over
	Verified             bool
	VerifiedAt           *time.Time
	CreatedAt, UpdatedAt time.Time
	DeletedAt            *time.Time
}

// UnusableError refuses a content that could not be saved here either. The problems name fields, never values.
type UnusableError struct{ Problems []string }

func (e *UnusableError) Error() string { return strings.Join(e.Problems, "; ") }

// Import takes over a credential in the caller's transaction, which is in the system scope; the user may be younger than it.
// fresh is false when the user has the same content here already; id is then of that one. An *UnusableError leaves the
// transaction as it was.
func (s *Service) Import(ctx context.Context, tx pgx.Tx, user uuid.UUID, no int64, c Imported) (id int64, fresh bool, err error) {
	service, err := s.connector(c.Service)
	if err != nil {
		return 0, false, &UnusableError{Problems: []string{"Unknown service"}}
	}
	if err := s.q.ActForSystem(ctx, tx, no); err != nil {
		return 0, false, err
	}
	uid, err := uuid.NewV7()
	if err != nil {
		return 0, false, err
	}
	row := vaultdb.ImportCredentialSystemParams{Uid: uid, Service: c.Service, Name: c.Name, Type: connector.TypeAccessToken, Preview: "***",
		CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, DeletedAt: c.DeletedAt}
	if c.Content != nil {
		if err := s.sealImported(ctx, tx, user, service, c, &row); err != nil {
			return 0, false, err
		}
	}
	r, err := s.q.ImportCredentialSystem(ctx, tx, row)
	return r.ID, r.New, err
}

// sealImported fills in what comes from the content. A refresh token of GA4 was called verified by the predecessor without
// any check: it starts unverified.
func (s *Service) sealImported(ctx context.Context, tx pgx.Tx, user uuid.UUID, service connector.Service, c Imported, row *vaultdb.ImportCredentialSystemParams) error {
	content, problems := service.Parse(c.Content)
	if len(problems) > 0 {
		return &UnusableError{Problems: problems}
	}
	keys, err := s.keys.within(ctx, tx, user)
	if err != nil {
		return err
	}
	if row.Fingerprint, err = keys.fingerprint(c.Service, c.Content); err != nil {
		return &UnusableError{Problems: []string{"Invalid JSON format"}}
	}
	sealed, err := keys.sealRecord(record{user: user, uid: row.Uid, service: c.Service, version: 1}, content.JSON)
	if err != nil {
		return err
	}
	row.EncryptedData, row.Type, row.Preview, row.Host, row.ExpiresAt = &sealed, content.Type, content.Preview, optional(content.Host), content.ExpiresAt
	if content.Type != connector.TypeOAuth {
		row.Verified, row.VerifiedAt = c.Verified, c.VerifiedAt
	}
	return nil
}

// within is of for a transaction that may have made the user: nothing is remembered, for it may be undone, and nobody
// replaces the keys until it is over.
func (k *keystore) within(ctx context.Context, tx pgx.Tx, user uuid.UUID) (userKeys, error) {
	row, err := k.q.HoldUserKeys(ctx, tx)
	if errors.Is(err, pgx.ErrNoRows) {
		if err := k.create(ctx, tx, user, k.roots.active()); err != nil {
			return userKeys{}, err
		}
		row, err = k.q.HoldUserKeys(ctx, tx)
	}
	if err != nil {
		return userKeys{}, err
	}
	root, err := k.roots.box(ctx, row.RootID)
	if err != nil {
		return userKeys{}, errUnreadable.Because(err)
	}
	keys, err := openKeys(root, user, row.Keyset, row.IndexKey)
	if err != nil {
		return userKeys{}, errUnreadable.Because(err)
	}
	return keys, nil
}
