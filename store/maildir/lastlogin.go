package maildir

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
)

// dayOf returns the beginning of t's day in UTC. Nothing finer is ever kept about
// when someone was here.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// SetLastLogin records that addr logged in at t, to the day. It writes nothing if
// that is known. It fails with auth.ErrNoMailbox or auth.ErrNoPassword.
func (s *Store) SetLastLogin(addr mailaddr.Address, t time.Time) error {
	path := s.passwordPath(addr)
	day := dayOf(t).Unix()
	var st unix.Stat_t
	if err := s.stat(addr, path, &st); err != nil {
		return err
	}
	if st.Mtim.Sec == day && st.Mtim.Nsec == 0 {
		return nil
	}
	at := unix.Timespec{Sec: day}
	err := unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return auth.ErrNoMailbox // it went in this moment
	}
	if err != nil {
		return fmt.Errorf("recording a login: %w", err)
	}
	return nil
}

// LastLogin returns the day of addr's last login. It fails with auth.ErrNoMailbox
// or auth.ErrNoPassword.
func (s *Store) LastLogin(addr mailaddr.Address) (time.Time, error) {
	var st unix.Stat_t
	if err := s.stat(addr, s.passwordPath(addr), &st); err != nil {
		return time.Time{}, err
	}
	return time.Unix(st.Mtim.Unix()).UTC(), nil
}

func (s *Store) stat(addr mailaddr.Address, path string, st *unix.Stat_t) error {
	err := unix.Fstatat(unix.AT_FDCWD, path, st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		if _, err := os.Lstat(s.Home(addr)); err == nil {
			return auth.ErrNoPassword
		}
		return auth.ErrNoMailbox
	}
	if errors.Is(err, unix.ENOTDIR) { // it is closed, or has left for another machine
		return auth.ErrNoMailbox
	}
	if err != nil {
		return fmt.Errorf("looking at a password file: %w", err)
	}
	return nil
}
