package chaos_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"turkey/internal/connector"
)

// TestMoreHangingRunsThanWorkers: a provider takes connections and never answers, and more runs wait for it than are worked at
// once. A run of others waits for its turn and no longer: behind runs of schedules until the first worker gives up,
// behind those that people asked for until the workers have tried each of them once.
func TestMoreHangingRunsThanWorkers(t *testing.T) {
	t.Parallel()
	const (
		workers = 2
		hanging = 5
		timeout = 10 * time.Second // of a provider
	)
	for name, c := range map[string]struct {
		scheduled bool
		before    int           // how many hanging runs may begin before it, besides those of the workers
		bound     time.Duration // with time for a slow machine; the order is the promise
	}{
		"of schedules":        {true, workers, timeout + 25*time.Second},
		"that were asked for": {false, hanging - workers, hanging/workers*timeout + 25*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			gate, err := url.Parse(w.gate.url)
			must(t, err)
			analytics := newHole(t, gate.Host)
			for i, v := range w.env {
				if strings.HasPrefix(v, "GA_DATA_BASE=") {
					w.env[i] = strings.Replace(v, gate.Host, analytics.address(), 1)
				}
			}
			w.env = append(w.env, "RUN_WORKERS=2")
			_, client := w.serve()
			var all []*person
			for range hanging {
				p := w.join(client, connector.GA4)
				p.furnishes(connector.GA4)
				all = append(all, p)
			}
			other := w.join(client, connector.Shopify)
			other.furnishes(connector.Shopify)

			analytics.silent()
			if c.scheduled {
				w.exec(`INSERT INTO kpi_runs (id, user_id, service, scheduled) SELECT gen_random_uuid(), user_no, 'ga4', true FROM users WHERE email LIKE 'user-%' AND email <> $1`, "user-5@example.com")
			} else {
				for _, p := range all {
					p.asks(client, connector.GA4, 5, 1)
				}
			}
			eventually(t, "all workers hang, and the other runs wait in the queue", func() bool {
				return w.number(`SELECT count(*) FROM kpi_runs WHERE status = 'active'`) == workers && w.number(`SELECT count(*) FROM kpi_runs WHERE enqueued`) == hanging
			})
			other.asks(client, connector.Shopify, 5, 1)
			w.within("somebody else's run", c.bound, func() bool {
				return w.number(`SELECT count(*) FROM kpi_runs WHERE service = 'shopify' AND status = 'completed'`) == 1
			})
			before := w.number(`SELECT count(*) FROM kpi_runs g JOIN kpi_runs s ON s.service = 'shopify' WHERE g.service = 'ga4' AND g.started_at <= s.started_at`)
			if before > workers+c.before {
				t.Errorf("%d hanging runs began before it, want at most %d", before, workers+c.before)
			}
			t.Logf("%d of %d hanging runs began before it", before, hanging)
		})
	}
}
