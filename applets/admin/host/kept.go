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

	"chatmaild/applets/admin/desired"
	"chatmaild/store/safefs"
)

// PutBack makes every file and link below the directory kept be again what is kept of
// it there, under its full path. What is not kept stays. It returns the paths that
// it changed.
func (t Tree) PutBack(kept string) (changed []string, err error) {
	root := t.path(kept)
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil || rel == "." {
			return err
		}
		path := filepath.Join("/", rel)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		var did bool
		switch {
		case entry.IsDir():
			return dirBack(t, path, info)
		case entry.Type() == fs.ModeSymlink:
			did, err = linkBack(t, name, path)
		default:
			did, err = fileBack(t, name, path, info)
		}
		if did {
			changed = append(changed, path)
		}
		return err
	})
	if err != nil {
		return changed, fmt.Errorf("restoring the files in %s: %w", kept, err)
	}
	return changed, nil
}

// dirBack makes a directory that has gone; one that is there is not ours alone.
func dirBack(t Tree, path string, info fs.FileInfo) error {
	if there, err := t.Exists(path); err != nil || there {
		return err
	}
	return makeLike(t, path, info)
}

// makeLike makes a directory that need not be there, with the owner and the mode of another.
func makeLike(t Tree, path string, info fs.FileInfo) error {
	uid, gid := ownerIDs(t, info)
	dir, err := safefs.MkdirAll(t.path(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return safefs.Chown(dir, uid, gid, dirMode(info))
}

// GiveBack gives a directory that PutBack leaves alone to the one whose it was when it was
// kept. One that is not kept stays.
func GiveBack(t Tree, kept, path string) error {
	info, err := safefs.Lstat(t.path(filepath.Join(kept, path)))
	if err == nil {
		err = makeLike(t, path, info)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("giving %s back: %w", path, err)
	}
	return nil
}

// linkBack restores a link, and reports whether it differed.
func linkBack(t Tree, kept, path string) (bool, error) {
	target, err := os.Readlink(kept)
	if err != nil || t.IsLink(path, target) {
		return false, err
	}
	if err := safefs.Remove(t.path(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, safefs.Symlink(target, t.path(path))
}

// fileBack restores a file with owner and mode, and reports whether it differed.
func fileBack(t Tree, kept, path string, info fs.FileInfo) (bool, error) {
	content, err := os.ReadFile(kept)
	if err != nil {
		return false, err
	}
	now, err := safefs.Lstat(t.path(path))
	if err == nil && now.Mode() == info.Mode() && sameOwner(now, info) {
		text, err := safefs.ReadFile(t.path(path))
		if err != nil || bytes.Equal(text, content) {
			return false, err
		}
	}
	uid, gid := ownerIDs(t, info)
	return true, t.Write(desired.File{
		Path: path, Content: content, Mode: info.Mode().Perm(), Owner: fmt.Sprint(uid), Group: fmt.Sprint(gid),
	})
}

// ownerIDs are the numbers of a kept file's owner; below a Root of its own, those of the
// user we run as.
func ownerIDs(t Tree, info fs.FileInfo) (uid, gid int) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && t.Root == "" {
		return int(stat.Uid), int(stat.Gid)
	}
	return os.Getuid(), os.Getgid()
}

// sameOwner compares numbers: names can be missing.
func sameOwner(a, b fs.FileInfo) bool {
	x, ok1 := a.Sys().(*syscall.Stat_t)
	y, ok2 := b.Sys().(*syscall.Stat_t)
	return ok1 && ok2 && x.Uid == y.Uid && x.Gid == y.Gid
}

// Files returns the paths of all files and links at or below a path of the machine.
func (t Tree) Files(path string) (names []string, err error) {
	err = safefs.Walk(t.path(path), func(e safefs.Entry) error {
		if !e.Info.IsDir() {
			names = append(names, filepath.Join("/", strings.TrimPrefix(e.Path, filepath.Clean(t.Root+"/"))))
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return names, err
}
