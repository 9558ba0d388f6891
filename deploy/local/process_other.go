//go:build !linux

package local

import "syscall"

// childAttr makes a child its own process group, so that Ctrl-C at a terminal
// reaches only the parent, which ends its children itself; or its own session.
func childAttr(detach bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: detach, Setpgid: !detach}
}
