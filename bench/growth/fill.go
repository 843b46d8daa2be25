package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/pgdev"
)

//go:embed fill.sql
var fillSQL string

// operatorKey opens the administration; the databases are nobody's.
const operatorKey = "turkey_admin_growth0000000000000000000000000000000000"

// unmatched is a hash that no password has. What is measured of a login is its statements: the hash costs the same at any size.
const unmatched = "$argon2id$v=19$m=19456,t=2,p=1$Z3Jvd3RoZ3Jvd3RoZ3Jvdw$Z3Jvd3RoZ3Jvd3RoZ3Jvd3RoZ3Jvd3RoZ3Jvd3RoZ3I"

// step is one transaction of fill.sql.
type step struct{ lane, name, sql string }

func steps() (all []step) {
	for line := range strings.Lines(fillSQL) {
		for _, lane := range []string{"first", "a", "b"} {
			if name, ok := strings.CutPrefix(line, "-- "+lane+": "); ok {
				all = append(all, step{lane: lane, name: strings.TrimSpace(name)})
			}
		}
		if len(all) > 0 {
			all[len(all)-1].sql += line
		}
	}
	return all
}

// fill makes the databases that are not there yet, on a PostgreSQL that does not mind losing them.
func (g *growth) fill(ctx context.Context) error {
	pg, err := pgdev.Start(ctx, pgdev.Config{DataDir: filepath.Join(g.dir, "pg"), Volatile: true, Settings: []string{
		"shared_buffers=1GB", "maintenance_work_mem=512MB", "max_wal_size=4GB", "autovacuum=off", "max_parallel_maintenance_workers=1"}})
	if err != nil {
		return err
	}
	defer pg.Stop() //nolint:errcheck // what is missing is seen at the next start
	for _, s := range g.sizes {
		mark := filepath.Join(g.dir, s.name+".json")
		took, err := os.ReadFile(mark)
		if err == nil {
			if err := json.Unmarshal(took, &s.filled); err != nil {
				return err
			}
			continue
		}
		if !os.IsNotExist(err) {
			return err
		}
		began := time.Now()
		if err := g.fillOne(ctx, pg, s); err != nil {
			return fmt.Errorf("fill %s: %w", s.name, err)
		}
		s.filled = time.Since(began).Round(time.Second).String()
		if err := os.WriteFile(mark, []byte(strconv.Quote(s.filled)), fs.FileMode(0o600)); err != nil {
			return err
		}
	}
	return nil
}

func (g *growth) fillOne(ctx context.Context, pg *pgdev.Server, s *size) error {
	conn, err := pgx.Connect(ctx, pg.DSN("postgres", "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{"DROP DATABASE IF EXISTS " + s.name, "CREATE DATABASE " + s.name} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	s.dsn = pg.DSN("postgres", s.name)
	if err := g.serve(ctx, s); err != nil { // makes tables and keys
		return err
	}
	s.stop()
	at := time.Now().UTC().Format(time.RFC3339)
	lane := func(name string) error {
		conn, err := pgx.Connect(ctx, s.dsn)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		for _, set := range [][2]string{{"session_replication_role", "replica"}, {"timezone", "UTC"}, {"growth.users", strconv.Itoa(s.users)}, {"growth.at", at}, {"growth.key", operatorKey}, {"growth.hash", unmatched}} {
			if _, err := conn.Exec(ctx, `SELECT set_config($1, $2, false)`, set[0], set[1]); err != nil {
				return err
			}
		}
		for _, st := range steps() {
			if st.lane != name {
				continue
			}
			began := time.Now()
			if err := conn.PgConn().Exec(ctx, st.sql).Close(); err != nil {
				return fmt.Errorf("%s: %w", st.name, err)
			}
			fmt.Printf("%s: %s: %s\n", s.name, st.name, time.Since(began).Round(time.Second))
		}
		return nil
	}
	if err := lane("first"); err != nil {
		return err
	}
	var wg sync.WaitGroup
	var a, b error
	wg.Go(func() { a = lane("a") })
	wg.Go(func() { b = lane("b") })
	wg.Wait()
	if a != nil {
		return a
	}
	return b
}

// counted are the tables that grow.
var counted = []string{"apps", "users", "refresh_tokens", "audit", "audit_logs", "credentials", "vault_keys", "kpi_rows", "kpi_runs", "mails", "email_tokens",
	"revoked_jti", "revocation_events", "webhook_deliveries", "audit_keys", "audit_seals"}

// prepare takes statistics, as autovacuum would have, and sizes.
func (g *growth) prepare(ctx context.Context, s *size) error {
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "VACUUM ANALYZE"); err != nil {
		return err
	}
	s.rows, s.bytes = map[string]int64{}, map[string]int64{}
	var all int64
	if err := conn.QueryRow(ctx, `SELECT pg_database_size(current_database())`).Scan(&all); err != nil {
		return err
	}
	s.bytes["all"] = all
	for _, t := range counted {
		var n, size int64
		if err := conn.QueryRow(ctx, `SELECT sum(pg_total_relation_size(c.oid))::bigint, sum(greatest(c.reltuples, 0))::bigint FROM pg_class c
			WHERE c.relkind = 'r' AND (c.oid = $1::regclass OR c.oid IN (SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = $1::regclass))`, t).Scan(&size, &n); err != nil {
			return err
		}
		s.rows[t], s.bytes[t] = n, size
	}
	return nil
}
