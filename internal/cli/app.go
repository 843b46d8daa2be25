package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/config"
	"turkey/internal/db"
	"turkey/internal/fault"
	"turkey/internal/queue"
)

func (p *program) appCommand() *cobra.Command {
	return group("app", "Register apps and change their settings", p.appCreate(), p.appList(), p.appShow(), p.appSet(), p.appBrand(), p.appMail())
}

func (p *program) appCreate() *cobra.Command {
	var name string
	c := &cobra.Command{Use: "create <app-id>", Short: "Register an app", Example: "  gravy app create marketing-site --name 'Marketing site'", Args: oneArg,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
			change := auth.AppChange{}
			if name != "" {
				change.Name = &name
			}
			app, err := a.AddApp(ctx, args[0], change)
			if f, ok := fault.From(err); ok && f.Kind == fault.Conflict {
				if app, err = a.AppByID(ctx, args[0]); err == nil {
					return p.print(app, "App %s was registered before; nothing was changed", app.ID)
				}
			}
			if err != nil {
				return err
			}
			return p.print(app, "App %s is registered", app.ID)
		})}
	c.Flags().StringVar(&name, "name", "", "name for people (default: the id)")
	return c
}

func (p *program) appList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List apps", Example: "  gravy app list\n  gravy app list --json", Args: noArgs,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
			all := []auth.App{}
			for page := (auth.Page{Limit: 100}); ; {
				apps, next, err := a.Apps(ctx, page)
				if err != nil {
					return err
				}
				all = append(all, apps...)
				if next == nil {
					break
				}
				page.Cursor = *next
			}
			return p.table(all, "ID\tNAME\tREGISTRATION\tORIGINS", len(all), func(i int) string {
				return fmt.Sprintf("%s\t%s\t%s\t%s", all[i].ID, all[i].Name, map[bool]string{true: "open", false: "closed"}[all[i].RegistrationOpen],
					strings.Join(all[i].Origins, " "))
			})
		})}
}

func (p *program) appShow() *cobra.Command {
	return &cobra.Command{Use: "show <app-id>", Short: "Show an app with its settings", Example: "  gravy app show shop", Args: oneArg,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
			app, err := a.AppByID(ctx, args[0])
			if err != nil {
				return err
			}
			return p.showApp(app)
		})}
}

func (p *program) showApp(a auth.App) error {
	seconds := func(v *int32) string {
		if v == nil {
			return "the server's"
		}
		return (time.Duration(*v) * time.Second).String()
	}
	base, verification := "the server's", "the server's"
	if a.BaseURL != nil {
		base = *a.BaseURL
	}
	if a.VerificationRequired != nil {
		verification = fmt.Sprint(*a.VerificationRequired)
	}
	rows := [][2]string{{"id", a.ID}, {"name", a.Name}, {"origins", strings.Join(a.Origins, " ")}, {"base url", base}, {"access ttl", seconds(a.AccessTTL)},
		{"refresh ttl", seconds(a.RefreshTTL)}, {"refresh absolute ttl", seconds(a.RefreshAbsoluteTTL)}, {"refresh grace", seconds(a.RefreshGrace)},
		{"registration open", fmt.Sprint(a.RegistrationOpen)}, {"verification required", verification}, {"silent registration", fmt.Sprint(a.SilentRegistration)},
		{"password min", fmt.Sprint(a.PasswordMin)}, {"password classes", fmt.Sprint(a.PasswordClasses)}, {"created", a.CreatedAt.String()}}
	return p.table(a, "", len(rows), func(i int) string { return rows[i][0] + "\t" + rows[i][1] })
}

func (p *program) appSet() *cobra.Command {
	var name, base, access, refresh, absolute, grace, verification string
	var origins []string
	var open, silent, classes bool
	var passwordMin int32
	c := &cobra.Command{Use: "set <app-id>", Short: "Change settings of an app", Args: oneArg,
		Long:    "Changes the settings that are named. The word default gives a setting back to the server.",
		Example: "  gravy app set shop --origin https://shop.example --base-url https://shop.example\n  gravy app set shop --access-ttl 5m --registration-open=false\n  gravy app set shop --refresh-ttl default"}
	f := c.Flags()
	f.StringVar(&name, "name", "", "name for people")
	f.StringArrayVar(&origins, "origin", nil, "a page that may call from a browser; repeat it for more; they replace those there were, '' leaves none")
	f.StringVar(&base, "base-url", "", "base of links in mails, or default")
	f.StringVar(&access, "access-ttl", "", "life of an access token (5m), or default")
	f.StringVar(&refresh, "refresh-ttl", "", "how long a session may rest (7d), or default")
	f.StringVar(&absolute, "refresh-absolute-ttl", "", "how long a session may live (90d, 0: no bound), or default")
	f.StringVar(&grace, "refresh-grace", "", "how long the previous refresh token works (30s), or default")
	f.BoolVar(&open, "registration-open", true, "anybody may register")
	f.StringVar(&verification, "verification-required", "", "true, false or default")
	f.BoolVar(&silent, "silent-registration", false, "registering answers alike for known and unknown addresses")
	f.Int32Var(&passwordMin, "password-min", 8, "characters of a new password")
	f.BoolVar(&classes, "password-classes", true, "new passwords need upper and lower case, a digit and a special character")
	c.RunE = p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
		var change auth.AppChange
		set(f.Changed("name"), &change.Name, &name)
		set(f.Changed("registration-open"), &change.RegistrationOpen, &open)
		set(f.Changed("silent-registration"), &change.SilentRegistration, &silent)
		set(f.Changed("password-classes"), &change.PasswordClasses, &classes)
		set(f.Changed("password-min"), &change.PasswordMin, &passwordMin)
		if f.Changed("origin") {
			origins = slices.DeleteFunc(origins, func(o string) bool { return o == "" })
			change.Origins = &origins
		}
		if f.Changed("base-url") {
			change.BaseURL = auth.Set(orDefault(base, base))
		}
		switch verification {
		case "":
		case "true", "false", "default":
			change.VerificationRequired = auth.Set(orDefault(verification, verification == "true"))
		default:
			return errors.New("--verification-required: expected true, false or default")
		}
		for flag, s := range map[string]struct {
			text string
			to   *auth.Setting[int32]
		}{"access-ttl": {access, &change.AccessTTL}, "refresh-ttl": {refresh, &change.RefreshTTL},
			"refresh-absolute-ttl": {absolute, &change.RefreshAbsoluteTTL}, "refresh-grace": {grace, &change.RefreshGrace}} {
			if !f.Changed(flag) {
				continue
			}
			var seconds int32
			if s.text != "default" {
				d, err := config.ParseDuration(s.text)
				if err != nil {
					return fmt.Errorf("--%s: %w, or default", flag, err)
				}
				seconds = int32(min(time.Duration(d)/time.Second, 1<<31-1))
			}
			*s.to = auth.Set(orDefault(s.text, seconds))
		}
		app, err := a.ChangeApp(ctx, args[0], change)
		if err != nil {
			return err
		}
		return p.showApp(app)
	})
	return c
}

func set[T any](given bool, to **T, v *T) {
	if given {
		*to = v
	}
}

// orDefault is v, or nil where the text is the word default.
func orDefault[T any](text string, v T) *T {
	if text == "default" {
		return nil
	}
	return &v
}

func (p *program) adminKeyCommand() *cobra.Command {
	create := &cobra.Command{Use: "create <name>", Short: "Make a key for the administration routes", Args: oneArg, Example: "  gravy admin-key create deploy-bot",
		Long: "Makes a key of an operator, for the header X-Turkey-Admin-Key. It is shown this once; the server keeps its hash.",
		RunE: p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
			key, info, err := a.CreateAdminKey(ctx, args[0])
			if err != nil {
				return err
			}
			return p.print(struct {
				Key string `json:"key"`
				auth.AdminKey
			}{key, info}, "%s", key)
		})}
	list := &cobra.Command{Use: "list", Short: "List keys", Example: "  gravy admin-key list", Args: noArgs,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, _ []string) error {
			keys, err := a.AdminKeys(ctx)
			if err != nil {
				return err
			}
			return p.table(keys, "NAME\tCREATED\tLAST USED\tREVOKED", len(keys), func(i int) string {
				return keys[i].Name + "\t" + keys[i].CreatedAt.String() + "\t" + moment(keys[i].UsedAt) + "\t" + moment(keys[i].RevokedAt)
			})
		})}
	var yes bool
	revoke := &cobra.Command{Use: "revoke <name>", Short: "End a key at once", Example: "  gravy admin-key revoke deploy-bot -y", Args: oneArg,
		RunE: p.operate(func(ctx context.Context, a *auth.Service, args []string) error {
			if !yes && !p.confirm("Revoke the admin key "+args[0]+"?") {
				return p.cancelled()
			}
			info, err := a.RevokeAdminKey(ctx, args[0])
			if err != nil {
				return err
			}
			return p.print(info, "Revoked the admin key %s", info.Name)
		})}
	yesFlag(revoke, &yes)
	return group("admin-key", "Keys of operators for the administration routes", create, list, revoke)
}

// operate makes a command's RunE of an act of the operator.
func (p *program) operate(fn func(ctx context.Context, a *auth.Service, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return p.withAuth(cmd, func(ctx context.Context, a *auth.Service) error { return fn(ctx, a, args) })
	}
}

// operator is how audit rows name whoever runs commands on the machine.
const operator = "gravy"

// withAuth runs a command with the auth half on the configured database. Mails that it causes are sent by the server.
func (p *program) withAuth(cmd *cobra.Command, fn func(context.Context, *auth.Service) error) error {
	return p.withMoreAuth(cmd, func(context.Context, *config.Config, *auth.Config) error { return nil }, fn)
}

// withOpen runs a command on the configured database, migrated if it was not, with the secrets of the configuration.
func (p *program) withOpen(cmd *cobra.Command, fn func(context.Context, *config.Config, *db.DB) error) error {
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
		return fn(ctx, cfg, database)
	})
}

// withMoreAuth is withAuth with what more adds to the configuration of the auth half.
func (p *program) withMoreAuth(cmd *cobra.Command, more func(context.Context, *config.Config, *auth.Config) error,
	fn func(context.Context, *auth.Service) error,
) error {
	return p.withOpen(cmd, func(ctx context.Context, cfg *config.Config, database *db.DB) error {
		log := slog.New(slog.DiscardHandler)
		ac := authConfig(cfg, database, log)
		ac.Queue = queue.New(database, log, 1) // it is never started
		if err := more(ctx, cfg, &ac); err != nil {
			return err
		}
		a, err := auth.New(ctx, ac)
		if err != nil {
			return err
		}
		if err := ac.Queue.Open(); err != nil {
			return err
		}
		force := cmd.Flags().Lookup("force")
		return inWords(fn(auth.AsOperator(ctx, operator, force != nil && force.Value.String() == "true"), a))
	})
}

// inWords tells the broken rules of a request.
func inWords(err error) error {
	f, ok := fault.From(err)
	if !ok || len(f.Fields) == 0 {
		return err
	}
	var rules []string
	for _, field := range f.Fields {
		rules = append(rules, field.Name+": "+field.Message)
	}
	return errors.New(strings.Join(rules, "; "))
}

// oneArg takes exactly one argument.
func oneArg(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// needFlags refuses a command line without some flags as wrong use.
func needFlags(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if cmd.Flags().Lookup(name).Value.String() == "" {
			return usageError{fmt.Errorf("--%s is needed; see %s --help", name, cmd.CommandPath())}
		}
	}
	return nil
}

func yesFlag(c *cobra.Command, yes *bool) { c.Flags().BoolVarP(yes, "yes", "y", false, "do not ask") }

func (p *program) cancelled() error { return p.print(map[string]any{"cancelled": true}, "Cancelled") }

// table writes v as JSON with --json, else rows in columns.
func (p *program) table(v any, header string, rows int, row func(int) string) error {
	switch {
	case p.json:
		return p.print(v, "")
	case rows == 0:
		_, err := fmt.Fprintln(p.out, "None")
		return err
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	if header != "" {
		fmt.Fprintln(w, header)
	}
	for i := range rows {
		fmt.Fprintln(w, row(i))
	}
	return w.Flush()
}

// authConfig is the auth half by the configuration. What only a running server needs, serve adds.
func authConfig(cfg *config.Config, database *db.DB, log *slog.Logger) auth.Config {
	file := ""
	if hasDevelopmentSecret(cfg, "JWT_SECRET") {
		file = developmentSecretFile(cfg, "JWT_SECRET")
	}
	return auth.Config{DB: database, Log: log, Now: time.Now, SecretFile: file, Secret: []byte(cfg.JWTSecret), PreviousSecret: []byte(cfg.PreviousSecret),
		ServiceKey: []byte(cfg.ServiceKey), Issuer: cfg.JWTIssuer, PublicURL: cfg.PublicURL, DefaultApp: cfg.JWTAudience, Apps: cfg.Apps,
		Production: cfg.Production(), AllowRole: cfg.AllowRole, RequireVerification: cfg.RequireVerification, RequireRevokeAuth: cfg.RequireRevokeAuth,
		AccessTTL: time.Duration(cfg.AccessTTL), RefreshTTL: time.Duration(cfg.RefreshTTL), RefreshAbsolute: time.Duration(cfg.RefreshAbsolute),
		RefreshGrace: time.Duration(cfg.RefreshGrace), ResetTTL: time.Duration(cfg.ResetTTL), VerificationTTL: time.Duration(cfg.VerificationTTL),
		CleanupInterval: time.Duration(cfg.CleanupHours) * time.Hour, MailFrom: cfg.FromEmail, MailFromName: cfg.FromName}
}

// fillSecrets gives a development server the secrets nobody configured.
func fillSecrets(cfg *config.Config, log *slog.Logger) (err error) {
	if cfg.Production() {
		if !cfg.Vault() {
			log.Warn("ENCRYPTION_KEY_SALT is not set, nor is VAULT_KEYRING: the vault and the pipeline are off, the rest runs")
		}
		return nil
	}
	if cfg.JWTSecret == "" && cfg.EncryptionSalt != "" && !hasDevelopmentSecret(cfg, "JWT_SECRET") {
		cfg.SaltForJWT()
	}
	if cfg.JWTSecret == "" {
		if cfg.JWTSecret, err = developmentSecret(cfg, "JWT_SECRET"); err != nil {
			return err
		}
	}
	if cfg.EncryptionSalt == "" && (len(cfg.Keyring) == 0 || hasDevelopmentSecret(cfg, "ENCRYPTION_KEY_SALT")) {
		cfg.EncryptionSalt, err = developmentSecret(cfg, "ENCRYPTION_KEY_SALT")
	}
	return err
}
