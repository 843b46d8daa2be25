// Package pgdev runs a private PostgreSQL as a child process, so that the program works with no database configured. It is
// for one machine: development, tests and small installs.
//
// What holds:
//   - The server listens on a unix socket only. Data and socket live in directories that no other user can enter.
//   - One server per data directory: flock on <DataDir>/lock, which the kernel drops when the holder dies in any way.
//   - PostgreSQL refuses to run as root, so root hands it to the owner of the data, else to postgres, else to nobody.
//   - It does not outlive the program for long. Stop shuts it down; on Linux a killed parent makes the kernel send it SIGINT
//     (a clean, fast shutdown); elsewhere it stays until the next Start on its directory, which stops it first. A process
//     that watches the parent would buy little there and is left out.
//   - A data directory is made beside its place and renamed, so one that exists is whole.
//   - It inherits no environment, and logs neither statements nor their values nor the errors that clients cause.
//
// Layout of DataDir: pg/ (the database cluster), sock/ (the socket), lock, postgres.log.
package pgdev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	patience    = 5 * time.Second // for the server of an earlier run to go
	stopFast    = 10 * time.Second
	logLimit    = 10 << 20 // bytes; a longer postgres.log is emptied at the start
	socketLimit = 100      // bytes of a socket's path: sun_path holds 108 on Linux, 104 on macOS
	socketName  = ".s.PGSQL.5432"
)

// Config says where the server keeps its files and how careful it is with them.
type Config struct {
	DataDir  string                        // for PostgreSQL alone; made when missing
	BinDir   string                        // look for the programs here only; TURKEY_POSTGRES_BIN wins over it
	Volatile bool                          // for tests: no fsync, so a crash of the machine may damage the data
	Log      func(msg string, args ...any) // in the form of slog.Info; nil is silent
	Settings []string                      // name=value, beyond and before its own: for measurements
}

// Server is a running PostgreSQL child process.
type Server struct {
	DataDir   string // where the files are; not Config.DataDir if root's unprivileged account cannot reach that
	SocketDir string
	BinDir    string // postgres, psql, pg_dump, …

	process  *os.Process
	logFile  string
	stopping atomic.Bool
	done     chan struct{} // closed when it exits and nobody asked it to
	exited   chan struct{} // closed when it exits; err is set before
	err      error
	stop     func() error
}

// DSN is the connection string for a role and a database, for pgx, libpq and psql alike.
func (s *Server) DSN(role, db string) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return fmt.Sprintf("host='%s' port=5432 user='%s' dbname='%s' sslmode=disable",
		quote.Replace(s.SocketDir), quote.Replace(role), quote.Replace(db))
}

// Done is closed when PostgreSQL exits without Stop; Stop then tells why.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop asks for a fast shutdown (open transactions are rolled back) and waits; after ten seconds it asks for an immediate
// one, which the next start recovers from. It may be called more than once.
func (s *Server) Stop() error { return s.stop() }

// Start finds the programs, makes the data directory if there is none, and returns when the server accepts connections.
// The context bounds the start, not the life of the server. Errors are one line that says how to mend them.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	if cfg.DataDir == "" {
		return nil, errors.New("the private PostgreSQL needs a data directory")
	}
	place, err := choosePlace(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if place.moved {
		cfg.Log("PostgreSQL files live elsewhere: its unprivileged account cannot reach the data directory",
			"wanted", cfg.DataDir, "used", place.dir, "account", place.account.name)
	}
	binDir := cfg.BinDir
	if env := os.Getenv("TURKEY_POSTGRES_BIN"); env != "" {
		binDir = env
	}
	programs, err := findPrograms(ctx, binDir, place)
	if err != nil {
		return nil, err
	}
	if err := place.open(); err != nil {
		return nil, place.explain(err)
	}
	lock, err := place.lock()
	if err != nil {
		return nil, errors.Join(place.explain(err), place.root.Close())
	}
	s, err := start(ctx, cfg, place, programs)
	if err != nil {
		return nil, errors.Join(place.explain(err), lock.Close(), place.root.Close())
	}
	s.stop = sync.OnceValue(func() error {
		err := s.shutdown()
		if err == nil && filepath.Dir(s.SocketDir) != s.DataDir {
			err = os.Remove(s.SocketDir)
		}
		return errors.Join(err, lock.Close(), place.root.Close())
	})
	return s, nil
}

// start does what needs the lock.
func start(ctx context.Context, cfg Config, place *place, programs programs) (*Server, error) {
	deadline := time.Now().Add(patience)
	pgdata := filepath.Join(place.dir, "pg")
	impostor, err := awaitPredecessor(ctx, cfg, place, pgdata, deadline)
	if err != nil {
		return nil, err
	}
	if err := ensureCluster(ctx, cfg, place, programs); err != nil {
		return nil, err
	}
	sock, err := place.socketDir()
	if err != nil {
		return nil, err
	}
	args := append([]string{"-D", pgdata, "-k", sock}, settings(cfg, programs)...)
	for {
		s := &Server{DataDir: place.dir, SocketDir: sock, BinDir: programs.dir, logFile: filepath.Join(place.dir, "postgres.log")}
		err := s.launch(ctx, place, args, impostor)
		if err == nil {
			return s, nil
		}
		// A postmaster that was killed outright leaves backends that notice within moments; until then PostgreSQL
		// protects the data from a second server.
		if !strings.Contains(err.Error(), "shared memory block") || time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// settings go on the command line, so that they win over whatever stands in postgresql.conf.
func settings(cfg Config, programs programs) []string {
	values := []string{
		"port=5432", "listen_addresses=", "unix_socket_permissions=0700", "cluster_name=turkey", "timezone=UTC", "log_timezone=UTC",
		// Small: this server shares a machine with its only client.
		"shared_buffers=32MB", "min_wal_size=32MB", "max_wal_size=256MB", "jit=off",
		"max_logical_replication_workers=0",
		// The log tells what happens to the server. What clients do wrong goes to the clients: their statements, and the
		// DETAIL of their errors, hold values.
		"logging_collector=off", "log_destination=stderr", "log_line_prefix=%m [%p] ", "log_min_messages=log",
		"log_min_error_statement=panic", "log_error_verbosity=terse", "log_parameter_max_length=0",
		"log_parameter_max_length_on_error=0", "log_statement=none", "log_min_duration_statement=-1", "log_checkpoints=off",
		"log_autovacuum_min_duration=-1", "log_lock_waits=off",
	}
	if programs.major >= 18 {
		values = append(values, "io_method=sync") // three processes fewer
	}
	if cfg.Volatile {
		values = append(values, "fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0",
			"max_connections=300") // many tests, each with pools of its own
	} else {
		values = append(values, "fsync=on", "synchronous_commit=on", "full_page_writes=on", "max_connections=50")
	}
	var args []string
	for _, v := range append(values, cfg.Settings...) {
		args = append(args, "-c", v)
	}
	return args
}

// launch starts postgres and waits until it accepts connections. If it does not come up, nothing is left running.
func (s *Server) launch(ctx context.Context, place *place, args []string, impostor int) error {
	log, err := place.create("postgres.log", os.O_APPEND|os.O_RDWR)
	if err != nil {
		return err
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return err
	}
	begin := info.Size()
	if begin > logLimit {
		if err := log.Truncate(0); err != nil {
			return err
		}
		begin = 0
	}
	//nolint:gosec // G204: the program is the one the operator installed or named
	cmd := exec.Command(filepath.Join(s.BinDir, "postgres"), args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = log, log, s.DataDir, environment()
	if impostor > 0 {
		// What pg_ctl does for its own parents: a lock file with this pid is not a running server. PostgreSQL still
		// checks the shared memory of the earlier run, which removing the file would skip.
		cmd.Env = append(cmd.Env, "PG_GRANDPARENT_PID="+strconv.Itoa(impostor))
	}
	// A group of its own: Ctrl-C in the terminal reaches the program, which drains first, and not PostgreSQL.
	cmd.SysProcAttr = childAttr(place.account.credential(), syscall.SIGINT)
	exit, err := spawn(cmd)
	if err != nil {
		return fmt.Errorf("cannot start %s: %w", cmd.Path, err)
	}
	s.process, s.done, s.exited = cmd.Process, make(chan struct{}), make(chan struct{})
	go func() {
		s.err = <-exit
		close(s.exited)
		if !s.stopping.Load() {
			close(s.done)
		}
	}()

	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.exited:
			out := make([]byte, 64<<10)
			n, err := log.ReadAt(out, begin)
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			return fmt.Errorf("PostgreSQL did not start: %s (log: %s)", lastWords(out[:n], s.err), s.logFile)
		case <-ctx.Done():
			s.stopping.Store(true)
			err := s.process.Signal(syscall.SIGQUIT)
			<-s.exited
			return errors.Join(fmt.Errorf("PostgreSQL did not start in time: %w (log: %s)", ctx.Err(), s.logFile), ignoreDone(err))
		case <-tick.C:
			// postmaster.pid: line 1 is the pid, line 8 the status.
			lines := strings.Split(place.read("pg/postmaster.pid"), "\n")
			if len(lines) > 7 && lines[0] == strconv.Itoa(s.process.Pid) && strings.TrimSpace(lines[7]) == "ready" {
				return nil
			}
		}
	}
}

func (s *Server) shutdown() error {
	select {
	case <-s.exited:
		return fmt.Errorf("PostgreSQL exited by itself: %w (log: %s)", exitError(s.err), s.logFile)
	default:
	}
	s.stopping.Store(true)
	err := ignoreDone(s.process.Signal(syscall.SIGINT))
	select {
	case <-s.exited:
	case <-time.After(stopFast):
		err = errors.Join(err, ignoreDone(s.process.Signal(syscall.SIGQUIT)))
		<-s.exited
	}
	if s.err != nil {
		err = errors.Join(err, fmt.Errorf("PostgreSQL did not shut down cleanly: %w (log: %s)", s.err, s.logFile))
	}
	return err
}

// awaitPredecessor waits until the postgres of an earlier run is gone: after a kill -9 it is still shutting down, or, where
// the kernel does not tell it, still running. The lock is ours, so nobody needs it. If the pid of that run belongs to
// another program by now, or to a process that nobody has reaped, it returns that pid.
func awaitPredecessor(ctx context.Context, cfg Config, place *place, pgdata string, deadline time.Time) (impostor int, err error) {
	for asked := false; ; asked = true {
		line, _, _ := strings.Cut(place.read("pg/postmaster.pid"), "\n")
		pid, err := strconv.Atoi(line)
		if err != nil || pid <= 1 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return 0, nil
		}
		if !isPostmaster(pid, pgdata) {
			return pid, nil
		}
		if !asked {
			cfg.Log("waiting for the PostgreSQL of an earlier run to stop", "pid", pid)
			if err := syscall.Kill(pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
				return 0, fmt.Errorf("the PostgreSQL of an earlier run (process %d) uses %s and is not ours to stop (%s): stop it with `kill -INT %d`",
					pid, place.dir, err.Error(), pid)
			}
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("the PostgreSQL of an earlier run (process %d) still shuts down in %s: try again, or end it with `kill -QUIT %d`",
				pid, place.dir, pid)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("waiting for the PostgreSQL of an earlier run (process %d) in %s: %w", pid, place.dir, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// ensureCluster makes pg/ if there is none. What an interrupted copy or another tool left half-made is moved aside, never
// deleted; what an earlier run of ours was building is.
func ensureCluster(ctx context.Context, cfg Config, place *place, programs programs) error {
	if place.read("pg/PG_VERSION") != "" && place.has("pg/global/pg_control") {
		return nil
	}
	entries, err := fs.ReadDir(place.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "pg.new-") {
			if err := place.root.RemoveAll(e.Name()); err != nil {
				return err
			}
		}
	}
	if place.has("pg") {
		aside := "pg.incomplete-" + time.Now().UTC().Format("20060102T150405.000000000")
		cfg.Log("the database files are incomplete; they are moved aside and made anew",
			"incomplete", filepath.Join(place.dir, aside))
		if err := place.root.Rename("pg", aside); err != nil {
			return err
		}
	}
	cfg.Log("creating the database files", "dir", place.dir, "postgresql", programs.major)
	fresh := "pg.new-" + strconv.Itoa(os.Getpid())
	if err := place.mkdir(fresh); err != nil {
		return err
	}
	args := []string{"-D", filepath.Join(place.dir, fresh), "-U", "postgres", "--auth-local=trust", "--auth-host=reject",
		"-E", "UTF8", "--locale=C"}
	if cfg.Volatile {
		args = append(args, "--no-sync")
	}
	var out bytes.Buffer
	//nolint:gosec // G204: the program is the one the operator installed or named
	cmd := exec.CommandContext(ctx, filepath.Join(programs.dir, "initdb"), args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = &out, &out, place.dir, environment()
	cmd.SysProcAttr = childAttr(place.account.credential(), syscall.SIGTERM)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	exit, err := spawn(cmd)
	if err == nil {
		err = <-exit
	}
	if err != nil {
		err = fmt.Errorf("initdb could not create a database in %s: %s", place.dir, lastWords(out.Bytes(), err))
		return errors.Join(err, place.root.RemoveAll(fresh))
	}
	if err := place.root.Rename(fresh, "pg"); err != nil {
		return err
	}
	if cfg.Volatile {
		return nil
	}
	dir, err := place.root.Open(".") // initdb synced the files; this makes the new name durable
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// spawn starts a command on a thread that lives as long as the command: Linux sends Pdeathsig when the thread that forked
// ends, not the process.
func spawn(cmd *exec.Cmd) (<-chan error, error) {
	started, exited := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			exited <- cmd.Wait()
		}
	}()
	return exited, <-started
}

// environment is all that the programs get: ours holds secrets, and PG* variables would change what they do.
func environment() []string {
	env := []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// lastWords picks the line of a program's output that says why it gave up.
func lastWords(out []byte, exit error) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, mark := range []string{"PANIC:", "FATAL:", "error:", "ERROR:"} {
		for i := len(lines) - 1; i >= 0; i-- {
			if _, why, ok := strings.Cut(lines[i], mark); ok {
				return strings.TrimSpace(why)
			}
		}
	}
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return exitError(exit).Error()
}

func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// ignoreDone drops the one error of a signal that is no error: the process is gone already.
func ignoreDone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}
