package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/mail"
)

// Types of mail tokens, as in the table.
const (
	typeVerification = "email_verification"
	typeReset        = "password_reset"
)

// mailsPerHour bounds the mails of one kind to one user.
const mailsPerHour = 3

// newEmailToken is 64 hexadecimal digits; only its hash is stored.
func newEmailToken() (token, hash string) {
	b := make([]byte, 32)
	rand.Read(b)
	token = hex.EncodeToString(b)
	return token, hashEmailToken(token)
}

func hashEmailToken(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// requestMail queues a mail of a kind to whoever has this address. The same statements run whether or not anybody has, so that
// answer and time tell nothing: where there is no mail, the job has nothing to do.
func (s *Service) requestMail(ctx context.Context, app, email string, kind mail.Kind, action string) error {
	ip, agent := audit.Origin(ctx)
	return s.cfg.DB.Tx(ctx, db.App(app), func(tx pgx.Tx) error {
		u, err := s.q.LockUserByEmail(ctx, tx, app, email)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		arg := authdb.QueueMailWithinParams{AppID: app, Kind: string(kind), Recipient: email, Max: mailsPerHour, Action: action,
			Ip: ip, UserAgent: agent, Meta: meta(ctx)}
		// A user whom another issuer signs in has no password to reset; a link would make the account another one.
		unwanted := kind == mail.VerifyEmail && u.EmailVerified || kind == mail.ResetPassword && u.Elsewhere
		if err == nil && !unwanted {
			arg.UserID = &u.ID
		}
		id, err := s.q.QueueMailWithin(ctx, tx, arg)
		if err != nil {
			return err
		}
		return s.enqueueMail(ctx, tx, id)
	})
}

// badEmailToken is the contract's answer to a token that is unknown, used, expired or of another type.
func badEmailToken(message string) error {
	return fault.New(fault.Invalid, "bad_request", message).WithFields(fault.Field{Name: "token", Code: "INVALID_TOKEN", Message: message})
}

// resetPassword spends a reset token. Everything the user held ends.
func (s *Service) resetPassword(ctx context.Context, token, password string) error {
	bad := badEmailToken("Invalid or expired password reset token")
	hash := hashEmailToken(token)
	scope := db.AppOfEmailToken(hash)
	app, err := s.appOfToken(ctx, scope, hash)
	if err != nil {
		return orBad(err, bad)
	}
	if broken := app.policy.check("newPassword", password); len(broken) > 0 {
		return invalidRequest.WithFields(broken...)
	}
	newHash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	err = s.ending(ctx, scope, func(tx pgx.Tx) (uuid.UUID, int32, error) {
		t, err := s.q.ConsumeEmailToken(ctx, tx, authdb.ConsumeEmailTokenParams{TokenHash: hash, Type: typeReset, Now: s.cfg.Now()})
		if err != nil {
			return t.UserID, 0, err
		}
		n, err := s.q.SetPassword(ctx, tx, authdb.SetPasswordParams{PasswordHash: newHash, AppID: t.AppID, UserID: t.UserID})
		if err != nil {
			return t.UserID, 0, err
		}
		if n == 0 {
			return t.UserID, 0, pgx.ErrNoRows
		}
		version, err := s.endAccess(ctx, tx, t.AppID, t.UserID, "password_reset")
		if err != nil {
			return t.UserID, 0, err
		}
		if err := s.q.VoidEmailTokens(ctx, tx, authdb.VoidEmailTokensParams{AppID: t.AppID, UserID: t.UserID, Type: typeReset}); err != nil {
			return t.UserID, 0, err
		}
		if err := s.notice(ctx, tx, t.AppID, t.UserID, mail.PasswordChangedNotice, t.Email, noticeData(ctx)); err != nil {
			return t.UserID, 0, err
		}
		return t.UserID, version, s.record(ctx, tx, t.AppID, t.UserID, "", "password_reset", nil)
	})
	return orBad(err, bad)
}

// appOfToken finds the app of a token that is still good, before the work of hashing a password for it.
func (s *Service) appOfToken(ctx context.Context, scope db.Scope, hash string) (app, error) {
	id, err := s.q.OpenEmailToken(ctx, s.cfg.DB.In(scope), hash, s.cfg.Now())
	if err != nil {
		return app{}, err
	}
	return s.knownApp(ctx, id)
}

// orBad gives the one answer to every token that does not work.
func orBad(err, bad error) error {
	if errors.Is(err, pgx.ErrNoRows) || errors.Is(err, db.ErrNoTenant) || errors.Is(err, errNoUser) {
		return bad
	}
	return err
}

// verified is the user that a verification token belonged to.
type verified struct {
	id    uuid.UUID
	email string
}

// verifyEmail spends a verification token. It proves the address it was sent to, and no other the user has now.
func (s *Service) verifyEmail(ctx context.Context, token string) (v verified, err error) {
	hash := hashEmailToken(token)
	err = s.cfg.DB.Tx(ctx, db.AppOfEmailToken(hash), func(tx pgx.Tx) error {
		t, err := s.q.ConsumeEmailToken(ctx, tx, authdb.ConsumeEmailTokenParams{TokenHash: hash, Type: typeVerification, Now: s.cfg.Now()})
		if err != nil {
			return err
		}
		if v.email, err = s.q.SetVerified(ctx, tx, authdb.SetVerifiedParams(t)); err != nil {
			return err
		}
		v.id = t.UserID
		if err := s.notice(ctx, tx, t.AppID, t.UserID, mail.Welcome, t.Email, nil); err != nil {
			return err
		}
		return s.record(ctx, tx, t.AppID, t.UserID, "", "email_verified", nil)
	})
	return v, orBad(err, badEmailToken("Invalid or expired email verification token"))
}
