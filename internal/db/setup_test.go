package db_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// tenant is one person in an app of their own, with a session and a credential.
type tenant struct {
	app     string
	user    uuid.UUID
	no      int64
	session uuid.UUID
}

// newTenant makes one whose rows carry its name.
func newTenant(t testing.TB, d *db.DB, name string) tenant {
	t.Helper()
	a := tenant{app: "app-" + name, session: uuid.New()}
	err := d.Tx(t.Context(), db.System(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `INSERT INTO apps (id) VALUES ($1)`, a.app); err != nil {
			return err
		}
		err := tx.QueryRow(t.Context(), `INSERT INTO users (app_id, email, password_hash) VALUES ($1, $2, '') RETURNING id, user_no`,
			a.app, name+"@example.org").Scan(&a.user, &a.no)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(t.Context(), `INSERT INTO refresh_tokens (id, app_id, user_id, token_version, expires_at)
			VALUES ($1, $2, $3, 0, now() + interval '1 day')`, a.session, a.app, a.user); err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO credentials (uid, user_id, service, name, encrypted_data)
			VALUES (gen_random_uuid(), $1, 'meta', $2, 'x')`, a.no, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// open opens a pool, which is closed with the test.
func open(t testing.TB, url string, conns int32) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{URL: dbtest.Through(t, url), MaxConns: conns, ConnectTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// connect opens one bare connection, outside all scopes.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func mustExec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// list runs a query of one column.
func list[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) []T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return values
}

func scalar[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	values := list[T](t, conn, sql, args...)
	if len(values) != 1 {
		t.Fatalf("%s: %d rows", sql, len(values))
	}
	return values[0]
}

// migrated opens a fresh database with two tenants on a pool of so many connections.
func migrated(t testing.TB, conns int32) (d *db.DB, a, b tenant) {
	t.Helper()
	d = open(t, dbtest.URL(t), conns)
	return d, newTenant(t, d, "a"), newTenant(t, d, "b")
}

// says asserts that err is one line with all of the words.
func says(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, expected one that says %q", words)
		return
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
