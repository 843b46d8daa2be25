package cli_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/cli"
)

// leaves are all commands that do something, by their path without the program's name.
func leaves(t *testing.T) map[string]*cobra.Command {
	t.Helper()
	found := map[string]*cobra.Command{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s: no Short", c.CommandPath())
		}
		if !c.HasSubCommands() {
			found[strings.TrimPrefix(c.CommandPath(), "gravy ")] = c
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(cli.Tree())
	if len(found) < 60 {
		t.Fatalf("only %d commands", len(found))
	}
	return found
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	for name, c := range leaves(t) {
		if !strings.Contains(c.Example, "gravy "+name) && !strings.Contains(c.Example, "turkey "+name) && !strings.Contains(c.Short, "Not provided") {
			t.Errorf("gravy %s: no example of itself, but %q", name, c.Example)
		}
		if strings.HasSuffix(c.Short, ".") {
			t.Errorf("gravy %s: %q", name, c.Short)
		}
		if f := c.Flags().Lookup("yes"); f != nil && f.Shorthand != "y" {
			t.Errorf("gravy %s: --yes without -y", name)
		}
		if c.InheritedFlags().Lookup("json") == nil && c.Flags().Lookup("json") == nil {
			t.Errorf("gravy %s: no --json", name)
		}
	}
}

// anArgument is good enough for every command to look for a database.
const anArgument = "01a20291-7995-7c8e-bbf7-2d53910760fb"

// further is what some commands need besides one argument.
var further = map[string][]string{
	"user create":           {"-e", "ada@example.com", "-a", "shop", "--password-file", "secret"},
	"user show":             {"-a", "shop"},
	"user update-role":      {"-a", "shop", "-r", "admin"},
	"user reset-password":   {"-a", "shop", "--password-file", "secret"},
	"user verify-email":     {"-a", "shop"},
	"token revoke-access":   {"-u", anArgument, "-a", "shop", "-e", "2099-01-02T03:04:05Z"},
	"import turkey":         {"--from", "postgresql://ada@127.0.0.1:1/x"},
	"import kpi-etl":        {"--from", "postgresql://ada@127.0.0.1:1/x"},
	"db setup":              {"--password-file", "secret"},
	"vault recovery create": {"--recipient", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"},
}

// alone need no database, or are no command line that ends: others test them.
var alone = map[string]bool{"serve": true, "worker": true, "sandbox": true, "demo": true, "openapi": true, "doctor": true, "healthcheck": true, "db generate": true, "db studio": true,
	"vault recovery test": true, "vault recovery keyring": true, "backup list": true, "backup prune": true, "backup verify": true, "backup restore": true}

// TestEveryCommandWithoutADatabase: a flag that nobody knows is wrong use; a database that is not there is one clear line, and
// no command waits for it, or for an answer.
func TestEveryCommandWithoutADatabase(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	must(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	dir := dataDir(t)
	must(t, os.MkdirAll(dir, 0o711))
	for name, c := range leaves(t) {
		if strings.HasPrefix(name, "completion ") || name == "help" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(name)
			if o := run(t, nil, append(words, "--no-such-flag")...); o.code != 2 || o.out != "" || !oneLine(o.err) || !strings.Contains(o.err, "--no-such-flag") {
				t.Errorf("an unknown flag: exit %d: %s%s", o.code, o.out, o.err)
			}
			if o := run(t, nil, append(words, "--json", "--help")...); o.code != 0 || o.err != "" || !strings.Contains(o.out, "Examples:") || !strings.Contains(o.out, "--json") {
				t.Errorf("--json --help: exit %d: %s%s", o.code, o.out, o.err)
			}
			if alone[name] {
				return
			}
			args := append(words, further[name]...)
			for range strings.Count(c.Use, "<") {
				args = append(args, anArgument)
			}
			if c.Flags().Lookup("yes") != nil {
				args = append(args, "-y")
			}
			for reason, address := range map[string]string{"refused": "127.0.0.1:" + freePort(t), "silent": silent.Addr().String()} {
				url := "postgresql://ada:canary-database-password@" + address + "/x?sslmode=disable"
				cmd := []string{"DATABASE_URL=" + url, "DATABASE_ADMIN_URL=" + url, "DB_CONNECTION_TIMEOUT_MS=500", "DB_RETRY_ATTEMPTS=0", "TURKEY_DATA_DIR=" + dir, "BACKUP_DIR=" + dir}
				o := runIn(t, cmd, map[string]string{"secret": "A-Planted-Password-1"}, args...)
				if o.code != 1 || o.out != "" || !oneLine(o.err) || !strings.Contains(o.err, "cannot reach PostgreSQL at "+address) {
					t.Errorf("%v, %s: exit %d: %s%s", args, reason, o.code, o.out, o.err)
				}
				if o.took > 10*time.Second {
					t.Errorf("%v, %s: it took %s", args, reason, o.took)
				}
				if strings.Contains(o.out+o.err, "canary") || strings.Contains(o.out+o.err, "Planted") {
					t.Errorf("%v prints a secret: %s%s", args, o.out, o.err)
				}
			}
		})
	}
}

// oneLine is an error as every command writes it.
func oneLine(text string) bool {
	return strings.HasPrefix(text, "Error: ") && strings.Count(text, "\n") == 1 && strings.HasSuffix(text, "\n")
}

// runIn is run in a directory with some files.
func runIn(t *testing.T, env []string, files map[string]string, args ...string) outcome {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(content+"\n"), 0o600))
		for i, a := range args {
			if a == name {
				args[i] = path
			}
		}
	}
	return run(t, env, args...)
}

// TestTheGuidesNpmLines: `npm run gravy db migrate` and `npm run logs` from the root, with nothing to install.
func TestTheGuidesNpmLines(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../package.json")
	must(t, err)
	var pkg struct {
		Scripts                       map[string]string
		Dependencies, DevDependencies map[string]string
	}
	must(t, json.Unmarshal(content, &pkg))
	if len(pkg.Dependencies)+len(pkg.DevDependencies) > 0 || !strings.Contains(pkg.Scripts["logs"], "logs/app.log") {
		t.Errorf("%+v", pkg)
	}
	script := strings.TrimPrefix(pkg.Scripts["gravy"], "sh ")
	if _, err := os.Stat("../../" + script); err != nil {
		t.Error(err)
	}
}
