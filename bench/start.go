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
	"turkey/bench/internal/proc"
)

// server is a running program under measurement.
type server struct {
	cmd  *exec.Cmd
	base string
	took time.Duration // from exec to the first healthy answer
}

// start runs a program and waits for a 200 on path.
func start(ctx context.Context, program string, args []string, env []string, base, path string) (*server, error) {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // our own programs
	cmd.Env = append(os.Environ(), env...)
	log, err := os.CreateTemp("", "turkey-bench-log-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(log.Name())
	cmd.Stdout, cmd.Stderr = log, log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for time.Since(began) < 20*time.Second {
		resp, err := http.Get(base + path) //nolint:noctx // loopback
		if err == nil {
			_ = resp.Body.Close() // only the status counts
			if resp.StatusCode == http.StatusOK {
				return &server{cmd: cmd, base: base, took: time.Since(began)}, nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	_ = cmd.Process.Kill() // it is lost anyway
	out, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("%s did not start:\n%s", program, out)
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // gone already is as good
	_ = s.cmd.Wait()
}

// Where the programs listen, one of each at a time.
var turkeyBase, floorBase, providersBase string

func turkeyEnv(more ...string) []string {
	return append([]string{"DATABASE_URL=", "DATABASE_ADMIN_URL=", "DB_HOST=", "DB_PORT=", "DB_NAME=", "DB_USER=", "DB_PASSWORD=", "NODE_ENV=", "PORT=" + ask.Port(turkeyBase), "LOG_LEVEL=warn", "TURKEY_SANDBOX_PORT=0"}, more...)
}

// startUp measures starts with the private PostgreSQL, and what the server weighs when idle.
func (b *bench) startUp(ctx context.Context) error {
	data := filepath.Join(b.dir, "data")
	var cold time.Duration
	var warm []time.Duration
	var idle []int
	for i := range 6 {
		s, err := start(ctx, b.turkey, []string{"serve"}, turkeyEnv("TURKEY_DATA_DIR="+data), turkeyBase, "/health")
		if err != nil {
			return err
		}
		if i == 0 {
			cold = s.took
		} else {
			warm = append(warm, s.took)
			time.Sleep(time.Second)
			idle = append(idle, proc.RSS(s.cmd.Process.Pid))
		}
		s.stop()
	}
	slices.Sort(warm)
	slices.Sort(idle)
	info, err := os.Stat(b.turkey)
	if err != nil {
		return err
	}
	b.title("Start-up and size")
	b.table("what", "median", "spread", "target")
	b.printf("| cold start with a private PostgreSQL (initdb, migrations) | %d ms | one run | ≤ 3000 ms |", cold.Milliseconds())
	b.printf("| warm start with a private PostgreSQL | %d ms | %d to %d | ≤ 500 ms |", warm[len(warm)/2].Milliseconds(), warm[0].Milliseconds(), warm[len(warm)-1].Milliseconds())
	b.printf("| idle RSS of the server, 1 s after the start | %.1f MiB | %.1f to %.1f | ≤ 40 MiB |", mib(idle[len(idle)/2]), mib(idle[0]), mib(idle[len(idle)-1]))
	b.printf("| size of the program | %.1f MiB | | ≤ 40 MiB |", float64(info.Size())/(1<<20))
	return b.startExternal(ctx)
}

// startExternal measures starts on a PostgreSQL that runs already.
func (b *bench) startExternal(ctx context.Context) error {
	dsn, err := b.database(ctx, "started")
	if err != nil {
		return err
	}
	var took []time.Duration
	for range 6 {
		s, err := start(ctx, b.turkey, []string{"serve"}, turkeyEnv("DATABASE_URL="+dsn, "TURKEY_DATA_DIR="+filepath.Join(b.dir, "data")), turkeyBase, "/health")
		if err != nil {
			return err
		}
		took = append(took, s.took)
		s.stop()
	}
	took = took[1:] // the first one migrates
	slices.Sort(took)
	b.printf("| start on a running PostgreSQL | %d ms | %d to %d | ≤ 150 ms |", took[len(took)/2].Milliseconds(), took[0].Milliseconds(), took[len(took)-1].Milliseconds())
	return nil
}
