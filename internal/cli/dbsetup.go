package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"turkey/internal/db"
)

func (p *program) dbSetup() *cobra.Command {
	var admin, adminFile, file string
	var printSQL bool
	var sc db.SetupConfig
	c := &cobra.Command{Use: "setup", Short: "Make database, roles, rights and the server's login", Args: noArgs,
		Long: "Makes what a server needs before its first migration: the database, the roles turkey_owner, turkey_app, turkey_system and\n" +
			"(with a superuser's URL) turkey_backup, their rights, default privileges, and the login of the server. What is there already\n" +
			"stays: run again, it changes nothing. A new login gets the password of --password-file, else a random one, which is printed\n" +
			"this once. PostgreSQL is sent a verifier and never the password.",
		Example: "  gravy db setup --admin-url postgresql://postgres@db.internal:5432/postgres?sslmode=require\n" +
			"  gravy db setup --admin-url-file admin.url --password-file login.pw\n" +
			"  DATABASE_ADMIN_URL=postgresql://postgres@localhost/postgres gravy db setup --print-sql"}
	c.Flags().StringVar(&admin, "admin-url", "", "a superuser's URL, or of a login with CREATEDB and CREATEROLE (default: DATABASE_ADMIN_URL)")
	c.Flags().StringVar(&adminFile, "admin-url-file", "", "a file that holds the admin URL; - is the standard input")
	c.Flags().StringVar(&sc.Database, "database", "turkey", "name of the database")
	c.Flags().StringVar(&sc.Login, "login", "turkey_app", "name of the server's login")
	c.Flags().StringVar(&file, "password-file", "", "a file that holds the login's password; - asks for it, or reads it from the standard input")
	c.Flags().BoolVar(&printSQL, "print-sql", false, "print what it would run, and change nothing")
	c.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		ctx := cmd.Context()
		if sc.AdminURL, err = p.adminURL(ctx, admin, adminFile); err != nil {
			return err
		}
		if file != "" && !printSQL {
			if sc.Password, err = p.secretFile(ctx, file, "Password of "+sc.Login+": "); err != nil {
				return err
			}
		}
		plan, err := db.PlanSetup(ctx, sc)
		if err != nil {
			return err
		}
		if printSQL {
			return p.printSetupSQL(sc, plan)
		}
		generated := sc.Password == "" && slices.ContainsFunc(plan, db.SetupStep.NeedsPassword)
		if generated {
			sc.Password = rand.Text() + rand.Text()[:6]
		}
		done, err := db.Setup(ctx, sc)
		if err != nil {
			return err
		}
		return p.printSetup(ctx, sc, done, generated)
	}
	return c
}

// adminURL is the URL of the flag, of the file, or of the configuration.
func (p *program) adminURL(ctx context.Context, given, file string) (string, error) {
	switch {
	case given != "" && file != "":
		return "", usageError{errors.New("--admin-url or --admin-url-file, not both")}
	case given != "":
		return given, nil
	case file != "":
		return p.secretFile(ctx, file, "Admin URL: ")
	}
	cfg, err := loadConfig()
	if err != nil {
		return "", err
	}
	if cfg.DatabaseAdminURL == "" {
		return "", usageError{errors.New("the URL of a superuser is needed: --admin-url, --admin-url-file or DATABASE_ADMIN_URL")}
	}
	return string(cfg.DatabaseAdminURL), nil
}

func (p *program) printSetupSQL(sc db.SetupConfig, plan []db.SetupStep) error {
	if p.json {
		return p.print(map[string]any{"steps": plan}, "")
	}
	if len(plan) == 0 {
		return p.print(nil, "-- nothing to do")
	}
	inside := ""
	for _, s := range plan {
		if s.Database != inside {
			inside = s.Database
			fmt.Fprintf(p.out, "\\connect %q\n", inside)
		}
		fmt.Fprintf(p.out, "%s;\n", s.SQL)
	}
	_, err := fmt.Fprintf(p.out, "-- rights on the tables of %s come with `gravy db migrate`, by name\n", sc.Database)
	return err
}

func (p *program) printSetup(ctx context.Context, sc db.SetupConfig, done []db.SetupStep, generated bool) error {
	shown := ""
	if generated {
		shown = sc.Password
	}
	server, err := sc.ServerURL(sc.Login, shown)
	if err != nil {
		return err
	}
	admin, err := sc.ServerURL("", "")
	if err != nil {
		return err
	}
	warning := ""
	if sc.Password != "" {
		url, err := sc.ServerURL(sc.Login, sc.Password)
		if err == nil {
			err = db.LetsIn(ctx, url)
		}
		if err != nil {
			warning = "the new login does not get in yet; look at pg_hba.conf (" + err.Error() + ")"
		}
	}
	if p.json {
		return p.print(map[string]any{"changed": len(done), "steps": done, "databaseUrl": server, "passwordPrinted": generated, "warning": warning}, "")
	}
	var out strings.Builder
	for _, s := range done {
		fmt.Fprintf(&out, "did: %s\n", s.SQL)
	}
	if len(done) == 0 {
		out.WriteString("Nothing to do: everything is there\n")
	}
	fmt.Fprintf(&out, "\nDATABASE_URL=%s\n", server)
	switch {
	case generated:
		out.WriteString("The password in it is shown this once.\n")
	case sc.Password == "":
		fmt.Fprintf(&out, "Put the password of %s into it, which is as it was.\n", sc.Login)
	default:
		fmt.Fprintf(&out, "Put the password of %s into it.\n", sc.Login)
	}
	if warning != "" {
		fmt.Fprintf(&out, "Warning: %s\n", warning)
	}
	fmt.Fprintf(&out, "\nNext, with that DATABASE_URL (and the admin's password in the other):\n  DATABASE_ADMIN_URL=%s gravy db migrate", admin)
	return p.print(nil, "%s", out.String())
}
