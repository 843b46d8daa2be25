package auth

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/auth/authdb"
	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/mail"
)

// What a user may do with the own account. Each act is one transaction: the change, the end of what it ends, the mails it
// causes and the audit row.

// record writes an audit row inside a transaction.
func (s *Service) record(ctx context.Context, tx pgx.Tx, app string, user uuid.UUID, actor, action string, facts map[string]any) error {
	ip, agent := audit.Origin(ctx)
	m := string(audit.Meta(ctx, facts))
	row := authdb.WriteAuditParams{AppID: app, Action: action, Ip: ip, UserAgent: agent, Meta: &m}
	if user != uuid.Nil {
		row.UserID = &user
	}
	if actor == "" {
		actor = user.String()
	}
	row.Actor = &actor
	return s.q.WriteAudit(ctx, tx, row)
}

// endAccess ends all access tokens and sessions of a user.
func (s *Service) endAccess(ctx context.Context, tx pgx.Tx, app string, user uuid.UUID, reason string) (int32, error) {
	version, err := s.q.EndAccess(ctx, tx, authdb.EndAccessParams{AppID: app, UserID: user, Reason: &reason, EventLife: s.eventLife()})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, errNoUser
	}
	return version, err
}

// ending runs a transaction that ends all a user holds, and once it is committed makes this server know it.
func (s *Service) ending(ctx context.Context, scope db.Scope, act func(tx pgx.Tx) (user uuid.UUID, version int32, err error)) error {
	var user uuid.UUID
	var version int32
	// Whoever saves something holds the user's keys, or the credential, and then asks for the user; a deletion has the user and goes on
	// to those. It has no right to take them first, so it is the one that tries again.
	err := s.cfg.DB.TxAgain(ctx, scope, func(tx pgx.Tx) (err error) {
		user, version, err = act(tx)
		return err
	})
	if err == nil {
		s.revoked.end("user", user.String(), version, time.Now().Add(s.eventLife()))
	}
	return err
}

// notice queues a mail about an account inside a transaction.
func (s *Service) notice(ctx context.Context, tx pgx.Tx, app string, user uuid.UUID, kind mail.Kind, to string, data map[string]string) error {
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	id, err := s.q.QueueMail(ctx, tx, authdb.QueueMailParams{AppID: app, UserID: user, Kind: string(kind), Recipient: to, Data: body})
	if err != nil {
		return err
	}
	return s.enqueueMail(ctx, tx, id)
}

// noticeData is what a notice says about the request that caused it.
func noticeData(ctx context.Context) map[string]string {
	r := caller.RequestFrom(ctx)
	return map[string]string{"ip": r.IP, "userAgent": r.UserAgent}
}

// changePassword needs the current one; everything the user holds ends, open reset links included.
func (s *Service) changePassword(ctx context.Context, u caller.User, current, next string) error {
	a, err := s.knownApp(ctx, u.AppID)
	if err != nil {
		return err
	}
	if broken := a.policy.check("newPassword", next); len(broken) > 0 {
		return invalidRequest.WithFields(broken...)
	}
	if current == next {
		return fault.New(fault.Invalid, "validation_error", "New password must be different from current password")
	}
	conn := s.cfg.DB.In(db.App(u.AppID))
	if err := s.checkCurrent(ctx, conn, u, current); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, next)
	if err != nil {
		return err
	}
	return s.ending(ctx, db.App(u.AppID), func(tx pgx.Tx) (uuid.UUID, int32, error) {
		if _, err := s.q.SetPassword(ctx, tx, authdb.SetPasswordParams{PasswordHash: hash, AppID: u.AppID, UserID: u.ID}); err != nil {
			return u.ID, 0, err
		}
		version, err := s.endAccess(ctx, tx, u.AppID, u.ID, "password_changed")
		if err != nil {
			return u.ID, 0, err
		}
		if err := s.q.VoidEmailTokens(ctx, tx, authdb.VoidEmailTokensParams{AppID: u.AppID, UserID: u.ID, Type: typeReset}); err != nil {
			return u.ID, 0, err
		}
		if err := s.notice(ctx, tx, u.AppID, u.ID, mail.PasswordChangedNotice, u.Email, noticeData(ctx)); err != nil {
			return u.ID, 0, err
		}
		return u.ID, version, s.record(ctx, tx, u.AppID, u.ID, "", "password_changed", nil)
	})
}

// checkCurrent verifies the password that an act asks for again. Guessing it counts as guessing at login does.
func (s *Service) checkCurrent(ctx context.Context, conn db.Conn, u caller.User, password string) error {
	attempt, err := s.begin(ctx, u.AppID, u.Email, "", nil)
	if err != nil {
		return err
	}
	hash, err := s.q.PasswordOf(ctx, conn, u.AppID, u.ID)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		attempt.Done(ctx)
		return err
	}
	ok, _, err := s.hasher.verify(ctx, password, hash)
	switch {
	case err != nil:
		attempt.Done(ctx)
		return err
	case !ok:
		return s.wrong(ctx, conn, u.AppID, u.ID, attempt, errCurrentPassword, "")
	}
	return attempt.Succeeded(ctx, nil)
}

// changeEmail moves the account to another address, which has to be verified anew; the old one hears of it.
func (s *Service) changeEmail(ctx context.Context, u caller.User, email string, current *string) (created time.Time, err error) {
	if current != nil {
		if err := s.checkCurrent(ctx, s.cfg.DB.In(db.App(u.AppID)), u, *current); err != nil {
			return created, err
		}
	}
	if email == u.Email {
		return u.CreatedAt, nil
	}
	if err := s.fits(u.AppID, email); err != nil {
		return created, err
	}
	err = s.cfg.DB.Tx(ctx, db.App(u.AppID), func(tx pgx.Tx) error {
		created, err = s.q.SetEmail(ctx, tx, authdb.SetEmailParams{Email: email, AppID: u.AppID, UserID: u.ID})
		if err != nil {
			return err
		}
		if err := s.q.VoidEmailTokens(ctx, tx, authdb.VoidEmailTokensParams{AppID: u.AppID, UserID: u.ID}); err != nil {
			return err
		}
		if err := s.boundedChanges(ctx, tx, u); err != nil {
			return err
		}
		data := noticeData(ctx)
		data["newEmail"] = email
		if err := s.notice(ctx, tx, u.AppID, u.ID, mail.EmailChangedNotice, u.Email, data); err != nil {
			return err
		}
		if err := s.notice(ctx, tx, u.AppID, u.ID, mail.VerifyEmail, email, nil); err != nil {
			return err
		}
		return s.record(ctx, tx, u.AppID, u.ID, "", "email_changed", nil)
	})
	switch {
	case db.IsUnique(err, "users_email_app_idx"):
		return created, errEmailTaken
	case errors.Is(err, pgx.ErrNoRows):
		return created, errNoUser
	}
	return created, err
}

// boundedChanges refuses another change of address where the last hour had as many as mails are sent: each writes to an
// address of the caller's choice. The user's row is locked by the change itself.
func (s *Service) boundedChanges(ctx context.Context, tx pgx.Tx, u caller.User) error {
	n, err := s.q.CountMails(ctx, tx, authdb.CountMailsParams{AppID: u.AppID, UserID: u.ID, Kind: string(mail.EmailChangedNotice)})
	if err == nil && n >= mailsPerHour {
		return fault.New(fault.Limited, "rate_limit_exceeded", "The address was changed several times in the last hour. Please try again later.").
			WithRetryAfter(time.Hour)
	}
	return err
}

// deleteAccount removes the user and everything that hangs on the row: sessions, tokens, credentials with their keys,
// schedules. Audit rows stay, without the person.
func (s *Service) deleteAccount(ctx context.Context, app string, user uuid.UUID, actor, action string) (email string, err error) {
	err = s.ending(ctx, db.App(app), func(tx pgx.Tx) (uuid.UUID, int32, error) {
		if err := s.keepAnAdmin(ctx, tx, app, user); err != nil {
			return user, 0, err
		}
		// The strongest lock comes first: taking it only with the DELETE would wait for whoever got a weaker one meanwhile.
		if _, err := s.q.LockUser(ctx, tx, app, user); err != nil {
			return user, 0, err
		}
		version, err := s.endAccess(ctx, tx, app, user, "account_deleted")
		if err != nil {
			return user, 0, err
		}
		gone, err := s.q.DeleteUser(ctx, tx, app, user)
		if err != nil {
			return user, 0, err
		}
		email = gone.Email
		if err := s.record(ctx, tx, app, user, actor, action, nil); err != nil {
			return user, 0, err
		}
		return user, version, s.q.ForgetInAudit(ctx, tx, user, gone.UserNo)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return "", errNoUser
	}
	return email, err
}

// keepAnAdmin refuses to take the last administrator of an app away. The rows stay locked until the transaction ends.
func (s *Service) keepAnAdmin(ctx context.Context, tx pgx.Tx, app string, user uuid.UUID) error {
	admins, err := s.q.LockAdmins(ctx, tx, app)
	if err == nil && !adminFrom(ctx).forced && len(admins) == 1 && admins[0] == user {
		return errLastAdmin
	}
	return err
}

// endOthers ends all sessions of a user but the one that asks, and says how many those were.
func (s *Service) endOthers(ctx context.Context, u caller.User) (int64, error) {
	ip, agent := audit.Origin(ctx)
	reason := "user_revoked"
	sessions, err := s.q.EndOtherSessions(ctx, s.cfg.DB.In(db.App(u.AppID)), authdb.EndOtherSessionsParams{Reason: &reason, AppID: u.AppID, UserID: u.ID,
		Keep: u.SessionID, EventLife: s.eventLife(), Ip: ip, UserAgent: agent, Meta: meta(ctx)})
	s.ended(sessions...)
	return int64(len(sessions)), err
}
