package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/config"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/legacy"
	"turkey/internal/vault"
)

// errPartly ends an import of which some rows failed: exit code 3.
var errPartly = errors.New("some rows were not imported")

func (p *program) importCommand() *cobra.Command {
	return group("import", "Take over the databases of the predecessors", p.importTurkey(), p.importKPI())
}

// importFlags are those of both imports.
type importFlags struct {
	from, zone string
	dry, yes   bool
}

func (f *importFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.from, "from", "", "URL of the predecessor's database (its password may come from PGPASSWORD or ~/.pgpass); it is only read")
	c.Flags().StringVar(&f.zone, "source-tz", "", "zone of the times its now() wrote (default: the TimeZone of that database)")
	c.Flags().BoolVar(&f.dry, "dry-run", false, "do everything, undo it, and say what would have happened")
	yesFlag(c, &f.yes)
}

// run does an import after a question, and prints its report.
func (f *importFlags) run(ctx context.Context, p *program, do func(context.Context) (*legacy.Report, error)) error {
	if f.from == "" {
		return usageError{errors.New("--from is needed: the URL of the predecessor's database")}
	}
	if !f.dry && !f.yes && !p.confirm("Import into the configured database? (--dry-run tells what would happen)") {
		return p.cancelled()
	}
	report, err := do(ctx)
	if report != nil {
		if err := p.printReport(report); err != nil {
			return err
		}
	}
	if err == nil && report.Failed() {
		return errPartly
	}
	return err
}

func (p *program) printReport(r *legacy.Report) error {
	if p.json {
		return p.print(r, "")
	}
	var b strings.Builder
	what := "Imported from"
	if r.InPlace {
		what = "Upgraded in place:"
	}
	if r.DryRun || r.InPlace && r.Failed() {
		what = "Nothing was changed:"
	}
	fmt.Fprintf(&b, "%s a database of %s; its local times were read in %s\n\n%-20s %8s %9s %8s %7s\n", what, r.Source, r.SourceZone, "table", "read", "imported", "skipped", "failed")
	for _, name := range slices.Sorted(maps.Keys(r.Tables)) {
		c := r.Tables[name]
		fmt.Fprintf(&b, "%-20s %8d %9d %8d %7d\n", name, c.Read, c.Imported, c.Skipped, c.Failed)
	}
	for _, s := range r.Salts {
		if s.Opened > 0 {
			public := ""
			if s.Public {
				public = " (publicly known)"
			}
			fmt.Fprintf(&b, "salt %d%s opened %d credentials\n", s.Index, public, s.Opened)
		}
	}
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "%s %s %s: %s\n", row.Outcome, row.Table, row.ID, row.Reason)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(&b, n)
	}
	return p.print(nil, "%s", strings.TrimRight(b.String(), "\n"))
}

func (p *program) importTurkey() *cobra.Command {
	var f importFlags
	var rename map[string]string
	c := &cobra.Command{Use: "turkey", Short: "Users, sessions, keys and audit of the original TurKey", Args: noArgs,
		Long: "Takes over users with their ids and passwords, live sessions, signing keys, revoked tokens and the audit. It may run again:\n" +
			"it adds what is new. Set JWT_ISSUER to the predecessor's value, and access tokens it issued stay valid.",
		Example: "  gravy import turkey --from postgresql://turkey@old.example/turkey --dry-run\n" +
			"  gravy import turkey --from postgresql://turkey@old.example/turkey --map-app default-app=shop --yes"}
	f.add(c)
	c.Flags().StringToStringVar(&rename, "map-app", nil, "old=new: another name for an app; its users sign in anew")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return f.run(cmd.Context(), p, func(context.Context) (report *legacy.Report, err error) {
			err = p.withTarget(cmd, func(ctx context.Context, cfg *config.Config, database *db.DB) error {
				keys, err := auth.NewKeyImporter([]byte(cfg.JWTSecret), time.Now)
				if err != nil {
					return err
				}
				report, err = legacy.Turkey{Source: f.from, SourceZone: f.zone, Target: database, Keys: keys, MapApp: rename, EventApp: cfg.JWTAudience, DryRun: f.dry,
					Progress: p.progress()}.Run(ctx)
				return err
			})
			return report, err
		})
	}
	return c
}

func (p *program) importKPI() *cobra.Command {
	var f importFlags
	var salts, files []string
	c := &cobra.Command{Use: "kpi-etl", Short: "Users and credentials of the KPI ETL backend", Args: noArgs,
		Long: "Takes over Clerk's users with their credentials, services, sheet mappings and log. Credentials are opened with the source's\n" +
			"ENCRYPTION_KEY_SALT and sealed anew under keys of this vault. It may run again: it adds what is new.",
		Example: "  gravy import kpi-etl --from postgresql://postgres@old.example/kpi_etl --salt-file old-salt.txt --dry-run"}
	f.add(c)
	c.Flags().StringArrayVar(&salts, "salt", nil, "ENCRYPTION_KEY_SALT of the source; may be given several times (others on this machine may see it)")
	c.Flags().StringArrayVar(&files, "salt-file", nil, "a file that holds one; may be given several times")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return f.run(cmd.Context(), p, func(context.Context) (report *legacy.Report, err error) {
			for _, name := range files {
				content, err := os.ReadFile(name)
				if err != nil {
					return nil, fmt.Errorf("--salt-file: %w", err)
				}
				salts = append(salts, strings.TrimRight(string(content), "\r\n"))
			}
			err = p.withTarget(cmd, func(ctx context.Context, cfg *config.Config, database *db.DB) error {
				if len(salts) == 0 {
					salts = []string{string(cfg.EncryptionSalt)}
				}
				credentials, err := p.offlineVault(ctx, cfg, database)
				if err != nil {
					return err
				}
				issuers, err := newIssuers(cfg, slog.New(slog.DiscardHandler))
				if err != nil {
					return err
				}
				report, err = legacy.KPIETL{Source: f.from, SourceZone: f.zone, Target: database, Vault: credentials, Salts: salts, Issuer: issuers.Clerk(), DryRun: f.dry}.Run(ctx)
				return err
			})
			return report, err
		})
	}
	return c
}

// withTarget runs an import on the configured database, migrated if it was not.
func (p *program) withTarget(cmd *cobra.Command, fn func(context.Context, *config.Config, *db.DB) error) error {
	var cfg *config.Config
	var database *db.DB
	return p.withMoreAuth(cmd, func(_ context.Context, c *config.Config, ac *auth.Config) error {
		cfg, database = c, ac.DB
		return nil
	}, func(ctx context.Context, _ *auth.Service) error { return fn(ctx, cfg, database) })
}

// offlineVault seals and checks without asking any provider.
func (p *program) offlineVault(ctx context.Context, cfg *config.Config, database *db.DB) (*vault.Service, error) {
	if !cfg.Vault() {
		return nil, errors.New("ENCRYPTION_KEY_SALT (or VAULT_KEYRING) is needed: it is what the credentials are sealed under here")
	}
	ring, err := openKeyring(cfg)
	if err != nil {
		return nil, err
	}
	return vault.New(ctx, vault.Config{DB: database, Log: slog.New(slog.DiscardHandler), Keyring: ring, Connectors: connector.New(connector.Config{})})
}
