package auth

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/mail"
	"turkey/internal/wire"
)

// User is a user as administrators see one.
type User struct {
	ID            string         `json:"id" format:"uuid"`
	AppID         string         `json:"appId"`
	Email         string         `json:"email"`
	Role          string         `json:"role" enum:"user,admin"`
	Status        string         `json:"status" enum:"active,suspended,deleted"`
	EmailVerified bool           `json:"emailVerified"`
	TokenVersion  int32          `json:"tokenVersion" doc:"Access tokens of an older one are void"`
	CreatedAt     wire.Time      `json:"createdAt" format:"date-time"`
	UpdatedAt     wire.Time      `json:"updatedAt" format:"date-time"`
	Sessions      *int64         `json:"sessions,omitempty" doc:"How many are live; not in lists"`
	Identities    []IdentityName `json:"identities,omitempty" doc:"Which other issuers sign the user in; not in lists"`
}

// IdentityName is what another issuer calls a user.
type IdentityName struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

func shownUser(r authdb.SearchUsersRow) User {
	return User{ID: r.ID.String(), AppID: r.AppID, Email: r.Email, Role: r.Role, Status: r.Status, EmailVerified: r.EmailVerified,
		TokenVersion: r.TokenVersion, CreatedAt: wire.Time(r.CreatedAt), UpdatedAt: wire.Time(r.UpdatedAt)}
}

func userPosition(r authdb.SearchUsersRow) string { return position{r.CreatedAt, r.ID}.String() }

var (
	errNotActive   = fault.New(fault.Conflict, "not_active", "The user is not active: nothing would be delivered")
	errNoPassword  = fault.New(fault.Conflict, "no_password", "Another issuer signs this user in, and there is no password to reset")
	errUserDeleted = fault.New(fault.Conflict, "not_active", "The account was deleted")
)

// UserFilter narrows a search for users; zero values do not.
type UserFilter struct {
	Part         string // of the address, without regard to case
	Role, Status string
	Verified     *bool
}

// Users is a page of an app's users.
func (s *Service) Users(ctx context.Context, app string, f UserFilter, p Page) ([]User, *string, error) {
	at, id, err := p.after()
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.knownApp(ctx, app); err != nil {
		return nil, nil, orNoApp(err)
	}
	rows, err := s.q.SearchUsers(ctx, s.cfg.DB.Reading(db.App(app)), authdb.SearchUsersParams{AppID: app, Part: normalEmail(f.Part), Role: f.Role, Status: f.Status,
		Verified: f.Verified, Before: at, BeforeID: id, Max: p.max()})
	users, next := pageOf(rows, p, shownUser, userPosition)
	return users, next, err
}

// FindUsers looks for users in one app or (app "") in all: by address, by a part of it, by role, by id.
func (s *Service) FindUsers(ctx context.Context, app, email, part, role string, id *uuid.UUID, limit int) ([]User, error) {
	rows, err := s.q.FindUsersSystem(ctx, s.cfg.DB.In(db.System()), authdb.FindUsersSystemParams{AppID: app, ID: id, Email: normalEmail(email),
		Part: normalEmail(part), Role: role, Max: int32(limit)})
	users := make([]User, len(rows))
	for i, r := range rows {
		users[i] = shownUser(authdb.SearchUsersRow(r))
	}
	return users, err
}

// UserOf is one user of an app.
func (s *Service) UserOf(ctx context.Context, app string, id uuid.UUID) (User, error) {
	return s.showUser(ctx, s.cfg.DB.In(db.App(app)), app, id)
}

func (s *Service) showUser(ctx context.Context, conn authdb.DBTX, app string, id uuid.UUID) (User, error) {
	r, err := s.q.ShowUser(ctx, conn, app, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return User{}, errNoUser
	}
	if err != nil {
		return User{}, err
	}
	u := shownUser(authdb.SearchUsersRow{ID: r.ID, AppID: r.AppID, Email: r.Email, Role: r.Role, Status: r.Status, EmailVerified: r.EmailVerified,
		TokenVersion: r.TokenVersion, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt})
	u.Sessions = &r.Sessions
	return u, json.Unmarshal(r.Identities, &u.Identities)
}

// NewUser is an account that an administrator makes.
type NewUser struct {
	Email, Role string
	Password    string // "": the user chooses one, by the link of a mail
	Verified    bool   // the address needs no mail to prove itself
	AnyPassword bool   // the app's policy does not hold
	Silent      bool   // no mails
}

// Check brings the e-mail into normal form and tells every broken rule of it.
func (n *NewUser) Check() error {
	n.Email = normalEmail(n.Email)
	if broken := checkEmail(n.Email); len(broken) > 0 {
		return invalidRequest.WithFields(broken...)
	}
	return nil
}

// unusable stands in place of a password's hash and matches none.
const unusable = "!"

// AddUser makes an account. Without a password there is none that signs in until the user has chosen one.
func (s *Service) AddUser(ctx context.Context, appID string, n NewUser) (User, error) {
	a, err := s.knownApp(ctx, appID)
	if err != nil {
		return User{}, orNoApp(err)
	}
	if err := s.fits(a.id, n.Email); err != nil {
		return User{}, err
	}
	hash := unusable
	if n.Password != "" {
		if broken := a.policy.check("password", n.Password); len(broken) > 0 && !n.AnyPassword {
			return User{}, invalidRequest.WithFields(broken...)
		}
		if hash, err = s.hasher.hash(ctx, n.Password); err != nil {
			return User{}, err
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return User{}, err
	}
	var u User
	err = s.cfg.DB.Tx(ctx, db.App(a.id), func(tx pgx.Tx) error {
		if err := s.q.InsertUser(ctx, tx, authdb.InsertUserParams{ID: id, AppID: a.id, Email: n.Email, PasswordHash: hash, Role: n.Role, EmailVerified: n.Verified}); err != nil {
			return err
		}
		var kinds []mail.Kind
		if n.Password == "" {
			kinds = append(kinds, mail.ResetPassword)
		}
		if !n.Verified && (n.Password != "" || a.verificationRequired) {
			kinds = append(kinds, mail.VerifyEmail)
		}
		if n.Silent {
			kinds = nil
		}
		for _, kind := range kinds {
			if err := s.notice(ctx, tx, a.id, id, kind, n.Email, map[string]string{}); err != nil {
				return err
			}
		}
		if err := s.recordAct(ctx, tx, a.id, id, "user_created", map[string]any{"role": n.Role}); err != nil {
			return err
		}
		u, err = s.showUser(ctx, tx, a.id, id)
		return err
	})
	switch {
	case db.IsUnique(err, "users_email_app_idx"):
		return User{}, errUserExists
	case db.IsForeignKey(err): // the app was deleted a moment ago
		return User{}, errNoApp
	}
	return u, err
}

// errUnchanged ends an act that found everything as it should be: nothing is ended and nothing recorded.
var errUnchanged = errors.New("nothing to change")

// target is the user an act is about, locked until the act is committed.
type target = authdb.LockUserRow

// change does one act on one user in one transaction and returns the user as it is then. Where it may cost the app an
// administrator, those are locked first, by all such acts in one order, so that two can neither deadlock nor leave none.
func (s *Service) change(ctx context.Context, app string, id uuid.UUID, action string, costsAdmin bool,
	act func(tx pgx.Tx, t target) (facts map[string]any, err error),
) (u User, err error) {
	var t target
	err = s.cfg.DB.Tx(ctx, db.App(app), func(tx pgx.Tx) error {
		if costsAdmin {
			if err := s.keepAnAdmin(ctx, tx, app, id); err != nil {
				return err
			}
		}
		t, err = s.q.LockUser(ctx, tx, app, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNoUser
		}
		if err != nil {
			return err
		}
		facts, err := act(tx, t)
		if err == nil {
			err = s.recordAct(ctx, tx, app, id, action, facts)
		}
		if err != nil && !errors.Is(err, errUnchanged) {
			return err
		}
		u, err = s.showUser(ctx, tx, app, id)
		return err
	})
	if err == nil && u.TokenVersion != t.TokenVersion { // this server knows it at once, the others within a second
		s.revoked.end("user", u.ID, u.TokenVersion, time.Now().Add(s.eventLife()))
	}
	return u, err
}

// SuspendUser keeps a user from acting, at once: tokens and sessions end.
func (s *Service) SuspendUser(ctx context.Context, app string, id uuid.UUID) (User, error) {
	return s.change(ctx, app, id, "user_suspended", true, func(tx pgx.Tx, t target) (map[string]any, error) {
		switch t.Status {
		case "suspended":
			return nil, errUnchanged
		case "deleted":
			return nil, errUserDeleted
		}
		if _, err := s.q.SetStatus(ctx, tx, authdb.SetStatusParams{AppID: app, UserID: id, Status: "suspended"}); err != nil {
			return nil, err
		}
		if err := s.q.VoidEmailTokens(ctx, tx, authdb.VoidEmailTokensParams{AppID: app, UserID: id}); err != nil {
			return nil, err
		}
		_, err := s.endAccess(ctx, tx, app, id, "user_suspended")
		return nil, err
	})
}

// ActivateUser lets a suspended user act again, with a new sign-in.
func (s *Service) ActivateUser(ctx context.Context, app string, id uuid.UUID) (User, error) {
	return s.change(ctx, app, id, "user_activated", false, func(tx pgx.Tx, t target) (map[string]any, error) {
		switch t.Status {
		case "active":
			return nil, errUnchanged
		case "deleted":
			return nil, errUserDeleted
		}
		_, err := s.q.SetStatus(ctx, tx, authdb.SetStatusParams{AppID: app, UserID: id, Status: "active"})
		return nil, err
	})
}

// VerifyUser takes an address as proven.
func (s *Service) VerifyUser(ctx context.Context, app string, id uuid.UUID) (User, error) {
	return s.change(ctx, app, id, "email_verified", false, func(tx pgx.Tx, t target) (map[string]any, error) {
		if t.EmailVerified {
			return nil, errUnchanged
		}
		if err := s.q.MarkVerified(ctx, tx, app, id); err != nil {
			return nil, err
		}
		return nil, s.q.VoidEmailTokens(ctx, tx, authdb.VoidEmailTokensParams{AppID: app, UserID: id, Type: typeVerification})
	})
}

// AskForNewPassword ends everything the user holds and sends a reset link. The old password is good until the link is
// followed; nobody but the user chooses a new one.
func (s *Service) AskForNewPassword(ctx context.Context, app string, id uuid.UUID) (User, error) {
	return s.change(ctx, app, id, "password_reset_requested", false, func(tx pgx.Tx, t target) (map[string]any, error) {
		if t.Status != "active" {
			return nil, errNotActive
		}
		if t.Elsewhere {
			return nil, errNoPassword
		}
		if _, err := s.endAccess(ctx, tx, app, id, "password_reset_requested"); err != nil {
			return nil, err
		}
		return nil, s.notice(ctx, tx, app, id, mail.ResetPassword, t.Email, map[string]string{})
	})
}

// EndUserSessions ends all sessions and access tokens of a user.
func (s *Service) EndUserSessions(ctx context.Context, app string, id uuid.UUID, reason string) (User, error) {
	reason = shortReason(reason)
	return s.change(ctx, app, id, "sessions_ended", false, func(tx pgx.Tx, _ target) (map[string]any, error) {
		_, err := s.endAccess(ctx, tx, app, id, reason)
		return map[string]any{"reason": reason}, err
	})
}

// SetUserRole makes a user an administrator or takes that away. Tokens name the role, so they end.
func (s *Service) SetUserRole(ctx context.Context, app string, id uuid.UUID, role string) (User, error) {
	return s.change(ctx, app, id, "role_changed", role != "admin", func(tx pgx.Tx, t target) (map[string]any, error) {
		if t.Role == role {
			return nil, errUnchanged
		}
		if _, err := s.q.SetRole(ctx, tx, authdb.SetRoleParams{AppID: app, UserID: id, Role: role}); err != nil {
			return nil, err
		}
		_, err := s.endAccess(ctx, tx, app, id, "role_changed")
		return map[string]any{"from": t.Role, "to": role}, err
	})
}

// RemoveUser deletes a user with everything that hangs on the row and returns the address.
func (s *Service) RemoveUser(ctx context.Context, app string, id uuid.UUID) (email string, err error) {
	return s.deleteAccount(ctx, app, id, adminFrom(ctx).actor, "user_deleted")
}

// SetUserPassword is for the command line alone: over HTTP nobody sets somebody else's password.
func (s *Service) SetUserPassword(ctx context.Context, appID string, id uuid.UUID, password string) (User, error) {
	a, err := s.knownApp(ctx, appID)
	if err != nil {
		return User{}, orNoApp(err)
	}
	if broken := a.policy.check("password", password); len(broken) > 0 {
		return User{}, invalidRequest.WithFields(broken...)
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return User{}, err
	}
	return s.change(ctx, a.id, id, "password_reset", false, func(tx pgx.Tx, t target) (map[string]any, error) {
		n, err := s.q.SetPassword(ctx, tx, authdb.SetPasswordParams{PasswordHash: hash, AppID: a.id, UserID: id})
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, errUserDeleted
		}
		if _, err := s.endAccess(ctx, tx, a.id, id, "password_reset"); err != nil {
			return nil, err
		}
		if err := s.q.VoidEmailTokens(ctx, tx, authdb.VoidEmailTokensParams{AppID: a.id, UserID: id, Type: typeReset}); err != nil {
			return nil, err
		}
		return nil, s.notice(ctx, tx, a.id, id, mail.PasswordChangedNotice, t.Email, noticeData(ctx))
	})
}

// AddTestUser makes a verified user and signs it in.
func (s *Service) AddTestUser(ctx context.Context, appID string, n NewUser) (User, Tokens, error) {
	n.Verified, n.Silent = true, true
	u, err := s.AddUser(ctx, appID, n)
	if err != nil {
		return u, Tokens{}, err
	}
	a, err := s.knownApp(ctx, appID)
	if err != nil {
		return u, Tokens{}, err
	}
	id, err := uuid.Parse(u.ID)
	if err != nil {
		return u, Tokens{}, err
	}
	_, tokens, err := s.open(ctx, s.cfg.DB.In(db.App(a.id)), a, person{id: id, email: u.Email, role: u.Role, tokenVersion: u.TokenVersion}, unbounded{})
	return u, tokens, err
}
