package maildir

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// unsynced is how long before a power failure a change may have been made that is on the disk
// only in part: Linux writes what is dirty after 30 s, within 5 s more (vm.dirty_expire_centisecs,
// vm.dirty_writeback_centisecs).
const unsynced = 2 * time.Minute

// Recovered is what Recover did.
type Recovered struct {
	Mailboxes int64 // whose indexes were reset
	Messages  int64 // that were removed
}

// Recover brings mailboxes in order that were in use when the power failed. It is for a time
// in which nobody reads or writes mail.
//
// A message whose content is not what its name says is removed: a name gets to the disk before
// the content. Nobody was told that it is there, Postfix has it still and delivers it again;
// the app must not see the torn one first, for it shows a Message-ID once.
//
// So are Dovecot's indexes, which are never synced: by what is left of them Dovecot may take
// for known what it does not show. Its list of UIDs may lack those that were given last, so
// that all messages get others, above these.
func (s *Store) Recover(ctx context.Context) (Recovered, error) {
	top, err := OpenDir(s.dir)
	if err != nil {
		return Recovered{}, err
	}
	defer top.Close()
	var faults Faults
	var done Recovered
	for _, name := range lastUsed(top, time.Now(), &faults) {
		r := &recoverer{done: &done, faults: &faults}
		WalkOne(ctx, top, name, r, &faults)
		done.Mailboxes++
	}
	// Or a power failure soon after this one would have the same UIDs given again.
	if err := unix.Syncfs(top.FD); err != nil {
		faults.Add("syncing the store", err, "", "")
	}
	return done, errors.Join(faults.Err(), ctx.Err())
}

// lastUsed returns the names of the mailboxes that were changed no longer than unsynced before
// the last one was: that was just before the power failed, or nothing has happened since.
// Changes of the future, as a wrong clock has them, do not count as the last one.
func lastUsed(top Dir, now time.Time, faults *Faults) (names []string) {
	changed := map[string]time.Time{}
	var last time.Time
	EachName(top, faults, func(name string) bool {
		for _, file := range []string{string(Fresh), string(Cur), "dovecot.index.log", uidList} {
			st, err := top.Stat(name + "/" + file)
			if err != nil {
				if !Gone(err) && !Foreign(err) {
					faults.Add("looking when a mailbox was changed", err, name, file)
				}
				continue
			}
			if t := time.Unix(st.Mtim.Unix()); t.After(changed[name]) {
				changed[name] = t
			}
		}
		if t := changed[name]; t.After(last) && !t.After(now) {
			last = t
		}
		return true
	})
	for name, t := range changed {
		if t.After(last.Add(-unsynced)) {
			names = append(names, name)
		}
	}
	return names
}

// recoverer is the visitor that removes what cannot be relied on.
type recoverer struct {
	done   *Recovered
	faults *Faults
}

func (*recoverer) Mailbox(*Mailbox) bool { return true }
func (*recoverer) Leave(*Mailbox)        {}

func (r *recoverer) Other(m *Mailbox, d Dir, e Entry) {
	var err error
	switch name := string(e.Name); {
	case name == uidList:
		err = d.resetUIDs()
	case strings.HasPrefix(name, "dovecot.index"), isLock(name):
		err = d.Unlink(name)
	}
	if err != nil && !Gone(err) {
		r.faults.Add("resetting an index", err, m.Name, string(e.Name))
	}
}

// isLock tells Dovecot's locks, and what it writes to take a file's place. Nobody holds them
// any more, but Dovecot would wait two minutes for the process that did.
func isLock(name string) bool {
	return strings.HasPrefix(name, "dovecot") && (strings.HasSuffix(name, ".lock") || strings.HasSuffix(name, ".tmp"))
}

func (r *recoverer) Messages(m *Mailbox, d Dir, in Subdir, files []Entry) {
	if in == Tmp {
		return // nobody reads what is there; expire removes it
	}
	for _, e := range files {
		torn, err := isTorn(d, e)
		if torn {
			if err = d.Unlink(string(e.Name)); err == nil {
				r.done.Messages++
			}
		}
		if err != nil && !Gone(err) {
			r.faults.Add("looking for torn messages", err, m.Name, string(e.Name))
		}
	}
}

// gzipTrailer is the end of what gzip writes: the size of the plain content modulo 2^32, in
// little endian (RFC 1952, section 2.3.1).
const gzipTrailer = 4

// isTorn reports whether a message is shorter than its name says: Dovecot writes it plain, or
// by gzip in one member. Of a name without a size nothing is known.
func isTorn(d Dir, e Entry) (bool, error) {
	size := ParseName(e.Name).Size
	if size < 0 {
		return false, nil
	}
	fd, err := unix.Openat(d.FD, string(e.Name), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false, err
	}
	f := os.NewFile(uintptr(fd), "message")
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	var magic [2]byte
	if _, err := f.ReadAt(magic[:], 0); err != nil && err != io.EOF {
		return false, err
	}
	if magic != [2]byte{0x1f, 0x8b} {
		return info.Size() < size, nil
	}
	if info.Size() < int64(len(magic))+gzipTrailer {
		return true, nil
	}
	var trailer [gzipTrailer]byte
	if _, err := f.ReadAt(trailer[:], info.Size()-gzipTrailer); err != nil {
		return false, err
	}
	return binary.LittleEndian.Uint32(trailer[:]) != uint32(size), nil
}
