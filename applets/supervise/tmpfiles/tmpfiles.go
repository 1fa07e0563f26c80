// Package tmpfiles creates what tmpfiles.d(5) lists, as far as a relay uses it: directories
// with an owner and a mode, links, and copies of a tree. systemd-tmpfiles(8) does nothing
// where /proc is not mounted, as in a plain chroot.
//
// A container does this at each start, as root, and in directories that belong to daemons: see
// package safefs.
package tmpfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"chatmaild/store/ids"
	"chatmaild/store/safefs"
)

// An Entry is a line of tmpfiles.d(5).
type Entry struct {
	kind        string // d, D: a directory; L: a link; C: a copy of a tree, where nothing is
	path        string
	mode        fs.FileMode
	user, group string // "-": root
	argument    string // where a link leads, and what is copied
}

// Parse parses a configuration. What is not supported is an error.
func Parse(text string) (entries []Entry, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) < 2 || len(fields[0]) != 1 || !strings.Contains("dDLC", fields[0]) || !filepath.IsAbs(fields[1]) {
			return nil, fmt.Errorf("%q is not supported without systemd", strings.TrimSpace(line))
		}
		for len(fields) < 7 { // all after the path are optional
			fields = append(fields, "-")
		}
		e := Entry{kind: fields[0], path: fields[1], mode: 0o755, user: fields[3], group: fields[4], argument: fields[6]}
		if m := fields[2]; m != "-" {
			bits, err := strconv.ParseUint(m, 8, 12)
			if err != nil {
				return nil, fmt.Errorf("%s: mode %s: %w", e.path, m, err)
			}
			e.mode = modeOf(uint32(bits))
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// modeOf is a mode of the kernel's as Go has it.
func modeOf(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

// Create makes it, and what is above it, unless it is there: then it is given its owner and
// mode again. copyTree copies with owners, modes and links.
func (e Entry) Create(copyTree func(from, to string) error) error {
	parent, err := safefs.MkdirAll(filepath.Dir(e.path))
	if err != nil {
		return err
	}
	defer parent.Close()
	name := filepath.Base(e.path)
	switch e.kind {
	case "L":
		if err := parent.Symlink(e.argument, name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case "C":
		if _, err := parent.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// One that was broken off does not pass for a whole one.
		part := e.path + ".part"
		if err := parent.RemoveAll(name + ".part"); err != nil {
			return err
		}
		if err := copyTree(e.argument, part); err != nil {
			return err
		}
		return parent.Rename(name+".part", parent, name)
	}
	if dir, err := parent.Mkdir(name); err == nil {
		dir.Close()
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := safefs.OpenDir(e.path) // root's links are followed: an image has some
	if err != nil {
		return err
	}
	defer dir.Close()
	uid, gid, err := e.owner()
	if err != nil {
		return err
	}
	return safefs.Chown(dir, uid, gid, e.mode)
}

// owner looks up whom it is to belong to.
func (e Entry) owner() (uid, gid int, err error) {
	uid, gid = os.Geteuid(), os.Getegid()
	var err1, err2 error
	if e.user != "-" {
		uid, err1 = ids.UID(e.user)
	}
	if e.group != "-" {
		gid, err2 = ids.GID(e.group)
	}
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", e.path, err)
	}
	return uid, gid, nil
}
