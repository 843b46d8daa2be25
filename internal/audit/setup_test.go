package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"turkey/internal/audit"
	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// bundle is a database with a keeper, and somebody who may do anything to its tables.
type bundle struct {
	*testing.T
	url    string
	db     *db.DB
	keeper *audit.Keeper
	root   *pgx.Conn // a superuser
}

// seed signs the seals of all tests.
var seed = bytes.Repeat([]byte{7}, 32)

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{T: t, url: dbtest.URL(t)}
	b.db, b.root = open(t, b.url), connect(t, b.url)
	b.keeper = keeper(t, b.db, seed)
	b.exec(`INSERT INTO apps (id) VALUES ('shop')`)
	return b
}

func open(t *testing.T, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{URL: url, MaxConns: 4, ConnectTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func keeper(t *testing.T, d *db.DB, seed []byte) *audit.Keeper {
	t.Helper()
	k, err := audit.NewKeeper(audit.Config{DB: d, Log: slog.New(slog.DiscardHandler), Now: time.Now, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (b *bundle) exec(sql string, args ...any) {
	b.Helper()
	if _, err := b.root.Exec(b.Context(), sql, args...); err != nil {
		b.Fatalf("%s: %v", sql, err)
	}
}

func get[T any](b *bundle, sql string, args ...any) (v T) {
	b.Helper()
	if err := b.root.QueryRow(b.Context(), sql, args...).Scan(&v); err != nil {
		b.Fatalf("%s: %v", sql, err)
	}
	return v
}

// user makes one, with n events of theirs in each log, written as the server writes them.
func (b *bundle) user(n int) (id uuid.UUID, no int64) {
	b.Helper()
	if err := b.root.QueryRow(b.Context(), `INSERT INTO users (app_id, email, password_hash) VALUES ('shop', gen_random_uuid() || '@example.org', '') RETURNING id, user_no`).
		Scan(&id, &no); err != nil {
		b.Fatal(err)
	}
	for range n {
		b.act(id)
	}
	return id, no
}

// act writes an event of a user into each log, as the server does.
func (b *bundle) act(id uuid.UUID) {
	b.Helper()
	if _, err := b.db.In(db.App("shop")).Exec(b.Context(), `INSERT INTO audit (app_id, user_id, actor, action, ip, user_agent, meta)
		VALUES ('shop', $1::uuid, ($1::uuid)::text, 'login', '192.0.2.7', 'curl', '{"ip":"192.0.2.7","requestId":"r1","n":1e2}')`, id); err != nil {
		b.Fatal(err)
	}
	if _, err := b.db.In(db.User(id)).Exec(b.Context(), `INSERT INTO audit_logs (user_id, action, service, status, metadata)
		SELECT current_user_no(), 'credential_saved', 'meta', 'success', '{"ip":"192.0.2.7","credentialId":1}'`); err != nil {
		b.Fatal(err)
	}
}

// forget deletes a user as the server does: with an event of the deletion in the same transaction.
func (b *bundle) forget(id uuid.UUID, no int64) {
	b.Helper()
	err := b.db.Tx(b.Context(), db.App("shop"), func(tx pgx.Tx) error {
		for _, sql := range []string{`DELETE FROM users WHERE id = $1 AND $2::bigint > 0`,
			`INSERT INTO audit (app_id, user_id, actor, action, ip) SELECT 'shop', $1::uuid, ($1::uuid)::text, 'account_deleted', '192.0.2.7' WHERE $2::bigint > 0`, `SELECT forget_in_audit($1, $2)`} {
			if _, err := tx.Exec(b.Context(), sql, id, no); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bundle) seal() int {
	b.Helper()
	n, err := b.keeper.Seal(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func (b *bundle) verify(s audit.Scope) audit.Report {
	b.Helper()
	r, err := b.keeper.Verify(b.Context(), s)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// intact asserts that so many rows are as they were sealed.
func (b *bundle) intact(rows int64) audit.Report {
	b.Helper()
	r := b.verify(audit.Scope{})
	if !r.Intact || r.Rows != rows {
		b.Errorf("%d rows, expected %d; %s", r.Rows, rows, told(r))
	}
	return r
}

// told is what a report found, as kind log id.
func told(r audit.Report) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Kind, f.Log, f.ID)))
	}
	return strings.Join(all, "; ")
}
