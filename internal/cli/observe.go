package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"turkey/internal/backup"
	"turkey/internal/config"
	"turkey/internal/connector"
	"turkey/internal/kpi"
	"turkey/internal/limit"
	"turkey/internal/mail"
	"turkey/internal/metric"
	"turkey/internal/notify"
	"turkey/internal/queue"
	"turkey/internal/server"
	"turkey/internal/trace"
)

// watching is who looks on: metrics and traces, each nil when it is off.
type watching struct {
	metrics *metric.Metrics
	traces  *trace.Tracing
}

// newWatching begins to look on, by the configuration.
func newWatching(cfg *config.Config, log *slog.Logger) (w watching, err error) {
	if cfg.MetricsAddr != "" {
		w.metrics = metric.New(version, metric.Known{Limiters: limit.Limiters(), Services: connector.SourceNames(), Mails: mailKinds(), Formats: notify.Formats()})
	}
	if url := cfg.TracesURL(); url != "" {
		w.traces, err = trace.Start(trace.Config{Endpoint: url, Headers: string(cfg.OTLPHeaders), Service: cfg.OTelService, Resource: cfg.OTelResource,
			Sampler: cfg.OTelSampler, SamplerArg: cfg.OTelRatio, Version: version, Log: log})
	}
	return w, err
}

// stop sends the spans that are left.
func (w watching) stop(cfg *config.Config, log *slog.Logger) {
	within(cfg, log, "the last traces were not sent", w.traces.Stop)
}

// jobs lets metrics and traces hear of jobs; before the queue is opened.
func (w watching) jobs(q *queue.Queue) {
	if w.traces != nil {
		q.Watch(w.traces.Job)
	}
	if w.metrics != nil {
		q.Watch(w.metrics.Job)
	}
}

// runs are those who hear of runs.
func (w watching) runs() (all []kpi.Watch) {
	if w.traces != nil {
		all = append(all, w.traces.Run)
	}
	if w.metrics != nil {
		all = append(all, w.metrics.Run)
	}
	return all
}

// calls is what lies between the connectors and the network; nil: nothing.
func (w watching) calls() func(http.RoundTripper) http.RoundTripper {
	if w.traces == nil {
		return nil
	}
	return w.traces.Calls
}

// requests lets metrics and traces hear of requests.
func (w watching) requests(c *server.Config) {
	if w.metrics != nil {
		c.Observed = w.metrics.Request
	}
	if w.traces != nil {
		c.Begin = w.traces.Request
	}
}

// mails counts what a sender does.
func (w watching) mails(sender mail.Sender) mail.Sender {
	if w.metrics == nil {
		return sender
	}
	return countedMail{sender, w.metrics}
}

type countedMail struct {
	mail.Sender
	metrics *metric.Metrics
}

// Send is mail.Sender's.
func (c countedMail) Send(ctx context.Context, m mail.Message) error {
	err := c.Sender.Send(ctx, m)
	if !errors.Is(err, context.Canceled) { // the server stops; the next one goes on
		c.metrics.Mail(string(m.Kind), err, mail.IsPermanent(err))
	}
	return err
}

func mailKinds() (all []string) {
	for _, k := range append(mail.Kinds(), mail.OperatorNotice) {
		all = append(all, string(k))
	}
	return all
}

// listenMetrics takes the port of the metrics; nil where they are off.
func listenMetrics(cfg *config.Config) (net.Listener, error) {
	if cfg.MetricsAddr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", cfg.MetricsAddr)
	if err != nil {
		return nil, fmt.Errorf("METRICS_ADDR: cannot listen there: %w", err)
	}
	return l, nil
}

// expose answers Prometheus at l until stop is called. srv is nil in a worker.
func (h *house) expose(l net.Listener, srv *server.Server) (stop func()) {
	m := h.watching.metrics
	if l == nil || m == nil {
		return func() {}
	}
	sources := metric.Sources{Pool: h.db.Pool().Stat, Hashing: h.users.Hashing, Feed: func() metric.Feed { return metric.Feed(h.users.Feed()) }}
	if srv != nil {
		sources.InFlight = srv.InFlight
	}
	for _, a := range apis(h.cfg) {
		sources.APIs = append(sources.APIs, metric.API{Name: a.Name, Version: a.Version, Ends: a.Ends})
	}
	m.Watch(sources)
	var backups func() (metric.Backups, error)
	if h.cfg.BackupDir != "" {
		backups = func() (metric.Backups, error) { return lastBackups(h.cfg.BackupDir) }
	}
	m.Read(h.db, backups, h.log)
	h.log.Info("Metrics at http://" + l.Addr().String() + "/metrics")
	return m.Serve(l, h.log)
}

func lastBackups(dir string) (b metric.Backups, err error) {
	st, err := backup.Look(dir)
	at := func(b *backup.Backup) (t time.Time) {
		if b != nil {
			t = b.Manifest.CreatedAt
		}
		return t
	}
	b = metric.Backups{Made: at(st.Newest), Verified: at(st.Verified)}
	if st.Failure != nil {
		b.Failed = st.Failure.At
	}
	return b, err
}
