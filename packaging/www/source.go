package www

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Bounds of the operator's directory.
const (
	maxFile  = 16 << 20 // bytes
	maxFiles = 1000
)

// Error shows what is wrong with a file of the site, and where.
type Error struct {
	File string
	Line int // 0: the file as a whole
	Text string
}

func (e *Error) Error() string { return e.Place() + ": " + e.Text }

// Place is the file, with the line if that is known.
func (e *Error) Place() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	return e.File
}

// source is the overlay of the operator's directory, our texts and our theme.
type source struct {
	layers []fs.FS // the first that has a file wins
	names  []string
}

func open(override fs.FS) (*source, error) {
	s := &source{}
	if override != nil {
		s.layers = append(s.layers, override)
	}
	for _, dir := range []string{"en", "theme"} {
		sub, err := fs.Sub(shipped, dir)
		if err != nil {
			return nil, fmt.Errorf("opening our own pages: %w", err)
		}
		s.layers = append(s.layers, sub)
	}
	for _, layer := range s.layers {
		if err := fs.WalkDir(layer, ".", s.add); err != nil {
			return nil, fmt.Errorf("reading the pages' directory: %w", err)
		}
	}
	slices.Sort(s.names)
	s.names = slices.Compact(s.names)
	return s, nil
}

// add notes one entry of a layer. Hidden files and editors' back-ups are nobody's
// pages; a link could lead out of the directory.
func (s *source) add(name string, entry fs.DirEntry, err error) error {
	hidden := name != "." && strings.HasPrefix(entry.Name(), ".")
	switch {
	case err != nil:
		return err
	case entry.IsDir() && hidden:
		return fs.SkipDir
	case !entry.Type().IsRegular() || hidden || strings.HasSuffix(name, "~"):
		return nil
	case len(s.names) >= maxFiles:
		return fmt.Errorf("more than %d files", maxFiles)
	}
	s.names = append(s.names, name)
	return nil
}

// Shipped returns our own file of that name, for an operator to start from.
func Shipped(name string) ([]byte, error) {
	src, err := open(nil)
	if err != nil {
		return nil, err
	}
	return src.read(name)
}

// Names returns the names of our own files.
func Names() []string {
	src, err := open(nil)
	if err != nil {
		return nil // what is embedded opens
	}
	return src.names
}

// replaces reports whether the operator has the one file, and only we have the other.
func (s *source) replaces(theirs, ours string) bool {
	layer := func(name string) int {
		return slices.IndexFunc(s.layers, func(layer fs.FS) bool {
			_, err := fs.Stat(layer, name)
			return err == nil
		})
	}
	first := layer(theirs)
	return first >= 0 && first < layer(ours)
}

func (s *source) read(name string) ([]byte, error) {
	for _, layer := range s.layers {
		info, err := fs.Stat(layer, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &Error{File: name, Text: err.Error()}
		}
		if info.Size() > maxFile {
			return nil, &Error{File: name, Text: fmt.Sprintf("%d bytes exceed the maximum of %d", info.Size(), maxFile)}
		}
		content, err := fs.ReadFile(layer, name)
		if err != nil {
			return nil, &Error{File: name, Text: err.Error()}
		}
		return content, nil
	}
	return nil, &Error{File: name, Text: "there is no such file"}
}
