package pgdev

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The test binary is also the program that gets killed: with childEnv set it starts a server there, prints one line and
// waits.
const childEnv = "PGDEV_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		serve(dir)
	}
	os.Exit(m.Run())
}

func serve(dir string) {
	s, err := Start(context.Background(), Config{DataDir: dir, Volatile: true})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("ready", s.process.Pid, s.DataDir)
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil { // until the test closes it
		os.Exit(1)
	}
	if err := s.Stop(); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// tempDir is t.TempDir for any user to pass through, as a clone in /home or /srv is.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgdev")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := os.RemoveAll(dir)
		for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); err = os.RemoveAll(dir) {
			time.Sleep(50 * time.Millisecond) // a PostgreSQL that was told to end may still be writing its last files
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mustStart(t *testing.T, cfg Config) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cfg.Volatile = true
	s, err := Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stopping.Store(true)
		if err := s.process.Kill(); err == nil {
			<-s.exited
		}
	})
	return s
}

func mustStop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
}

// refused asserts that Start fails soon, in one line that says all of the words.
func refused(t *testing.T, cfg Config, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	begin := time.Now()
	s, err := Start(ctx, cfg)
	if err == nil {
		mustStop(t, s)
		t.Fatal("started")
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("refused only after %v", d)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error does not say %q: %v", w, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %v", err)
	}
}

// query runs statements and returns the first value of the last one.
func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN("postgres", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	rows := results[len(results)-1].Rows
	if len(rows) == 0 {
		return ""
	}
	return string(rows[0][0])
}

// processesIn counts the PostgreSQL processes of a data directory.
func processesIn(t *testing.T, dataDir string) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range links {
		if target, err := os.Readlink(l); err == nil && target == filepath.Join(dataDir, "pg") {
			n++
		}
	}
	return n
}

func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

func TestDataSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "with 'quotes' and \\", "data")
	s := mustStart(t, Config{DataDir: dir})
	query(t, s, `CREATE TABLE kept (v text); INSERT INTO kept VALUES ('still here')`)
	mustStop(t, s)
	mustStop(t, s) // a second time is no error
	select {
	case <-s.Done():
		t.Error("Done says it exited by itself")
	default:
	}
	if n := processesIn(t, s.DataDir); n != 0 {
		t.Errorf("%d processes after Stop", n)
	}
	s = mustStart(t, Config{DataDir: dir})
	if got := query(t, s, `SELECT v FROM kept`); got != "still here" {
		t.Errorf("found %q", got)
	}
	mustStop(t, s)
}

func TestNobodyElseEnters(t *testing.T) {
	t.Parallel()
	s := mustStart(t, Config{DataDir: filepath.Join(tempDir(t), "data")})
	defer mustStop(t, s)
	for _, dir := range []string{s.DataDir, s.SocketDir, filepath.Join(s.DataDir, "pg")} {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", dir, info.Mode())
		}
	}
	if got := query(t, s, `SELECT current_setting('listen_addresses')`); got != "" {
		t.Errorf("listens on %q", got)
	}
}

func TestSecondStartIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "data")
	s := mustStart(t, Config{DataDir: dir})
	refused(t, Config{DataDir: dir}, dir, "in use by process "+strconv.Itoa(os.Getpid()))
	if got := query(t, s, `SELECT 'alive'`); got != "alive" {
		t.Error(got)
	}
	mustStop(t, s)
}

func TestKilledParent(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "data")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time a new Start comes while PostgreSQL still shuts down
		child, _, dataDir := startChild(t, exec.Command(exe), dir)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		s := mustStart(t, Config{DataDir: dir})
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("started only after %v", d)
		}
		if s.DataDir != dataDir {
			t.Errorf("in %s, was %s", s.DataDir, dataDir)
		}
		mustStop(t, s)
	}
	if runtime.GOOS != "linux" {
		t.Skip("a killed parent is noticed on Linux only")
	}
	child, _, dataDir := startChild(t, exec.Command(exe), dir)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "no process is left", func() bool { return processesIn(t, dataDir) == 0 })
}

// startChild runs this test binary as a program with a server in dir, and returns the server's pid and directory.
func startChild(t *testing.T, cmd *exec.Cmd, dir string) (child *exec.Cmd, pid int, dataDir string) {
	t.Helper()
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stdin.Close(); err != nil {
			t.Log(err)
		}
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() >= 0 { // -1: by a signal, which is the test
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	number, dataDir, _ := strings.Cut(rest, " ")
	if pid, err = strconv.Atoi(number); word != "ready" || err != nil {
		t.Fatal(line)
	}
	return cmd, pid, dataDir
}

func TestDoneWhenPostgresDies(t *testing.T) {
	t.Parallel()
	cfg := Config{DataDir: filepath.Join(tempDir(t), "data")}
	s := mustStart(t, cfg)
	query(t, s, `CREATE TABLE kept (v text); INSERT INTO kept VALUES ('still here')`)
	query(t, s, `CHECKPOINT`)
	if err := s.process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("nothing said")
	}
	if err := s.Stop(); err == nil || !strings.Contains(err.Error(), "exited by itself: signal: killed") {
		t.Errorf("Stop says %v", err)
	}
	s = mustStart(t, cfg) // stale postmaster.pid, socket and socket lock, and backends that may still be leaving
	if got := query(t, s, `SELECT v FROM kept`); got != "still here" {
		t.Error(got)
	}
	mustStop(t, s)
}

func TestReusedPid(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs a command that shows no data directory")
	}
	cfg := Config{DataDir: filepath.Join(tempDir(t), "data")}
	s := mustStart(t, cfg)
	pidfile := filepath.Join(s.DataDir, "pg", "postmaster.pid")
	old, err := os.ReadFile(pidfile)
	if err != nil {
		t.Fatal(err)
	}
	account := mustPlace(t, cfg.DataDir).account
	mustStop(t, s)

	// Another program of the same user now has the pid of the old server.
	other := exec.Command("sleep", "60")
	other.SysProcAttr = &syscall.SysProcAttr{Credential: account.credential()}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := other.Wait(); err == nil {
			t.Error("the other program was not running any more")
		}
	}()
	_, rest, _ := strings.Cut(string(old), "\n")
	stale := strconv.Itoa(other.Process.Pid) + "\n" + rest
	if err := os.WriteFile(pidfile, []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	if account != nil {
		if err := os.Chown(pidfile, int(account.uid), int(account.gid)); err != nil {
			t.Fatal(err)
		}
	}
	mustStop(t, mustStart(t, cfg))
}

func mustPlace(t *testing.T, dir string) *place {
	t.Helper()
	p, err := choosePlace(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHalfMadeCluster(t *testing.T) {
	t.Parallel()
	cfg := Config{DataDir: filepath.Join(tempDir(t), "data")}
	mustStop(t, mustStart(t, cfg))
	// What a killed initdb leaves of ours, and what one that builds in place would.
	for _, name := range []string{"pg.new-1/base/1", "pg.new-2"} {
		if err := os.MkdirAll(filepath.Join(cfg.DataDir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(cfg.DataDir, "pg", "global", "pg_control")); err != nil {
		t.Fatal(err)
	}
	s := mustStart(t, cfg)
	if got := query(t, s, `SELECT 'whole'`); got != "whole" {
		t.Error(got)
	}
	mustStop(t, s)
	left, err := filepath.Glob(filepath.Join(cfg.DataDir, "pg.*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || !strings.Contains(left[0], "pg.incomplete-") {
		t.Errorf("left beside the database: %q", left)
	}
}

func TestInterruptedInitdb(t *testing.T) {
	t.Parallel()
	cfg := Config{DataDir: filepath.Join(tempDir(t), "data")}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if s, err := Start(ctx, cfg); err == nil {
		mustStop(t, s)
		t.Fatal("initdb took less than 100 ms")
	}
	mustStop(t, mustStart(t, cfg))
}

func TestWrongVersionOfTheData(t *testing.T) {
	t.Parallel()
	cfg := Config{DataDir: filepath.Join(tempDir(t), "data")}
	mustStop(t, mustStart(t, cfg))
	if err := os.WriteFile(filepath.Join(cfg.DataDir, "pg", "PG_VERSION"), []byte("13\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, cfg, "was made by PostgreSQL 13", "are version", "dump and reload", cfg.DataDir)
}

func TestMissingPrograms(t *testing.T) {
	t.Setenv("TURKEY_POSTGRES_BIN", "")
	dir := tempDir(t)
	refused(t, Config{DataDir: filepath.Join(dir, "data"), BinDir: dir}, dir, "server programs", "install", "TURKEY_POSTGRES_BIN")

	t.Setenv("TURKEY_POSTGRES_BIN", filepath.Join(dir, "wins"))
	refused(t, Config{DataDir: filepath.Join(dir, "data"), BinDir: dir}, filepath.Join(dir, "wins"))

	if err := os.WriteFile(filepath.Join(dir, "postgres"), []byte("#!/bin/sh\necho 'postgres (PostgreSQL) 13.22'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "initdb"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TURKEY_POSTGRES_BIN", dir)
	refused(t, Config{DataDir: filepath.Join(dir, "data")}, "PostgreSQL 13", "too old", "14 or newer", "install")
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		t.Error("it made a data directory before it knew the programs")
	}
}

func TestUnusableDirectories(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, Config{DataDir: ""}, "data directory")
	refused(t, Config{DataDir: filepath.Join(dir, "file")}, "in the way", "choose another")
	refused(t, Config{DataDir: filepath.Join(dir, "file", "data")}, "in the way", "choose another")
	refused(t, Config{DataDir: dir}, "holds other files (file, …)", "choose an empty")
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("somebody's directory changed: %v %v", info.Mode(), err)
	}
	if os.Geteuid() != 0 { // root writes anywhere; TestAsUser runs this as somebody else
		closed := filepath.Join(dir, "closed")
		if err := os.Mkdir(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		refused(t, Config{DataDir: filepath.Join(closed, "data")}, "not writable", "choose another")
		refused(t, Config{DataDir: filepath.Join(closed, "deep", "data")}, "not writable", "choose another")
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	for i, name := range []string{strings.Repeat("long", 25), "a,comma"} {
		s := mustStart(t, Config{DataDir: filepath.Join(dir, name, "data")})
		if len(s.SocketDir)+len("/"+socketName) >= socketLimit || strings.Contains(s.SocketDir, ",") {
			t.Errorf("%d: the socket is in %s", i, s.SocketDir)
		}
		if got := query(t, s, `SELECT 'reached'`); got != "reached" {
			t.Error(got)
		}
		mustStop(t, s)
		if _, err := os.Stat(s.SocketDir); err == nil {
			t.Errorf("%s is still there", s.SocketDir)
		}
	}
}

func TestUnreachableForTheAccount(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root has another account run PostgreSQL")
	}
	secluded := tempDir(t)
	if err := os.Chmod(secluded, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := Config{DataDir: filepath.Join(secluded, "clone", "data")}
	s := mustStart(t, cfg)
	t.Cleanup(func() {
		if err := os.RemoveAll(s.DataDir); err != nil {
			t.Error(err)
		}
	})
	if !strings.HasPrefix(s.DataDir, fallbackHome+"/data-") || len(s.DataDir) != len(fallbackHome+"/data-01234567") {
		t.Errorf("the files are in %s", s.DataDir)
	}
	query(t, s, `CREATE TABLE kept (v text); INSERT INTO kept VALUES ('still here')`)
	refused(t, cfg, s.DataDir, "in use")
	mustStop(t, s)
	s = mustStart(t, cfg)
	if got := query(t, s, `SELECT v FROM kept`); got != "still here" {
		t.Error(got)
	}
	mustStop(t, s)
}

// TestAsUser runs the other tests as an ordinary user, who must not need root's ways, and then has root open that user's
// data.
func TestAsUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("this is an ordinary user already")
	}
	dir := tempDir(t)
	account, err := accountFor(dir)
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, int(account.uid), int(account.gid)); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	exe = filepath.Join(dir, "pgdev.test") // where the user can reach it
	if err := os.WriteFile(exe, program, 0o755); err != nil {
		t.Fatal(err)
	}
	asUser := func(args ...string) *exec.Cmd {
		cmd := exec.Command(exe, args...)
		cmd.Dir, cmd.SysProcAttr = home, &syscall.SysProcAttr{Credential: account.credential()}
		return cmd
	}
	tests := asUser("-test.run", "TestDataSurvives|TestNobodyElse|TestUnusable|TestKilledParent", "-test.v")
	tests.Env = append(os.Environ(), "TMPDIR="+home)
	out, err := tests.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS") != 4 {
		t.Fatalf("%v\n%s", err, out)
	}

	data := filepath.Join(home, "data")
	child, pid, _ := startChild(t, asUser(), data)
	refused(t, Config{DataDir: data}, "in use by process "+strconv.Itoa(child.Process.Pid))
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s := mustStart(t, Config{DataDir: data})
	if s.process.Pid == pid || s.DataDir != data {
		t.Errorf("root found %s, process %d", s.DataDir, s.process.Pid)
	}
	mustStop(t, s)
	again, _, _ := startChild(t, asUser(), data) // and the user can go on after root
	if err := again.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestLogHoldsNoValues(t *testing.T) {
	t.Parallel()
	cfg := Config{DataDir: filepath.Join(tempDir(t), "data")}
	s := mustStart(t, cfg)
	conn, err := pgx.Connect(t.Context(), s.DSN("postgres", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`CREATE TABLE u (v text UNIQUE)`, `INSERT INTO u VALUES ('canary')`, `INSERT INTO u VALUES ('canary')`,
		`SELECT 'canary'::uuid`, `SELECT canary`, `DO $$ BEGIN RAISE WARNING 'canary'; RAISE LOG 'logged on purpose'; END $$`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Log(err)
		}
	}
	if _, err := conn.Exec(t.Context(), `INSERT INTO u VALUES ($1)`, "canary"); err == nil {
		t.Error("not unique")
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	mustStop(t, s)
	name := filepath.Join(s.DataDir, "postgres.log")
	log, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "canary") || !strings.Contains(string(log), "logged on purpose") {
		t.Errorf("postgres.log:\n%s", log)
	}

	if err := os.Truncate(name, logLimit+1); err != nil {
		t.Fatal(err)
	}
	mustStop(t, mustStart(t, cfg))
	if info, err := os.Stat(name); err != nil || info.Size() > 1<<16 {
		t.Errorf("a long log was not emptied: %d %v", info.Size(), err)
	}
}

func TestStartFailureIsOneLine(t *testing.T) {
	t.Parallel()
	cfg := Config{DataDir: filepath.Join(tempDir(t), "data")}
	s := mustStart(t, cfg)
	mustStop(t, s)
	f, err := os.OpenFile(filepath.Join(s.DataDir, "pg", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("\nno_such_setting = on\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, cfg, "did not start", "postgresql.conf", "postgres.log")
}

func TestLastWords(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]string{
		"": "exit status 0",
		"a\n2026-01-01 00:00:00 UTC [7] FATAL:  could not write: No space left on device\nchild process exited\ninitdb: removing contents": "could not write: No space left on device",
		"initdb: error: could not create directory \"x\": Permission denied\ninitdb: hint: no":                                             "could not create directory \"x\": Permission denied",
		"killed in passing\n": "killed in passing",
	} {
		if got := lastWords([]byte(out), nil); got != want {
			t.Errorf("%q: %q", out, got)
		}
	}
}

// BenchmarkStart measures what `turkey serve` waits for: a first start with initdb, and one that finds its data.
func BenchmarkStart(b *testing.B) {
	dir, err := os.MkdirTemp("", "pgdev")
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			b.Error(err)
		}
	}()
	if err := os.Chmod(dir, 0o711); err != nil {
		b.Fatal(err)
	}
	start := func(b *testing.B, name string) {
		s, err := Start(b.Context(), Config{DataDir: filepath.Join(dir, name)})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.Run("cold", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n++
			start(b, strconv.Itoa(n))
		}
	})
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			start(b, "1")
		}
	})
}
