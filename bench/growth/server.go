package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// serve starts the server on a database and waits until it answers. It works no jobs: those are measured by themselves.
func (g *growth) serve(ctx context.Context, s *size) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.base = "http://" + l.Addr().String()
	port := s.base[strings.LastIndexByte(s.base, ':')+1:]
	if err := l.Close(); err != nil { // the server takes it over
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
	s.server.Env = append(os.Environ(), "DATABASE_URL="+s.dsn, "DATABASE_ADMIN_URL=", "NODE_ENV=", "HOST=127.0.0.1", "PORT="+port, "LOG_LEVEL=warn", "WORKERS=0", "TURKEY_SANDBOX=false", "TURKEY_SANDBOX_PORT=0",
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

var httpClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 2 * time.Minute}

// call sends one request and decodes the answer into out (nil: it is thrown away).
func (s *size) call(method, path string, in, out any, headers ...string) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, s.base+path, body) //nolint:noctx // bounded by the client's timeout
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for h := range slices.Chunk(headers, 2) { // name, value
		req.Header.Set(h[0], h[1])
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %.300s", method, path, resp.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
