package local

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Every thread of the engine has short turns, and none of Go's keeps them.
func TestEngineThreadsHaveShortTurns(t *testing.T) {
	turn := func(tid int) int {
		attr, err := unix.SchedGetAttr(tid, 0)
		if err != nil {
			return 0 // it ended
		}
		return int(attr.Runtime)
	}
	known := false
	yielding(func() { known = turn(0) == leastSlice })
	if !known {
		var u unix.Utsname
		must(t, unix.Uname(&u))
		var major, minor int
		release := unix.ByteSliceToString(u.Release[:])
		if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil || major > 6 || major == 6 && minor >= 12 {
			t.Fatalf("Linux %s does not change the turns of a thread (%v)", release, err)
		}
		t.Skipf("Linux %s has turns of one length", release)
	}
	db := connect(t, startClickHouse(t, ClickHouseOptions{}))
	must(t, db.Exec(t.Context(), "CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n"))
	must(t, db.Exec(t.Context(), "INSERT INTO t SELECT number FROM numbers(1000)"))
	must(t, db.Exec(t.Context(), "SELECT sum(sipHash64(number)) FROM numbers_mt(10000000) FORMAT Null SETTINGS max_threads = 4"))

	tasks, err := os.ReadDir("/proc/self/task")
	must(t, err)
	seen := map[string]bool{}
	for _, task := range tasks {
		raw, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/comm")
		tid, _ := strconv.Atoi(task.Name())
		name := strings.TrimSpace(string(raw))
		if seen[name] = true; (name == "MergeMutate" || name == "ThreadPool") && turn(tid) > leastSlice {
			t.Errorf("a thread %s has turns of %d ns", name, turn(tid))
		}
	}
	if !seen["MergeMutate"] || !seen["ThreadPool"] {
		t.Errorf("the engine has no thread that merges, or none for statements: %v", seen)
	}

	var wg sync.WaitGroup
	all := make(chan struct{})
	for range 20 {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if turn(0) == leastSlice {
				t.Error("a thread of Go's has short turns")
			}
			<-all
		})
	}
	close(all)
	wg.Wait()
}
