// Package statedir brings the directory of the relay's state over from the layout that it
// had before version 0.2. Then it belonged to vmail, who could swap what the other daemons
// have in it; now it belongs to root, and each daemon has a directory of its own.
//
//	metadata.db                 is metadata/metadata.db now
//	expire.json, expired.json   are in expire/
//	report.json, restore.json, move.json   are root's
//	echobot/                    may be chatmaild's, of before the bot had a user
//
// The metadata daemon may run meanwhile: it has its database open, and finds the same
// file under its new name when it starts next.
package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/transfer/snapshot"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/safefs"
)

// vmail and web were there before; the others may own what is theirs now.
const (
	vmail = "vmail"
	web   = "chatmaild"
)

// moved are the files that lie in a daemon's directory now.
var moved = []struct {
	name string
	to   func(*config.Config) string // the directory
}{
	{"metadata.db", (*config.Config).MetadataDir},
	{"expire.json", (*config.Config).ExpireDir},
	{"expired.json", (*config.Config).ExpireDir},
}

// kept are the files that admin commands write.
var kept = []string{"report.json", snapshot.RestoreRecord, snapshot.MoveRecord}

// owned are the directories of the daemons that had some before.
var owned = []struct{ name, owner, group, former string }{
	{"invites", web, vmail, vmail},
	{"echobot", desired.EchobotUser, desired.EchobotUser, web},
	{"acme", desired.ACMEUser, desired.ACMEUser, web},
}

// A move is being done in the open directory of the state.
type move struct {
	conf    *config.Config
	machine host.Host
	dir     *safefs.Dir
	ours    bool // the directory was root's before
}

// Old reports whether the state lies as it did before.
func Old(conf *config.Config, machine host.Host) (bool, error) {
	m := &move{conf: conf, machine: machine}
	there, err := m.open()
	if !there || err != nil {
		return false, err
	}
	defer m.dir.Close()
	root, _, err := machine.IDs("root", "root")
	if err != nil {
		return false, err
	}
	if uid, _ := m.dir.Owner(); uid != root {
		return true, nil
	}
	for _, f := range moved {
		if _, err := m.dir.Lstat(f.name); err == nil {
			return true, nil
		}
	}
	// A migration that was interrupted may have come as far as the directory itself.
	for _, d := range owned {
		if is, err := m.belongs(d.name, d.owner); err != nil || !is {
			return err == nil, err
		}
	}
	return false, nil
}

// Require refuses a state that lies as it did before: root does not go into the daemons'
// directories there.
func Require(conf *config.Config, machine host.Host) error {
	old, err := Old(conf, machine)
	if err == nil && old {
		err = command.WithHint(fmt.Errorf("%s has the layout of an earlier version", conf.StateDir), "chatmaild run --state-only")
	}
	return err
}

// BringOver makes it lie as it should. What it finds in the place of a file or directory
// that cannot have got there by itself is refused. If it is interrupted, it can be run again.
func BringOver(conf *config.Config, machine host.Host) error {
	m := &move{conf: conf, machine: machine}
	there, err := m.open()
	if err != nil || !there {
		return err
	}
	defer m.dir.Close()
	// From here on nobody but root makes or swaps entries.
	uid, gid, err := machine.IDs("root", "root")
	if err == nil {
		owner, _ := m.dir.Owner()
		m.ours = owner == uid
		err = safefs.Chown(m.dir, uid, gid, 0o755)
	}
	if err == nil {
		err = errors.Join(m.keep(uid, gid), m.adopt(), m.move())
	}
	if err != nil {
		return command.WithHint(fmt.Errorf("creating a directory for each daemon in %s: %w", conf.StateDir, err),
			"then: chatmaild run --state-only")
	}
	return nil
}

func (m *move) open() (there bool, err error) {
	m.dir, err = safefs.OpenDir(filepath.Join(m.machine.Root, m.conf.StateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// belongs reports whether a directory is missing, or its owner's.
func (m *move) belongs(name, owner string) (bool, error) {
	dir, err := m.dir.OpenDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if _, ok := errors.AsType[*safefs.UnsafeError](err); ok {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer dir.Close()
	want, _, err := m.machine.IDs(owner, owner)
	uid, _ := dir.Owner()
	return uid == want, err
}

// keep gives root what admin commands have written.
func (m *move) keep(uid, gid int) error {
	daemon, _, err := m.machine.IDs(vmail, vmail)
	if err != nil {
		return err
	}
	for _, name := range kept {
		f, err := m.file(name, uid, daemon)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = errors.Join(f.Chown(uid, gid), f.Close())
		if err != nil {
			return err
		}
	}
	return nil
}

// file opens a file that belongs to one of the owners, and has no name elsewhere.
func (m *move) file(name string, owners ...int) (*os.File, error) {
	f, err := m.dir.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !slices.Contains(owners, int(st.Uid)) || st.Nlink > 1 {
		f.Close()
		return nil, &safefs.UnsafeError{Path: f.Name(), Why: "is not the file that " + vmail + " had there"}
	}
	return f, nil
}

// adopt makes the directories that were there before belong to their daemons.
func (m *move) adopt() error {
	for _, d := range owned {
		if _, err := m.dir.Lstat(d.name); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		uid, gid, err := m.machine.IDs(d.owner, d.group)
		if err != nil {
			return err
		}
		former, _, err := m.machine.IDs(d.former, d.former)
		if err == nil {
			err = m.adoptFrom(d.name, former, uid, gid)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// adoptFrom makes one of them belong to its daemon. One of root's, where nobody else could
// put it, is from a command that wrote the daemon's first file, such as "import --from".
func (m *move) adoptFrom(name string, former, uid, gid int) error {
	root, _, err := m.machine.IDs("root", "root")
	if err != nil {
		return err
	}
	if is, err := m.belongs(name, "root"); err != nil {
		return err
	} else if is && m.ours {
		former = root
	}
	return safefs.Adopt(m.dir, name, former, uid, gid)
}

// move moves the files that have a directory now.
func (m *move) move() error {
	for _, f := range moved {
		if _, err := m.dir.Lstat(f.name); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := m.moveFile(f.name, filepath.Base(f.to(m.conf))); err != nil {
			return err
		}
	}
	return nil
}

func (m *move) moveFile(name, directory string) error {
	root, _, err := m.machine.IDs("root", "root")
	if err != nil {
		return err
	}
	uid, gid, err := m.machine.IDs(vmail, vmail)
	if err != nil {
		return err
	}
	f, err := m.file(name, uid)
	if err != nil {
		return err
	}
	defer f.Close()
	to, err := m.dir.Mkdir(directory)
	if errors.Is(err, fs.ErrExist) {
		to, err = m.dir.OpenDir(directory)
	}
	if err != nil {
		return err
	}
	defer to.Close()
	if owner, _ := to.Owner(); owner != uid && owner != root {
		return &safefs.UnsafeError{Path: to.Path(), Why: "belongs to another user than " + vmail}
	}
	if err := safefs.Chown(to, uid, gid, 0o700); err != nil {
		return err
	}
	if err := m.dir.Move(name, to, name); err != nil {
		return err
	}
	return errors.Join(to.Sync(), m.dir.Sync())
}
