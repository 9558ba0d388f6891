package main

import "syscall"

// childAttributes let a process end with this one, even when it is killed.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
