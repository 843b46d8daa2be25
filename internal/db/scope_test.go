package db_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// collect runs a query of one text column in a scope.
func collect(ctx context.Context, c db.Conn, sql string) ([]string, error) {
	rows, err := c.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

const (
	emails = `SELECT email::text FROM users ORDER BY 1`
	names  = `SELECT name::text FROM credentials ORDER BY 1`
)

func TestEachScopeSeesItsTenant(t *testing.T) {
	t.Parallel()
	d, a, b := migrated(t, 2)
	for _, c := range []struct {
		name          string
		scope         db.Scope
		emails, names string
	}{
		{"app a", db.App(a.app), "a@example.org", ""},
		{"app b", db.App(b.app), "b@example.org", ""},
		{"app of session a", db.AppOfSession(a.session), "a@example.org", ""},
		{"user a", db.User(a.user), "", "a"},
		{"user b", db.User(b.user), "", "b"},
		{"unknown app", db.App("app"), "", ""},
		{"wildcard", db.App("app-%"), "", ""},
		{"system", db.System(), "a@example.org b@example.org", "a b"},
	} {
		for sql, want := range map[string]string{emails: c.emails, names: c.names} {
			got, err := collect(t.Context(), d.In(c.scope), sql)
			if err != nil || strings.Join(got, " ") != want {
				t.Errorf("%s, %s: %q, %v; want %q", c.name, sql, got, err, want)
			}
			err = d.Tx(t.Context(), c.scope, func(tx pgx.Tx) error {
				rows, err := tx.Query(t.Context(), sql)
				if err != nil {
					return err
				}
				got, err = pgx.CollectRows(rows, pgx.RowTo[string])
				return err
			})
			if err != nil || strings.Join(got, " ") != want {
				t.Errorf("%s in a transaction, %s: %q, %v; want %q", c.name, sql, got, err, want)
			}
		}
	}
}

func TestTheRoleOfAScope(t *testing.T) {
	t.Parallel()
	d, a, _ := migrated(t, 1)
	for _, c := range []struct {
		scope db.Scope
		role  string
	}{
		{db.App(a.app), "turkey_app"}, {db.AppOfSession(a.session), "turkey_app"},
		{db.User(a.user), "turkey_app"}, {db.System(), "turkey_system"},
	} {
		var role string
		var super bool
		err := d.In(c.scope).QueryRow(t.Context(), `SELECT current_user, current_setting('is_superuser')::bool`).Scan(&role, &super)
		if err != nil || role != c.role || super {
			t.Errorf("%q, superuser %v, %v; want %q", role, super, err, c.role)
		}
	}
}

func TestWhoMayNotActHasNoScope(t *testing.T) {
	t.Parallel()
	d, a, b := migrated(t, 1)
	if _, err := d.In(db.System()).Exec(t.Context(), `UPDATE users SET status = CASE id WHEN $1 THEN 'suspended' ELSE 'deleted' END`, a.user); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]db.Scope{
		"empty app": db.App(""), "unknown session": db.AppOfSession(uuid.New()), "unknown user": db.User(uuid.New()),
		"no user": db.User(uuid.Nil), "suspended": db.User(a.user), "deleted": db.User(b.user),
	} {
		for how, run := range everyWay {
			if err := run(t.Context(), d, s, `UPDATE credentials SET name = 'changed' RETURNING 1`); !errors.Is(err, db.ErrNoTenant) {
				t.Errorf("%s, %s: %v", name, how, err)
			}
		}
	}
	if got, err := collect(t.Context(), d.In(db.System()), names); err != nil || strings.Join(got, " ") != "a b" {
		t.Errorf("%q, %v", got, err)
	}
}

// everyWay runs one statement by each method that can.
var everyWay = map[string]func(context.Context, *db.DB, db.Scope, string) error{
	"exec": func(ctx context.Context, d *db.DB, s db.Scope, sql string) error {
		_, err := d.In(s).Exec(ctx, sql)
		return err
	},
	"query": func(ctx context.Context, d *db.DB, s db.Scope, sql string) error {
		rows, err := d.In(s).Query(ctx, sql)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if _, err := rows.Values(); err != nil {
				return err
			}
		}
		return rows.Err()
	},
	"query row": func(ctx context.Context, d *db.DB, s db.Scope, sql string) error {
		var v any
		return d.In(s).QueryRow(ctx, sql).Scan(&v)
	},
	"transaction": func(ctx context.Context, d *db.DB, s db.Scope, sql string) error {
		return d.Tx(ctx, s, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
	},
}

// mishaps are the ways a use of a connection can end. None may leave anything behind on it.
var mishaps = map[string]func(ctx context.Context, d *db.DB, s db.Scope) error{
	"nothing wrong":       eachWay(`SELECT 1`, ""),
	"no row":              oneWay("query row", `SELECT 1 WHERE false`, pgx.ErrNoRows),
	"error at run time":   eachWay(`SELECT 1/0`, "22012"),
	"error at parse time": eachWay(`SELEKT`, "42601"),
	"no such table":       eachWay(`SELECT * FROM nowhere`, "42P01"),
	"error after rows":    eachWay(`SELECT 1/(3-n) FROM generate_series(1, 5) n`, "22012"),
	"refused by a policy": eachWay(`INSERT INTO users (app_id, email, password_hash) VALUES ('other', 'x', '')`, "42501 23503"),
	"not allowed":         eachWay(`TRUNCATE users`, "42501"),
	"a role of its own":   eachWay(`SET LOCAL ROLE turkey_app`, ""),
	"a local setting":     eachWay(`SELECT set_config('app.current_user_id', '1', true)`, ""),
	"no tenant":           namesNobody,
	"cancelled before":    cancelled,
	"cancelled meanwhile": interrupted(context.WithCancel),
	"timeout": interrupted(func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Hour)
	}),
	"rows closed early":    closedEarly,
	"rows scanned wrongly": scannedWrongly,
	"panic":                panics,
	"error of the caller":  callerFails,
	"swallowed error":      swallowed,
	"a local timeout":      eachWay(`SELECT set_config('statement_timeout', '9s', true)`, ""),
}

// errOff marks an outcome that is not the one a mishap is about.
var errOff = errors.New("unexpected outcome")

// eachWay runs a statement by every method and expects one of the SQLSTATEs, "" for success.
func eachWay(sql, states string) func(context.Context, *db.DB, db.Scope) error {
	return func(ctx context.Context, d *db.DB, s db.Scope) error {
		for how, run := range everyWay {
			err := run(ctx, d, s, sql)
			pe, ok := errors.AsType[*pgconn.PgError](err)
			if states == "" && err != nil && !errors.Is(err, pgx.ErrNoRows) || states != "" && (!ok || !strings.Contains(states, pe.Code)) {
				return fmt.Errorf("%w: %s, %s: %w", errOff, sql, how, err)
			}
		}
		return nil
	}
}

func oneWay(how, sql string, want error) func(context.Context, *db.DB, db.Scope) error {
	return func(ctx context.Context, d *db.DB, s db.Scope) error {
		if err := everyWay[how](ctx, d, s, sql); !errors.Is(err, want) {
			return fmt.Errorf("%w: %s: %w", errOff, how, err)
		}
		return nil
	}
}

func namesNobody(ctx context.Context, d *db.DB, _ db.Scope) error {
	for how, run := range everyWay {
		for _, s := range []db.Scope{db.App(""), db.User(uuid.New()), db.AppOfSession(uuid.New())} {
			if err := run(ctx, d, s, `SELECT 1`); !errors.Is(err, db.ErrNoTenant) {
				return fmt.Errorf("%w: %s: %w", errOff, how, err)
			}
		}
	}
	return nil
}

func cancelled(ctx context.Context, d *db.DB, s db.Scope) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	for how, run := range everyWay {
		if err := run(ctx, d, s, `SELECT 1`); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%w: %s: %w", errOff, how, err)
		}
	}
	return nil
}

// interrupted ends the context while PostgreSQL sleeps.
func interrupted(with func(context.Context) (context.Context, context.CancelFunc)) func(context.Context, *db.DB, db.Scope) error {
	return func(ctx context.Context, d *db.DB, s db.Scope) error {
		for how, run := range everyWay {
			ctx, cancel := with(ctx)
			if _, ok := ctx.Deadline(); ok {
				cancel()
				ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 4*time.Millisecond)
			} else {
				time.AfterFunc(4*time.Millisecond, cancel)
			}
			err := run(ctx, d, s, `SELECT pg_sleep(60)`)
			cause := ctx.Err()
			cancel()
			if err == nil || !errors.Is(err, cause) {
				return fmt.Errorf("%w: %s: %w", errOff, how, err)
			}
		}
		return nil
	}
}

func closedEarly(ctx context.Context, d *db.DB, s db.Scope) error {
	rows, err := d.In(s).Query(ctx, `SELECT n, repeat('x', 100) FROM generate_series(1, 20000) n`)
	if err != nil {
		return err
	}
	if !rows.Next() {
		return fmt.Errorf("%w: no row: %w", errOff, rows.Err())
	}
	rows.Close()
	rows.Close()
	if rows.Next() {
		return fmt.Errorf("%w: a row after Close", errOff)
	}
	return rows.Err()
}

func scannedWrongly(ctx context.Context, d *db.DB, s db.Scope) error {
	rows, err := d.In(s).Query(ctx, `SELECT 'word' FROM generate_series(1, 1000)`)
	if err != nil {
		return err
	}
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&n}, func() error { return nil }); err == nil {
		return fmt.Errorf("%w: a word was scanned into a number", errOff)
	}
	if err := d.In(s).QueryRow(ctx, `SELECT 'word' FROM generate_series(1, 1000)`).Scan(&n); err == nil {
		return fmt.Errorf("%w: a word was scanned into a number", errOff)
	}
	return nil
}

func panics(ctx context.Context, d *db.DB, s db.Scope) (err error) {
	defer func() {
		if r := recover(); r != "oops" {
			err = fmt.Errorf("%w: recovered %v", errOff, r)
		}
	}()
	return d.Tx(ctx, s, func(tx pgx.Tx) error {
		_, err := tx.Query(ctx, `SELECT generate_series(1, 1000)`) // and its rows are still open
		if err != nil {
			return err
		}
		panic("oops")
	})
}

func callerFails(ctx context.Context, d *db.DB, s db.Scope) error {
	mine := errors.New("mine")
	if err := d.Tx(ctx, s, func(pgx.Tx) error { return mine }); !errors.Is(err, mine) {
		return fmt.Errorf("%w: %w", errOff, err)
	}
	return nil
}

// swallowed: a transaction that failed cannot be committed, also when nobody looks.
func swallowed(ctx context.Context, d *db.DB, s db.Scope) error {
	err := d.Tx(ctx, s, func(tx pgx.Tx) error {
		_, _ = tx.Exec(ctx, `SELECT 1/0`)
		return nil
	})
	if !errors.Is(err, pgx.ErrTxCommitRollback) {
		return fmt.Errorf("%w: %w", errOff, err)
	}
	return nil
}

// leaks tells what of a scope is left on the only connection of the pool.
func leaks(ctx context.Context, d *db.DB, a, b tenant) error {
	for d.Pool().Stat().AcquiredConns() != 0 { // one that an interruption broke is closed in the background
		select {
		case <-ctx.Done():
			return errors.New("the connection did not come back")
		case <-time.After(time.Millisecond):
		}
	}
	var login, super bool
	var app, user, timeout string
	err := d.Pool().QueryRow(ctx, `SELECT current_user = session_user, current_setting('is_superuser')::bool,
		coalesce(current_setting('app.current_app_id', true), ''), coalesce(current_setting('app.current_user_id', true), ''),
		current_setting('statement_timeout')`).Scan(&login, &super, &app, &user, &timeout)
	if err != nil {
		return err
	}
	if !login || !super || app != "" || user != "" || timeout != "0" {
		return fmt.Errorf("left behind: login %v, superuser %v, app %q, user %q, statement_timeout %s", login, super, app, user, timeout)
	}
	for _, c := range []struct {
		scope     db.Scope
		sql, want string
	}{
		{db.App(b.app), emails, "b@example.org"}, {db.App(b.app), names, ""}, {db.User(b.user), names, "b"},
		{db.User(b.user), emails, ""}, {db.AppOfSession(a.session), emails, "a@example.org"}, {db.User(a.user), names, "a"},
	} {
		got, err := collect(ctx, d.In(c.scope), c.sql)
		if err != nil || strings.Join(got, " ") != c.want {
			return fmt.Errorf("%s sees %q, not %q: %w", c.sql, got, c.want, err)
		}
	}
	return nil
}

func scopesOf(a tenant) map[string]db.Scope {
	return map[string]db.Scope{"app": db.App(a.app), "session": db.AppOfSession(a.session), "user": db.User(a.user), "system": db.System()}
}

func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	d, a, b := migrated(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second) // a connection that does not come back ends here
	defer cancel()
	for name, mishap := range mishaps {
		for kind, scope := range scopesOf(a) {
			if kind == "system" && name == "a role of its own" {
				continue // only the login's membership counts, and that is a superuser's here
			}
			if err := mishap(ctx, d, scope); err != nil && (kind != "system" || !errors.Is(err, errOff)) {
				t.Errorf("%s in %s: %v", name, kind, err)
			}
			if err := leaks(ctx, d, a, b); err != nil {
				t.Fatalf("after %s in %s: %v", name, kind, err)
			}
		}
	}
}

func TestNoSequenceLeaks(t *testing.T) {
	t.Parallel()
	d, a, b := migrated(t, 1)
	var every []string
	for name := range mishaps {
		every = append(every, name)
	}
	slices.Sort(every)
	rapid.Check(t, func(rt *rapid.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		for range rapid.IntRange(1, 4).Draw(rt, "steps") {
			who := rapid.SampledFrom([]tenant{a, b}).Draw(rt, "who")
			kind := rapid.SampledFrom([]string{"app", "session", "user", "system"}).Draw(rt, "scope")
			name := rapid.SampledFrom(every).Draw(rt, "what")
			if err := mishaps[name](ctx, d, scopesOf(who)[kind]); err != nil && !errors.Is(err, errOff) {
				rt.Fatalf("%s in %s: %v", name, kind, err)
			}
		}
		if err := leaks(ctx, d, a, b); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestInterleavedScopes(t *testing.T) {
	t.Parallel()
	d, a, b := migrated(t, 2)
	rows, err := d.In(db.App(a.app)).Query(t.Context(), emails)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	err = d.Tx(t.Context(), db.App(b.app), func(tx pgx.Tx) error { // while the rows of a are open
		var email string
		if err := tx.QueryRow(t.Context(), emails).Scan(&email); err != nil || email != "b@example.org" {
			t.Errorf("%q, %v", email, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(got) != 1 || got[0] != "a@example.org" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAFailedStatementLeavesNothing(t *testing.T) {
	t.Parallel()
	d, a, _ := migrated(t, 1)
	_, err := d.In(db.User(a.user)).Exec(t.Context(), `WITH made AS (
			INSERT INTO sheet_mappings (user_id, service, spreadsheet_id, sheet_name) VALUES ($1, 'meta', 's', 't') RETURNING id)
		SELECT 1/(id - id) FROM made`, a.no)
	if pe, ok := errors.AsType[*pgconn.PgError](err); !ok || pe.Code != "22012" {
		t.Fatal(err)
	}
	var n int
	if err := d.In(db.System()).QueryRow(t.Context(), `SELECT count(*) FROM sheet_mappings`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// Two statements in one trip act each in its own scope, and fall together where PostgreSQL refuses one.
func TestAStatementBeforeAnother(t *testing.T) {
	t.Parallel()
	dsn, w := tap(t, dbtest.URL(t))
	d := open(t, dsn, 1)
	a, b := newTenant(t, d, "a"), newTenant(t, d, "b")
	before := func(s db.Scope, sql string, into ...any) *db.Statement {
		return &db.Statement{Scope: s, SQL: sql, Read: func(br pgx.BatchResults) error { return br.QueryRow().Scan(into...) }}
	}
	var first, second string
	for range 2 { // the first use prepares
		w.take()
		err := d.In(db.User(a.user)).After(before(db.System(), `SELECT string_agg(name, ' ' ORDER BY name) FROM credentials`, &first)).
			QueryRow(t.Context(), `SELECT string_agg(name, ' ') FROM credentials`).Scan(&second)
		if err != nil || first != "a b" || second != "a" {
			t.Errorf("read %q and %q, %v", first, second, err)
		}
	}
	if trips := w.take(); strings.Join(trips, " ") != "BEBEBEBES" {
		t.Errorf("messages %q", trips)
	}
	if err := d.In(db.User(a.user)).After(before(db.User(b.user), `SELECT name FROM credentials`, &first)).
		QueryRow(t.Context(), `SELECT name FROM credentials`).Scan(&second); err != nil || first != "b" || second != "a" {
		t.Errorf("read %q and %q, %v", first, second, err)
	}

	const rename = `UPDATE credentials SET name = 'x' RETURNING name`
	for name, c := range map[string]struct {
		first *db.Statement
		sql   string
		scope db.Scope
		want  func(error) bool
	}{
		"the second fails":        {before(db.User(a.user), rename, &first), `SELECT (1/(id - id))::text FROM credentials`, db.User(b.user), code("22012")},
		"the first fails":         {before(db.User(a.user), `SELECT (1/(id - id))::text FROM credentials`, &first), rename, db.User(b.user), code("22012")},
		"the second names nobody": {before(db.User(a.user), names, &first), rename, db.User(uuid.New()), func(err error) bool { return errors.Is(err, db.ErrNoTenant) }},
		"the first names nobody":  {before(db.User(uuid.New()), rename, &first), names, db.User(b.user), func(err error) bool { return errors.Is(err, db.ErrNoTenant) }},
	} {
		if err := d.In(c.scope).After(c.first).QueryRow(t.Context(), c.sql).Scan(&second); !c.want(err) {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := collect(t.Context(), d.In(db.System()), names); err != nil || strings.Join(got, " ") != "a b" {
			t.Errorf("%s: it left %q, %v", name, got, err)
		}
	}
}

func code(want string) func(error) bool {
	return func(err error) bool {
		pe, ok := errors.AsType[*pgconn.PgError](err)
		return ok && pe.Code == want
	}
}

func TestTx(t *testing.T) {
	t.Parallel()
	d, a, b := migrated(t, 1)
	rename := func(tx pgx.Tx, name string) error {
		_, err := tx.Exec(t.Context(), `UPDATE credentials SET name = $1`, name)
		return err
	}
	is := func(want string) {
		t.Helper()
		if got, err := collect(t.Context(), d.In(db.System()), names); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if err := d.Tx(t.Context(), db.User(b.user), func(tx pgx.Tx) error { return rename(tx, "committed") }); err != nil {
		t.Error(err)
	}
	is("a committed")
	mine := errors.New("mine")
	if err := d.Tx(t.Context(), db.User(a.user), func(tx pgx.Tx) error { return errors.Join(rename(tx, "x"), mine) }); !errors.Is(err, mine) {
		t.Error(err)
	}
	is("a committed")
	func() {
		defer func() { _ = recover() }()
		_ = d.Tx(t.Context(), db.User(a.user), func(tx pgx.Tx) error {
			if err := rename(tx, "x"); err != nil {
				return err
			}
			panic("oops")
		})
	}()
	is("a committed")
	if err := d.Tx(t.Context(), db.User(uuid.New()), func(pgx.Tx) error { t.Error("entered without a tenant"); return nil }); !errors.Is(err, db.ErrNoTenant) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := d.Tx(ctx, db.User(a.user), func(tx pgx.Tx) error { cancel(); return rename(tx, "x") })
	if err != nil {
		err = d.Ping(t.Context())
	}
	if err != nil {
		t.Error(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	if err := d.Tx(ctx, db.User(a.user), func(tx pgx.Tx) error { err := rename(tx, "x"); cancel(); return err }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	is("a committed")
}
