package auth

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/wire"
)

// LiveSession is one place where somebody is signed in.
type LiveSession struct {
	ID         string     `json:"id" format:"uuid"`
	AppID      string     `json:"appId"`
	UserID     string     `json:"userId" format:"uuid"`
	Email      string     `json:"email"`
	CreatedAt  wire.Time  `json:"createdAt" format:"date-time"`
	LastUsedAt *wire.Time `json:"lastUsedAt" format:"date-time"`
	ExpiresAt  wire.Time  `json:"expiresAt" format:"date-time"`
	UserAgent  *string    `json:"userAgent"`
	IP         *string    `json:"ip"`
}

// SessionFilter narrows the list of sessions; zero values do not.
type SessionFilter struct {
	App, Email string
	User       *uuid.UUID
}

// Sessions is a page of the live sessions of all apps.
func (s *Service) Sessions(ctx context.Context, f SessionFilter, p Page) ([]LiveSession, *string, error) {
	at, id, err := p.after()
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.q.LiveSessionsSystem(ctx, s.cfg.DB.In(db.System()), authdb.LiveSessionsSystemParams{AppID: f.App, UserID: f.User, Email: normalEmail(f.Email),
		Before: at, BeforeID: id, Max: p.max()})
	sessions, next := pageOf(rows, p, func(r authdb.LiveSessionsSystemRow) LiveSession {
		return LiveSession{ID: r.ID.String(), AppID: r.AppID, UserID: r.UserID.String(), Email: r.Email, CreatedAt: wire.Time(r.CreatedAt),
			LastUsedAt: wire.TimePtr(r.LastUsedAt), ExpiresAt: wire.Time(r.ExpiresAt), UserAgent: r.UserAgent, IP: r.Ip}
	}, func(r authdb.LiveSessionsSystemRow) string { return position{r.CreatedAt, r.ID}.String() })
	return sessions, next, err
}

var errNoSession = fault.New(fault.NotFound, "not_found", "Session not found")

// EndSession ends any user's session. ended is false for one that had ended before.
func (s *Service) EndSession(ctx context.Context, id uuid.UUID, reason string) (ended bool, err error) {
	conn := s.cfg.DB.In(db.AppOfSession(id))
	actor := adminFrom(ctx).actor
	ended, err = s.endSession(ctx, conn, id, nil, shortReason(reason), "session_revoked", &actor)
	if errors.Is(err, db.ErrNoTenant) {
		return false, errNoSession
	}
	return ended, err
}

// SessionCounts says how many sessions there are.
type SessionCounts struct {
	Total   int64 `json:"total"`
	Active  int64 `json:"active"`
	Revoked int64 `json:"revoked"`
	Expired int64 `json:"expired"`
}

// CountSessions counts the sessions of all apps, those that have ended included.
func (s *Service) CountSessions(ctx context.Context) (SessionCounts, error) {
	r, err := s.q.SessionCountsSystem(ctx, s.cfg.DB.In(db.System()))
	return SessionCounts{Total: r.Total, Active: r.Active, Revoked: r.Revoked, Expired: r.Expired}, err
}

// PurgeSessions deletes what expired longer than age ago, in batches.
func (s *Service) PurgeSessions(ctx context.Context, age time.Duration) (deleted int64, err error) {
	n, err := s.purgeSessions(ctx, s.cfg.DB.In(db.System()), age)
	return int64(n), err
}

// Revocation is an entry of the feed that servers follow.
type Revocation struct {
	ID        int64      `json:"id"`
	AppID     string     `json:"appId"`
	Kind      string     `json:"kind" enum:"jti,session,user,app"`
	Subject   string     `json:"subject" doc:"The jti, or the id of the session, user or app"`
	Version   *int32     `json:"version" doc:"Of a user: tokens of an older token version are void"`
	NotBefore *wire.Time `json:"notBefore" format:"date-time" doc:"Of an app: tokens issued before are void"`
	ExpiresAt wire.Time  `json:"expiresAt" format:"date-time" doc:"No token that it ends can be alive then"`
	CreatedAt wire.Time  `json:"createdAt" format:"date-time"`
}

// Revocations is a page of the feed, newest first.
func (s *Service) Revocations(ctx context.Context, app string, p Page) ([]Revocation, *string, error) {
	before, err := p.before()
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.q.EventsSystem(ctx, s.cfg.DB.In(db.System()), authdb.EventsSystemParams{AppID: app, Before: before, Max: p.max()})
	events, next := pageOf(rows, p, shownRevocation, func(r authdb.RevocationEvent) string { return strconv.FormatInt(r.ID, 10) })
	return events, next, err
}

func shownRevocation(r authdb.RevocationEvent) Revocation {
	return Revocation{ID: r.ID, AppID: r.AppID, Kind: r.Kind, Subject: r.Subject, Version: r.Version, NotBefore: wire.TimePtr(r.NotBefore),
		ExpiresAt: wire.Time(r.ExpiresAt), CreatedAt: wire.Time(r.CreatedAt)}
}

// before is where a list by number goes on; 0 is its start.
func (p Page) before() (int64, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	text, err := p.text()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, errCursor
	}
	return n, nil
}

// RevokeToken ends one access token of a user. Without a time of expiry it is remembered for as long as any token lives.
// revoked is false if it had been revoked before.
func (s *Service) RevokeToken(ctx context.Context, jti string, user uuid.UUID, expires time.Time, reason string) (revoked bool, err error) {
	app, err := s.appOfUser(ctx, user)
	if err != nil {
		return false, err
	}
	if expires.IsZero() {
		expires = time.Now().Add(s.eventLife())
	}
	ip, agent := audit.Origin(ctx)
	actor, why := adminFrom(ctx).actor, shortReason(reason)
	n, err := s.q.RevokeAccess(ctx, s.cfg.DB.In(db.App(app)), authdb.RevokeAccessParams{Jti: jti, Reason: &why, ExpiresAt: expires, AppID: app, UserID: user,
		Actor: &actor, Action: "token_revoked", Ip: ip, UserAgent: agent, Meta: meta(ctx)})
	if err == nil {
		s.revoked.end("jti", jti, 0, expires.Add(clocksApart))
	}
	return n > 0, err
}

func (s *Service) appOfUser(ctx context.Context, user uuid.UUID) (string, error) {
	app, err := s.q.AppOfUserSystem(ctx, s.cfg.DB.In(db.System()), user)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", errNoUser
	}
	return app, err
}

// AuditEntry is a row of the audit log.
type AuditEntry struct {
	ID        string         `json:"id" format:"uuid"`
	AppID     string         `json:"appId"`
	UserID    *string        `json:"userId" format:"uuid" doc:"Whom it happened to"`
	Actor     *string        `json:"actor" doc:"Who did it: a user's id, admin-key:<name>, or gravy"`
	Action    string         `json:"action" example:"login"`
	IP        *string        `json:"ip"`
	UserAgent *string        `json:"userAgent"`
	Meta      map[string]any `json:"meta" doc:"Facts of the act; requestId names the request in the log"`
	CreatedAt wire.Time      `json:"createdAt" format:"date-time"`
}

// AuditFilter narrows the audit log; zero values do not.
type AuditFilter struct {
	App, Actor, Action string
	User               *uuid.UUID // whom it happened to
	From, To           *time.Time // the second is not included
}

// Audit is a page of the audit log, newest first.
func (s *Service) Audit(ctx context.Context, f AuditFilter, p Page) ([]AuditEntry, *string, error) {
	at, id, err := p.after()
	if err != nil {
		return nil, nil, err
	}
	var self *uuid.UUID
	if id, err := uuid.Parse(f.Actor); err == nil {
		self = &id
	}
	rows, err := s.q.AuditSystem(ctx, s.cfg.DB.Reading(db.System()), authdb.AuditSystemParams{AppID: f.App, UserID: f.User, Actor: f.Actor, Self: self, Action: f.Action,
		Since: f.From, Until: f.To, Before: at, BeforeID: id, Max: p.max()})
	entries, next := pageOf(rows, p, shownEntry, func(r authdb.Audit) string { return position{r.CreatedAt, r.ID}.String() })
	return entries, next, err
}

func shownEntry(r authdb.Audit) AuditEntry {
	e := AuditEntry{ID: r.ID.String(), AppID: r.AppID, Actor: r.Actor, Action: r.Action, IP: r.Ip, UserAgent: r.UserAgent, CreatedAt: wire.Time(r.CreatedAt)}
	if r.UserID != nil {
		id := r.UserID.String()
		e.UserID = &id
	}
	if r.Meta != nil {
		_ = json.Unmarshal([]byte(*r.Meta), &e.Meta) // what an import brought may be no JSON
	}
	return e
}

// KeptMail is a mail of the development mailbox.
type KeptMail struct {
	ID        int64     `json:"id"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Subject   string    `json:"subject"`
	Text      string    `json:"text"`
	HTML      string    `json:"html"`
	CreatedAt wire.Time `json:"createdAt" format:"date-time"`
}

// KeptMails is a page of the development mailbox, newest first.
func (s *Service) KeptMails(ctx context.Context, recipient string, p Page) ([]KeptMail, *string, error) {
	before, err := p.before()
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.q.MailboxSystem(ctx, s.cfg.DB.In(db.System()), authdb.MailboxSystemParams{Recipient: normalEmail(recipient), Before: before, Max: p.max()})
	mails, next := pageOf(rows, p, func(r authdb.Mailbox) KeptMail {
		return KeptMail{ID: r.ID, From: r.Sender, To: r.Recipient, Subject: r.Subject, Text: r.BodyText, HTML: r.BodyHtml, CreatedAt: wire.Time(r.CreatedAt)}
	}, func(r authdb.Mailbox) string { return strconv.FormatInt(r.ID, 10) })
	return mails, next, err
}

// keepsMail reports whether mails are there to be read: never in production, where they hold people's links.
func (s *Service) keepsMail() bool {
	return !s.cfg.Production && s.cfg.Mail != nil && s.cfg.Mail.Name() == "mailbox"
}

// clearer is a lockout that can forget.
type clearer interface {
	Clear(ctx context.Context, app, email string) error
}

// ClearLockout lifts every lock of an account and forgets its failures, whether or not there is such an account. The count
// may live elsewhere than in PostgreSQL, so the audit row follows it.
func (s *Service) ClearLockout(ctx context.Context, app, email string) error {
	c, ok := s.cfg.Lockout.(clearer)
	if !ok {
		return fault.New(fault.Unavailable, "", "This server counts no failures")
	}
	if err := c.Clear(ctx, app, email); err != nil {
		return err
	}
	return s.cfg.DB.Tx(ctx, db.App(app), func(tx pgx.Tx) error {
		u, err := s.q.UserByEmail(ctx, tx, app, email)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		return s.recordAct(ctx, tx, app, u.ID, "lockout_cleared", nil)
	})
}

// Stats are figures of the whole server.
type Stats struct {
	Apps         int64 `json:"apps"`
	Users        int64 `json:"users"`
	Sessions     int64 `json:"sessions" doc:"Live ones"`
	Logins24h    int64 `json:"logins24h" doc:"Sign-ins of the last 24 hours"`
	MailsWaiting int64 `json:"mailsWaiting" doc:"Not yet tried"`
	MailsFailed  int64 `json:"mailsFailed" doc:"Tried and not sent; most are tried again"`
}

// Stats counts.
func (s *Service) Stats(ctx context.Context) (Stats, error) {
	r, err := s.q.StatsSystem(ctx, s.cfg.DB.In(db.System()))
	return Stats{Apps: r.Apps, Users: r.Users, Sessions: r.Sessions, Logins24h: r.Logins, MailsWaiting: r.MailsWaiting, MailsFailed: r.MailsFailed}, err
}
