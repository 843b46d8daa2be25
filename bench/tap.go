package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
)

// tap stands between the server and PostgreSQL and notes what is asked, trip by trip. It reads the messages of the protocol
// (https://www.postgresql.org/docs/current/protocol-message-formats.html).
type tap struct {
	mu    sync.Mutex
	trips []trip
}

// trip is what went to PostgreSQL between two of its "ready for query".
type trip struct {
	asked []string // names of statements; the one that sets the scope is not among them
	ended bool     // no transaction was open after it
}

// tapped listens for the server; what comes goes to PostgreSQL's socket.
func tapped(socket string) (*tap, net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	t := &tap{}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("unix", socket)
			if err != nil {
				_ = from.Close() // the server hears of it
				continue
			}
			c := &tappedConn{tap: t, names: map[string]string{}}
			go c.pass(to, from, 4, c.sent) // the first message has no type
			go c.pass(from, to, 5, c.answered)
		}
	}()
	return t, l, nil
}

// take returns the trips that ended since the last time. Those that only prepared a statement asked nothing.
func (t *tap) take() []trip {
	t.mu.Lock()
	defer t.mu.Unlock()
	trips := t.trips
	t.trips = nil
	return trips
}

// tappedConn is one connection.
type tappedConn struct {
	tap *tap

	mu    sync.Mutex
	names map[string]string // of prepared statements
	bound string
	now   []string
	open  [][]string // sent, and not answered yet
}

// pass copies whole messages: a type, four bytes of length, the rest.
func (c *tappedConn) pass(to io.WriteCloser, from io.ReadCloser, header int, note func(kind byte, rest []byte)) {
	defer to.Close()
	defer from.Close()
	for {
		head := make([]byte, header)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		rest := make([]byte, binary.BigEndian.Uint32(head[header-4:])-4)
		if _, err := io.ReadFull(from, rest); err != nil {
			return
		}
		if header == 5 {
			c.mu.Lock()
			note(head[0], rest)
			c.mu.Unlock()
		}
		if _, err := to.Write(append(head, rest...)); err != nil {
			return
		}
		header = 5
	}
}

func (c *tappedConn) sent(kind byte, rest []byte) {
	switch kind {
	case 'P': // Parse: a name, the statement
		name, sql := cstring(rest)
		text, _ := cstring(sql)
		c.names[name] = nameOf(text)
	case 'B': // Bind: a portal, the name
		_, rest = cstring(rest)
		name, _ := cstring(rest)
		c.bound = c.names[name]
	case 'E': // Execute
		c.now = append(c.now, c.bound)
	case 'Q': // a query in one message
		text, _ := cstring(rest)
		c.open, c.now = append(c.open, append(c.now, nameOf(text))), nil
	case 'S': // Sync
		c.open, c.now = append(c.open, c.now), nil
	}
}

func (c *tappedConn) answered(kind byte, rest []byte) {
	if kind != 'Z' || len(c.open) == 0 { // ReadyForQuery
		return
	}
	asked := c.open[0]
	c.open = c.open[1:]
	if len(asked) == 0 {
		return
	}
	t := trip{ended: rest[0] == 'I'}
	for _, name := range asked {
		if name != scope {
			t.asked = append(t.asked, name)
		}
	}
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.tap.trips = append(c.tap.trips, t)
}

func cstring(b []byte) (string, []byte) {
	text, rest, _ := bytes.Cut(b, []byte{0})
	return string(text), rest
}

const scope = "scope"

// nameOf is what sqlc writes before a statement, else its first words.
func nameOf(sql string) string {
	if strings.Contains(sql, "set_config('role'") {
		return scope
	}
	words := strings.Fields(sql)
	if len(words) > 2 && words[0] == "--" && words[1] == "name:" {
		return words[2]
	}
	for _, table := range []string{"login_locks", "limit_windows"} {
		if strings.Contains(sql, table) {
			return "limits (" + table + ")"
		}
	}
	return strings.ToLower(strings.Join(words[:min(len(words), 2)], " "))
}
