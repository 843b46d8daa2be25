package backup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"turkey/internal/backup"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// patience bounds a wait for something that takes well under a second unless the machine is busy.
const patience = 60 * time.Second

// bundle is a database with a row in every table, and a directory for its backups.
type bundle struct {
	t   *testing.T
	url string
	dir string
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, url: dbtest.URL(t), dir: filepath.Join(t.TempDir(), "backups")}
	fillTables(t, b.url)
	return b
}

func (b *bundle) store(change ...func(*backup.Config)) *backup.Store {
	b.t.Helper()
	cfg := backup.Config{Dir: b.dir, URL: b.url, Version: "test"}
	for _, c := range change {
		c(&cfg)
	}
	s, err := backup.New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bundle) create(change ...func(*backup.Config)) backup.Backup {
	b.t.Helper()
	made, err := b.store(change...).Create(b.t.Context(), backup.Full)
	if err != nil {
		b.t.Fatal(err)
	}
	return made
}

// again reads what stands beside a backup anew.
func (b *bundle) again(made backup.Backup) backup.Backup {
	b.t.Helper()
	found, err := backup.Find(b.dir, made.Manifest.File)
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// files are the names in the directory of backups, without the lock.
func (b *bundle) files() (names []string) {
	b.t.Helper()
	entries, err := os.ReadDir(b.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != ".lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

func conn(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func scalar[T any](t *testing.T, url, sql string, args ...any) (v T) {
	t.Helper()
	c := conn(t, url)
	defer c.Close(t.Context())
	if err := c.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func exec(t *testing.T, url, sql string) {
	t.Helper()
	c := conn(t, url)
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// values are what the columns need that do not take what their type alone says.
var values = map[string]string{
	"users.email": "a@example.com", "credentials.service": "meta", "email_tokens.type": "password_reset", "audit_logs.status": "success",
	"revocation_events.kind": "user", "job_schedules.service": "meta", "audit_seals.log": "audit",
}

// fillTables writes a row into every table of ours: the same number, UUID and app everywhere, so foreign keys find each
// other whatever the order.
func fillTables(t *testing.T, url string) {
	t.Helper()
	c := conn(t, url)
	rows, err := c.Query(t.Context(), `SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), a.attnotnull,
			a.atthasdef OR a.attidentity <> '' AS given, a.attgenerated <> '' OR a.attidentity = 'a' AS made
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
			AND NOT c.relispartition AND c.relname <> 'goose_db_version' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, a.attnum`)
	if err != nil {
		t.Fatal(err)
	}
	columns, quantities := map[string][]string{}, map[string][]string{}
	var table, name, kind string
	var required, given, made bool
	if _, err := pgx.ForEachRow(rows, []any{&table, &name, &kind, &required, &given, &made}, func() error {
		columns[table] = append(columns[table], "")[:len(columns[table])] // the table is known
		if made || !required || given && kind != "uuid" {
			return nil
		}
		columns[table] = append(columns[table], name)
		quantities[table] = append(quantities[table], valueOf(table, name, kind))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(columns) < 30 {
		t.Fatalf("only %d tables", len(columns))
	}
	statements := []string{"SET session_replication_role = replica"}
	for table, names := range columns {
		sql := fmt.Sprintf("INSERT INTO public.%s (%s) VALUES (%s)", table, strings.Join(names, ", "), strings.Join(quantities[table], ", "))
		if len(names) == 0 {
			sql = fmt.Sprintf("INSERT INTO public.%s DEFAULT VALUES", table)
		}
		statements = append(statements, sql)
	}
	statements = append(statements, `INSERT INTO river.river_job (kind, args, max_attempts, scheduled_at) VALUES ('x', '{}', 3, now() + interval '1 year')`,
		"RESET session_replication_role")
	if _, err := c.Exec(t.Context(), strings.Join(statements, ";\n")); err != nil {
		t.Fatalf("fill: %v\n%s", err, strings.Join(statements, ";\n"))
	}
}

func valueOf(table, column, kind string) string {
	if v, ok := values[table+"."+column]; ok {
		return "'" + v + "'"
	}
	switch kind {
	case "uuid":
		return "'01a2028e-be45-7bda-a9ab-41e92bba5baf'"
	case "bigint", "integer", "smallint", "numeric":
		return "1"
	case "boolean":
		return "true"
	case "jsonb", "json":
		return "'{}'"
	case "bytea":
		return `'\x00'`
	case "date", "timestamp with time zone":
		return "'2026-01-01'"
	}
	if strings.HasSuffix(kind, "[]") {
		return "'{}'"
	}
	switch {
	case column == "app_id" || table == "apps":
		return "'default-app'"
	case column == "service":
		return "'meta'"
	case column == "root_id" || table == "vault_roots":
		return "'root'"
	}
	return "'x'"
}

// identity makes an age key, and a file with it.
func identity(t *testing.T) (recipient, file string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "identity.txt")
	if err := os.WriteFile(file, []byte("# a comment\n"+id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return id.Recipient().String(), file
}

// refused wants an error with these words.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v\ndoes not say %q", err, w)
		}
	}
}

// content is every row of every table as text, by table.
func content(t *testing.T, url string) map[string]string {
	t.Helper()
	c := conn(t, url)
	defer c.Close(t.Context())
	rows, err := c.Query(t.Context(), `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, table := range tables {
		var text string
		if err := c.QueryRow(t.Context(), `SELECT coalesce(string_agg(x::text, E'\n' ORDER BY x::text), '') FROM `+table+` x`).Scan(&text); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		all[table] = text
	}
	return all
}

// connectFor is for cleanups, which have no context of their test any more.
func connectFor(url string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return pgx.Connect(ctx, url)
}

func migrate(t *testing.T, url string) {
	t.Helper()
	if _, err := db.Migrate(t.Context(), db.MigrateConfig{URL: url}); err != nil {
		t.Fatal(err)
	}
}
