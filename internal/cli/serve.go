package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/auth"
	"turkey/internal/config"
	"turkey/internal/connector"
	"turkey/internal/doctor"
	"turkey/internal/idempotency"
	"turkey/internal/kpi"
	"turkey/internal/notify"
	"turkey/internal/queue"
	"turkey/internal/sandbox"
	"turkey/internal/server"
	"turkey/internal/vault"
)

func (p *program) serveCommand() *cobra.Command {
	var demo bool
	c := &cobra.Command{Use: "serve", Short: "Run the server", Args: noArgs,
		Long: "Runs the server until it is told to stop (Ctrl-C, SIGTERM). Without a configured database it runs a private PostgreSQL\n" +
			"as its child, with all data under .turkey/.",
		Example: "  turkey serve\n  DATABASE_URL=postgresql://turkey_app@db/turkey?sslmode=require turkey serve",
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
			return serve(cmd.Context(), cfg, demo, p)
		}}
	c.Flags().BoolVar(&demo, "demo", false, "with fake providers, a demo app and a demo user, on this machine only")
	return c
}

// serve is THE wiring, top to bottom: what there is, in the order in which it starts; it stops in reverse.
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

	postgres, err := startDatabase(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer postgres.stop()
	database, err := postgres.open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer database.Close()
	log.Info("Database connection established")
	log.Info("Database schema initialized")

	connectors, stopSandbox, err := startConnectors(cfg, log)
	if err != nil {
		return err
	}
	defer stopSandbox()

	jobs := queue.New(database, log, cfg.Workers)
	var users *auth.Service // the limits know its callers, and it counts guesses with them
	limits, err := newLimits(ctx, cfg, database, log, func() *auth.Service { return users })
	if err != nil {
		return err
	}
	users, err = newAuth(ctx, cfg, database, log, jobs, limits)
	if err != nil {
		return err
	}
	srv := server.New(server.Config{Version: version, Log: log, Origins: cfg.AllowedOrigins(), AllowOrigin: users.AllowsOrigin, TrustProxy: proxies,
		Ping: database.Ping, HealthTimeout: time.Duration(cfg.HealthTimeout), Started: started, Redis: limits.Redis(), Clerk: users.ClerkState})
	srv.Use(limits.Layer(auth.PageErrors(srv.WriteError)))
	repeats, err := idempotency.New(idempotency.Config{DB: database, Log: log, Secret: []byte(cfg.JWTSecret), PreviousSecret: []byte(cfg.PreviousSecret)})
	if err != nil {
		return err
	}
	users.Then(repeats.Once(srv.API()))
	users.Mount(srv.API())
	users.MountAdmin(srv.API())
	doctor.New(doctorConfig(cfg, postgres, database, users.IssuerStates)).Mount(srv.API(), users.Operators(srv.API()))
	users.MountPages(srv)

	if !cfg.Vault() {
		off := server.Refuse(srv.API(), "The credential vault is not configured on this server (ENCRYPTION_KEY_SALT or VAULT_KEYRING)")
		(&vault.Service{}).Mount(srv.API(), off)
		(&kpi.Service{}).Mount(srv.API(), off)
		(&notify.Service{}).Mount(srv.API(), off)
	} else {
		notices := notify.New(notify.Config{DB: database, Log: log, Now: time.Now, Queue: jobs, Mail: users, Production: cfg.Production(),
			AllowPrivate: cfg.WebhooksAnywhere()})
		ring, err := openKeyring(cfg)
		if err != nil {
			return err
		}
		credentials, err := vault.New(ctx, vault.Config{DB: database, Log: log, Keyring: ring, Connectors: connectors, Queue: jobs, Notifier: notices})
		if err != nil {
			return err
		}
		credentials.Mount(srv.API(), users.Recognised(srv.API()))
		notices.SealWith(credentials)
		notices.Mount(srv.API(), users.Recognised(srv.API()))
		users.AddExporter("notifications", notices.Export)
		users.AddExporter("credentials", credentials.Export)
		if _, err := kpi.ParseCron(cfg.Cron); err != nil {
			return fmt.Errorf("CRON_SCHEDULE: %w", err)
		}
		pipeline := kpi.New(kpi.Config{DB: database, Log: log, Now: time.Now, Credentials: credentials, Connectors: connectors,
			Zone: cfg.Zone, MaxAttempts: cfg.MaxAttempts, Queue: jobs, Windows: cfg.Windows(), Notifier: notices,
			Schedules: kpi.Schedules{On: cfg.Scheduler, Cron: cfg.Cron}, OperatorApp: cfg.JWTAudience})
		pipeline.Mount(srv.API(), users.Recognised(srv.API()))
		users.AddExporter("pipeline", pipeline.Export)
		pipeline.Start(context.WithoutCancel(ctx))
		defer pipeline.Stop()
	}
	if err := jobs.Open(); err != nil {
		return err
	}
	log.Info("Queue initialized")
	if err := jobs.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	log.Info("Worker started", "workers", cfg.Workers)
	defer within(cfg, log, "jobs in flight were interrupted; they go on at the next start", jobs.Stop)
	limits.Start()
	defer within(cfg, log, "the last counts of the rate limits were not stored", limits.Stop)
	followed := follow(ctx, users, postgres, cfg)
	defer followed()
	if demo {
		if err := users.EnsureUser(ctx, demoApp, demoEmail, demoPassword); err != nil {
			return fmt.Errorf("demo user: %w", err)
		}
	}
	announce(log, cfg, demo)

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

// startConnectors connects to the real providers, or with the sandbox to fake ones inside this process. They listen on
// their own port, so that everything goes over HTTP as it would to the real ones.
func startConnectors(cfg *config.Config, log *slog.Logger) (*connector.Set, func(), error) {
	bases := connector.Config{}
	if !cfg.Production() {
		bases = connector.Config{GoogleOAuthBase: cfg.GoogleOAuth, GoogleSheetsBase: cfg.GoogleSheets, GoogleDriveBase: cfg.GoogleDrive,
			GADataBase: cfg.GoogleGAData, MetaBase: cfg.MetaBase, ShopifyBase: cfg.ShopifyBase}
		bases.AllowPrivate = cfg.GoogleOAuth+cfg.GoogleSheets+cfg.GoogleDrive+cfg.GoogleGAData+cfg.MetaBase+cfg.ShopifyBase != ""
	}
	bases.MetaVersion, bases.ShopifyVersion, bases.Off = cfg.MetaVersion, cfg.ShopifyVer, cfg.SourcesOff()
	if !cfg.Sandbox {
		return connector.New(bases), func() {}, nil
	}
	dir, err := dataDir(cfg)
	if err != nil {
		return nil, nil, err
	}
	fake, err := sandbox.New(sandbox.Config{File: filepath.Join(dir, "sandbox.json")})
	if err != nil {
		return nil, nil, fmt.Errorf("sandbox: %w", err)
	}
	l, err := net.Listen("tcp", net.JoinHostPort("localhost", strconv.Itoa(cfg.SandboxPort)))
	if err != nil {
		return nil, nil, fmt.Errorf("sandbox: port %d is taken: set TURKEY_SANDBOX_PORT (0: any)", cfg.SandboxPort)
	}
	srv := &http.Server{Handler: fake.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(l) //nolint:errcheck // ends when it is closed
	url := "http://" + l.Addr().String()
	log.Info("Sandbox providers started: they are fake, nothing leaves this machine", "url", url)
	fakes := fake.Bases(url)
	fakes.MetaVersion, fakes.ShopifyVersion, fakes.Off = bases.MetaVersion, bases.ShopifyVersion, bases.Off
	return connector.New(fakes), func() { _ = srv.Close() }, nil
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
		log.Info(fmt.Sprintf("Log in with app %s, e-mail %s, password %s; `make demo` plays the main job", demoApp, demoEmail, demoPassword))
	}
}
