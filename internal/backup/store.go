package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Backup is a file of a directory with what is known of it.
type Backup struct {
	Path     string
	Manifest Manifest
	Verified *Verification // nil: never
	Problem  string        // what is wrong with it, as far as can be seen without reading it
}

const (
	partial     = ".partial"
	failureFile = "last-failure.json"
	lockFile    = ".lock"
	stamp       = "20060102T150405Z"
)

var (
	ours     = regexp.MustCompile(`^turkey-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}(\.credentials)?\.dump(\.age)?$`)
	oursAnd  = regexp.MustCompile(`^(turkey-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}(?:\.credentials)?\.dump(?:\.age)?)(?:\.verified)?\.json$`)
	leftOver = regexp.MustCompile(`^\.?(turkey-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}.*|last-failure)(\.partial|json\.[0-9]+)$`)
)

// List reads a directory, the newest backup first. One that is incomplete is listed with its problem.
func List(dir string) ([]Backup, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("the directory of backups: %w", err)
	}
	var all []Backup
	for _, e := range entries {
		if ours.MatchString(e.Name()) {
			all = append(all, look(filepath.Join(dir, e.Name())))
		}
	}
	slices.SortFunc(all, func(a, b Backup) int { return strings.Compare(b.Path, a.Path) }) // the name begins with the time
	return all, nil
}

// look reads what stands beside a file.
func look(path string) Backup {
	b := Backup{Path: path}
	m, err := readManifest(path)
	b.Manifest = m
	if err != nil {
		b.Problem = err.Error()
		b.Manifest.File, b.Manifest.CreatedAt = filepath.Base(path), timeOf(path)
		if info, err := os.Stat(path); err == nil {
			b.Manifest.Size = info.Size()
		}
		return b
	}
	var v Verification
	if err := readJSON(verificationOf(path), &v); err == nil && v.File == m.File {
		b.Verified = &v
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		b.Problem = err.Error()
	case info.Size() != m.Size:
		b.Problem = fmt.Sprintf("it has %d bytes, and %d were written: it was cut or changed", info.Size(), m.Size)
	case b.Verified != nil && !b.Verified.OK && len(b.Verified.Problems) > 0:
		b.Problem = b.Verified.Problems[0]
	}
	return b
}

// timeOf reads the time in a name.
func timeOf(path string) time.Time {
	parts := strings.SplitN(filepath.Base(path), "-", 3)
	t, _ := time.Parse(stamp, parts[min(1, len(parts)-1)]) // of ours it parses
	return t
}

// Find makes a path of what an operator names: a file, the name of one in dir, or "latest".
func Find(dir, name string) (Backup, error) {
	if name == "latest" || name == "" {
		all, err := List(dir)
		if err != nil {
			return Backup{}, err
		}
		if len(all) == 0 {
			return Backup{}, fmt.Errorf("there is no backup in %s", dir)
		}
		return all[0], nil
	}
	path := name
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && filepath.Base(name) == name && dir != "" {
		path = filepath.Join(dir, name)
		info, err = os.Stat(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Backup{}, fmt.Errorf("there is no backup %s", name)
	case err != nil:
		return Backup{}, err
	case !info.Mode().IsRegular():
		return Backup{}, fmt.Errorf("%s is not a file", path)
	}
	return look(path), nil
}

// State is what a monitor wants to know of a directory.
type State struct {
	Newest   *Backup // full and, as far as can be seen, whole
	Verified *Backup // the newest full one that was restored and held against its manifest
	Failure  *Failure
}

// Look says how it stands with the backups of a directory.
func Look(dir string) (st State, err error) {
	all, err := List(dir)
	if err != nil {
		return st, err
	}
	for i, b := range all {
		if b.Manifest.Kind != Full || b.Problem != "" {
			continue
		}
		if st.Newest == nil {
			st.Newest = &all[i]
		}
		if st.Verified == nil && b.Verified != nil && b.Verified.OK {
			st.Verified = &all[i]
		}
	}
	var f Failure
	if err := readJSON(filepath.Join(dir, failureFile), &f); err == nil {
		st.Failure = &f
	}
	return st, nil
}

// lock claims a directory for writing; the kernel lets go when the process ends. What others left half done is then nobody's.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory of backups %s: correct its rights or set BACKUP_DIR (%w)", dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, explain(dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errBusy
		}
		return nil, fmt.Errorf("cannot lock %s: %w", dir, err)
	}
	if err := sweep(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		// Closing alone leaves the lock for a moment to a program that is being started and has our files until it runs.
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
		_ = f.Close()
	}, nil
}

var errBusy = errors.New("another process is writing to this directory of backups: wait until it is done")

// sweep removes what a killed process left: files under a temporary name, and what stood beside a backup that is gone.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return explain(dir, err)
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = true
	}
	for _, e := range entries {
		beside := oursAnd.FindStringSubmatch(e.Name())
		if leftOver.MatchString(e.Name()) || beside != nil && !there[beside[1]] {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return explain(dir, err)
			}
		}
	}
	return nil
}

// explain adds to the errors of a disk what the operator can do.
func explain(dir string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk that holds %s is full: free some space, or set BACKUP_DIR to another (%w)", dir, err)
	case errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s cannot be written to: correct its rights, or set BACKUP_DIR to another (%w)", dir, err)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
