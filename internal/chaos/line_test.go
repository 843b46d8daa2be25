package chaos_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// line is the network between a server and PostgreSQL, which can be bad.
type line struct {
	listener net.Listener
	socket   string // PostgreSQL's

	mu     sync.Mutex
	chance *rand.Rand
	how    weather
	pairs  map[*pair]bool
	cuts   int
}

// weather is how bad it is. Chances are of each message.
type weather struct {
	delay     time.Duration // of each message, up to
	cutAsking float64       // cut before PostgreSQL hears it: in the middle of a transaction, often
	cutAnswer float64       // cut after PostgreSQL has done it, and before anybody hears of it
	hold      bool          // nothing passes, and nothing is closed: half open
}

type pair struct{ client, server net.Conn }

func newLine(t testing.TB, socket string, seed uint64) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	n := &line{listener: l, socket: socket, chance: rand.New(rand.NewPCG(seed, 2)), pairs: map[*pair]bool{}}
	go n.accept()
	t.Cleanup(func() {
		_ = l.Close() // ends accept
		n.cutAll()
	})
	return n
}

func (n *line) becomes(w weather) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.how = w
}

func (n *line) accept() {
	for {
		client, err := n.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		server, err := net.Dial("unix", n.socket)
		if err != nil {
			_ = client.Close() // as a machine without PostgreSQL does
			continue
		}
		p := &pair{client, server}
		n.mu.Lock()
		n.pairs[p] = true
		n.mu.Unlock()
		go n.carry(p, server, client, func(w weather) float64 { return w.cutAsking })
		go n.carry(p, client, server, func(w weather) float64 { return w.cutAnswer })
	}
}

func (n *line) carry(p *pair, to io.Writer, from io.Reader, risk func(weather) float64) {
	defer n.cut(p)
	buf := make([]byte, 64<<10)
	for {
		k, err := from.Read(buf)
		if err != nil {
			return
		}
		wait, dead := n.luck(risk)
		if dead {
			return
		}
		time.Sleep(wait)
		for n.held() {
			time.Sleep(10 * time.Millisecond)
		}
		if _, err := to.Write(buf[:k]); err != nil {
			return
		}
	}
}

// luck is what becomes of a message.
func (n *line) luck(risk func(weather) float64) (wait time.Duration, dead bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.how.delay > 0 {
		wait = time.Duration(n.chance.Int64N(int64(n.how.delay)))
	}
	dead = n.chance.Float64() < risk(n.how)
	if dead {
		n.cuts++
	}
	return wait, dead
}

func (n *line) held() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.how.hold
}

func (n *line) cut(p *pair) {
	_ = p.client.Close() // the other half may have done it
	_ = p.server.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pairs, p)
}

func (n *line) cutAll() {
	n.mu.Lock()
	var all []*pair
	for p := range n.pairs {
		all = append(all, p)
	}
	n.mu.Unlock()
	for _, p := range all {
		n.cut(p)
	}
}
