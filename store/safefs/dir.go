package safefs

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// An UnsafeError says why a path is not touched.
type UnsafeError struct {
	Path string
	Why  string
}

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("%s %s: find out who put it there, and remove it", e.Path, e.Why)
}

// A Dir is an open directory. It stays the same one whatever becomes of its name.
type Dir struct {
	f    *os.File // opened with O_PATH: to search a directory one need not read it
	path string   // without links
	st   unix.Stat_t
}

// OpenDir opens the directory at path.
func OpenDir(path string) (*Dir, error) {
	parent, name, err := locate(path, true)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	return parent.OpenDir(name)
}

// OpenDir opens a directory in d.
func (d *Dir) OpenDir(name string) (*Dir, error) {
	f, st, err := d.at(name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	if why := objection(d, st); why != "" {
		f.Close()
		return nil, &UnsafeError{f.Name(), why}
	}
	return &Dir{f, f.Name(), *st}, nil
}

// newDir takes an open directory over.
func newDir(fd int, path string) (*Dir, error) {
	d := &Dir{f: os.NewFile(uintptr(fd), path), path: path}
	if err := unix.Fstat(fd, &d.st); err != nil {
		d.Close()
		return nil, d.fail("stat", "", err)
	}
	return d, nil
}

// Close closes the directory.
func (d *Dir) Close() error { return d.f.Close() }

// Path is where the directory was when it was opened.
func (d *Dir) Path() string { return d.path }

// Owner returns the owner of the directory when it was opened.
func (d *Dir) Owner() (uid, gid int) { return int(d.st.Uid), int(d.st.Gid) }

// Fd is a descriptor for the *at system calls (O_PATH of open(2)).
func (d *Dir) Fd() int { return int(d.f.Fd()) }

func join(d *Dir, name string) string { return filepath.Join(d.path, name) }

// at opens name in d, whatever it is, and looks at it.
func (d *Dir) at(name string, flags int) (*os.File, *unix.Stat_t, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(d.Fd(), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, nil, d.fail("open", name, err)
	}
	f := os.NewFile(uintptr(fd), join(d, name))
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		f.Close()
		return nil, nil, d.fail("stat", name, err)
	}
	return f, &st, nil
}

func (d *Dir) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: join(d, name), Err: err}
}

func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// trusted reports whether what a user does is not a threat: root, and the one we are.
func trusted(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// private reports whether only users that are trusted can make entries in d.
func private(d *Dir) bool {
	writable := d.st.Mode & 0o022
	if d.st.Gid == 0 {
		writable &^= 0o020
	}
	return trusted(d.st.Uid) && writable == 0
}

// objection shows what is wrong about an entry of d, or nothing.
func objection(d *Dir, st *unix.Stat_t) string {
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case private(d), st.Uid == d.st.Uid && !trusted(st.Uid):
		return ""
	case trusted(st.Uid) && (isDir || st.Nlink == 1):
		return ""
	case trusted(st.Uid):
		return "has more than one hard link, and is in a directory that others can write to"
	}
	return fmt.Sprintf("belongs to %s, but is in a directory of %s", userName(st.Uid), userName(d.st.Uid))
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}
