package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"chatmaild/store/safefs"
)

// Names returns the names in a folder of the machine, sorted; none if there is no
// such folder.
func (h Host) Names(folder string) ([]string, error) {
	names, err := safefs.ReadNames(h.path(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// Exists reports whether there is something at path, be it a link to nowhere.
func (h Host) Exists(path string) (bool, error) {
	_, err := safefs.Lstat(h.path(path))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	return err == nil, err
}

// IsFile reports whether a regular file, no link, is at path.
func (h Host) IsFile(path string) bool {
	info, err := safefs.Lstat(h.path(path))
	return err == nil && info.Mode().IsRegular()
}

// reaches reports whether there is something at path, or where a link there leads.
func (h Host) reaches(path string) bool {
	_, err := safefs.Stat(h.path(path))
	return err == nil
}

// Move moves a file, a link or a folder, to another file system too. It refuses to
// replace anything; a path with nothing at it has been moved already.
func (h Host) Move(from, to string) error {
	there, err := h.Exists(from)
	if err != nil || !there {
		return err
	}
	if taken, err := h.Exists(to); err != nil || taken {
		return errors.Join(err, fmt.Errorf("moving %s: there is something at %s", from, to))
	}
	dir, err := safefs.MkdirAll(filepath.Dir(h.path(to)))
	if err != nil {
		return fmt.Errorf("moving %s: %w", from, err)
	}
	dir.Close()
	err = safefs.Rename(h.path(from), h.path(to))
	if errors.Is(err, syscall.EXDEV) {
		part := to + ".chatmaild-part"
		err = errors.Join(safefs.RemoveAll(h.path(part)), h.CopyTree(h, from, part, Owner{}))
		if err == nil {
			err = errors.Join(h.Sync(filepath.Dir(part)), safefs.Rename(h.path(part), h.path(to)))
		}
		if err == nil {
			err = safefs.RemoveAll(h.path(from))
		}
	}
	if err != nil {
		return fmt.Errorf("moving %s: %w", from, err)
	}
	return nil
}

// Rename gives what is at a path another name in its file system, replacing what
// has that name.
func (h Host) Rename(from, to string) error { return safefs.Rename(h.path(from), h.path(to)) }

// Remove removes a file or a link.
func (h Host) Remove(path string) error { return safefs.Remove(h.path(path)) }

// Symlink makes a link.
func (h Host) Symlink(target, path string) error { return safefs.Symlink(target, h.path(path)) }

// IsLink reports whether there is a link to target at path.
func (h Host) IsLink(path, target string) bool {
	got, err := safefs.Readlink(h.path(path))
	return err == nil && got == target
}

// Sync makes all that was written to the file system of a folder durable.
func (h Host) Sync(folder string) error {
	dir, err := safefs.OpenDir(h.path(folder))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.SyncAll()
}
