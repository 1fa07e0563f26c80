package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"chatmaild/store/safefs"
)

// tmpfiles are the configurations of tmpfiles.d(5) that count here, as far as they are there:
// the first is an image's (packaging/container).
var tmpfiles = []string{"chatmaild-image.conf", "chatmaild.conf", "opendkim.conf"}

// createAll makes what these configurations list. systemd-tmpfiles(8) makes nothing where
// /proc is not mounted, as in a plain chroot.
func createAll(ctx context.Context, h helpers) error {
	for _, name := range tmpfiles {
		path := filepath.Join("/usr/lib/tmpfiles.d", name)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("creating runtime directories: %w", err)
		}
		entries, err := parseTmpfiles(string(text))
		for _, e := range entries {
			err = errors.Join(err, e.create(func(from, to string) error {
				return h.helper(ctx, "tmpfiles", "/bin/cp", "--archive", "--no-target-directory", from, to)
			}))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// tmpfile is a line of tmpfiles.d(5).
type tmpfile struct {
	kind        string // d, D: a directory; L: a link; C: a copy of a tree, where nothing is
	path        string
	mode        fs.FileMode
	user, group string // "-": root
	argument    string // where a link leads, and what is copied
}

func parseTmpfiles(text string) (entries []tmpfile, err error) {
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
		e := tmpfile{kind: fields[0], path: fields[1], mode: 0o755, user: fields[3], group: fields[4], argument: fields[6]}
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

// create makes it, and what is above it. It is called again at each start.
func (e tmpfile) create(copyTree func(from, to string) error) error {
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

// owner looks the owner up.
func (e tmpfile) owner() (uid, gid int, err error) {
	uid, gid = os.Geteuid(), os.Getegid()
	if e.user != "-" {
		u, err := user.Lookup(e.user)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", e.path, err)
		}
		if uid, err = strconv.Atoi(u.Uid); err != nil {
			return 0, 0, err
		}
	}
	if e.group != "-" {
		g, err := user.LookupGroup(e.group)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", e.path, err)
		}
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return 0, 0, err
		}
	}
	return uid, gid, nil
}
