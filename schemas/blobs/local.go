package blobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// begunFolder holds blobs that are being written. No blob's name begins with
// a dot, so that a listing leaves it out.
const begunFolder = ".begun"

// Local keeps blobs as files in a folder, which every process that reads or
// writes them must see.
type Local struct{ root *os.Root }

// OpenLocal opens the folder, and makes it when it is missing.
func OpenLocal(folder string) (*Local, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for blobs: %w; choose another with SLUICE_BLOB_URL", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("opening the folder for blobs: %w; choose another with SLUICE_BLOB_URL", err)
	}
	if err := root.MkdirAll(begunFolder, 0o700); err != nil {
		return nil, fmt.Errorf("opening the folder for blobs: %w; choose another with SLUICE_BLOB_URL", err)
	}
	return &Local{root}, nil
}

// Create begins a file. It is moved to its name when it is whole and on disk:
// a crash at any instant leaves all of a blob or nothing under its name.
func (l *Local) Create(_ context.Context, name string) (Writer, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	begun := path.Join(begunFolder, rand.Text())
	file, err := l.root.OpenFile(begun, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("beginning a blob: %w", err)
	}
	return &localWriter{root: l.root, file: file, begun: begun, name: name}, nil
}

type localWriter struct {
	root        *os.Root
	file        *os.File // nil: committed or given up
	begun, name string
}

func (w *localWriter) Write(b []byte) (int, error) {
	n, err := w.file.Write(b)
	if err != nil {
		err = fmt.Errorf("writing a blob: %w", err)
	}
	return n, err
}

// Commit: the order is the guarantee. The bytes are on disk before the name
// leads to them, and the name is on disk before anyone is told.
func (w *localWriter) Commit() error {
	err := w.file.Sync()
	err = errors.Join(err, w.file.Close())
	w.file = nil
	folder := path.Dir(w.name)
	if err == nil {
		err = w.makeFolder(folder)
	}
	if err == nil {
		err = w.root.Rename(w.begun, w.name)
	}
	if err == nil {
		err = w.syncFolder(folder)
	}
	if err != nil {
		_ = w.root.Remove(w.begun)
		return fmt.Errorf("keeping a blob: %w", err)
	}
	return nil
}

// makeFolder makes a folder and those above it, and has the disk know of each.
func (w *localWriter) makeFolder(folder string) error {
	if _, err := w.root.Stat(folder); err == nil {
		return nil
	}
	if err := w.root.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for folder != "." {
		folder = path.Dir(folder)
		if err := w.syncFolder(folder); err != nil {
			return err
		}
	}
	return nil
}

func (w *localWriter) syncFolder(folder string) error {
	d, err := w.root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (w *localWriter) Abort() {
	if w.file == nil {
		return
	}
	_ = w.file.Close()
	_ = w.root.Remove(w.begun) // Tidy removes what is left
	w.file = nil
}

// Open opens a part of a file.
func (l *Local) Open(_ context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	file, err := l.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening blob %s: %w", name, ErrNotFound)
	}
	if err == nil && offset > 0 {
		_, err = file.Seek(offset, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", name, err)
	}
	if length < 0 {
		return file, nil
	}
	return part{io.LimitReader(file, length), file}, nil
}

type part struct {
	io.Reader
	io.Closer
}

// List walks the folder.
func (l *Local) List(ctx context.Context, each func(Info) error) error {
	return fs.WalkDir(l.root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
			return nil
		case err != nil:
			return fmt.Errorf("listing blobs: %w", err)
		case entry.IsDir() && name == begunFolder:
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listing blobs: %w", err)
		}
		return each(Info{Name: name, Size: info.Size(), Modified: info.ModTime()})
	})
}

// Remove removes a file. Its folder stays: another blob may be about to move in.
func (l *Local) Remove(_ context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := l.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing blob %s: %w", name, err)
	}
	return nil
}

// Tidy removes what a process that was killed had begun to write.
func (l *Local) Tidy(ctx context.Context, before time.Time) error {
	entries, err := fs.ReadDir(l.root.FS(), begunFolder)
	if err != nil {
		return fmt.Errorf("tidying up blobs: %w", err)
	}
	for _, entry := range entries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if info, err := entry.Info(); err != nil || !info.ModTime().Before(before) {
			continue
		}
		if err := l.root.Remove(path.Join(begunFolder, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("tidying up blobs: %w", err)
		}
	}
	return nil
}

// Check writes a blob, reads it and removes it.
func (l *Local) Check(ctx context.Context) error { return check(ctx, l) }
