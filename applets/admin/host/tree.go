package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"chatmaild/store/safefs"
)

// A Tree is the files of a machine, or a copy of them. The zero value is that of the
// machine that we run on.
type Tree struct {
	// Root stands in front of every path.
	Root string
}

// path is where a path of the machine really is.
func (t Tree) path(p string) string { return filepath.Join(t.Root, p) }

// imageRoot is where the links lead that a container's image has in its read-only root, in
// place of files that run writes (packaging/container).
const imageRoot = "/run/root/"

// behind is a path, or where the image's link at it leads: to the same path below imageRoot.
func behind(t Tree, path string) string {
	to, err := os.Readlink(t.path(path))
	if err == nil && to == filepath.Join(imageRoot, path) {
		return to
	}
	return path
}

// Names returns the names in a directory of the machine, sorted; none if there is no
// such directory.
func (t Tree) Names(directory string) ([]string, error) {
	names, err := safefs.ReadNames(t.path(directory))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// Exists reports whether there is something at path, be it a link to nowhere.
func (t Tree) Exists(path string) (bool, error) {
	_, err := safefs.Lstat(t.path(path))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	return err == nil, err
}

// IsFile reports whether a regular file, no link, is at path.
func (t Tree) IsFile(path string) bool {
	info, err := safefs.Lstat(t.path(path))
	return err == nil && info.Mode().IsRegular()
}

// reaches reports whether there is something at path, or where a link there leads.
func (t Tree) reaches(path string) bool {
	_, err := safefs.Stat(t.path(path))
	return err == nil
}

// Move moves a file, a link or a directory, to another file system too. It refuses to
// replace anything; a path with nothing at it has been moved already.
func (t Tree) Move(from, to string) error {
	there, err := t.Exists(from)
	if err != nil || !there {
		return err
	}
	if taken, err := t.Exists(to); err != nil || taken {
		return errors.Join(err, fmt.Errorf("moving %s: %s exists", from, to))
	}
	dir, err := safefs.MkdirAll(filepath.Dir(t.path(to)))
	if err != nil {
		return fmt.Errorf("moving %s: %w", from, err)
	}
	dir.Close()
	// Another file system: copied beside its place, synced and only then renamed, and the
	// original goes last, so that at any moment one of the two is whole.
	err = safefs.Rename(t.path(from), t.path(to))
	if errors.Is(err, syscall.EXDEV) {
		part := to + ".chatmaild-part"
		err = errors.Join(safefs.RemoveAll(t.path(part)), t.CopyTree(t, from, part, Owner{}))
		if err == nil {
			err = errors.Join(t.Sync(filepath.Dir(part)), safefs.Rename(t.path(part), t.path(to)))
		}
		if err == nil {
			err = safefs.RemoveAll(t.path(from))
		}
	}
	if err != nil {
		return fmt.Errorf("moving %s: %w", from, err)
	}
	return nil
}

// MoveBack moves what Move has moved to where it was. What is not there has been moved
// back already.
func (t Tree) MoveBack(moved, to string) error {
	there, err := t.Exists(moved)
	if err != nil || !there {
		return err
	}
	return t.Move(moved, to)
}

// Rename gives what is at a path another name in its file system, replacing what
// has that name.
func (t Tree) Rename(from, to string) error { return safefs.Rename(t.path(from), t.path(to)) }

// Remove removes a file or a link.
func (t Tree) Remove(path string) error { return safefs.Remove(t.path(path)) }

// Symlink makes a link.
func (t Tree) Symlink(target, path string) error { return safefs.Symlink(target, t.path(path)) }

// IsLink reports whether there is a link to target at path.
func (t Tree) IsLink(path, target string) bool {
	got, err := safefs.Readlink(t.path(path))
	return err == nil && got == target
}

// Sync makes all that was written to the file system of a directory durable.
func (t Tree) Sync(directory string) error {
	dir, err := safefs.OpenDir(t.path(directory))
	if err != nil {
		return err
	}
	defer dir.Close()
	return safefs.SyncAll(dir)
}
