package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/db"
	"turkey/internal/db/pgdev"
)

func (p *program) dbCommand() *cobra.Command {
	return group("db", "Migrate and inspect the database", p.dbSetup(), p.dbMigrate(), p.dbStatus(), p.dbRollback(), p.dbHealth(), p.dbStats(), p.dbCleanup(),
		p.dbReset(), p.notProvided("generate", "Not provided: migrations are written by hand", "write internal/db/migrations/NNNNN_name.sql, then run `gravy db migrate`"),
		p.notProvided("studio", "Not provided: use psql", "look at the database with `psql $DATABASE_URL`"))
}

// withDatabase runs a command against the configured PostgreSQL, or the private one: that of a running server, else one that
// is started for its time.
func (p *program) withDatabase(cmd *cobra.Command, fn func(context.Context, *database) error) error {
	cfg, err := loadConfig()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	d, err := startDatabase(ctx, cfg, slog.New(slog.DiscardHandler))
	if errors.Is(err, pgdev.ErrInUse) {
		d, err = joinDatabase(ctx, cfg, err)
	}
	if err != nil {
		return err
	}
	defer d.stop()
	if _, err := d.reach(ctx, cfg, d.adminURL); err != nil {
		return err
	}
	return fn(ctx, d)
}

func (p *program) dbMigrate() *cobra.Command {
	var u inPlaceFlags
	c := &cobra.Command{Use: "migrate", Short: "Apply all pending migrations", Args: noArgs,
		Long: "Applies all pending migrations. A database of the original TurKey is upgraded in place, after a question: in one transaction,\n" +
			"and with no way back but a backup. Servers never do that by themselves.",
		Example: "  gravy db migrate\n  DATABASE_ADMIN_URL=postgresql://postgres@localhost/turkey gravy db migrate\n  gravy db migrate --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withDatabase(cmd, func(ctx context.Context, d *database) error {
				origin, err := db.Recognise(ctx, d.adminURL)
				if err != nil {
					return err
				}
				if origin == db.OriginTurKey {
					if done, err := p.upgradeInPlace(ctx, d, u); err != nil || done {
						return err
					}
				}
				if u.dry {
					list, err := db.Status(ctx, d.adminURL)
					if err != nil {
						return err
					}
					list = slices.DeleteFunc(list, func(m db.Migration) bool { return !m.AppliedAt.IsZero() })
					return p.print(map[string]any{"dryRun": true, "pending": len(list)}, "Nothing was changed: %d migrations are pending", len(list))
				}
				n, err := db.Migrate(ctx, d.migrations(nil))
				if err != nil {
					return err
				}
				if n == 0 {
					return p.print(map[string]any{"applied": 0}, "Nothing to do: the schema is up to date")
				}
				return p.print(map[string]any{"applied": n}, "Applied %d steps, those of the job queue's tables among them", n)
			})
		}}
	u.add(c)
	return c
}

func (p *program) dbStatus() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "List applied and pending migrations", Args: noArgs,
		Long: "Lists what this program knows of the schema. Exit code 1 if anything is pending.", Example: "  gravy db status\n  gravy db status --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withDatabase(cmd, func(ctx context.Context, d *database) error {
				list, err := db.Status(ctx, d.adminURL)
				if err != nil {
					return err
				}
				origin, err := db.Recognise(ctx, d.adminURL)
				if err != nil {
					return err
				}
				if err := p.printStatus(list); origin != db.OriginTurKey {
					return err
				}
				return db.ErrTurKey
			})
		}}
}

func (p *program) printStatus(list []db.Migration) error {
	type row struct {
		Version   int64      `json:"version"`
		Name      string     `json:"name"`
		AppliedAt *time.Time `json:"appliedAt"`
	}
	rows := make([]row, len(list))
	pending := 0
	for i, m := range list {
		rows[i] = row{Version: m.Version, Name: m.Name}
		state := "pending"
		if m.AppliedAt.IsZero() {
			pending++
		} else {
			rows[i].AppliedAt, state = &m.AppliedAt, m.AppliedAt.Format(time.DateTime)
		}
		if !p.json {
			fmt.Fprintf(p.out, "%-20s %s\n", state, m.Name)
		}
	}
	if p.json {
		if err := p.print(rows, ""); err != nil {
			return err
		}
	}
	if pending > 0 {
		return fmt.Errorf("%d migrations are pending: run `gravy db migrate`", pending)
	}
	return nil
}

func (p *program) dbRollback() *cobra.Command {
	var yes, force bool
	c := &cobra.Command{Use: "rollback", Short: "Undo the last migration", Args: noArgs,
		Long:    "Undoes the last migration. It is refused where that would drop a table with rows, or a column that holds something, unless --force.",
		Example: "  gravy db rollback\n  gravy db rollback -y --force",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes && !p.confirm("Undo the last migration?") {
				return p.print(map[string]any{"cancelled": true}, "Cancelled")
			}
			return p.withDatabase(cmd, func(ctx context.Context, d *database) error {
				m, err := db.Rollback(ctx, d.migrations(nil), force)
				if err != nil {
					return err
				}
				return p.print(map[string]any{"version": m.Version, "name": m.Name}, "Rolled back %s", m.Name)
			})
		}}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&force, "force", false, "even if rows are lost")
	return c
}

// confirm asks a yes-or-no question; everything but yes is no. Nobody's answer is waited for long where nobody sits at a
// terminal, nor after Ctrl-C.
func (p *program) confirm(question string) bool {
	fmt.Fprintf(p.err, "%s (y/N) ", question)
	read := make(chan string, 1)
	go func() {
		var answer string
		_, _ = fmt.Fscanln(p.in, &answer) // no answer is no
		read <- answer
	}()
	select {
	case answer := <-read:
		return answer == "y" || answer == "Y" || answer == "yes"
	case <-p.patience():
		fmt.Fprintln(p.err, "no answer; -y answers beforehand")
	case <-p.stopped:
		fmt.Fprintln(p.err)
	}
	return false
}

// patience ends the wait for an input that is no terminal and stays silent; at a terminal it never does.
func (p *program) patience() <-chan time.Time {
	if terminal(p.in) {
		return nil
	}
	return time.After(inputWait)
}

const inputWait = 10 * time.Second
