package cluster_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// database is where the tables are in every PostgreSQL of these tests.
const database = "turkey"

// postgres is a PostgreSQL of a test, on a port of its own.
type postgres struct {
	*process
	as        *syscall.Credential
	dir, port string
}

// newPostgres makes an empty one. Settings are name=value.
func newPostgres(t testing.TB, settings ...string) *postgres {
	t.Helper()
	as, dir := account(t)
	p := &postgres{as: as, dir: dir, port: freePort(t)}
	run(t, as, needs(t, "initdb"), "-D", filepath.Join(dir, "pg"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
	p.start(t, settings)
	run(t, as, needs(t, "createdb"), "-h", "127.0.0.1", "-p", p.port, "-U", "postgres", database)
	return p
}

// standby makes one that follows p by streaming replication, under that name.
func (p *postgres) standby(name string, settings ...string) *postgres {
	t := p.t
	t.Helper()
	as, dir := account(t)
	s := &postgres{as: as, dir: dir, port: freePort(t)}
	run(t, as, needs(t, "pg_basebackup"), "-D", filepath.Join(dir, "pg"), "-d", "host=127.0.0.1 port="+p.port+" user=postgres application_name="+name,
		"-R", "-X", "stream", "-c", "fast", "-N")
	s.start(t, settings)
	eventually(t, name+" follows", func() bool {
		return p.count(`SELECT count(*) FROM pg_stat_replication WHERE application_name = '`+name+`' AND state = 'streaming'`) == 1
	})
	return s
}

func (p *postgres) start(t testing.TB, settings []string) {
	t.Helper()
	// fsync only guards against a crash of the machine, and none of these tests is one.
	args := []string{"-D", filepath.Join(p.dir, "pg"), "-k", p.dir, "-p", p.port, "-h", "127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "jit=off"}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	p.process = start(t, p.as, nil, needs(t, "postgres"), args...)
	eventually(t, "PostgreSQL is ready", func() bool {
		p.alive()
		status, err := os.ReadFile(filepath.Join(p.dir, "pg", "postmaster.pid"))
		lines := strings.Split(string(status), "\n")
		return err == nil && len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"
	})
}

// kill is the end of the machine: the server and every process of it at once.
func (p *postgres) kill() {
	p.t.Helper()
	pid := fmt.Sprint(p.cmd.Process.Pid)
	_ = p.cmd.Process.Signal(syscall.SIGSTOP) // makes no more children
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	must(p.t, err)
	for _, path := range stats {
		stat, _ := os.ReadFile(path) // a process that is gone has none
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == pid {
			var child int
			_, err := fmt.Sscanf(path, "/proc/%d/stat", &child)
			must(p.t, err)
			_ = syscall.Kill(child, syscall.SIGKILL) // gone already is as good
		}
	}
	p.stop(syscall.SIGKILL)
}

// promote makes a standby the primary.
func (p *postgres) promote() {
	p.t.Helper()
	run(p.t, p.as, needs(p.t, "pg_ctl"), "promote", "-D", filepath.Join(p.dir, "pg"), "-W")
}

func (p *postgres) address() string { return net.JoinHostPort("127.0.0.1", p.port) }

// url is what a server gets as DATABASE_URL, and of more than one PostgreSQL what finds the primary.
func url(all ...*postgres) string {
	addresses := make([]string, len(all))
	for i, p := range all {
		addresses[i] = p.address()
	}
	u := "postgresql://postgres@" + strings.Join(addresses, ",") + "/" + database + "?sslmode=disable"
	if len(all) > 1 {
		u += "&target_session_attrs=read-write"
	}
	return u
}

// query asks as a superuser, past every policy.
func query[T any](t testing.TB, url, sql string, args ...any) (v T, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return v, err
	}
	defer pool.Close()
	return v, pool.QueryRow(ctx, sql, args...).Scan(&v)
}

func (p *postgres) count(sql string, args ...any) int {
	p.t.Helper()
	n, err := query[int](p.t, url(p), sql, args...)
	must(p.t, err)
	return n
}

func (p *postgres) exec(sql string) {
	p.t.Helper()
	run(p.t, p.as, needs(p.t, "psql"), "-h", "127.0.0.1", "-p", p.port, "-U", "postgres", "-d", database, "-q", "-v", "ON_ERROR_STOP=1", "-c", sql)
}

// run runs a program to its end.
func run(t testing.TB, as *syscall.Credential, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.SysProcAttr, cmd.Env = "/", attr(as), []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=/"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
