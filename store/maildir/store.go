package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/atomicfile"
)

// Prefixes of directories that are not mailboxes. An Address holds an "@", and what
// follows these never does.
const (
	newPrefix  = ".new-"
	gonePrefix = ".gone-"
)

// maxPassword is in bytes; a larger password file is none.
const maxPassword = 1 << 10

// Store is a directory of mailboxes. Its methods may be called concurrently. They do
// everything as the current user; root uses them within safefs.As.
type Store struct {
	dir    string
	domain string
}

// New returns the store of domain's mailboxes in dir.
func New(dir, domain string) *Store { return &Store{dir: dir, domain: domain} }

// Make makes the directory if it is missing.
func (s *Store) Make() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("creating the mailboxes' directory: %w", err)
	}
	return nil
}

// Home is the directory of addr's mailbox.
func (s *Store) Home(addr mailaddr.Address) string {
	return s.dir + "/" + addr.String()
}

func (s *Store) passwordPath(addr mailaddr.Address) string {
	return s.dir + "/" + addr.String() + "/" + PasswordFile
}

// Password returns what is stored for addr now. An empty, overlong or unreadable file
// has an error or no content; the caller decides what a content is good for. It fails with
// auth.ErrNoMailbox or auth.ErrNoPassword.
func (s *Store) Password(addr mailaddr.Address) (string, error) {
	stored, err := readPassword(unix.AT_FDCWD, s.passwordPath(addr))
	if !errors.Is(err, fs.ErrNotExist) {
		return stored, err
	}
	if _, err := os.Lstat(s.Home(addr)); errors.Is(err, fs.ErrNotExist) {
		return "", auth.ErrNoMailbox
	} else if err != nil {
		return "", fmt.Errorf("looking for a mailbox: %w", err)
	}
	// The mailbox may have come between the two questions; it came whole.
	stored, err = readPassword(unix.AT_FDCWD, s.passwordPath(addr))
	if errors.Is(err, fs.ErrNotExist) {
		return "", auth.ErrNoPassword
	}
	return stored, err
}

// readPassword reads the password file at a path below an open directory. It uses bare system calls: it runs once for each look-up, and an
// os.File costs as much as the three of them. One read is enough: of a file, it
// gives less than was asked for only at the end.
func readPassword(dir int, path string) (string, error) {
	const flags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := ignoringEINTR(func() (int, error) { return unix.Openat(dir, path, flags|unix.O_NOATIME, 0) })
	if err == unix.EPERM { // O_NOATIME is for the owner alone
		fd, err = ignoringEINTR(func() (int, error) { return unix.Openat(dir, path, flags, 0) })
	}
	if err != nil {
		return "", fmt.Errorf("opening a password file: %w", err)
	}
	defer unix.Close(fd)
	var buf [maxPassword + 1]byte
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, buf[:]) })
	if err != nil {
		return "", fmt.Errorf("reading a password file: %w", err)
	}
	return strings.TrimSuffix(string(buf[:n]), "\n"), nil
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// Create makes a mailbox, durably, wholly or not at all. It is created beside its place,
// written to disk, and put there by one rename that replaces nothing. It fails with
// auth.ErrExists if there is one.
func (s *Store) Create(addr mailaddr.Address, account auth.Account, now time.Time) (err error) {
	temp, err := os.MkdirTemp(s.dir, newPrefix)
	if err != nil {
		return fmt.Errorf("creating a mailbox: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(temp)
		}
	}()
	if account.EncryptedOnly {
		if err := write(filepath.Join(temp, EnforceFile), "", now); err != nil {
			return err
		}
	}
	if err := write(filepath.Join(temp, PasswordFile), account.Stored, now); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(temp); err != nil {
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, s.Home(addr), unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		return auth.ErrExists
	}
	if err != nil {
		return fmt.Errorf("putting a mailbox in place: %w", err)
	}
	if err := atomicfile.SyncDir(s.dir); err != nil {
		// It is there, but may be gone after a crash. The client is told to
		// come again, and then finds it.
		return fmt.Errorf("writing a mailbox to the disk: %w", err)
	}
	return nil
}

// write makes a file of a new mailbox; one with content is on disk afterwards.
func write(path, data string, now time.Time) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("creating a file: %w", err)
	}
	defer f.Close()
	if err := atomicfile.Fill(f, []byte(data), 0o600); err != nil {
		return err
	}
	if data == "" {
		return f.Close()
	}
	if err := os.Chtimes(path, dayOf(now), dayOf(now)); err != nil {
		return fmt.Errorf("setting a file's time: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	return f.Close()
}

// SetPassword replaces what is stored for addr. The day of the last login stays,
// or is that of now if it was not known. It fails with auth.ErrNoMailbox.
func (s *Store) SetPassword(addr mailaddr.Address, stored string, now time.Time) error {
	last, err := s.LastLogin(addr)
	if errors.Is(err, auth.ErrNoPassword) {
		last = now
	} else if err != nil {
		return err
	}
	path := s.passwordPath(addr)
	return atomicfile.Write(path, []byte(stored), 0o600, func(f *os.File) error {
		return os.Chtimes(f.Name(), dayOf(last), dayOf(last))
	})
}
