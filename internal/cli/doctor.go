package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/mail"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/config"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/db/pgdev"
	"turkey/internal/doctor"
	"turkey/internal/limit"
	"turkey/internal/oidc"
	"turkey/internal/vault"
)

func (p *program) doctorCommand() *cobra.Command {
	var e examination
	c := &cobra.Command{Use: "doctor", Short: "Look the server over: what is wrong, where, and how to mend it", Args: noArgs,
		Long: "Checks the configuration, the database, keys, backups, disks, providers and what the server does for its users. It changes\n" +
			"nothing, and needs no running server. With --production it goes through the guides' production checklists: what they demand\n" +
			"and is not so fails, and PUBLIC_URL has to answer. Exit code 1 if a check fails, 0 if all is well or there are only warnings.",
		Example: "  gravy doctor\n  gravy doctor --json\n  gravy doctor --production --mail-to ops@example.com",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a, err := mail.ParseAddress(e.mailTo); e.mailTo != "" && (err != nil || a.Address != e.mailTo) {
				return usageError{errors.New("--mail-to: expected a plain address of the form name@example.com")}
			}
			report := e.examine(cmd.Context())
			if err := p.showReport(report); err != nil {
				return err
			}
			if report.Status == doctor.Fail {
				return errQuiet
			}
			return nil
		}}
	c.Flags().BoolVar(&e.production, "production", false, "judge by the guides' production checklists")
	c.Flags().StringVar(&e.mailTo, "mail-to", "", "send a mail to this address through the configured service")
	return c
}

// examination is what was asked for.
type examination struct {
	production bool
	mailTo     string
}

func (p *program) showReport(r doctor.Report) error {
	if p.json {
		return p.print(r, "")
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	counts := map[doctor.Status]int{}
	for _, c := range r.Checks {
		counts[c.Status]++
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Status, c.Name, c.Message)
		if c.Remedy != "" {
			fmt.Fprintf(w, "\t\t-> %s\n", c.Remedy)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.out, "\n%d ok, %d to be warned of, %d failed\n", counts[doctor.OK], counts[doctor.Warn], counts[doctor.Fail])
	return err
}

// examine looks at this machine's configuration and at what it leads to, as far as there is anything.
func (e examination) examine(ctx context.Context) doctor.Report {
	look := func(c doctor.Config) doctor.Report {
		c.Production = e.production
		return doctor.New(c).Examine(ctx)
	}
	cfg, err := config.Load(".")
	if err != nil {
		return look(doctor.Config{Now: time.Now, Problem: err, APIs: apis(&config.Config{})})
	}
	log := slog.New(slog.DiscardHandler)
	secretsErr := readSecrets(cfg, log)
	issuers, issuersErr := newIssuers(cfg, log)
	postgres, database, err := visitDatabase(ctx, cfg, log)
	if err == nil {
		defer postgres.stop()
		defer database.Close()
	}
	c := doctorConfig(cfg, postgres, database, issuers.States)
	c.NoDB = err
	if e.mailTo != "" {
		c.SendMail = sendTest(cfg, database, e.mailTo)
	}
	if e.production {
		c.Reach = reach(cfg)
	}
	if err := errors.Join(secretsErr, issuersErr); err != nil {
		c.Settings, c.Issuers, c.Problem, c.Reach = nil, nil, err, nil
	}
	return look(c)
}

// visitDatabase connects without making or migrating anything.
func visitDatabase(ctx context.Context, cfg *config.Config, log *slog.Logger) (*database, *db.DB, error) {
	if cfg.PrivatePostgres() {
		made := filepath.Join(cfg.DataDir, "postgres", "pg", "PG_VERSION")
		if _, err := os.Stat(made); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("no database is configured, and the server has not made its own in %s yet: start it once, or set DATABASE_URL", cfg.DataDir)
		}
	}
	d, err := startDatabase(ctx, cfg, log)
	if errors.Is(err, pgdev.ErrInUse) {
		d, err = joinDatabase(ctx, cfg, err)
	}
	if err != nil {
		return nil, nil, err
	}
	pending, err := d.reach(ctx, cfg, d.url)
	var database *db.DB
	if err == nil {
		database, err = db.Open(ctx, d.config(cfg))
	}
	if err != nil {
		d.stop()
		if pending {
			err = fmt.Errorf("migrations are pending: run `gravy db migrate` (%w)", err)
		}
		return nil, nil, err
	}
	return d, database, nil
}

// readSecrets is fillSecrets where a server has run before; it makes none.
func readSecrets(cfg *config.Config, log *slog.Logger) error {
	jwt := cfg.JWTSecret != "" || cfg.EncryptionSalt != "" || hasDevelopmentSecret(cfg, "JWT_SECRET")
	salt := cfg.EncryptionSalt != "" || len(cfg.Keyring) > 0 || hasDevelopmentSecret(cfg, "ENCRYPTION_KEY_SALT")
	if !cfg.Production() && (!jwt || !salt) {
		return nil
	}
	return fillSecrets(cfg, log)
}

// doctorConfig is what the doctor asks the parts of the server. issuers is how it stands with the keys of others.
func doctorConfig(cfg *config.Config, postgres *database, database *db.DB, issuers func(context.Context) []oidc.State) doctor.Config {
	log := slog.New(slog.DiscardHandler)
	c := doctor.Config{Now: time.Now, Settings: cfg, DB: database, APIs: apis(cfg), Backups: backupState(cfg), Places: diskPlaces(cfg)}
	if cfg.RedisURL != "" {
		c.Redis = func(ctx context.Context) error { return limit.Ping(ctx, string(cfg.RedisURL)) }
	}
	c.Mail = func() (string, error) {
		sender, err := newSender(cfg, database, log)
		if err != nil {
			return "", err
		}
		return sender.Name(), nil
	}
	c.Pending = func(ctx context.Context) (bool, error) { return db.Pending(ctx, postgres.url) }
	c.Keys = func(ctx context.Context) (found doctor.SigningKeys, err error) {
		seen, err := auth.Inspect(ctx, authConfig(cfg, database, log))
		for _, k := range seen.Keys {
			key := doctor.SigningKey{ID: k.ID, State: string(k.State), CreatedAt: time.Time(k.CreatedAt)}
			if k.SignsFrom != nil {
				key.SignsFrom = time.Time(*k.SignsFrom)
			}
			found.Keys = append(found.Keys, key)
		}
		found.Problem = seen.Problem
		return found, err
	}
	if cfg.Vault() {
		c.Vault = func(ctx context.Context) (doctor.VaultKeys, error) { return vaultKeys(ctx, cfg, database) }
	}
	c.Issuers = func(ctx context.Context) (all []doctor.Issuer) {
		for _, s := range issuers(ctx) {
			all = append(all, doctor.Issuer{Name: s.Issuer, Keys: s.Keys})
		}
		return all
	}
	return c
}

func vaultKeys(ctx context.Context, cfg *config.Config, database *db.DB) (found doctor.VaultKeys, err error) {
	ring, err := openKeyring(cfg)
	if err != nil {
		return found, err
	}
	st, err := vault.NewKeeper(vault.KeeperConfig{DB: database, Keyring: ring, App: cfg.JWTAudience}).Status(ctx)
	for _, r := range st.Roots {
		found.Roots = append(found.Roots, doctor.RootKey{ID: r.ID, Active: r.Active, Users: r.Users, CreatedAt: r.CreatedAt, BundledAt: r.BundledAt, Problem: r.Problem})
	}
	for _, t := range st.Texts {
		found.Older += t.Older
		found.Lost += t.Lost
	}
	found.Resealing = st.Resealing
	return found, err
}

// apis are the versions that are spoken by the configuration.
func apis(cfg *config.Config) (all []doctor.API) {
	for _, v := range connector.Versions() {
		a := doctor.API{Name: v.API, Version: v.Version, Ends: v.Ends, Source: v.Source}
		switch {
		case v.Service == connector.Meta && cfg.MetaVersion != "" && cfg.MetaVersion != v.Version:
			a.Version, a.Ends, a.Setting = cfg.MetaVersion, time.Time{}, "META_API_VERSION"
		case v.Service == connector.Shopify && cfg.ShopifyVer != "" && cfg.ShopifyVer != v.Version:
			a.Version, a.Ends, a.Setting = cfg.ShopifyVer, time.Time{}, "SHOPIFY_API_VERSION"
			if released, err := time.Parse("2006-01", cfg.ShopifyVer); err == nil { // a stable version lives for a year at least
				a.Ends = released.AddDate(1, 0, 0)
			}
		}
		all = append(all, a)
	}
	return all
}
