package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"turkey/internal/config"
)

// healthcheckPatience is longer than the server's own bound on the round trip to the database.
const healthcheckPatience = 6 * time.Second

func (p *program) healthcheckCommand() *cobra.Command {
	var url string
	var worker bool
	c := &cobra.Command{Use: "healthcheck", Short: "Ask the server on this machine whether it is ready", Args: noArgs,
		Long: "Asks /readyz of the server that runs here with the same settings (HOST, PORT; with --worker WORKER_HEALTH_ADDR), for images that\n" +
			"hold nothing but this program. Exit code 1 unless it is ready.",
		Example: "  turkey healthcheck\n  turkey healthcheck --worker\n  turkey healthcheck --url https://auth.example.com/readyz",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if url == "" {
				cfg, err := loadConfig()
				if err != nil {
					return err
				}
				if url, err = readyURL(cfg, worker); err != nil {
					return err
				}
			}
			if err := isReady(cmd.Context(), url); err != nil {
				return err
			}
			return p.print(map[string]any{"status": "ok", "url": url}, "ok")
		}}
	c.Flags().StringVar(&url, "url", "", "ask this address instead")
	c.Flags().BoolVar(&worker, "worker", false, "ask the worker at WORKER_HEALTH_ADDR")
	return c
}

// readyURL is where the process with these settings listens, as seen from its own machine.
func readyURL(cfg *config.Config, worker bool) (string, error) {
	host, port := cfg.Host, strconv.Itoa(cfg.Port)
	if worker {
		var err error
		if host, port, err = net.SplitHostPort(cfg.WorkerHealth); err != nil {
			return "", errors.New("WORKER_HEALTH_ADDR: expected an address such as :8081, where the worker answers health checks")
		}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}

func isReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usageError{errors.New("--url: expected an address such as http://localhost:3000/readyz")}
	}
	// Without the proxy of HTTP_PROXY: it is this machine that is asked.
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return fmt.Errorf("nothing answers: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)); err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
