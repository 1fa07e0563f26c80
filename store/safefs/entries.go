package safefs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Open opens a regular file in d for reading.
func (d *Dir) Open(name string) (*os.File, error) {
	return openKind(d, name, unix.O_RDONLY, unix.S_IFREG)
}

// OpenAny opens a regular file or a directory in d for reading.
func (d *Dir) OpenAny(name string) (*os.File, error) {
	return openKind(d, name, unix.O_RDONLY, unix.S_IFREG, unix.S_IFDIR)
}

// OpenOwn opens a regular file in d that we have made ourselves, for reading and writing.
func OpenOwn(d *Dir, name string) (*os.File, error) {
	f, err := openKind(d, name, unix.O_RDWR, unix.S_IFREG)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || int(st.Uid) != os.Geteuid() || st.Nlink > 1 {
		f.Close()
		return nil, errors.Join(&UnsafeError{f.Name(), "is not a file of this user alone"}, err)
	}
	return f, nil
}

func openKind(d *Dir, name string, flags int, kinds ...uint32) (*os.File, error) {
	f, st, err := d.at(name, flags)
	if errors.Is(err, unix.ELOOP) {
		return nil, &UnsafeError{join(d, name), "is a symbolic link"}
	}
	if err != nil {
		return nil, err
	}
	why := objection(d, st)
	if !slices.Contains(kinds, st.Mode&unix.S_IFMT) {
		why = "is not a regular file"
	}
	if why != "" {
		f.Close()
		return nil, &UnsafeError{f.Name(), why}
	}
	return f, nil
}

// OpenRoot opens d as one in which paths of several names are safe, too: none leads out.
func OpenRoot(d *Dir) (*os.Root, error) {
	return os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", d.Fd()))
}

// Lstat looks at an entry, also at a link.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	f, _, err := d.at(name, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// Names returns the names in d, sorted.
func (d *Dir) Names() (found []string, err error) {
	err = opened(d, func(f *os.File) error {
		found, err = f.Readdirnames(-1)
		return err
	})
	slices.Sort(found)
	return found, err
}

// Create makes a file, which must not be there, with mode 0600, for writing and reading.
func (d *Dir) Create(name string) (*os.File, error) {
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := retry(func() (int, error) { return unix.Openat(d.Fd(), name, flags, 0o600) })
	if err != nil {
		return nil, d.fail("create", name, err)
	}
	return os.NewFile(uintptr(fd), join(d, name)), nil
}

// CreateTemp makes a file in d under a name that nobody else has: pattern with random text
// in place of its "*".
func CreateTemp(d *Dir, pattern string) (f *os.File, name string, err error) {
	name = strings.Replace(pattern, "*", rand.Text(), 1)
	f, err = d.Create(name)
	return f, name, err
}

// Mkdir makes a directory, which must not be there, with mode 0700, and opens it.
func (d *Dir) Mkdir(name string) (*Dir, error) {
	if err := unix.Mkdirat(d.Fd(), name, 0o700); err != nil {
		return nil, d.fail("mkdir", name, err)
	}
	made, err := d.OpenDir(name)
	if err == nil && int(made.st.Uid) != os.Geteuid() {
		made.Close()
		return nil, &UnsafeError{join(d, name), "is not the directory that was just made"}
	}
	return made, err
}

// Symlink makes a link.
func (d *Dir) Symlink(target, name string) error {
	return d.fail("symlink", name, unix.Symlinkat(target, d.Fd(), name))
}

// Rename gives an entry another name, perhaps in another directory, in place of what
// has that name.
func (d *Dir) Rename(name string, to *Dir, newName string) error {
	return to.fail("rename", newName, unix.Renameat(d.Fd(), name, to.Fd(), newName))
}

// Move is Rename, but replaces nothing: it fails with fs.ErrExist.
func (d *Dir) Move(name string, to *Dir, newName string) error {
	return to.fail("rename", newName, unix.Renameat2(d.Fd(), name, to.Fd(), newName, unix.RENAME_NOREPLACE))
}

// Remove removes an entry that is not a directory with something in it.
func (d *Dir) Remove(name string) error {
	err := unix.Unlinkat(d.Fd(), name, 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(d.Fd(), name, unix.AT_REMOVEDIR)
	}
	return d.fail("remove", name, err)
}

// RemoveAll removes an entry with all that is in it, if it is there.
func (d *Dir) RemoveAll(name string) error {
	err := d.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return err
	}
	f, st, err := d.at(name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	sub := &Dir{f, f.Name(), *st}
	defer sub.Close()
	inside, err := sub.Names()
	for _, name := range inside {
		err = errors.Join(err, sub.RemoveAll(name))
	}
	if err != nil {
		return err
	}
	return d.Remove(name)
}

// Chown gives d an owner and a mode.
func Chown(d *Dir, uid, gid int, mode fs.FileMode) error {
	return opened(d, func(f *os.File) error {
		// In this order: chown takes setgid away.
		return errors.Join(f.Chown(uid, gid), f.Chmod(mode), unix.Fstat(int(f.Fd()), &d.st))
	})
}

// Adopt gives the directory at name in d, and all in it, to another user. Each entry has to be
// former's, by this name alone, or the new owner's already; links and what is neither file nor directory
// stay as they are.
func Adopt(d *Dir, name string, former, uid, gid int) error {
	f, st, err := d.at(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer f.Close()
	if int(st.Uid) != former && int(st.Uid) != uid {
		return &UnsafeError{f.Name(), fmt.Sprintf("belongs to %s, not to %s", userName(st.Uid), userName(uint32(uid)))}
	}
	if err := f.Chown(uid, gid); err != nil {
		return err
	}
	sub, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	inside, err := sub.Names()
	for _, name := range inside {
		err = errors.Join(err, adopt(sub, name, former, uid, gid))
	}
	return err
}

// adopt gives an entry to another user.
func adopt(d *Dir, name string, former, uid, gid int) error {
	f, st, err := d.at(name, unix.O_RDONLY)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		return nil // a link; a socket
	}
	if err != nil {
		return err
	}
	defer f.Close()
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return Adopt(d, name, former, uid, gid)
	case st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) == uid:
		return nil
	case st.Nlink > 1:
		return &UnsafeError{f.Name(), "has more than one name"}
	case int(st.Uid) != former:
		return &UnsafeError{f.Name(), fmt.Sprintf("belongs to %s, not to %s", userName(st.Uid), userName(uint32(uid)))}
	}
	return f.Chown(uid, gid)
}

// SetDirTime sets when d was last changed.
func SetDirTime(d *Dir, t time.Time) error { return d.fail("utimes", "", setTime(d.f, t)) }

// SetTime sets when an open file was last changed.
func SetTime(f *os.File, t time.Time) error {
	if err := setTime(f, t); err != nil {
		return &fs.PathError{Op: "utimes", Path: f.Name(), Err: err}
	}
	return nil
}

func setTime(f *os.File, t time.Time) error {
	at := unix.NsecToTimespec(t.UnixNano())
	return unix.UtimesNanoAt(int(f.Fd()), "", []unix.Timespec{at, at}, unix.AT_EMPTY_PATH)
}

// Sync makes durable what was made, renamed and removed in d.
func (d *Dir) Sync() error { return opened(d, (*os.File).Sync) }

// SyncAll makes durable all that was written to the file system that d is on.
func SyncAll(d *Dir) error {
	return opened(d, func(f *os.File) error { return d.fail("syncfs", "", unix.Syncfs(int(f.Fd()))) })
}

// opened does what a descriptor for searching alone cannot.
func opened(d *Dir, do func(*os.File) error) error {
	f, _, err := d.at(".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(f)
}
