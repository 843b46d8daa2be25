package limit

import "context"

// Merge does what happens once a second.
func (l *Limits) Merge(ctx context.Context) { l.merge(ctx) }

// Settle waits for units that are being given back.
func (l *Limits) Settle() { l.returns.wait() }

// Hit counts one request of an address at the general limiter.
func (l *Limits) Hit(ip string) bool { return l.general.take(clientOf(ip)).allowed }

// Cells is how many clients the general limiter holds in memory.
func (l *Limits) Cells() int {
	n := 0
	for i := range l.general.shards {
		n += len(l.general.shards[i].cells)
	}
	return n
}

// ClientText is an address in the keys of the store.
func ClientText(ip string) string { return keyer("k").text(clientOf(ip)) }
