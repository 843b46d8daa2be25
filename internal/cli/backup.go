package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/backup"
	"turkey/internal/config"
	"turkey/internal/db"
	"turkey/internal/db/pgdev"
	"turkey/internal/keyring"
	"turkey/internal/kpi"
	"turkey/internal/notify"
	"turkey/internal/queue"
	"turkey/internal/vault"
)

func (p *program) backupCommand() *cobra.Command {
	return group("backup", "Make, prove and restore backups of the database", p.backupCreate(), p.backupList(), p.backupVerify(), p.backupRestore(), p.backupPrune())
}

// dirFlag is for commands on the directory of backups.
func dirFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "dir", "", "directory of the backups; default: BACKUP_DIR")
}

// backupSettings loads the configuration, with --dir over BACKUP_DIR.
func backupSettings(dir string) (*config.Config, error) {
	cfg, err := loadConfig()
	if err == nil && dir != "" {
		cfg.BackupDir = dir
	}
	return cfg, err
}

// newStore is how backups are made by the configuration. d is nil where none is made.
func newStore(cfg *config.Config, d *database) (*backup.Store, error) {
	c := backup.Config{Dir: cfg.BackupDir, Recipients: cfg.BackupRecipients, Version: version}
	if d != nil {
		c.URL, c.Programs = d.adminURL, d.programs()
	}
	return backup.New(c)
}

// programs are where the private PostgreSQL has its programs.
func (d *database) programs() []string {
	if d.private == nil {
		return nil
	}
	return []string{d.private.BinDir}
}

// newSchedule is the backups that a server makes by itself; nil if none.
func newSchedule(cfg *config.Config, d *database, database *db.DB, jobs *queue.Queue, operator *notify.Operator, log *slog.Logger) (*backup.Schedule, error) {
	if cfg.BackupCron == "" {
		return nil, nil
	}
	cron, err := kpi.ParseCron(cfg.BackupCron)
	if err != nil {
		return nil, fmt.Errorf("BACKUP_CRON: %w", err)
	}
	zone, err := time.LoadLocation(cfg.Zone)
	if err != nil {
		return nil, fmt.Errorf("TZ: %w", err)
	}
	store, err := newStore(cfg, d)
	if err != nil {
		return nil, err
	}
	for _, path := range nearbyKeys(cfg) {
		log.Warn("A file with keys lies among the backups: whoever has both reads everything", "file", path)
	}
	return backup.NewSchedule(backup.ScheduleConfig{Store: store, Next: func(t time.Time) time.Time { return cron.Next(t, zone) }, Keep: retention(cfg.BackupDays),
		DB: database, Queue: jobs, Operator: operator, Log: log}), nil
}

func retention(days int) time.Duration { return time.Duration(days) * 24 * time.Hour }

func nearbyKeys(cfg *config.Config) []string {
	return backup.KeysNearby(cfg.BackupDir, string(cfg.JWTSecret), string(cfg.PreviousSecret), string(cfg.EncryptionSalt), string(cfg.PreviousSalt))
}

// withServer is withDatabase where there may be no database yet.
func withServer(ctx context.Context, cfg *config.Config, fn func(*database) error) error {
	d, err := startDatabase(ctx, cfg, slog.New(slog.DiscardHandler))
	if errors.Is(err, pgdev.ErrInUse) {
		d, err = joinDatabase(ctx, cfg, err)
	}
	if err != nil {
		return err
	}
	defer d.stop()
	return fn(d)
}

func (p *program) backupCreate() *cobra.Command {
	var dir string
	var recipients []string
	var credentials bool
	c := &cobra.Command{Use: "create", Short: "Back the database up into one file", Args: noArgs,
		Long: "Runs pg_dump (custom format, compressed) into a new file in BACKUP_DIR, encrypted where there are age recipients, with a\n" +
			"manifest beside it. The login (DATABASE_ADMIN_URL, else DATABASE_URL) must see every row. The keys that open credentials\n" +
			"are not in the backup: keep ENCRYPTION_KEY_SALT or the keyring, and JWT_SECRET, somewhere else.",
		Example: "  gravy backup create\n  gravy backup create --dir /var/backups/turkey --recipient age1…\n  gravy backup create --credentials-only",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := backupSettings(dir)
			if err != nil {
				return err
			}
			if len(recipients) > 0 {
				cfg.BackupRecipients = recipients
			}
			kind := backup.Full
			if credentials {
				kind = backup.Credentials
			}
			return withServer(cmd.Context(), cfg, func(d *database) error {
				store, err := backup.New(backup.Config{Dir: cfg.BackupDir, URL: d.adminURL, Recipients: cfg.BackupRecipients, Programs: d.programs(), Version: version,
					Progress: p.bytesWritten()})
				if err != nil {
					return err
				}
				b, err := store.Create(cmd.Context(), kind)
				if err != nil {
					return err
				}
				return p.showCreated(cfg, b)
			})
		}}
	dirFlag(c, &dir)
	c.Flags().StringArrayVar(&recipients, "recipient", nil, "age public key, repeat it for several; default: BACKUP_AGE_RECIPIENTS")
	c.Flags().BoolVar(&credentials, "credentials-only", false, "only the tables that hold credentials, and what these need to open")
	return c
}

func (p *program) showCreated(cfg *config.Config, b backup.Backup) error {
	keys := nearbyKeys(cfg)
	if p.json {
		return p.print(struct {
			backup.Manifest
			Path     string   `json:"path"`
			Warnings []string `json:"keysNearby,omitempty"`
		}{b.Manifest, b.Path, keys}, "")
	}
	for _, path := range keys {
		fmt.Fprintf(p.err, "Warning: %s holds keys and lies among the backups: whoever has both reads everything. Keep it elsewhere.\n", path)
	}
	m, sealed := b.Manifest, "not encrypted"
	if m.Encrypted() {
		sealed = "encrypted to " + strings.Join(m.Recipients, ", ")
	}
	fmt.Fprintf(p.out, "%s: %s, %d rows of %d tables, %s\n", b.Path, bytesOf(m.Size), m.Rows(), len(m.Tables), sealed)
	for _, id := range m.RootKeys {
		fmt.Fprintf(p.out, "Its credentials open with root key %s, which is not in it\n", id)
	}
	_, err := fmt.Fprintf(p.out, "Prove that it restores: gravy backup verify %s\n", m.File)
	return err
}

func (p *program) backupVerify() *cobra.Command {
	var dir, identity string
	var noKeys bool
	c := &cobra.Command{Use: "verify [file]", Short: "Prove that a backup restores", Args: atMostOne,
		Long: "Reads the backup to its end, restores it into a scratch database (on the server of DATABASE_ADMIN_URL or DATABASE_URL where that\n" +
			"login is a superuser, else in a private PostgreSQL for this time), and compares rows, constraints and row-level security with\n" +
			"the manifest. With the server's keys every sealed credential is opened. The outcome is kept beside the backup. Without a name\n" +
			"it takes the newest one.",
		Example: "  gravy backup verify\n  gravy backup verify --identity key.txt turkey-20260131T020000Z-9f3c21d4.dump.age",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := backupSettings(dir)
			if err != nil {
				return err
			}
			b, err := backup.Find(cfg.BackupDir, strings.Join(args, ""))
			if err != nil {
				return err
			}
			return withServer(cmd.Context(), cfg, func(d *database) error {
				on := backup.Scratch{URL: d.adminURL}
				if !noKeys {
					on.Prove = proving(cfg)
				}
				v, err := p.backupReader(cfg, d, identity).Verify(cmd.Context(), b, on)
				if err != nil {
					return errors.Join(err, p.printIf(p.json && !v.At.IsZero(), v))
				}
				sealed := fmt.Sprintf("%d sealed texts open", v.Opened)
				if noKeys {
					sealed = "what is sealed was not opened"
				}
				return p.print(v, "%s is good: %d rows of %d tables restored on %s in %.1fs, %s", b.Path, v.Rows, v.Tables, v.RestoredBy, v.Seconds, sealed)
			})
		}}
	dirFlag(c, &dir)
	identityFlag(c, &identity)
	c.Flags().BoolVar(&noKeys, "without-keys", false, "do not open what is sealed: this machine does not have the keys")
	return c
}

func identityFlag(c *cobra.Command, identity *string) {
	c.Flags().StringVar(identity, "identity", "", "file with the age identity; default: BACKUP_AGE_IDENTITY_FILE")
}

func atMostOne(cmd *cobra.Command, args []string) error {
	if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

func (p *program) backupReader(cfg *config.Config, d *database, identity string) backup.Reader {
	if identity == "" {
		identity = cfg.BackupIdentity
	}
	return backup.Reader{IdentityFile: identity, Programs: d.programs(), Progress: p.bytesRead()}
}

// proving opens with the configured keys what a restored database holds sealed: credentials, and in a full backup the signing
// keys. It makes no keys.
func proving(cfg *config.Config) func(context.Context, string, backup.Manifest) (backup.Proof, error) {
	return func(ctx context.Context, dsn string, m backup.Manifest) (proof backup.Proof, err error) {
		log := slog.New(slog.DiscardHandler)
		if err := readSecrets(cfg, log); err != nil {
			return proof, err
		}
		ring, err := openKeyring(cfg)
		if errors.Is(err, keyring.ErrNone) {
			ring, err = &keyring.Keyring{}, nil // the root keys that it lacks are named one by one
		}
		if err != nil {
			return proof, err
		}
		database, err := db.Open(ctx, db.Config{URL: dsn, MaxConns: 4})
		if err != nil {
			return proof, err
		}
		defer database.Close()
		found, err := vault.NewKeeper(vault.KeeperConfig{DB: database, Keyring: ring, App: cfg.JWTAudience}).Prove(ctx)
		if err != nil {
			return proof, err
		}
		proof.Opened, proof.Missing = found.Opened, found.Missing
		for _, t := range found.Unreadable {
			proof.Problems = append(proof.Problems, fmt.Sprintf("%s %s of user %s does not open", t.Table, t.ID, t.User))
		}
		if found.Lost > 0 {
			proof.Problems = append(proof.Problems, fmt.Sprintf("%d sealed texts belong to users without keys", found.Lost))
		}
		if m.Kind != backup.Full {
			return proof, nil
		}
		seen, err := auth.Inspect(ctx, authConfig(cfg, database, log))
		switch {
		case err != nil:
			return proof, err
		case len(seen.Keys) > 0 && cfg.JWTSecret == "":
			proof.Missing = append(proof.Missing, "JWT_SECRET is not set, so the signing keys were not opened")
		case seen.Problem != nil:
			proof.Missing = append(proof.Missing, strings.ReplaceAll(seen.Problem.Error(), "\n", "; "))
		}
		return proof, nil
	}
}
