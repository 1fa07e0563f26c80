package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestDelivered finds what was delivered since the last time, where a client has moved it, too;
// and says so where it cannot be certain.
func TestDelivered(t *testing.T) {
	dir := t.TempDir()
	const mailbox = "a@chat.example"
	ahead := time.Duration(0)
	d := &Delivered{Dir: dir, Now: func() time.Time { return time.Now().Add(ahead) }}
	if _, _, err := d.Sync(mailbox); !errors.Is(err, fs.ErrNotExist) {
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
	// Each file is synced with the directory that it is in. All looks are a second after what
	// has happened.
	d.Now = func() time.Time { return time.Now().Add(time.Second + ahead) }
	read := func(at time.Time) { d.last = map[string]durable{mailbox: {at: at}} }
	sync := func(what string, files int, certain bool) {
		t.Helper()
		if n, sure, err := d.Sync(mailbox); err != nil || n != files || sure != certain {
			t.Errorf("%s: %d files, certain %v, %v; want %d, %v", what, n, sure, err, files, certain)
		}
	}
	sync("nothing, of a mailbox that is not known", 0, false)
	d.last = nil
	first := name(1)
	write(Fresh, first)
	sync("a new message", 2, true)
	sync("the same one", 0, true)
	second := name(2)
	write(Fresh, second)
	sync("another one beside it", 2, true)
	if err := os.Rename(file(Fresh, second), file(Cur, second+":2,S")); err != nil {
		t.Fatal(err)
	}
	sync("that one, read since", 0, true)
	if err := os.Remove(file(Cur, second+":2,S")); err != nil {
		t.Fatal(err)
	}
	read(time.Now())
	if err := os.Rename(file(Fresh, first), file(Cur, first+":2,S")); err != nil {
		t.Fatal(err)
	}
	sync("one that a client has just moved", 2, true)
	read(time.Now())
	if err := os.Remove(file(Cur, first+":2,S")); err != nil {
		t.Fatal(err)
	}
	sync("one that a client has deleted", 0, true)
	d.last = nil
	write(Fresh, "1.M1P1.host,S=4")
	sync("an old one that was restored", 0, false)
	read(time.Now())
	write(Fresh, name(3))
	ahead = time.Hour
	sync("after the clock has jumped", 2, true)
	read(time.Now().Add(2 * time.Hour))
	sync("after it has jumped back", 0, false)
}
