package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"turkey/internal/audit"
	"turkey/internal/auth"
	"turkey/internal/config"
	"turkey/internal/db"
	"turkey/internal/queue"
)

func (p *program) auditCommand() *cobra.Command {
	list := p.securityAudit()
	list.Use, list.Example = "list", "  gravy audit list -d 1 -a login_failed\n  gravy audit list -u ada@example.com -v --json"
	return group("audit", "Verify the audit, and move old months of it into files", list, p.auditVerify(), p.auditCheckpoint(), p.auditArchive(), p.auditRestore())
}

// auditKeyName is the server's secret that seals are signed with.
const auditKeyName = "audit-seal"

// newKeeper is the keeper of the audit, who signs with a key of the server.
func newKeeper(ctx context.Context, cfg *config.Config, database *db.DB, users *auth.Service, log *slog.Logger) (*audit.Keeper, error) {
	seed, err := users.Secret(ctx, auditKeyName)
	if err != nil {
		return nil, err
	}
	defer clear(seed)
	return audit.NewKeeper(audit.Config{DB: database, Log: log, Now: time.Now, Seed: seed, CheckpointFile: cfg.AuditCheckpoints})
}

// archivist is what commands on the audit need besides its keeper.
type archivist struct {
	owner    func() (*pgx.Conn, error) // opens a connection with the rights of the tables' owner
	operator audit.Operator
}

// keeping runs a command with the keeper of the audit.
func (p *program) keeping(fn func(ctx context.Context, cfg *config.Config, k *audit.Keeper, a archivist, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
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
			users, err := auth.New(ctx, authConfig(cfg, database, log))
			if err != nil {
				return err
			}
			k, err := newKeeper(ctx, cfg, database, users, log)
			if err != nil {
				return err
			}
			jobs := queue.New(database, log, 1) // it is never started
			operator := newOperator(cfg, database, log, jobs, nil)
			if err := jobs.Open(); err != nil {
				return err
			}
			return fn(ctx, cfg, k, archivist{owner: func() (*pgx.Conn, error) { return ownerOf(ctx, d) }, operator: operator}, args)
		})
	}
}

func ownerOf(ctx context.Context, d *database) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, d.adminURL)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, `SET ROLE turkey_owner`); err != nil {
		return nil, errors.Join(fmt.Errorf("months of the audit are moved by the tables' owner: set DATABASE_ADMIN_URL to a superuser or owner (%w)", err),
			conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}

func (p *program) auditVerify() *cobra.Command {
	var from, to, dir string
	var files []string
	c := &cobra.Command{Use: "verify", Short: "Find rows of the audit that were changed, removed or put in", Args: noArgs,
		Long: "Holds each row against its seal, the seals against each other, and the chain against checkpoints that were kept elsewhere.\n" +
			"Exit code 1: something is not as it was, and the operator's channels are told.",
		Example: "  gravy audit verify\n  gravy audit verify --from 2026-01 --to 2026-03 --json\n  gravy audit verify --dir /var/lib/turkey/audit --checkpoint /mnt/elsewhere/checkpoints.json"}
	c.RunE = p.keeping(func(ctx context.Context, cfg *config.Config, k *audit.Keeper, a archivist, _ []string) error {
		scope := audit.Scope{Dir: dir}
		if dir == "" {
			scope.Dir = cfg.AuditArchiveDir
		}
		var err error
		if scope.From, err = monthFlag("from", from); err != nil {
			return err
		}
		if scope.Until, err = monthFlag("to", to); err != nil {
			return err
		}
		if !scope.Until.IsZero() {
			scope.Until = scope.Until.AddDate(0, 1, 0)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			more, err := audit.ParseCheckpoints(text)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			scope.Checkpoints = append(scope.Checkpoints, more...)
		}
		r, err := k.Verify(ctx, scope)
		if err != nil {
			return err
		}
		return errors.Join(p.printVerified(r), scope.Report(ctx, a.operator, r))
	})
	c.Flags().StringVar(&from, "from", "", "first month whose rows are checked, as 2026-01")
	c.Flags().StringVar(&to, "to", "", "last month")
	c.Flags().StringVar(&dir, "dir", "", "where archived months are (default AUDIT_ARCHIVE_DIR)")
	c.Flags().StringArrayVar(&files, "checkpoint", nil, "file of checkpoints that the log has to hold still; repeat it for more")
	return c
}

func (p *program) printVerified(r audit.Report) error {
	if p.json {
		if err := p.print(r, ""); err != nil {
			return err
		}
	} else {
		for _, f := range r.Findings {
			fmt.Fprintf(p.out, "%-10s %-10s %-8s %s\n", f.Kind, f.Log, f.Month, f.Message)
		}
		if r.More {
			fmt.Fprintln(p.out, "… and more")
		}
		fmt.Fprintf(p.out, "%d rows against %d seals; persons taken out of %d, %d archived\n", r.Rows, r.Seals, r.Erased, r.Archived)
	}
	if !r.Intact {
		return errors.New("the audit is not as it was sealed")
	}
	if !p.json {
		fmt.Fprintln(p.out, "The audit is as it was sealed")
	}
	return nil
}

func (p *program) auditCheckpoint() *cobra.Command {
	return &cobra.Command{Use: "checkpoint", Short: "Print the newest seal, to be kept elsewhere", Args: noArgs,
		Long: "Prints the newest signed seal. Kept where nobody on this machine can change it, it shows later that the log was not cut off or\n" +
			"written anew, even by somebody who has the server's keys: gravy audit verify --checkpoint <file>.",
		Example: "  gravy audit checkpoint --json | ssh elsewhere 'cat >> checkpoints.json'",
		RunE: p.keeping(func(ctx context.Context, _ *config.Config, k *audit.Keeper, _ archivist, _ []string) error {
			c, err := k.Checkpoint(ctx)
			if err != nil {
				return err
			}
			return p.print(c, "{\"no\":%d,\"hash\":%q,\"sealedAt\":%q,\"signature\":%q,\"publicKey\":%q}", c.No, c.Hash, c.SealedAt.String(), c.Signature, c.PublicKey)
		})}
}

func (p *program) auditArchive() *cobra.Command {
	var before, dir string
	var yes, force bool
	c := &cobra.Command{Use: "archive", Short: "Move old months of the audit into files", Args: noArgs,
		Long: "Moves whole months, each log's by itself, into compressed files (lines of JSON). A month leaves the database when its file is\n" +
			"whole and was read again. Without --before: the months that are over for AUDIT_RETENTION_DAYS.",
		Example: "  gravy audit archive --before 2026-01 --dir /var/lib/turkey/audit --yes\n  AUDIT_RETENTION_DAYS=365 gravy audit archive --yes"}
	c.RunE = p.keeping(func(ctx context.Context, cfg *config.Config, k *audit.Keeper, a archivist, _ []string) error {
		until, err := monthFlag("before", before)
		switch {
		case err != nil:
			return err
		case before == "" && cfg.AuditRetentionDays == 0:
			return usageError{errors.New("--before is needed, or AUDIT_RETENTION_DAYS; see gravy audit archive --help")}
		case before == "":
			until = audit.Retention{Days: cfg.AuditRetentionDays}.Before(time.Now())
		}
		if until.After(time.Now()) {
			return usageError{errors.New("--before: only months that are over are archived")}
		}
		if dir == "" {
			dir = cfg.AuditArchiveDir
		}
		if dir == "" {
			return usageError{errors.New("--dir is needed, or AUDIT_ARCHIVE_DIR; see gravy audit archive --help")}
		}
		if !yes && !p.confirm("Move the audit before "+until.Format("2006-01")+" into files in "+dir+"?") {
			return p.cancelled()
		}
		conn, err := a.owner()
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx)) // nothing is left to lose
		done, err := k.Archive(ctx, conn, until, dir, force)
		if len(done) > 0 || err == nil {
			err = errors.Join(err, p.table(done, "FILE\tLOG\tMONTH\tROWS", len(done), func(i int) string {
				return fmt.Sprintf("%s\t%s\t%s\t%d", done[i].File, done[i].Log, done[i].Month, done[i].Rows)
			}))
		}
		return err
	})
	c.Flags().StringVar(&before, "before", "", "the first month that stays, as 2026-01")
	c.Flags().StringVar(&dir, "dir", "", "where to (default AUDIT_ARCHIVE_DIR)")
	c.Flags().BoolVar(&force, "force", false, "even if it is not as it was sealed")
	yesFlag(c, &yes)
	return c
}

func (p *program) auditRestore() *cobra.Command {
	return &cobra.Command{Use: "restore <file>", Short: "Bring an archived month back", Args: oneArg, Example: "  gravy audit restore /var/lib/turkey/audit/audit_logs-2026-01.ndjson.gz",
		Long: "Brings the rows of a file back into their table; those that are there already stay as they are. Persons who were deleted since do not\n" +
			"come back with them.",
		RunE: p.keeping(func(ctx context.Context, _ *config.Config, k *audit.Keeper, a archivist, args []string) error {
			conn, err := a.owner()
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx)) // nothing is left to lose
			r, err := k.Restore(ctx, conn, args[0])
			if err != nil {
				return err
			}
			return p.print(r, "Brought back %d rows of %s, %s; of %d the person is gone", r.Rows, r.Log, r.Month, r.Blank)
		})}
}

// monthFlag reads a month, zero for none.
func monthFlag(name, value string) (time.Time, error) {
	if value = strings.TrimSpace(value); value == "" {
		return time.Time{}, nil
	}
	t, err := audit.MonthOf(value)
	if err != nil {
		return t, usageError{fmt.Errorf("--%s: %w", name, err)}
	}
	return t, nil
}
