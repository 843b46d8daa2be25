package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
)

func (p *program) analyticsCommand() *cobra.Command {
	return group("analytics", "Count users, tokens and sign-ins", p.analyticsUsers(), p.analyticsTokens(), p.analyticsLogins(), p.analyticsTop())
}

// report is a command about a period of days.
func (p *program) report(use, short, example string, run func(ctx context.Context, a *auth.Service, days int) error) *cobra.Command {
	var days int
	c := &cobra.Command{Use: use, Short: short, Args: noArgs, Example: example,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
			if err := checkDays(days); err != nil {
				return err
			}
			return run(ctx, a, days)
		})}
	daysFlag(c, &days, 30)
	return c
}

func (p *program) analyticsUsers() *cobra.Command {
	return p.report("user-stats", "Count users by app", "  gravy analytics user-stats -d 7", func(ctx context.Context, a *auth.Service, days int) error {
		all, err := a.UserCounts(ctx, since(days))
		if err != nil {
			return err
		}
		return p.table(all, fmt.Sprintf("APP\tUSERS\tVERIFIED\tADMINS\tINACTIVE\tNEW IN %d DAYS\tSEEN IN %[1]d DAYS", days), len(all), func(i int) string {
			u := all[i]
			return fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%d\t%d", u.AppID, u.Total, u.Verified, u.Admins, u.Inactive, u.New, u.Seen)
		})
	})
}

func (p *program) analyticsTokens() *cobra.Command {
	return p.report("token-stats", "Count sessions and tokens", "  gravy analytics token-stats -d 1", func(ctx context.Context, a *auth.Service, days int) error {
		n, err := a.TokenCounts(ctx, since(days))
		if err != nil {
			return err
		}
		return p.print(n, "live sessions          %d\nopened                 %d\nrefreshes              %d\nsessions revoked       %d\naccess tokens revoked  %d\nreused                 %d",
			n.Live, n.Opened, n.Refreshes, n.Revoked, n.AccessRevoked, n.Reused)
	})
}

func (p *program) analyticsLogins() *cobra.Command {
	var byHour bool
	c := p.report("login-stats", "Count sign-ins by day, or by the hour of the day (UTC)", "  gravy analytics login-stats\n  gravy analytics login-stats -d 7 --by-hour",
		func(ctx context.Context, a *auth.Service, days int) error {
			count, header := a.LoginDays, "DAY"
			if byHour {
				count, header = a.LoginHours, "HOUR"
			}
			all, err := count(ctx, since(days))
			if err != nil {
				return err
			}
			return p.table(all, header+"\tSIGN-INS\tFAILED\tUSERS", len(all), func(i int) string {
				at := ""
				if all[i].Day != nil {
					at = all[i].Day.String()
				} else {
					at = fmt.Sprintf("%02d", *all[i].Hour)
				}
				return fmt.Sprintf("%s\t%d\t%d\t%d", at, all[i].Logins, all[i].Failed, all[i].Users)
			})
		})
	c.Flags().BoolVar(&byHour, "by-hour", false, "by the hour of the day")
	return c
}

func (p *program) analyticsTop() *cobra.Command {
	var metric string
	var limit int
	actions := map[string]string{"logins": "login", "refreshes": "refresh", "actions": ""}
	c := p.report("top-users", "List the users who did most", "  gravy analytics top-users -m refreshes -l 20", func(ctx context.Context, a *auth.Service, days int) error {
		all, err := a.TopUsers(ctx, since(days), actions[metric], limit)
		if err != nil {
			return err
		}
		return p.table(all, "E-MAIL\tAPP\tEVENTS\tLAST\tID", len(all), func(i int) string {
			u := all[i]
			return fmt.Sprintf("%s\t%s\t%d\t%s\t%s", u.Email, u.AppID, u.Events, u.Last, u.UserID)
		})
	})
	c.Flags().StringVarP(&metric, "metric", "m", "logins", "logins, refreshes or actions")
	c.Flags().IntVarP(&limit, "limit", "l", 10, "at most so many")
	run := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if _, ok := actions[metric]; !ok {
			return errors.New("--metric: expected logins, refreshes or actions")
		}
		if err := checkLimit(limit); err != nil {
			return err
		}
		return run(cmd, args)
	}
	return c
}
