package deploy_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"turkey/internal/db/dbtest"
)

// block is a command block of docs/operations.md that is run, with what its output must hold.
type block struct {
	line               int
	how, language, run string
	expect             []string
}

var (
	partMark   = regexp.MustCompile(`^<!-- part: (\w+) -->$`)
	runMark    = regexp.MustCompile(`^<!-- run(?:: (server|stop))? -->$`)
	expectMark = regexp.MustCompile(`^<!-- expect: (.+) -->$`)
	fence      = regexp.MustCompile("^```(\\w*)$")
)

// blocks reads the page's blocks, by part.
func blocks(t *testing.T) (parts map[string][]*block) {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	must(t, err)
	parts = map[string][]*block{}
	var part, pending string
	var marked, left bool // left: this section says that its commands are not run
	var open, last *block
	n := 0
	for line := range strings.Lines(string(page)) {
		n++
		line = strings.TrimSuffix(line, "\n")
		switch {
		case open != nil && line == "```":
			last, open = open, nil
		case open != nil:
			open.run += line + "\n"
		case partMark.MatchString(line):
			part = partMark.FindStringSubmatch(line)[1]
		case runMark.MatchString(line):
			marked, pending = true, runMark.FindStringSubmatch(line)[1]
		case expectMark.MatchString(line):
			last.expect = append(last.expect, expectMark.FindStringSubmatch(line)[1])
		case strings.HasPrefix(line, "<!--"):
			t.Fatalf("docs/operations.md:%d: %s is no mark", n, line)
		case strings.HasPrefix(line, "#"):
			left = false
		case strings.HasPrefix(line, "*Not run*") || strings.Contains(line, " *Not run*"):
			left = true
		case fence.MatchString(line):
			open = &block{line: n, how: pending, language: fence.FindStringSubmatch(line)[1]}
			if marked {
				parts[part] = append(parts[part], open)
			} else if (open.language == "bash" || open.language == "sql") && !left && part != "end" {
				t.Errorf("docs/operations.md:%d: a block that is not run, and the page does not say so", n)
			}
			marked, pending = false, ""
		}
	}
	return parts
}

// script is one part as somebody types it, one block after the other in the same shell. What a block prints goes to a file of its own.
func script(blocks []*block, port string) string {
	var s strings.Builder
	s.WriteString("set -euo pipefail\nSERVER=\nstop() { [ -z \"$SERVER\" ] || { kill $SERVER 2>/dev/null || :; wait $SERVER || :; }; SERVER=; }\ntrap stop EXIT\n")
	for i, b := range blocks {
		fmt.Fprintf(&s, "echo 'docs/operations.md:%d' >&3\n", b.line)
		switch b.how {
		case "server":
			fmt.Fprintf(&s, "exec_server() {\n%s}\nexec_server >server.log 2>&1 &\nSERVER=$!\nuntil curl -sf http://localhost:%s/readyz >/dev/null; do kill -0 $SERVER || { cat server.log; exit 1; }; sleep 0.05; done\n",
				strings.ReplaceAll(strings.ReplaceAll(b.run, "turkey serve", "exec turkey serve"), "env -u DATABASE_ADMIN_URL AUTO_MIGRATE=false exec", "exec env -u DATABASE_ADMIN_URL AUTO_MIGRATE=false"), port)
			continue
		case "stop":
			s.WriteString("stop\n")
		}
		run := b.run
		if b.language == "sql" {
			run = "psql -v ON_ERROR_STOP=1 \"$DATABASE_ADMIN_URL\" <<'SQL'\n" + run + "SQL\n"
		}
		fmt.Fprintf(&s, "{\n%s} >out-%d 2>&1 || { cat out-%d; exit 1; }\n", run, i, i)
	}
	return s.String()
}

// TestOperationsGuide follows docs/operations.md on a fresh PostgreSQL, each of the two guides from its beginning to its end.
func TestOperationsGuide(t *testing.T) {
	t.Parallel()
	parts := blocks(t)
	for part, home := range map[string]string{"credential": "3001", "production": "3000"} {
		if len(parts[part]) < 15 {
			t.Fatalf("part %s has %d blocks", part, len(parts[part]))
		}
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			follow(t, parts[part], home)
		})
	}
}

func follow(t *testing.T, blocks []*block, home string) {
	t.Helper()
	database, port := freePort(t), freePort(t)
	relay(t, dbtest.Private(t), database)
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "bin"), 0o755))
	self, err := os.Executable()
	must(t, err)
	root, err := filepath.Abs("..")
	must(t, err)
	for to, from := range map[string]string{"bin/turkey": self, "bin/gravy": self, "migrations": root + "/migrations"} {
		must(t, os.Symlink(from, filepath.Join(dir, to)))
	}
	example, err := os.ReadFile("../.env.example")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, ".env.example"), example, 0o600))

	// The ports of this machine are not ours to choose; everything else is as it is on the page.
	text := strings.NewReplacer("localhost:"+home, "localhost:"+port, "PORT="+home, "PORT="+port, "@localhost:5432", "@127.0.0.1:"+database,
		"DB_HOST=localhost", "DB_HOST=127.0.0.1", "DB_PORT=5432", "DB_PORT="+database).Replace(script(blocks, port))
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, needs(t, "bash"), "-c", text)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the server is in it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = []string{"TURKEY_TEST_MAIN=1", "HOME=" + dir, "PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "PGHOST=127.0.0.1", "PGPORT=" + database,
		"PGUSER=postgres", "PGDATABASE=postgres", "TURKEY_POSTGRES_BIN=" + os.Getenv("TURKEY_POSTGRES_BIN"), "HOST=localhost"}
	read, write, err := os.Pipe()
	must(t, err)
	cmd.ExtraFiles = []*os.File{write}
	at := &lines{}
	go func() {
		defer read.Close()
		buf := make([]byte, 256)
		for {
			n, err := read.Read(buf)
			_, _ = at.Write(buf[:n]) // never fails
			if err != nil {
				return
			}
		}
	}()
	out, err := cmd.CombinedOutput()
	_ = write.Close() // the script has ended
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "server.log"))
		reached := strings.Split(strings.TrimSpace(at.String()), "\n")
		t.Fatalf("%s: %v\n%s\nlog of the server:\n%s", reached[len(reached)-1], err, out, log)
	}
	for i, b := range blocks {
		if b.how == "server" {
			continue
		}
		printed, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("out-%d", i)))
		must(t, err)
		for _, want := range b.expect {
			if !strings.Contains(string(printed), want) {
				t.Errorf("docs/operations.md:%d prints no %q:\n%s", b.line, want, printed)
			}
		}
	}
}
