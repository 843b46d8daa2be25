package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/db"
)

func (p *program) dbHealth() *cobra.Command {
	return &cobra.Command{Use: "health", Short: "Look at PostgreSQL: round trip, pool, replication, locks, slow queries, indexes", Args: noArgs,
		Long: "Asks PostgreSQL how it is doing, with DATABASE_ADMIN_URL if that is set. A login that is no superuser and not in pg_monitor\n" +
			"does not see what other logins are doing. Values in queries are masked.",
		Example: "  gravy db health\n  gravy db health --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withDatabase(cmd, func(ctx context.Context, d *database) error {
				h, err := db.CheckHealth(ctx, d.adminURL)
				if err != nil {
					return err
				}
				return p.showHealth(h)
			})
		}}
}

func (p *program) showHealth(h db.Health) error {
	if p.json {
		return p.print(h, "")
	}
	state := "takes writes"
	if h.Standby {
		state = "is a standby"
		if h.LagSeconds != nil {
			state += fmt.Sprintf(", %s behind", seconds(*h.LagSeconds))
		}
	}
	fmt.Fprintf(p.out, "PostgreSQL %s %s, up since %s; round trip %.2f ms\n", h.Version, state, h.StartedAt.Local().Format(time.DateTime), h.RoundTripMS)
	fmt.Fprintf(p.out, "Database %s, %s, as %s; %d of %d connections of the server are taken\n", h.Database, size(h.SizeBytes), h.Login, h.Connections.Taken, h.Connections.Usable)
	section := func(title, header string, rows int, row func(int) string) error {
		if rows == 0 {
			return nil
		}
		fmt.Fprintf(p.out, "\n%s\n", title)
		return p.table(nil, header, rows, row)
	}
	err := errors.Join(
		section("Pool, by application", "APPLICATION\tCONNECTIONS\tACTIVE\tIDLE\tIDLE IN TRANSACTION\tOLDEST TRANSACTION", len(h.Pools), func(i int) string {
			u := h.Pools[i]
			oldest := "-"
			if u.OldestSeconds != nil {
				oldest = seconds(*u.OldestSeconds)
			}
			return fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%s", printable(u.Application), u.Total, u.Active, u.Idle, u.InTransaction, oldest)
		}),
		section("Replicas", "NAME\tADDRESS\tSTATE\tSYNC\tBEHIND", len(h.Replicas), func(i int) string {
			r := h.Replicas[i]
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s", printable(r.Name), text(r.Address), text(r.State), text(r.Sync), bytesOr(r.LagBytes))
		}),
		section("Replication slots", "NAME\tACTIVE\tKEEPS", len(h.Slots), func(i int) string {
			return fmt.Sprintf("%s\t%t\t%s", h.Slots[i].Name, h.Slots[i].Active, bytesOr(h.Slots[i].RetainedBytes))
		}),
		section("Waiting for locks", "PID\tBLOCKED BY\tFOR\tLOCK\tQUERY", len(h.Waiting), func(i int) string {
			w := h.Waiting[i]
			return fmt.Sprintf("%d\t%s\t%s\t%s\t%s", w.PID, strings.Trim(fmt.Sprint(w.BlockedBy), "[]"), seconds(w.Seconds), w.Lock, printable(w.Query))
		}),
		section("Running for more than 5 s", "PID\tFOR\tQUERY", len(h.Slow), func(i int) string {
			return fmt.Sprintf("%d\t%s\t%s", h.Slow[i].PID, seconds(h.Slow[i].Seconds), printable(h.Slow[i].Query))
		}),
		section("Statements that took most time in all", "CALLS\tMEAN MS\tTOTAL MS\tQUERY", len(h.Statements), func(i int) string {
			s := h.Statements[i]
			return fmt.Sprintf("%d\t%.2f\t%.0f\t%s", s.Calls, s.MeanMS, s.TotalMS, printable(s.Query))
		}),
		section("Tables with many dead rows: VACUUM them, and look for old transactions", "TABLE\tLIVE\tDEAD\tVACUUMED", len(h.Bloat), func(i int) string {
			b := h.Bloat[i]
			at := "never"
			if b.VacuumedAt != nil {
				at = b.VacuumedAt.Local().Format(time.DateTime)
			}
			return fmt.Sprintf("%s\t%d\t%d\t%s", b.Table, b.Live, b.Dead, at)
		}),
		section("Indexes that nobody has read since the statistics began", "INDEX\tTABLE\tSIZE", len(h.Unused), func(i int) string {
			return fmt.Sprintf("%s\t%s\t%s", h.Unused[i].Index, h.Unused[i].Table, size(h.Unused[i].Bytes))
		}),
		section("Invalid indexes: REINDEX INDEX CONCURRENTLY, or drop them", "", len(h.Invalid), func(i int) string { return h.Invalid[i] }),
	)
	if err == nil && h.NoStatement != "" {
		_, err = fmt.Fprintf(p.out, "\n%s\n", h.NoStatement)
	}
	return err
}

func seconds(s float64) string {
	return (time.Duration(s*1000) * time.Millisecond).Round(10 * time.Millisecond).String()
}

// size is a number of bytes for people.
func size(n int64) string {
	value, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

func bytesOr(n *int64) string {
	if n == nil {
		return "-"
	}
	return size(*n)
}

func (p *program) dbStats() *cobra.Command {
	return &cobra.Command{Use: "stats", Short: "Count the rows of every table", Args: noArgs,
		Long:    "Counts rows exactly, by the rights of turkey_system: of all tenants. On a big database that takes a while.",
		Example: "  gravy db stats\n  gravy db stats --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withDatabase(cmd, func(ctx context.Context, d *database) error {
				list, err := db.Stats(ctx, d.adminURL)
				if err != nil {
					return err
				}
				return p.table(list, "TABLE\tROWS\tSIZE", len(list), func(i int) string {
					return fmt.Sprintf("%s\t%d\t%s", list[i].Table, list[i].Rows, size(list[i].Bytes))
				})
			})
		}}
}

func (p *program) dbReset() *cobra.Command {
	var yes, force bool
	c := &cobra.Command{Use: "reset", Short: "Drop everything in the database and make the schema anew", Args: noArgs,
		Long:    "Drops all tables of TurKey with every user, key and credential in them, and makes the schema anew. Tables of others stay.\nIn production it is refused without --force.",
		Example: "  gravy db reset -y",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig()
			if err != nil {
				return err
			}
			if cfg.Production() && !force {
				return errors.New("this is production (NODE_ENV): a reset deletes every user, key and credential; if that is meant, back up first and use --force")
			}
			if !yes && !p.confirm("Delete every user, key and credential in the database?") {
				return p.cancelled()
			}
			return p.withDatabase(cmd, func(ctx context.Context, d *database) error {
				n, err := db.Reset(ctx, d.migrations(nil))
				if err != nil {
					return err
				}
				return p.print(map[string]any{"applied": n}, "The database is empty, with a new schema (%d steps)", n)
			})
		}}
	yesFlag(c, &yes)
	c.Flags().BoolVar(&force, "force", false, "in production too")
	return c
}

// notProvided is a command of the original that made no sense here.
func (p *program) notProvided(use, short, instead string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, Example: "  " + strings.TrimSpace(instead[strings.Index(instead, "`")+1:strings.LastIndex(instead, "`")]),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%s is not provided: %s", strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "), instead)
		}}
}
