package pgdev

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// fallbackHome takes the data of root's servers whose own place their unprivileged account cannot reach.
const fallbackHome = "/var/lib/turkey"

// place is a data directory and the account that PostgreSQL runs as in it. Root works in it only through an os.Root: the
// directory belongs to the account, which must not lead root elsewhere with a symbolic link.
type place struct {
	dir     string // absolute
	moved   bool
	account *account // nil: our own
	root    *os.Root // set by open
}

// account is an unprivileged user of this machine.
type account struct {
	name     string
	uid, gid uint32
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// choosePlace settles where the files go and who owns them. It makes the parents of the directory, not the directory.
func choosePlace(dir string) (*place, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	p := &place{dir: dir}
	if os.Geteuid() != 0 {
		return p, p.explain(os.MkdirAll(filepath.Dir(dir), 0o700))
	}
	if p.account, err = accountFor(dir); err != nil {
		return nil, err
	}
	// 0711: the account passes through to its own directory and can list nothing on the way.
	//nolint:gosec // G301: see above
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		return nil, p.explain(err)
	}
	reachable, err := p.account.canEnter(filepath.Dir(dir))
	if err != nil || reachable {
		return p, err
	}
	sum := sha256.Sum256([]byte(dir))
	p.dir, p.moved = filepath.Join(fallbackHome, fmt.Sprintf("%s-%x", filepath.Base(dir), sum[:4])), true
	if p.account, err = accountFor(p.dir); err != nil {
		return nil, err
	}
	return p, p.explain(os.MkdirAll(fallbackHome, 0o711)) //nolint:gosec // G301: see above
}

// accountFor picks whom root's PostgreSQL runs as: the owner of the data if there is some, else postgres, else nobody.
// initdb needs an account that exists in the password file.
func accountFor(dir string) (*account, error) {
	if info, err := os.Stat(filepath.Join(dir, "pg")); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			return &account{name: userName(st.Uid), uid: st.Uid, gid: st.Gid}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no postgres or nobody account for it: " +
		"start as another user, or set DATABASE_URL")
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}

// canEnter asks the kernel, which knows about access lists and mounts too, by starting a process there.
func (a *account) canEnter(dir string) (bool, error) {
	cmd := exec.Command("/bin/sh", "-c", ":")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, environment(), &syscall.SysProcAttr{Credential: a.credential()}
	err := cmd.Run()
	if errors.Is(err, syscall.EACCES) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("PostgreSQL does not run as root, and processes cannot be started as %s here (%w): "+
			"start as another user, or set DATABASE_URL", a.name, err)
	}
	return true, nil
}

// open makes the directory if it is missing and closes it to all other users.
func (p *place) open() error {
	err := os.Mkdir(p.dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// What -D shows in the process list, and so what isPostmaster compares, does not depend on links on the way.
	if p.dir, err = filepath.EvalSymlinks(p.dir); err != nil {
		return err
	}
	if info, err := os.Stat(p.dir); err != nil || !info.IsDir() {
		return errors.Join(err, &fs.PathError{Op: "open", Path: p.dir, Err: syscall.ENOTDIR})
	}
	if p.root, err = os.OpenRoot(p.dir); err != nil {
		return err
	}
	if err := p.takeOver(); err != nil {
		return errors.Join(err, p.root.Close())
	}
	return nil
}

func (p *place) takeOver() error {
	if !p.has("lock") {
		entries, err := fs.ReadDir(p.root.FS(), ".")
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Name() != "lost+found" { // a file system of its own
				return fmt.Errorf("%s holds other files (%s, …), and a data directory is for PostgreSQL alone: "+
					"choose an empty or a new one", p.dir, e.Name())
			}
		}
	}
	if p.account != nil {
		if err := p.root.Chown(".", int(p.account.uid), int(p.account.gid)); err != nil {
			return err
		}
	}
	info, err := p.root.Stat(".")
	if err != nil || info.Mode().Perm() == 0o700 {
		return err
	}
	return p.root.Chmod(".", 0o700)
}

// lock claims the directory for this process. The kernel lets go when the file is closed or the process ends.
func (p *place) lock() (*os.File, error) {
	f, err := p.create("lock", os.O_RDWR)
	if err != nil {
		return nil, err
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		holder := "another process"
		if pid := strings.TrimSpace(p.read("lock")); pid != "" {
			holder = "process " + pid
		}
		err = fmt.Errorf("the data directory %s %w by %s: stop that one first, or choose another directory", p.dir, ErrInUse, holder)
		return nil, errors.Join(err, f.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("cannot lock %s: %w", f.Name(), err), f.Close())
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// socketDir is sock/ in the data directory, or a directory with a short name if a socket in there would have too long a
// path, or one with a comma, which separates addresses in connection strings.
func (p *place) socketDir() (string, error) {
	fits := func(dir string) bool { return len(dir)+1+len(socketName) < socketLimit && !strings.Contains(dir, ",") }
	if dir := filepath.Join(p.dir, "sock"); fits(dir) {
		if p.has("sock") {
			return dir, nil
		}
		return dir, p.mkdir("sock")
	}
	sum := sha256.Sum256([]byte(p.dir))
	name := fmt.Sprintf("turkey-%x", sum[:4])
	for _, tmp := range []string{os.TempDir(), "/tmp"} {
		dir := filepath.Join(tmp, name)
		if !fits(dir) {
			continue
		}
		if p.account != nil {
			if ok, err := p.account.canEnter(tmp); err != nil || !ok {
				continue
			}
		}
		return dir, p.privateDir(dir)
	}
	return "", fmt.Errorf("the path %s is too long for a unix socket, and so is that of the temporary directory: choose a shorter data directory",
		p.dir)
}

// privateDir makes a directory in a place where others can make directories too, so one that exists must be ours.
func (p *place) privateDir(dir string) error {
	owner := uint32(os.Geteuid())
	if p.account != nil {
		owner = p.account.uid
	}
	err := os.Mkdir(dir, 0o700)
	if err == nil && p.account != nil {
		err = os.Lchown(dir, int(p.account.uid), int(p.account.gid))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || st.Uid != owner || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("%s should be a private directory of %s and is not: remove it", dir, userName(owner))
	}
	return nil
}

// create opens a file of ours, which also its owner may open when it is not root who starts the server next time.
func (p *place) create(name string, flags int) (*os.File, error) {
	f, err := p.root.OpenFile(name, os.O_CREATE|flags, 0o600)
	if err == nil && p.account != nil {
		if err = f.Chown(int(p.account.uid), int(p.account.gid)); err != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return f, err
}

func (p *place) mkdir(name string) error {
	if err := p.root.Mkdir(name, 0o700); err != nil || p.account == nil {
		return err
	}
	return p.root.Lchown(name, int(p.account.uid), int(p.account.gid))
}

func (p *place) has(name string) bool {
	_, err := p.root.Lstat(name)
	return err == nil
}

// read returns a small file, or "" if there is none.
func (p *place) read(name string) string {
	b, err := p.root.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(b)
}

// explain adds to the errors of a disk what the operator can do.
func (p *place) explain(err error) error {
	if err == nil {
		return nil
	}
	full := strings.Contains(err.Error(), "No space left on device") || strings.Contains(err.Error(), "Disk quota exceeded")
	switch {
	case full || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk that holds %s is full: free some space (%w)", p.dir, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s is on a read-only file system: choose another data directory, or set DATABASE_URL (%w)", p.dir, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s cannot be a directory, a file is in the way: choose another data directory (%w)", p.dir, err)
	case errors.Is(err, fs.ErrPermission):
		who := userName(uint32(os.Geteuid()))
		return fmt.Errorf("the data directory %s is not writable for %s: change its owner, choose another, or set DATABASE_URL (%w)",
			p.dir, who, err)
	}
	return err
}
