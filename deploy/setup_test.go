package deploy_test

import (
	"bytes"
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

// patience bounds a wait for something that takes well under a second unless the machine is busy.
const patience = 60 * time.Second

// TestMain lets this test binary be the program.
func TestMain(m *testing.M) {
	if os.Getenv("TURKEY_TEST_MAIN") == "" {
		os.Exit(m.Run())
	}
	in := io.Reader(os.Stdin)
	if os.Getenv("TURKEY_TEST_LEASH") != "" { // a server must not outlive the tests, however they end
		in = strings.NewReader("")
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(99)
		}()
	}
	os.Exit(cli.Main(os.Args, in, os.Stdout, os.Stderr))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lines is a buffer that a process writes and a test reads.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// process is one that ends with the test.
type process struct {
	*exec.Cmd
	log    *lines
	exited chan struct{}
}

func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd, &lines{}, make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	leash, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	go func() {
		_ = cmd.Wait() // who needs the exit code asks for it
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // gone already is as good
		select {
		case <-p.exited:
		case <-time.After(patience):
			t.Errorf("%s does not end", cmd.Path)
			_ = cmd.Process.Kill()
		}
		_ = leash.Close()
		if t.Failed() {
			t.Logf("log of %s:\n%s", filepath.Base(cmd.Path), p.log)
		}
	})
	return p
}

// turkey starts the program with this environment and no other, in an empty directory.
func turkey(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"TURKEY_TEST_MAIN=1", "TURKEY_TEST_LEASH=1", "PATH=" + os.Getenv("PATH")}, env...)
	return start(t, cmd)
}

// await asks an address until it answers with 200, and returns that answer.
func (p *process) await(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		resp, err := c.Get(url)
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close() // only what was read counts
			if resp.StatusCode == http.StatusOK {
				return string(body)
			}
		}
		select {
		case <-p.exited:
			t.Fatalf("%s ended:\n%s", p.Path, p.log)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not answer (%v):\n%s", url, err, p.log)
		}
	}
}

// freePort finds a port that nobody listens on at this moment.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// needs is a program that the tests use; `make setup` installs it.
func needs(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: make setup", name)
	}
	return path
}
