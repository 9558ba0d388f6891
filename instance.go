package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// instance is this process's name among the others. It must be the same after
// a restart, even after kill -9, so that Kafka gives a static member its
// partitions back at once; and no two processes may have it at a time, or each
// would throw the other out. So it is a name kept in the data folder, and the
// number of the first lock there that nobody holds; the lock goes with the
// process, however it ends.
func (c *config) instance() (name string, release func(), err error) {
	if c.Instance != "" {
		return c.Instance, func() {}, nil
	}
	folder, err := c.folder("instance")
	if err != nil {
		return "", nil, err
	}
	base, err := keep(filepath.Join(folder, "name"), func() string { return strings.ToLower(rand.Text()[:10]) })
	if err != nil {
		return "", nil, fmt.Errorf("naming this process: %w", err)
	}
	for n := range 1000 {
		lock, err := os.OpenFile(filepath.Join(folder, fmt.Sprintf("%d.lock", n)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return "", nil, fmt.Errorf("naming this process: %w", err)
		}
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return fmt.Sprintf("%s-%d", base, n), func() { lock.Close() }, nil
		}
		lock.Close()
	}
	return "", nil, fmt.Errorf("naming this process: every lock in %s is held", folder)
}

// keep returns what a file holds, and makes the file when it is missing. Of
// two processes that make it at once one wins, and both return the same.
func keep(path string, create func() string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(b) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(temporary.Name())
	if _, err := temporary.WriteString(create() + "\n"); err != nil {
		return "", err
	}
	if err := errors.Join(temporary.Sync(), temporary.Close()); err != nil {
		return "", err
	}
	if err := os.Link(temporary.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	b, err = os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}
