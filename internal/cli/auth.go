package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"turkey/internal/auth"
	"turkey/internal/config"
	"turkey/internal/db"
	"turkey/internal/limit"
	"turkey/internal/mail"
	"turkey/internal/queue"
	"turkey/internal/seal"
)

// newAuth is the auth half of a running server: with mail, jobs and lockout.
func newAuth(ctx context.Context, cfg *config.Config, database *db.DB, log *slog.Logger, jobs *queue.Queue, limits *limit.Limits) (*auth.Service, error) {
	templates, err := mail.LoadTemplates(cfg.MailTemplates)
	if err != nil {
		return nil, fmt.Errorf("EMAIL_TEMPLATES: %w", err)
	}
	sender, err := mail.NewSender(mail.Config{Service: cfg.EmailService, Production: cfg.Production(), MailgunKey: string(cfg.MailgunKey),
		MailgunDomain: cfg.MailgunDomain, MailgunBase: cfg.MailgunBase, SMTPHost: cfg.SMTPHost, SMTPPort: cfg.SMTPPort, SMTPSecure: cfg.SMTPSecure,
		SMTPUser: cfg.SMTPUser, SMTPPassword: string(cfg.SMTPPassword), From: cfg.FromEmail, FromName: cfg.FromName,
		Mailbox: auth.Mailbox{DB: database}, Log: log})
	if err != nil {
		return nil, err
	}
	ac := authConfig(cfg, database, log)
	ac.Queue, ac.Mail, ac.Templates, ac.Lockout = jobs, sender, templates, lockout{limits.Lockout()}
	ac.Purgers = map[string]auth.Purger{"rate_limits": limits.Purge}
	ac.Origins = cfg.AllowedOrigins()
	return auth.New(ctx, ac)
}

// lockout lets the auth half use package limit's, whose attempts are values.
type lockout struct{ *limit.Lockout }

// Begin asks whether a guess may be judged.
func (l lockout) Begin(ctx context.Context, app, email, ip string) (auth.Attempt, error) {
	return l.Lockout.Begin(ctx, app, email, ip)
}

// newLimits is the rate limits by the configuration.
func newLimits(ctx context.Context, cfg *config.Config, database *db.DB, log *slog.Logger, users func() *auth.Service) (*limit.Limits, error) {
	key, err := seal.Key([]byte(cfg.JWTSecret), "limits")
	if err != nil {
		return nil, err
	}
	rule := func(window config.Milliseconds, most int) limit.Rule {
		return limit.Rule{Window: time.Duration(window), Max: most}
	}
	enabled := cfg.Production()
	if cfg.APILimitEnabled != nil {
		enabled = *cfg.APILimitEnabled
	}
	return limit.New(ctx, limit.Config{DB: database, RedisURL: string(cfg.RedisURL), Key: key, Log: log, Production: cfg.Production(),
		General: rule(cfg.GeneralWindow, cfg.GeneralMax), Login: rule(cfg.LoginWindow, cfg.LoginMax), Mail: rule(cfg.MailWindow, cfg.MailMax),
		Refresh: rule(cfg.RefreshWindow, cfg.RefreshMax), Register: rule(cfg.RegisterWindow, cfg.RegisterMax), Admin: rule(cfg.AdminWindow, cfg.AdminMax),
		API: rule(cfg.APIWindow, cfg.APIMax), APIEnabled: enabled, RefreshInProcess: true,
		ServiceKey: func(r *http.Request) bool { return users().HasServiceKey(r) }, APIUser: func(r *http.Request) string { return users().TokenUser(r) }})
}
