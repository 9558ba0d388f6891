package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// disk is a small file system of its own, in memory, that can be made full.
type disk struct{ dir string }

const roomy = "1g"

// newDisk mounts a disk, which takes the right to mount (root).
func newDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0750,size="+roomy); err != nil {
		return nil, fmt.Errorf("mounting a small disk: %w", err)
	}
	return &disk{dir}, nil
}

// fill leaves no room at all: the disk becomes as small as what is on it, and
// what is left of the last page is taken.
func (d *disk) fill() error {
	for range 20 { // more may be written between the look and the change
		var now syscall.Statfs_t
		if err := syscall.Statfs(d.dir, &now); err != nil {
			return err
		}
		used := (int64(now.Blocks) - int64(now.Bfree)) * now.Bsize
		if syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", max(used, 4096))) == nil {
			return nil
		}
	}
	return fmt.Errorf("filling the disk %s: it keeps growing", filepath.Base(d.dir))
}

// clear gives the room back.
func (d *disk) clear() error {
	return syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, "size="+roomy)
}

func (d *disk) close() { _ = syscall.Unmount(d.dir, syscall.MNT_DETACH) }
