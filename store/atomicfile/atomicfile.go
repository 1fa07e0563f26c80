// Package atomicfile writes files that are, after a crash at any moment, either
// the old or the new one, and durable once written.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"chatmaild/store/safefs"
)

// Write replaces the file at path with one that holds data and has the mode perm.
// prepare, if not nil, may do something to the new file before anybody sees it.
// The file belongs to the current user; root writes into a daemon's directory by safefs.As.
func Write(path string, data []byte, perm fs.FileMode, prepare func(*os.File) error) (err error) {
	dir, err := safefs.OpenDir(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("opening a directory: %w", err)
	}
	defer dir.Close()
	base := filepath.Base(path)
	f, temp, err := safefs.CreateTemp(dir, ".new-"+base+"-*")
	if err != nil {
		return fmt.Errorf("creating a new file: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			_ = dir.Remove(temp)
		}
	}()
	if err := Fill(f, data, perm); err != nil {
		return err
	}
	if prepare != nil {
		if err := prepare(f); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	if err := dir.Rename(temp, dir, base); err != nil {
		return fmt.Errorf("putting a new file in place: %w", err)
	}
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("writing a directory: %w", err)
	}
	return nil
}

// NoRoom says whether err is about a full disk, or a quota of the system: what failed
// may be tried again when there is room.
func NoRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// private is the mode with which files are made.
const private = 0o600

// Fill gives f, made with mode 0600, its data and mode, without waiting for the disk.
func Fill(f *os.File, data []byte, perm fs.FileMode) error {
	if perm != private {
		if err := f.Chmod(perm); err != nil {
			return fmt.Errorf("setting a file's mode: %w", err)
		}
	}
	if len(data) == 0 {
		return nil
	}
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	return nil
}

// SyncDir makes what was renamed, made or removed in dir durable.
func SyncDir(dir string) error {
	d, err := safefs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("opening a directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("writing a directory: %w", err)
	}
	return nil
}
