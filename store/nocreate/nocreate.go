// Package nocreate is the emergency brake: a file that forbids new accounts while it
// exists (nocreate_file). Where a link is at its path, as in the read-only root of a
// container's image, what the link leads to is the file.
package nocreate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Pulled reports whether the file exists. If that cannot be told, the error says why, and
// no account must be created.
func Pulled(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("looking for the nocreate file: %w", err)
	}
	return true, nil
}

// Pull makes the file. One that is there keeps what an operator may have written into it.
func Pull(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// Release removes the file; there need not be one.
func Release(path string) error {
	if err := os.Remove(Place("", path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Place is where the file is, on the machine whose files are below root: at path, or where
// a link there leads.
func Place(root, path string) string {
	target, err := os.Readlink(filepath.Join(root, path))
	switch {
	case err != nil: // it is no link
		return path
	case filepath.IsAbs(target):
		return filepath.Clean(target)
	}
	return filepath.Join(filepath.Dir(path), target)
}
