package server

import (
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// settle is how long a connection may take to bring its first request before a stop: net/http closes those whose request it
// reads during the shutdown.
const settle = 100 * time.Millisecond

// takeLast closes the listener and serves the connections that were made and that nobody had taken. The kernel resets those when a
// listener is closed, with the requests on them; a proxy cannot know that none of them was worked on, and does not send a write
// twice. What is left is the moment between the last look and the close.
func takeLast(srv *http.Server, ln net.Listener) {
	l, ok := ln.(interface{ File() (*os.File, error) })
	if !ok {
		return
	}
	file, err := l.File() // keeps the port open while the listener closes
	if err != nil {
		return
	}
	_ = ln.Close() // nobody takes connections but us now
	var left []net.Conn
	fd := int(file.Fd())
	if syscall.SetNonblock(fd, true) == nil {
		for {
			one, _, err := syscall.Accept(fd)
			if err != nil {
				break
			}
			taken := os.NewFile(uintptr(one), "")
			if c, err := net.FileConn(taken); err == nil { // a copy
				left = append(left, c)
			}
			_ = taken.Close()
		}
	}
	_ = file.Close()
	if len(left) > 0 {
		rest := &handful{addr: ln.Addr(), conns: left, taken: make(chan struct{}), closed: make(chan struct{})}
		go func() { _ = srv.Serve(rest) }() // until the shutdown
		<-rest.taken
	}
	time.Sleep(settle)
}

// handful is a listener with connections that were made already, and no others.
type handful struct {
	addr          net.Addr
	conns         []net.Conn
	taken, closed chan struct{}
	once          sync.Once
}

// Accept is for http.Server.
func (h *handful) Accept() (net.Conn, error) {
	if len(h.conns) > 0 {
		c := h.conns[0]
		h.conns = h.conns[1:]
		return c, nil
	}
	close(h.taken) // the server knows of all of them
	<-h.closed
	return nil, net.ErrClosed
}

// Close is for http.Server.
func (h *handful) Close() error { h.once.Do(func() { close(h.closed) }); return nil }

// Addr is for http.Server.
func (h *handful) Addr() net.Addr { return h.addr }
