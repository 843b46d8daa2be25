package auth

import (
	"context"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
)

// Secret is a random 32-byte key of the server for another part of it, sealed under JWT_SECRET like its own and made on the
// first call.
func (s *Service) Secret(ctx context.Context, name string) (key []byte, err error) {
	err = s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if err := s.q.LockKeysSystem(ctx, tx); err != nil {
			return err
		}
		key, err = s.loadSecret(ctx, tx, name)
		return err
	})
	return key, err
}
