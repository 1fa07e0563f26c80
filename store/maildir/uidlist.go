package maildir

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	uidList    = "dovecot-uidlist"
	newUIDList = ".new-uidlist" // until it is complete

	// uidGap is more messages than come to a mailbox before Dovecot's list of them is on the
	// disk: half a minute. There is room for 40,000 power failures.
	uidGap = 100_000

	maxUIDLine = 4 << 10 // bytes; a file name has 255
)

// Opened tells whether a client has ever opened the mailbox in a directory: Dovecot then makes its
// list of UIDs, whose UIDVALIDITY the client notes.
func Opened(home string) (bool, error) { return exists(filepath.Join(home, uidList)) }

// afterUIDs returns what is kept of a list of UIDs after a power failure: its first line, with
// a next UID above every one that may have been given. ok is false of what is no such list.
//
// The list has a line of its version, UIDVALIDITY, next UID and GUID, and then one for each
// message (doc.dovecot.org, "Maildir", "IMAP UID mapping"):
//
//	3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1
//	25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,
//
// Messages that follow without a line get the next UIDs.
func afterUIDs(list io.Reader) (header []byte, ok bool) {
	lines := bufio.NewScanner(list)
	lines.Buffer(nil, maxUIDLine)
	if !lines.Scan() {
		return nil, false
	}
	fields := bytes.Fields(bytes.Clone(lines.Bytes()))
	if len(fields) < 3 || string(fields[0]) != "3" {
		return nil, false
	}
	next, nextAt, validity := uint64(0), 0, false
	for i, f := range fields[1:] {
		n, err := strconv.ParseUint(string(f[1:]), 10, 32)
		switch {
		case f[0] == 'V' && err == nil && n > 0:
			validity = true
		case f[0] == 'N' && err == nil && n > 0:
			next, nextAt = n, i+1
		}
	}
	if !validity || nextAt == 0 {
		return nil, false
	}
	// Lines that were added are above what the first one says. The last may be torn.
	for lines.Scan() {
		uid, _, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		if n, err := strconv.ParseUint(string(uid), 10, 32); err == nil {
			next = max(next, n+1)
		}
	}
	if next += uidGap; next >= 1<<32 {
		return nil, false
	}
	fields[nextAt] = strconv.AppendUint([]byte("N"), next, 10)
	return append(bytes.Join(fields, []byte(" ")), '\n'), true
}

// resetUIDs rewrites the list in a directory, which then gives every message a UID that no
// client has seen: clients ask for those, and drop what they have by its Message-ID. They would
// not after a change of UIDVALIDITY: the Delta Chat core begins with what comes after that. So
// it is changed only where the list is lost.
func (d Dir) resetUIDs() error {
	fd, err := unix.Openat(d.FD, uidList, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	list := os.NewFile(uintptr(fd), uidList)
	defer list.Close()
	header, ok := afterUIDs(list)
	if !ok {
		return d.Unlink(uidList)
	}
	if err := d.Unlink(newUIDList); err != nil && !Gone(err) {
		return err
	}
	fd, err = unix.Openat(d.FD, newUIDList, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	next := os.NewFile(uintptr(fd), newUIDList)
	_, err = next.Write(header)
	if err := errors.Join(err, next.Close()); err != nil {
		return fmt.Errorf("writing a list of UIDs: %w", err)
	}
	return unix.Renameat(d.FD, newUIDList, d.FD, uidList)
}
