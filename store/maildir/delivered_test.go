package maildir

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDelivered finds what was delivered since the last time, where a client has moved it, too;
// and says so where it cannot be certain.
func TestDelivered(t *testing.T) {
	dir := t.TempDir()
	const mailbox = "a@chat.example"
	ahead := time.Duration(0)
	d := &Delivered{Dir: dir, Now: func() time.Time { return time.Now().Add(ahead) }}
	if _, err := d.Sync(mailbox); !Gone(unwrapErrno(err)) {
		t.Errorf("without a mailbox: %v", err)
	}
	for _, sub := range []Subdir{Fresh, Cur, Tmp} {
		if err := os.MkdirAll(filepath.Join(dir, mailbox, string(sub)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := func(in Subdir, name string) string { return filepath.Join(dir, mailbox, string(in), name) }
	write := func(in Subdir, name string) {
		t.Helper()
		if err := os.WriteFile(file(in, name), []byte("mail"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	name := func(n int) string { return fmt.Sprintf("%d.M%dP1.host,S=4", time.Now().Unix(), n) }
	sync := func(what string, want bool) {
		t.Helper()
		ahead += time.Second // what was seen is long ago
		if found, err := d.Sync(mailbox); err != nil || found != want {
			t.Errorf("%s: found %v, %v; want %v", what, found, err, want)
		}
	}
	sync("nothing", false)
	first := name(1)
	write(Fresh, first)
	ahead = 0
	if found, err := d.Sync(mailbox); err != nil || !found {
		t.Errorf("a new message: %v, %v", found, err)
	}
	sync("the same one", false)
	if err := os.Rename(file(Fresh, first), file(Cur, first+":2,S")); err != nil {
		t.Fatal(err)
	}
	ahead = -time.Second
	sync("one that a client has just moved", true)
	write(Fresh, "1.M1P1.host,S=4")
	ahead = -time.Second
	d.young = nil
	if err := os.Remove(file(Cur, first+":2,S")); err != nil {
		t.Fatal(err)
	}
	sync("an old one that was restored", false)
	ahead = time.Hour
	write(Fresh, name(2))
	sync("after the clock has jumped", false)
}

func unwrapErrno(err error) error {
	for err != nil {
		if errno, ok := err.(unix.Errno); ok {
			return errno
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = u.Unwrap()
	}
	return nil
}
