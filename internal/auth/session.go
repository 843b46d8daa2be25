package auth

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/auth/authdb"
	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
)

// Tokens is what a client gets for proving who it is.
type Tokens struct {
	AccessToken  string `json:"accessToken" doc:"ES256 JWT; send it as Authorization: Bearer"`
	RefreshToken string `json:"refreshToken,omitempty" required:"false" doc:"Opaque; changes with every refresh; in cookie mode it is in the cookie"`
	ExpiresIn    int64  `json:"expiresIn" doc:"Seconds until the access token expires" example:"900"`
	TokenType    string `json:"tokenType" enum:"Bearer"`
}

// forever stands for a session without an absolute end in tables.
var forever = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// newSession is a new session's row: id and ends of life.
func (s *Service) newSession(a app) (id uuid.UUID, expires, absolute time.Time, err error) {
	if id, err = uuid.NewV7(); err != nil {
		return
	}
	now := s.cfg.DB.Now() // which ends it
	absolute = forever
	if a.refreshAbsolute > 0 {
		absolute = now.Add(a.refreshAbsolute)
	}
	expires = now.Add(a.refreshTTL)
	if absolute.Before(expires) {
		expires = absolute
	}
	return id, expires, absolute, nil
}

func (s *Service) tokens(p person, a app, session uuid.UUID, generation int32) (Tokens, error) {
	access, err := s.signAccess(p, a, session)
	return Tokens{
		AccessToken: access, RefreshToken: s.refreshToken(session, generation),
		ExpiresIn: int64(a.accessTTL / time.Second), TokenType: "Bearer",
	}, err
}

func meta(ctx context.Context) *string {
	m := string(audit.Meta(ctx, nil))
	return &m
}

// refresh rotates a session in one statement (RotateSession says how).
func (s *Service) refresh(ctx context.Context, a app, token string) (Tokens, error) {
	session, generation, ok, err := s.readRefresh(ctx, token)
	if err != nil {
		return Tokens{}, err
	}
	if !ok {
		return Tokens{}, errInvalidGrant
	}
	ip, agent := audit.Origin(ctx)
	r, err := s.q.RotateSession(ctx, s.cfg.DB.In(db.App(a.id)), authdb.RotateSessionParams{
		SessionID: session, Generation: generation, Lifetime: a.refreshTTL, Grace: a.refreshGrace,
		VerifiedOnly: a.verificationRequired, Ip: ip, UserAgent: agent, Meta: meta(ctx),
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		if err := s.revokeReused(ctx, a, session, generation); err != nil {
			return Tokens{}, err
		}
		return Tokens{}, errInvalidGrant
	case err != nil:
		return Tokens{}, err
	case r.Outcome == "unverified":
		return Tokens{}, errUnverified
	case r.Outcome != "ok":
		return Tokens{}, errInvalidGrant
	}
	return s.tokens(person{id: r.UserID, email: r.Email, role: r.Role, tokenVersion: r.TokenVersion}, a, session, r.Generation)
}

// revokeReused ends the session of a genuine token that was not taken, if that is because an older one came back: one of
// two who hold it is a thief. The owner gets a mail.
func (s *Service) revokeReused(ctx context.Context, a app, session uuid.UUID, generation int32) error {
	ip, agent := audit.Origin(ctx)
	err := s.cfg.DB.Tx(ctx, db.App(a.id), func(tx pgx.Tx) error {
		mail, err := s.q.RevokeReused(ctx, tx, authdb.RevokeReusedParams{SessionID: session, Generation: generation, Grace: a.refreshGrace,
			EventLife: s.eventLife(), Ip: ip, UserAgent: agent, Meta: meta(ctx)})
		if err != nil || s.cfg.Queue == nil {
			return err
		}
		return s.enqueueMail(ctx, tx, mail)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err == nil {
		s.ended(session)
	}
	return err
}

// logout ends the session that a refresh token names, or that an access token belongs to, which is revoked as well. A
// token that names none is fine: whoever wants to be out is out.
func (s *Service) logout(ctx context.Context, token string) error {
	session, _, ok, err := s.readRefresh(ctx, token)
	if err != nil {
		return err
	}
	if ok {
		_, err := s.endSession(ctx, s.cfg.DB.In(db.AppOfSession(session)), session, nil, "logout", "logout", nil)
		if errors.Is(err, db.ErrNoTenant) {
			return nil
		}
		return err
	}
	c, err := s.parseAccess(token)
	if err != nil {
		return nil //nolint:nilerr // contract: logout is 200 for anything that has the form of a token
	}
	if err := s.revokeAccess(ctx, c, "logout", revoker{service: true}); err != nil {
		return err
	}
	_, err = s.endSession(ctx, s.cfg.DB.In(db.App(c.Audience)), c.SessionID, &c.Subject, "logout", "logout", nil)
	return err
}

// logoutAll ends everything the user of a token holds, on all devices.
func (s *Service) logoutAll(ctx context.Context, token string) error {
	var user uuid.UUID
	var scope db.Scope
	var appID string
	session, generation, ok, err := s.readRefresh(ctx, token)
	if err != nil {
		return err
	}
	if ok {
		scope = db.AppOfSession(session)
		o, err := s.q.LiveSessionOwner(ctx, s.cfg.DB.In(scope), session)
		if errors.Is(err, pgx.ErrNoRows) || errors.Is(err, db.ErrNoTenant) {
			return errInvalidGrant
		}
		if err != nil {
			return err
		}
		a, err := s.knownApp(ctx, o.AppID)
		if err != nil {
			return err
		}
		if o.Generation != generation && (o.Generation != generation+1 || o.Rested > a.refreshGrace) {
			return errInvalidGrant // whoever holds an old token alone is not the user
		}
		user, appID = o.UserID, o.AppID
	} else {
		c, err := s.parseAccess(token)
		if err != nil {
			return errInvalidGrant
		}
		if _, err := s.live(ctx, c); err != nil {
			return orGrant(err)
		}
		user, appID, scope = c.Subject, c.Audience, db.App(c.Audience)
	}
	return s.ending(ctx, scope, func(tx pgx.Tx) (uuid.UUID, int32, error) {
		version, err := s.endAccess(ctx, tx, appID, user, "logout_all")
		if err != nil {
			return user, 0, orGrant(err)
		}
		return user, version, s.record(ctx, tx, appID, user, "", "logout_all", nil)
	})
}

// orGrant words every refusal of a token as the contract does where a refresh token is expected.
func orGrant(err error) error {
	if f, ok := fault.From(err); ok && (f.Kind == fault.Unauthenticated || f.Kind == fault.Forbidden || f.Kind == fault.NotFound) {
		return errInvalidGrant
	}
	return err
}

// bearer takes the token out of an Authorization header.
func bearer(header string) (string, error) {
	parts := strings.Fields(header)
	if len(parts) != 2 || !strings.EqualFold(parts[0], "Bearer") {
		return "", errMissingToken
	}
	return parts[1], nil
}

// Authenticate resolves an Authorization header to a user who may act right now. It asks PostgreSQL for the user's row:
// role and address are those of this moment, not of the token.
func (s *Service) Authenticate(ctx context.Context, header string) (caller.User, error) {
	token, err := bearer(header)
	if err != nil {
		return caller.User{}, err
	}
	c, err := s.parseAccess(token)
	if err != nil {
		return caller.User{}, err
	}
	return s.live(ctx, c)
}

// Recognise is Authenticate without a query where the revocation feed is current; the user's row is then not looked at,
// so e-mail and role are those of the token. For routes whose own statement checks that the user may act. It takes tokens
// of other issuers too.
func (s *Service) Recognise(ctx context.Context, header string) (caller.User, error) {
	token, err := bearer(header)
	if err != nil {
		return caller.User{}, err
	}
	if !s.ours(token) {
		return s.recogniseForeign(ctx, token)
	}
	c, err := s.parseAccess(token)
	if err != nil {
		return caller.User{}, err
	}
	current, ended := s.revoked.check(c, time.Now())
	if ended != nil {
		return caller.User{}, ended
	}
	if !current {
		return s.live(ctx, c)
	}
	return userOf(c), nil
}

func userOf(c Claims) caller.User {
	return caller.User{ID: c.Subject, AppID: c.Audience, Email: c.Email, Role: c.Role, SessionID: c.SessionID, TokenID: c.ID,
		TokenVersion: c.TokenVersion, IssuedAt: time.Unix(c.IssuedAt, 0), ExpiresAt: time.Unix(c.ExpiresAt, 0)}
}

// live asks PostgreSQL whether the user of a token may act.
func (s *Service) live(ctx context.Context, c Claims) (caller.User, error) {
	var none caller.User
	u, err := s.q.LiveUser(ctx, s.cfg.DB.In(db.App(c.Audience)), authdb.LiveUserParams{
		Jti: c.ID, SessionID: c.SessionID, AppID: c.Audience, UserID: c.Subject, IssuedAt: time.Unix(c.IssuedAt, 0),
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return none, errTokenVersion
	case err != nil:
		return none, err
	case u.TokenVersion != c.TokenVersion || u.Status == "deleted":
		return none, errTokenVersion
	case u.Revoked:
		return none, errTokenRevoked
	case u.Status != "active":
		return none, errSuspended
	}
	user := userOf(c)
	user.Email, user.Role, user.EmailVerified, user.CreatedAt = u.Email, u.Role, u.EmailVerified, u.CreatedAt
	return user, nil
}

// asAPI words a refused token for the /api half (credential-api.md §2).
func asAPI(err error) error {
	f, ok := fault.From(err)
	switch {
	case !ok:
		return err
	case f.Code == errMissingToken.Code:
		return fault.New(fault.Unauthenticated, "MISSING_TOKEN", "Missing authorization token")
	case f.Kind == fault.Forbidden:
		return fault.New(fault.Forbidden, "ACCESS_DENIED", "This account is suspended")
	case f.Kind != fault.Unauthenticated:
		return err
	case f.Code == errInvalidToken.Code && !errors.Is(f, errNotOurs):
		return fault.New(fault.Unauthenticated, "INVALID_TOKEN", "Invalid token")
	}
	return fault.New(fault.Unauthenticated, "AUTH_FAILED", "Authentication failed")
}
