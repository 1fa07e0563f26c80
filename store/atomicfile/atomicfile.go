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
)

// Write replaces the file at path with one that holds data and has the mode perm.
// prepare, if not nil, may do something to the new file before anybody sees it.
// Written by root, the file belongs to whom its folder belongs to, so that what an
// administrator changes stays the daemon's.
func Write(path string, data []byte, perm fs.FileMode, prepare func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-"+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("making a new file: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
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
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("putting a new file in place: %w", err)
	}
	return SyncDir(dir)
}

// NoRoom says whether err is about a full disk, or a quota of the system: what failed
// may be tried again when there is room.
func NoRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// private is the mode with which files are made.
const private = 0o600

// Fill gives f, made with mode 0600, its data, mode and owner, without waiting for
// the disk.
func Fill(f *os.File, data []byte, perm fs.FileMode) error {
	if perm != private {
		if err := f.Chmod(perm); err != nil {
			return fmt.Errorf("setting a file's mode: %w", err)
		}
	}
	if err := ownAsFolder(f); err != nil {
		return err
	}
	if len(data) == 0 {
		return nil
	}
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	return nil
}

// ownAsFolder gives f, made by root, to its folder's owner.
func ownAsFolder(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return GiveTo(f.Name(), filepath.Dir(f.Name()))
}

// GiveTo gives path to the owner and group of folder. Only root can.
func GiveTo(path, folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return fmt.Errorf("asking for a folder's owner: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("asking for the owner of %s: the system does not say", folder)
	}
	if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil {
		return fmt.Errorf("setting a file's owner: %w", err)
	}
	return nil
}

// SyncDir makes what was renamed, made or removed in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening a folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("writing a folder: %w", err)
	}
	return nil
}
