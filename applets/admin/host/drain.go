package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	postfixServer = "/usr/lib/postfix/sbin/smtpd"
	postfixQueue  = "/var/spool/postfix"
)

// CloseMail has a Postfix that runs take no more mail, while it goes on delivering
// what it has: it closes its listeners, by a line in main.cf that is to be written
// anew, and its servers end, which its clients take for a broken connection.
func (h Host) CloseMail(ctx context.Context) error {
	if _, err := h.run(ctx, "/usr/sbin/postconf", "-e", "master_service_disable=inet"); err != nil {
		return fmt.Errorf("closing Postfix's listeners: %w", err)
	}
	if _, err := h.run(ctx, "/usr/sbin/postfix", "reload"); err != nil {
		return fmt.Errorf("closing Postfix's listeners: %w", err)
	}
	links, err := filepath.Glob(h.path("/proc/[0-9]*/exe"))
	if err != nil {
		return err
	}
	for _, link := range links {
		if program, err := os.Readlink(link); err != nil || program != postfixServer {
			continue // or it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ending Postfix's servers: %w", err)
		}
	}
	return nil
}

// UnderWay counts the messages that Postfix is taking or delivering; those that it
// tries again later are not among them.
func (h Host) UnderWay() (int, error) {
	n := 0
	for _, queue := range []string{"maildrop", "incoming", "active"} {
		entries, err := os.ReadDir(h.path(filepath.Join(postfixQueue, queue)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return n, fmt.Errorf("looking at Postfix's queue: %w", err)
		}
		n += len(entries)
	}
	return n, nil
}
