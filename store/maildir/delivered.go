package maildir

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"slices"
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
	// remembered is of how many mailboxes it is known what was durable, at most twice.
	remembered = 1 << 15
	// young is how many messages of a mailbox are told apart at most that may have just come.
	young = 1 << 12
)

// Delivered makes durable what was delivered to mailboxes, file by file: what else the file
// system has not written yet, such as a backup, holds no delivery. The kernel writes those of
// the same moment together.
type Delivered struct {
	Dir string // of the mailboxes
	Now func() time.Time

	mu          sync.Mutex
	last, older map[string]durable // of each mailbox
	readers     sync.Pool
}

var seed = maphash.MakeSeed()

// durable is what was on the disk when a mailbox was read last.
type durable struct {
	at    time.Time
	names []uint64 // hashes of the names of those that may have come since, without flags; sorted
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
		before, known := d.recall(mailbox, now)
		found, settled, err := d.look(box, before)
		if settled && err == nil {
			sync := found.files
			if !known {
				sync = append(sync, box.FD) // its directories may be new, too
			}
			err = syncEach(sync)
		}
		for _, fd := range found.files {
			_ = unix.Close(fd)
		}
		if err != nil {
			return 0, false, fmt.Errorf("syncing a mailbox: %w", err)
		}
		if settled {
			slices.Sort(found.names)
			d.note(mailbox, durable{now, found.names})
			return len(found.files), known || len(found.files) > 0, nil
		}
	}
	return 0, false, nil
}

// recall returns what of a mailbox is durable, and whether that is known.
func (d *Delivered) recall(mailbox string, now time.Time) (last durable, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, known = d.last[mailbox]
	if !known {
		last, known = d.older[mailbox]
	}
	if !known || last.at.After(now) {
		return durable{at: now}, false
	}
	return last, true
}

func (d *Delivered) note(mailbox string, now durable) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil || len(d.last) >= remembered {
		d.older, d.last = d.last, map[string]durable{}
	}
	d.last[mailbox] = now
}

// found is what a look at a mailbox has found: the messages that may not be durable and the
// directories that they are in, open, and the names of all that have not been there for long.
type found struct {
	files []int
	names []uint64
}

// look opens the messages that are not known to be durable, and the directories that they are
// in. Settled says that all of them were seen.
func (d *Delivered) look(box Dir, before durable) (f found, settled bool, err error) {
	settled = true
	for _, in := range []Subdir{Fresh, Cur} { // the way that messages go
		dir, err := box.Open(string(in))
		if Gone(err) {
			continue
		}
		if err != nil {
			return f, false, err
		}
		then, err := changed(dir)
		if err != nil {
			dir.Close()
			return f, false, err
		}
		known := len(f.files)
		all, err := d.open(dir, before, &f)
		after, statErr := changed(dir)
		if len(f.files) > known {
			f.files = append(f.files, dir.FD)
		} else {
			dir.Close()
		}
		if err = errors.Join(err, statErr); err != nil {
			return f, false, err
		}
		settled = settled && all
		if in == Cur && (after != then || d.Now().Sub(then) < tick) {
			settled = false
		}
	}
	return f, settled, nil
}

// changed is when names in a directory changed last.
func changed(dir Dir) (time.Time, error) {
	var st unix.Stat_t
	err := unix.Fstat(dir.FD, &st)
	return time.Unix(st.Mtim.Unix()), err
}

// open opens the messages in dir. All says that none of them has gone meanwhile, and that there
// are not too many.
func (d *Delivered) open(dir Dir, before durable, f *found) (all bool, err error) {
	r, _ := d.readers.Get().(*Reader)
	if r == nil {
		r = &Reader{}
	}
	defer d.readers.Put(r)
	all = true
	for {
		entries, err := r.Next(dir)
		if err != nil || len(entries) == 0 {
			return all && len(f.names) <= young, err
		}
		for _, e := range entries {
			if e.Kind != unix.DT_REG && e.Kind != unix.DT_UNKNOWN {
				continue
			}
			if t := ParseName(e.Name).Time; t != 0 && t < before.at.Add(-slowest).Unix() {
				continue
			}
			name, _, _ := bytes.Cut(e.Name, []byte(":"))
			hash := maphash.Bytes(seed, name)
			if f.names = append(f.names, hash); len(f.names) > young {
				return false, nil
			}
			if _, durable := slices.BinarySearch(before.names, hash); durable {
				continue
			}
			fd, err := unix.Openat(dir.FD, string(e.Name), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if Gone(err) {
				all = false
				continue
			}
			if Foreign(err) {
				continue
			}
			if err != nil {
				return false, err
			}
			f.files = append(f.files, fd)
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
