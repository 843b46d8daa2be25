// Package clitest lets the tests of another package start the program, from their own binary, as its users do.
package clitest

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
	"syscall"
	"testing"
	"time"

	"turkey/internal/cli"
)

// Main is the TestMain of such a package: started again by Start, its binary is the program, or the one that programs names.
func Main(m *testing.M, programs map[string]func()) {
	name := os.Getenv("TURKEY_TEST_MAIN")
	if name == "" {
		code := m.Run()
		for _, stop := range stops {
			stop()
		}
		os.Exit(code)
	}
	go func() { // it must not outlive the tests, however they end
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(99)
	}()
	if run := programs[name]; run != nil {
		run()
		os.Exit(0)
	}
	os.Exit(cli.Main(os.Args, strings.NewReader(""), os.Stdout, os.Stderr))
}

// stops are called when all tests have ended.
var stops []func()

// Server starts a real server on a private PostgreSQL, with the sandbox of providers, until all tests have ended. It gives its
// URL, which is its issuer.
func Server(serviceKey string) (string, error) {
	dir, err := os.MkdirTemp("", "turkey-clitest-")
	if err != nil {
		return "", err
	}
	stops = append(stops, func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL runs as another user than root
		return "", err
	}
	port, err := Port()
	if err != nil {
		return "", err
	}
	cmd, err := command("turkey", "serve", "--demo")
	if err != nil {
		return "", err
	}
	cmd.Dir = dir
	cmd.Env = append(cmd.Env, "HOST=localhost", "PORT="+port, "TURKEY_SANDBOX_PORT=0", "TURKEY_SERVICE_API_KEY="+serviceKey,
		"TURKEY_DATA_DIR="+filepath.Join(dir, "data"), "TURKEY_POSTGRES_BIN="+os.Getenv("TURKEY_POSTGRES_BIN"))
	url := "http://localhost:" + port
	stop, err := start(cmd, url+"/health", http.StatusOK)
	if stop != nil {
		stops = append([]func(){stop}, stops...) // before its directory goes
	}
	return url, err
}

// Program starts one of Main's programs and waits until url answers, with whatever status. It ends with the test.
func Program(t testing.TB, name, url string, env ...string) {
	t.Helper()
	cmd, err := command(name)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Env, env...)
	stop, err := start(cmd, url, 0)
	if stop != nil {
		t.Cleanup(stop)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Port is one that nobody listens on at this moment.
func Port() (string, error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", err
	}
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), l.Close()
}

func command(name string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...) //nolint:gosec // this binary
	cmd.Env = []string{"TURKEY_TEST_MAIN=" + name, "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	return cmd, nil
}

// start starts a process and waits until url answers with status (0: any). stop ends it; nil: there is none.
func start(cmd *exec.Cmd, url string, status int) (stop func(), err error) {
	if _, err := cmd.StdinPipe(); err != nil { // closed when the tests end, however they do
		return nil, err
	}
	log := &strings.Builder{}
	cmd.Stderr = log // read only after its end
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its exit code tells nothing of the tests
		close(ended)
	}()
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-ended
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return stop, err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close() // only the status counts
			if status == 0 || resp.StatusCode == status {
				return stop, nil
			}
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("%s ended:\n%s", cmd.Env[0], log)
		case <-ctx.Done():
			return stop, errors.New("nobody answers at " + url)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
