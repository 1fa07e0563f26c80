package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Names returns the names in a folder of the machine, sorted; none if there is no
// such folder.
func (h Host) Names(folder string) ([]string, error) {
	f, err := os.Open(h.path(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// Exists reports whether there is something at path, be it a link to nowhere.
func (h Host) Exists(path string) (bool, error) {
	_, err := os.Lstat(h.path(path))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	return err == nil, err
}

// IsFile reports whether a regular file, no link, is at path.
func (h Host) IsFile(path string) bool {
	info, err := os.Lstat(h.path(path))
	return err == nil && info.Mode().IsRegular()
}

// reaches reports whether there is something at path, or where a link there leads.
func (h Host) reaches(path string) bool {
	_, err := os.Stat(h.path(path))
	return err == nil
}

// Owner is whom a copied tree belongs to; the zero value leaves everything to
// whom it belonged.
type Owner struct{ User, Group string }

// CopyTree copies a file, a link or a folder with all that is in it, from a path of
// one machine to a path of this one: modes, times and, unless owner says otherwise,
// owners too. What is there already stays, so that a copy that was interrupted can
// be resumed: a file is there as a whole or not at all. Sockets and devices are left
// out.
func (h Host) CopyTree(source Host, from, to string, owner Owner) error {
	uid, gid := -1, -1
	if owner != (Owner{}) {
		var err error
		if uid, gid, err = h.ids(owner.User, owner.Group); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(h.path(to)), 0o755); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	var folders []func() error // their times are right only after what is in them
	err := filepath.WalkDir(source.path(from), func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source.path(from), name)
		if err != nil {
			return err
		}
		dest := filepath.Join(h.path(to), rel)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		uid, gid := uid, gid
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && uid < 0 && h.Root == "" {
			uid, gid = int(stat.Uid), int(stat.Gid)
		}
		switch {
		case entry.IsDir():
			folders = append(folders, func() error { return os.Chtimes(dest, time.Time{}, info.ModTime()) })
			return makeFolder(dest, info.Mode(), uid, gid)
		case entry.Type() == fs.ModeSymlink:
			return copyLink(name, dest, uid, gid)
		case entry.Type().IsRegular():
			return copyFile(name, dest, info, uid, gid)
		}
		return nil
	})
	for i := len(folders) - 1; i >= 0 && err == nil; i-- {
		err = folders[i]()
	}
	if err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return nil
}

func makeFolder(path string, mode fs.FileMode, uid, gid int) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return errors.Join(os.Chown(path, uid, gid), os.Chmod(path, mode.Perm()|mode&fs.ModeSetgid))
}

func copyLink(from, to string, uid, gid int) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.Symlink(target, to); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return os.Lchown(to, uid, gid)
}

func copyFile(from, to string, info fs.FileInfo, uid, gid int) (err error) {
	if _, err := os.Lstat(to); err == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	tmp, err := os.CreateTemp(filepath.Dir(to), ".copy-*.chatmaild-tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	_, err = io.Copy(tmp, in)
	err = errors.Join(err, tmp.Chown(uid, gid), tmp.Chmod(info.Mode().Perm()), tmp.Close())
	if err == nil {
		err = os.Chtimes(tmp.Name(), time.Time{}, info.ModTime())
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), to)
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
	if err := os.MkdirAll(filepath.Dir(h.path(to)), 0o755); err != nil {
		return fmt.Errorf("moving %s: %w", from, err)
	}
	err = os.Rename(h.path(from), h.path(to))
	if errors.Is(err, syscall.EXDEV) {
		part := to + ".chatmaild-part"
		err = errors.Join(os.RemoveAll(h.path(part)), h.CopyTree(h, from, part, Owner{}))
		if err == nil {
			err = errors.Join(h.Sync(part), os.Rename(h.path(part), h.path(to)))
		}
		if err == nil {
			err = os.RemoveAll(h.path(from))
		}
	}
	if err != nil {
		return fmt.Errorf("moving %s: %w", from, err)
	}
	return nil
}

// Rename gives what is at a path another name in its file system, replacing what
// has that name.
func (h Host) Rename(from, to string) error { return os.Rename(h.path(from), h.path(to)) }

// Remove removes a file or a link.
func (h Host) Remove(path string) error { return os.Remove(h.path(path)) }

// Symlink makes a link.
func (h Host) Symlink(target, path string) error { return os.Symlink(target, h.path(path)) }

// IsLink reports whether there is a link to target at path.
func (h Host) IsLink(path, target string) bool {
	got, err := os.Readlink(h.path(path))
	return err == nil && got == target
}

// Sync makes all that was written to the file system of path durable.
func (h Host) Sync(path string) error {
	f, err := os.Open(h.path(path))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("syncing the file system of %s: %w", path, err)
	}
	return nil
}
