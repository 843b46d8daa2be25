package auth

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/auth/authdb"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/mail"
	"turkey/internal/wire"
)

// MailWords are the words of one kind of mail. In a preview they are filled with sample data.
type MailWords struct {
	Subject string `json:"subject" doc:"One line"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

// MailTemplate is how an app words one kind of mail.
type MailTemplate struct {
	Kind      string     `json:"kind" example:"reset_password"`
	Custom    bool       `json:"custom" doc:"The app has words of its own"`
	Subject   string     `json:"subject"`
	Text      string     `json:"text"`
	HTML      string     `json:"html"`
	Default   MailWords  `json:"default" doc:"What is sent without words of its own"`
	UpdatedAt *wire.Time `json:"updatedAt" format:"date-time" doc:"null: never changed"`
}

// MailTemplateBrief is a MailTemplate in a list.
type MailTemplateBrief struct {
	Kind      string     `json:"kind" example:"reset_password"`
	Custom    bool       `json:"custom" doc:"The app has words of its own"`
	Subject   string     `json:"subject" doc:"As a template"`
	UpdatedAt *wire.Time `json:"updatedAt" format:"date-time" doc:"null: never changed"`
}

// MailChange changes words. What is absent stays as it is sent now.
type MailChange struct {
	Subject *string `json:"subject,omitempty" doc:"A template of one line, at most 500 bytes"`
	Text    *string `json:"text,omitempty" doc:"A template, at most 16 KiB"`
	HTML    *string `json:"html,omitempty" doc:"A template, at most 64 KiB"`
}

var errNoMailKind = fault.New(fault.NotFound, "not_found", "There is no such kind of mail")

// MailTemplates lists all kinds, with those that the app words itself marked.
func (s *Service) MailTemplates(ctx context.Context, appID string) ([]MailTemplateBrief, error) {
	a, err := s.knownApp(ctx, appID)
	if err != nil {
		return nil, orNoApp(err)
	}
	rows, err := s.q.MailTemplatesSystem(ctx, s.cfg.DB.In(db.System()), a.id)
	if err != nil {
		return nil, err
	}
	var list []MailTemplateBrief
	for _, kind := range mail.Kinds() {
		b := MailTemplateBrief{Kind: string(kind), Subject: s.cfg.Templates.Source(a.id, kind).Subject}
		for _, r := range rows {
			if r.Kind == b.Kind {
				b.Custom, b.Subject, b.UpdatedAt = true, r.Subject, wire.TimePtr(&r.UpdatedAt)
			}
		}
		list = append(list, b)
	}
	return list, nil
}

// MailTemplate is how the app words one kind.
func (s *Service) MailTemplate(ctx context.Context, appID, kind string) (MailTemplate, error) {
	a, err := s.appWithMail(ctx, appID, kind)
	if err != nil {
		return MailTemplate{}, err
	}
	def := s.cfg.Templates.Source(a.id, mail.Kind(kind))
	t := MailTemplate{Kind: kind, Subject: def.Subject, Text: def.Text, HTML: def.HTML, Default: MailWords(def)}
	row, err := s.q.MailTemplateSystem(ctx, s.cfg.DB.In(db.System()), a.id, kind)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return t, nil
	case err != nil:
		return MailTemplate{}, err
	}
	t.Custom, t.Subject, t.Text, t.HTML, t.UpdatedAt = true, row.Subject, row.BodyText, row.BodyHtml, wire.TimePtr(&row.UpdatedAt)
	return t, nil
}

// PreviewMail shows what a change would send, with sample data, and keeps nothing.
func (s *Service) PreviewMail(ctx context.Context, appID, kind string, change MailChange) (MailWords, error) {
	_, shown, err := s.triedMail(ctx, appID, kind, change)
	return shown, err
}

// SetMailTemplate changes the words of one kind. They hold for the next mail, on all servers.
func (s *Service) SetMailTemplate(ctx context.Context, appID, kind string, change MailChange) (MailTemplate, error) {
	words, _, err := s.triedMail(ctx, appID, kind, change)
	if err != nil {
		return MailTemplate{}, err
	}
	err = s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		if err := s.q.SetMailTemplateSystem(ctx, tx, authdb.SetMailTemplateSystemParams{AppID: appID, Kind: kind, Subject: words.Subject,
			BodyText: words.Text, BodyHtml: words.HTML}); err != nil {
			return err
		}
		return s.recordAct(ctx, tx, appID, uuid.Nil, "mail_template_changed", map[string]any{"kind": kind})
	})
	if err != nil {
		return MailTemplate{}, err
	}
	return s.MailTemplate(ctx, appID, kind)
}

// ResetMailTemplate takes the app's own words away. Where there are none it changes nothing.
func (s *Service) ResetMailTemplate(ctx context.Context, appID, kind string) (MailTemplate, error) {
	if _, err := s.appWithMail(ctx, appID, kind); err != nil {
		return MailTemplate{}, err
	}
	err := s.cfg.DB.Tx(ctx, db.System(), func(tx pgx.Tx) error {
		n, err := s.q.DeleteMailTemplateSystem(ctx, tx, appID, kind)
		if err != nil || n == 0 {
			return err
		}
		return s.recordAct(ctx, tx, appID, uuid.Nil, "mail_template_reset", map[string]any{"kind": kind})
	})
	if err != nil {
		return MailTemplate{}, err
	}
	return s.MailTemplate(ctx, appID, kind)
}

// triedMail puts a change on what is sent now and tries it out.
func (s *Service) triedMail(ctx context.Context, appID, kind string, change MailChange) (own mail.Own, shown MailWords, err error) {
	a, err := s.appWithMail(ctx, appID, kind)
	if err != nil {
		return own, shown, err
	}
	now, err := s.MailTemplate(ctx, appID, kind)
	if err != nil {
		return own, shown, err
	}
	own = mail.Own{Subject: now.Subject, Text: now.Text, HTML: now.HTML}
	for _, c := range []struct{ to, from *string }{{&own.Subject, change.Subject}, {&own.Text, change.Text}, {&own.HTML, change.HTML}} {
		if c.from != nil {
			*c.to = *c.from
		}
	}
	shown.Subject, shown.Text, shown.HTML, err = s.cfg.Templates.Preview(a.id, s.appName(a), mail.Kind(kind), own)
	if wrong, ok := errors.AsType[*mail.OwnError](err); ok {
		return own, shown, invalidRequest.WithFields(fault.Field{Name: wrong.Part, Code: "invalid_string", Message: wrong.Err.Error()})
	}
	return own, shown, err
}

func (s *Service) appWithMail(ctx context.Context, appID, kind string) (app, error) {
	if !slices.Contains(mail.Kinds(), mail.Kind(kind)) {
		return app{}, errNoMailKind
	}
	a, err := s.knownApp(ctx, appID)
	return a, orNoApp(err)
}

// renderMail writes a mail in the app's own words where it has some. Own words that cannot be used any more, since the layout
// was changed beneath them, must not keep anybody from a reset link: the mail then goes out in the house's.
func (s *Service) renderMail(ctx context.Context, appID string, kind mail.Kind, data mail.Data) (subject, text, html string, err error) {
	row, err := s.q.MailTemplateSystem(ctx, s.cfg.DB.In(db.System()), appID, string(kind))
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return s.cfg.Templates.Render(appID, kind, data)
	case err != nil:
		return "", "", "", err
	}
	own := mail.Own{Subject: row.Subject, Text: row.BodyText, HTML: row.BodyHtml}
	if subject, text, html, err = s.cfg.Templates.RenderOwn(appID, kind, own, data); err == nil {
		return subject, text, html, nil
	}
	s.cfg.Log.WarnContext(ctx, "an app's own mail template cannot be used; the default is sent", "app", appID, "kind", kind, "error", err)
	return s.cfg.Templates.Render(appID, kind, data)
}
