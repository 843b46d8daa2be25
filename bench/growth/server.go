package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"turkey/bench/internal/ask"
)

// serve starts the server on a database and waits until it answers. It works no jobs: those are measured by themselves.
func (g *growth) serve(ctx context.Context, s *size) error {
	var err error
	if s.base, err = ask.FreeBase(); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(g.dir, s.name+".log"))
	if err != nil {
		return err
	}
	defer out.Close()
	//nolint:gosec // our own program
	s.server = exec.CommandContext(ctx, g.turkey, "serve")
	s.server.Stdout, s.server.Stderr, s.server.Dir = out, out, g.dir
	s.server.Env = append(os.Environ(), "DATABASE_URL="+s.dsn, "DATABASE_ADMIN_URL=", "NODE_ENV=", "HOST=127.0.0.1", "PORT="+ask.Port(s.base), "LOG_LEVEL=warn", "WORKERS=0", "TURKEY_SANDBOX=false", "TURKEY_SANDBOX_PORT=0",
		"TURKEY_DATA_DIR="+filepath.Join(g.dir, "data-"+s.name), "JWT_ACCESS_EXPIRES_IN=12h", "RATE_LIMIT_MAX_REQUESTS=1000000000", "REFRESH_RATE_LIMIT_MAX_ATTEMPTS=1000000000",
		"ADMIN_RATE_LIMIT_MAX_ATTEMPTS=1000000000")
	if err := s.server.Start(); err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if s.call(http.MethodGet, "/readyz", nil, nil) == nil {
			return nil
		}
	}
	s.stop()
	text, _ := os.ReadFile(out.Name())
	return fmt.Errorf("the server did not start:\n%s", text)
}

func (s *size) stop() {
	_ = s.server.Process.Signal(syscall.SIGTERM) // gone already is as good
	_ = s.server.Wait()
}

var httpClient = ask.Client(16, 2*time.Minute)

// call sends one request and decodes the answer into out (nil: it is thrown away).
func (s *size) call(method, path string, in, out any, headers ...string) error {
	header := http.Header{}
	for h := range slices.Chunk(headers, 2) { // name, value
		header.Set(h[0], h[1])
	}
	_, err := ask.JSON(httpClient, method, s.base+path, header, in, out)
	return err
}
