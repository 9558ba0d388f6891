package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockDir makes the folder if need be and holds an exclusive lock on it until
// the file is closed or the process ends, by whatever signal. Network file
// systems without flock are refused by the system with an error of their own.
func lockDir(dir, engine string) (*os.File, error) {
	if dir == "" {
		return nil, fmt.Errorf("starting the local %s: no data folder given", engine)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the data folder of the local %s (choose a writable one): %w", engine, err)
	}
	path := filepath.Join(dir, ".lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the data folder of the local %s (it must be writable): %w", engine, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		_ = f.Close()
		return nil, fmt.Errorf("opening the data folder %s of the local %s: another process uses it; stop that one, or choose another folder", dir, engine)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking the data folder %s of the local %s: %w", dir, engine, err)
	}
	return f, nil
}
