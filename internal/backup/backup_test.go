package backup_test

import (
	"bytes"
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"turkey/internal/backup"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	b := setup(t)
	before := content(t, b.url)
	for name, rows := range before {
		if rows == "" && strings.HasPrefix(name, "public.") {
			t.Errorf("%s is empty: the trip shows nothing of it", name)
		}
	}
	recipient, id := identity(t)
	made := b.create(func(c *backup.Config) { c.Recipients = []string{recipient} })
	m := made.Manifest
	if !m.Encrypted() || !strings.HasSuffix(made.Path, ".dump.age") || m.Schema != db.Latest() || m.Queue == 0 || !slices.Equal(m.RootKeys, []string{"root"}) ||
		!slices.Contains(m.Roles, "turkey_app") || m.Rows() < 30 || m.Server == "" {
		t.Errorf("%+v", m)
	}
	if raw, err := os.ReadFile(made.Path); err != nil || bytes.Contains(raw, []byte("a@example.com")) || bytes.Contains(raw, []byte("PGDMP")) {
		t.Errorf("it is not encrypted: %v", err)
	}
	if info, err := os.Stat(made.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	exec(t, b.url, `UPDATE users SET email = 'later@example.com'`) // after the snapshot

	r := backup.Reader{IdentityFile: id}
	v, err := r.Verify(t.Context(), made, backup.Scratch{URL: b.url})
	if err != nil || !v.OK || v.Rows != m.Rows() {
		t.Fatalf("%+v %v", v, err)
	}
	if got := b.again(made); got.Verified == nil || !got.Verified.OK || got.Problem != "" {
		t.Errorf("%+v", got)
	}
	if n := scalar[int](t, b.url, `SELECT count(*) FROM pg_database WHERE datname LIKE 'turkey_verify_%' AND datname > $1`, "turkey_verify_"+strings.ToLower(m.CreatedAt.Format("20060102T150405Z"))); n > 0 {
		t.Errorf("%d scratch databases are left", n)
	}

	target := dbtest.Empty(t)
	done, err := r.Restore(t.Context(), made, backup.Target{URL: target})
	if err != nil || done.Kept != "" || done.Rows != m.Rows() {
		t.Fatalf("%+v %v", done, err)
	}
	after := content(t, target)
	if !maps.Equal(before, after) {
		for name := range before {
			if before[name] != after[name] {
				t.Errorf("%s: %q, was %q", name, after[name], before[name])
			}
		}
	}
	// The restored database serves: scopes, policies and grants are there.
	d, err := db.Open(t.Context(), db.Config{URL: target, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var seen int
	if err := d.In(db.App("another")).QueryRow(t.Context(), `SELECT count(*) FROM users`).Scan(&seen); err != nil || seen != 0 {
		t.Errorf("%d users of another app, %v", seen, err)
	}
	if pending, err := db.Pending(t.Context(), target); err != nil || pending {
		t.Errorf("%v %v", pending, err)
	}

	_, err = r.Restore(t.Context(), made, backup.Target{URL: target})
	refused(t, err, "holds", "tables", "nothing was changed", "--force")
	_, wrong := identity(t)
	_, err = backup.Reader{IdentityFile: wrong}.Verify(t.Context(), made, backup.Scratch{URL: b.url})
	refused(t, err, "encrypted to somebody else", recipient)
	_, err = backup.Reader{}.Verify(t.Context(), made, backup.Scratch{URL: b.url})
	refused(t, err, "--identity", recipient)
	if got := b.again(made); !got.Verified.OK {
		t.Error("a wrong key is held against the backup")
	}
}

// Nothing is lost by a forced restore, and nothing changes while it cannot be done.
func TestForcedRestore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create()
	target := dbtest.URL(t)
	exec(t, target, `INSERT INTO apps (id) VALUES ('precious')`)
	name := scalar[string](t, target, `SELECT current_database()`)
	exec(t, target, `ALTER DATABASE `+name+` SET work_mem = '7MB'; REVOKE CONNECT ON DATABASE `+name+` FROM PUBLIC; GRANT CONNECT ON DATABASE `+name+` TO turkey_backup`)
	exec(t, target, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO turkey_owner', current_database()); END $$`)

	holding := conn(t, target)
	_, err := backup.Reader{}.Restore(t.Context(), made, backup.Target{URL: target, Force: true})
	refused(t, err, "is in use", "stop the servers")
	if err := holding.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := scalar[string](t, target, `SELECT id FROM apps`); got != "precious" {
		t.Errorf("%q", got)
	}

	done, err := backup.Reader{}.Restore(t.Context(), made, backup.Target{URL: target, Force: true})
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(target, "/"+name, "/"+done.Kept, 1)
	t.Cleanup(func() {
		c, err := connectFor(b.url)
		if err == nil {
			_, err = c.Exec(context.Background(), `DROP DATABASE `+done.Kept+` WITH (FORCE)`)
			_ = c.Close(context.Background())
		}
		if err != nil {
			t.Error(err)
		}
	})
	if got := scalar[string](t, old, `SELECT id FROM apps`); got != "precious" {
		t.Errorf("what was there: %q", got)
	}
	if got := scalar[string](t, target, `SELECT id FROM apps`); got != "default-app" {
		t.Errorf("what is there: %q", got)
	}
	if got := scalar[string](t, target, `SHOW work_mem`); got != "7MB" {
		t.Errorf("the settings of the database are gone: %s", got)
	}
	if got := scalar[string](t, target, `SELECT pg_get_userbyid(datdba) || ' ' || has_database_privilege('pg_monitor', datname, 'CONNECT') || ' ' || has_database_privilege('turkey_backup', datname, 'CONNECT')
		FROM pg_database WHERE datname = current_database()`); got != "turkey_owner false true" {
		t.Errorf("the rights on the database: %s", got)
	}
}

// A missing database is made; if the restore fails it is not there afterwards.
func TestRestoreMakesTheDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.create()
	name := scalar[string](t, b.url, `SELECT current_database()`) + "_copy"
	done, err := backup.Reader{}.Restore(t.Context(), made, backup.Target{URL: b.url, Database: name})
	if err != nil || done.Database != name {
		t.Fatalf("%+v %v", done, err)
	}
	t.Cleanup(func() {
		if c, err := connectFor(b.url); err == nil {
			_, _ = c.Exec(context.Background(), `DROP DATABASE `+name+` WITH (FORCE)`)
			_ = c.Close(context.Background())
		}
	})
	if got := scalar[string](t, strings.Replace(b.url, "/"+done.Database[:len(name)-5], "/"+name, 1), `SELECT email FROM users`); got != "a@example.com" {
		t.Error(got)
	}
	bad := made
	bad.Manifest.Tables = slices.Clone(made.Manifest.Tables)
	bad.Manifest.Tables[0].Rows++
	_, err = backup.Reader{}.Restore(t.Context(), bad, backup.Target{URL: b.url, Database: name + "2"})
	refused(t, err, "not what the manifest says", bad.Manifest.Tables[0].Name)
	if scalar[bool](t, b.url, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name+"2") {
		t.Error("a half-restored database is left")
	}
}

func TestCredentialsOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made, err := b.store().Create(t.Context(), backup.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(made.Path, ".credentials.dump") || len(made.Manifest.Tables) != 9 {
		t.Errorf("%+v", made.Manifest)
	}
	if v, err := (backup.Reader{}).Verify(t.Context(), made, backup.Scratch{URL: b.url}); err != nil || !v.OK {
		t.Fatalf("%+v %v", v, err)
	}
	target := dbtest.Empty(t)
	if _, err := (backup.Reader{}).Restore(t.Context(), made, backup.Target{URL: target}); err != nil {
		t.Fatal(err)
	}
	before, after := content(t, b.url), content(t, target)
	for name, rows := range after {
		if rows != before[name] || rows == "" {
			t.Errorf("%s: %q, was %q", name, rows, before[name])
		}
	}
	if st, err := backup.Look(b.dir); err != nil || st.Newest != nil {
		t.Errorf("%+v %v: it does not stand for a full one", st, err)
	}
}

// Rows are counted in the moment that pg_dump reads, whatever is written meanwhile.
func TestOneMoment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	late := b.script(`psql -qc "INSERT INTO apps (id) VALUES ('late')" >&2; exec pg_dump "$@"`)
	made := b.create(func(c *backup.Config) { c.Programs = []string{late} })
	if n := scalar[int](t, b.url, `SELECT count(*) FROM apps`); n != 2 {
		t.Fatalf("%d apps", n)
	}
	if v, err := (backup.Reader{}).Verify(t.Context(), made, backup.Scratch{URL: b.url}); err != nil || !v.OK {
		t.Errorf("%+v %v", v, err)
	}
}
