package local

import (
	"syscall"
	"unsafe"
)

// deadly are the signals whose handlers libchdb resets.
var deadly = [...]syscall.Signal{
	syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGILL, syscall.SIGBUS,
	syscall.SIGSYS, syscall.SIGFPE, syscall.SIGTSTP, syscall.SIGTRAP,
}

// action is the kernel's struct sigaction, opaque here: it goes back as it came.
type action [8]uint64

type savedSignals [len(deadly)]action

func saveSignals() *savedSignals {
	var s savedSignals
	for i, sig := range deadly {
		sigaction(sig, nil, &s[i])
	}
	return &s
}

func (s *savedSignals) restore() {
	for i, sig := range deadly {
		sigaction(sig, &s[i], nil)
	}
}

// sigaction ignores errors: the only ones are a signal or an address that does
// not exist, and both are constants here.
func sigaction(sig syscall.Signal, set, old *action) {
	const sigsetSize = 8
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), sigsetSize, 0, 0)
}
