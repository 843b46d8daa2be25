package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"turkey/internal/auth"
	"turkey/internal/config"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/idempotency"
	"turkey/internal/kpi"
	"turkey/internal/limit"
	"turkey/internal/mail"
	"turkey/internal/notify"
	"turkey/internal/oidc"
	"turkey/internal/queue"
	"turkey/internal/seal"
	"turkey/internal/vault"
)

// newAuth is the auth half of a running server: with mail, jobs and lockout.
func newAuth(ctx context.Context, cfg *config.Config, database *db.DB, log *slog.Logger, jobs *queue.Queue, limits *limit.Limits, sender mail.Sender,
	hashed func(waited, took time.Duration)) (*auth.Service, error) {
	templates, err := mail.LoadTemplates(cfg.MailTemplates)
	if err != nil {
		return nil, fmt.Errorf("EMAIL_TEMPLATES: %w", err)
	}
	ac := authConfig(cfg, database, log)
	ac.Queue, ac.Mail, ac.Templates, ac.Lockout = jobs, sender, templates, lockout{limits.Lockout()}
	ac.Purgers = purgers(database, limits)
	ac.Origins = cfg.AllowedOrigins()
	ac.Hashed = hashed
	if ac.Foreign, err = newIssuers(cfg, log); err != nil {
		return nil, err
	}
	return auth.New(ctx, ac)
}

// newSender is how mails leave by the configuration.
func newSender(cfg *config.Config, database *db.DB, log *slog.Logger) (mail.Sender, error) {
	return mail.NewSender(mail.Config{Service: cfg.EmailService, Production: cfg.Production(), MailgunKey: string(cfg.MailgunKey),
		MailgunDomain: cfg.MailgunDomain, MailgunBase: cfg.MailgunBase, SMTPHost: cfg.SMTPHost, SMTPPort: cfg.SMTPPort, SMTPSecure: cfg.SMTPSecure,
		SMTPUser: cfg.SMTPUser, SMTPPassword: string(cfg.SMTPPassword), From: cfg.FromEmail, FromName: cfg.FromName,
		Mailbox: auth.Mailbox{DB: database}, Log: log})
}

// newOperator is the way to whoever runs the server, by the configuration.
func newOperator(cfg *config.Config, database *db.DB, log *slog.Logger, jobs *queue.Queue, sender mail.Sender) *notify.Operator {
	oc := notify.OperatorConfig{DB: database, Log: log, Queue: jobs, SlackURL: string(cfg.SlackURL), DiscordURL: string(cfg.DiscordURL),
		TelegramToken: string(cfg.TelegramToken), TelegramChat: cfg.TelegramChat, TelegramBase: cfg.TelegramBase, Emails: cfg.EmailTo,
		Mail: func(ctx context.Context, to, subject, text string) error {
			return sender.Send(ctx, mail.Message{To: to, Subject: subject, Text: text, Kind: mail.OperatorNotice})
		}}
	if u, err := url.Parse(cfg.PublicURL); err == nil {
		oc.Name = u.Host
	}
	return notify.NewOperator(oc)
}

// newIssuers are those whose tokens are taken besides our own.
func newIssuers(cfg *config.Config, log *slog.Logger) (*oidc.Issuers, error) {
	oc := oidc.Config{Own: cfg.JWTIssuer, AllowPrivate: !cfg.Production(), Log: log, Now: time.Now,
		Clerk: oidc.ClerkConfig{Key: string(cfg.ClerkKey), Issuer: cfg.ClerkIssuer, Parties: cfg.ClerkParties, Secret: string(cfg.ClerkSecret), API: cfg.ClerkAPI}}
	for _, i := range cfg.Issuers() {
		oc.Issuers = append(oc.Issuers, oidc.Issuer(i))
	}
	return oidc.New(oc)
}

// purgers are what the cleanup removes besides the auth half's own.
func purgers(database *db.DB, limits *limit.Limits) map[string]auth.Purger {
	all := map[string]auth.Purger{"rate_limits": limits.Purge, "webhook_deliveries": notify.Purge(database), "operator_incidents": notify.PurgeIncidents(database),
		"idempotency_keys": idempotency.Purge(database)}
	for _, more := range []map[string]func(context.Context, int) (int, error){vault.Purgers(database), kpi.Purgers(database)} {
		for name, purge := range more {
			all[name] = purge
		}
	}
	return all
}

// lockout lets the auth half use package limit's, whose attempts are values.
type lockout struct{ *limit.Lockout }

// Begin asks whether a guess may be judged.
func (l lockout) Begin(ctx context.Context, app, email, ip, device string, along db.Along) (auth.Attempt, error) {
	if device != "" {
		ctx = limit.WithKnownDevice(ctx, device)
	}
	return l.Lockout.Begin(ctx, app, email, ip, along)
}

// newLimits is the rate limits by the configuration.
func newLimits(ctx context.Context, cfg *config.Config, database *db.DB, log *slog.Logger, refused func(string), users func() *auth.Service) (*limit.Limits, error) {
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
		API: rule(cfg.APIWindow, cfg.APIMax), APIEnabled: enabled, InProcess: true, Refused: refused,
		ServiceKey: func(r *http.Request) bool { return users().HasServiceKey(r) }, APIUser: func(r *http.Request) string { return users().TokenUser(r) }})
}

// newBudgets is what the providers allow each account, by the configuration.
func newBudgets(cfg *config.Config, limits *limit.Limits) (limit.Budgets, error) {
	rates, err := cfg.Rates(connector.Budgets())
	if err != nil {
		return nil, fmt.Errorf("PROVIDER_RATES: %w", err)
	}
	rules := map[string]limit.Rule{}
	for name, n := range rates {
		rules[name] = limit.Rule{Window: time.Minute, Max: n}
	}
	return limits.Budgets(rules), nil
}
