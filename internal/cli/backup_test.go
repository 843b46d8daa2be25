package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db/dbtest"
)

// backedUp is a strongroom with a directory for backups, encrypted ones.
func backedUp(t *testing.T) (r *strongroom, dir string) {
	t.Helper()
	r = newStrongroom(t)
	dir = filepath.Join(t.TempDir(), "backups")
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "identity.txt")
	if err := os.WriteFile(file, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.env = append(r.env, "BACKUP_DIR="+dir, "BACKUP_AGE_RECIPIENTS="+id.Recipient().String(), "BACKUP_AGE_IDENTITY_FILE="+file)
	return r, dir
}

// From a credential that opens to one that opens in another database.
func TestBackupCommands(t *testing.T) {
	t.Parallel()
	r, dir := backedUp(t)
	salt := "ENCRYPTION_KEY_SALT=" + oldSalt
	r.gravy(0, "None", "backup", "list")
	r.gravy(1, "there is no backup", "backup", "verify")
	made := answer{body: r.object(salt, "backup", "create")}
	file := made.at("file").(string)
	if made.at("kind") != "full" || len(made.at("rootKeys").([]any)) != 1 || made.at("path") != filepath.Join(dir, file) {
		t.Errorf("%v", made.body)
	}
	r.gravy(0, file, "backup", "list")
	// Without the key the credentials are not proved, with it they are.
	r.gravy(1, "key missing: ENCRYPTION_KEY_SALT is not the one", "backup", "verify")
	r.gravy(1, "key missing", "ENCRYPTION_KEY_SALT="+newSalt, "backup", "verify", file)
	r.gravy(0, "was not opened", "backup", "verify", "--without-keys")
	v := answer{body: r.object(salt, "backup", "verify")}
	if v.at("ok") != true || v.at("sealedTextsOpened").(float64) < 2 || v.at("withKeys") != true {
		t.Errorf("%v", v.body)
	}
	r.gravy(1, "encrypted to age1", "BACKUP_AGE_IDENTITY_FILE=", "backup", "verify")
	var all []map[string]any
	if o := r.gravy(0, "", "backup", "list", "--json"); json.Unmarshal([]byte(o.out), &all) != nil || len(all) != 1 || all[0]["verifiedAt"] == nil || all[0]["encrypted"] != true {
		t.Errorf("%s", o.out)
	}

	r.gravy(1, "nothing was changed", "backup", "restore", "latest")
	r.gravy(2, "", "backup", "restore")
	cmd := program(t, append(r.env, salt), "backup", "restore", "--force", "latest")
	cmd.Stdin = strings.NewReader("n\n")
	if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "Cancelled") {
		t.Errorf("%s %v", out, err)
	}
	// Another machine: an empty database, the same secrets.
	copied := *r
	copied.env = append(slices.Clone(r.env), "DATABASE_URL="+dbtest.Empty(t))
	copied.gravy(0, "as its manifest says", "backup", "restore", file)
	s := copied.serve(salt)
	copied.opens(s)
	s.stop(syscall.SIGTERM)

	r.gravy(0, "Removed 0", "backup", "prune")
	r.gravy(2, "--days", "backup", "prune", "--days", "0")
	r.gravy(1, "BACKUP_DIR is not set", "BACKUP_DIR=", "backup", "list")
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(salt), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd = program(t, append(r.env, salt), "backup", "create", "--credentials-only")
	var errOut strings.Builder
	cmd.Stderr = &errOut
	if err := cmd.Run(); err != nil || !strings.Contains(errOut.String(), "Warning: "+filepath.Join(dir, ".env")+" holds keys") {
		t.Errorf("%s %v", errOut.String(), err)
	}
	creds := answer{body: r.object(salt, "backup", "verify")}
	if !strings.Contains(creds.at("file").(string), ".credentials.") || creds.at("sealedTextsOpened") != v.at("sealedTextsOpened") {
		t.Errorf("%v", creds.body)
	}
	// A flipped bit in a sealed text, in the database that is backed up, is found and named.
	conn, err := pgx.Connect(t.Context(), strings.TrimPrefix(r.env[0], "DATABASE_URL="))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `UPDATE credentials SET encrypted_data = overlay(encrypted_data PLACING
		CASE substr(encrypted_data, 60, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM 60 FOR 1) WHERE id = $1`, r.credential); err != nil {
		t.Fatal(err)
	}
	r.gravy(0, `"rows"`, salt, "backup", "create", "--json")
	r.gravy(1, fmt.Sprintf("credentials %d of user", r.credential), salt, "backup", "verify")
	raw, err := os.ReadFile(filepath.Join(dir, file+".json"))
	if err != nil || strings.Contains(string(raw), oldSalt) {
		t.Error("a key is in the manifest", err)
	}
}

// A signal leaves nothing. What kill -9 leaves is under a temporary name, and gone with the next backup.
func TestBackupKilled(t *testing.T) {
	t.Parallel()
	r, dir := backedUp(t)
	slow := t.TempDir()
	// It answers for the real one until it is to write.
	text := "#!/bin/sh\n[ \"$1\" = --version ] && exec /usr/bin/env PATH=\"${PATH#*:}\" pg_dump --version\nwhile echo PGDMP; do sleep 0.05; done\n"
	if err := os.WriteFile(filepath.Join(slow, "pg_dump"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		cmd := program(t, append(r.env, "PATH="+slow+":"+os.Getenv("PATH")), "backup", "create")
		var errOut lines
		cmd.Stderr = &errOut
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience); len(matches(t, dir, "*.partial")) == 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("no file: %s", errOut.String())
			}
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Error("exit 0")
		}
		left, whole := matches(t, dir, "*.partial"), matches(t, dir, "turkey-*.dump.age")
		if len(whole) > 0 || (len(left) == 1) != (signal == syscall.SIGKILL) {
			t.Errorf("%v: %q %q", signal, left, whole)
		}
		if signal == syscall.SIGTERM && !strings.Contains(errOut.String(), "interrupted: no backup was made") {
			t.Error(errOut.String())
		}
		r.gravy(0, "", "backup", "list", "--json")
	}
	r.gravy(0, "rows of", "backup", "create")
	if left := matches(t, dir, "*.partial"); len(left) > 0 {
		t.Errorf("%q", left)
	}
}

func matches(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Two servers with a schedule make one backup, and a setting that cannot work is named at the start.
func TestServerMakesBackups(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "backups")
	env := []string{"DATABASE_URL=" + dbtest.URL(t), "TURKEY_DATA_DIR=" + dataDir(t), "BACKUP_DIR=" + dir, "BACKUP_CRON=* * * * *", "TZ=UTC"}
	for _, bad := range []struct{ set, says string }{{"BACKUP_CRON=hourly", "BACKUP_CRON: Invalid cron expression"}, {"BACKUP_DIR=", "BACKUP_DIR: needed for BACKUP_CRON"},
		{"BACKUP_AGE_RECIPIENTS=age1x", "BACKUP_AGE_RECIPIENTS"}, {"BACKUP_RETENTION_DAYS=0", "BACKUP_RETENTION_DAYS"}} {
		if o := run(t, append(slices.Clone(env), bad.set, "PORT="+freePort(t)), "serve"); o.code != 1 || !strings.Contains(o.err, bad.says) {
			t.Errorf("%s: %d %s", bad.set, o.code, o.err)
		}
	}
	serve(t, env, "serve")
	serve(t, env, "serve")
	for end := time.Now().Add(60*time.Second + patience); len(matches(t, dir, "turkey-*.dump")) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no backup")
		}
	}
	if o := run(t, env, "backup", "verify"); o.code != 0 || !strings.Contains(o.out, "is good") {
		t.Errorf("%d %s%s", o.code, o.out, o.err)
	}
}
