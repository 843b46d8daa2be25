//go:build unix && !linux

package pgdev

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// childAttr puts a child in a process group of its own. Nothing tells it here that its parent was killed: the next Start on
// its directory stops it.
func childAttr(credential *syscall.Credential, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: credential, Setpgid: true}
}

// isPostmaster tells a server of this data directory from a process that was given its pid later.
func isPostmaster(pid int, pgdata string) bool {
	//nolint:gosec // G204: the only variable is a number
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return false
	}
	program, args, _ := strings.Cut(string(out), " -D ")
	return strings.HasSuffix(program, "postgres") && strings.HasPrefix(args, pgdata+" ")
}
