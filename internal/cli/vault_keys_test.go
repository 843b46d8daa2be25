package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"turkey/client"
	"turkey/internal/db/dbtest"
)

const oldSalt, newSalt = "canary-old-salt-0123456789-0123456789", "canary-new-salt-0123456789-0123456789"

// strongroom is a database with a credential, and the servers and commands on it, each with settings of its own.
type strongroom struct {
	t          testing.TB
	env        []string
	session    *client.Session
	credential int64
}

// newStrongroom saves a credential on a server with the old salt, and stops it.
func newStrongroom(t testing.TB) *strongroom {
	t.Helper()
	r := &strongroom{t: t, env: []string{"DATABASE_URL=" + dbtest.URL(t), "TURKEY_DATA_DIR=" + dataDir(t), "TURKEY_SANDBOX=true",
		"JWT_SECRET=" + strings.Repeat("j", 32), "JWT_ISSUER=https://vault.example.com"}}
	s := r.serve("ENCRYPTION_KEY_SALT=" + oldSalt)
	r.session = s.user("shop")
	_, r.credential = s.google().ready(r.session)
	r.opens(s)
	s.stop(syscall.SIGTERM)
	return r
}

func (r *strongroom) serve(env ...string) *server {
	r.t.Helper()
	s := serve(r.t, append(r.env[:len(r.env):len(r.env)], env...), "serve")
	for _, canary := range []string{oldSalt, newSalt} {
		s.secret(canary)
	}
	return s
}

// opens proves the credential at its provider, for which the server opens it.
func (r *strongroom) opens(s *server) {
	r.t.Helper()
	s.call("POST", fmt.Sprintf("/api/credentials/%d/verify", r.credential), bearer(r.session), nil).want(r.t, 200, "")
}

// gravy runs a command. env comes before args, one NAME=value each.
func (r *strongroom) gravy(code int, says string, args ...string) outcome {
	r.t.Helper()
	env := r.env[:len(r.env):len(r.env)]
	for len(args) > 0 && strings.Contains(args[0], "=") && !strings.HasPrefix(args[0], "-") {
		env, args = append(env, args[0]), args[1:]
	}
	o := run(r.t, env, args...)
	if o.code != code || !strings.Contains(o.out+o.err, says) || code != 0 && strings.Count(o.err, "Error:") != 1 || code == 0 && o.err != "" {
		r.t.Errorf("%v: exit %d, want %d and %q: %s%s", args, o.code, code, says, o.out, o.err)
	}
	if strings.Contains(o.out+o.err, "canary") || strings.Contains(o.out+o.err, "SECRET-KEY") {
		r.t.Errorf("%v tells a secret: %s%s", args, o.out, o.err)
	}
	return o
}

// object runs a command with --json.
func (r *strongroom) object(args ...string) map[string]any {
	r.t.Helper()
	var m map[string]any
	if o := r.gravy(0, "", append(args, "--json")...); json.Unmarshal([]byte(o.out), &m) != nil {
		r.t.Fatalf("%v prints %s", args, o.out)
	}
	return m
}

func TestVaultCommands(t *testing.T) {
	t.Parallel()
	r := newStrongroom(t)
	before, after := "ENCRYPTION_KEY_SALT="+oldSalt, "ENCRYPTION_KEY_SALT="+newSalt
	previous := "ENCRYPTION_KEY_SALT_PREVIOUS=" + oldSalt

	st := answer{body: r.object(before, "vault", "status")}
	old := st.at("activeRoot").(string)
	if st.at("source") != "ENCRYPTION_KEY_SALT" || st.at("users") != 1.0 || st.at("roots", 0, "available") != true || st.at("roots", 0, "source") != "salt" ||
		st.at("texts", 0, "table") != "credentials" || st.at("texts", 0, "current") != 2.0 || st.at("texts", 0, "older") != 0.0 || st.at("recoverable") != false {
		t.Errorf("%v", st.body)
	}
	r.gravy(0, "recovery create", before, "vault", "status")
	if st := (answer{body: r.object(after, "vault", "status")}); st.at("roots", 0, "available") != false || !strings.Contains(st.at("roots", 0, "problem").(string), "old value") {
		t.Errorf("%v", st.body)
	}
	r.gravy(0, "MISSING", after, "vault", "status")

	r.gravy(2, "unknown command", "vault", "destroy")
	r.gravy(2, "", "vault", "rotate", "now")
	r.gravy(2, "--recipient", before, "vault", "recovery", "create")
	r.gravy(2, "--identity", before, "vault", "recovery", "test", "bundle")
	r.gravy(2, "", before, "vault", "recovery", "test")
	for _, args := range [][]string{{"vault", "rotate"}, {"vault", "rotate-key"}, {"vault:rotate", "--prepare"}, {"vault", "reseal"}} {
		cmd := program(t, append(r.env, before), args...)
		cmd.Stdin = strings.NewReader("\n")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "(y/N) Cancelled") {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	r.gravy(1, "ENCRYPTION_KEY_SALT_PREVIOUS", before, "vault", "rotate", "-y")
	r.gravy(1, "old value", after, "vault", "rotate", "-y")
	r.gravy(1, "keyring file", before, "vault", "rotate", "--prepare", "-y")

	s := r.serve(after, previous) // follows what gravy does, without a new start
	r.opens(s)
	done := answer{body: r.object(after, previous, "vault", "rotate", "-y")}
	if done.at("previousRoot") != old || done.at("rewrapped") != 1.0 || done.at("retired", 0) != old || done.at("usersPerRoot", old) != 0.0 || done.at("usersPerRoot", done.at("root").(string)) != 1.0 {
		t.Errorf("%v", done.body)
	}
	r.opens(s)
	resealed := answer{body: r.object(after, "vault:reseal", "-y")}
	if resealed.at("usersRenewed") != 1.0 || resealed.at("usersEnded") != 1.0 || resealed.at("resealed", "credentials") != 2.0 || resealed.at("texts", 0, "older") != 0.0 {
		t.Errorf("%v", resealed.body)
	}
	r.opens(s)
	s.stop(syscall.SIGTERM)
	r.opens(r.serve(after))
	r.gravy(0, "the old ones are dropped", after, "vault", "reseal", "-y")

	keyring := "VAULT_KEYRING=file:" + filepath.Join(t.TempDir(), "keyring.json")
	prepared := answer{body: r.object(after, keyring, "vault", "rotate", "--prepare", "-y")}
	if rotated := (answer{body: r.object(after, keyring, "vault", "rotate-key", "-y")}); rotated.at("root") != prepared.at("root") || rotated.at("source") != "file" {
		t.Errorf("%v", rotated.body)
	}
	r.gravy(0, "is active now", keyring, "vault", "rotate", "-y")
	r.opens(r.serve(keyring))
	if st := (answer{body: r.object(keyring, "vault", "status")}); len(st.at("roots").([]any)) != 4 || st.at("source") != strings.TrimPrefix(keyring, "VAULT_KEYRING=") {
		t.Errorf("%v", st.body)
	}
}

// TestALostSaltIsSurvived by what a recovery bundle holds, and by nothing else.
func TestALostSaltIsSurvived(t *testing.T) {
	t.Parallel()
	r := newStrongroom(t)
	dir := t.TempDir()
	me, err := age.GenerateX25519Identity()
	must(t, err)
	identity, bundle, file := filepath.Join(dir, "key.txt"), filepath.Join(dir, "recovery.age"), filepath.Join(dir, "keyring.json")
	must(t, os.WriteFile(identity, []byte(me.String()+"\n"), 0o600))
	salt := "ENCRYPTION_KEY_SALT=" + oldSalt

	r.gravy(1, "age public key", salt, "vault", "recovery", "create", "--recipient", "age1nobody", "--out", bundle)
	r.gravy(0, "holds 1 root keys", salt, "vault", "recovery", "create", "--recipient", me.Recipient().String(), "--out", bundle)
	r.gravy(1, "exists", salt, "vault", "recovery", "create", "--recipient", me.Recipient().String(), "--out", bundle)
	if info, err := os.Stat(bundle); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	r.gravy(0, "BEGIN AGE ENCRYPTED FILE", salt, "vault", "recovery", "create", "--recipient", me.Recipient().String())
	if st := (answer{body: r.object(salt, "vault", "status")}); st.at("recoverable") != true {
		t.Errorf("%v", st.body)
	}

	// From here on nobody knows the salt.
	tested := answer{body: r.object("vault", "recovery", "test", "--identity", identity, "--all", bundle)}
	if tested.at("usersChecked") != 1.0 || tested.at("credentialsRead") != 1.0 || tested.at("lostUsers") != 0.0 || tested.at("roots", 0, "opens") != true {
		t.Errorf("%v", tested.body)
	}
	r.gravy(0, "0 users would lose theirs", "vault", "recovery", "test", "--identity", identity, bundle)
	other, err := age.GenerateX25519Identity()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "other.txt"), []byte(other.String()), 0o600))
	r.gravy(1, "somebody else", "vault", "recovery", "test", "--identity", filepath.Join(dir, "other.txt"), bundle)
	r.gravy(0, "VAULT_KEYRING=file:"+file, "vault", "recovery", "keyring", "--identity", identity, "--out", file, bundle)
	r.gravy(1, "exists", "vault", "recovery", "keyring", "--identity", identity, "--out", file, bundle)
	if o := run(t, append(r.env, "PORT="+freePort(t), "NODE_ENV=production", "TURKEY_SANDBOX=false", "ENCRYPTION_KEY_SALT="+newSalt), "serve"); o.code != 1 || !strings.Contains(o.err, "old value") {
		t.Errorf("exit %d: %s", o.code, o.err)
	}
	r.opens(r.serve("VAULT_KEYRING=file:" + file))
	r.gravy(0, "is active now", "VAULT_KEYRING=file:"+file, "vault", "rotate", "-y")
	r.gravy(1, "make a new one", "vault", "recovery", "test", "--identity", identity, bundle)
	must(t, os.Chmod(file, 0o644))
	for _, env := range []string{"development", "production"} {
		if o := run(t, append(r.env, "PORT="+freePort(t), "NODE_ENV="+env, "TURKEY_SANDBOX=false", "VAULT_KEYRING=file:"+file), "serve"); o.code != 1 || !strings.Contains(o.err, "may be read by others") {
			t.Errorf("exit %d: %s", o.code, o.err)
		}
	}
}

// TestAKilledRotationIsFinishedByTheNext: it is killed while it waits for a row that somebody holds.
func TestAKilledRotationIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	r := newStrongroom(t)
	s := r.serve("ENCRYPTION_KEY_SALT="+newSalt, "ENCRYPTION_KEY_SALT_PREVIOUS="+oldSalt)
	database := s.db
	conn, err := pgx.Connect(t.Context(), database)
	must(t, err)
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM vault_keys FOR UPDATE`)
	must(t, err)

	cmd := program(t, append(r.env, "ENCRYPTION_KEY_SALT="+newSalt, "ENCRYPTION_KEY_SALT_PREVIOUS="+oldSalt), "vault", "rotate", "-y")
	must(t, cmd.Start())
	eventually(t, "the new root key is active", func() bool {
		var n int
		must(t, query(t, database, `SELECT count(*) FROM vault_roots`).Scan(&n))
		return n == 2
	})
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	must(t, tx.Rollback(t.Context()))
	r.opens(s)
	done := answer{body: r.object("ENCRYPTION_KEY_SALT="+newSalt, "ENCRYPTION_KEY_SALT_PREVIOUS="+oldSalt, "vault", "rotate", "-y")}
	if done.at("resumed") != true || done.at("rewrapped") != 1.0 || len(done.at("retired").([]any)) != 1 {
		t.Errorf("%v", done.body)
	}
	r.opens(s)
	r.opens(r.serve("ENCRYPTION_KEY_SALT=" + newSalt))
}
