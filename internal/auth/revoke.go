package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/fault"
)

// serviceKey compares the header of a backend service with TURKEY_SERVICE_API_KEY in constant time.
func (s *Service) serviceKey(given string) error {
	switch {
	case given == "":
		return fault.New(fault.Unauthenticated, "missing_api_key", "Service API key is required. Include X-Turkey-Service-Key header.")
	case len(s.cfg.ServiceKey) == 0:
		return fault.New(fault.Forbidden, "invalid_api_key", "Forbidden: invalid service API key")
	}
	want, got := sha256.Sum256(s.cfg.ServiceKey), sha256.Sum256([]byte(given))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return fault.New(fault.Forbidden, "invalid_api_key", "Forbidden: invalid service API key")
	}
	return nil
}

// mayIntrospect: with a key configured it is needed; without one, introspection is open outside production alone.
func (s *Service) mayIntrospect(key string) error {
	if len(s.cfg.ServiceKey) == 0 && !s.cfg.Production {
		return nil
	}
	if len(s.cfg.ServiceKey) == 0 {
		return fault.New(fault.Unauthenticated, "missing_api_key", "Service API key is required. Include X-Turkey-Service-Key header.")
	}
	return s.serviceKey(key)
}

// Introspection is what a token is worth right now.
type Introspection struct {
	Active    bool            `json:"active"`
	Type      string          `json:"type,omitempty" enum:"access,refresh"`
	UserID    string          `json:"userId,omitempty" format:"uuid"`
	ExpiresAt string          `json:"expiresAt,omitempty" format:"date-time"`
	Payload   json.RawMessage `json:"payload,omitempty" doc:"All claims of an access token"`
}

// introspect asks PostgreSQL: one statement, the truth at once. It never counts as a use of the token.
func (s *Service) introspect(ctx context.Context, token string) (Introspection, error) {
	var inactive Introspection
	session, generation, ok, err := s.readRefresh(ctx, token)
	if err != nil {
		return inactive, err
	}
	if ok {
		r, err := s.q.SessionState(ctx, s.cfg.DB.In(db.AppOfSession(session)), session)
		switch {
		case errors.Is(err, pgx.ErrNoRows), errors.Is(err, db.ErrNoTenant):
			return inactive, nil
		case err != nil:
			return inactive, err
		case r.Generation != generation:
			return inactive, nil
		}
		return Introspection{Active: true, Type: "refresh", UserID: r.UserID.String(), ExpiresAt: stamp(r.ExpiresAt)}, nil
	}
	c, payload, err := s.readAccess(token)
	if err != nil {
		return inactive, nil //nolint:nilerr // a token that does not verify is inactive, whatever the reason
	}
	if _, err := s.live(ctx, c); err != nil {
		if f, ok := fault.From(err); ok && (f.Kind == fault.Unauthenticated || f.Kind == fault.Forbidden) {
			return inactive, nil
		}
		return inactive, err
	}
	return Introspection{Active: true, Type: "access", UserID: c.Subject.String(), ExpiresAt: stamp(time.Unix(c.ExpiresAt, 0)), Payload: payload}, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// revoker is who asks to revoke a token.
type revoker struct {
	service bool      // with the service key: any token
	user    uuid.UUID // with a Bearer token: the own ones
}

// revoke ends what a token stands for: a session, or one access token. A token that ended before is ended: the same
// answer. Which kind it was is returned for the message.
func (s *Service) revoke(ctx context.Context, token, reason string, by revoker) (kind string, err error) {
	if r := []rune(reason); len(r) > 100 {
		reason = string(r[:100])
	}
	if reason == "" {
		reason = "manual_revocation"
	}
	session, _, ok, err := s.readRefresh(ctx, token)
	if err != nil {
		return "", err
	}
	if ok {
		return "Refresh", s.revokeSession(ctx, session, reason, by)
	}
	c, _, err := s.readAccess(token)
	if errors.Is(err, errNoJTI) {
		return "", fault.New(fault.Invalid, "bad_request", "Token missing JTI claim")
	}
	if err != nil && !errors.Is(err, errTokenExpired) {
		return "", fault.New(fault.Invalid, "bad_request", "Invalid or unrecognized token")
	}
	return "Access", s.revokeAccess(ctx, c, reason, by)
}

func (s *Service) revokeSession(ctx context.Context, session uuid.UUID, reason string, by revoker) error {
	conn := s.cfg.DB.In(db.AppOfSession(session))
	owner, err := s.q.SessionOwner(ctx, conn, session)
	if errors.Is(err, pgx.ErrNoRows) || errors.Is(err, db.ErrNoTenant) {
		return nil // forgotten by the cleanup: long ended
	}
	if err != nil {
		return err
	}
	if !by.service && by.user != uuid.Nil && by.user != owner.UserID {
		return errNotYours
	}
	_, err = s.endSession(ctx, conn, session, nil, reason, "token_revoked", nil)
	return err
}

// endSession ends one session; user restricts it to that user's. It reports whether one ended.
func (s *Service) endSession(ctx context.Context, conn db.Conn, session uuid.UUID, user *uuid.UUID, reason, action string, actor *string) (bool, error) {
	ip, agent := audit.Origin(ctx)
	n, err := s.q.EndSession(ctx, conn, authdb.EndSessionParams{SessionID: session, UserID: user, Reason: &reason, Action: action, Actor: actor,
		EventLife: s.eventLife(), Ip: ip, UserAgent: agent, Meta: meta(ctx)})
	if err == nil && n > 0 {
		s.ended(session)
	}
	return n > 0, err
}

// ended makes this server know at once of sessions that it ended; the others hear of it.
func (s *Service) ended(sessions ...uuid.UUID) {
	for _, id := range sessions {
		s.revoked.end("session", id.String(), 0, time.Now().Add(s.eventLife()))
	}
}

func (s *Service) revokeAccess(ctx context.Context, c Claims, reason string, by revoker) error {
	if !by.service && by.user != uuid.Nil && by.user != c.Subject {
		return errNotYours
	}
	ip, agent := audit.Origin(ctx)
	actor := c.Subject.String()
	_, err := s.q.RevokeAccess(ctx, s.cfg.DB.In(db.App(c.Audience)), authdb.RevokeAccessParams{Jti: c.ID, Reason: &reason, ExpiresAt: time.Unix(c.ExpiresAt, 0),
		AppID: c.Audience, UserID: c.Subject, Actor: &actor, Action: "token_revoked", Ip: ip, UserAgent: agent, Meta: meta(ctx)})
	if db.IsForeignKey(err) {
		return nil // the user was deleted meanwhile, and the token ended with that
	}
	if err == nil {
		s.revoked.end("jti", c.ID, 0, time.Unix(c.ExpiresAt, 0).Add(clocksApart))
	}
	return err
}

// revocation looks one jti up, over all apps.
func (s *Service) revocation(ctx context.Context, jti string) (revoked bool, at time.Time, reason string, err error) {
	r, err := s.q.RevocationSystem(ctx, s.cfg.DB.In(db.System()), jti)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, at, "", nil
	}
	return err == nil, r.CreatedAt, r.Reason, err
}
