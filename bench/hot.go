package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"turkey/bench/internal/ask"
)

// measured is an operation with its figures.
type measured struct {
	operation
	ours, floor   figures
	ratios, whole []float64 // of the rounds: server's processor time, and with PostgreSQL's; sorted
}

// hot runs every operation, in turns with the floor where there is one.
func (b *bench) hot(ctx context.Context) error {
	providers, err := startProviders(ctx, 0)
	if err != nil {
		return err
	}
	defer providers.stop()
	dsn, err := b.database(ctx, "floor")
	if err != nil {
		return err
	}
	floor, err := start(ctx, b.floor, nil, []string{"DATABASE_URL=" + dsn, "FLOOR_ADDR=127.0.0.1:" + ask.Port(floorBase)}, floorBase, "/static")
	if err != nil {
		return err
	}
	defer floor.stop()
	var all []measured
	for _, alone := range []bool{false, true} {
		chosen := slices.DeleteFunc(operations(), func(op operation) bool { return op.alone != alone || !strings.Contains(op.name, b.filter) })
		if len(chosen) == 0 {
			continue
		}
		done, err := b.onOneServer(ctx, chosen, floor, alone)
		if err != nil {
			return err
		}
		all = append(all, done...)
	}
	b.printHot(all)
	return nil
}

// atProviders are settings of a server that uses them.
func atProviders(base string) []string {
	at := bases(base)
	return []string{"GOOGLE_OAUTH_BASE=" + at.GoogleOAuthBase, "GOOGLE_SHEETS_BASE=" + at.GoogleSheetsBase, "GOOGLE_DRIVE_BASE=" + at.GoogleDriveBase,
		"GA_DATA_BASE=" + at.GADataBase, "META_API_BASE=" + at.MetaBase, "SHOPIFY_API_BASE=" + at.ShopifyBase, "PROVIDER_RATES=google_sheets.read=0,google_sheets.write=0"}
}

func (b *bench) onOneServer(ctx context.Context, chosen []operation, floor *server, alone bool) ([]measured, error) {
	name, args := "ours", []string(nil)
	if alone {
		name, args = "queue", []string{"--no-workers"}
	}
	ours, err := b.serve(ctx, name, args, atProviders(providersBase)...)
	if err != nil {
		return nil, err
	}
	defer ours.stop()
	var all []measured
	for _, op := range chosen {
		fmt.Printf("(%s)\n", op.name)
		m := measured{operation: op}
		if err := b.rounded(ctx, &m, ours, floor, name); err != nil {
			return nil, fmt.Errorf("%s: %w", op.name, err)
		}
		if m.ours.first != nil {
			fmt.Printf("(%s: %d failed, %.300v)\n", op.name, m.ours.failed, m.ours.first)
		}
		all = append(all, m)
	}
	return all, nil
}

// rounded measures one operation in rounds.
func (b *bench) rounded(ctx context.Context, m *measured, ours, floor *server, database string) error {
	var mine, theirs []figures
	ourCrew, err := crew(m.operation.ours)
	if err != nil {
		return fmt.Errorf("ours: %w", err)
	}
	var floorCrew []func() error
	if m.operation.floor != nil {
		if floorCrew, err = crew(m.operation.floor); err != nil {
			return fmt.Errorf("floor: %w", err)
		}
	}
	for round := range b.rounds + 1 { // the first only makes rows to take statistics of
		if m.alone && round > 0 {
			if err := execute(ctx, b.pg.DSN("postgres", database), "DELETE FROM kpi_runs", "DELETE FROM river.river_job"); err != nil {
				return err
			}
		}
		o, err := b.measure(ours, ourCrew)
		if err != nil {
			return fmt.Errorf("ours: %w", err)
		}
		var f figures
		if floorCrew != nil {
			if f, err = b.measure(floor, floorCrew); err != nil {
				return fmt.Errorf("floor: %w", err)
			}
		}
		if round == 0 {
			if err := analyze(ctx, b.pg, database, "floor"); err != nil {
				return err
			}
			continue
		}
		mine = append(mine, o)
		if floorCrew != nil {
			theirs = append(theirs, f)
			m.ratios = append(m.ratios, float64(o.server)/float64(f.server))
			m.whole = append(m.whole, float64(o.total())/float64(f.total()))
		}
	}
	m.ours = together(mine)
	if theirs != nil {
		m.floor = together(theirs)
		slices.Sort(m.ratios)
		slices.Sort(m.whole)
	}
	return nil
}

func (b *bench) printHot(all []measured) {
	b.title("Hot operations against the floor")
	b.printf("%d keep-alive connections, closed loop, %d rounds of %s each, in turns. CPU is processor time per operation; the targets are about the server's.", clients, b.rounds, b.slice)
	b.table("operation", "server CPU", "spread", "target", "with PostgreSQL's", "ours: server + PG µs", "floor: server + PG µs", "ours op/s", "floor op/s")
	for _, m := range all {
		if n := len(m.ratios); n > 0 {
			b.row(m.name, fmt.Sprintf("**%.2f**", m.ratios[n/2]), fmt.Sprintf("%.2f to %.2f", m.ratios[0], m.ratios[n-1]), m.target, fmt.Sprintf("%.2f", m.whole[n/2]),
				costs(m.ours), costs(m.floor), fmt.Sprintf("%.0f", m.ours.perSecond), fmt.Sprintf("%.0f", m.floor.perSecond))
		}
	}
	b.title("Every operation")
	b.printf("Ours, from the same rounds. Reading a sheet includes the call to a provider on this machine, whose time is not counted as the server's. " +
		"A sync is the request and what hands its run to the queue, on a server without workers. A token is verified in the client's own process. RSS is the server's, at most, after a round.")
	b.table("operation", "op/s", "p50 / p95 / p99 / p99.9 ms", "failed", "server µs", "PostgreSQL µs", "RSS after MiB")
	for _, m := range all {
		b.row(m.name, fmt.Sprintf("%.0f", m.ours.perSecond), percentiles(m.ours.took), fmt.Sprintf("%d of %d", m.ours.failed, m.ours.failed+m.ours.ops),
			m.ours.server.Microseconds(), m.ours.database.Microseconds(), fmt.Sprintf("%.0f", mib(m.ours.rss)))
	}
}

func costs(f figures) string {
	return fmt.Sprintf("%d + %d", f.server.Microseconds(), f.database.Microseconds())
}
