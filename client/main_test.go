package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"turkey/internal/cli"
)

// TestMain lets this test binary be the program too: with TURKEY_TEST_MAIN it serves instead of testing.
func TestMain(m *testing.M) {
	if os.Getenv("TURKEY_TEST_MAIN") != "" {
		go func() { // the server must not outlive the tests, however they end
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(99)
		}()
		os.Exit(cli.Main(os.Args, strings.NewReader(""), os.Stdout, os.Stderr))
	}
	code := m.Run()
	stopServer()
	os.Exit(code)
}

const serviceKey = "service-key-of-the-go-tests-0123"

var running struct {
	sync.Mutex
	cmd *exec.Cmd
	dir string
}

// serverURL is a real server on a private PostgreSQL, with the sandbox of providers; it is started once for all tests.
var serverURL = sync.OnceValue(func() string {
	url, err := startServer()
	if err != nil {
		panic(err)
	}
	return url
})

func startServer() (string, error) {
	running.Lock()
	defer running.Unlock()
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if running.dir, err = os.MkdirTemp("", "turkey-client-"); err != nil {
		return "", err
	}
	if err := os.Chmod(running.dir, 0o711); err != nil { // PostgreSQL runs as another user than root
		return "", err
	}
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", err
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		return "", err
	}
	cmd := exec.Command(self, "serve", "--demo")
	cmd.Dir = running.dir
	cmd.Env = []string{"TURKEY_TEST_MAIN=1", "HOST=localhost", "PORT=" + port, "TURKEY_SANDBOX_PORT=0", "TURKEY_SERVICE_API_KEY=" + serviceKey,
		"TURKEY_DATA_DIR=" + filepath.Join(running.dir, "data"), "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TURKEY_POSTGRES_BIN=" + os.Getenv("TURKEY_POSTGRES_BIN")}
	if _, err := cmd.StdinPipe(); err != nil {
		return "", err
	}
	log := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = io.Discard, log
	if err := cmd.Start(); err != nil {
		return "", err
	}
	running.cmd = cmd
	url := "http://localhost:" + port
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", nil)
		if err != nil {
			return "", err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close() // only the status counts
			if resp.StatusCode == http.StatusOK {
				return url, nil
			}
		}
		select {
		case <-ctx.Done():
			return "", errors.New("the server did not start")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func stopServer() {
	running.Lock()
	defer running.Unlock()
	if running.cmd != nil {
		_ = running.cmd.Process.Signal(syscall.SIGTERM)
		_ = running.cmd.Wait() // its exit code tells nothing of the tests
	}
	if running.dir != "" {
		if err := os.RemoveAll(running.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
