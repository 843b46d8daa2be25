package cli

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/config"
	"turkey/internal/db"
)

func (p *program) appCommand() *cobra.Command {
	var name string
	create := &cobra.Command{Use: "create <app-id>", Short: "Register an app", Example: "  gravy app create marketing-site --name 'Marketing site'",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withAuth(cmd, func(ctx context.Context, a *auth.Service) error {
				if name == "" {
					name = args[0]
				}
				if err := a.CreateApp(ctx, args[0], name); err != nil {
					return err
				}
				return p.print(map[string]any{"id": args[0], "name": name}, "App %s is registered", args[0])
			})
		}}
	create.Flags().StringVar(&name, "name", "", "name for people (default: the id)")
	return group("app", "Register apps", create)
}

// withAuth runs a command with the auth half on the configured database.
func (p *program) withAuth(cmd *cobra.Command, fn func(context.Context, *auth.Service) error) error {
	return p.withDatabase(cmd, func(ctx context.Context, d *database) error {
		cfg, err := loadConfig()
		if err != nil {
			return err
		}
		log := slog.New(slog.DiscardHandler)
		database, err := d.open(ctx, cfg, log)
		if err != nil {
			return err
		}
		defer database.Close()
		if err := fillSecrets(cfg, log); err != nil {
			return err
		}
		a, err := auth.New(ctx, authConfig(cfg, database, log))
		if err != nil {
			return err
		}
		return fn(ctx, a)
	})
}

// authConfig is the auth half by the configuration. What only a running server needs, serve adds.
func authConfig(cfg *config.Config, database *db.DB, log *slog.Logger) auth.Config {
	return auth.Config{DB: database, Log: log, Now: time.Now, Secret: []byte(cfg.JWTSecret), PreviousSecret: []byte(cfg.PreviousSecret),
		ServiceKey: []byte(cfg.ServiceKey), Issuer: cfg.JWTIssuer, PublicURL: cfg.PublicURL, DefaultApp: cfg.JWTAudience, Apps: cfg.Apps,
		Production: cfg.Production(), AllowRole: cfg.AllowRole, RequireVerification: cfg.RequireVerification, RequireRevokeAuth: cfg.RequireRevokeAuth,
		AccessTTL: time.Duration(cfg.AccessTTL), RefreshTTL: time.Duration(cfg.RefreshTTL), RefreshAbsolute: time.Duration(cfg.RefreshAbsolute),
		RefreshGrace: time.Duration(cfg.RefreshGrace), ResetTTL: time.Duration(cfg.ResetTTL), VerificationTTL: time.Duration(cfg.VerificationTTL),
		CleanupInterval: time.Duration(cfg.CleanupHours) * time.Hour, MailFrom: cfg.FromEmail, MailFromName: cfg.FromName}
}

// fillSecrets gives a development server the secrets nobody configured.
func fillSecrets(cfg *config.Config, log *slog.Logger) (err error) {
	if cfg.Production() {
		if cfg.EncryptionSalt == "" {
			log.Warn("ENCRYPTION_KEY_SALT is not set: the vault and the pipeline are off, the rest runs")
		}
		return nil
	}
	if cfg.JWTSecret == "" && cfg.EncryptionSalt != "" && !hasDevelopmentSecret(cfg, "JWT_SECRET") {
		cfg.JWTSecret = cfg.EncryptionSalt // each derives its keys for its own purpose
	}
	if cfg.JWTSecret == "" {
		if cfg.JWTSecret, err = developmentSecret(cfg, "JWT_SECRET"); err != nil {
			return err
		}
	}
	if cfg.EncryptionSalt == "" {
		cfg.EncryptionSalt, err = developmentSecret(cfg, "ENCRYPTION_KEY_SALT")
	}
	return err
}
