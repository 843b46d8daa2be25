package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
)

// importedToken is the form of the predecessor's refresh tokens.
var importedToken = regexp.MustCompile(`^rt_[0-9a-f]{64}$`)

// readRefresh says which session and generation a refresh token stands for. One of ours says so itself, without a query. One
// that came with an import is found by its hash; it is generation 0.
func (s *Service) readRefresh(ctx context.Context, token string) (session uuid.UUID, generation int32, ok bool, err error) {
	if session, generation, ok = s.parseRefresh(token); ok || !importedToken.MatchString(token) {
		return session, generation, ok, nil
	}
	sum := sha256.Sum256([]byte(token))
	session, err = s.q.SessionOfHashSystem(ctx, s.cfg.DB.In(db.System()), hex.EncodeToString(sum[:]))
	if errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, 0, false, nil
	}
	return session, 0, err == nil, err
}
