package safefs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The functions below do what those of package os with their names do.

// Open opens a regular file for reading.
func Open(path string) (*os.File, error) {
	return in(path, true, (*Dir).Open)
}

// OpenAny opens a regular file or a directory for reading. follow says what becomes of a
// link at the path itself.
func OpenAny(path string, follow bool) (*os.File, error) { return in(path, follow, (*Dir).OpenAny) }

// ReadFile reads a whole regular file.
func ReadFile(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Lstat looks at what is at path, also at a link.
func Lstat(path string) (fs.FileInfo, error) { return in(path, false, (*Dir).Lstat) }

// Stat looks at what is at path, or where a link there leads.
func Stat(path string) (fs.FileInfo, error) { return in(path, true, (*Dir).Lstat) }

// ReadNames returns the names in a directory, sorted.
func ReadNames(path string) ([]string, error) {
	d, err := OpenDir(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Names()
}

// Readlink returns what the link at path says; "" if there is none.
func Readlink(path string) (string, error) { return in(path, false, (*Dir).Readlink) }

// Remove removes what is at path, unless it is a directory with something in it.
func Remove(path string) error { return at(path, (*Dir).Remove) }

// RemoveAll removes what is at path with all that is in it, if it is there.
func RemoveAll(path string) error {
	err := at(path, (*Dir).RemoveAll)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Symlink makes a link.
func Symlink(target, path string) error {
	return at(path, func(d *Dir, name string) error { return d.Symlink(target, name) })
}

// Rename gives what is at a path another one, in place of what is there.
func Rename(from, to string) error {
	return at(from, func(d *Dir, name string) error {
		return at(to, func(into *Dir, newName string) error { return d.Rename(name, into, newName) })
	})
}

// MkdirAll creates a directory and its parents, and opens it. What it creates is ours,
// with mode 0755.
func MkdirAll(path string) (*Dir, error) {
	d, err := OpenDir(path)
	if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(path) == path {
		return d, err
	}
	above, err := MkdirAll(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer above.Close()
	made, err := above.Mkdir(filepath.Base(path))
	if errors.Is(err, fs.ErrExist) {
		return above.OpenDir(filepath.Base(path))
	}
	if err == nil {
		err = Chown(made, -1, -1, 0o755)
	}
	return made, err
}

// in does something to what is at a path, or where a link there leads.
func in[T any](path string, follow bool, do func(*Dir, string) (T, error)) (result T, err error) {
	d, name, err := locate(path, follow)
	if err != nil {
		return result, err
	}
	defer d.Close()
	return do(d, name)
}

// at does something to what is at a path.
func at(path string, do func(*Dir, string) error) error {
	d, name, err := locate(path, false)
	if err != nil {
		return err
	}
	defer d.Close()
	return do(d, name)
}
