package snapshot

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// namesAtOnce is how many names of a directory are held at a time.
	namesAtOnce = 1024
	// maxPasses is how often the directories of a mailbox are looked at, at most, until
	// nothing new is found and nothing was renamed meanwhile: a name that changes
	// while a directory is read may not be seen at all.
	maxPasses = 20
)

// errGone says that a file went away, or was renamed, before it could be read.
var errGone = errors.New("it is gone")

// errForeign says that a directory is another user's, and was left out.
var errForeign = errors.New("it belongs to another user")

// seed makes hashes of names that nobody can foresee.
var seed = maphash.MakeSeed()

// A walker looks at a directory and all in it, through file descriptors: no link that
// is put there meanwhile leads it elsewhere.
type walker struct {
	ctx context.Context
	// directory is called for each directory, before what is in it. The first is "".
	directory func(rel string, st *unix.Stat_t) error
	// file is called for each file. It may return errGone.
	file func(dir int, name, rel string, message bool) error
	// leftOut is notified of what is neither file nor directory, or another user's.
	leftOut func(rel string)
	// mailbox says that the directory is a mailbox.
	mailbox bool
	// owner is whom all of it has to belong to.
	owner owner
}

// An owner is a user whose files are read. What belongs to another one may be a hard link
// to a file elsewhere. anybody has no such limit.
type owner int

const anybody owner = -1

// ownerOf is whom an open file or directory belongs to; in root's, root has put the entries.
func ownerOf(st *unix.Stat_t) owner {
	if st.Uid == 0 {
		return anybody
	}
	return owner(st.Uid)
}

// foreign reports whether a file, or a directory that is not root's, belongs to another user.
func (o owner) foreign(st *unix.Stat_t) bool {
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	return o != anybody && int(st.Uid) != int(o) && (!isDir || st.Uid != 0)
}

// walk walks the directory open at fd, which it closes.
func (w *walker) walk(fd int, rel string) error {
	f := os.NewFile(uintptr(fd), rel)
	defer f.Close()
	if err := w.enter(fd, rel); errors.Is(err, errForeign) {
		return nil
	} else if err != nil {
		return err
	}
	names, err := w.names(f)
	if err != nil {
		return err
	}
	if w.mailbox {
		if err := w.messages(fd, rel, names); err != nil {
			return err
		}
		names = slices.DeleteFunc(names, func(n string) bool { return isMessageDir(n) || leaveOut(n) })
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a, b)) })
	for _, name := range names {
		if err := w.visit(fd, name, path.Join(rel, name), false); err != nil {
			return err
		}
	}
	return nil
}

// enter walks a directory that is open.
func (w *walker) enter(fd int, rel string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("looking at %s: %w", rel, err)
	}
	if w.owner.foreign(&st) {
		w.leftOut(rel)
		return errForeign
	}
	return w.directory(rel, &st)
}

// names returns the names in a directory that has few of them.
func (w *walker) names(f *os.File) ([]string, error) {
	names, err := f.Readdirnames(-1)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading a directory: %w", err)
	}
	return names, nil
}

// visit looks at something other than a message.
func (w *walker) visit(dir int, name, rel string, message bool) error {
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at %s: %w", rel, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		sub, err := openDir(dir, name)
		if errors.Is(err, errGone) {
			return nil
		}
		if err != nil {
			return err
		}
		return w.walk(sub, rel)
	case unix.S_IFREG:
		err := w.file(dir, name, rel, message)
		if errors.Is(err, errGone) {
			return nil
		}
		return err
	}
	w.leftOut(rel)
	return nil
}

// messages looks at cur, new and tmp of a maildir directory. A message goes from new to
// cur, and there from one name to another, but what stands before the ":" stays.
func (w *walker) messages(fd int, rel string, names []string) error {
	// The directories first, tmp among them but without what is in it: such a message is not
	// delivered yet, so Postfix still has it, and delivers it again.
	for _, sub := range []string{"tmp", "new", "cur"} {
		if !slices.Contains(names, sub) {
			continue
		}
		dir, err := openDir(fd, sub)
		if err == nil {
			err = w.enter(dir, path.Join(rel, sub))
			unix.Close(dir)
		}
		if err != nil && !errors.Is(err, errGone) && !errors.Is(err, errForeign) {
			return err
		}
	}
	seen := map[uint64]struct{}{}
	for range maxPasses {
		before, still := len(seen), true
		for _, sub := range []string{"new", "cur"} {
			quiet, err := w.pass(fd, sub, path.Join(rel, sub), seen)
			if err != nil {
				return err
			}
			still = still && quiet
		}
		if still && len(seen) == before {
			break
		}
	}
	return nil
}

// pass looks at the messages in new or cur that were not seen yet. It is still if no
// name changed meanwhile.
func (w *walker) pass(fd int, sub, rel string, seen map[uint64]struct{}) (still bool, err error) {
	dir, err := openDir(fd, sub)
	if errors.Is(err, errGone) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	f := os.NewFile(uintptr(dir), rel)
	defer f.Close()
	var before, after unix.Stat_t
	if err := unix.Fstat(dir, &before); err != nil {
		return false, fmt.Errorf("looking at %s: %w", rel, err)
	}
	for {
		names, err := f.Readdirnames(namesAtOnce)
		for _, name := range names {
			if err := w.message(dir, name, rel, seen); err != nil {
				return false, err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return false, fmt.Errorf("reading a directory: %w", err)
		}
	}
	if err := unix.Fstat(dir, &after); err != nil {
		return false, fmt.Errorf("looking at %s: %w", rel, err)
	}
	return before.Mtim == after.Mtim, nil
}

// message looks at a message unless it was seen, under any name.
func (w *walker) message(dir int, name, rel string, seen map[uint64]struct{}) error {
	base, _, _ := strings.Cut(name, ":")
	h := maphash.String(seed, base)
	if _, ok := seen[h]; ok {
		return nil
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	err := w.file(dir, name, rel+"/"+name, true)
	if errors.Is(err, errGone) {
		return nil
	}
	if err == nil {
		seen[h] = struct{}{}
	}
	return err
}

func isMessageDir(name string) bool { return name == "cur" || name == "new" || name == "tmp" }

// leaveOut reports whether a file of a mailbox can be made again, or is of this moment
// only: caches, the sum of sizes, locks, files being written, logs of IMAP dialogues.
// What begins with a dot may be a directory that a client has named.
func leaveOut(name string) bool {
	switch path.Ext(name) {
	case ".lock", ".in", ".out", ".cache":
		return name[0] != '.'
	}
	return name == "maildirsize" || strings.HasPrefix(name, ".new-password-")
}

// rank has Dovecot's files read in the order in which they may be newer than what was
// read before: the index, its log, and last the list of UIDs.
func rank(name string) int {
	return 1 + slices.Index([]string{"dovecot.index", "dovecot.index.log.2", "dovecot.index.log", "dovecot-uidlist"}, name)
}

// openDir never follows a link, and never waits.
func openDir(dir int, name string) (int, error) {
	return openAt(dir, name, unix.O_DIRECTORY|unix.O_NOFOLLOW)
}

// openAt opens a file or directory for reading, and notes no time of access.
func openAt(dir int, name string, flags int) (int, error) {
	// Without O_NONBLOCK a FIFO in a mailbox would block root until another process writes to it.
	const always = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK
	for {
		fd, err := unix.Openat(dir, name, always|flags|unix.O_NOATIME, 0)
		// O_NOATIME is for the file's owner and for who may act as such (open(2)).
		if err == unix.EPERM {
			fd, err = unix.Openat(dir, name, always|flags, 0)
		}
		switch err {
		case nil:
			return fd, nil
		case unix.EINTR:
			continue
		// ELOOP is a link, ENOTDIR a file, where a directory was a moment ago.
		case unix.ENOENT, unix.ENOTDIR, unix.ELOOP:
			return -1, errGone
		}
		return -1, fmt.Errorf("opening %s: %w", name, err)
	}
}

// readFull reads until buf is full or the file ends.
func readFull(fd int, buf []byte) (int, error) {
	n := 0
	for n < len(buf) {
		more, err := unix.Read(fd, buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, fmt.Errorf("reading a file: %w", err)
		}
		if more == 0 {
			break
		}
		n += more
	}
	return n, nil
}

// rest is what a buffer holds, and what is behind it in a file.
func rest(buf []byte, fd int) io.Reader { return io.MultiReader(bytes.NewReader(buf), fdReader(fd)) }

type fdReader int

func (fd fdReader) Read(p []byte) (int, error) {
	n, err := unix.Read(int(fd), p)
	switch {
	case err == unix.EINTR:
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
