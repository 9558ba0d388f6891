package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A jump of the wall clock is made in the program that is tried, not in its
// code: it is built with a standard library whose time.Now adds the seconds in
// a file that FAULTS_CLOCK names. As on a machine whose clock is set, what is
// measured (the monotonic clock, and all timers with it) does not jump.
const shiftedClock = `package time

import (
	"syscall"
	"unsafe"
)

var clockShift = func() *int64 {
	path, ok := syscall.Getenv("FAULTS_CLOCK")
	if !ok {
		return new(int64)
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		return new(int64)
	}
	defer syscall.Close(fd)
	mem, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return new(int64)
	}
	return (*int64)(unsafe.Pointer(&mem[0]))
}()
`

// buildWithClock builds the program with the clock that can be set.
func buildWithClock(dir string) (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("finding Go's own folder: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		return "", err
	}
	const reading = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	shifted := strings.Replace(string(text), reading, reading+"\tsec += *clockShift\n", 1)
	if shifted == string(text) {
		return "", fmt.Errorf("time.Now of this Go, in %s, is not as expected", source)
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for name, content := range map[string]string{"time.go": shifted, "faults_shift.go": shiftedClock} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return "", err
		}
		overlay["Replace"][filepath.Join(source, name)] = path
	}
	raw, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, raw, 0o600); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "sluice-clock")
	build := exec.Command("go", "build", "-overlay", list, "-o", binary, "sluice")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building with a clock that can be set: %w: %s", err, out)
	}
	return binary, nil
}

// clockFile is what a process's clock is shifted by.
func (w *world) clockFile(who string) (string, error) {
	path := filepath.Join(w.dir, w.prefix, who+".clock")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, os.WriteFile(path, make([]byte, 8), 0o600)
}

// setClock shifts a process's wall clock.
func (w *world) setClock(who string, by time.Duration) error {
	path, err := w.clockFile(who)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(by.Seconds()))), 0)
	return err
}
