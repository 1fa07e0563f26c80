package safefs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// As runs f, if we are root, with the rights of the owner of the directory at path:
// of its owner and group, and none of root's. That holds for the whole process, so
// nothing else may continue meanwhile. What f makes belongs to that user.
func As(path string, f func() error) (err error) {
	if os.Geteuid() != 0 {
		return f()
	}
	d, err := OpenDir(path)
	if err != nil {
		return err
	}
	uid, gid := d.Owner()
	d.Close()
	if uid == 0 {
		return f()
	}
	groups, err := syscall.Getgroups()
	if err != nil {
		return fmt.Errorf("asking for our groups: %w", err)
	}
	// Root last and first: only root may change the others.
	defer func() {
		back := errors.Join(syscall.Seteuid(0), syscall.Setegid(0), syscall.Setgroups(groups))
		if back != nil {
			err = errors.Join(err, fmt.Errorf("becoming root again: %w", back))
		}
	}()
	if err := errors.Join(syscall.Setgroups([]int{gid}), syscall.Setegid(gid), syscall.Seteuid(uid)); err != nil {
		return fmt.Errorf("becoming %s: %w", userName(uint32(uid)), err)
	}
	return f()
}
