package local

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// leastSlice is the shortest turn on a processor that Linux gives (ns).
const leastSlice = 100_000

// yielding runs fn, which calls the engine, on a thread with short turns. The
// threads that the engine starts meanwhile, and those that they start, inherit
// that: all of its threads have it.
//
// With turns of the usual length (3 ms, and up to the next tick of the clock)
// a merge keeps a hook waiting that long once both processors are taken,
// however nice the merge is: Linux lets it finish its turn first
// (RUN_TO_PARITY). Turns change who waits, not how much of a processor anybody
// has. Linux before 6.12 has turns of one length, and nothing changes there.
func yielding(fn func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL {
		fn()
		return
	}
	attr.Runtime = leastSlice
	if unix.SchedSetAttr(0, attr, 0) == nil {
		attr.Runtime = 0 // the usual ones again
		defer unix.SchedSetAttr(0, attr, 0)
	}
	fn()
}
