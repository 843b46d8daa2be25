package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/pgdev"
)

// tool is one of PostgreSQL's programs.
type tool struct {
	path  string
	major int
}

var version = regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)`)

// findTool finds the oldest of the installed programs of a name that is not older than least, a major version: what a newer
// one writes, an older one does not read. dirs come before the usual places.
func findTool(ctx context.Context, name string, least int, dirs []string) (tool, error) {
	var best, newest tool
	var seen []string
	for _, dir := range append(slices.Clone(dirs), pgdev.ProgramDirs()...) {
		path := filepath.Join(dir, name)
		if slices.Contains(seen, path) {
			continue
		}
		seen = append(seen, path)
		out, err := exec.CommandContext(ctx, path, "--version").Output() //nolint:gosec // G204: a program that the operator installed
		m := version.FindSubmatch(out)
		if err != nil || m == nil {
			continue
		}
		major, _ := strconv.Atoi(string(m[1])) // digits
		if major > newest.major {
			newest = tool{path, major}
		}
		if major >= least && (best.path == "" || major < best.major) {
			best = tool{path, major}
		}
	}
	switch {
	case best.path != "":
		return best, nil
	case ctx.Err() != nil:
		return tool{}, ctx.Err()
	case newest.path != "":
		return tool{}, fmt.Errorf("%s is version %d, and %d or newer is needed: install the client programs of PostgreSQL %[3]d, or name their directory in TURKEY_POSTGRES_BIN",
			newest.path, newest.major, least)
	}
	return tool{}, fmt.Errorf("%s is not installed: install the client programs of PostgreSQL %d or newer, or name their directory in TURKEY_POSTGRES_BIN", name, least)
}

// command prepares a run on a database. When the context ends it is told to stop.
func (t tool) command(ctx context.Context, dsn string, args ...string) (*exec.Cmd, *words, error) {
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, nil, errors.New("the database URL cannot be parsed; expected postgresql://user:password@host:5432/name?sslmode=require")
	}
	cmd := exec.CommandContext(ctx, t.path, append([]string{"--no-password"}, args...)...) //nolint:gosec // G204: see findTool
	cmd.Env, cmd.WaitDelay = environment(cc, dsn), 5*time.Second
	said := &words{}
	cmd.Stderr = said
	return cmd, said, nil
}

// failed words the end of a program by what it said.
func (t tool) failed(ctx context.Context, err error, said *words) error {
	name := filepath.Base(t.path)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s was interrupted: %w", name, context.Cause(ctx))
	case said.first() != "":
		return fmt.Errorf("%s: %s", name, said.first())
	}
	return fmt.Errorf("%s: %w", name, err)
}

// words keeps the beginning of what a program says.
type words struct{ buf bytes.Buffer }

const maxWords = 4 << 10

func (w *words) Write(p []byte) (int, error) {
	if room := maxWords - w.buf.Len(); room > 0 {
		w.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// first is the first error, without the name of the program.
func (w *words) first() string {
	for line := range strings.Lines(w.buf.String()) {
		if _, text, found := strings.Cut(line, "error: "); found {
			return strings.TrimSpace(text)
		}
	}
	line, _, _ := strings.Cut(strings.TrimSpace(w.buf.String()), "\n")
	return line
}
