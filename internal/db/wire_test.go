package db_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"turkey/internal/db"
	"turkey/internal/db/dbtest"
)

// wire stands between a pool and PostgreSQL and notes what crosses.
type wire struct {
	mu    sync.Mutex
	spoke byte     // who sent last
	sent  []string // types of the client's messages, one string per trip
}

// take returns the trips since the last call.
func (w *wire) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := w.sent
	w.sent = nil
	return sent
}

func (w *wire) note(who byte, message byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if who == 'c' {
		if w.spoke != 'c' || len(w.sent) == 0 {
			w.sent = append(w.sent, "")
		}
		w.sent[len(w.sent)-1] += string(message)
	}
	w.spoke = who
}

// tap returns the URL of a listener that passes everything on to the server behind dsn.
func tap(t *testing.T, dsn string) (string, *wire) {
	t.Helper()
	cc, err := pgconn.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w := &wire{}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			network, address := pgconn.NetworkAddress(cc.Host, cc.Port)
			server, err := net.Dial(network, address)
			if err != nil {
				_ = client.Close()
				return
			}
			go w.pass(server, client, 'c', 4) // the first message of a client has no type
			go w.pass(client, server, 's', 0)
		}
	}()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = l.Addr().String(), q.Encode()
	return u.String(), w
}

// pass copies whole messages: a type, four bytes of length, the rest.
func (w *wire) pass(to io.WriteCloser, from io.ReadCloser, who byte, header int) {
	defer to.Close()
	defer from.Close()
	for {
		if header == 0 {
			header = 5
		}
		head := make([]byte, header)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		rest := make([]byte, binary.BigEndian.Uint32(head[header-4:])-4)
		if _, err := io.ReadFull(from, rest); err != nil {
			return
		}
		if header == 5 {
			w.note(who, head[0])
		}
		if _, err := to.Write(append(head, rest...)); err != nil {
			return
		}
		header = 5
	}
}

// A statement with its scope is Bind and Execute twice and one Sync, sent before anything is read.
func TestOneRoundTrip(t *testing.T) {
	t.Parallel()
	dsn, w := tap(t, dbtest.URL(t))
	d := open(t, dsn, 1)
	a := newTenant(t, d, "a")
	const sql = `SELECT name FROM credentials WHERE id > $1`
	one := map[string]func(s db.Scope) error{
		"exec":      func(s db.Scope) error { _, err := d.In(s).Exec(t.Context(), sql, 0); return err },
		"query":     func(s db.Scope) error { rows, err := d.In(s).Query(t.Context(), sql, 0); rows.Close(); return err },
		"query row": func(s db.Scope) error { var name string; return d.In(s).QueryRow(t.Context(), sql, 0).Scan(&name) },
	}
	for kind, s := range scopesOf(a) {
		for how, run := range one {
			if err := run(s); err != nil && !errors.Is(err, pgx.ErrNoRows) { // the first use prepares
				t.Fatal(err)
			}
			w.take()
			if err := run(s); err != nil && !errors.Is(err, pgx.ErrNoRows) {
				t.Fatal(err)
			}
			if trips := w.take(); strings.Join(trips, " ") != "BEBES" {
				t.Errorf("%s in %s: messages %q", how, kind, trips)
			}
		}
		transaction := func() []string {
			w.take()
			var entered []string
			err := d.Tx(t.Context(), s, func(tx pgx.Tx) error {
				entered = w.take()
				_, err := tx.Exec(t.Context(), sql, 0)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return append(entered, w.take()...)
		}
		transaction()
		if trips := transaction(); len(trips) != 3 || strings.Count(trips[0], "S") != 1 {
			t.Errorf("transaction in %s: messages %q, want begin with scope, the statement, commit", kind, trips)
		}
	}
}
