package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"turkey/internal/auth"
)

func (p *program) tokenCommand() *cobra.Command {
	return group("token", "Check, list and revoke tokens", p.tokenVerify(), p.tokenListRefresh(), p.tokenRevokeAccess(), p.tokenCheckRevocation(),
		p.tokenCleanup(), p.tokenStats())
}

func (p *program) tokenVerify() *cobra.Command {
	var verbose bool
	c := &cobra.Command{Use: "verify <jwt>", Short: "Tell what an access token is worth, and why", Args: oneArg,
		Long: "Checks the signature against the stored keys, the claims, and whether user, session and app still stand behind the token.\n" +
			"Exit code 1 if it is not valid. A hyphen in place of the token reads it from the standard input, out of the list of processes.",
		Example: "  gravy token verify eyJhbGciOiJFUzI1NiIs…\n  gravy token verify - -v <token.txt"}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		token, err := p.argument(cmd.Context(), args[0], "Token: ")
		if err != nil {
			return err
		}
		return p.withAuth(cmd, func(ctx context.Context, a *auth.Service) error {
			check, err := a.CheckToken(ctx, token)
			if err != nil {
				return err
			}
			return p.showToken(check, verbose)
		})
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "with header and claims, even if nobody vouches for them")
	return c
}

// argument is what was given on the command line, or for a hyphen what a line of the input holds.
func (p *program) argument(ctx context.Context, arg, question string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	return p.askSecret(ctx, question, nil)
}

func (p *program) showToken(check auth.TokenCheck, verbose bool) error {
	verdict := "The token is valid until " + moment(check.ExpiresAt)
	if !check.Valid {
		verdict = "The token is NOT valid: " + check.Problem + " (" + check.Code + ")"
	}
	if verbose {
		claims := "claims"
		if !check.Signature {
			claims = "claims, which nobody vouches for"
		}
		verdict += fmt.Sprintf("\nheader: %s\n%s: %s", check.Header, claims, check.Claims)
	}
	if err := p.print(check, "%s", verdict); err != nil {
		return err
	}
	if !check.Valid {
		return errQuiet
	}
	return nil
}

func (p *program) tokenListRefresh() *cobra.Command {
	var user string
	var active bool
	var limit int
	c := &cobra.Command{Use: "list-refresh", Short: "List sessions with what became of them, newest first", Args: noArgs,
		Long:    "Lists refresh tokens: one row per session, however often it was refreshed. The tokens themselves are stored nowhere.",
		Example: "  gravy token list-refresh -u 01a20291-7995-7c8e-bbf7-2d53910760fb --active-only\n  gravy token list-refresh -l 10 --json"}
	c.RunE = p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
		id, err := optionalUser(user)
		if err = errors.Join(err, checkLimit(limit)); err != nil {
			return err
		}
		all, err := a.RefreshTokens(ctx, id, active, limit)
		if err != nil {
			return err
		}
		return p.table(all, "ID\tE-MAIL\tAPP\tSTATE\tREFRESHES\tCREATED\tEXPIRES\tREVOKED\tREASON", len(all), func(i int) string {
			t := all[i]
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s", t.ID, t.Email, t.AppID, t.State, t.Refreshes, t.CreatedAt, t.ExpiresAt, moment(t.RevokedAt), text(t.Reason))
		})
	})
	c.Flags().StringVarP(&user, "user", "u", "", "only of the user with this id")
	c.Flags().BoolVarP(&active, "active-only", "a", false, "only live ones")
	limitFlag(c, &limit)
	return c
}

// optionalUser reads the id of a user; nil if none is given.
func optionalUser(id string) (*uuid.UUID, error) {
	if id == "" {
		return nil, nil //nolint:nilnil // no user is an answer
	}
	u, err := uuid.Parse(id)
	if err != nil {
		return nil, errors.New("the id of a user is a UUID; gravy user find shows it")
	}
	return &u, nil
}

func (p *program) tokenRevokeAccess() *cobra.Command {
	var user, app, expires, reason string
	var yes bool
	c := &cobra.Command{Use: "revoke-access <jti>", Short: "End one access token before it expires", Args: oneArg,
		Example: "  gravy token revoke-access at_5f1c2b… -u 01a20291-7995-7c8e-bbf7-2d53910760fb -a shop -e 2026-01-02T15:04:05Z -y"}
	c.Flags().StringVarP(&user, "user-id", "u", "", "id of the user (needed)")
	c.Flags().StringVarP(&app, "app-id", "a", "", "app of the user (needed)")
	c.Flags().StringVarP(&expires, "expires", "e", "", "when the token expires by itself, as 2026-01-02T15:04:05Z (needed)")
	c.Flags().StringVarP(&reason, "reason", "r", "admin_revoked", "why, for the record")
	yesFlag(c, &yes)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := needFlags(cmd, "user-id", "app-id", "expires"); err != nil {
			return err
		}
		id, err := optionalUser(user)
		if err != nil {
			return err
		}
		end, err := time.Parse(time.RFC3339, expires)
		if err != nil {
			return errors.New("--expires: expected a moment such as 2026-01-02T15:04:05Z")
		}
		jti := args[0]
		if jti == "" || len(jti) > 100 {
			return errors.New("a jti has 1 to 100 characters; gravy token verify -v shows it")
		}
		return p.withAuth(cmd, func(ctx context.Context, a *auth.Service) error {
			users, err := a.FindUsers(ctx, app, "", "", "", id, 1)
			switch {
			case err != nil:
				return err
			case len(users) == 0:
				return fmt.Errorf("there is no user %s in app %s", id, app)
			case !end.After(time.Now()):
				return fmt.Errorf("a token that expired at %s needs no revocation", end.Format(time.RFC3339))
			case !yes && !p.confirm(fmt.Sprintf("Revoke the access token %s of %s?", jti, users[0].Email)):
				return p.cancelled()
			}
			revoked, err := a.RevokeToken(ctx, jti, *id, end, reason)
			if err != nil {
				return err
			}
			what := map[bool]string{true: "Revoked access token %s", false: "Access token %s was revoked before"}[revoked]
			return p.print(map[string]any{"jti": jti, "revoked": revoked}, what, jti)
		})
	}
	return c
}

func (p *program) tokenCheckRevocation() *cobra.Command {
	var verbose bool
	c := &cobra.Command{Use: "check-revocation <jti>", Short: "Tell whether an access token was revoked by its jti", Args: oneArg,
		Long:    "Exit code 1 if it was revoked, 0 if not. What ended with its session, user or app is not seen here: gravy token verify does.",
		Example: "  gravy token check-revocation at_5f1c2b… -v"}
	c.RunE = p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
		r, err := a.RevokedToken(ctx, args[0])
		if err != nil {
			return err
		}
		if r == nil {
			return p.print(map[string]any{"jti": args[0], "revoked": false}, "Access token %s is not revoked", args[0])
		}
		details := ""
		if verbose {
			details = fmt.Sprintf("\nuser     %s\napp      %s\nreason   %s\nrevoked  %s\nexpires  %s", r.UserID, r.AppID, r.Reason, r.RevokedAt, r.ExpiresAt)
		}
		if err := p.print(struct {
			Revoked bool `json:"revoked"`
			*auth.RevokedToken
		}{true, r}, "Access token %s is revoked%s", r.JTI, details); err != nil {
			return err
		}
		return errQuiet
	})
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "with user, app, reason and times")
	return c
}

func (p *program) tokenCleanup() *cobra.Command {
	var days int
	var yes bool
	c := &cobra.Command{Use: "cleanup-jti", Short: "Forget revoked access tokens that expired long ago", Args: noArgs,
		Example: "  gravy token cleanup-jti -d 1 -y"}
	c.RunE = p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
		if err := checkDays(days); err != nil {
			return err
		}
		if !yes && !p.confirm(fmt.Sprintf("Forget revoked access tokens that expired more than %d days ago?", days)) {
			return p.cancelled()
		}
		n, err := a.PurgeRevoked(ctx, period(days))
		if err != nil {
			return err
		}
		return p.print(map[string]any{"deleted": n}, "Forgot %d revoked access tokens", n)
	})
	c.Flags().IntVarP(&days, "days", "d", 7, "expired more than so many days ago")
	yesFlag(c, &yes)
	return c
}

func (p *program) tokenStats() *cobra.Command {
	return &cobra.Command{Use: "jti-stats", Short: "Count revoked access tokens", Args: noArgs,
		Example: "  gravy token jti-stats --json",
		RunE: p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
			apps, err := a.RevokedCounts(ctx)
			if err != nil {
				return err
			}
			sum := auth.RevokedCount{}
			var rows []string
			for _, c := range apps {
				sum.Total, sum.Active, sum.Expired = sum.Total+c.Total, sum.Active+c.Active, sum.Expired+c.Expired
				rows = append(rows, fmt.Sprintf("  %s: %d, %d active", c.AppID, c.Total, c.Active))
			}
			out := map[string]any{"total": sum.Total, "active": sum.Active, "expired": sum.Expired, "apps": apps}
			return p.print(out, "total    %d\nactive   %d\nexpired  %d%s", sum.Total, sum.Active, sum.Expired, lines(rows))
		})}
}

// lines are further lines after a first one.
func lines(rows []string) string {
	if len(rows) == 0 {
		return ""
	}
	return "\n" + strings.Join(rows, "\n")
}

func daysFlag(c *cobra.Command, days *int, standard int) {
	c.Flags().IntVarP(days, "days", "d", standard, "look back so many days")
}

func checkDays(days int) error {
	if days < 0 || days > 36500 {
		return errors.New("--days: expected a number from 0 to 36500")
	}
	return nil
}

func period(days int) time.Duration { return time.Duration(days) * 24 * time.Hour }
