package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"turkey/internal/auth"
)

func (p *program) securityCommand() *cobra.Command {
	return group("security", "Read the audit log, and what stands out in it", p.securityAudit(), p.securityFailures(), p.securitySuspicious(), p.securityStats())
}

// since is where a period of days begins.
func since(days int) time.Time { return time.Now().Add(-period(days)) }

func (p *program) securityAudit() *cobra.Command {
	var user, action string
	var days, limit int
	var verbose bool
	c := &cobra.Command{Use: "audit-log", Short: "List the audit log, newest first", Args: noArgs,
		Example: "  gravy security audit-log -d 1 -a login_failed\n  gravy security audit-log -u ada@example.com -v --json"}
	c.RunE = p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
		if err := errors.Join(checkDays(days), checkLimit(limit)); err != nil {
			return err
		}
		begin := since(days)
		filter := auth.AuditFilter{Action: action, From: &begin}
		if user != "" {
			id, err := userNamed(ctx, a, user)
			if err != nil {
				return err
			}
			filter.User = &id
		}
		all, _, err := a.Audit(ctx, filter, auth.Page{Limit: limit})
		if err != nil {
			return err
		}
		header := "TIME\tAPP\tACTION\tUSER\tACTOR\tADDRESS"
		if verbose {
			header += "\tUSER AGENT\tFACTS"
		}
		return p.table(all, header, len(all), func(i int) string {
			e := all[i]
			row := fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", e.CreatedAt, e.AppID, e.Action, text(e.UserID), printable(text(e.Actor)), printable(text(e.IP)))
			if verbose {
				facts, err := json.Marshal(e.Meta)
				if err != nil {
					facts = []byte("{}")
				}
				row += fmt.Sprintf("\t%q\t%s", text(e.UserAgent), facts)
			}
			return row
		})
	})
	c.Flags().StringVarP(&user, "user", "u", "", "only about the user with this id or address")
	c.Flags().StringVarP(&action, "action", "a", "", "only this action")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "with user agent and facts")
	daysFlag(c, &days, 7)
	limitFlag(c, &limit)
	return c
}

// userNamed is the id of a user who is named by id, or by an address that only one app knows. Rows outlive their user, so
// an id need not be anybody's.
func userNamed(ctx context.Context, a *auth.Service, name string) (uuid.UUID, error) {
	if id, err := uuid.Parse(name); err == nil {
		return id, nil
	}
	users, err := a.FindUsers(ctx, "", name, "", "", nil, 1000)
	if err != nil {
		return uuid.Nil, err
	}
	if len(users) == 1 {
		return uuid.Parse(users[0].ID)
	}
	if len(users) == 0 {
		return uuid.Nil, fmt.Errorf("there is no user %s", name)
	}
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.AppID + " " + u.ID
	}
	return uuid.Nil, fmt.Errorf("%s is a user of several apps, name one by the id: %s", name, strings.Join(ids, ", "))
}

func (p *program) securityFailures() *cobra.Command {
	var user string
	var days, limit int
	c := &cobra.Command{Use: "failed-logins", Short: "List sign-ins that failed, newest first", Args: noArgs,
		Long:    "Lists failed sign-ins and the locks that followed. An address that is nobody's is not written down: such rows have no user.",
		Example: "  gravy security failed-logins -d 1\n  gravy security failed-logins -u ada@example.com"}
	c.RunE = p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
		if err := errors.Join(checkDays(days), checkLimit(limit)); err != nil {
			return err
		}
		var id *uuid.UUID
		email := user
		if u, err := uuid.Parse(user); err == nil {
			id, email = &u, ""
		}
		all, err := a.FailedLogins(ctx, since(days), id, email, limit)
		if err != nil {
			return err
		}
		return p.table(all, "TIME\tAPP\tWHAT\tUSER\tADDRESS\tUSER AGENT", len(all), func(i int) string {
			f := all[i]
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%q", f.At, f.AppID, f.Action, orNobody(f), printable(text(f.IP)), text(f.UserAgent))
		})
	})
	c.Flags().StringVarP(&user, "user", "u", "", "only of the user with this address or id")
	daysFlag(c, &days, 7)
	limitFlag(c, &limit)
	return c
}

func orNobody(f auth.FailedLogin) string {
	switch {
	case f.Email != "":
		return f.Email
	case f.UserID != nil:
		return *f.UserID
	}
	return "nobody's address"
}

// printable keeps what strangers wrote from steering the terminal.
func printable(s string) string {
	quoted := fmt.Sprintf("%q", s)
	return quoted[1 : len(quoted)-1]
}

func (p *program) securitySuspicious() *cobra.Command {
	var days, threshold int
	c := &cobra.Command{Use: "suspicious", Short: "List what stands out: many failures, locks, tokens that came back", Args: noArgs,
		Example: "  gravy security suspicious -d 1 -t 20"}
	c.RunE = p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
		if err := checkDays(days); err != nil {
			return err
		}
		if threshold < 1 || threshold > 1_000_000 {
			return errors.New("--threshold: expected a number from 1 to 1000000")
		}
		all, err := a.Suspicions(ctx, since(days), threshold)
		if err != nil {
			return err
		}
		return p.table(all, "KIND\tWHO\tAPP\tEVENTS\tACCOUNTS OR ADDRESSES\tFIRST\tLAST", len(all), func(i int) string {
			s := all[i]
			who := s.Subject
			if s.Email != "" {
				who = s.Email
			}
			return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%s\t%s", s.Kind, printable(who), s.AppID, s.Events, s.Others, s.First, s.Last)
		})
	})
	daysFlag(c, &days, 7)
	c.Flags().IntVarP(&threshold, "threshold", "t", 5, "failures from which on an address or an account is listed")
	return c
}

func (p *program) securityStats() *cobra.Command {
	var days int
	c := &cobra.Command{Use: "stats", Short: "Count the audit log by action", Args: noArgs,
		Example: "  gravy security stats -d 7"}
	c.RunE = p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
		if err := checkDays(days); err != nil {
			return err
		}
		all, err := a.ActionCounts(ctx, since(days))
		if err != nil {
			return err
		}
		return p.table(all, "ACTION\tEVENTS\tUSERS\tADDRESSES\tLAST", len(all), func(i int) string {
			return fmt.Sprintf("%s\t%d\t%d\t%d\t%s", all[i].Action, all[i].Events, all[i].Users, all[i].Addresses, all[i].Last)
		})
	})
	daysFlag(c, &days, 30)
	return c
}
