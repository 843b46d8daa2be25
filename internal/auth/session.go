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
	now := s.cfg.Now()
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

// register makes a user and, unless the address has to be verified first, a session; tokens is nil then. Of parallel
// calls for one address one wins; the others get user_exists, or with silent registration the same answer.
func (s *Service) register(ctx context.Context, a app, email, password, role string) (p person, tokens *Tokens, err error) {
	if role != "user" && !s.cfg.AllowRole {
		return p, nil, errRole
	}
	if !a.registrationOpen {
		return p, nil, errClosed
	}
	if broken := a.policy.check("password", password); len(broken) > 0 {
		return p, nil, invalidRequest.WithFields(broken...)
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return p, nil, err
	}
	if p.id, err = uuid.NewV7(); err != nil {
		return p, nil, err
	}
	p.email, p.role = email, role
	session, expires, absolute, err := s.newSession(a)
	if err != nil {
		return p, nil, err
	}
	signIn := !a.verificationRequired && !a.silentRegistration
	ip, agent := audit.Origin(ctx)
	err = s.cfg.DB.Tx(ctx, db.App(a.id), func(tx pgx.Tx) error {
		row, err := s.q.CreateUser(ctx, tx, authdb.CreateUserParams{
			ID: p.id, AppID: a.id, Email: email, PasswordHash: hash, Role: role, WithSession: signIn,
			SessionID: session, ExpiresAt: expires, AbsoluteExpiresAt: absolute, Ip: ip, UserAgent: agent, Meta: meta(ctx),
		})
		if err != nil {
			return err
		}
		p.tokenVersion = row.TokenVersion
		return s.enqueueMail(ctx, tx, row.MailID)
	})
	switch {
	case db.IsUnique(err, "users_email_app_idx") && a.silentRegistration:
		return p, nil, nil
	case db.IsUnique(err, "users_email_app_idx"):
		return p, nil, errUserExists
	case err != nil || !signIn:
		return p, nil, err
	}
	t, err := s.tokens(p, a, session, 0)
	return p, &t, err
}

// EnsureUser makes a user if the app has none with this e-mail.
func (s *Service) EnsureUser(ctx context.Context, appID, email, password string) error {
	if err := s.CreateApp(ctx, appID, appID); err != nil {
		return err
	}
	a, err := s.knownApp(ctx, appID)
	if err != nil {
		return err
	}
	_, err = s.q.UserByEmail(ctx, s.cfg.DB.In(db.App(appID)), appID, email)
	if errors.Is(err, pgx.ErrNoRows) {
		_, _, err = s.register(ctx, a, email, password, "user")
	}
	if errors.Is(err, errUserExists) { // another server was faster
		return nil
	}
	return err
}

// Attempt is one guess at a password, which the lockout counts.
type Attempt interface {
	Failed(ctx context.Context) error
	Locked() time.Duration // after Failed: for how long this failure locks its client out
	Succeeded(ctx context.Context) error
	Done(ctx context.Context) // neither: the guess was not judged
}

// Lockout bounds the guesses at an account. Begin's error is the answer to give instead of judging the guess.
type Lockout interface {
	Begin(ctx context.Context, app, email, ip string) (Attempt, error)
}

type unbounded struct{}

func (unbounded) Failed(context.Context) error    { return nil }
func (unbounded) Locked() time.Duration           { return 0 }
func (unbounded) Succeeded(context.Context) error { return nil }
func (unbounded) Done(context.Context)            {}

func (s *Service) begin(ctx context.Context, app, email string) (Attempt, error) {
	if s.cfg.Lockout == nil {
		return unbounded{}, nil
	}
	return s.cfg.Lockout.Begin(ctx, app, email, caller.RequestFrom(ctx).IP)
}

// login checks a password and opens a session. Unknown, wrong and unusable all cost one hash and get one answer; that
// an account is suspended or unverified is told only to its owner.
func (s *Service) login(ctx context.Context, a app, email, password string) (person, Tokens, error) {
	var none person
	attempt, err := s.begin(ctx, a.id, email)
	if err != nil {
		return none, Tokens{}, err
	}
	conn := s.cfg.DB.In(db.App(a.id))
	u, err := s.q.UserForLogin(ctx, conn, a.id, email)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		attempt.Done(ctx)
		return none, Tokens{}, err
	}
	ok, legacy, err := s.hasher.verify(ctx, password, u.PasswordHash)
	if err != nil {
		attempt.Done(ctx)
		return none, Tokens{}, err
	}
	if !ok || u.Status == "deleted" {
		return none, Tokens{}, errors.Join(errCredentials, attempt.Failed(ctx), s.refused(ctx, conn, a.id, u.ID, "login_failed"), s.lockedOut(ctx, conn, a.id, u.ID, attempt))
	}
	if err := attempt.Succeeded(ctx); err != nil {
		return none, Tokens{}, err
	}
	switch {
	case u.Status != "active":
		return none, Tokens{}, errors.Join(errSuspended, s.refused(ctx, conn, a.id, u.ID, "login_failed"))
	case a.verificationRequired && !u.EmailVerified:
		return none, Tokens{}, errors.Join(errUnverified, s.refused(ctx, conn, a.id, u.ID, "login_failed"))
	}
	if legacy {
		s.upgrade(ctx, conn, a.id, u.ID, password, u.PasswordHash)
	}
	return s.open(ctx, conn, a, person{id: u.ID, email: u.Email, role: u.Role, tokenVersion: u.TokenVersion})
}

// open makes the session of a user whose password was right.
func (s *Service) open(ctx context.Context, conn db.Conn, a app, p person) (person, Tokens, error) {
	session, expires, absolute, err := s.newSession(a)
	if err != nil {
		return p, Tokens{}, err
	}
	ip, agent := audit.Origin(ctx)
	opened, err := s.q.OpenSession(ctx, conn, authdb.OpenSessionParams{
		AppID: a.id, UserID: p.id, TokenVersion: p.tokenVersion, SessionID: session, ExpiresAt: expires,
		AbsoluteExpiresAt: absolute, Ip: ip, UserAgent: agent, Meta: meta(ctx),
	})
	switch {
	case db.IsForeignKey(err), err == nil && opened == 0: // the account was deleted, suspended or changed while the password was being checked
		return p, Tokens{}, errCredentials
	case err != nil:
		return p, Tokens{}, err
	}
	t, err := s.tokens(p, a, session, 0)
	return p, t, err
}

// lockedOut writes down that a failure locked its client out of the account.
func (s *Service) lockedOut(ctx context.Context, conn db.Conn, app string, user uuid.UUID, failed Attempt) error {
	if failed.Locked() <= 0 {
		return nil
	}
	return s.refused(ctx, conn, app, user, "account_locked")
}

// refused writes down a guess that did not succeed.
func (s *Service) refused(ctx context.Context, conn db.Conn, app string, user uuid.UUID, action string) error {
	ip, agent := audit.Origin(ctx)
	row := authdb.WriteAuditParams{AppID: app, Action: action, Ip: ip, UserAgent: agent, Meta: meta(ctx)}
	if user != uuid.Nil {
		row.UserID = &user
	}
	return s.q.WriteAudit(ctx, conn, row)
}

// upgrade stores a password that came with an import under today's algorithm. Failing costs nothing: the next login
// tries again.
func (s *Service) upgrade(ctx context.Context, conn db.Conn, app string, user uuid.UUID, password, old string) {
	hash, err := s.hasher.hash(ctx, password)
	if err == nil {
		err = s.q.UpgradePassword(ctx, conn, authdb.UpgradePasswordParams{NewHash: hash, OldHash: old, AppID: app, UserID: user})
	}
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "imported password not upgraded; the next login tries again", "user", user, "error", err)
	}
}

// refresh rotates a session in one statement (RotateSession says how).
func (s *Service) refresh(ctx context.Context, a app, token string) (Tokens, error) {
	session, generation, ok := s.parseRefresh(token)
	if !ok {
		return Tokens{}, errInvalidGrant
	}
	ip, agent := audit.Origin(ctx)
	r, err := s.q.RotateSession(ctx, s.cfg.DB.In(db.App(a.id)), authdb.RotateSessionParams{
		SessionID: session, Generation: generation, Lifetime: a.refreshTTL, Grace: a.refreshGrace, EventLife: s.eventLife(),
		VerifiedOnly: a.verificationRequired, Ip: ip, UserAgent: agent, Meta: meta(ctx),
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Tokens{}, errInvalidGrant
	case err != nil:
		return Tokens{}, err
	case r.Outcome == "reuse":
		s.warnOfReuse(ctx, r.MailID)
		return Tokens{}, errInvalidGrant
	case r.Outcome == "unverified":
		return Tokens{}, errUnverified
	case r.Outcome != "ok":
		return Tokens{}, errInvalidGrant
	}
	return s.tokens(person{id: r.UserID, email: r.Email, role: r.Role, tokenVersion: r.TokenVersion}, a, session, r.Generation)
}

// warnOfReuse hands the mail to the queue that the rotation wrote. The session has ended whether or not it gets there.
func (s *Service) warnOfReuse(ctx context.Context, id uuid.UUID) {
	if id == uuid.Nil || s.cfg.Queue == nil {
		return
	}
	if err := s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error { return s.enqueueMail(ctx, tx, id) }); err != nil {
		s.cfg.Log.WarnContext(ctx, "notice of a reused refresh token not queued", "error", err)
	}
}

// logout ends the session that a refresh token names, or that an access token belongs to, which is revoked as well. A
// token that names none is fine: whoever wants to be out is out.
func (s *Service) logout(ctx context.Context, token string) error {
	if session, _, ok := s.parseRefresh(token); ok {
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
	if session, _, ok := s.parseRefresh(token); ok {
		scope = db.AppOfSession(session)
		o, err := s.q.LiveSessionOwner(ctx, s.cfg.DB.In(scope), session)
		if errors.Is(err, pgx.ErrNoRows) || errors.Is(err, db.ErrNoTenant) {
			return errInvalidGrant
		}
		if err != nil {
			return err
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
// so e-mail and role are those of the token. For routes whose own statement checks that the user may act.
func (s *Service) Recognise(ctx context.Context, header string) (caller.User, error) {
	token, err := bearer(header)
	if err != nil {
		return caller.User{}, err
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
