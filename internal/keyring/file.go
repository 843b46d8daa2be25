package keyring

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// file is a keyring file: {"keys":[{"id":…,"key":"<base64 of 32 bytes>","createdAt":…}]}, readable by its owner alone.
type file struct{ path string }

type fileKey struct {
	ID        string    `json:"id"`
	Key       []byte    `json:"key"`
	CreatedAt time.Time `json:"createdAt"`
}

type fileContent struct {
	Keys []fileKey `json:"keys"`
}

func (f *file) describe() string { return "file:" + f.path }

// read returns the keys of the file; a file that is not there has none (yet).
func (f *file) read() ([]Root, error) {
	in, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keyring file %s cannot be read: %w", f.path, err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, fmt.Errorf("keyring file %s: %w", f.path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("keyring file %s is not a file", f.path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("keyring file %s may be read by others (mode %04o), and it holds root keys: chmod 600 %s", f.path, info.Mode().Perm(), f.path)
	}
	raw, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("keyring file %s cannot be read: %w", f.path, err)
	}
	defer clear(raw)
	roots, err := parseFile(raw)
	if err != nil {
		return nil, fmt.Errorf("keyring file %s: %w", f.path, err)
	}
	return roots, nil
}

// parseFile reads the text of a keyring file. Its errors quote nothing of it: what is in the wrong place may be a key.
func parseFile(raw []byte) ([]Root, error) {
	var content fileContent
	if json.Unmarshal(raw, &content) != nil {
		return nil, errors.New(`expected {"keys":[{"id":"…","key":"<32 bytes in base64>","createdAt":"2026-01-31T12:00:00Z"}]}`)
	}
	if len(content.Keys) == 0 {
		return nil, errors.New("it holds no keys")
	}
	seen := map[string]bool{}
	roots := make([]Root, len(content.Keys))
	for i, k := range content.Keys {
		r, err := NewRoot(k.ID, FromFile, k.Key, k.CreatedAt)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if seen[k.ID] {
			return nil, fmt.Errorf("two keys have the id %s", k.ID)
		}
		seen[k.ID], roots[i] = true, r
	}
	return roots, nil
}

// add puts a new key into the file. The file is replaced whole, so whoever reads it at this moment reads the old or the
// new one, and a crash leaves one of them; two that add at once take turns.
func (f *file) add() (Root, error) {
	unlock, err := f.lock()
	if err != nil {
		return Root{}, err
	}
	defer unlock()
	roots, err := f.read()
	if err != nil {
		return Root{}, err
	}
	made, err := random(FromFile)
	if err != nil {
		return Root{}, err
	}
	for _, r := range roots { // the newest is the one that is used next, and clocks go wrong
		if !made.CreatedAt.After(r.CreatedAt) {
			made.CreatedAt = r.CreatedAt.Add(time.Second)
		}
	}
	if err := writeFile(f.path, append(roots, made)); err != nil {
		return Root{}, err
	}
	kept, err := f.read()
	if err != nil {
		return Root{}, err
	}
	for _, r := range kept {
		if r.ID == made.ID {
			return made, nil
		}
	}
	return Root{}, fmt.Errorf("keyring file %s does not hold the key that was just written to it", f.path)
}

// lock keeps other processes on this machine from adding to the file. The kernel lets go when the process ends.
func (f *file) lock() (func(), error) {
	l, err := os.OpenFile(f.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keyring file %s cannot be written: %w", f.path, err)
	}
	if err := syscall.Flock(int(l.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock keyring file %s: %w", f.path, err), l.Close())
	}
	return func() { _ = l.Close() }, nil
}

// CreateFile writes root keys to a new keyring file.
func CreateFile(path string, roots []Root) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s exists: choose another name", path)
		}
		return err
	}
	return writeFile(path, roots)
}

func writeFile(path string, roots []Root) (err error) {
	content := fileContent{}
	for _, r := range roots {
		content.Keys = append(content.Keys, fileKey{r.ID, r.Key, r.CreatedAt})
	}
	raw, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	defer clear(raw)
	return WritePrivate(path, append(raw, '\n'))
}

// WritePrivate replaces a file as a whole, readable by its owner alone: a crash leaves the old content or the new one.
func WritePrivate(path string, content []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close() // it may be closed already
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err := tmp.Write(content); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close()) // the new name is on disk too
}
