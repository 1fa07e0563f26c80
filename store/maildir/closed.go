package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/auth/mailaddr"
)

// Directories for mailboxes that get another home. Neither name is an address.
const (
	MovingDir   = ".moving"   // those that leave, and marks of those that have left
	arrivingDir = ".arriving" // those that come, until they are complete
)

// Transit are the mailboxes of a store that get another home, or come from there.
type Transit struct{ *Store }

// Close puts a mailbox aside, with an empty file in its place: whatever still believes
// that it may use the mailbox, such as a delivery or a session that was let in before,
// fails for a reason that may pass, and makes no new one. It is one rename: what was
// delivered before is in the mailbox, and nothing is after. A mailbox that is closed
// stays so. Only one process closes mailboxes.
func (s Transit) Close(addr mailaddr.Address) error {
	aside := s.aside(addr)
	if err := os.MkdirAll(filepath.Dir(aside), 0o700); err != nil {
		return fmt.Errorf("closing a mailbox: %w", err)
	}
	for {
		isDir, err := isDirectory(aside)
		if err == nil && isDir {
			return s.bar(addr)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = makeEmpty(aside)
		}
		if err != nil {
			return fmt.Errorf("closing a mailbox: %w", reason(err))
		}
		err = unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, s.Home(addr), unix.RENAME_EXCHANGE)
		if err == nil {
			s.wake(addr)
			return nil
		}
		if errors.Is(err, unix.ENOENT) { // there is no mailbox, and none may be made
			err = unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, s.Home(addr), unix.RENAME_NOREPLACE)
			if err == nil {
				return nil
			}
			if errors.Is(err, unix.EEXIST) { // now there is one
				continue
			}
		}
		return fmt.Errorf("closing a mailbox: %w", err)
	}
}

// bar has an empty file be where the mailbox of addr was.
func (s Transit) bar(addr mailaddr.Address) error {
	err := makeEmpty(s.Home(addr))
	if errors.Is(err, fs.ErrExist) {
		isDir, statErr := isDirectory(s.Home(addr))
		if statErr == nil && !isDir {
			return nil
		}
		err = errors.New("there is another one in its place")
	}
	if err != nil {
		return fmt.Errorf("closing a mailbox: %w", reason(err))
	}
	return nil
}

// wake has programs that watch a closed mailbox, such as a session in IDLE, look at it, and
// find that it is no longer there.
func (s Transit) wake(addr mailaddr.Address) {
	for _, in := range []Subdir{Fresh, Cur} {
		path := filepath.Join(s.aside(addr), string(in), ".closed")
		if makeEmpty(path) == nil {
			_ = os.Remove(path)
		}
	}
}

// Closed is where the files of a closed mailbox are; "" if there is none.
func (s Transit) Closed(addr mailaddr.Address) (string, error) {
	isDir, err := isDirectory(s.aside(addr))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("looking for a closed mailbox: %w", reason(err))
	}
	if !isDir {
		return "", nil
	}
	return s.aside(addr), nil
}

// Reopen puts a closed mailbox back, if there is one, and lets another be made if not.
func (s Transit) Reopen(addr mailaddr.Address) error {
	path, err := s.Closed(addr)
	if err != nil {
		return err
	}
	if path == "" {
		return s.Lift(addr)
	}
	err = unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, s.Home(addr), unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOENT) {
		err = unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, s.Home(addr), unix.RENAME_NOREPLACE)
	}
	if err != nil {
		return fmt.Errorf("opening a mailbox again: %w", err)
	}
	return s.Lift(addr)
}

// Lift lets a mailbox be made where a closed one was.
func (s Transit) Lift(addr mailaddr.Address) error {
	for _, path := range []string{s.Home(addr), s.aside(addr)} {
		isDir, err := isDirectory(path)
		if err == nil && !isDir {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("opening the place of a mailbox: %w", reason(err))
		}
	}
	return nil
}

// RemoveClosed deletes a closed mailbox, if there is one. Its place stays closed, and a
// mark says since when. After a crash it may have to be done again.
func (s Transit) RemoveClosed(addr mailaddr.Address) error {
	path, err := s.Closed(addr)
	if err != nil {
		return err
	}
	if path != "" {
		if err := s.discard(path); err != nil {
			return err
		}
	}
	isDir, err := isDirectory(s.Home(addr))
	if err != nil || isDir {
		return nil
	}
	err = makeEmpty(s.aside(addr))
	if errors.Is(err, fs.ErrExist) {
		now := time.Now()
		err = os.Chtimes(s.aside(addr), now, now)
	}
	if err != nil {
		return fmt.Errorf("marking a mailbox that has left: %w", reason(err))
	}
	return nil
}

// EachClosed calls yield for each mailbox that is closed here, or has left since a time.
func (s Transit) EachClosed(yield func(addr mailaddr.Address, since time.Time, left bool) error) error {
	err := Names(filepath.Join(s.dir, MovingDir), func(_ int, name string) error {
		addr, err := mailaddr.Parse(name, s.domain)
		if err != nil || addr.String() != name {
			return nil
		}
		info, err := os.Lstat(s.aside(addr))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking at a closed mailbox: %w", reason(err))
		}
		return yield(addr, info.ModTime(), !info.IsDir())
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Arrive makes an empty directory for a mailbox that comes from another machine.
func (s Transit) Arrive(addr mailaddr.Address) (path string, err error) {
	path = filepath.Join(s.dir, arrivingDir, addr.String())
	if err := os.RemoveAll(path); err != nil {
		return "", fmt.Errorf("receiving a mailbox: %w", reason(err))
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("receiving a mailbox: %w", reason(err))
	}
	return path, nil
}

// Arrived puts a mailbox in place that is complete, and on the disk, in the place of
// whatever was left of an earlier one. It does not wait until that is on the disk, too.
func (s Transit) Arrived(addr mailaddr.Address) error {
	path := filepath.Join(s.dir, arrivingDir, addr.String())
	err := unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, s.Home(addr), unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOENT) {
		err = unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, s.Home(addr), unix.RENAME_NOREPLACE)
	}
	if err != nil {
		return fmt.Errorf("putting a mailbox in place: %w", err)
	}
	return s.forget(addr, path)
}

// Gone removes whatever was left of an earlier mailbox, where the one that came from another
// machine was never made.
func (s Transit) Gone(addr mailaddr.Address) error {
	isDir, err := isDirectory(s.Home(addr))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for a mailbox: %w", reason(err))
	}
	if isDir {
		if err := s.discard(s.Home(addr)); err != nil {
			return err
		}
	}
	return s.forget(addr, s.Home(addr))
}

// forget removes what was left of an earlier mailbox: what a rename has put at path, and
// what was put aside.
func (s Transit) forget(addr mailaddr.Address, path string) error {
	for _, old := range []string{path, s.aside(addr)} {
		isDir, err := isDirectory(old)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("removing an earlier mailbox: %w", reason(err))
		case isDir:
			err = s.discard(old)
		default:
			err = os.Remove(old)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing an earlier mailbox: %w", reason(err))
		}
	}
	return nil
}

// Unfinished removes what has not arrived whole. It is for a time in which nothing arrives.
func (s Transit) Unfinished() error {
	if err := os.RemoveAll(filepath.Join(s.dir, arrivingDir)); err != nil {
		return fmt.Errorf("removing mailboxes that have not arrived: %w", reason(err))
	}
	return nil
}

// discard deletes a mailbox at path, without waiting for the disk.
func (s Transit) discard(path string) error { return s.remove(path, func() error { return nil }) }

func (s Transit) aside(addr mailaddr.Address) string {
	return filepath.Join(s.dir, MovingDir, addr.String())
}

// isDirectory fails with fs.ErrNotExist if there is nothing.
func isDirectory(path string) (bool, error) {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir(), err
}

// makeEmpty makes an empty file, where there is nothing.
func makeEmpty(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// reason takes the path, which names the account, out of a file error.
func reason(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
