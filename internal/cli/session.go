package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"turkey/internal/auth"
)

func (p *program) sessionCommand() *cobra.Command {
	stats := &cobra.Command{Use: "stats", Short: "Count sessions", Example: "  gravy session stats", Args: noArgs,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
			n, err := a.CountSessions(ctx)
			if err != nil {
				return err
			}
			return p.print(n, "total    %d\nactive   %d\nrevoked  %d\nexpired  %d", n.Total, n.Active, n.Revoked, n.Expired)
		})}
	return group("session", "See and end sessions", p.sessionList(), p.sessionRevoke(), p.sessionRevokeUser(), p.sessionCleanup(), stats)
}

func (p *program) sessionList() *cobra.Command {
	var email, app string
	var limit int
	var verbose bool
	c := &cobra.Command{Use: "list-active", Short: "List live sessions, newest first", Example: "  gravy session list-active -u ada@example.com -v", Args: noArgs,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			all, _, err := a.Sessions(ctx, auth.SessionFilter{App: app, Email: email}, auth.Page{Limit: limit})
			if err != nil {
				return err
			}
			header := "ID\tE-MAIL\tAPP\tCREATED\tEXPIRES"
			if verbose {
				header += "\tLAST USED\tADDRESS\tUSER AGENT"
			}
			return p.table(all, header, len(all), func(i int) string {
				s := all[i]
				row := fmt.Sprintf("%s\t%s\t%s\t%s\t%s", s.ID, s.Email, s.AppID, s.CreatedAt, s.ExpiresAt)
				if verbose {
					row += fmt.Sprintf("\t%s\t%s\t%q", moment(s.LastUsedAt), text(s.IP), text(s.UserAgent))
				}
				return row
			})
		})}
	c.Flags().StringVarP(&email, "user", "u", "", "only the user of this address")
	c.Flags().StringVarP(&app, "app-id", "a", "", "only this app")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "with address and user agent")
	limitFlag(c, &limit)
	return c
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (p *program) sessionRevoke() *cobra.Command {
	var reason string
	var yes bool
	c := &cobra.Command{Use: "revoke <token-id>", Short: "End a session", Example: "  gravy session revoke 01a20291-7995-7c8e-bbf7-2d53910760fb -r lost-phone -y", Args: oneArg,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return errors.New("the id of a session is a UUID; gravy session list-active shows it")
			}
			if !yes && !p.confirm("End the session "+id.String()+"?") {
				return p.cancelled()
			}
			ended, err := a.EndSession(ctx, id, reason)
			if err != nil {
				return err
			}
			what := map[bool]string{true: "Ended session %s", false: "Session %s had ended before"}[ended]
			return p.print(map[string]any{"id": id.String(), "revoked": ended}, what, id)
		})}
	c.Flags().StringVarP(&reason, "reason", "r", "admin_revoked", "why, for the record")
	yesFlag(c, &yes)
	return c
}

func (p *program) sessionRevokeUser() *cobra.Command {
	var reason, app string
	var yes bool
	c := &cobra.Command{Use: "revoke-user <email>", Short: "End all sessions and access tokens of a user", Example: "  gravy session revoke-user ada@example.com -a shop -y", Args: oneArg,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
			u, id, err := theUser(ctx, a, app, args[0])
			if err != nil {
				return err
			}
			if !yes && !p.confirm(fmt.Sprintf("End all sessions of %s in app %s?", u.Email, u.AppID)) {
				return p.cancelled()
			}
			if u, err = a.EndUserSessions(ctx, u.AppID, id, reason); err != nil {
				return err
			}
			return p.print(u, "%s is signed out of app %s everywhere", u.Email, u.AppID)
		})}
	c.Flags().StringVarP(&reason, "reason", "r", "admin_revoked_all", "why, for the record")
	c.Flags().StringVarP(&app, "app-id", "a", "", "app, where the address is in several")
	yesFlag(c, &yes)
	return c
}

func (p *program) sessionCleanup() *cobra.Command {
	var days int
	var yes bool
	c := &cobra.Command{Use: "cleanup", Short: "Delete sessions that expired long ago", Example: "  gravy session cleanup -d 7 -y", Args: noArgs,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
			if days < 0 || days > 36500 {
				return errors.New("--days: expected a number from 0 to 36500")
			}
			if !yes && !p.confirm(fmt.Sprintf("Delete sessions that expired more than %d days ago?", days)) {
				return p.cancelled()
			}
			n, err := a.PurgeSessions(ctx, time.Duration(days)*24*time.Hour)
			if err != nil {
				return err
			}
			return p.print(map[string]any{"deleted": n}, "Deleted %d sessions", n)
		})}
	c.Flags().IntVarP(&days, "days", "d", 30, "expired more than so many days ago")
	yesFlag(c, &yes)
	return c
}
