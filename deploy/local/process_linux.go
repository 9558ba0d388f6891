package local

import "syscall"

// childAttr makes a child its own process group, so that Ctrl-C at a terminal
// reaches only the parent, which ends its children itself; or its own session.
func childAttr(detach bool) *syscall.SysProcAttr {
	if detach {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
