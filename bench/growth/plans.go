package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// plans lets the test of the plans look at a database of this size.
func (g *growth) plans(ctx context.Context, s *size) error {
	file := filepath.Join(g.dir, "plans.md")
	//nolint:gosec // our own test
	out, err := exec.CommandContext(ctx, "go", "test", "./internal/db", "-run", "TestHotStatementsUseIndexes", "-count", "1", "-plans", s.dsn, "-plans-report", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("plans: %w\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	g.printf("\n## Plans at %s users\n", count(int64(s.users)))
	g.printf("What PostgreSQL settles for when the server asks again and again, in the server's roles. `TestHotStatementsUseIndexes` in `internal/db` holds every statement of the program to the rule that no table that grows is read as a whole; these are the hot ones.\n")
	g.printf("%s", text)
	return nil
}
