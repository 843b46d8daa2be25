// Package dbtest gives each test a PostgreSQL database of its own, on one real server per test process.
//
// What holds:
//   - The server is private to the process, starts with the first database and needs no TestMain. A janitor process ends
//     it and removes its files when the tests are over, however they end.
//   - A database is a copy of one that was migrated once, so it costs some tens of milliseconds. It is dropped with its test.
//   - TURKEY_TEST_DATABASE_URL (a superuser's) names a server to use instead, such as a CI service of another version.
//     What a killed process left there is removed by the next one.
//   - TURKEY_TEST_POOLER (host:port) names a pooler in front of that server: statements in scopes then go through it.
//   - Roles belong to a server, not to a database: a test that changes them, or that kills the server, takes Private.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"turkey/internal/db"
	"turkey/internal/db/pgdev"
)

// New opens a fresh migrated database. Its login is a superuser, whose privileges every scope drops.
func New(t testing.TB) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{URL: Through(t, URL(t)), MaxConns: 4, ConnectTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close) // before the database is dropped: cleanups run last in, first out
	return d
}

// URL makes a fresh migrated database, with a superuser as the login.
func URL(t testing.TB) string {
	t.Helper()
	s := shared(t)
	return s.create(t, s.template)
}

// Through is the way to a database that statements in scopes take: url, or that of the pooler.
func Through(t testing.TB, database string) string {
	t.Helper()
	pooler := os.Getenv("TURKEY_TEST_POOLER")
	if pooler == "" {
		return database
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = pooler
	return u.String()
}

// Empty makes a database without tables, with a superuser as the login.
func Empty(t testing.TB) string {
	t.Helper()
	return shared(t).create(t, "template0")
}

// Private starts a server for this test alone. It must not outlive the test, and may end before it.
func Private(t testing.TB) *pgdev.Server {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		case <-s.pg.Done(): // the test killed it
		default:
			if err := s.pg.Stop(); err != nil {
				t.Error(err)
			}
		}
		s.leave()
	})
	return s.pg
}

// At is the URL of a database on a private server.
func At(s *pgdev.Server, login, database string) string {
	u := url.URL{Scheme: "postgresql", User: url.User(login), Path: "/" + database, RawQuery: url.Values{
		"host": {s.SocketDir}, "port": {"5432"}, "sslmode": {"disable"}}.Encode()}
	return u.String()
}

// patience bounds a step that takes well under a second unless the machine is busy.
const patience = 60 * time.Second

// server makes and drops databases.
type server struct {
	base     url.URL
	admin    *pgxpool.Pool
	prefix   string // of its databases, as others may use the server too
	template string
	count    atomic.Int64
	private  *private // reachable for as long as the process runs: a collected pipe is a closed one
}

var connect = sync.OnceValues(func() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	given := os.Getenv("TURKEY_TEST_DATABASE_URL")
	dsn, s := given, &server{prefix: "turkeytest_"}
	if dsn == "" {
		p, err := start()
		if err != nil {
			return nil, err
		}
		dsn, s.private = At(p.pg, "postgres", "postgres"), p
	}
	base, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("TURKEY_TEST_DATABASE_URL is not a URL")
	}
	s.base = *base
	if s.admin, err = pgxpool.New(ctx, dsn); err != nil {
		return nil, err
	}
	if given != "" {
		if err := s.claim(ctx); err != nil {
			return nil, err
		}
	}
	s.template = s.prefix + "template"
	if _, err := s.admin.Exec(ctx, `CREATE DATABASE `+s.template+` TEMPLATE template0`); err != nil {
		return nil, err
	}
	_, err = db.Migrate(ctx, db.MigrateConfig{URL: s.url(s.template)})
	return s, err
})

func shared(t testing.TB) *server {
	t.Helper()
	s, err := connect()
	if err != nil {
		t.Fatalf("a PostgreSQL for tests: %v", err)
	}
	return s
}

func (s *server) url(database string) string {
	u := s.base
	u.Path = "/" + database
	return u.String()
}

// create makes a database that is dropped with the test, whoever is still connected to it.
func (s *server) create(t testing.TB, template string) string {
	t.Helper()
	name := s.prefix + strconv.FormatInt(s.count.Add(1), 10)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := s.admin.Exec(ctx, `CREATE DATABASE `+name+` TEMPLATE `+template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := s.admin.Exec(ctx, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	})
	return s.url(name)
}

// claims is the first key of the advisory locks that say which processes live. The second is the process's number, which
// its databases carry in their names.
const claims = 1953853043

// claim takes a number on a server that others use too and removes the databases of processes that are gone.
func (s *server) claim(ctx context.Context) error {
	conn, err := s.admin.Acquire(ctx) // kept for good: the lock ends with it
	if err != nil {
		return err
	}
	number := os.Getpid()<<8 ^ int(time.Now().UnixNano())&0x7fffff
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1, $2)`, claims, number); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE datname ~ '^turkeytest_[0-9]+_'
		AND split_part(datname, '_', 2)::int NOT IN (SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1)`, claims)
	if err != nil {
		return err
	}
	var left []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		left = append(left, name)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, name := range left {
		if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
			return err
		}
	}
	s.prefix += strconv.Itoa(number) + "_"
	return nil
}

// private is a server and the means to be rid of it.
type private struct {
	pg    *pgdev.Server
	leave func() // waits until its files are gone
}

func start() (*private, error) {
	dir, err := os.MkdirTemp("", "turkeytest")
	if err != nil {
		return nil, err
	}
	// PostgreSQL refuses to run as root, and the account it gets instead must pass through.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // G302: see above
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	leave, err := janitor(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pg, err := pgdev.Start(ctx, pgdev.Config{DataDir: filepath.Join(dir, "data"), Volatile: true})
	if err != nil {
		leave()
		return nil, err
	}
	return &private{pg, leave}, nil
}

// sweep waits for its input to end, which it does with the process that holds the other end of the pipe.
const sweep = `cat
pid=$(head -n 1 "$1/data/pg/postmaster.pid" 2>/dev/null) && kill -INT "$pid" 2>/dev/null
n=0; while [ -e "$1/data/pg/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n + 1)); done
rm -rf "$1"`

// janitor starts a process that removes dir, and stops the PostgreSQL in there, when this one is gone. There is no other
// place for that: without a TestMain nothing of ours runs after the last test, and a killed process runs nothing at all.
func janitor(dir string) (leave func(), err error) {
	cmd := exec.Command("/bin/sh", "-c", sweep, "sh", dir)              //nolint:gosec // G204: a directory that MkdirTemp named
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a process that cleans up: %w", err)
	}
	return sync.OnceFunc(func() {
		_ = pipe.Close()
		_ = cmd.Wait() // what it could not remove is in the temporary directory
	}), nil
}
