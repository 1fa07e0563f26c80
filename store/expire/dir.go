package expire

import (
	"bytes"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// dir is an open folder. All that happens to the store happens relative to one
// and by a single name, so that no symbolic link and no renaming leads elsewhere.
type dir struct{ fd int }

const openFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

func (d dir) open(name string) (dir, error) {
	for {
		fd, err := unix.Openat(d.fd, name, openFlags, 0)
		if err != unix.EINTR {
			return dir{fd}, err
		}
	}
}

func (d dir) close() { _ = unix.Close(d.fd) }

func (d dir) stat(name string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

func (d dir) unlink(name string) error { return unix.Unlinkat(d.fd, name, 0) }
func (d dir) rmdir(name string) error  { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) }

// lock takes the folder for this process, or says that another one has it.
func (d dir) lock() error { return unix.Flock(d.fd, unix.LOCK_EX|unix.LOCK_NB) }

// gone reports whether err says that the name is not there any more: somebody
// else moved or deleted it, which is no fault.
func gone(err error) bool { return err == unix.ENOENT }

// foreign reports whether err says that the name is no folder.
func foreign(err error) bool { return err == unix.ENOTDIR || err == unix.ELOOP }

func isRegular(st unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFREG }
func isDir(st unix.Stat_t) bool     { return st.Mode&unix.S_IFMT == unix.S_IFDIR }

// entry is one name in a folder. Its octets are valid until the next read.
type entry struct {
	inode uint64
	kind  uint8 // unix.DT_*
	name  []byte
}

// resolve finds out what an entry is on a file system that does not tell.
func (d dir) resolve(e *entry) {
	if e.kind != unix.DT_UNKNOWN {
		return
	}
	st, err := d.stat(string(e.name))
	switch {
	case err != nil: // stays unknown, and with that alone
	case isRegular(st):
		e.kind = unix.DT_REG
	case isDir(st):
		e.kind = unix.DT_DIR
	}
}

// direntBuffer bounds what one read takes of a folder, and with it the memory of
// a walk: some 700 names.
const direntBuffer = 64 << 10

// reader reads a folder piece by piece; folders are read again and again with it.
type reader struct {
	buf     []byte
	entries []entry
}

// next returns the next entries of d, without "." and ".."; none at the end.
func (r *reader) next(d dir) ([]entry, error) {
	if r.buf == nil {
		r.buf = make([]byte, direntBuffer)
	}
	for {
		n, err := unix.ReadDirent(d.fd, r.buf)
		switch {
		case err == unix.EINTR:
			continue
		case gone(err): // the folder itself was removed
			return nil, nil
		case err != nil:
			return nil, err
		case n == 0:
			return nil, nil
		}
		if r.entries, err = parseDirents(r.buf[:n], r.entries[:0]); err != nil {
			return nil, err
		}
		if len(r.entries) > 0 {
			return r.entries, nil
		}
	}
}

// The fixed part of struct linux_dirent64, getdents64(2).
const (
	direntReclen = 16
	direntType   = 18
	direntName   = 19
)

var errDirent = errors.New("the kernel's folder entries make no sense")

func parseDirents(b []byte, into []entry) ([]entry, error) {
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
			into = append(into, entry{binary.NativeEndian.Uint64(b), b[direntType], name})
		}
		b = b[length:]
	}
	return into, nil
}
