package cli_test

import (
	"encoding/json"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"turkey/internal/db/dbtest"
)

func TestDatabaseCommands(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=" + dbtest.Empty(t), "TURKEY_DATA_DIR=" + dataDir(t)}
	expect := func(code int, out string, args ...string) outcome {
		t.Helper()
		o := run(t, env, args...)
		if o.code != code || !strings.Contains(o.out+o.err, out) || code == 0 && o.err != "" || code != 0 && strings.Count(o.err, "Error:") != 1 {
			t.Errorf("%v: exit %d, %q %q; want %d, %q", args, o.code, o.out, o.err, code, out)
		}
		return o
	}
	status := func(code int) (list []struct {
		Version   int64
		Name      string
		AppliedAt *time.Time
	}) {
		t.Helper()
		o := run(t, env, "db", "status", "--json")
		if err := json.Unmarshal([]byte(o.out), &list); err != nil || o.code != code || len(list) == 0 {
			t.Errorf("db status --json: exit %d, %v: %s%s", o.code, err, o.out, o.err)
		}
		return list
	}
	for _, m := range status(1) {
		if m.AppliedAt != nil || m.Name == "" {
			t.Errorf("%+v on an empty database", m)
		}
	}
	expect(1, "are pending: run `gravy db migrate`", "db", "status")
	expect(0, "steps, those of the job queue's tables among them", "db:migrate")
	expect(0, "Nothing to do", "db", "migrate")
	expect(0, `"applied": 0`, "db", "migrate", "--json")
	expect(0, ".sql", "db:status")
	for _, m := range status(0) {
		if m.AppliedAt == nil || time.Since(*m.AppliedAt) > time.Hour {
			t.Errorf("%+v after a migration", m)
		}
	}
	expect(0, "Rolled back", "db", "rollback", "-y")
	expect(1, "pending", "db", "status")
	expect(0, "Applied", "db", "migrate")
	expect(0, "App shop is registered", "app", "create", "shop")
	expect(0, `"id": "other"`, "app:create", "other", "--json", "--name", "Other")
	for undone := 0; ; undone++ { // what loses nothing is undone, what the keys or apps would be lost with is not
		o := run(t, env, "db", "rollback", "-y")
		if o.code == 0 && undone < 100 {
			continue
		}
		if o.code != 1 || undone == 0 || !strings.Contains(o.err, "tables with rows hold (") || !strings.Contains(o.err, "--force") {
			t.Errorf("after %d steps: exit %d: %s%s", undone, o.code, o.out, o.err)
		}
		break
	}
	if o := expect(0, `"id": "shop"`, "app", "list", "--json"); !strings.Contains(o.out, `"id": "other"`) {
		t.Errorf("apps are lost: %s", o.out)
	}
	// Without -y it asks, and everything but yes is no.
	cmd := program(t, env, "db", "rollback")
	cmd.Stdin = strings.NewReader("\n")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "(y/N) Cancelled") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDatabaseCommandsSayThatPostgreSQLIsNotThere(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	for _, address := range []string{"127.0.0.1:" + freePort(t), silent.Addr().String()} {
		o := run(t, []string{"DATABASE_URL=postgresql://ada:canary-database-password@" + address + "/x?sslmode=disable"}, "db", "status")
		if o.code != 1 || o.took > 10*time.Second || !strings.HasPrefix(o.err, "Error: cannot reach PostgreSQL at "+address) || strings.Contains(o.err, "canary") {
			t.Errorf("exit %d after %s: %s", o.code, o.took, o.err)
		}
	}
}

// TestDatabaseCommandsUseThePrivatePostgreSQL: without a configured database they start it for their time.
func TestDatabaseCommandsUseThePrivatePostgreSQL(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	env := []string{"TURKEY_DATA_DIR=" + dir}
	if o := run(t, env, "db", "migrate"); o.code != 0 || !strings.Contains(o.out, "Applied") {
		t.Errorf("exit %d: %s%s", o.code, o.out, o.err)
	}
	if left := postgresIn(t, dir); len(left) > 0 {
		t.Errorf("there is still %q", left)
	}
	s := serve(t, env, "serve")
	if o := run(t, env, "db", "status"); o.code != 0 || o.err != "" { // it uses the running server's
		t.Errorf("beside a running server: exit %d: %s%s", o.code, o.out, o.err)
	}
	if o := run(t, append(env, "PORT="+freePort(t)), "serve"); o.code != 1 || !strings.Contains(o.err, "is in use by process") {
		t.Errorf("a second server: exit %d: %s%s", o.code, o.out, o.err)
	}
	s.stop(syscall.SIGTERM)
	if o := run(t, env, "db", "status"); o.code != 0 {
		t.Errorf("exit %d: %s%s", o.code, o.out, o.err)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("../../openapi.json")
	must(t, err)
	for _, c := range []struct {
		args []string
		code int
		want string // in the output, or after "Error: " in the error
	}{
		{[]string{}, 0, "Available Commands"},
		{[]string{"--help"}, 0, "Available Commands"},
		{[]string{"help"}, 0, "Available Commands"},
		{[]string{"db", "--help"}, 0, "rollback"},
		{[]string{"db"}, 0, "rollback"},
		{[]string{"serve", "--help"}, 0, "private PostgreSQL"},
		{[]string{"--version"}, 0, "1.0.0"},
		{[]string{"openapi"}, 0, string(golden)},
		{[]string{"frobnicate"}, 2, "frobnicate"},
		{[]string{"frobnicate:now"}, 2, "frobnicate"},
		{[]string{"--frobnicate"}, 2, "--frobnicate"},
		{[]string{"db", "frobnicate"}, 2, "frobnicate"},
		{[]string{"db:frobnicate"}, 2, "frobnicate"},
		{[]string{"db", "migrate", "now"}, 2, "now"},
		{[]string{"db", "rollback", "--yess"}, 2, "--yess"},
		{[]string{"serve", "--demo=perhaps"}, 2, "--demo"},
		{[]string{"serve", "now"}, 2, "now"},
		{[]string{"app", "create"}, 2, "1 arg"},
		{[]string{"app", "create", "a", "b"}, 2, "1 arg"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			o := run(t, nil, c.args...)
			if o.code != c.code {
				t.Errorf("exit %d, want %d: %s%s", o.code, c.code, o.out, o.err)
			}
			if c.code == 0 && (o.err != "" || !strings.Contains(o.out, c.want)) {
				t.Errorf("%q %q does not say %q", o.out, o.err, c.want)
			}
			if c.code != 0 && (o.out != "" || !strings.HasPrefix(o.err, "Error: ") || !strings.Contains(o.err, c.want)) {
				t.Errorf("%q %q does not say %q", o.out, o.err, c.want)
			}
		})
	}
}

func TestDemoSaysWhyItsServerDoesNotStart(t *testing.T) {
	t.Parallel()
	o := run(t, []string{"PORT=" + freePort(t), "REFRESH_GRACE=1h"}, "demo")
	if o.code != 1 || !strings.Contains(o.err, "REFRESH_GRACE") {
		t.Errorf("exit %d: %s", o.code, o.err)
	}
	busy, err := net.Listen("tcp", "localhost:0")
	must(t, err)
	defer busy.Close()
	_, port, err := net.SplitHostPort(busy.Addr().String())
	must(t, err)
	o = run(t, []string{"PORT=" + freePort(t), "TURKEY_SANDBOX_PORT=" + port}, "demo")
	if o.code != 1 || !strings.Contains(o.err, "did not start") || !strings.Contains(o.err, "set TURKEY_SANDBOX_PORT") {
		t.Errorf("exit %d: %s", o.code, o.err)
	}
}

// TestDemo plays the main job against a server of its own, which leaves nothing behind.
func TestDemo(t *testing.T) {
	t.Parallel()
	tmp := dataDir(t)
	must(t, os.Mkdir(tmp, 0o711))
	o := run(t, []string{"PORT=" + freePort(t), "TURKEY_SANDBOX_PORT=" + freePort(t), "TMPDIR=" + tmp}, "demo")
	if o.code != 0 || o.err != "" || !strings.Contains(o.out, "The job is completed") || !strings.Contains(o.out, berlin(t, 1)) || !strings.Contains(o.out, "bounce_rate") {
		t.Errorf("exit %d:\n%s%s", o.code, o.out, o.err)
	}
	if left := postgresIn(t, tmp); len(left) > 0 {
		t.Errorf("there is still %q", left)
	}
	if entries, err := os.ReadDir(tmp); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
