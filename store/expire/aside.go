package expire

import (
	"errors"
	"fmt"

	"chatmaild/store/maildir"

	"golang.org/x/sys/unix"
)

// asideName is the folder in which mailboxes lie while they are removed. It is on
// the store's file system, so that a rename gets them there whole, and its name
// cannot be an address.
const asideName = ".removing"

// mergeFile marks a folder set aside whose messages belong to the mailbox that is
// in its place now.
const mergeFile = ".merge"

// ErrBusy says that another run works on the same thing.
var ErrBusy = errors.New("another run is at work here")

// Deleter returns a Remover that deletes, after it has finished what a run left
// that did not come to its end. It holds the store for itself until closed.
func (s *Store) Deleter(plan Plan, faults *Faults) (*Deleter, error) {
	if err := s.top.lock(); err == unix.EWOULDBLOCK {
		return nil, ErrBusy
	} else if err != nil {
		return nil, fmt.Errorf("locking the store: %w", err)
	}
	if err := unix.Mkdirat(s.top.fd, asideName, 0o700); err != nil && err != unix.EEXIST {
		return nil, fmt.Errorf("making %s: %w", asideName, err)
	}
	aside, err := s.top.open(asideName)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", asideName, err)
	}
	if err := ownAs(aside, s.top); err != nil {
		aside.close()
		return nil, fmt.Errorf("giving %s to the store's owner: %w", asideName, err)
	}
	r := &Deleter{top: s.top, aside: aside, plan: plan, renamed: func() {}}
	eachMailbox(aside, faults, func(name string) bool {
		if _, _, err := r.finish(name); err != nil {
			faults.add("removing a mailbox", err, name, "")
		}
		return true
	})
	return r, nil
}

// ownAs gives d, which root may have made, to the owner of another folder.
func ownAs(d, other dir) error {
	if unix.Geteuid() != 0 {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(other.fd, &st); err != nil {
		return err
	}
	return unix.Fchown(d.fd, int(st.Uid), int(st.Gid))
}

// Close lets the next run begin.
func (r *Deleter) Close() {
	_ = r.top.rmdir(asideName) // fails if a mailbox could not be removed: for the next run
	r.aside.close()
	_ = unix.Flock(r.top.fd, unix.LOCK_UN)
}

// mailbox removes a mailbox so that nobody ever sees a part of it: in one step it
// is no longer there, and a login makes a fresh one.
func (r *Deleter) mailbox(name string) (Tally, bool, error) {
	if err := move(r.top, r.aside, name); err != nil {
		return Tally{}, false, err
	}
	r.renamed()
	return r.finish(name)
}

// finish decides on a mailbox that was set aside. Its password file is the first
// to go: a mailbox without one has been decided on, and was not completely
// removed. With one, its last login is looked at once more, since it may have
// come just before the mailbox was moved.
func (r *Deleter) finish(name string) (Tally, bool, error) {
	d, err := r.aside.open(name)
	if err != nil {
		return Tally{}, false, err
	}
	defer d.close()
	if _, err := d.stat(mergeFile); !gone(err) {
		if err == nil {
			err = r.merge(d, name)
		}
		return Tally{}, false, err
	}
	var files Tally
	switch st, err := d.stat(maildir.PasswordFile); {
	case gone(err):
	case err != nil:
		return Tally{}, false, err
	default:
		reason, err := r.plan.mailbox(st.Mtim.Sec)
		if !isRegular(st) || err != nil || reason == Keep {
			back, err := r.putBack(d, name)
			if back || err != nil {
				return Tally{}, false, err
			}
		} else if err := d.unlink(maildir.PasswordFile); err != nil {
			return Tally{}, false, err
		}
		files.add(Tally{1, st.Size})
		if r.Gone != nil {
			r.Gone(name)
		}
	}
	rest, err := r.remove(name)
	files.add(rest)
	return files, err == nil, err
}

// putBack returns a mailbox to its place, if that is free. If Dovecot made a
// folder there meanwhile for the session whose login has just been seen, the two
// change places, and the messages that came into it move over. If the folder is
// a new account already, with a password, it is whole and stays: back is false.
func (r *Deleter) putBack(old dir, name string) (back bool, err error) {
	err = move(r.aside, r.top, name)
	if err != unix.EEXIST {
		return err == nil, err
	}
	now, err := r.top.open(name)
	if err != nil {
		return false, err
	}
	defer now.close()
	if _, err := now.stat(maildir.PasswordFile); err == nil {
		return false, old.unlink(maildir.PasswordFile)
	} else if !gone(err) {
		return false, err
	}
	mark, err := unix.Openat(now.fd, mergeFile, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false, err
	}
	_ = unix.Close(mark)
	if err := unix.Renameat2(r.aside.fd, name, r.top.fd, name, unix.RENAME_EXCHANGE); err != nil {
		return false, err
	}
	return true, r.merge(now, name)
}

// merge moves the messages of a folder set aside to the mailbox in its place, and
// removes the folder.
func (r *Deleter) merge(from dir, name string) error {
	to, err := r.top.open(name)
	if err == nil {
		defer to.close()
		for _, in := range []folder{fresh, cur} {
			if err := mergeMessages(from, to, string(in)); err != nil {
				return err
			}
		}
	} else if !gone(err) {
		return err
	}
	_, err = r.remove(name)
	return err
}

// mergeMessages moves the messages of one folder to that of another mailbox, to
// which they are then new.
func mergeMessages(from, to dir, in string) error {
	src, err := from.open(in)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer src.close()
	dst, err := to.open(in)
	if err != nil {
		return err
	}
	defer dst.close()
	var r reader
	for {
		entries, err := r.next(src)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			if src.resolve(&e); !isMessage(e) {
				continue
			}
			if err := move(src, dst, string(e.name)); err != nil && !gone(err) {
				return err
			}
		}
	}
}

// remove removes a mailbox that was set aside.
func (r *Deleter) remove(name string) (Tally, error) {
	var files Tally
	err := eachFile(r.aside, name, func(d dir, name string, st unix.Stat_t) error {
		if isDir(st) {
			return d.rmdir(name)
		}
		files.add(Tally{1, st.Size})
		return d.unlink(name)
	})
	return files, err
}

// move renames name from one folder to another, over nothing.
func move(from, to dir, name string) error {
	return unix.Renameat2(from.fd, name, to.fd, name, unix.RENAME_NOREPLACE)
}
