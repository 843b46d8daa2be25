package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/fault"
	"turkey/internal/wire"
)

// TokenCheck is what an access token is worth and why. Header and claims are shown even of a token that does not verify:
// then nobody vouches for them.
type TokenCheck struct {
	Valid     bool            `json:"valid"`     // it verifies, and its user, session and app still stand behind it
	Signature bool            `json:"signature"` // one of our keys signed it, in our form and for this issuer
	Code      string          `json:"code,omitempty"`
	Problem   string          `json:"problem,omitempty"`
	Header    json.RawMessage `json:"header,omitempty"`
	Claims    json.RawMessage `json:"claims,omitempty"`
	ExpiresAt *wire.Time      `json:"expiresAt,omitempty"`
}

// CheckToken looks at an access token. Only a database that does not answer is an error.
func (s *Service) CheckToken(ctx context.Context, token string) (TokenCheck, error) {
	var check TokenCheck
	parts := strings.Split(token, ".")
	if len(parts) == 3 {
		check.Header, check.Claims = jsonPart(parts[0]), jsonPart(parts[1])
	}
	c, _, err := s.readAccess(token)
	check.Signature = err == nil || errors.Is(err, errTokenExpired)
	if check.Signature {
		end := wire.Time(time.Unix(c.ExpiresAt, 0))
		check.ExpiresAt = &end
	}
	if err == nil {
		_, err = s.live(ctx, c)
	}
	f, ok := fault.From(err)
	if err != nil && (!ok || f.Kind == fault.Unavailable) {
		return check, err
	}
	if err != nil {
		check.Code, check.Problem = f.Code, f.Message
	}
	check.Valid = err == nil
	return check, nil
}

func jsonPart(part string) json.RawMessage {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil || !json.Valid(b) {
		return nil
	}
	return b
}

// RefreshToken is a session, whatever became of it.
type RefreshToken struct {
	ID         string     `json:"id"`
	AppID      string     `json:"appId"`
	UserID     string     `json:"userId"`
	Email      string     `json:"email"`
	State      string     `json:"state"` // active, revoked, expired, or ended with the user's other tokens
	Refreshes  int32      `json:"refreshes"`
	CreatedAt  wire.Time  `json:"createdAt"`
	LastUsedAt *wire.Time `json:"lastUsedAt"`
	ExpiresAt  wire.Time  `json:"expiresAt"`
	RevokedAt  *wire.Time `json:"revokedAt"`
	Reason     *string    `json:"reason"`
}

// RefreshTokens lists sessions, newest first; those of one user, if one is named.
func (s *Service) RefreshTokens(ctx context.Context, user *uuid.UUID, activeOnly bool, limit int) ([]RefreshToken, error) {
	rows, err := s.q.RefreshTokensSystem(ctx, s.system(), authdb.RefreshTokensSystemParams{UserID: user, ActiveOnly: activeOnly, Max: int32(limit)})
	list := make([]RefreshToken, len(rows))
	for i, r := range rows {
		list[i] = RefreshToken{ID: r.ID.String(), AppID: r.AppID, UserID: r.UserID.String(), Email: r.Email, State: r.State, Refreshes: r.Generation,
			CreatedAt: wire.Time(r.CreatedAt), LastUsedAt: wire.TimePtr(r.LastUsedAt), ExpiresAt: wire.Time(r.EndsAt), RevokedAt: wire.TimePtr(r.RevokedAt), Reason: r.RevokedReason}
	}
	return list, err
}

// RevokedToken is an access token that was revoked by its jti. Until its expiry nobody takes it; afterwards nobody would anyway.
type RevokedToken struct {
	JTI       string    `json:"jti"`
	AppID     string    `json:"appId"`
	UserID    string    `json:"userId"`
	Reason    string    `json:"reason"`
	RevokedAt wire.Time `json:"revokedAt"`
	ExpiresAt wire.Time `json:"expiresAt"`
}

// RevokedToken is nil for a jti that was not revoked, or so long ago that it is forgotten.
func (s *Service) RevokedToken(ctx context.Context, jti string) (*RevokedToken, error) {
	r, err := s.q.RevokedTokenSystem(ctx, s.system(), jti)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // not revoked is an answer
	}
	if err != nil {
		return nil, err
	}
	return &RevokedToken{JTI: jti, AppID: r.AppID, UserID: r.UserID.String(), Reason: r.Reason, RevokedAt: wire.Time(r.CreatedAt), ExpiresAt: wire.Time(r.ExpiresAt)}, nil
}

// RevokedCount counts the revoked access tokens of an app.
type RevokedCount struct {
	AppID   string `json:"appId"`
	Total   int64  `json:"total"`
	Active  int64  `json:"active"` // have not expired by themselves
	Expired int64  `json:"expired"`
}

// RevokedCounts counts revoked access tokens by app.
func (s *Service) RevokedCounts(ctx context.Context) ([]RevokedCount, error) {
	rows, err := s.q.RevokedTokenCountsSystem(ctx, s.system())
	list := make([]RevokedCount, len(rows))
	for i, r := range rows {
		list[i] = RevokedCount{AppID: r.AppID, Total: r.Total, Active: r.Active, Expired: r.Total - r.Active}
	}
	return list, err
}

// PurgeRevoked forgets revoked access tokens that expired longer than age ago, in batches.
func (s *Service) PurgeRevoked(ctx context.Context, age time.Duration) (deleted int64, err error) {
	for {
		n, err := s.q.PurgeOldRevokedSystem(ctx, s.system(), age, cleanupBatch)
		deleted += n
		if err != nil || n < cleanupBatch {
			return deleted, err
		}
	}
}
