//go:build !linux

package cluster_test

import "syscall"

func attr(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Setpgid: true}
}
