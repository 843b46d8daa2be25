package notify_test

import (
	"slices"
	"sync"
	"testing"

	"turkey/internal/notify"
)

func TestWhoLooksOnHearsOfDeliveries(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var heard []string
	b, r := setup(t, func(c *notify.Config) {
		c.Attempted = func(format, outcome string) { mu.Lock(); defer mu.Unlock(); heard = append(heard, format+" "+outcome) }
	}), receive(t)
	hears := func(want ...string) {
		t.Helper()
		b.eventually("heard of", func() bool { mu.Lock(); defer mu.Unlock(); return slices.Equal(heard, want) })
	}
	b.hook(b.user, r)
	r.answers(500)
	must(t, b.tell(b.user, notify.RunFailed, map[string]any{}))
	hears("turkey retried")
	r.answers(200)
	b.hurry()
	hears("turkey retried", "turkey delivered")
	r.answers(410)
	must(t, b.tell(b.user, notify.RunFailed, map[string]any{}))
	hears("turkey retried", "turkey delivered", "turkey failed")
}
