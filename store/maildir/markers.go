package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/atomicfile"
)

// The files in a mailbox that are ours.
const (
	PasswordFile = "password"            // makes a directory a mailbox
	EnforceFile  = "enforceE2EEincoming" // present: cleartext from outside is refused
)

// QuotaFile holds Dovecot's running sum of Maildir++ quota. Without it Dovecot counts
// again, which is right after deletions that it knows nothing of.
const QuotaFile = "maildirsize"

// Blocked reports whether an operator has blocked the account of the mailbox d. One
// without a password is not.
func (d Dir) Blocked() (bool, error) {
	stored, err := readPassword(d.FD, PasswordFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return auth.IsBlocked(stored), err
}

// EnforcesEncryption reports whether a mailbox refuses cleartext: unless it exists, with
// a password, and has no EnforceFile. The password is looked at first: a mailbox that
// comes between the two questions comes whole.
func (s *Store) EnforcesEncryption(addr string) (bool, error) {
	exists, err := s.has(addr, PasswordFile)
	if err != nil || !exists {
		return true, err
	}
	enforces, err := s.has(addr, EnforceFile)
	return enforces || err != nil, err
}

// EncryptedOnly reports whether the mailbox of addr has an EnforceFile. It is asked at
// each login, for one system call.
func (s *Store) EncryptedOnly(addr mailaddr.Address) (bool, error) {
	path := s.Home(addr) + "/" + EnforceFile
	_, err := ignoringEINTR(func() (int, error) {
		return 0, unix.Faccessat(unix.AT_FDCWD, path, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW)
	})
	switch err {
	case nil:
		return true, nil
	case unix.ENOENT:
		return false, nil
	}
	return false, fmt.Errorf("looking for a file in a mailbox: %w", err)
}

// SetEncryptedOnly makes the EnforceFile, or removes it, durably.
func (s *Store) SetEncryptedOnly(addr mailaddr.Address, only bool) error {
	path := filepath.Join(s.Home(addr), EnforceFile)
	if only {
		return atomicfile.Write(path, nil, 0o600, nil)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a file of a mailbox: %w", errors.Unwrap(err))
	}
	return atomicfile.SyncDir(s.Home(addr))
}

// Lock takes the mailbox of addr for this process, waiting until another one has done
// with it. It fails with auth.ErrNoMailbox.
func (s *Store) Lock(addr mailaddr.Address) (unlock func(), err error) {
	d, err := OpenDir(s.Home(addr))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, auth.ErrNoMailbox
	}
	if err != nil {
		return nil, err
	}
	if _, err := ignoringEINTR(func() (int, error) { return 0, unix.Flock(d.FD, unix.LOCK_EX) }); err != nil {
		d.Close()
		return nil, fmt.Errorf("locking a mailbox: %w", err)
	}
	return d.Close, nil
}

func (s *Store) has(addr, file string) (bool, error) {
	return exists(filepath.Join(s.dir, addr, file))
}

// exists tells whether a mailbox has a file. Its error does not name that: the path has an address.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, fmt.Errorf("looking for a file in a mailbox: %w", errors.Unwrap(err))
	}
}
