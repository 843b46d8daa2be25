package auth

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func (s *Service) mountMailTemplates(m adminRoutes) {
	const words = "Words are Go templates; which fields they may use is in the documentation of mails. "
	huma.Register(m.api, m.op(http.MethodGet, "apps/{id}/mail-templates", "listMailTemplates", "List the mails of an app",
		"Every kind of mail, and whether the app has words of its own for it."), s.handleMailTemplates)
	huma.Register(m.api, m.op(http.MethodGet, "apps/{id}/mail-templates/{kind}", "getMailTemplate", "One mail of an app", words), s.handleMailTemplate)
	huma.Register(m.api, m.op(http.MethodPut, "apps/{id}/mail-templates/{kind}", "setMailTemplate", "Change the words of a mail",
		words+"They are tried out first, and hold for the next mail. For operators."), s.handleSetMailTemplate)
	huma.Register(m.api, m.op(http.MethodDelete, "apps/{id}/mail-templates/{kind}", "resetMailTemplate", "Give a mail its default words again",
		"For operators."), s.handleResetMailTemplate)
	huma.Register(m.api, m.op(http.MethodPost, "apps/{id}/mail-templates/{kind}/preview", "previewMailTemplate", "Show what words would send",
		words+"The answer holds sample data; nothing is kept or sent."), s.handlePreviewMail)
}

// MailPath names one kind of mail of an app.
type MailPath struct {
	AppPath
	Kind string `path:"kind" doc:"Kind of mail" example:"reset_password"`
}

func (p MailPath) check() error {
	if !appIDPattern.MatchString(p.ID) {
		return errNoApp
	}
	return nil
}

func (s *Service) handleMailTemplates(ctx context.Context, in *AppPath) (*dataOutput[[]MailTemplateBrief], error) {
	if !appIDPattern.MatchString(in.ID) {
		return nil, errNoApp
	}
	return answered(s.MailTemplates(ctx, in.ID))
}

func (s *Service) handleMailTemplate(ctx context.Context, in *MailPath) (*dataOutput[MailTemplate], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return answered(s.MailTemplate(ctx, in.ID, in.Kind))
}

func (s *Service) handleSetMailTemplate(ctx context.Context, in *struct {
	MailPath
	Body MailChange
}) (*dataOutput[MailTemplate], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return answered(s.SetMailTemplate(ctx, in.ID, in.Kind, in.Body))
}

func (s *Service) handleResetMailTemplate(ctx context.Context, in *MailPath) (*dataOutput[MailTemplate], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return answered(s.ResetMailTemplate(ctx, in.ID, in.Kind))
}

func (s *Service) handlePreviewMail(ctx context.Context, in *struct {
	MailPath
	Body MailChange
}) (*dataOutput[MailWords], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return answered(s.PreviewMail(ctx, in.ID, in.Kind, in.Body))
}
