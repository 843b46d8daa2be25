package pgdev

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// childAttr puts a child in a process group of its own and has the kernel signal it when we die in any way.
func childAttr(credential *syscall.Credential, whenWeDie syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: credential, Setpgid: true, Pdeathsig: whenWeDie}
}

// isPostmaster tells a server of this data directory from a process that was given its pid later. A process that exited
// and was not reaped has no command line. (The cmdline file is for all to read; cwd is not, in a container.)
func isPostmaster(pid int, pgdata string) bool {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return false
	}
	args := strings.Split(string(b), "\x00")
	return filepath.Base(args[0]) == "postgres" && slices.Contains(args, pgdata)
}
