package metric

import (
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Sources are read when Prometheus asks. A nil one is left out.
type Sources struct {
	Pool     func() *pgxpool.Stat
	InFlight func() int64 // requests
	Hashing  func() (running, waiting int, refused int64)
	Feed     func() Feed
	APIs     []API
}

// Feed is the revocation feed as this process has it.
type Feed struct {
	Age     time.Duration // since it was known to be current; negative: it never was
	Current bool
	Entries int   // in memory
	Events  int64 // that came by notification
}

// API is a version of a provider's API with the end of its support.
type API struct {
	Name, Version string
	Ends          time.Time
}

// Watch adds what is read at each scrape.
func (m *Metrics) Watch(s Sources) {
	if m == nil {
		return
	}
	if s.Pool != nil {
		m.registry.MustRegister(newPool(s.Pool))
	}
	if s.InFlight != nil {
		m.gauge("turkey_http_requests_in_flight", "Requests that are being answered.", func() float64 { return float64(s.InFlight()) })
	}
	if s.Hashing != nil {
		m.gauge("turkey_hashing_running", "Passwords that are being hashed.", func() float64 { running, _, _ := s.Hashing(); return float64(running) })
		m.gauge("turkey_hashing_waiting", "Passwords that wait for their turn.", func() float64 { _, waiting, _ := s.Hashing(); return float64(waiting) })
		m.counter("turkey_hashing_refused_total", "Passwords that found the line full and were answered 503.", func() float64 { _, _, n := s.Hashing(); return float64(n) })
	}
	if s.Feed != nil {
		m.gauge("turkey_revocation_feed_age_seconds", "Time since the feed of revocations was known to be current; +Inf: it never was.", func() float64 {
			if age := s.Feed().Age; age >= 0 {
				return age.Seconds()
			}
			return math.Inf(1)
		})
		m.gauge("turkey_revocation_feed_current", "1: revocations are known in memory. 0: PostgreSQL is asked at every request.", func() float64 {
			if s.Feed().Current {
				return 1
			}
			return 0
		})
		m.gauge("turkey_revocation_feed_entries", "Revocations in memory.", func() float64 { return float64(s.Feed().Entries) })
		m.counter("turkey_revocation_feed_events_total", "Revocations that came by notification.", func() float64 { return float64(s.Feed().Events) })
	}
	ends := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "turkey_provider_api_end_timestamp_seconds",
		Help: "First day without the provider's promise to serve this version of its API, Unix time."}, []string{"api", "version"})
	for _, a := range s.APIs {
		if !a.Ends.IsZero() {
			ends.WithLabelValues(a.Name, a.Version).Set(float64(a.Ends.Unix()))
		}
	}
	m.registry.MustRegister(ends)
}

func (m *Metrics) gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

func (m *Metrics) counter(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// pool reads all numbers of the connections at one moment.
type pool struct {
	read                                              func() *pgxpool.Stat
	conns, most, acquires, waits, waited, gaveUp, new *prometheus.Desc
}

func newPool(read func() *pgxpool.Stat) *pool {
	return &pool{read: read,
		conns:    prometheus.NewDesc("turkey_db_pool_connections", "Connections to PostgreSQL: acquired, idle, constructing.", []string{"state"}, nil),
		most:     prometheus.NewDesc("turkey_db_pool_max_connections", "Most connections (DB_POOL_MAX).", nil, nil),
		acquires: prometheus.NewDesc("turkey_db_pool_acquires_total", "Connections that were taken from the pool.", nil, nil),
		waits:    prometheus.NewDesc("turkey_db_pool_waits_total", "Connections that had to be waited for.", nil, nil),
		waited:   prometheus.NewDesc("turkey_db_pool_wait_seconds_total", "Time that was waited for connections.", nil, nil),
		gaveUp:   prometheus.NewDesc("turkey_db_pool_canceled_acquires_total", "Waits for a connection that were given up.", nil, nil),
		new:      prometheus.NewDesc("turkey_db_pool_new_connections_total", "Connections that were opened.", nil, nil),
	}
}

// Describe is for the registry.
func (p *pool) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(p, ch) }

// Collect is for the registry.
func (p *pool) Collect(ch chan<- prometheus.Metric) {
	s := p.read()
	put := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	put(p.conns, prometheus.GaugeValue, float64(s.AcquiredConns()), "acquired")
	put(p.conns, prometheus.GaugeValue, float64(s.IdleConns()), "idle")
	put(p.conns, prometheus.GaugeValue, float64(s.ConstructingConns()), "constructing")
	put(p.most, prometheus.GaugeValue, float64(s.MaxConns()))
	put(p.acquires, prometheus.CounterValue, float64(s.AcquireCount()))
	put(p.waits, prometheus.CounterValue, float64(s.EmptyAcquireCount()))
	put(p.waited, prometheus.CounterValue, s.EmptyAcquireWaitTime().Seconds())
	put(p.gaveUp, prometheus.CounterValue, float64(s.CanceledAcquireCount()))
	put(p.new, prometheus.CounterValue, float64(s.NewConnsCount()))
}
