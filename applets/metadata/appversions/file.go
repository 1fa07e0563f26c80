package appversions

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// A File is the operator's file, which may change at any time.
type File struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex
	seen  fs.FileInfo // of what was read last; nil: there was no file
	value string
	fault string // what the log has heard of last
}

// Follow returns the file at path, read once.
func Follow(path string, log *slog.Logger) *File {
	f := &File{path: path, log: log}
	f.Value()
	return f
}

// Value returns the METADATA entry, or "" if there never was a good file. A file that has
// changed is read again; as long as it is broken or gone, its last good content counts.
func (f *File) Value() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err == nil && f.seen != nil && same(info, f.seen) {
		return f.value
	}
	f.seen = info
	var index Index
	if err == nil {
		index, err = read(f.path)
	}
	if err != nil {
		if f.fault != err.Error() {
			f.log.Error("appversions_file cannot be announced; clients still get the last valid one", "error", err)
		}
		f.fault = err.Error()
		return f.value
	}
	f.value, f.fault = index.Value(), ""
	return f.value
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// Check reads the file at path below root as the metadata daemon, a user without rights,
// could.
func Check(root, path string) (Index, error) {
	index, err := read(filepath.Join(root, path))
	if err != nil {
		return index, err
	}
	need := fs.FileMode(0o004)
	for at := path; ; at, need = filepath.Dir(at), 0o001 {
		info, err := os.Stat(filepath.Join(root, at))
		if err != nil {
			return index, err
		}
		if info.Mode()&need == 0 {
			return index, fmt.Errorf("%s: the metadata daemon cannot read it (mode %v): want it readable by everyone", at, info.Mode())
		}
		if at == filepath.Dir(at) {
			return index, nil
		}
	}
}

// read takes regular files only: opening a FIFO would wait for a writer.
func read(path string) (Index, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Index{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Index{}, err
	}
	if !info.Mode().IsRegular() {
		return Index{}, &fs.PathError{Op: "reading", Path: path, Err: errors.New("it is not a regular file")}
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return Index{}, err
	}
	index, err := Parse(text)
	if err != nil {
		return Index{}, fmt.Errorf("%s: %w", path, err)
	}
	return index, nil
}
