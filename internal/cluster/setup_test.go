package cluster_test

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"turkey/internal/db/pgdev"
)

// patience bounds a wait for something that takes well under a second unless the machine is busy.
const patience = 60 * time.Second

var play = flag.Bool("cluster", false, "build the program and run these tests; without it none of them runs")

// program is the path of the program under test.
var program string

// TestMain builds the program once.
func TestMain(m *testing.M) {
	flag.Parse()
	if !*play {
		fmt.Println("run by make test-cluster")
		os.Exit(0)
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "turkeycluster")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "turkey")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "../..").CombinedOutput(); err != nil {
		fmt.Printf("go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is a child that ends with the test.
type process struct {
	t      testing.TB
	name   string
	cmd    *exec.Cmd
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

// tail is what a failed test shows of a log.
func (l *lines) tail() string {
	all := strings.Split(l.String(), "\n")
	return strings.Join(all[max(0, len(all)-40):], "\n")
}

// start runs a program with nothing but env, and PATH and HOME.
func start(t testing.TB, as *syscall.Credential, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: filepath.Base(name), cmd: exec.Command(name, args...), log: &lines{}, exited: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/", "LC_ALL=C", "TMPDIR=" + os.TempDir()}, env...)
	p.cmd.WaitDelay = time.Second // children of its own may hold the log open
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = "/", p.log, p.log, attr(as)
	begun := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel ends the child with this thread
		err := p.cmd.Start()
		begun <- err
		if err == nil {
			_ = p.cmd.Wait() // whoever stops it looks at the exit code
			close(p.exited)
		}
	}()
	must(t, <-begun)
	t.Cleanup(func() {
		p.stop(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("end of the log of %s %v:\n%s", p.name, args, p.log.tail())
		}
	})
	return p
}

// stop signals the process and returns its exit code, -1 if it was killed.
func (p *process) stop(sig syscall.Signal) int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(sig) // gone already is as good
	if sig == syscall.SIGKILL {
		defer func() { _ = syscall.Kill(-p.cmd.Process.Pid, sig) }() // children of its own
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Errorf("%s did not end after %s:\n%s", p.name, sig, p.log.tail())
		_ = p.cmd.Process.Kill() // gone already is as good
		<-p.exited
	}
	return p.cmd.ProcessState.ExitCode()
}

// alive fails the test when the process ended by itself.
func (p *process) alive() {
	p.t.Helper()
	select {
	case <-p.exited:
		p.t.Fatalf("%s ended with %d:\n%s", p.name, p.cmd.ProcessState.ExitCode(), p.log.tail())
	default:
	}
}

// rss is the resident set of the process in MiB; the larger one of now and its peak, if peak is asked for.
func (p *process) rss(peak bool) int {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	must(p.t, err)
	name := map[bool]string{false: "VmRSS:", true: "VmHWM:"}[peak]
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, name); found {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			must(p.t, err)
			return kib >> 10
		}
	}
	p.t.Fatalf("no %s in /proc", name)
	return 0
}

// unprivileged is the account of programs that refuse to run as root; nil: our own.
var unprivileged = sync.OnceValues(func() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
})

// account gives a directory to the unprivileged account.
func account(t testing.TB) (*syscall.Credential, string) {
	t.Helper()
	as, err := unprivileged()
	must(t, err)
	dir, err := os.MkdirTemp("", "turkeycluster")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if as != nil {
		must(t, os.Chown(dir, int(as.Uid), int(as.Gid)))
	}
	return as, dir
}

// needs finds a program that scripts/setup.sh installs, or one of PostgreSQL.
func needs(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range append(pgdev.ProgramDirs(), "/usr/sbin", "/usr/local/sbin") {
		if path := filepath.Join(dir, name); func() bool { _, err := os.Stat(path); return err == nil }() {
			return path
		}
	}
	t.Fatalf("%s is not installed: run `sh scripts/setup.sh cluster`", name)
	return ""
}

// freePort finds a port that nobody listens on at this moment.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	return port
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
