package pgdev

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestRunningFindsTheServerOfAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "data")
	running := func() (string, bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		return Running(ctx, dir, "postgres", "postgres")
	}
	if dsn, ok := running(); ok {
		t.Errorf("nothing runs, and it is found at %s", dsn)
	}
	s := mustStart(t, Config{DataDir: dir})
	if _, err := Start(t.Context(), Config{DataDir: dir}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "is in use by process") {
		t.Error(err)
	}
	dsn, ok := running()
	if !ok || dsn != s.DSN("postgres", "postgres") {
		t.Fatalf("%q, want %q", dsn, s.DSN("postgres", "postgres"))
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	left, err := os.ReadFile(filepath.Join(dir, "pg", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	mustStop(t, s)
	// What a crash leaves does not count as running.
	if err := os.WriteFile(filepath.Join(dir, "pg", "postmaster.pid"), left, 0o600); err != nil {
		t.Fatal(err)
	}
	if dsn, ok := running(); ok {
		t.Errorf("it was stopped, and it is found at %s", dsn)
	}
}
