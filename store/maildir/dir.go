package maildir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Dir is an open directory. All that happens to the store happens relative to one and by a single name, so that no symbolic link and no renaming leads elsewhere.
type Dir struct{ FD int }

const openFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// OpenDir opens the directory at path, which may be a link.
func OpenDir(path string) (Dir, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Dir{}, fmt.Errorf("opening %s: %w", path, err)
	}
	return Dir{fd}, nil
}

// Open opens a directory in d.
func (d Dir) Open(name string) (Dir, error) {
	for {
		fd, err := unix.Openat(d.FD, name, openFlags, 0)
		if err != unix.EINTR {
			return Dir{fd}, err
		}
	}
}

// Close closes the directory.
func (d Dir) Close() { _ = unix.Close(d.FD) }

// Stat is fstatat(2), which follows no link.
func (d Dir) Stat(name string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(d.FD, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// Unlink removes a file.
func (d Dir) Unlink(name string) error { return unix.Unlinkat(d.FD, name, 0) }

// Rmdir removes an empty directory.
func (d Dir) Rmdir(name string) error { return unix.Unlinkat(d.FD, name, unix.AT_REMOVEDIR) }

// Lock takes the directory for this process, or says that another one has it.
func (d Dir) Lock() error { return unix.Flock(d.FD, unix.LOCK_EX|unix.LOCK_NB) }

// Gone reports whether err says that the name is not there any more: someone
// else moved or deleted it, which is not a fault.
func Gone(err error) bool { return err == unix.ENOENT }

// Foreign reports whether err says that the name is not a directory.
func Foreign(err error) bool { return err == unix.ENOTDIR || err == unix.ELOOP }

// IsRegular reports whether st is that of a file.
func IsRegular(st unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFREG }

// IsDir reports whether st is that of a directory.
func IsDir(st unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFDIR }

// Entry is one name in a directory. Its bytes are valid until the next read.
type Entry struct {
	Inode uint64
	Kind  uint8 // unix.DT_*
	Name  []byte
}

// Resolve finds out what an entry is on a file system that does not tell.
func (d Dir) Resolve(e *Entry) {
	if e.Kind != unix.DT_UNKNOWN {
		return
	}
	st, err := d.Stat(string(e.Name))
	switch {
	case err != nil: // stays unknown, and with that alone
	case IsRegular(st):
		e.Kind = unix.DT_REG
	case IsDir(st):
		e.Kind = unix.DT_DIR
	}
}

// direntBuffer bounds what one read takes of a directory, and with it the memory of
// a walk: some 700 names.
const direntBuffer = 64 << 10

// Reader reads a directory piece by piece; directories are read again and again with it.
type Reader struct {
	buf     []byte
	Entries []Entry
}

// Next returns the next entries of d, without "." and ".."; none at the end.
func (r *Reader) Next(d Dir) ([]Entry, error) {
	if r.buf == nil {
		r.buf = make([]byte, direntBuffer)
	}
	for {
		n, err := unix.ReadDirent(d.FD, r.buf)
		switch {
		case err == unix.EINTR:
			continue
		case Gone(err): // the directory itself was removed
			return nil, nil
		case err != nil:
			return nil, err
		case n == 0:
			return nil, nil
		}
		if r.Entries, err = parseDirents(r.buf[:n], r.Entries[:0]); err != nil {
			return nil, err
		}
		if len(r.Entries) > 0 {
			return r.Entries, nil
		}
	}
}

// The fixed part of struct linux_dirent64, getdents64(2).
const (
	direntReclen = 16
	direntType   = 18
	direntName   = 19
)

var errDirent = errors.New("the kernel's directory entries make no sense")

func parseDirents(b []byte, into []Entry) ([]Entry, error) {
	for len(b) > 0 {
		if len(b) < direntName {
			return into, errDirent
		}
		length := int(binary.NativeEndian.Uint16(b[direntReclen:]))
		if length < direntName || length > len(b) {
			return into, errDirent
		}
		name, _, _ := bytes.Cut(b[direntName:length], []byte{0})
		if s := string(name); s != "." && s != ".." {
			into = append(into, Entry{binary.NativeEndian.Uint64(b), b[direntType], name})
		}
		b = b[length:]
	}
	return into, nil
}
