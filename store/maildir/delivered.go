package maildir

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// slowest is how long a delivery may take from the time in the file's name, or until its
	// sync: later than that Postfix has given it up and makes another one (lmtp_data_done_timeout).
	slowest = 10 * time.Minute
	// tick is more than the kernel's times of files are late.
	tick = 20 * time.Millisecond
	// looks is how often a mailbox is read at most that a client changes meanwhile.
	looks = 3
	// abreast is how many files of a mailbox are synced at the same time.
	abreast = 16
	// remembered is of how many mailboxes it is known when they were read last, at most twice.
	remembered = 1 << 15
)

// Delivered makes durable what was delivered to mailboxes, file by file: what else the file
// system has not written yet, such as a backup, holds no delivery. The kernel writes those of
// the same moment together.
type Delivered struct {
	Dir string // of the mailboxes
	Now func() time.Time

	mu         sync.Mutex
	young, old map[string]time.Time // when each mailbox was read last
	readers    sync.Pool
}

// Sync makes durable the messages that were delivered to a mailbox since the call before this
// one, and returns how many files that were. Certain says that there can be no others: a client
// that changes the mailbox all the time may hide one, and where it is not known when the mailbox
// was read last, a clock that jumps may. One that a client has deleted need not be durable.
func (d *Delivered) Sync(mailbox string) (files int, certain bool, err error) {
	if strings.ContainsRune(mailbox, '/') {
		return 0, false, fmt.Errorf("%q is not a mailbox", mailbox)
	}
	box, err := OpenDir(d.Dir + "/" + mailbox)
	if err != nil {
		return 0, false, err
	}
	defer box.Close()
	for n := range looks {
		if n > 0 {
			time.Sleep(tick)
		}
		now := d.Now()
		since, known := d.since(mailbox, now)
		found, settled, err := d.look(box, since)
		if settled && err == nil {
			sync := found
			if !known {
				sync = append(sync, box.FD) // its directories may be new, too
			}
			err = syncEach(sync)
		}
		for _, fd := range found {
			_ = unix.Close(fd)
		}
		if err != nil {
			return 0, false, fmt.Errorf("syncing a mailbox: %w", err)
		}
		if settled {
			d.note(mailbox, now)
			return len(found), known || len(found) > 0, nil
		}
	}
	return 0, false, nil
}

// since says since when files have not been made durable, and whether that is known.
func (d *Delivered) since(mailbox string, now time.Time) (since time.Time, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, known := d.young[mailbox]
	if !known {
		last, known = d.old[mailbox]
	}
	if !known || last.After(now) {
		return now.Add(-slowest), false
	}
	return last.Add(-tick), true
}

func (d *Delivered) note(mailbox string, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.young == nil || len(d.young) >= remembered {
		d.old, d.young = d.young, map[string]time.Time{}
	}
	d.young[mailbox] = now
}

// look opens the messages whose names were given since a moment, and the directories that they
// are in. Settled says that all of them were seen.
func (d *Delivered) look(box Dir, since time.Time) (files []int, settled bool, err error) {
	settled = true
	for _, in := range []Subdir{Fresh, Cur} { // the way that messages go
		dir, err := box.Open(string(in))
		if Gone(err) {
			continue
		}
		if err != nil {
			return files, false, err
		}
		before, err := changed(dir)
		if err != nil {
			dir.Close()
			return files, false, err
		}
		some, all, err := d.open(dir, since)
		files = append(files, some...)
		after, statErr := changed(dir)
		if len(some) > 0 {
			files = append(files, dir.FD)
		} else {
			dir.Close()
		}
		if err = errors.Join(err, statErr); err != nil {
			return files, false, err
		}
		settled = settled && all
		if in == Cur && (after != before || d.Now().Sub(before) < tick) {
			settled = false
		}
	}
	return files, settled, nil
}

// changed is when names in a directory changed last.
func changed(dir Dir) (time.Time, error) {
	var st unix.Stat_t
	err := unix.Fstat(dir.FD, &st)
	return time.Unix(st.Mtim.Unix()), err
}

// open opens the messages in dir. All says that none of them has gone meanwhile.
func (d *Delivered) open(dir Dir, since time.Time) (files []int, all bool, err error) {
	r, _ := d.readers.Get().(*Reader)
	if r == nil {
		r = &Reader{}
	}
	defer d.readers.Put(r)
	all = true
	for {
		entries, err := r.Next(dir)
		if err != nil || len(entries) == 0 {
			return files, all, err
		}
		for _, e := range entries {
			if t := ParseName(e.Name).Time; t != 0 && t < since.Add(-slowest).Unix() {
				continue
			}
			name := string(e.Name)
			st, err := dir.Stat(name)
			if Gone(err) {
				all = false
				continue
			}
			if err != nil {
				return files, false, err
			}
			if !IsRegular(st) || time.Unix(st.Ctim.Unix()).Before(since) {
				continue
			}
			fd, err := unix.Openat(dir.FD, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if Gone(err) {
				all = false
				continue
			}
			if err != nil {
				return files, false, err
			}
			files = append(files, fd)
		}
	}
}

// syncEach syncs many at the same time, so that the kernel writes them together.
func syncEach(files []int) error {
	errs, slots := make(chan error, len(files)), make(chan struct{}, abreast)
	for _, fd := range files {
		slots <- struct{}{}
		go func() {
			errs <- os.NewSyscallError("fsync", unix.Fsync(fd))
			<-slots
		}()
	}
	var all error
	for range files {
		all = errors.Join(all, <-errs)
	}
	return all
}
