package auth

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/caller"
	"turkey/internal/db"
	"turkey/internal/wire"
)

// Exporter gives what another part of the server keeps about a user, as a value for JSON. Nothing secret may be in it.
type Exporter func(ctx context.Context, user uuid.UUID) (any, error)

// Export is everything the server keeps about a user, but for secrets: neither hashes nor tokens, nor the content of
// credentials.
type Export struct {
	ExportedAt wire.Time         `json:"exportedAt" format:"date-time"`
	Profile    ExportedProfile   `json:"profile"`
	Sessions   []ExportedSession `json:"sessions"`
	Identities []Identity        `json:"identities" doc:"Who the user is at other issuers"`
	Audit      []ExportedEvent   `json:"audit" doc:"What happened to the account"`
	Mails      []ExportedMail    `json:"mails" doc:"Without their texts"`
	More       map[string]any    `json:"more" doc:"What other parts keep, by their names: credentials without their content, mappings, runs"`
}

// ExportedProfile is the account.
type ExportedProfile struct {
	ID            string    `json:"id" format:"uuid"`
	AppID         string    `json:"appId"`
	Email         string    `json:"email"`
	Name          *string   `json:"name"`
	Role          string    `json:"role"`
	Status        string    `json:"status"`
	EmailVerified bool      `json:"emailVerified"`
	CreatedAt     wire.Time `json:"createdAt" format:"date-time"`
	UpdatedAt     wire.Time `json:"updatedAt" format:"date-time"`
}

// ExportedSession is a sign-in, ended or not.
type ExportedSession struct {
	ID         string     `json:"id" format:"uuid"`
	CreatedAt  wire.Time  `json:"createdAt" format:"date-time"`
	LastUsedAt *wire.Time `json:"lastUsedAt" format:"date-time"`
	ExpiresAt  wire.Time  `json:"expiresAt" format:"date-time"`
	EndedAt    *wire.Time `json:"endedAt" format:"date-time"`
	Reason     *string    `json:"reason"`
	UserAgent  *string    `json:"userAgent"`
	IP         *string    `json:"ip"`
}

// ExportedEvent is a row of the audit log about the user.
type ExportedEvent struct {
	Action    string    `json:"action"`
	By        string    `json:"by" enum:"user,administrator,unknown"`
	IP        *string   `json:"ip"`
	UserAgent *string   `json:"userAgent"`
	CreatedAt wire.Time `json:"createdAt" format:"date-time"`
}

// ExportedMail is a mail that was sent, or is about to be.
type ExportedMail struct {
	Kind      string     `json:"kind"`
	Recipient string     `json:"recipient"`
	CreatedAt wire.Time  `json:"createdAt" format:"date-time"`
	SentAt    *wire.Time `json:"sentAt" format:"date-time"`
}

// AddExporter lets another part of the server add to exports under a name. Call it before requests come.
func (s *Service) AddExporter(name string, e Exporter) {
	if s.cfg.Exporters == nil {
		s.cfg.Exporters = map[string]Exporter{}
	}
	s.cfg.Exporters[name] = e
}

// export collects everything and records that it was asked for.
func (s *Service) export(ctx context.Context, u caller.User) (Export, error) {
	out := Export{ExportedAt: wire.Time(s.cfg.Now()), More: map[string]any{}}
	err := s.cfg.DB.Tx(ctx, db.App(u.AppID), func(tx pgx.Tx) error {
		if err := s.exportAccount(ctx, tx, u, &out); err != nil {
			return err
		}
		return s.record(ctx, tx, u.AppID, u.ID, "", "data_exported", nil)
	})
	if err != nil {
		return Export{}, err
	}
	for name, e := range s.cfg.Exporters {
		if out.More[name], err = e(ctx, u.ID); err != nil {
			return Export{}, fmt.Errorf("export of %s: %w", name, err)
		}
	}
	return out, nil
}

func (s *Service) exportAccount(ctx context.Context, tx pgx.Tx, u caller.User, out *Export) error {
	p, err := s.q.UserByID(ctx, tx, u.AppID, u.ID)
	if err != nil {
		return err
	}
	out.Profile = ExportedProfile{ID: p.ID.String(), AppID: p.AppID, Email: p.Email, Name: p.Name, Role: p.Role, Status: p.Status,
		EmailVerified: p.EmailVerified, CreatedAt: wire.Time(p.CreatedAt), UpdatedAt: wire.Time(p.UpdatedAt)}
	if out.Identities, err = s.identitiesOf(ctx, tx, u.AppID, u.ID); err != nil {
		return err
	}
	sessions, err := s.q.ExportSessions(ctx, tx, u.AppID, u.ID)
	if err != nil {
		return err
	}
	out.Sessions = make([]ExportedSession, len(sessions))
	for i, r := range sessions {
		out.Sessions[i] = ExportedSession{ID: r.ID.String(), CreatedAt: wire.Time(r.CreatedAt), LastUsedAt: wire.TimePtr(r.LastUsedAt),
			ExpiresAt: wire.Time(r.ExpiresAt), EndedAt: wire.TimePtr(r.RevokedAt), Reason: r.RevokedReason, UserAgent: r.UserAgent, IP: r.Ip}
	}
	events, err := s.q.ExportAudit(ctx, tx, u.AppID, u.ID)
	if err != nil {
		return err
	}
	out.Audit = make([]ExportedEvent, len(events))
	for i, r := range events {
		e := ExportedEvent{Action: r.Action, By: "unknown", IP: r.Ip, UserAgent: r.UserAgent, CreatedAt: wire.Time(r.CreatedAt)}
		switch {
		case r.Actor == nil:
		case *r.Actor == u.ID.String():
			e.By = "user"
		default: // another person's address is that person's
			e.By, e.IP, e.UserAgent = "administrator", nil, nil
		}
		out.Audit[i] = e
	}
	mails, err := s.q.ExportMails(ctx, tx, u.AppID, u.ID)
	if err != nil {
		return err
	}
	out.Mails = make([]ExportedMail, len(mails))
	for i, r := range mails {
		out.Mails[i] = ExportedMail{Kind: r.Kind, Recipient: r.Recipient, CreatedAt: wire.Time(r.CreatedAt), SentAt: wire.TimePtr(r.SentAt)}
	}
	return nil
}
