// Package parcel is a mailbox on its way to another machine: a tar (pax) of its files and
// directories, byte for byte, with their times, which are those of the messages. It is
// read into an empty directory, and nothing in it leads elsewhere: it has neither links nor
// names outside of that directory.
package parcel

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Bounds of what is read. Dovecot makes two levels of directories.
const (
	maxFiles = 1 << 20
	maxDepth = 8
)

// bufferSize is that by which files are copied.
const bufferSize = 128 << 10

// Write writes the mailbox at path. Nobody else changes it meanwhile, but messages may be
// deleted.
func Write(w io.Writer, path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return fmt.Errorf("opening a mailbox: %w", reason(err))
	}
	defer root.Close()
	out, buffer := tar.NewWriter(w), make([]byte, bufferSize)
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case name == "." || !entry.IsDir() && !entry.Type().IsRegular():
			return nil
		}
		return writeEntry(out, root, name, buffer)
	})
	if err != nil {
		return fmt.Errorf("sending a mailbox: %w", reason(err))
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("sending a mailbox: %w", err)
	}
	return nil
}

func writeEntry(out *tar.Writer, root *os.Root, name string, buffer []byte) error {
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Format: tar.FormatPAX, Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime()}
	if info.IsDir() {
		header.Typeflag = tar.TypeDir
		return out.WriteHeader(header)
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, io.LimitReader(f, info.Size()), buffer)
	return err
}

// Read puts a mailbox into the directory at path, which is empty, and reads r to its end.
// It fails if there is more than limit bytes of files.
func Read(r io.Reader, path string, limit int64) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return fmt.Errorf("opening a new mailbox: %w", reason(err))
	}
	defer root.Close()
	in, buffer := tar.NewReader(r), make([]byte, bufferSize)
	for n := 0; ; n++ {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && n == maxFiles {
			err = fmt.Errorf("it has more than %d files", maxFiles)
		}
		if err == nil {
			limit -= header.Size
			if limit < 0 {
				err = errors.New("it is too large")
			}
		}
		if err == nil {
			err = readEntry(in, header, root, buffer)
		}
		if err != nil {
			return fmt.Errorf("receiving a mailbox: %w", reason(err))
		}
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(r, bufferSize)); err != nil {
		return fmt.Errorf("receiving a mailbox: %w", err)
	}
	return nil
}

// errEntry says that something cannot be in a mailbox. It does not say what.
var errEntry = errors.New("it has something that is no file or directory of a mailbox")

func readEntry(in *tar.Reader, header *tar.Header, root *os.Root, buffer []byte) error {
	name := strings.TrimSuffix(header.Name, "/")
	if !filepath.IsLocal(name) || filepath.Clean(name) != name || strings.Count(name, "/") >= maxDepth {
		return errEntry
	}
	const private = 0o700
	mode := fs.FileMode(header.Mode) & private
	switch header.Typeflag {
	case tar.TypeDir:
		return root.Mkdir(name, private)
	case tar.TypeReg:
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{f}, in, buffer)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		return root.Chtimes(name, time.Time{}, header.ModTime)
	}
	return errEntry
}

// reason takes the path, which names the account, out of a file error.
func reason(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
