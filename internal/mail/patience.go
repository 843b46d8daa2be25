package mail

import (
	"errors"
	"net"
	"time"
)

// patience is a connection that waits a bounded time for each byte and takes a bounded number of them: an SMTP session reads
// lines of any length and would wait for ever.
type patience struct {
	net.Conn
	each time.Duration
	left int // bytes
}

var errTooMuch = errors.New("the server says too much")

func (c *patience) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooMuch
	}
	if err := c.SetReadDeadline(time.Now().Add(c.each)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}

func (c *patience) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.each)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
