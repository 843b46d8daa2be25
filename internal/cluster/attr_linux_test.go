package cluster_test

import "syscall"

// attr makes a child that the kernel ends with its parent, as another account if one is given.
func attr(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
