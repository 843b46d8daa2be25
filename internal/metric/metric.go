package metric

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics is the registry with everything that counts as it happens. Its methods may be called by many goroutines at once.
type Metrics struct {
	registry *prometheus.Registry
	requests *requests
	readings *reading // nil: none

	jobs       *prometheus.CounterVec
	jobTime    *prometheus.HistogramVec
	jobsNow    *prometheus.GaugeVec
	hashWait   prometheus.Histogram
	hashTime   prometheus.Histogram
	refusals   *prometheus.CounterVec
	runs       *prometheus.CounterVec
	runTime    *prometheus.HistogramVec
	mails      *prometheus.CounterVec
	deliveries *prometheus.CounterVec
}

// Known are values of labels that are counted from zero on: a first failure is then a rise, and no new line.
type Known struct {
	Limiters []string // that refuse
	Services []string // that runs collect from
	Mails    []string // kinds
	Formats  []string // of webhooks
}

// The outcomes of runs, mails and deliveries.
const (
	completed = "completed"
	delivered = "delivered"
	failed    = "failed"
	retried   = "retried"
	sent      = "sent"
)

// New makes an empty registry with the process's own numbers in it.
func New(version string, known Known) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	work := []float64{.005, .025, .1, .5, 1, 2.5, 5, 10, 30, 60, 120}
	hashing := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	m := &Metrics{
		registry: prometheus.NewPedanticRegistry(),
		requests: newRequests(),
		jobs:     counter("turkey_jobs_total", "Attempts of jobs that ended in this process: completed, retried, snoozed, cancelled, discarded.", "kind", "result"),
		jobTime:  histogram("turkey_job_duration_seconds", "Time of one attempt of a job.", work, "kind"),
		jobsNow:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "turkey_jobs_running", Help: "Jobs that this process works on."}, []string{"kind"}),
		hashWait: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "turkey_hashing_wait_seconds", Help: "Time that a password waited for its turn.",
			Buckets: hashing}),
		hashTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "turkey_hashing_duration_seconds", Help: "Time of one password hash, without waiting.",
			Buckets: hashing}),
		refusals:   counter("turkey_limit_refusals_total", "Requests that a limiter or the lockout refused.", "limiter"),
		runs:       counter("turkey_runs_total", "Attempts of runs that ended: completed, retried, failed (for good), interrupted.", "service", "outcome", "reason"),
		runTime:    histogram("turkey_run_duration_seconds", "Time of one attempt of a run.", work, "service"),
		mails:      counter("turkey_mails_total", "Deliveries of mails that were tried: sent, retried, failed (refused for good).", "kind", "outcome"),
		deliveries: counter("turkey_webhook_deliveries_total", "Attempts to deliver to users' webhooks: delivered, retried, failed (for good).", "format", "outcome"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "turkey_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m.requests.count, m.requests.time, m.jobs, m.jobTime, m.jobsNow, m.hashWait, m.hashTime, m.refusals, m.runs, m.runTime, m.mails,
		m.deliveries, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.begin(known)
	return m
}

// begin puts zeros where something is known to be counted.
func (m *Metrics) begin(known Known) {
	for _, l := range known.Limiters {
		m.refusals.WithLabelValues(l)
	}
	for _, s := range known.Services {
		m.runs.WithLabelValues(s, completed, "")
	}
	for _, k := range known.Mails {
		for _, o := range []string{sent, retried, failed} {
			m.mails.WithLabelValues(k, o)
		}
	}
	for _, f := range known.Formats {
		for _, o := range []string{delivered, retried, failed} {
			m.deliveries.WithLabelValues(f, o)
		}
	}
}

// Job counts a job from its begin to its end.
func (m *Metrics) Job(ctx context.Context, kind string) (_ context.Context, end func(result string)) {
	if m == nil {
		return ctx, func(string) {}
	}
	start, now := time.Now(), m.jobsNow.WithLabelValues(kind)
	now.Inc()
	return ctx, func(result string) {
		now.Dec()
		m.jobs.WithLabelValues(kind, result).Inc()
		m.jobTime.WithLabelValues(kind).Observe(time.Since(start).Seconds())
	}
}

// Run counts an attempt of a run from its begin to its end.
func (m *Metrics) Run(ctx context.Context, service string) (_ context.Context, end func(outcome, reason string)) {
	if m == nil {
		return ctx, func(string, string) {}
	}
	start := time.Now()
	return ctx, func(outcome, reason string) {
		m.runs.WithLabelValues(service, outcome, reason).Inc()
		m.runTime.WithLabelValues(service).Observe(time.Since(start).Seconds())
	}
}

// Hashed counts a password hash.
func (m *Metrics) Hashed(waited, took time.Duration) {
	if m != nil {
		m.hashWait.Observe(waited.Seconds())
		m.hashTime.Observe(took.Seconds())
	}
}

// Refused counts what a limiter refused.
func (m *Metrics) Refused(limiter string) {
	if m != nil {
		m.refusals.WithLabelValues(limiter).Inc()
	}
}

// Mail counts a delivery that was tried.
func (m *Metrics) Mail(kind string, failure error, permanent bool) {
	if m == nil {
		return
	}
	outcome := sent
	switch {
	case permanent:
		outcome = failed
	case failure != nil:
		outcome = retried
	}
	m.mails.WithLabelValues(kind, outcome).Inc()
}

// Delivery counts an attempt to reach a webhook.
func (m *Metrics) Delivery(format, outcome string) {
	if m != nil {
		m.deliveries.WithLabelValues(format, outcome).Inc()
	}
}
