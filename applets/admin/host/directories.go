package host

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"chatmaild/applets/admin/desired"
	"chatmaild/store/ids"
	"chatmaild/store/safefs"
)

// DirectoryChanges returns those of the wanted directories that are missing or belong
// to another user.
func (h Host) DirectoryChanges(dirs []desired.Directory) ([]desired.Directory, error) {
	var changes []desired.Directory
	for _, f := range dirs {
		info, err := safefs.Stat(h.path(f.Path))
		if errors.Is(err, fs.ErrNotExist) {
			changes = append(changes, f)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("checking a directory: %w", err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !info.IsDir() || !ok {
			return nil, fmt.Errorf("%s is not a directory: move it away, then try again", f.Path)
		}
		if info.Mode()&(fs.ModePerm|fs.ModeSetgid) != f.Mode || ids.User(stat.Uid) != f.Owner || ids.Group(stat.Gid) != f.Group {
			changes = append(changes, f)
		}
	}
	return changes, nil
}

// MakeDirectory makes the directory as it should be. Directories above it belong to root.
func (t Tree) MakeDirectory(f desired.Directory) error {
	uid, gid, err := t.IDs(f.Owner, f.Group)
	if err != nil {
		return fmt.Errorf("creating %s: %w", f.Path, err)
	}
	dir, err := safefs.MkdirAll(t.path(f.Path))
	if err != nil {
		return fmt.Errorf("creating a directory: %w", err)
	}
	defer dir.Close()
	if err := safefs.Chown(dir, uid, gid, f.Mode); err != nil {
		return fmt.Errorf("creating a directory: %w", err)
	}
	return nil
}
