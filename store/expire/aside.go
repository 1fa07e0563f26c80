package expire

import (
	"errors"
	"fmt"

	"chatmaild/store/maildir"

	"golang.org/x/sys/unix"
)

// asideName is the directory in which mailboxes lie while they are removed. It is on
// the store's file system, so that a rename gets them there whole, and its name
// cannot be an address.
const asideName = ".removing"

// mergeFile marks a directory set aside whose messages belong to the mailbox that is
// in its place now.
const mergeFile = ".merge"

// ErrBusy says that another run works on the same thing.
var ErrBusy = errors.New("another run is at work here")

// Deleter returns a Remover that deletes, after it has finished what a run left
// that did not come to its end. It holds the store for itself until closed.
func (s *Store) Deleter(plan Plan, faults *maildir.Faults) (*Deleter, error) {
	if err := s.top.Lock(); err == unix.EWOULDBLOCK {
		return nil, ErrBusy
	} else if err != nil {
		return nil, fmt.Errorf("locking the store: %w", err)
	}
	if err := unix.Mkdirat(s.top.FD, asideName, 0o700); err != nil && err != unix.EEXIST {
		return nil, fmt.Errorf("creating %s: %w", asideName, err)
	}
	aside, err := s.top.Open(asideName)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", asideName, err)
	}
	if err := ownAs(aside, s.top); err != nil {
		aside.Close()
		return nil, fmt.Errorf("changing the owner of %s: %w", asideName, err)
	}
	r := &Deleter{top: s.top, aside: aside, plan: plan, accounts: s.Accounts, renamed: func() {}}
	maildir.EachName(aside, faults, func(name string) bool {
		if _, _, err := r.finish(name); err != nil {
			faults.Add("removing a mailbox", err, name, "")
		}
		return true
	})
	return r, nil
}

// ownAs gives d, which root may have made, to the owner of another directory.
func ownAs(d, other maildir.Dir) error {
	if unix.Geteuid() != 0 {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(other.FD, &st); err != nil {
		return err
	}
	return unix.Fchown(d.FD, int(st.Uid), int(st.Gid))
}

// Close lets the next run begin.
func (r *Deleter) Close() {
	_ = r.top.Rmdir(asideName) // fails if a mailbox could not be removed: for the next run
	r.aside.Close()
	_ = unix.Flock(r.top.FD, unix.LOCK_UN)
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
// come just before the mailbox was moved; so may a block.
func (r *Deleter) finish(name string) (Tally, bool, error) {
	d, err := r.aside.Open(name)
	if err != nil {
		return Tally{}, false, err
	}
	defer d.Close()
	if _, err := d.Stat(mergeFile); !maildir.Gone(err) {
		if err == nil {
			err = r.merge(d, name)
		}
		return Tally{}, false, err
	}
	var files Tally
	switch st, err := d.Stat(maildir.PasswordFile); {
	case maildir.Gone(err):
	case err != nil:
		return Tally{}, false, err
	default:
		reason, err := r.plan.mailbox(st.Mtim.Sec)
		blocked, readErr := d.Blocked()
		goes := maildir.IsRegular(st) && err == nil && readErr == nil && !blocked && reason != Keep
		goes, err = r.account(name, goes)
		if !goes {
			back, backErr := r.putBack(d, name)
			if err = errors.Join(err, backErr); back || err != nil {
				return Tally{}, false, err
			}
		} else if err := d.Unlink(maildir.PasswordFile); err != nil {
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

// account removes the account of a mailbox that goes, before the mailbox: one of several
// machines would make it again by the account. What is nobody's goes in any case.
func (r *Deleter) account(name string, goes bool) (bool, error) {
	if r.accounts == nil {
		return goes, nil
	}
	orphaned, err := r.accounts.Orphaned(name)
	if err != nil || orphaned || !goes {
		return orphaned && err == nil, err
	}
	return r.accounts.Remove(name)
}

// putBack returns a mailbox to its place, if that is free. If Dovecot made a
// directory there meanwhile for the session whose login has just been seen, the two
// change places, and the messages that came into it move over. If the directory is
// a new account already, with a password, it is whole and stays: back is false.
func (r *Deleter) putBack(old maildir.Dir, name string) (back bool, err error) {
	err = move(r.aside, r.top, name)
	if err != unix.EEXIST {
		return err == nil, err
	}
	now, err := r.top.Open(name)
	if err != nil {
		return false, err
	}
	defer now.Close()
	if _, err := now.Stat(maildir.PasswordFile); err == nil {
		return false, old.Unlink(maildir.PasswordFile)
	} else if !maildir.Gone(err) {
		return false, err
	}
	mark, err := unix.Openat(now.FD, mergeFile, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false, err
	}
	_ = unix.Close(mark)
	if err := unix.Renameat2(r.aside.FD, name, r.top.FD, name, unix.RENAME_EXCHANGE); err != nil {
		return false, err
	}
	return true, r.merge(now, name)
}

// merge moves the messages of a directory set aside to the mailbox in its place, and
// removes the directory.
func (r *Deleter) merge(from maildir.Dir, name string) error {
	to, err := r.top.Open(name)
	if err == nil {
		defer to.Close()
		for _, in := range []maildir.Subdir{maildir.Fresh, maildir.Cur} {
			if err := mergeMessages(from, to, string(in)); err != nil {
				return err
			}
		}
	} else if !maildir.Gone(err) {
		return err
	}
	_, err = r.remove(name)
	return err
}

// mergeMessages moves the messages of one directory to that of another mailbox, to
// which they are then new.
func mergeMessages(from, to maildir.Dir, in string) error {
	src, err := from.Open(in)
	if maildir.Gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := to.Open(in)
	if err != nil {
		return err
	}
	defer dst.Close()
	var r maildir.Reader
	for {
		entries, err := r.Next(src)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			if src.Resolve(&e); !maildir.IsMessage(e) {
				continue
			}
			if err := move(src, dst, string(e.Name)); err != nil && !maildir.Gone(err) {
				return err
			}
		}
	}
}

// remove removes a mailbox that was set aside.
func (r *Deleter) remove(name string) (Tally, error) {
	var files Tally
	err := eachFile(r.aside, name, func(d maildir.Dir, name string, st unix.Stat_t) error {
		if maildir.IsDir(st) {
			return d.Rmdir(name)
		}
		files.add(Tally{1, st.Size})
		return d.Unlink(name)
	})
	return files, err
}

// move renames name from one directory to another, over nothing.
func move(from, to maildir.Dir, name string) error {
	return unix.Renameat2(from.FD, name, to.FD, name, unix.RENAME_NOREPLACE)
}
