package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/config"
	"turkey/internal/fault"
	"turkey/internal/limit"
)

func (p *program) devCommand() *cobra.Command {
	return group("dev", "For developers", p.devSetup(), p.devHealth(), p.devMailbox(), p.devTestUser())
}

func (p *program) devMailbox() *cobra.Command {
	var recipient string
	var n int
	c := &cobra.Command{Use: "mailbox", Short: "Read the development mailbox, newest first", Args: noArgs, Example: "  gravy dev mailbox -r ada@example.com -n 1",
		Long: "Shows the mails that a server with EMAIL_SERVICE=mailbox (the default outside production) keeps instead of sending.",
		RunE: p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
			if err := checkLimit(n); err != nil {
				return err
			}
			mails, _, err := a.KeptMails(ctx, recipient, auth.Page{Limit: n})
			if err != nil {
				return err
			}
			if p.json {
				return p.print(mails, "")
			}
			if len(mails) == 0 {
				return p.print(nil, "No mails")
			}
			for _, m := range mails {
				fmt.Fprintf(p.out, "%s\nTo: %s\nSubject: %s\n\n%s\n\n", m.CreatedAt, m.To, m.Subject, m.Text)
			}
			return nil
		})}
	c.Flags().StringVarP(&recipient, "recipient", "r", "", "only mails to this address")
	c.Flags().IntVarP(&n, "number", "n", 10, "at most so many")
	return c
}

func (p *program) devTestUser() *cobra.Command {
	var email, password, role, app string
	c := &cobra.Command{Use: "create-test-user", Short: "Make a verified user and print a working access token", Args: noArgs,
		Example: "  gravy dev create-test-user -a shop\n  gravy dev create-test-user --json",
		RunE: p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
			if err := checkRole(role); err != nil {
				return err
			}
			id, err := a.ResolveApp(ctx, app)
			if err != nil {
				return err
			}
			n := auth.NewUser{Email: email, Role: role, Password: password}
			if password == "" {
				n.Password, n.AnyPassword = rand.Text()+"-a1", true
			}
			if err := n.Check(); err != nil {
				return err
			}
			u, tokens, err := a.AddTestUser(ctx, id, n)
			if f, ok := fault.From(err); ok && f.Kind == fault.Conflict {
				return p.print(map[string]any{"email": n.Email, "appId": id, "existed": true}, "There is a user %s in app %s already; nothing was changed", n.Email, id)
			}
			if err != nil {
				return err
			}
			out := map[string]any{"id": u.ID, "email": u.Email, "appId": u.AppID, "role": u.Role, "accessToken": tokens.AccessToken}
			chosen := "the one that was given"
			if password == "" {
				out["password"], chosen = n.Password, n.Password
			}
			return p.print(out, "Made %s %s in app %s\nPassword: %s\nAccess token: %s", u.Role, u.Email, u.AppID, chosen, tokens.AccessToken)
		})}
	c.Flags().StringVarP(&email, "email", "e", "test@example.com", "e-mail address")
	c.Flags().StringVarP(&password, "password", "p", "", "password (default: a random one, which is printed)")
	c.Flags().StringVarP(&role, "role", "r", "user", "user or admin")
	c.Flags().StringVarP(&app, "app-id", "a", "", "app (default: the default app)")
	return c
}

// dbCleanup does what the cleanup job of the server does.
func (p *program) dbCleanup() *cobra.Command {
	return &cobra.Command{Use: "cleanup", Short: "Remove what has expired, as the server does regularly", Args: noArgs,
		Example: "  gravy db cleanup\n  gravy db cleanup --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var limits *limit.Limits
			return p.withMoreAuth(cmd, func(ctx context.Context, cfg *config.Config, ac *auth.Config) (err error) {
				if limits, err = newLimits(ctx, cfg, ac.DB, ac.Log, nil, nil); err == nil {
					ac.Purgers = purgers(ac.DB, limits)
				}
				return err
			}, func(ctx context.Context, a *auth.Service) error {
				counts, err := a.Cleanup(ctx)
				if err := errors.Join(err, limits.Stop(ctx)); err != nil {
					return err
				}
				if p.json {
					return p.print(counts, "")
				}
				fmt.Fprintln(p.out, "Cleanup job completed")
				names := slices.Sorted(maps.Keys(counts))
				return p.table(counts, "", len(names), func(i int) string { return fmt.Sprintf("%s\t%d", names[i], counts[names[i]]) })
			})
		}}
}
