package db_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
	"turkey/internal/db/pgdev"
	"turkey/internal/fault"
)

func unavailable(err error) bool {
	f, ok := fault.From(err)
	return ok && f.Kind == fault.Unavailable && f.RetryAfter > 0
}

func TestOutageAndRecovery(t *testing.T) {
	t.Parallel()
	s := dbtest.Private(t)
	url := dbtest.At(s, "postgres", "postgres")
	migrate(t, url)
	d := open(t, url, 3)
	a := newTenant(t, d, "a")
	if _, err := d.Pool().Exec(t.Context(), `CHECKPOINT`); err != nil { // a volatile server keeps nothing else through a kill
		t.Fatal(err)
	}
	pause := func(ctx context.Context) error {
		_, err := d.In(db.App(a.app)).Exec(ctx, `SELECT pg_sleep(60)`)
		return err
	}
	down := func(how string, bring func()) {
		running := make(chan error, 2)
		go func() { running <- pause(t.Context()) }()
		go func() {
			running <- d.Tx(t.Context(), db.App(a.app), func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), `SELECT pg_sleep(60)`)
				return fmt.Errorf("wrapped: %w", err)
			})
		}()
		for scalarOf(t, d, `SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND state = 'active'`) != 2 {
			time.Sleep(time.Millisecond)
		}
		bring()
		for range 2 {
			if err := <-running; !unavailable(err) {
				t.Errorf("%s, a running statement: %v", how, err)
			}
		}
		// An idle backend outlives a killed postmaster by the moment it takes to notice.
		for end := time.Now().Add(10 * time.Second); d.Ping(t.Context()) == nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		for range 3 {
			for name, run := range everyWay {
				if err := run(t.Context(), d, db.App(a.app), `SELECT 1`); !unavailable(err) {
					t.Errorf("%s, %s: %v", how, name, err)
				}
			}
		}
		if d.Ping(t.Context()) == nil {
			t.Errorf("%s: Ping is content", how)
		}
	}
	up := func(how string) *pgdev.Server {
		s, err := pgdev.Start(t.Context(), pgdev.Config{DataDir: s.DataDir, Volatile: true})
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			got, err := collect(t.Context(), d.In(db.App(a.app)), emails)
			if err == nil && len(got) == 1 {
				break
			}
			if !unavailable(err) || time.Now().After(end) {
				t.Fatalf("after %s: %q, %v", how, got, err)
			}
		}
		return s
	}

	pid, err := os.ReadFile(filepath.Join(s.DataDir, "pg", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(pid), "\n")
	number, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	down("kill -9", func() {
		if err := syscall.Kill(number, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-s.Done()
		_ = s.Stop() // says that it exited by itself, and lets go of the directory
	})
	second := up("kill -9")
	down("shutdown", func() {
		if err := second.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := up("shutdown").Stop(); err != nil {
		t.Error(err)
	}
}

func scalarOf(t *testing.T, d *db.DB, sql string) (n int) {
	t.Helper()
	if err := d.Pool().QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func sqlState(code string) error {
	return fmt.Errorf("statement: %w", &pgconn.PgError{Code: code, Message: "told by PostgreSQL"})
}

func TestIsOutage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{sqlState("08006"), true}, {sqlState("53300"), true}, {sqlState("53100"), true}, {sqlState("58030"), true},
		{sqlState("57P01"), true}, {sqlState("57P02"), true}, {sqlState("57P03"), true}, {sqlState("25006"), true},
		{sqlState("57014"), false}, {sqlState("23505"), false}, {sqlState("42501"), false}, {sqlState("28P01"), false},
		{sqlState("40001"), false}, {sqlState("22P02"), false}, {sqlState(""), false},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true}, {fmt.Errorf("x: %w", net.ErrClosed), true},
		{io.ErrUnexpectedEOF, true}, {errors.New("conn closed"), true},
		{context.Canceled, false}, {context.DeadlineExceeded, false}, {pgx.ErrNoRows, false}, {pgx.ErrTxClosed, false},
		{db.ErrNoTenant, false}, {errors.New("else"), false},
	} {
		if got := db.IsOutage(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
		out := db.Outage(c.err)
		if unavailable(out) != c.want || !errors.Is(out, c.err) {
			t.Errorf("%v became %v", c.err, out)
		}
	}
	if out := db.Outage(sqlState("40P01")); !unavailable(out) || !strings.Contains(out.Error(), "Nothing was changed") {
		t.Errorf("a deadlock became %v", out)
	}
	if db.Outage(nil) != nil {
		t.Error("an outage without an error")
	}
	mine := fault.New(fault.Conflict, "TAKEN", "Taken.").Because(sqlState("57P01"))
	if got := db.Outage(mine); !errors.Is(got, mine) || unavailable(got) {
		t.Errorf("a fault of the caller became %v", got)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	cc, err := pgx.ParseConfig("postgresql://web:" + password + "@db.example.org:5433/turkey?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err   error
		words []string
	}{
		{sqlState("28P01"), []string{"db.example.org:5433", "refused the password of user \"web\"", "DATABASE_URL", "DB_PASSWORD"}},
		{sqlState("28000"), []string{"does not let user \"web\" in", "told by PostgreSQL"}},
		{sqlState("3D000"), []string{"no database \"turkey\"", "createdb turkey"}},
		{sqlState("57P03"), []string{"starting up", "try again"}},
		{sqlState("53300"), []string{"no connection left", "DB_POOL_MAX", "max_connections"}},
		{sqlState("42501"), []string{"told by PostgreSQL"}},
		{sqlState(""), []string{"told by PostgreSQL"}},
		{context.DeadlineExceeded, []string{"cannot reach", "no answer in time", "DB_HOST"}},
		{errors.New("as it is"), []string{"as it is"}},
	} {
		got := db.Explain(c.err, cc)
		says(t, got, c.words...)
		if strings.Contains(got.Error(), password) {
			t.Errorf("the error tells the password: %v", got)
		}
	}
	cc.Host = "/run/postgresql"
	says(t, db.Explain(sqlState("28P01"), cc), "socket /run/postgresql")
}

func TestRetry(t *testing.T) {
	t.Parallel()
	_, refusal := db.Open(t.Context(), db.Config{URL: "postgresql:///x?host=/nowhere"})
	for _, c := range []struct {
		err  error
		want int
	}{
		{refusal, 4}, {sqlState("57P03"), 4}, {sqlState("28P01"), 1}, {errors.New("else"), 1}, {nil, 1},
	} {
		n := 0
		err := db.Retry(t.Context(), db.Config{RetryAttempts: 3, RetryDelay: time.Millisecond}, func(context.Context) error { n++; return c.err })
		if n != c.want || !errors.Is(err, c.err) {
			t.Errorf("%v: %d attempts, %v", c.err, n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	begin := time.Now()
	_ = db.Retry(ctx, db.Config{RetryAttempts: 3, RetryDelay: time.Hour}, func(context.Context) error { cancel(); return refusal })
	if time.Since(begin) > 5*time.Second {
		t.Error("waits for what the caller gave up")
	}
}
