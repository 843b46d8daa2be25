package auth

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/auth/authdb"
	"turkey/internal/caller"
	"turkey/internal/db"
)

// register makes a user and, unless the address has to be verified first, a session; tokens is nil then. Of parallel
// calls for one address one wins; the others get user_exists, or with silent registration the same answer.
func (s *Service) register(ctx context.Context, a app, email, password, role string) (p person, tokens *Tokens, err error) {
	if role != "user" && !s.cfg.AllowRole {
		return p, nil, errRole
	}
	if !a.registrationOpen {
		return p, nil, errClosed
	}
	if err := s.fits(a.id, email); err != nil {
		return p, nil, err
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

// EnsureUser makes a user who can sign in, if the app has none with this e-mail: whatever the app asks of those who register,
// and whether or not it takes any.
func (s *Service) EnsureUser(ctx context.Context, appID, email, password string) error {
	if err := s.CreateApp(ctx, appID, appID); err != nil {
		return err
	}
	_, err := s.q.UserByEmail(ctx, s.cfg.DB.In(db.App(appID)), appID, email)
	if errors.Is(err, pgx.ErrNoRows) {
		_, err = s.AddUser(ctx, appID, NewUser{Email: email, Role: "user", Password: password, Verified: true, AnyPassword: true, Silent: true})
	}
	if errors.Is(err, errUserExists) { // another server was faster
		return nil
	}
	return err
}

// Attempt is one guess at a password, which the lockout counts.
type Attempt interface {
	Failed(ctx context.Context) error
	Locked() time.Duration                               // after Failed: for how long this failure locks its client out
	Succeeded(ctx context.Context, along db.Along) error // along is done after it
	Done(ctx context.Context)                            // neither: the guess was not judged
}

// Lockout bounds the guesses at an account. Begin's error is the answer to give instead of judging the guess. device is
// the one this account has signed in with before, "" if it is none. along is done as well, before the attempt is judged, and
// says itself how it went; it may be nil.
type Lockout interface {
	Begin(ctx context.Context, app, email, ip, device string, along db.Along) (Attempt, error)
}

type unbounded struct{}

func (unbounded) Failed(context.Context) error { return nil }
func (unbounded) Locked() time.Duration        { return 0 }
func (unbounded) Done(context.Context)         {}

func (unbounded) Succeeded(_ context.Context, along db.Along) error { return alone(along) }

func alone(along db.Along) error {
	if along != nil {
		_ = along(nil)
	}
	return nil
}

func (s *Service) begin(ctx context.Context, app, email, device string, along db.Along) (Attempt, error) {
	if s.cfg.Lockout == nil {
		return unbounded{}, alone(along)
	}
	return s.cfg.Lockout.Begin(ctx, app, email, caller.RequestFrom(ctx).IP, device, along)
}

// login checks a password and opens a session. Unknown, wrong and unusable all cost one hash and get one answer; that
// an account is suspended or unverified is told only to its owner; in an app that registers silently an unverified one is
// not told from a wrong password, since whoever has just registered it would learn that it was not there before. cookie is
// the caller's device cookie.
func (s *Service) login(ctx context.Context, a app, email, password, cookie string) (person, Tokens, error) {
	var none person
	conn := s.cfg.DB.In(db.App(a.id))
	device, err := s.knownDevice(ctx, conn, a.id, email, cookie)
	if err != nil {
		return none, Tokens{}, err
	}
	var u authdb.UserForLoginRow
	var unread error
	attempt, err := s.begin(ctx, a.id, email, device, func(first *db.Statement) error {
		u, unread = s.q.UserForLogin(ctx, conn.After(first), a.id, email)
		return unread
	})
	if err != nil {
		return none, Tokens{}, err
	}
	if unread != nil && !errors.Is(unread, pgx.ErrNoRows) {
		attempt.Done(ctx)
		return none, Tokens{}, unread
	}
	ok, outdated, err := s.hasher.verify(ctx, password, u.PasswordHash)
	if err != nil {
		attempt.Done(ctx)
		return none, Tokens{}, err
	}
	if !ok || u.Status == "deleted" || a.silentRegistration && !u.EmailVerified {
		return none, Tokens{}, s.wrong(ctx, conn, a.id, u.ID, attempt, a.wrongCredentials(), "login_failed")
	}
	var refusal error
	switch {
	case u.Status != "active":
		refusal = errSuspended
	case a.verificationRequired && !u.EmailVerified:
		refusal = errUnverified
	}
	if refusal != nil {
		if err := attempt.Succeeded(ctx, nil); err != nil {
			return none, Tokens{}, err
		}
		return none, Tokens{}, s.refused(ctx, conn, a.id, u.ID, "login_failed", refusal)
	}
	if outdated {
		s.upgrade(ctx, conn, a.id, u.ID, password, u.PasswordHash)
	}
	return s.open(ctx, conn, a, person{id: u.ID, email: u.Email, role: u.Role, tokenVersion: u.TokenVersion}, attempt)
}

// open makes the session of a user whose password was right, and ends the attempt with it.
func (s *Service) open(ctx context.Context, conn db.Conn, a app, p person, attempt Attempt) (person, Tokens, error) {
	session, expires, absolute, err := s.newSession(a)
	if err != nil {
		attempt.Done(ctx)
		return p, Tokens{}, err
	}
	ip, agent := audit.Origin(ctx)
	var opened int64
	var failed error
	err = attempt.Succeeded(ctx, func(first *db.Statement) error {
		opened, failed = s.q.OpenSession(ctx, conn.After(first), authdb.OpenSessionParams{
			AppID: a.id, UserID: p.id, TokenVersion: p.tokenVersion, SessionID: session, ExpiresAt: expires,
			AbsoluteExpiresAt: absolute, Ip: ip, UserAgent: agent, Meta: meta(ctx),
		})
		return failed
	})
	if err == nil {
		err = failed
	}
	switch {
	case db.IsForeignKey(err), err == nil && opened == 0: // the account was deleted, suspended or changed while the password was being checked
		return p, Tokens{}, errCredentials
	case err != nil:
		return p, Tokens{}, err
	}
	t, err := s.tokens(p, a, session, 0)
	return p, t, err
}

// wrong counts a guess that was wrong and writes it down, as action if it has a name. The answer is answer only once both
// are done: guesses that nobody counts are not answered.
func (s *Service) wrong(ctx context.Context, conn db.Conn, app string, user uuid.UUID, attempt Attempt, answer error, action string) error {
	if err := attempt.Failed(ctx); err != nil {
		return err
	}
	if action != "" {
		if err := s.refused(ctx, conn, app, user, action, nil); err != nil {
			return err
		}
	}
	if attempt.Locked() > 0 {
		return s.refused(ctx, conn, app, user, "account_locked", answer)
	}
	return answer
}

// refused writes down a guess that did not succeed, and returns the answer to it.
func (s *Service) refused(ctx context.Context, conn db.Conn, app string, user uuid.UUID, action string, answer error) error {
	ip, agent := audit.Origin(ctx)
	row := authdb.WriteAuditParams{AppID: app, Action: action, Ip: ip, UserAgent: agent, Meta: meta(ctx)}
	if user != uuid.Nil {
		row.UserID = &user
	}
	if err := s.q.WriteAudit(ctx, conn, row); err != nil {
		return err
	}
	return answer
}

// upgrade stores a password whose hash is of another algorithm or other parameters under today's. Failing costs nothing:
// the next login tries again.
func (s *Service) upgrade(ctx context.Context, conn db.Conn, app string, user uuid.UUID, password, old string) {
	hash, err := s.hasher.hash(ctx, password)
	if err == nil {
		err = s.q.UpgradePassword(ctx, conn, authdb.UpgradePasswordParams{NewHash: hash, OldHash: old, AppID: app, UserID: user})
	}
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "password not hashed anew; the next login tries again", "user", user, "error", err)
	}
}
