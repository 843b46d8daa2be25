package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"turkey/internal/fault"
	"turkey/internal/wire"
)

func (s *Service) mountAdminSystem(m adminRoutes) {
	huma.Register(m.api, m.op(http.MethodGet, "sessions", "listLiveSessions", "List live sessions", "Of all apps, newest first. For operators."), s.handleLiveSessions)
	huma.Register(m.api, m.op(http.MethodDelete, "sessions/{sid}", "endLiveSession", "End a session", "Its access tokens end with it. For operators."), s.handleEndLiveSession)
	huma.Register(m.api, m.op(http.MethodGet, "revocations", "listRevocations", "List revocations", "What ends access tokens before they expire; newest first. For operators."), s.handleRevocations)
	huma.Register(m.api, created(m.op(http.MethodPost, "revocations", "addRevocation", "Revoke",
		"An access token by its jti (then userId is needed), a session, everything of a user, or everything of an app. For operators.")), s.handleAddRevocation)
	huma.Register(m.api, m.op(http.MethodGet, "keys", "listKeys", "List signing keys", "Newest first, those that are gone included. Public parts only. For operators."), s.handleKeys)
	huma.Register(m.api, m.op(http.MethodPost, "keys/rotate", "rotateKeys", "Rotate the signing keys",
		"A new key takes over as soon as every server publishes it; the others verify until the last token they signed has expired. For operators."), s.handleRotate)
	huma.Register(m.api, m.op(http.MethodPost, "keys/{kid}/retire", "retireKey", "Retire a signing key", "The only one that can sign stays. For operators."), onKey(s.RetireKey))
	huma.Register(m.api, m.op(http.MethodPost, "keys/{kid}/revoke", "revokeKey", "Revoke a signing key",
		"For a key that others may have. It leaves the key set, and every token it signed is refused here within a second; whoever verifies "+
			"with a copy of the key set takes them until that is renewed. If it signs, a new key does from now on. Sessions go on: they refresh. "+
			"It does not come back. For operators."), s.handleRevokeKey)
	huma.Register(m.api, m.op(http.MethodPost, "keys/{kid}/activate", "activateKey", "Make a signing key sign", "Brings it back if it was retired. For operators."), onKey(s.ActivateKey))
	huma.Register(m.api, m.op(http.MethodGet, "audit", "listAudit", "Read the audit log", "Newest first. For operators."), s.handleAudit)
	huma.Register(m.api, m.op(http.MethodGet, "mailbox", "listMails", "Read the development mailbox",
		"Where mails are kept instead of sent (EMAIL_SERVICE=mailbox), never in production. For operators."), s.handleMailbox)
	huma.Register(m.api, m.op(http.MethodDelete, "limits", "clearLockout", "Lift the lockout of an account",
		"Forgets failed sign-ins of an address in an app, whether or not it has an account. For operators."), s.handleClearLockout)
	huma.Register(m.api, m.op(http.MethodGet, "stats", "stats", "Figures of the server", "For operators."), s.handleStats)
	huma.Register(m.api, m.op(http.MethodGet, "health", "adminHealth", "How this server is", "For operators."), s.handleAdminHealth)
}

type sessionsInput struct {
	PageQuery
	App  string `query:"app" doc:"App id"`
	User string `query:"user" doc:"User id" format:"uuid"`
}

func (s *Service) handleLiveSessions(ctx context.Context, in *sessionsInput) (*pageOutput[LiveSession], error) {
	var q queryRules
	f := SessionFilter{App: q.app("app", in.App), User: q.id("user", in.User)}
	if err := q.err(); err != nil {
		return nil, err
	}
	return listed(s.Sessions(ctx, f, in.page()))
}

func (s *Service) handleEndLiveSession(ctx context.Context, in *struct {
	SID string `path:"sid" doc:"Session id"`
}) (*messageOutput, error) {
	id, err := uuid.Parse(in.SID)
	if err != nil {
		return nil, errNoSession
	}
	ended, err := s.EndSession(ctx, id, "")
	switch {
	case err != nil:
		return nil, err
	case !ended:
		return nil, errNoSession
	}
	return message("Session ended"), nil
}

type revocationsInput struct {
	PageQuery
	App string `query:"app" doc:"App id"`
}

func (s *Service) handleRevocations(ctx context.Context, in *revocationsInput) (*pageOutput[Revocation], error) {
	var q queryRules
	app := q.app("app", in.App)
	if err := q.err(); err != nil {
		return nil, err
	}
	return listed(s.Revocations(ctx, app, in.page()))
}

type revocationBody struct {
	Kind      string     `json:"kind" enum:"jti,session,user,app"`
	Subject   string     `json:"subject" doc:"The jti, or the id of the session, user or app"`
	UserID    *string    `json:"userId,omitempty" format:"uuid" doc:"jti: whose token it is"`
	ExpiresAt *wire.Time `json:"expiresAt,omitempty" format:"date-time" doc:"jti: when the token expires; default: when any token has"`
	Reason    *string    `json:"reason,omitempty" doc:"At most 1000 characters; the first 100 are kept"`
}

// Validate lists every broken rule.
func (b *revocationBody) Validate() []fault.Field {
	var q queryRules
	switch b.Kind {
	case "jti":
		if b.Subject == "" || len(b.Subject) > 100 || q.text("subject", b.Subject) == "" {
			q.add("subject", "Expected a jti")
		}
		if b.UserID == nil {
			q.broken = append(q.broken, required("userId"))
		} else if q.id("userId", *b.UserID) == nil && *b.UserID == "" {
			q.add("userId", "Expected a UUID")
		}
		if b.ExpiresAt != nil && time.Time(*b.ExpiresAt).Year() > 9999 {
			q.add("expiresAt", "Expected an ISO 8601 time")
		}
	case "session", "user":
		if q.id("subject", b.Subject) == nil && b.Subject == "" {
			q.add("subject", "Expected a UUID")
		}
	case "app":
		if q.app("subject", b.Subject) == "" {
			q.add("subject", "Expected the id of an app")
		}
	default:
		q.broken = append(q.broken, fault.Field{Name: "kind", Code: "invalid_enum_value", Message: "Kind must be jti, session, user or app"})
	}
	return append(q.broken, (&reasonBody{b.Reason}).Validate()...)
}

type revoked struct {
	Kind    string `json:"kind" enum:"jti,session,user,app"`
	Subject string `json:"subject"`
	Revoked bool   `json:"revoked" doc:"false: it had ended before"`
}

func (s *Service) handleAddRevocation(ctx context.Context, in *struct{ Body revocationBody }) (*dataOutput[revoked], error) {
	b := in.Body
	ended, err := s.addRevocation(ctx, b)
	return answered(revoked{b.Kind, b.Subject, ended}, err)
}

// addRevocation takes what Validate let through.
func (s *Service) addRevocation(ctx context.Context, b revocationBody) (ended bool, err error) {
	switch b.Kind {
	case "app":
		_, err := s.RevokeApp(ctx, b.Subject, value(b.Reason))
		return err == nil, err
	case "jti":
		user, err := uuid.Parse(value(b.UserID))
		if err != nil {
			return false, errNoUser
		}
		var expires time.Time
		if b.ExpiresAt != nil {
			expires = time.Time(*b.ExpiresAt)
		}
		return s.RevokeToken(ctx, b.Subject, user, expires, value(b.Reason))
	}
	id, err := uuid.Parse(b.Subject)
	if err != nil {
		return false, err
	}
	if b.Kind == "session" {
		return s.EndSession(ctx, id, value(b.Reason))
	}
	app, err := s.appOfUser(ctx, id)
	if err != nil {
		return false, err
	}
	_, err = s.EndUserSessions(ctx, app, id, value(b.Reason))
	return err == nil, err
}

func (s *Service) handleKeys(ctx context.Context, _ *struct{}) (*pageOutput[KeyInfo], error) {
	keys, err := s.Keys(ctx)
	return listed(keys, nil, err)
}

type rotateBody struct {
	KeepOld *bool `json:"keepOld,omitempty" doc:"The old keys stay active: they could sign again"`
}

func (s *Service) handleRotate(ctx context.Context, in *struct{ Body rotateBody }) (*dataOutput[KeyInfo], error) {
	return answered(s.RotateKeys(ctx, in.Body.KeepOld != nil && *in.Body.KeepOld))
}

// onKey makes a handler of an act on one key.
func onKey(act func(context.Context, string) (KeyInfo, error)) func(context.Context, *keyPath) (*dataOutput[KeyInfo], error) {
	return func(ctx context.Context, in *keyPath) (*dataOutput[KeyInfo], error) {
		return answered(act(ctx, in.KID))
	}
}

type revokedKey struct {
	KeyInfo
	Successor string `json:"successor,omitempty" doc:"The new key that signs, if this one did" example:"key_0123456789abcdef0123456789abcdef"`
}

func (s *Service) handleRevokeKey(ctx context.Context, in *keyPath) (*dataOutput[revokedKey], error) {
	k, successor, err := s.RevokeKey(ctx, in.KID)
	return answered(revokedKey{k, successor}, err)
}

type keyPath struct {
	KID string `path:"kid" example:"key_0123456789abcdef0123456789abcdef"`
}

// AuditQuery narrows the audit log.
type AuditQuery struct {
	User   string `query:"user" format:"uuid" doc:"Whom it happened to"`
	Actor  string `query:"actor" doc:"Who did it: a user's id, admin-key:<name>, or gravy"`
	Action string `query:"action" example:"login"`
	From   string `query:"from" doc:"ISO 8601 time or day, included"`
	To     string `query:"to" doc:"ISO 8601 time or day, not included"`
}

func (a AuditQuery) filter(q *queryRules) AuditFilter {
	return AuditFilter{Actor: q.text("actor", a.Actor), Action: q.action("action", a.Action), User: q.id("user", a.User),
		From: q.time("from", a.From), To: q.time("to", a.To)}
}

type auditInput struct {
	PageQuery
	App string `query:"app" doc:"App id"`
	AuditQuery
}

func (s *Service) handleAudit(ctx context.Context, in *auditInput) (*pageOutput[AuditEntry], error) {
	var q queryRules
	f := in.filter(&q)
	f.App = q.app("app", in.App)
	if err := q.err(); err != nil {
		return nil, err
	}
	return listed(s.Audit(ctx, f, in.page()))
}

func (s *Service) handleAppAudit(ctx context.Context, in *struct {
	AppPath
	PageQuery
	AuditQuery
}) (*pageOutput[AuditEntry], error) {
	if !appIDPattern.MatchString(in.ID) {
		return nil, errNoApp
	}
	var q queryRules
	f := in.filter(&q)
	f.App = in.ID
	if err := q.err(); err != nil {
		return nil, err
	}
	return listed(s.Audit(ctx, f, in.page()))
}

type mailboxInput struct {
	PageQuery
	Recipient string `query:"recipient"`
}

func (s *Service) handleMailbox(ctx context.Context, in *mailboxInput) (*pageOutput[KeptMail], error) {
	if !s.keepsMail() {
		return nil, fault.New(fault.NotFound, "not_found", "This server keeps no mails")
	}
	var q queryRules
	recipient := q.text("recipient", in.Recipient)
	if err := q.err(); err != nil {
		return nil, err
	}
	return listed(s.KeptMails(ctx, recipient, in.page()))
}

type lockoutInput struct {
	App   string `query:"app" doc:"App id; default: the default app"`
	Email string `query:"email" required:"true"`
}

func (s *Service) handleClearLockout(ctx context.Context, in *lockoutInput) (*messageOutput, error) {
	var q queryRules
	app, email := q.app("app", in.App), normalEmail(in.Email)
	q.broken = append(q.broken, checkEmail(email)...)
	if err := q.err(); err != nil {
		return nil, err
	}
	if app == "" {
		app = s.cfg.DefaultApp
	}
	if err := s.ClearLockout(ctx, app, email); err != nil {
		return nil, err
	}
	return message("Lockout lifted"), nil
}

func (s *Service) handleStats(ctx context.Context, _ *struct{}) (*dataOutput[Stats], error) {
	return answered(s.Stats(ctx))
}

type adminHealth struct {
	Status string `json:"status" enum:"healthy,degraded" doc:"degraded: it works, and asks PostgreSQL about every token"`
	Feed   struct {
		Current bool  `json:"current" doc:"The server knows every revocation without asking"`
		AgeMS   int64 `json:"ageMs" doc:"Milliseconds since the last sign of life; -1: there was none"`
	} `json:"feed"`
	Mail   string `json:"mail" doc:"The service that mails leave by" example:"smtp"`
	Signer string `json:"signer" doc:"kid of the key that signs"`
	Stats  Stats  `json:"stats"`
}

func (s *Service) handleAdminHealth(ctx context.Context, _ *struct{}) (*dataOutput[adminHealth], error) {
	h := adminHealth{Status: "healthy"}
	var err error
	if h.Stats, err = s.Stats(ctx); err != nil {
		return nil, err
	}
	age := s.revoked.age(time.Now())
	h.Feed.Current, h.Feed.AgeMS = age <= feedBound, age.Milliseconds()
	if age > 100*365*24*time.Hour {
		h.Feed.AgeMS = -1
	}
	if !h.Feed.Current {
		h.Status = "degraded"
	}
	if s.cfg.Mail != nil {
		h.Mail = s.cfg.Mail.Name()
	}
	keys, err := s.Keys(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.State == KeySigning {
			h.Signer = k.ID
		}
	}
	return answered(h, nil)
}
