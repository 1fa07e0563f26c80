// Package census keeps count of the mailboxes without looking for them when it is
// asked: it reads the names in their directory once, has the kernel tell of every
// mailbox that comes or goes (inotify(7)), and counts again once an hour.
//
// The count is exact but for a mailbox that came or went during a count; then it
// counts again, three times at most. A directory without a password file counts as a
// mailbox until the daily expiry removes it.
package census

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"chatmaild/store/maildir"

	"golang.org/x/sys/unix"
)

const (
	recountInterval = time.Hour
	recounts        = 3    // in a row, when mailboxes come and go meanwhile
	namesAtOnce     = 1024 // held in memory
	eventBuffer     = 64 << 10
)

// Counts are the mailboxes by the beginning of their names, as the Python relay
// counts them, and how many went since the census began.
type Counts struct {
	CI, Others int // CI: "ci-" and "ac_", which automatic tests use
	Deleted    int
	Known      bool // the first count is done
}

// Census counts the mailboxes of a domain in a directory.
type Census struct {
	dir, suffix string

	mu     sync.Mutex
	counts Counts
}

// New returns a Census; Run makes it count.
func New(dir, domain string) *Census {
	return &Census{dir: dir, suffix: "@" + domain}
}

// Counts returns what is known now.
func (c *Census) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Run keeps the count until ctx is done.
func (c *Census) Run(ctx context.Context) error {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return fmt.Errorf("watching the mailboxes: %w", err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	defer events.Close()
	defer context.AfterFunc(ctx, func() { events.Close() })()
	const watched = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_ONLYDIR
	if _, err := unix.InotifyAddWatch(fd, c.dir, watched); err != nil {
		return fmt.Errorf("watching the mailboxes: %w", err)
	}
	buf := make([]byte, eventBuffer)
	for {
		if err := c.count(ctx, events, buf); err != nil {
			return done(ctx, err)
		}
		if err := events.SetReadDeadline(time.Now().Add(recountInterval)); err != nil {
			return done(ctx, err)
		}
		if err := c.follow(events, buf); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return done(ctx, err)
		}
	}
}

// done tells a fault from the end.
func done(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("counting the mailboxes: %w", err)
}

// follow notes what comes and goes, until it is time to count again.
func (c *Census) follow(events *os.File, buf []byte) error {
	for {
		n, err := events.Read(buf)
		if err != nil {
			return err
		}
		if _, lost := c.note(buf[:n], true); lost {
			return nil
		}
	}
}

// count reads all names. What the kernel tells of meanwhile may be in them or not.
func (c *Census) count(ctx context.Context, events *os.File, buf []byte) error {
	for range recounts {
		var ci, others int
		if err := c.names(ctx, func(name string) {
			if automatic(name) {
				ci++
			} else {
				others++
			}
		}); err != nil {
			return err
		}
		quiet, err := c.drain(events, buf)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.counts.CI, c.counts.Others, c.counts.Known = ci, others, true
		c.mu.Unlock()
		if quiet {
			return nil
		}
	}
	return nil
}

// drain takes what the kernel has told so far, and reports whether a mailbox came
// or went.
func (c *Census) drain(events *os.File, buf []byte) (quiet bool, err error) {
	conn, err := events.SyscallConn()
	if err != nil {
		return false, err
	}
	quiet = true
	for {
		var n int
		var failure error
		if err := conn.Read(func(fd uintptr) bool {
			n, failure = unix.Read(int(fd), buf)
			return true
		}); err != nil {
			return false, err
		}
		switch {
		case failure == unix.EAGAIN:
			return quiet, nil
		case failure == unix.EINTR:
			continue
		case failure != nil:
			return false, failure
		}
		heard, lost := c.note(buf[:n], false)
		quiet = quiet && heard == 0 && !lost
	}
}

// note counts the events in b: all of them, or only who went, because a count has
// the others. It returns how many were of mailboxes, and whether the kernel lost
// some. An event is wd, mask, cookie and len of 32 bits each, and a name filled up
// with NUL.
func (c *Census) note(b []byte, all bool) (heard int, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(b) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(b[4:])
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if size > len(b) {
			return heard, true
		}
		name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:size]), "\x00")
		b = b[size:]
		if mask&(unix.IN_Q_OVERFLOW|unix.IN_IGNORED) != 0 {
			lost = true
			continue
		}
		if !strings.HasSuffix(name, c.suffix) {
			continue
		}
		heard++
		change := 1
		if mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0 {
			change = -1
			c.counts.Deleted++
		}
		switch {
		case !all:
		case automatic(name):
			c.counts.CI += change
		default:
			c.counts.Others += change
		}
	}
	return heard, lost
}

// Automatic are the beginnings of the addresses of accounts that tests make.
var Automatic = []string{"ci-", "ac_"}

// automatic says whether a mailbox is one of those.
func automatic(name string) bool {
	return slices.ContainsFunc(Automatic, func(beginning string) bool { return strings.HasPrefix(name, beginning) })
}

func (c *Census) names(ctx context.Context, yield func(name string)) error {
	return maildir.Names(c.dir, func(_ int, name string) error {
		if strings.HasSuffix(name, c.suffix) {
			yield(name)
		}
		return ctx.Err()
	})
}
