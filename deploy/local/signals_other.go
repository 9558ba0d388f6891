//go:build !linux

package local

import (
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
)

// deadly are the signals whose handlers libchdb resets.
var deadly = [...]syscall.Signal{
	syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGILL, syscall.SIGBUS,
	syscall.SIGSYS, syscall.SIGFPE, syscall.SIGTSTP, syscall.SIGTRAP,
}

// action is libc's struct sigaction (16 bytes on macOS), opaque here.
type action [32]uint64

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

// sigaction goes through libc, which this system wants in place of raw calls.
func sigaction(sig syscall.Signal, set, old *action) {
	fn, err := purego.Dlsym(purego.RTLD_DEFAULT, "sigaction")
	if err != nil {
		return
	}
	purego.SyscallN(fn, uintptr(sig), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)))
}
