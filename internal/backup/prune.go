package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// Old lists what a prune would remove: backups older than keep, except for the newest one of each kind that is whole. To find
// that one, files are read to their end.
func Old(ctx context.Context, dir string, now time.Time, keep time.Duration) (old []Backup, err error) {
	all, err := List(dir)
	if err != nil {
		return nil, err
	}
	safe := map[string]bool{} // kinds of which a good one stays
	for i, b := range all {
		expired := now.Sub(b.Manifest.CreatedAt) > keep
		if !expired {
			continue
		}
		if !safe[b.Manifest.Kind] {
			kept, err := newestGood(ctx, all, b.Manifest.Kind)
			if err != nil {
				return nil, err
			}
			safe[b.Manifest.Kind] = true
			if kept >= 0 {
				all[kept].Path = "" // not to be removed
			}
		}
		if all[i].Path != "" {
			old = append(old, b)
		}
	}
	return old, nil
}

// newestGood is the place of the newest backup of a kind that is as it was written, or -1.
func newestGood(ctx context.Context, all []Backup, kind string) (int, error) {
	for i, b := range all {
		if b.Manifest.Kind != kind || b.Problem != "" {
			continue
		}
		err := Reader{}.check(ctx, b)
		if ctx.Err() != nil {
			return -1, ctx.Err()
		}
		if err == nil {
			return i, nil
		}
	}
	return -1, nil
}

// Prune removes backups that Old has listed, and returns what is gone.
func (s *Store) Prune(ctx context.Context, keep time.Duration) (gone []Backup, err error) {
	unlock, err := lock(s.cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	old, err := Old(ctx, s.cfg.Dir, s.cfg.Now(), keep)
	if err != nil {
		return nil, err
	}
	for _, b := range old {
		// The file first: without its manifest it would be of no use, and what stands beside nothing is swept.
		for _, path := range []string{b.Path, manifestOf(b.Path), verificationOf(b.Path)} {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return gone, explain(s.cfg.Dir, err)
			}
		}
		gone = append(gone, b)
	}
	return gone, nil
}
