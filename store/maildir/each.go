package maildir

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"chatmaild/auth/mailaddr"
)

// namesAtOnce is how many names of the directory are held at a time.
const namesAtOnce = 1024

// Each calls yield with the address of each mailbox that has a password, in no
// order, until it fails, and returns its error. It sees a mailbox that comes or
// goes meanwhile or not.
func (s *Store) Each(yield func(mailaddr.Address) error) error {
	return Names(s.dir, func(dir int, name string) error {
		addr, err := mailaddr.Parse(name, s.domain)
		if err != nil || addr.String() != name {
			return nil
		}
		if unix.Faccessat(dir, name+"/"+PasswordFile, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) != nil {
			return nil
		}
		return yield(addr)
	})
}

// Names calls yield with the descriptor of the directory of mailboxes and each name in it,
// until it fails, and returns its error.
func Names(path string, yield func(dir int, name string) error) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the mailboxes: %w", err)
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(namesAtOnce)
		for _, name := range names {
			if err := yield(int(dir.Fd()), name); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the mailboxes: %w", err)
		}
	}
}
