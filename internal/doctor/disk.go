package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Place is a directory that fills.
type Place struct {
	Name string // of the check, after "disk."
	Path string
	Need uint64 // bytes that the next thing written there takes
}

// Space is how much of a file system is free, in bytes.
type Space struct{ Free, Total uint64 }

const (
	gibibyte = 1 << 30
	// A file system is filling below a tenth, and full below a hundredth; of a big one less is enough.
	fillingPart, fillingMost = 10, 20 * gibibyte
	fullPart, fullMost       = 100, gibibyte
)

func (d *Doctor) places(context.Context) []Check {
	checks := make([]Check, len(d.cfg.Places))
	for i, p := range d.cfg.Places {
		name := "disk." + p.Name
		if s, err := spaceAt(p.Path); err != nil {
			checks[i] = unread(err, name)[0]
		} else {
			checks[i] = p.check(name, s)
		}
	}
	return checks
}

func (p Place) check(name string, s Space) Check {
	remedy := "Make room on the file system of " + p.Path + ", or enlarge it."
	switch free := mebibytes(s.Free); {
	case s.Free < min(s.Total/fullPart, fullMost):
		return fail(name, remedy, "%s is full: %d MiB are free", p.Path, free)
	case s.Free < p.Need:
		return warn(name, remedy, "%s has no room for another backup: %d MiB are free, the newest has %d", p.Path, free, mebibytes(p.Need))
	case s.Free < min(s.Total/fillingPart, fillingMost):
		return warn(name, remedy, "%s is filling: %d of %d MiB are free", p.Path, free, mebibytes(s.Total))
	}
	return ok(name, "%d of %d MiB are free at %s", mebibytes(s.Free), mebibytes(s.Total), p.Path)
}

func mebibytes(n uint64) uint64 { return n >> 20 }

// spaceAt asks for the directory, or for the one it will be made in.
func spaceAt(path string) (s Space, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return s, err
	}
	for {
		_, err := os.Stat(path)
		up := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || up == path {
			break
		}
		path = up
	}
	var f syscall.Statfs_t
	if err := syscall.Statfs(path, &f); err != nil {
		return s, &fs.PathError{Op: "look for room at", Path: path, Err: err}
	}
	block := uint64(f.Bsize) // its type differs between systems
	return Space{Free: f.Bavail * block, Total: f.Blocks * block}, nil
}
