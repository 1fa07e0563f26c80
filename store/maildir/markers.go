package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chatmaild/auth"
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

func (s *Store) has(addr, file string) (bool, error) {
	_, err := os.Lstat(filepath.Join(s.dir, addr, file))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, fmt.Errorf("looking for a file in a mailbox: %w", errors.Unwrap(err))
	}
}
