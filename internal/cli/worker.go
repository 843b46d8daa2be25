package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/config"
	"turkey/internal/server"
)

func (p *program) workerCommand() *cobra.Command {
	return &cobra.Command{Use: "worker", Short: "Work the jobs of a server, without the server", Args: noArgs,
		Long: "Works what servers leave to be done: runs and their schedules, mails, webhooks, checks of credentials, cleanup. It uses the\n" +
			"configuration of its servers and listens nowhere, unless WORKER_HEALTH_ADDR names an address for health checks. SIGTERM ends\n" +
			"it: jobs in flight get SHUTDOWN_TIMEOUT, what is left then goes on at another process.",
		Example: "  turkey worker\n  WORKERS=32 WORKER_HEALTH_ADDR=:8081 turkey worker",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig()
			if err != nil {
				return err
			}
			switch {
			case cfg.PrivatePostgres():
				return errors.New("a worker needs the database of its servers: set DATABASE_URL. The private PostgreSQL belongs to `turkey serve`, which " +
					"works its jobs itself")
			case cfg.Workers == 0:
				return errors.New("WORKERS is 0: set it to the number of jobs that this worker works at once")
			}
			return work(cmd.Context(), cfg, p)
		}}
}

// work is the wiring of a worker: a server's, without what faces the public.
func work(ctx context.Context, cfg *config.Config, p *program) error {
	started := time.Now()
	log, closeLog, err := newLogger(cfg, p.out)
	if err != nil {
		return err
	}
	defer closeLog()
	if err := fillSecrets(cfg, log); err != nil {
		return err
	}
	var health net.Listener
	if cfg.WorkerHealth != "" {
		if health, err = net.Listen("tcp", cfg.WorkerHealth); err != nil {
			return fmt.Errorf("WORKER_HEALTH_ADDR: cannot listen there: %w", err)
		}
		defer health.Close() // Serve has closed it already
	}
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
	h, err := assemble(ctx, cfg, postgres, log, watching, joinConnectors)
	if err != nil {
		return err
	}
	defer h.close()
	h.limits.Start()
	defer within(cfg, log, "the last counts of the rate limits were not stored", h.limits.Stop)
	stop, err := h.work(ctx)
	if err != nil {
		return err
	}
	defer stop()
	hidden := h.expose(metrics, nil)
	defer hidden()
	followed := follow(ctx, h.users, postgres, cfg)
	defer followed()
	if health == nil {
		<-ctx.Done()
	} else {
		srv := server.New(server.Config{Version: version, Log: log, Ping: h.db.Ping, HealthTimeout: time.Duration(cfg.HealthTimeout), Started: started})
		log.Info("Health at http://" + health.Addr().String() + "/health")
		err = srv.Serve(ctx, health, time.Duration(cfg.Shutdown))
	}
	log.Info("Worker takes no more jobs")
	return err
}
