package chaos_test

import (
	"bytes"
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
	snare  *snare
}

// weather is how bad it is. Chances are of each message.
type weather struct {
	delay     time.Duration // of each message, up to
	cutAsking float64       // cut before PostgreSQL hears it: in the middle of a transaction, often
	cutAnswer float64       // cut after PostgreSQL has done it, and before anybody hears of it
	hold      bool          // nothing passes, and nothing is closed: half open
}

type pair struct {
	client, server net.Conn
	inside         bool // in a transaction of several statements
	marked         bool // one that the snare is for
	deaf           bool // the next answer is the last
}

// moment is when a snare cuts a transaction of several statements.
type moment string

const (
	inTheMiddle  moment = "in the middle"
	beforeCommit moment = "before the commit"
	afterCommit  moment = "after the commit, before the answer"
)

// snare is for the first transaction with a statement that has the mark in it, or in a value.
type snare struct {
	mark   []byte
	at     moment
	sprung chan struct{}
}

// set lays a snare. The channel is closed when it has cut.
func (n *line) set(at moment, mark []byte) (sprung <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.snare = &snare{mark, at, make(chan struct{})}
	return n.snare.sprung
}

// asked looks at what a client sends, and says whether the line is cut there.
func (n *line) asked(p *pair, message []byte) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.snare
	if s == nil || !p.inside {
		return false
	}
	if bytes.Contains(message, s.mark) {
		p.marked = true
	}
	commit := bytes.Contains(message, []byte("commit\x00"))
	switch {
	case !p.marked:
		return false
	case s.at == afterCommit && commit:
		p.deaf = true
		return false
	case s.at == inTheMiddle && !commit, s.at == beforeCommit && commit:
		return n.springs()
	}
	return false
}

// answered looks at what PostgreSQL says: each answer ends with whether a transaction is open.
func (n *line) answered(p *pair, message []byte) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.deaf && n.snare != nil {
		return n.springs()
	}
	if end := len(message) - 6; end >= 0 && string(message[end:end+5]) == "Z\x00\x00\x00\x05" {
		p.inside = message[end+5] == 'T'
		p.marked = p.marked && p.inside
	}
	return false
}

func (n *line) springs() bool {
	close(n.snare.sprung)
	n.snare = nil
	n.cuts++
	return true
}

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
		p := &pair{client: client, server: server}
		n.mu.Lock()
		n.pairs[p] = true
		n.mu.Unlock()
		go n.carry(p, server, client, n.asked, func(w weather) float64 { return w.cutAsking })
		go n.carry(p, client, server, n.answered, func(w weather) float64 { return w.cutAnswer })
	}
}

func (n *line) carry(p *pair, to io.Writer, from io.Reader, caught func(*pair, []byte) bool, risk func(weather) float64) {
	defer n.cut(p)
	buf := make([]byte, 64<<10)
	for {
		k, err := from.Read(buf)
		if err != nil {
			return
		}
		wait, dead := n.luck(risk)
		if dead || caught(p, buf[:k]) {
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
