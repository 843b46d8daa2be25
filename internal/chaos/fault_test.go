package chaos_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"turkey/internal/db/pgdev"
)

// ground is a server on a PostgreSQL that keeps what it acknowledged, with a line in between.
type ground struct {
	*world
	pg   *pgdev.Server
	line *line
	base string
}

func newGround(t testing.TB, dir string, args ...string) *ground {
	t.Helper()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", *seed)
	pg, err := pgdev.Start(t.Context(), pgdev.Config{DataDir: filepath.Join(dir, "data")})
	must(t, err)
	g := &ground{pg: pg}
	t.Cleanup(func() { _ = g.pg.Stop() }) // a test may have ended it
	g.line = newLine(t, filepath.Join(pg.SocketDir, ".s.PGSQL.5432"), *seed)
	_, at, err := net.SplitHostPort(g.line.listener.Addr().String())
	must(t, err)
	g.world = newWorldOn(t, pg.DSN("postgres", "postgres"), "postgres://postgres@127.0.0.1:"+at+"/postgres?sslmode=disable")
	number := port(t)
	g.base = "http://localhost:" + number
	g.env = append(g.env, "PORT="+number, "DB_CONNECTION_TIMEOUT_MS=2000")
	start(t, g.env, append([]string{"serve"}, args...)...).healthy(g.base)
	return g
}

// recovers waits until the server is well without anybody's help.
func (g *ground) recovers(what string) {
	g.t.Helper()
	began := time.Now()
	eventually(g.t, "the server is well after: "+what, func() bool { return answers(g.base+"/health") == http.StatusOK })
	g.t.Logf("%s: well again after %s", what, time.Since(began).Round(time.Millisecond))
}

func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "turkey-chaos-")
	must(t, err)
	must(t, os.Chmod(dir, 0o711)) // PostgreSQL's own account goes through
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestFaultsBetweenServerAndPostgreSQL lets people work while the line gets worse and better and PostgreSQL is killed. Each
// answer they got must be true in the end, an answer is never a 500, and the server recovers by itself.
func TestFaultsBetweenServerAndPostgreSQL(t *testing.T) {
	t.Parallel()
	g := newGround(t, scratch(t))
	c := newCrowd(t, g.base, 3, *seed)
	for _, w := range []struct {
		name string
		how  weather
	}{
		{"latency of up to 50 ms", weather{delay: 50 * time.Millisecond}},
		{"cut before PostgreSQL hears", weather{cutAsking: 0.05}},
		{"cut after the commit, before the answer", weather{cutAnswer: 0.05}},
		{"cut everywhere, slowly", weather{delay: 5 * time.Millisecond, cutAsking: 0.03, cutAnswer: 0.03}},
	} {
		g.line.becomes(w.how)
		time.Sleep(2 * time.Second)
		g.line.becomes(weather{})
		g.recovers(w.name)
	}
	g.line.becomes(weather{hold: true})
	began := time.Now()
	if status := answers(g.base + "/health"); status != http.StatusServiceUnavailable || time.Since(began) > 10*time.Second {
		t.Errorf("health over a half open line: %d after %s", status, time.Since(began))
	}
	g.line.becomes(weather{})
	g.line.cutAll()
	g.recovers("half open, then cut")

	for range 3 {
		g.kill()
		time.Sleep(300 * time.Millisecond)
		g.again()
		g.recovers("PostgreSQL killed and started again")
	}
	g.occupied(2 * time.Second)
	g.recovers("no connection left")

	told, silent, wrong := c.ends()
	g.leftovers()
	t.Logf("%d cuts: %d answers, %d requests without one, %d differences", g.line.cuts, told, silent, len(wrong))
	if g.line.cuts < 10 || silent == 0 || told < 200 {
		t.Error("too little happened to prove anything")
	}
}

// kill ends PostgreSQL as the kernel does when memory is short.
func (g *ground) kill() {
	g.t.Helper()
	pid, err := os.ReadFile(filepath.Join(g.pg.DataDir, "pg", "postmaster.pid"))
	must(g.t, err)
	line, _, _ := strings.Cut(string(pid), "\n")
	number, err := strconv.Atoi(line)
	must(g.t, err)
	must(g.t, syscall.Kill(number, syscall.SIGKILL))
	<-g.pg.Done()
	_ = g.pg.Stop() // says that it exited by itself, and lets go of the directory
	// An idle backend outlives a killed postmaster by the moment it takes to notice.
	eventually(g.t, "the server says that it is unwell", func() bool { return answers(g.base+"/health") == http.StatusServiceUnavailable })
}

func (g *ground) again() {
	g.t.Helper()
	eventually(g.t, "PostgreSQL starts", func() bool {
		pg, err := pgdev.Start(g.t.Context(), pgdev.Config{DataDir: g.pg.DataDir})
		if err == nil {
			g.pg = pg
		}
		return err == nil
	})
}

// occupied takes every connection that PostgreSQL has for a while, the server's too.
func (g *ground) occupied(long time.Duration) {
	g.t.Helper()
	ctx := context.Background()
	dsn := g.pg.DSN("postgres", "postgres")
	var taken []*pgx.Conn
	defer func() {
		for _, conn := range taken {
			_ = conn.Close(ctx) // its end is all that counts
		}
	}()
	first, err := pgx.Connect(ctx, dsn)
	must(g.t, err)
	taken = append(taken, first)
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		_, err := first.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_addr IS NULL AND backend_type = 'client backend'
			AND application_name <> 'taken' AND pid <> pg_backend_pid()`)
		must(g.t, err)
		for {
			conn, err := pgx.Connect(ctx, dsn+" application_name=taken")
			if err != nil {
				break
			}
			taken = append(taken, conn)
		}
	}
	if len(taken) < 40 || answers(g.base+"/health") == http.StatusOK {
		g.t.Errorf("the server had connections left: %d are taken", len(taken))
	}
}

// TestDiskFull lets PostgreSQL run out of disk while people work.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=200m,mode=0711"); err != nil {
		t.Skipf("a small disk takes the right to mount one: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	g := newGround(t, dir)
	c := newCrowd(t, g.base, 2, *seed)
	filler, err := os.Create(filepath.Join(dir, "filler"))
	must(t, err)
	block := make([]byte, 256<<10)
	for err == nil {
		_, err = filler.Write(block)
	}
	must(t, filler.Close())
	// People go on until the log of PostgreSQL has no room in its files either.
	grown, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	pool, err := pgxpool.New(grown, g.pg.DSN("postgres", "postgres"))
	must(t, err)
	defer pool.Close()
	_, err = pool.Exec(grown, `CREATE TABLE filler AS SELECT repeat('x', 500) FROM generate_series(1, 1000000)`)
	if err == nil {
		t.Error("the disk is not full")
	}
	time.Sleep(2 * time.Second)
	must(t, os.Remove(filler.Name()))
	select {
	case <-g.pg.Done(): // it could not even note its end
		_ = g.pg.Stop()
		g.again()
	default:
	}
	g.recovers("the disk was full")
	told, silent, wrong := c.ends()
	t.Logf("%d answers, %d requests without one, %d differences, %v", told, silent, len(wrong), fmt.Sprint(err)[:min(len(fmt.Sprint(err)), 120)])
}
