package chaos_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"turkey/internal/cli"
)

// patience bounds a wait for something that takes well under a second unless the machine is busy.
const patience = 60 * time.Second

// binary is the program under test; without it this test binary stands in, which is the same code.
var binary = flag.String("binary", "", "path of bin/turkey")

// TestMain lets this test binary be the program.
func TestMain(m *testing.M) {
	if os.Getenv("TURKEY_TEST_MAIN") == "" {
		os.Exit(m.Run())
	}
	if file := os.Getenv("CLOCK_SHIFT"); file != "" {
		if err := shiftOwnClock(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(98)
		}
	}
	go func() { // a server must not outlive the tests, however they end
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(99)
	}()
	os.Exit(cli.Main(os.Args, strings.NewReader(""), os.Stdout, os.Stderr))
}

// process is a server or a worker.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	leash  io.Closer
	log    *lines
	exited chan struct{}
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

// start runs a command of the program in an environment of its own, NAME=value.
func start(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	program, err := os.Executable()
	if *binary != "" {
		program, err = filepath.Abs(*binary)
	}
	must(t, err)
	p := &process{t: t, cmd: exec.Command(program, args...), log: &lines{}, exited: make(chan struct{})}
	p.cmd.Dir = t.TempDir() // no .env of this repository
	p.cmd.Env = append([]string{"TURKEY_TEST_MAIN=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "HOST=localhost", "GOCOVERDIR=" + os.Getenv("GOCOVERDIR")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.leash, err = p.cmd.StdinPipe()
	must(t, err)
	must(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // stop looks at the exit code
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.stop(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("log of %v:\n%s", args, p.log)
		}
	})
	return p
}

// healthy waits for a server, or a worker with a health address, at base.
func (p *process) healthy(base string) {
	p.t.Helper()
	eventually(p.t, "the process is healthy", func() bool {
		select {
		case <-p.exited:
			p.t.Fatalf("it ended with %d:\n%s", p.cmd.ProcessState.ExitCode(), p.log)
		default:
		}
		resp, err := http.Get(base + "/health")
		if err != nil {
			return false
		}
		_ = resp.Body.Close() // only the status counts
		return resp.StatusCode == http.StatusOK
	})
}

// stop signals the process and returns its exit code, -1 if it was killed.
func (p *process) stop(sig syscall.Signal) int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(sig) // gone already is as good
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Errorf("the process did not end after %s:\n%s", sig, p.log)
		_ = p.cmd.Process.Kill() // gone already is as good
		<-p.exited
	}
	_ = p.leash.Close()
	return p.cmd.ProcessState.ExitCode()
}

// freeAddress finds one that nobody listens on at this moment.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %s: %s", patience, what)
		}
	}
}
