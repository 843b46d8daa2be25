package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// server is a running program.
type server struct {
	cmd      *exec.Cmd
	base     string
	database string // in the common PostgreSQL; "": it uses none
	acts     map[string]worker
	exited   chan struct{}
}

// worker makes what one of the clients does again and again, for a user of its own.
type worker func() (func() error, error)

// patience is for a start on a busy machine, migrations included.
const patience = 2 * time.Minute

// start runs a program and waits until it answers a path, with whatever.
func (f *field) start(ctx context.Context, base, path string, env []string, program string, args ...string) (*server, error) {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // whoever runs this chose it
	cmd.Dir, cmd.Env = f.dir, append(os.Environ(), env...)
	out, err := os.CreateTemp(f.dir, "log-")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, base: base, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // what it said is in its log
		close(s.exited)
	}()
	for began := time.Now(); time.Since(began) < patience && !s.gone(); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(base + path) //nolint:noctx // loopback
		if err == nil {
			_ = resp.Body.Close() // that it came is all
			return s, nil
		}
	}
	s.stop()
	text, _ := os.ReadFile(out.Name())
	return nil, fmt.Errorf("%s did not start:\n%s", program, text)
}

// once runs a program to its end.
func (f *field) once(ctx context.Context, env []string, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // whoever runs this chose it
	cmd.Dir, cmd.Env = f.dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, out)
	}
	return nil
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT) // gone already is as good
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.exited
}

func (s *server) gone() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// halted keeps a server from doing anything while another is measured, so that what it does by itself is not counted there.
func (s *server) halted(what func() error) error {
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	err := what()
	_ = s.cmd.Process.Signal(syscall.SIGCONT) // what it is asked next says if it is gone
	return err
}

func address(base string) string { return strings.TrimPrefix(base, "http://") }

// file writes what a program reads, and returns where.
func (f *field) file(name, text string) (string, error) {
	path := filepath.Join(f.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
