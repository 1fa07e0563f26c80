package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"chatmaild/store/ids"
	"chatmaild/store/safefs"
)

// Owner is whom a copied tree belongs to; the zero value leaves everything to
// whom it belonged.
type Owner struct{ User, Group string }

// CopyTree copies a file, a link or a directory with all that is in it, from a path of
// one machine to a path of this one: modes, times and, unless owner says otherwise,
// owners too. What exists stays, so that a copy that was interrupted can
// be resumed: a file is there as a whole or not at all. Sockets and devices are left
// out.
func (t Tree) CopyTree(source Tree, from, to string, owner Owner) error {
	c := copier{uid: -1, gid: -1, keep: owner == Owner{} && t.Root == ""}
	err := c.tree(t, source.path(from), t.path(to), owner)
	if err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return nil
}

// A copier copies by descriptors: both ends may be where another user can write.
type copier struct {
	uid, gid int
	keep     bool // the owners
}

// tree copies from one path to another, for the owner if there is one.
func (c *copier) tree(t Tree, from, to string, owner Owner) (err error) {
	if owner != (Owner{}) {
		if c.uid, c.gid, err = t.IDs(owner.User, owner.Group); err != nil {
			return err
		}
	}
	source, err := safefs.OpenDir(filepath.Dir(from))
	if err != nil {
		return err
	}
	defer source.Close()
	dest, err := safefs.MkdirAll(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer dest.Close()
	return c.copy(source, filepath.Base(from), dest, filepath.Base(to))
}

// ids are those of a copy.
func (c *copier) ids(info fs.FileInfo) (uid, gid int) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && c.keep {
		return int(stat.Uid), int(stat.Gid)
	}
	return c.uid, c.gid
}

// copy copies one entry, whatever it is; sockets and devices are skipped.
func (c *copier) copy(from *safefs.Dir, name string, to *safefs.Dir, newName string) error {
	info, err := from.Lstat(name)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		return c.dir(from, name, to, newName)
	case info.Mode().Type() == fs.ModeSymlink:
		return c.link(from, name, info, to, newName)
	case info.Mode().IsRegular():
		return c.file(from, name, to, newName)
	}
	return nil
}

func (c *copier) dir(from *safefs.Dir, name string, to *safefs.Dir, newName string) error {
	source, err := from.OpenDir(name)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Lstat(".")
	if err != nil {
		return err
	}
	// An earlier, interrupted copy may have made it; what is missing in it is added.
	dest, err := to.Mkdir(newName)
	if errors.Is(err, fs.ErrExist) {
		dest, err = to.OpenDir(newName)
	}
	if err != nil {
		return err
	}
	defer dest.Close()
	inside, err := source.Names()
	if err != nil {
		return err
	}
	for _, name := range inside {
		if err := c.copy(source, name, dest, name); err != nil {
			return err
		}
	}
	uid, gid := c.ids(info)
	// The time is right only after what is in it.
	return errors.Join(safefs.Chown(dest, uid, gid, dirMode(info)), safefs.SetDirTime(dest, info.ModTime()))
}

func dirMode(info fs.FileInfo) fs.FileMode { return info.Mode().Perm() | info.Mode()&fs.ModeSetgid }

// link copies a link that is ours, or root's: as a copy of ours it would be followed.
func (c *copier) link(from *safefs.Dir, name string, info fs.FileInfo, to *safefs.Dir, newName string) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return &safefs.UnsafeError{Path: filepath.Join(from.Path(), name), Why: "is a symbolic link that belongs to " + ids.User(stat.Uid)}
	}
	target, err := from.Readlink(name)
	if err != nil || target == "" { // it went in this moment
		return err
	}
	if err := to.Symlink(target, newName); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// file writes under a temporary name: a file at its place is whole.
func (c *copier) file(from *safefs.Dir, name string, to *safefs.Dir, newName string) (err error) {
	// A file has its name only once it is whole, so there is nothing to compare.
	if _, err := to.Lstat(newName); err == nil {
		return nil
	}
	in, err := from.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	tmp, temp, err := safefs.CreateTemp(to, ".copy-*.chatmaild-tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = to.Remove(temp)
		}
	}()
	uid, gid := c.ids(info)
	_, err = io.Copy(tmp, in)
	err = errors.Join(err, tmp.Chown(uid, gid), tmp.Chmod(info.Mode().Perm()), safefs.SetTime(tmp, info.ModTime()), tmp.Close())
	if err != nil {
		return err
	}
	return to.Rename(temp, to, newName)
}
