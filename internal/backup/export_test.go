package backup

import (
	"context"
	"io"
)

// NeedTool is findTool, as far as it fails.
func NeedTool(ctx context.Context, name string, least int) error {
	_, err := findTool(ctx, name, least, nil)
	return err
}

// PourInto dumps into any writer.
func (s *Store) PourInto(ctx context.Context, w io.Writer) error {
	dump, err := findTool(ctx, "pg_dump", 1, nil)
	if err != nil {
		return err
	}
	return explain(s.cfg.Dir, s.pour(ctx, dump, []string{"--format=custom"}, w))
}

// Settings and InDatabase read connection strings.
var (
	Settings   = settings
	InDatabase = inDatabase
)
