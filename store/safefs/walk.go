package safefs

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// An Entry is something that a walk comes to.
type Entry struct {
	Dir  *Dir   // it is in this one, by its
	Name string // name
	Path string // as the path that was walked is called
	Info fs.FileInfo
}

// Walk calls visit for what is at path and, if that is a directory, for all that is
// below it, each directory before what is in it. Links are not followed. What goes away meanwhile is left out.
// A directory that OpenDir refuses ends the walk.
func Walk(path string, visit func(Entry) error) error {
	return at(path, func(d *Dir, name string) error {
		return walk(Entry{Dir: d, Name: name, Path: filepath.Clean(path)}, visit)
	})
}

func walk(e Entry, visit func(Entry) error) error {
	var err error
	if e.Info, err = e.Dir.Lstat(e.Name); err != nil {
		return gone(err)
	}
	if err := visit(e); err != nil || !e.Info.IsDir() {
		return err
	}
	sub, err := e.Dir.OpenDir(e.Name)
	if err != nil {
		return gone(err)
	}
	defer sub.Close()
	inside, err := sub.Names()
	if err != nil {
		return gone(err)
	}
	for _, name := range inside {
		if err := walk(Entry{Dir: sub, Name: name, Path: filepath.Join(e.Path, name)}, visit); err != nil {
			return err
		}
	}
	return nil
}

// gone takes an error away that only says that nothing is there any more.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
