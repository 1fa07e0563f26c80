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

	"chatmaild/applets/admin/wanted"
	"chatmaild/store/safefs"
)

// PutBack makes every file and link below the folder kept be again what is kept of
// it there, under its full path. What is not kept stays. It returns the paths that
// it changed.
func (h Host) PutBack(kept string) (changed []string, err error) {
	root := h.path(kept)
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
			return h.folderBack(path, info)
		case entry.Type() == fs.ModeSymlink:
			did, err = h.linkBack(name, path)
		default:
			did, err = h.fileBack(name, path, info)
		}
		if did {
			changed = append(changed, path)
		}
		return err
	})
	if err != nil {
		return changed, fmt.Errorf("putting back what is kept in %s: %w", kept, err)
	}
	return changed, nil
}

// folderBack makes a folder that has gone; one that is there is not ours alone.
func (h Host) folderBack(path string, info fs.FileInfo) error {
	if there, err := h.Exists(path); err != nil || there {
		return err
	}
	uid, gid := h.ownerIDs(info)
	dir, err := safefs.MkdirAll(h.path(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Own(uid, gid, folderMode(info))
}

func (h Host) linkBack(kept, path string) (bool, error) {
	target, err := os.Readlink(kept)
	if err != nil || h.IsLink(path, target) {
		return false, err
	}
	if err := safefs.Remove(h.path(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, safefs.Symlink(target, h.path(path))
}

func (h Host) fileBack(kept, path string, info fs.FileInfo) (bool, error) {
	content, err := os.ReadFile(kept)
	if err != nil {
		return false, err
	}
	now, err := safefs.Lstat(h.path(path))
	if err == nil && now.Mode() == info.Mode() && sameOwner(now, info) {
		text, err := safefs.ReadFile(h.path(path))
		if err != nil || bytes.Equal(text, content) {
			return false, err
		}
	}
	uid, gid := h.ownerIDs(info)
	return true, h.Write(wanted.File{
		Path: path, Content: content, Mode: info.Mode().Perm(), Owner: fmt.Sprint(uid), Group: fmt.Sprint(gid),
	})
}

func (h Host) ownerIDs(info fs.FileInfo) (uid, gid int) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && h.Root == "" {
		return int(stat.Uid), int(stat.Gid)
	}
	return os.Getuid(), os.Getgid()
}

func sameOwner(a, b fs.FileInfo) bool {
	x, ok1 := a.Sys().(*syscall.Stat_t)
	y, ok2 := b.Sys().(*syscall.Stat_t)
	return ok1 && ok2 && x.Uid == y.Uid && x.Gid == y.Gid
}

// Files returns the paths of all files and links at or below a path of the machine.
func (h Host) Files(path string) (names []string, err error) {
	err = safefs.Walk(h.path(path), func(e safefs.Entry) error {
		if !e.Info.IsDir() {
			names = append(names, filepath.Join("/", strings.TrimPrefix(e.Path, filepath.Clean(h.Root+"/"))))
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return names, err
}
