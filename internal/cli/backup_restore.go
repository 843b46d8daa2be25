package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"turkey/internal/backup"
)

func (p *program) backupList() *cobra.Command {
	var dir string
	c := &cobra.Command{Use: "list", Short: "List backups, newest first", Example: "  gravy backup list --json", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := backupSettings(dir)
			if err != nil {
				return err
			}
			if _, err := newStore(cfg, nil); err != nil {
				return err
			}
			all, err := backup.List(cfg.BackupDir)
			if err != nil {
				return err
			}
			return p.showBackups(all)
		}}
	dirFlag(c, &dir)
	return c
}

// listed is a backup as `list` and `prune` tell of it.
type listed struct {
	File       string     `json:"file"`
	Path       string     `json:"path"`
	Kind       string     `json:"kind"`
	CreatedAt  time.Time  `json:"createdAt"`
	AgeSeconds int64      `json:"ageSeconds"`
	Size       int64      `json:"size"`
	Encrypted  bool       `json:"encrypted"`
	Rows       int64      `json:"rows"`
	RootKeys   []string   `json:"rootKeys"`
	VerifiedAt *time.Time `json:"verifiedAt"` // the last verification that found it good
	Problem    string     `json:"problem,omitempty"`
}

func (p *program) showBackups(all []backup.Backup) error {
	rows := make([]listed, len(all))
	for i, b := range all {
		m := b.Manifest
		rows[i] = listed{File: m.File, Path: b.Path, Kind: m.Kind, CreatedAt: m.CreatedAt, AgeSeconds: int64(time.Since(m.CreatedAt).Seconds()), Size: m.Size,
			Encrypted: m.Encrypted(), Rows: m.Rows(), RootKeys: m.RootKeys, Problem: b.Problem}
		if b.Verified != nil && b.Verified.OK {
			rows[i].VerifiedAt = &b.Verified.At
		}
	}
	return p.table(rows, "FILE\tAGE\tSIZE\tENCRYPTED\tVERIFIED", len(rows), func(i int) string {
		r := rows[i]
		verified := day(r.VerifiedAt)
		if r.Problem != "" {
			verified = "BAD: " + r.Problem
		}
		return fmt.Sprintf("%s\t%s\t%s\t%t\t%s", r.File, ageOf(time.Duration(r.AgeSeconds)*time.Second), bytesOf(r.Size), r.Encrypted, verified)
	})
}

func ageOf(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}

func bytesOf(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

func (p *program) backupRestore() *cobra.Command {
	var dir, identity, name string
	var force, yes bool
	c := &cobra.Command{Use: "restore <file>", Short: "Bring a backup back", Args: oneArg,
		Long: "Restores into the database of DATABASE_ADMIN_URL, else DATABASE_URL, whose login must be a superuser; a missing database is made.\n" +
			"The backup is read to its end first. An empty database is filled in one transaction. One with tables is refused; with --force\n" +
			"the backup is restored beside it and compared with its manifest, then the two change names: what was there stays, in a\n" +
			"database of another name, for you to drop. Stop the servers first. Without keys (ENCRYPTION_KEY_SALT or the keyring, and\n" +
			"JWT_SECRET) as they were then, its credentials do not open. `latest` is the newest backup.",
		Example: "  gravy backup restore latest\n  gravy backup restore --database turkey_copy turkey-20260131T020000Z-9f3c21d4.dump\n" +
			"  gravy backup restore --force --yes --identity key.txt turkey-20260131T020000Z-9f3c21d4.dump.age",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := backupSettings(dir)
			if err != nil {
				return err
			}
			b, err := backup.Find(cfg.BackupDir, args[0])
			if err != nil {
				return err
			}
			return withServer(cmd.Context(), cfg, func(d *database) error {
				to := backup.Target{URL: d.adminURL, AppLogin: d.migrations(nil).AppLogin, Database: name, Force: force}
				question := fmt.Sprintf("Replace what is in the database %s by the backup of %s?", target(d, name), b.Manifest.CreatedAt.Local().Format(time.DateTime))
				if force && !yes && !p.confirm(question) {
					return p.cancelled()
				}
				done, err := p.backupReader(cfg, d, identity).Restore(cmd.Context(), b, to)
				if err != nil {
					return err
				}
				return p.showRestored(done)
			})
		}}
	dirFlag(c, &dir)
	identityFlag(c, &identity)
	c.Flags().StringVar(&name, "database", "", "another database of the same server to restore into; it is made if it is missing")
	c.Flags().BoolVar(&force, "force", false, "also into a database with tables, which is kept under another name")
	yesFlag(c, &yes)
	return c
}

// target is the name of the database that is restored into.
func target(d *database, name string) string {
	if name != "" {
		return name
	}
	cc, err := pgx.ParseConfig(d.adminURL)
	if err != nil {
		return ""
	}
	return cc.Database
}

func (p *program) showRestored(done backup.Restored) error {
	if p.json {
		return p.print(done, "")
	}
	fmt.Fprintf(p.out, "%s is in the database %s: %d rows of %d tables, as its manifest says\n", done.File, done.Database, done.Rows, done.Tables)
	if done.Kept != "" {
		fmt.Fprintf(p.out, "What was there before is in the database %s. When it is not needed any more: dropdb %[1]s\n", done.Kept)
	}
	if len(done.Roles) > 0 {
		fmt.Fprintf(p.out, "These roles were missing and were made without a login: %s\n", strings.Join(done.Roles, ", "))
	}
	text := "Look it over before you start the servers: gravy db status, gravy vault status, gravy doctor"
	if done.Kind == backup.Credentials {
		text = "It holds the tables of credentials alone: take rows over with psql; no server starts on it"
	}
	_, err := fmt.Fprintln(p.out, text)
	return err
}

func (p *program) backupPrune() *cobra.Command {
	var dir string
	var days int
	var yes bool
	c := &cobra.Command{Use: "prune", Short: "Remove old backups", Args: noArgs,
		Long: "Removes backups older than BACKUP_RETENTION_DAYS (30). The newest one that is whole always stays, of full and of\n" +
			"credentials-only backups each.",
		Example: "  gravy backup prune\n  gravy backup prune --days 7 --yes",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := backupSettings(dir)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("days") {
				cfg.BackupDays = days
			}
			if cfg.BackupDays < 1 {
				return usageError{fmt.Errorf("--days: at least 1")}
			}
			store, err := newStore(cfg, nil)
			if err != nil {
				return err
			}
			keep := retention(cfg.BackupDays)
			old, err := backup.Old(cmd.Context(), cfg.BackupDir, time.Now(), keep)
			if err != nil {
				return err
			}
			if len(old) > 0 && !yes && !p.confirm(fmt.Sprintf("Remove %d backups that are older than %d days?", len(old), cfg.BackupDays)) {
				return p.cancelled()
			}
			gone := []backup.Backup{}
			if len(old) > 0 {
				if gone, err = store.Prune(cmd.Context(), keep); err != nil {
					return err
				}
			}
			files := make([]string, len(gone))
			for i, b := range gone {
				files[i] = b.Manifest.File
			}
			return p.print(map[string]any{"removed": files}, "Removed %d backups%s", len(files), strings.Join(append([]string{""}, files...), "\n"))
		}}
	dirFlag(c, &dir)
	c.Flags().IntVar(&days, "days", 0, "keep backups of so many days; default: BACKUP_RETENTION_DAYS")
	yesFlag(c, &yes)
	return c
}

// bytesWritten and bytesRead show how far a backup is, where a person looks.
func (p *program) bytesWritten() func(done, most int64) {
	show := p.bytesRead()
	if show == nil {
		return nil
	}
	return func(done, most int64) { show("Written", done, most) }
}

func (p *program) bytesRead() func(what string, done, most int64) {
	if p.json || !terminal(p.err) {
		return nil
	}
	var last time.Time
	return func(what string, done, most int64) {
		end := most > 0 && done >= most
		if !end && time.Since(last) < 200*time.Millisecond {
			return
		}
		last = time.Now()
		if most > 0 {
			what = fmt.Sprintf("\r%s %s of %s", what, bytesOf(done), bytesOf(most))
		} else {
			what = fmt.Sprintf("\r%s %s", what, bytesOf(done))
		}
		if end {
			what += "\n"
		}
		fmt.Fprint(p.err, what)
	}
}
