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
	RefreshToken string `json:"refreshToken" doc:"Opaque; changes with every refresh"`
	ExpiresIn    int64  `json:"expiresIn" doc:"Seconds until the access token expires" example:"900"`
	TokenType    string `json:"tokenType" enum:"Bearer"`
}

// forever stands for a session without an absolute end in tables.
var forever = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// session is a new session's row: id and ends of life.
func (s *Service) session() (id uuid.UUID, expires, absolute time.Time, err error) {
	if id, err = uuid.NewV7(); err != nil {
		return
	}
	now := s.cfg.Now()
	absolute = forever
	if s.cfg.RefreshAbsolute > 0 {
		absolute = now.Add(s.cfg.RefreshAbsolute)
	}
	expires = now.Add(s.cfg.RefreshTTL)
	if absolute.Before(expires) {
		expires = absolute
	}
	return id, expires, absolute, nil
}

func (s *Service) tokens(p person, app string, session uuid.UUID, generation int32) (Tokens, error) {
	access, err := s.signAccess(p, app, session)
	return Tokens{
		AccessToken: access, RefreshToken: s.refreshToken(session, generation),
		ExpiresIn: int64(s.cfg.AccessTTL / time.Second), TokenType: "Bearer",
	}, err
}

func meta(ctx context.Context) *string {
	m := string(audit.Meta(ctx, nil))
	return &m
}

// register makes a user and the first session. Of parallel calls for one address one wins; the others get user_exists.
func (s *Service) register(ctx context.Context, app, email, password, role string) (person, Tokens, error) {
	var none person
	if role != "user" && !s.cfg.AllowRole {
		return none, Tokens{}, errRole
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return none, Tokens{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return none, Tokens{}, err
	}
	session, expires, absolute, err := s.session()
	if err != nil {
		return none, Tokens{}, err
	}
	ip, agent := audit.Origin(ctx)
	version, err := s.q.CreateUser(ctx, s.cfg.DB.In(db.App(app)), authdb.CreateUserParams{
		ID: id, AppID: app, Email: email, PasswordHash: hash, Role: role,
		SessionID: session, ExpiresAt: expires, AbsoluteExpiresAt: absolute, Ip: ip, UserAgent: agent, Meta: meta(ctx),
	})
	if db.IsUnique(err, "users_email_app_idx") {
		return none, Tokens{}, errUserExists
	}
	if err != nil {
		return none, Tokens{}, err
	}
	p := person{id: id, email: email, role: role, tokenVersion: version}
	t, err := s.tokens(p, app, session, 0)
	return p, t, err
}

// EnsureUser makes a user if the app has none with this e-mail.
func (s *Service) EnsureUser(ctx context.Context, app, email, password string) error {
	if err := s.CreateApp(ctx, app, app); err != nil {
		return err
	}
	_, err := s.q.UserForLogin(ctx, s.cfg.DB.In(db.App(app)), app, email)
	if errors.Is(err, pgx.ErrNoRows) {
		_, _, err = s.register(ctx, app, email, password, "user")
	}
	if errors.Is(err, errUserExists) { // another server was faster
		return nil
	}
	return err
}

// login checks a password and opens a session. Unknown, wrong and unusable all cost one hash and get one answer; that
// an account is suspended is told only to its owner.
func (s *Service) login(ctx context.Context, app, email, password string) (person, Tokens, error) {
	var none person
	conn := s.cfg.DB.In(db.App(app))
	u, err := s.q.UserForLogin(ctx, conn, app, email)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return none, Tokens{}, err
	}
	ok, err := s.hasher.verify(ctx, password, u.PasswordHash)
	if err != nil {
		return none, Tokens{}, err
	}
	ip, agent := audit.Origin(ctx)
	if !ok || u.Status != "active" {
		row := authdb.WriteAuditParams{AppID: app, Action: "login_failed", Ip: ip, UserAgent: agent, Meta: meta(ctx)}
		if u.ID != uuid.Nil {
			row.UserID = &u.ID
		}
		if err := s.q.WriteAudit(ctx, conn, row); err != nil {
			return none, Tokens{}, err
		}
		if ok && u.Status == "suspended" {
			return none, Tokens{}, errSuspended
		}
		return none, Tokens{}, errCredentials
	}
	session, expires, absolute, err := s.session()
	if err != nil {
		return none, Tokens{}, err
	}
	opened, err := s.q.OpenSession(ctx, conn, authdb.OpenSessionParams{
		AppID: app, UserID: u.ID, TokenVersion: u.TokenVersion, SessionID: session, ExpiresAt: expires,
		AbsoluteExpiresAt: absolute, Ip: ip, UserAgent: agent, Meta: meta(ctx),
	})
	if err != nil {
		return none, Tokens{}, err
	}
	if opened == 0 { // the password was changed or the account suspended while it was being checked
		return none, Tokens{}, errCredentials
	}
	p := person{id: u.ID, email: u.Email, role: u.Role, tokenVersion: u.TokenVersion}
	t, err := s.tokens(p, app, session, 0)
	return p, t, err
}

// refresh rotates a session in one statement (RotateSession says how).
func (s *Service) refresh(ctx context.Context, app, token string) (Tokens, error) {
	session, generation, ok := s.parseRefresh(token)
	if !ok {
		return Tokens{}, errInvalidGrant
	}
	ip, agent := audit.Origin(ctx)
	r, err := s.q.RotateSession(ctx, s.cfg.DB.In(db.App(app)), authdb.RotateSessionParams{
		SessionID: session, Generation: generation, Lifetime: s.cfg.RefreshTTL, Grace: s.cfg.RefreshGrace,
		Ip: ip, UserAgent: agent, Meta: meta(ctx),
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Tokens{}, errInvalidGrant
	case err != nil:
		return Tokens{}, err
	case r.Outcome != "ok":
		return Tokens{}, errInvalidGrant
	}
	return s.tokens(person{id: r.UserID, email: r.Email, role: r.Role, tokenVersion: r.TokenVersion}, app, session, r.Generation)
}

// logout ends the session that a refresh token names, or that an access token belongs to. A token that names none is
// fine: whoever wants to be out is out.
func (s *Service) logout(ctx context.Context, token string) error {
	ip, agent := audit.Origin(ctx)
	reason := "logout"
	arg := authdb.EndSessionParams{Reason: &reason, Ip: ip, UserAgent: agent, Meta: meta(ctx), JtiExpiresAt: forever}
	scope := db.Scope{}
	if session, _, ok := s.parseRefresh(token); ok {
		arg.SessionID, scope = session, db.AppOfSession(session)
	} else if c, err := s.parseAccess(token); err == nil {
		arg.SessionID, arg.UserID, arg.Jti, arg.JtiExpiresAt = c.SessionID, c.Subject, &c.ID, time.Unix(c.ExpiresAt, 0)
		scope = db.App(c.Audience)
	} else {
		return nil //nolint:nilerr // contract: logout is 200 for anything that has the form of a token
	}
	err := s.q.EndSession(ctx, s.cfg.DB.In(scope), arg)
	if errors.Is(err, db.ErrNoTenant) {
		return nil
	}
	return err
}

// Authenticate resolves an Authorization header to a user who may act right now.
func (s *Service) Authenticate(ctx context.Context, header string) (caller.User, error) {
	var none caller.User
	parts := strings.Fields(header)
	if len(parts) != 2 || !strings.EqualFold(parts[0], "Bearer") {
		return none, errMissingToken
	}
	c, err := s.parseAccess(parts[1])
	if err != nil {
		return none, err
	}
	u, err := s.q.LiveUser(ctx, s.cfg.DB.In(db.App(c.Audience)), authdb.LiveUserParams{
		Jti: c.ID, SessionID: c.SessionID, AppID: c.Audience, UserID: c.Subject,
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return none, errTokenVersion
	case err != nil:
		return none, err
	case u.Revoked:
		return none, errTokenRevoked
	case u.TokenVersion != c.TokenVersion || u.Status == "deleted":
		return none, errTokenVersion
	case u.Status != "active":
		return none, errSuspended
	}
	return caller.User{
		ID: c.Subject, AppID: c.Audience, Email: u.Email, Role: u.Role, EmailVerified: u.EmailVerified, CreatedAt: u.CreatedAt,
		SessionID: c.SessionID, TokenID: c.ID, TokenVersion: c.TokenVersion,
		IssuedAt: time.Unix(c.IssuedAt, 0), ExpiresAt: time.Unix(c.ExpiresAt, 0),
	}, nil
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
