package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"turkey/console"
	"turkey/internal/audit"
	"turkey/internal/auth"
	"turkey/internal/backup"
	"turkey/internal/config"
	"turkey/internal/connector"
	"turkey/internal/db"
	"turkey/internal/doctor"
	"turkey/internal/idempotency"
	"turkey/internal/kpi"
	"turkey/internal/limit"
	"turkey/internal/notify"
	"turkey/internal/queue"
	"turkey/internal/server"
	"turkey/internal/vault"
)

func (p *program) serveCommand() *cobra.Command {
	var demo, noWorkers bool
	c := &cobra.Command{Use: "serve", Short: "Run the server", Args: noArgs,
		Long: "Runs the server until it is told to stop (Ctrl-C, SIGTERM). Without a configured database it runs a private PostgreSQL\n" +
			"as its child, with all data under .turkey/.",
		Example: "  turkey serve\n  turkey serve --no-workers\n  DATABASE_URL=postgresql://turkey_app@db/turkey?sslmode=require turkey serve",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig()
			if err != nil {
				return err
			}
			if demo {
				if cfg.Production() {
					return errors.New("--demo has a user with a known password and fake providers: not with NODE_ENV=production")
				}
				cfg.Sandbox = true
				if cfg.Host == "" {
					cfg.Host = "localhost"
				}
			}
			if noWorkers {
				cfg.Workers = 0
			}
			if cfg.Workers == 0 && cfg.PrivatePostgres() {
				return errors.New("a server without workers needs a database that `turkey worker` reaches too: set DATABASE_URL")
			}
			return serve(cmd.Context(), cfg, demo, p)
		}}
	c.Flags().BoolVar(&demo, "demo", false, "with fake providers, a demo app and a demo user, on this machine only")
	c.Flags().BoolVar(&noWorkers, "no-workers", false, "work no jobs, as WORKERS=0 does: the command worker does, in a process of its own")
	return c
}

// serve is the wiring of a server, top to bottom, in the order in which things start; it stops in reverse. What a worker has
// as well is in assemble.
func serve(ctx context.Context, cfg *config.Config, demo bool, p *program) error {
	started := time.Now()
	log, closeLog, err := newLogger(cfg, p.out)
	if err != nil {
		return err
	}
	defer closeLog()
	if err := fillSecrets(cfg, log); err != nil {
		return err
	}
	proxies, err := server.ParseTrustProxy(cfg.TrustProxy)
	if err != nil {
		return fmt.Errorf("TRUST_PROXY: %w", err)
	}
	listener, err := listen(cfg)
	if err != nil {
		return err
	}
	defer listener.Close() // Serve has closed it already
	metrics, err := listenMetrics(cfg)
	if err != nil {
		return err
	}
	watching, err := newWatching(cfg, log)
	if err != nil {
		return err
	}
	defer watching.stop(cfg, log)

	postgres, err := startDatabase(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer postgres.stop()
	h, err := assemble(ctx, cfg, postgres, log, watching, startConnectors)
	if err != nil {
		return err
	}
	defer h.close()
	makeRoom()

	users := h.users
	sc := server.Config{Version: version, Log: log, Origins: cfg.AllowedOrigins(), AllowOrigin: users.AllowsOrigin, TrustProxy: proxies,
		Ping: h.db.Ping, HealthTimeout: time.Duration(cfg.HealthTimeout), Linger: time.Duration(cfg.ShutdownDelay), Started: started, Redis: h.limits.Redis(), Clerk: users.ClerkState,
		Front: console.Path}
	if demo {
		sc.Front = console.Path + "a/" + demoApp + "/"
	}
	watching.requests(&sc)
	srv := server.New(sc)
	srv.Use(h.limits.Layer(auth.PageErrors(srv.WriteError)))
	repeats, err := idempotency.New(idempotency.Config{DB: h.db, Log: log, Secret: []byte(cfg.JWTSecret), PreviousSecret: []byte(cfg.PreviousSecret)})
	if err != nil {
		return err
	}
	users.Then(repeats.Once(srv.API()))
	users.Mount(srv.API())
	users.MountAdmin(srv.API())
	doctor.New(doctorConfig(cfg, postgres, h.db, users.IssuerStates)).Mount(srv.API(), users.Operators(srv.API()))
	users.MountPages(srv)
	h.keeper.Mount(srv.API(), users.Operators(srv.API()))
	pages, err := console.New()
	if err != nil {
		return err
	}
	if cfg.Sandbox {
		pages.Samples = samples(cfg, users, log)
	}
	pages.Mount(srv)
	guard := users.Recognised(srv.API())
	if !cfg.Vault() {
		guard = server.Refuse(srv.API(), "The credential vault is not configured on this server (ENCRYPTION_KEY_SALT or VAULT_KEYRING)")
	}
	h.credentials.Mount(srv.API(), guard)
	h.notices.Mount(srv.API(), guard)
	h.pipeline.Mount(srv.API(), guard)

	if cfg.Workers == 0 {
		log.Info("Worker not started: this server works no jobs, `turkey worker` does")
		if cfg.Vault() {
			h.pipeline.Dispatch(context.WithoutCancel(ctx))
			defer h.pipeline.Stop()
		}
	} else {
		stop, err := h.work(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	hidden := h.expose(metrics, srv)
	defer hidden()
	h.limits.Start()
	defer within(cfg, log, "the last counts of the rate limits were not stored", h.limits.Stop)
	followed := follow(ctx, users, postgres, cfg)
	defer followed()
	if demo {
		if err := users.EnsureUser(ctx, demoApp, demoEmail, demoPassword); err != nil {
			return fmt.Errorf("demo user: %w", err)
		}
	}
	announce(log, cfg, demo)
	go collectLate()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if postgres.private != nil {
		go func() {
			select {
			case <-postgres.private.Done():
				cancel(errors.New("the private PostgreSQL ended; its log is in " + filepath.Join(postgres.private.DataDir, "postgres.log")))
			case <-ctx.Done():
			}
		}()
	}
	err = srv.Serve(ctx, listener, time.Duration(cfg.Shutdown))
	log.Info("Server stopped taking requests")
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// makeRoom gives cheap requests threads beside those that hash passwords, of which there are as many as processors. Go lets a
// goroutine compute for 10 ms before another one gets its processor; the kernel lets in a thread that slept at once.
func makeRoom() { runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0)) }

// collectLate lets the heap grow to three times of what lives in it, which is little: collecting it at twice costs every twentieth
// of the work under load. What the start left behind is given back before. GOGC has the last word.
func collectLate() {
	debug.FreeOSMemory()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}

// house is what a server and a worker are both made of: whoever may cause a job knows the job, whoever works it.
type house struct {
	cfg    *config.Config
	log    *slog.Logger
	db     *db.DB
	jobs   *queue.Queue
	limits *limit.Limits
	users  *auth.Service
	// watching is who looks on: metrics, traces.
	watching watching
	keeper   *audit.Keeper
	// operator hears what is wrong with the server: give its Tell and Over to whoever notices.
	operator *notify.Operator
	// Without keys of the vault these can refuse requests, and nothing else.
	credentials *vault.Service
	notices     *notify.Service
	pipeline    *kpi.Service
	backups     *backup.Schedule // nil: BACKUP_CRON is not set

	leave []func() // what close does, the last first
}

// providers says where the providers are, and how what was started for that ends.
type providers func(_ *config.Config, _ *slog.Logger, hooks connector.Config) (*connector.Set, func(), error)

// assemble is the wiring of the halves, in the order in which they need each other. Nothing works before work.
func assemble(ctx context.Context, cfg *config.Config, postgres *database, log *slog.Logger, w watching, where providers) (_ *house, err error) {
	h := &house{cfg: cfg, log: log, watching: w, credentials: &vault.Service{}, notices: &notify.Service{}, pipeline: &kpi.Service{}}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	postgres.tracer = w.traces.Statements()
	if h.db, err = postgres.open(ctx, cfg, log); err != nil {
		return nil, err
	}
	h.leave = append(h.leave, h.db.Close)
	log.Info("Database connection established")
	log.Info("Database schema initialized")
	h.jobs = queue.New(h.db, log, max(cfg.Workers, 1)) // where there are none it is never started
	w.jobs(h.jobs)
	// The limits know the callers, who count guesses with them.
	h.limits, err = newLimits(ctx, cfg, h.db, log, w.metrics.Refused, func() *auth.Service { return h.users })
	if err != nil {
		return nil, err
	}
	budgets, err := newBudgets(cfg, h.limits)
	if err != nil {
		return nil, err
	}
	connectors, stop, err := where(cfg, log, connector.Config{Watch: w.calls(), Gate: budgets.Take})
	if err != nil {
		return nil, err
	}
	h.leave = append(h.leave, stop)
	sender, err := newSender(cfg, h.db, log)
	if err != nil {
		return nil, err
	}
	sender = w.mails(sender)
	if h.users, err = newAuth(ctx, cfg, h.db, log, h.jobs, h.limits, sender, w.metrics.Hashed); err != nil {
		return nil, err
	}
	if h.keeper, err = newKeeper(ctx, cfg, h.db, h.users, log); err != nil {
		return nil, err
	}
	h.keeper.Work(h.jobs)
	h.operator = newOperator(cfg, h.db, log, h.jobs, sender)
	h.keeper.Watch(h.jobs, h.operator)
	h.keeper.Retain(h.jobs, audit.Retention{Dir: cfg.AuditArchiveDir, Days: cfg.AuditRetentionDays, Operator: h.operator,
		Owner: func(ctx context.Context) (*pgx.Conn, error) { return ownerOf(ctx, postgres) }})
	doctor.New(doctorConfig(cfg, postgres, h.db, h.users.IssuerStates)).Watch(h.jobs, h.operator)
	if cfg.Vault() {
		if err := h.assembleVault(ctx, connectors); err != nil {
			return nil, err
		}
	}
	if h.backups, err = newSchedule(cfg, postgres, h.db, h.jobs, h.operator, log); err != nil {
		return nil, err
	}
	if err := h.jobs.Open(); err != nil {
		return nil, err
	}
	log.Info("Queue initialized")
	return h, nil
}

// assembleVault adds what needs the keys of the vault.
func (h *house) assembleVault(ctx context.Context, connectors *connector.Set) error {
	cfg := h.cfg
	ring, err := openKeyring(cfg)
	if err != nil {
		return err
	}
	if _, err := kpi.ParseCron(cfg.Cron); err != nil {
		return fmt.Errorf("CRON_SCHEDULE: %w", err)
	}
	h.notices = notify.New(notify.Config{DB: h.db, Log: h.log, Now: time.Now, Queue: h.jobs, Mail: h.users, Production: cfg.Production(),
		AllowPrivate: cfg.WebhooksAnywhere(), Attempted: h.watching.metrics.Delivery})
	h.credentials, err = vault.New(ctx, vault.Config{DB: h.db, Log: h.log, Keyring: ring, Connectors: connectors, Queue: h.jobs, Notifier: h.notices})
	if err != nil {
		return err
	}
	h.notices.SealWith(h.credentials)
	h.pipeline = kpi.New(kpi.Config{DB: h.db, Log: h.log, Now: time.Now, Credentials: h.credentials, Connectors: connectors,
		Zone: cfg.Zone, MaxAttempts: cfg.MaxAttempts, Queue: h.jobs, Windows: cfg.Windows(), Notifier: h.notices, Silence: time.Duration(cfg.RunSilence), AtOnce: cfg.RunWorkers,
		Schedules: kpi.Schedules{On: cfg.Scheduler, Cron: cfg.Cron}, OperatorApp: cfg.JWTAudience, Watches: h.watching.runs()})
	h.users.AddExporter("notifications", h.notices.Export)
	h.users.AddExporter("credentials", h.credentials.Export)
	h.users.AddExporter("pipeline", h.pipeline.Export)
	return nil
}

func (h *house) close() {
	for _, leave := range slices.Backward(h.leave) {
		leave()
	}
}

// work begins to work jobs: runs with their schedules, mails, webhooks, checks, cleanup. stop takes no further ones, lets those
// in flight end within SHUTDOWN_TIMEOUT, and gives the others back.
func (h *house) work(ctx context.Context) (stop func(), err error) {
	ctx = context.WithoutCancel(ctx)
	if err := h.jobs.Start(ctx); err != nil {
		return nil, err
	}
	h.log.Info("Worker started", "workers", h.cfg.Workers)
	if h.cfg.Vault() {
		h.pipeline.Start(ctx)
	}
	if h.backups != nil {
		h.backups.Start(ctx)
	}
	return func() {
		if h.backups != nil {
			h.backups.Stop()
		}
		if h.cfg.Vault() {
			h.pipeline.Stop()
		}
		within(h.cfg, h.log, "jobs in flight were interrupted; they go on at the next start", h.jobs.Stop)
	}, nil
}

// within stops a part of the server in at most SHUTDOWN_TIMEOUT and says what was lost if that was not enough.
func within(cfg *config.Config, log *slog.Logger, lost string, stop func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(cfg.Shutdown))
	defer cancel()
	if err := stop(ctx); err != nil {
		log.Warn(lost, "error", err)
	}
}

// follow keeps the auth half current by PostgreSQL's notifications until the returned function is called.
func follow(ctx context.Context, users *auth.Service, postgres *database, cfg *config.Config) (stop func()) {
	direct := string(cfg.DirectURL)
	if direct == "" {
		direct = postgres.url
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() { users.Follow(ctx, direct) })
	return func() { cancel(); done.Wait() }
}

// listen takes the port first: a port that is taken is the quickest thing to know.
func listen(cfg *config.Config) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d is taken by another program: stop it, or set PORT to a free one", cfg.Port)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("port %d needs more rights than this account has: set PORT to one above 1023", cfg.Port)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on port %d: %w", cfg.Port, err)
	}
	return l, nil
}

// announce says where everything is, as the credential guide shows it.
func announce(log *slog.Logger, cfg *config.Config, demo bool) {
	base := fmt.Sprintf("http://localhost:%d", cfg.Port)
	log.Info("Server running at " + base)
	log.Info("Open " + base + " in browser; the API is described at " + base + "/docs")
	log.Info("API endpoints:\n" + strings.Join([]string{
		"   Auth:        POST /v1/auth/register  POST /v1/auth/login  POST /v1/auth/refresh",
		"   Users:       GET  /v1/users/me",
		"   Credentials: POST /api/credentials/save",
		"   Credentials: GET  /api/credentials/list",
		"   Services:    GET  /api/services",
		"   Mappings:    POST /api/sheet-mappings/set",
		"   Sync:        POST /api/v1/sync/ga4",
		"   Health:      GET  /health",
	}, "\n"))
	if demo {
		log.Info(fmt.Sprintf("Log in with app %s, e-mail %s, password %s; `make demo` plays the main job", demoApp, demoEmail, demoPassword) +
			"; its console is at " + base + console.Path + "a/" + demoApp + "/")
	}
}
