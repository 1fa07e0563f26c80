package safefs

import (
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links a path may lead through, as in the kernel.
const maxLinks = 40

// locate opens the directory that the last name of a path stands in. With follow, a
// link at that name is followed, too.
func locate(path string, follow bool) (d *Dir, name string, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, "", err
	}
	rest := names(path)
	if d, err = top(); err != nil {
		return nil, "", err
	}
	for links := 0; len(rest) > 1 || follow && len(rest) == 1; {
		var next *Dir
		target, err := link(d, rest[0])
		switch {
		case err != nil:
		case target != "" && links == maxLinks:
			err = d.fail("open", rest[0], unix.ELOOP)
		case target != "":
			links++
			rest = slices.Concat(names(target), rest[1:])
			next, err = top()
		case len(rest) == 1:
			return d, rest[0], nil
		default:
			next, err = d.OpenDir(rest[0])
			rest = rest[1:]
		}
		d.Close()
		if err != nil {
			return nil, "", err
		}
		d = next
	}
	if len(rest) == 0 {
		return d, ".", nil
	}
	return d, rest[0], nil
}

// names are those of an absolute path, without the "/" before them.
func names(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// top opens "/".
func top() (*Dir, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, err
	}
	return newDir(fd, "/")
}

// link returns where the link at name leads, as an absolute path; "" if it is none. A
// link that someone else may have made is an error.
func link(d *Dir, name string) (target string, err error) {
	target, err = d.Readlink(name)
	if err != nil || target == "" {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(d.Fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return "", d.fail("stat", name, err)
	}
	switch {
	case !private(d):
		return "", &UnsafeError{join(d, name), "is a symbolic link in a directory of " + userName(d.st.Uid)}
	case !trusted(st.Uid) || st.Nlink > 1:
		return "", &UnsafeError{join(d, name), "is a symbolic link that belongs to " + userName(st.Uid)}
	}
	if !filepath.IsAbs(target) {
		target = join(d, target)
	}
	return filepath.Clean(target), nil
}

// Readlink returns what the link at name says; "" if it is none, or there is nothing.
func (d *Dir) Readlink(name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := retry(func() (int, error) { return unix.Readlinkat(d.Fd(), name, buf) })
	switch err {
	case nil:
		return string(buf[:n]), nil
	case unix.EINVAL, unix.ENOENT, unix.ENOTDIR:
		return "", nil
	}
	return "", d.fail("readlink", name, err)
}
