package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/config"
	"turkey/internal/db"
	"turkey/internal/fault"
)

// devAdmin is the administrator that dev setup makes.
const devAdmin = "admin@turkey.local"

func (p *program) devSetup() *cobra.Command {
	return &cobra.Command{Use: "setup", Short: "Migrate, make the first key and an administrator", Args: noArgs,
		Long: "Brings the schema up to date, makes the first signing key, and makes the administrator " + devAdmin + " in the default app, with a\n" +
			"random password that is printed this once. What is there already stays as it is.",
		Example: "  gravy dev setup\n  gravy dev setup --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			applied := 0
			if err := p.withDatabase(cmd, func(ctx context.Context, d *database) (err error) {
				applied, err = db.Migrate(ctx, d.migrations(nil))
				return err
			}); err != nil {
				return err
			}
			return p.withAuth(cmd, func(ctx context.Context, a *auth.Service) error { return p.setUp(ctx, a, applied) })
		}}
}

func (p *program) setUp(ctx context.Context, a *auth.Service, applied int) error {
	keys, err := a.Keys(ctx)
	if err != nil {
		return err
	}
	app, err := a.ResolveApp(ctx, "")
	if err != nil {
		return err
	}
	n := auth.NewUser{Email: devAdmin, Role: "admin", Password: rand.Text() + "-a1", AnyPassword: true, Verified: true, Silent: true}
	out := map[string]any{"applied": applied, "keys": len(keys), "email": n.Email, "appId": app, "existed": false}
	_, err = a.AddUser(ctx, app, n)
	if f, ok := fault.From(err); ok && f.Kind == fault.Conflict {
		out["existed"] = true
		return p.print(out, "%d migrations applied, %d signing keys\nThere is an administrator %s in app %s already; nothing was changed", applied, len(keys), n.Email, app)
	}
	if err != nil {
		return err
	}
	out["password"] = n.Password
	return p.print(out, "%d migrations applied, %d signing keys\nMade the administrator %s in app %s\nPassword (shown this once): %s", applied, len(keys), n.Email, app, n.Password)
}

func (p *program) devHealth() *cobra.Command {
	return &cobra.Command{Use: "health", Short: "Look whether database, signing keys and users are there", Args: noArgs,
		Long:    "Looks and changes nothing. Exit code 1 if the database cannot be used, migrations are pending, or no key can sign.",
		Example: "  gravy dev health --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig()
			if err != nil {
				return err
			}
			return p.lookOver(cmd.Context(), cfg)
		}}
}

func (p *program) lookOver(ctx context.Context, cfg *config.Config) error {
	log := slog.New(slog.DiscardHandler)
	if err := readSecrets(cfg, log); err != nil {
		return err
	}
	postgres, database, err := visitDatabase(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer postgres.stop()
	defer database.Close()
	pending, err := db.Pending(ctx, postgres.url)
	if err != nil {
		return err
	}
	if pending {
		return errors.New("migrations are pending: run `gravy dev setup` or `gravy db migrate`")
	}
	found, err := auth.Inspect(ctx, authConfig(cfg, database, log))
	if err != nil {
		return err
	}
	active := 0
	for _, k := range found.Keys {
		if k.State == auth.KeySigning || k.State == auth.KeyNext {
			active++
		}
	}
	n, err := auth.Figures(ctx, database)
	if err != nil {
		return err
	}
	if err := p.print(map[string]any{"database": "connected", "activeKeys": active, "users": n.Users, "apps": n.Apps, "sessions": n.Sessions},
		"database     connected\nactive keys  %d\nusers        %d\napps         %d\nsessions     %d", active, n.Users, n.Apps, n.Sessions); err != nil {
		return err
	}
	switch {
	case found.Problem != nil:
		return found.Problem
	case active == 0:
		return fmt.Errorf("no key can sign: run `gravy dev setup`")
	}
	return nil
}
