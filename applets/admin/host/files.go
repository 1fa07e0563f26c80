package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/diff"

	"chatmaild/applets/admin/desired"
	"chatmaild/store/ids"
	"chatmaild/store/safefs"
)

// Change is a file that is not as it should be.
// It holds the former content in memory: what was there can be put back even if the disk
// is full by then.
type Change struct {
	File   desired.File
	Former []byte      // what it holds now
	Exists bool        // it is there now
	Mode   fs.FileMode // of the one there now
	Owner  string      // likewise
	Group  string
}

// Changes returns those of the wanted files that are not as they should be.
func (h Host) Changes(files []desired.File) ([]Change, error) {
	var changes []Change
	for _, f := range files {
		c, err := look(h.Tree, f)
		if err != nil {
			return nil, err
		}
		same := c.Exists == !f.Absent &&
			(f.Absent || bytes.Equal(c.Former, f.Content) && c.Mode == f.Mode && c.Owner == f.Owner && c.Group == f.Group)
		if !same {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// look reads what is at a path now.
func look(t Tree, f desired.File) (Change, error) {
	c := Change{File: f}
	path := behind(t, f.Path)
	info, err := safefs.Lstat(t.path(path))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("checking a file: %w", err)
	}
	// A link may be an operator's, and lead to a file that other programs have, too.
	if !info.Mode().IsRegular() {
		return c, fmt.Errorf("%s is not a regular file but %v: move it away, then try again", f.Path, info.Mode())
	}
	c.Exists, c.Mode = true, info.Mode().Perm()
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		c.Owner, c.Group = ids.User(stat.Uid), ids.Group(stat.Gid)
	}
	c.Former, err = safefs.ReadFile(t.path(path))
	if err != nil {
		return c, fmt.Errorf("reading a file: %w", err)
	}
	return c, nil
}

// Diff shows the change as diff -u does.
func (c Change) Diff() string {
	switch {
	case c.File.Absent:
		return fmt.Sprintf("remove %s\n", c.File.Path)
	case bytes.Equal(c.Former, c.File.Content) && c.Exists:
		return fmt.Sprintf("%s: %v %s:%s becomes %v %s:%s\n", c.File.Path,
			c.Mode, c.Owner, c.Group, c.File.Mode, c.File.Owner, c.File.Group)
	// A diff goes to terminals, and from there into bug reports.
	case c.File.Secret:
		return fmt.Sprintf("write %s (secret)\n", c.File.Path)
	case bytes.IndexByte(c.File.Content, 0) >= 0:
		return fmt.Sprintf("write %s (%d bytes, binary)\n", c.File.Path, len(c.File.Content))
	}
	before := c.File.Path
	if !c.Exists {
		before = "/dev/null"
	}
	return string(diff.Diff(before, c.Former, c.File.Path, c.File.Content))
}

// Write makes the file as it should be, atomically.
func (t Tree) Write(f desired.File) error {
	f.Path = behind(t, f.Path)
	if f.Absent {
		if err := safefs.Remove(t.path(f.Path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a file: %w", err)
		}
		return nil
	}
	dir, err := safefs.MkdirAll(filepath.Dir(t.path(f.Path)))
	if err != nil {
		return fmt.Errorf("creating a directory: %w", err)
	}
	defer dir.Close()
	if err := replace(t, dir, f); err != nil {
		return fmt.Errorf("writing %s: %w", f.Path, err)
	}
	return nil
}

// Chown gives a file that is there the owner and the mode of f, and leaves its time: for those
// who read it, it has not changed.
func Chown(t Tree, f desired.File) error {
	uid, gid, err := t.IDs(f.Owner, f.Group)
	if err != nil {
		return fmt.Errorf("giving %s to %s: %w", f.Path, f.Owner, err)
	}
	file, err := safefs.Open(t.path(f.Path))
	if err != nil {
		return fmt.Errorf("giving a file to %s: %w", f.Owner, err)
	}
	defer file.Close()
	if err := errors.Join(file.Chown(uid, gid), file.Chmod(f.Mode)); err != nil {
		return fmt.Errorf("giving a file to %s: %w", f.Owner, err)
	}
	return nil
}

// replace writes a temporary file beside the wanted one and renames it. The
// name's suffix is one that none of the servers takes for a configuration.
func replace(t Tree, dir *safefs.Dir, f desired.File) (err error) {
	uid, gid, err := t.IDs(f.Owner, f.Group)
	if err != nil {
		return err
	}
	base := filepath.Base(f.Path)
	tmp, name, err := safefs.CreateTemp(dir, "."+base+"-*.chatmaild-tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = dir.Remove(name)
		}
	}()
	_, err = tmp.Write(f.Content)
	err = errors.Join(err, tmp.Chown(uid, gid), tmp.Chmod(f.Mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return dir.Rename(name, dir, base)
}

// Keep copies what changes now hold below directory, under their full paths.
func (h Host) Keep(directory string, changes []Change) error {
	for _, c := range changes {
		if !c.Exists {
			continue
		}
		kept := desired.File{
			Path: filepath.Join(directory, c.File.Path), Content: c.Former,
			Mode: c.Mode, Owner: c.Owner, Group: c.Group,
		}
		if err := h.Write(kept); err != nil {
			return fmt.Errorf("keeping the previous %s: %w", c.File.Path, err)
		}
	}
	return nil
}

// Undo puts everything back to where it was before changes were written.
func (h Host) Undo(changes []Change) error {
	var errs []error
	for _, c := range changes {
		errs = append(errs, h.Write(desired.File{
			Path: c.File.Path, Absent: !c.Exists, Content: c.Former,
			Mode: c.Mode, Owner: c.Owner, Group: c.Group,
		}))
	}
	return errors.Join(errs...)
}

// IDs looks the names up; below a Root of its own, files belong to the user we run as.
func (t Tree) IDs(user, group string) (uid, gid int, err error) {
	if t.Root != "" {
		return os.Getuid(), os.Getgid(), nil
	}
	if uid, err = ids.UID(user); err != nil {
		return 0, 0, err
	}
	gid, err = ids.GID(group)
	return uid, gid, err
}

// ReadFile reads a whole file of the machine.
func (t Tree) ReadFile(path string) ([]byte, error) {
	return safefs.ReadFile(t.path(path))
}

// Glob returns the paths of the machine that match pattern.
func (t Tree) Glob(pattern string) ([]string, error) {
	found, err := filepath.Glob(t.path(pattern))
	for i, name := range found {
		found[i] = filepath.Join("/", strings.TrimPrefix(name, t.Root))
	}
	return found, err
}

// File reads a file of the machine with its owner and mode.
func File(t Tree, path string) (desired.File, error) {
	c, err := look(t, desired.File{Path: path})
	if err == nil && !c.Exists {
		err = fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return desired.File{Path: path, Content: c.Former, Mode: c.Mode, Owner: c.Owner, Group: c.Group, Secret: true}, err
}
