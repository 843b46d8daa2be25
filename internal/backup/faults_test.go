package backup_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"turkey/internal/backup"
	"turkey/internal/db/dbtest"
)

// A changed byte anywhere is found, and noted beside the backup.
func TestDamage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create()
	raw, err := os.ReadFile(made.Path)
	if err != nil {
		t.Fatal(err)
	}
	target := dbtest.Empty(t)
	tries := func(words ...string) {
		t.Helper()
		v, err := backup.Reader{}.Verify(t.Context(), b.again(made), backup.Scratch{URL: b.url})
		refused(t, err, words...)
		if v.OK || len(v.Problems) == 0 || b.again(made).Problem == "" {
			t.Errorf("%+v", v)
		}
		_, err = backup.Reader{}.Restore(t.Context(), b.again(made), backup.Target{URL: target})
		refused(t, err, words...)
		if st, err := backup.Look(b.dir); err != nil || st.Newest != nil || st.Verified != nil {
			t.Errorf("%+v %v", st, err)
		}
	}
	for _, place := range []int{100, len(raw) / 2, len(raw) - 1} {
		bad := slices.Clone(raw)
		bad[place] ^= 1
		b.write(made.Path, bad)
		tries("was changed after it was written")
	}
	b.write(made.Path, raw[:len(raw)-1])
	tries("it was cut or changed")
	b.write(made.Path, nil)
	tries("does not begin as one")
	b.write(made.Path, []byte(strings.Repeat("x", len(raw))))
	tries("is not a backup of TurKey")
	b.write(made.Path, raw)
	if v, err := (backup.Reader{}).Verify(t.Context(), b.again(made), backup.Scratch{URL: b.url}); err != nil || !v.OK {
		t.Errorf("%+v %v", v, err)
	}
	if n := scalar[int](t, target, `SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace`); n != 0 {
		t.Errorf("%d things in the target", n)
	}
}

func (b *bundle) write(path string, content []byte) {
	b.t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// What was restored differs from the manifest, or its rules are off: somebody changed the database that was dumped.
func TestContentThatIsNotAsItShould(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec1 := func(sql, says string) {
		t.Helper()
		exec(t, b.url, sql)
		made := b.create()
		v, err := backup.Reader{}.Verify(t.Context(), made, backup.Scratch{URL: b.url})
		refused(t, err, says)
		if v.OK || b.again(made).Verified == nil {
			t.Errorf("%+v", v)
		}
	}
	exec1(`ALTER TABLE users NO FORCE ROW LEVEL SECURITY`, "row-level security of table users is not enabled and forced")
	exec1(`ALTER TABLE users FORCE ROW LEVEL SECURITY; ALTER TABLE credentials DISABLE ROW LEVEL SECURITY`, "row-level security of table credentials")
	exec1(`ALTER TABLE credentials ENABLE ROW LEVEL SECURITY; ALTER TABLE apps ADD CONSTRAINT odd CHECK (id <> 'default-app') NOT VALID`,
		"constraint odd of table apps is not valid")
	exec(t, b.url, `ALTER TABLE apps DROP CONSTRAINT odd`)

	made := b.create()
	m := made.Manifest
	m.Tables = slices.Clone(m.Tables)
	i := slices.IndexFunc(m.Tables, func(t backup.Table) bool { return t.Name == "public.credentials" })
	m.Tables[i].Rows++
	m.Tables = slices.Delete(m.Tables, i+1, i+2)
	made.Manifest = m
	v, err := backup.Reader{}.Verify(t.Context(), made, backup.Scratch{URL: b.url})
	refused(t, err, "public.credentials has 1 rows, and 2 were backed up")
	if len(v.Problems) != 2 || !strings.Contains(v.Problems[1], "is not in the manifest") {
		t.Errorf("%q", v.Problems)
	}
	for _, p := range []struct {
		proof backup.Proof
		says  string
	}{{backup.Proof{Missing: []string{"root key abc"}}, "key missing: root key abc"}, {backup.Proof{Problems: []string{"credentials 7 does not open"}}, "credentials 7"}} {
		made := b.create()
		v, err := backup.Reader{}.Verify(t.Context(), made, backup.Scratch{URL: b.url,
			Prove: func(context.Context, string, backup.Manifest) (backup.Proof, error) { return p.proof, nil }})
		refused(t, err, p.says)
		if v.OK || errors.Is(err, backup.ErrKeyMissing) != (p.proof.Missing != nil) {
			t.Errorf("%+v %v", v, err)
		}
	}
}

func TestForeign(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create()
	// Another program's database, dumped by its operator.
	other := dbtest.Empty(t)
	exec(t, other, `CREATE TABLE users (id int); CREATE TABLE orders (id int)`)
	path := filepath.Join(t.TempDir(), "their.dump")
	if out, err := osexec.Command("pg_dump", "-Fc", "-f", path, other).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	foreign, err := backup.Find(b.dir, path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = backup.Reader{}.Verify(t.Context(), foreign, backup.Scratch{URL: b.url})
	refused(t, err, "has no manifest beside it")
	_, err = backup.Reader{}.Restore(t.Context(), foreign, backup.Target{URL: dbtest.Empty(t)})
	refused(t, err, "has no manifest beside it")
	// With a manifest that fits it.
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	m := made.Manifest
	m.File, m.Size, m.SHA256 = "their.dump", int64(len(raw)), hex.EncodeToString(sum[:])
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	b.write(path+".json", text)
	if foreign, err = backup.Find(b.dir, path); err != nil {
		t.Fatal(err)
	}
	_, err = backup.Reader{}.Restore(t.Context(), foreign, backup.Target{URL: dbtest.Empty(t)})
	refused(t, err, "holds a database that is not TurKey's")
	// One of a program that knows more.
	m = made.Manifest
	m.Schema, made.Manifest = 9999, m
	made.Manifest.Schema = 9999
	_, err = backup.Reader{}.Restore(t.Context(), made, backup.Target{URL: dbtest.Empty(t)})
	refused(t, err, "newer version")
	// A database that is not ours is not backed up.
	_, err = b.store(func(c *backup.Config) { c.URL = other }).Create(t.Context(), backup.Full)
	refused(t, err, "no tables of TurKey")
	_, err = backup.Find(b.dir, "turkey-nothing")
	refused(t, err, "there is no backup")
}

// A login that sees only some rows makes no backup, and hears what to do; a member of turkey_backup makes one.
func TestRights(t *testing.T) {
	t.Parallel()
	pg := dbtest.Private(t)
	b := &bundle{t: t, url: dbtest.At(pg, "postgres", "turkey"), dir: filepath.Join(t.TempDir(), "backups")}
	exec(t, dbtest.At(pg, "postgres", "postgres"), `CREATE DATABASE turkey`)
	migrate(t, b.url)
	fillTables(t, b.url)
	exec(t, b.url, `CREATE ROLE plain LOGIN; GRANT turkey_app, turkey_system TO plain`)
	as := func(login string) func(*backup.Config) {
		return func(c *backup.Config) { c.URL = dbtest.At(pg, login, "turkey") }
	}
	_, err := b.store(as("plain")).Create(t.Context(), backup.Full)
	refused(t, err, `login "plain" does not see every row`, "DATABASE_ADMIN_URL", `GRANT pg_read_all_data TO turkey_backup; GRANT turkey_backup TO "plain"`)
	exec(t, b.url, `GRANT turkey_backup TO plain`)
	_, err = b.store(as("plain")).Create(t.Context(), backup.Full)
	refused(t, err, `role "turkey_backup" may not read`, `GRANT pg_read_all_data TO "turkey_backup"`)
	if names := b.files(); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
	exec(t, b.url, `GRANT pg_read_all_data TO turkey_backup`)
	made := b.create(as("plain"))
	// plain cannot make a scratch database: a PostgreSQL of its own is started.
	if v, err := (backup.Reader{}).Verify(t.Context(), made, backup.Scratch{URL: dbtest.At(pg, "plain", "turkey")}); err != nil || !v.OK {
		t.Errorf("%+v %v", v, err)
	}
	_, err = backup.Reader{}.Restore(t.Context(), made, backup.Target{URL: dbtest.At(pg, "plain", "turkey")})
	refused(t, err, "needs a superuser", "DATABASE_ADMIN_URL")

	_, err = b.store(func(c *backup.Config) { c.URL = dbtest.At(pg, "postgres", "nowhere") }).Create(t.Context(), backup.Full)
	refused(t, err, `has no database "nowhere"`)
	if err := pg.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err = b.store().Create(t.Context(), backup.Full)
	refused(t, err, "cannot reach PostgreSQL")
	if names := b.files(); len(names) != 3 {
		t.Errorf("%q", names)
	}
}

func TestPrograms(t *testing.T) {
	t.Parallel()
	refused(t, backup.NeedTool(t.Context(), "pg_dump", 99), "pg_dump is version", "99 or newer is needed", "TURKEY_POSTGRES_BIN")
	refused(t, backup.NeedTool(t.Context(), "pg_nothing", 14), "pg_nothing is not installed")
	_, err := backup.New(backup.Config{Dir: "x", Recipients: []string{"AGE-SECRET-KEY-1CANARY"}})
	refused(t, err, "BACKUP_AGE_RECIPIENTS", "age1")
	if strings.Contains(err.Error(), "CANARY") {
		t.Error(err)
	}
	_, err = backup.New(backup.Config{})
	refused(t, err, "BACKUP_DIR")
}

// script puts a program in the place of pg_dump, of the version of the server.
func (b *bundle) script(body string) (dir string) {
	b.t.Helper()
	dir = b.t.TempDir()
	major := scalar[string](b.t, b.url, `SELECT (current_setting('server_version_num')::int / 10000)::text`)
	text := "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'pg_dump (PostgreSQL) " + major + ".0'; exit; fi\n" + body + "\n"
	if err := os.WriteFile(filepath.Join(dir, "pg_dump"), []byte(text), 0o700); err != nil {
		b.t.Fatal(err)
	}
	return dir
}

// The password is in the environment of pg_dump and nowhere else, and pg_dump gets nothing else of ours.
func TestPasswordIsNotShown(t *testing.T) {
	t.Setenv("JWT_SECRET", "canary-jwt")
	b := setup(t)
	seen := filepath.Join(t.TempDir(), "seen")
	dir := b.script(fmt.Sprintf("{ echo \"$@\"; echo ENVIRONMENT; env; } >%s; echo PGDMP", seen))
	u, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), "canary: pass'word%")
	if _, err := b.store(func(c *backup.Config) { c.URL, c.Programs = u.String(), []string{dir} }).Create(t.Context(), backup.Full); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	line, env, _ := strings.Cut(string(raw), "ENVIRONMENT\n")
	if strings.Contains(line, "canary") || !strings.Contains(line, "--snapshot=") || strings.Contains(env, "canary-jwt") ||
		!strings.Contains(env, "PGPASSWORD=canary: pass'word%\n") || !strings.Contains(env, "PGSSLMODE=disable\n") {
		t.Errorf("%s", raw)
	}
}

func TestConnectionStrings(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		`postgresql://u:p@h:1/d?sslmode=verify-full&sslrootcert=/x%20y/ca.pem`: "verify-full /x y/ca.pem",
		`host=h sslmode=require sslrootcert='/it\'s/ca.pem' password='a b=c'`:  "require /it's/ca.pem",
		`sslmode = disable`: "disable ",
	} {
		if got := backup.Settings(dsn); got["sslmode"]+" "+got["sslrootcert"] != want {
			t.Errorf("%s: %v", dsn, got)
		}
	}
	for dsn, want := range map[string]string{
		`postgresql://u:p@h:1/d?sslmode=disable&dbname=e`: `postgresql://u:p@h:1/new?sslmode=disable`,
		`host=h dbname=d`: `host=h dbname=d dbname='new'`,
	} {
		if got, err := backup.InDatabase(dsn, "new"); err != nil || got != want {
			t.Errorf("%s: %s %v", dsn, got, err)
		}
	}
}

// An end in the middle leaves nothing: by a signal, by pg_dump, by another process at work.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	slow := b.script("echo PGDMP; exec sleep 600")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := b.store(func(c *backup.Config) { c.Programs = []string{slow} }).Create(ctx, backup.Full)
		failed <- err
	}()
	until(t, "a file under its temporary name", func() bool { return slices.ContainsFunc(b.files(), isPartial) })
	_, err := b.store().Create(t.Context(), backup.Full)
	refused(t, err, "another process is writing")
	cancel()
	refused(t, <-failed, "interrupted", "no backup was made")
	if names := b.files(); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
	dies := b.script("echo PGDMP; echo 'pg_dump: error: it broke' >&2; exit 1")
	recipient, _ := identity(t)
	_, err = b.store(func(c *backup.Config) { c.Programs, c.Recipients = []string{dies}, []string{recipient} }).Create(t.Context(), backup.Full)
	refused(t, err, "pg_dump: it broke")
	if names := b.files(); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
	// What a killed process left is swept by the next one; what others put there stays.
	for _, name := range []string{"turkey-20260101T000000Z-00000000.dump.partial", "turkey-20260101T000000Z-00000000.dump.age.json",
		"turkey-20260101T000000Z-00000000.dump.verified.json", ".turkey-20260101T000000Z-00000000.dump.json.123", "notes.partial"} {
		b.write(filepath.Join(b.dir, name), nil)
	}
	made := b.create()
	want := []string{"notes.partial", made.Manifest.File, made.Manifest.File + ".json"}
	if names := b.files(); !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

func isPartial(name string) bool { return strings.HasSuffix(name, ".partial") }

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	b := setup(t)
	refused(t, b.store().PourInto(t.Context(), fullDisk{}), "is full", "BACKUP_DIR")
	if os.Geteuid() != 0 {
		return // who may not mount has seen what a writer without room does
	}
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", b.dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(b.dir, 0)
	exec(t, b.url, `INSERT INTO mailbox (sender, recipient, subject, body_text, body_html) SELECT 'x', 'x', 'x', string_agg(gen_random_uuid()::text, ''), 'x' FROM generate_series(1, 20000)`)
	_, err := b.store().Create(t.Context(), backup.Full)
	refused(t, err, "is full", "free some space")
	if names := b.files(); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
	// One that fits stays as it is when the next does not.
	exec(t, b.url, `TRUNCATE mailbox`)
	if err := syscall.Mount("none", b.dir, "tmpfs", syscall.MS_REMOUNT, "size=256k"); err != nil {
		t.Fatal(err)
	}
	made := b.create()
	exec(t, b.url, `INSERT INTO mailbox (sender, recipient, subject, body_text, body_html) SELECT 'x', 'x', 'x', string_agg(gen_random_uuid()::text, ''), 'x' FROM generate_series(1, 20000)`)
	_, err = b.store().Create(t.Context(), backup.Full)
	refused(t, err, "is full")
	if got := b.again(made); len(b.files()) != 2 || got.Problem != "" {
		t.Errorf("%q %+v", b.files(), got)
	}
}
