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

// leftoverAge is how old something unfinished must be before it is taken for the
// leftover of a crash.
const leftoverAge = time.Hour

// Remove deletes addr's mailbox. It is renamed aside first: from that moment on
// nobody finds any part of it, and the address is free. It fails with
// auth.ErrNoMailbox.
func (s *Store) Remove(addr mailaddr.Address) error {
	return s.remove(s.Home(addr), func() error { return atomicfile.SyncDir(s.dir) })
}

// remove deletes a mailbox at path. Once it is gone from there, it calls gone.
func (s *Store) remove(path string, gone func() error) error {
	aside, err := os.MkdirTemp(s.dir, gonePrefix)
	if err != nil {
		return fmt.Errorf("deleting a mailbox: %w", err)
	}
	defer os.RemoveAll(aside)
	err = unix.Rename(path, filepath.Join(aside, "mailbox"))
	if errors.Is(err, unix.ENOENT) {
		return auth.ErrNoMailbox
	}
	if err != nil {
		return fmt.Errorf("putting a mailbox aside: %w", err)
	}
	if err := gone(); err != nil {
		return err
	}
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("deleting a mailbox: %w", err)
	}
	return nil
}

// RemoveLeftovers removes what a crash left incomplete or half deleted, and
// returns how much of it there was.
func (s *Store) RemoveLeftovers(now time.Time) (n int, err error) {
	err = Names(s.dir, func(_ int, name string) error {
		if !strings.HasPrefix(name, newPrefix) && !strings.HasPrefix(name, gonePrefix) {
			return nil
		}
		path := filepath.Join(s.dir, name)
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && now.Sub(info.ModTime()) < leftoverAge {
			return nil
		}
		if err == nil {
			err = os.RemoveAll(path)
		}
		if err != nil {
			return fmt.Errorf("removing a leftover: %w", err)
		}
		n++
		return nil
	})
	return n, err
}
