package maildir

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// RemoveTorn removes messages whose content is not what their names say, and returns how many
// there were. They are what a power failure leaves of deliveries that had not been confirmed:
// a name gets to the disk before the content. Postfix has such a message still, and delivers
// it again; the app must not see the torn one first, for it shows a Message-ID once.
//
// It is for a time in which nobody reads or writes mail.
func (s *Store) RemoveTorn(ctx context.Context) (n int64, err error) {
	top, err := OpenDir(s.dir)
	if err != nil {
		return 0, err
	}
	defer top.Close()
	var faults Faults
	var removed atomic.Int64
	visitors := make([]Visitor, Workers())
	for i := range visitors {
		visitors[i] = &mender{removed: &removed, faults: &faults}
	}
	Walk(ctx, top, visitors, new(Progress), &faults)
	return removed.Load(), errors.Join(faults.Err(), ctx.Err())
}

// mender is the visitor that removes torn messages.
type mender struct {
	removed *atomic.Int64
	faults  *Faults
}

func (*mender) Mailbox(*Mailbox) bool      { return true }
func (*mender) Leave(*Mailbox)             {}
func (*mender) Other(*Mailbox, Dir, Entry) {}

func (r *mender) Messages(m *Mailbox, d Dir, in Subdir, files []Entry) {
	if in == Tmp {
		return // nobody reads what is there; expire removes it
	}
	for _, e := range files {
		torn, err := isTorn(d, e)
		if torn {
			if err = d.Unlink(string(e.Name)); err == nil {
				r.removed.Add(1)
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
