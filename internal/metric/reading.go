package metric

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"turkey/internal/db"
	"turkey/internal/metric/metricdb"
)

const (
	readEvery = 30 * time.Second
	readWait  = 3 * time.Second // a scrape must not hang on a database that does
)

// states of jobs that are counted; metric.sql names them, too.
var states = []string{"available", "running", "retryable", "scheduled", "discarded"}

// Backups is how it stands with the backups of this server's directory; the zero time is never.
type Backups struct{ Made, Verified, Failed time.Time }

// reading is what is asked of the database and of the disk: seldom, and kept. What cannot be read again stays as it was, and
// its age tells.
type reading struct {
	db      *db.DB
	q       *metricdb.Queries
	log     *slog.Logger
	backups func() (Backups, error) // nil: this server makes none

	mu       sync.Mutex
	tried    time.Time
	read     time.Time // the last that worked
	values   []prometheus.Metric
	complain bool

	age, jobs, oldest, credentials, ending, unsealed, made, verified, failed *prometheus.Desc
}

// Read adds what is read of the database and, where backups is not nil, of the directory of backups.
func (m *Metrics) Read(database *db.DB, backups func() (Backups, error), log *slog.Logger) {
	if m == nil {
		return
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m.readings = &reading{db: database, q: metricdb.New(), log: log, backups: backups, complain: true,
		age:         desc("turkey_readings_age_seconds", "Age of what was read of the database: queue, credentials, audit, backups. It is read every 30 s at most."),
		jobs:        desc("turkey_queue_jobs", "Jobs in the queue by state: available, running, retryable, scheduled, discarded (given up).", "queue", "state"),
		oldest:      desc("turkey_queue_oldest_age_seconds", "How long the job has been due that waits longest.", "queue"),
		credentials: desc("turkey_credentials", "Stored credentials by health: unchecked, ok, expiring, failing, broken.", "service", "state"),
		ending:      desc("turkey_credentials_expiring", "Credentials that expire within seven days.", "service"),
		unsealed:    desc("turkey_audit_unsealed_age_seconds", "How long the oldest row of the audit has waited for its seal; one is made every minute."),
		made:        desc("turkey_backup_last_success_timestamp_seconds", "When the newest whole backup was made, Unix time; 0: never."),
		verified:    desc("turkey_backup_last_verified_timestamp_seconds", "When the newest backup was made that was restored and compared, Unix time; 0: never."),
		failed:      desc("turkey_backup_last_failure_timestamp_seconds", "When a scheduled backup last failed with none made since, Unix time; 0: none did."),
	}
	m.registry.MustRegister(m.readings)
}

// Describe is for the registry.
func (r *reading) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{r.age, r.jobs, r.oldest, r.credentials, r.ending, r.unsealed, r.made, r.verified, r.failed} {
		ch <- d
	}
}

// Collect is for the registry. Scrapes at the same time wait for one reading.
func (r *reading) Collect(ch chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.tried) >= readEvery {
		r.tried = now
		r.refresh(now)
	}
	for _, v := range r.values {
		ch <- v
	}
	if !r.read.IsZero() {
		ch <- prometheus.MustNewConstMetric(r.age, prometheus.GaugeValue, time.Since(r.read).Seconds())
	}
}

func (r *reading) refresh(now time.Time) {
	ctx, cancel := context.WithTimeout(db.Background(context.Background()), readWait)
	defer cancel()
	values, err := r.ask(ctx, now)
	if err != nil {
		if r.complain {
			r.log.Warn("what metrics read of the database could not be read; the old numbers stay, and their age tells", "error", err)
		}
		r.complain = false
		return
	}
	r.values, r.read, r.complain = values, now, true
}

func (r *reading) ask(ctx context.Context, now time.Time) (values []prometheus.Metric, err error) {
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		values = append(values, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...))
	}
	system := r.db.In(db.System())
	jobs, err := r.q.QueueSystem(ctx, system, now)
	if err != nil {
		return nil, err
	}
	waiting, oldest := map[string]map[string]int64{"default": {}}, map[string]float64{"default": 0}
	for _, j := range jobs {
		if waiting[j.Queue] == nil {
			waiting[j.Queue] = map[string]int64{}
		}
		waiting[j.Queue][j.State] = j.Jobs
		oldest[j.Queue] = max(oldest[j.Queue], j.Age)
	}
	for queue, age := range oldest {
		put(r.oldest, age, queue)
		for _, state := range states {
			put(r.jobs, float64(waiting[queue][state]), queue, state)
		}
	}
	credentials, err := r.q.CredentialsSystem(ctx, system, now)
	if err != nil {
		return nil, err
	}
	ending := map[string]int64{}
	for _, c := range credentials {
		put(r.credentials, float64(c.Credentials), c.Service, c.Health)
		ending[c.Service] += c.Ending
	}
	for service, n := range ending {
		put(r.ending, float64(n), service)
	}
	unsealed, err := r.q.AuditSystem(ctx, system, now)
	if err != nil {
		return nil, err
	}
	put(r.unsealed, max(unsealed, 0))
	if r.backups == nil {
		return values, nil
	}
	b, err := r.backups()
	if err != nil {
		return nil, err
	}
	put(r.made, unix(b.Made))
	put(r.verified, unix(b.Verified))
	put(r.failed, unix(b.Failed))
	return values, nil
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
