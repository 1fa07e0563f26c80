package dovecot_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	// pageSize is in what pieces a tmpfs gives room: what is written into one that a file has
	// needs none.
	pageSize = 4096
	// longName makes the lines of dovecot-uidlist long, so that pageMails need more than one
	// page, and fewer do not.
	longName  = 200
	pageMails = 20
)

// TestFullDisk has a session in IDLE look at its mailbox while the disk is full. With Dovecot
// alone its client, which asks as Delta Chat does, hears nothing more, also once there is
// room; preloaded it is told to go, and has the mail when it comes again.
func TestFullDisk(t *testing.T) {
	for _, test := range []struct {
		name, library string
		deaf          bool
	}{
		{"stock", "", true},
		{"preloaded", compile(t), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := start(t, test.library)
			mail := filepath.Join(d.dir, "mail")
			if err := unix.Mount("tmpfs", mail, "tmpfs", 0, "size=1m,mode=777"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unix.Unmount(mail, unix.MNT_DETACH) })
			d.idle(t, "full").conn.Close() // makes the mailbox
			for range pageMails - 1 {
				move(t, d.write(t, "full"))
			}
			last := d.write(t, "full")
			c := d.idle(t, "full")
			room := fill(t, mail)
			move(t, last)
			if !c.reads(t, "* NO", idleTimeout) {
				t.Fatal("the session has not noticed that the disk is full")
			}
			fmt.Fprintf(c.conn, "DONE\r\nd UID FETCH %d:* (UID)\r\ne IDLE\r\n", pageMails)
			if idles := c.reads(t, "+ idling", idleTimeout); idles != test.deaf {
				t.Fatalf("the session idles again: %v, want %v", idles, test.deaf)
			}
			room()
			if !test.deaf {
				c = d.idle(t, "full")
				if c.exists != pageMails {
					t.Errorf("the client has %d messages, want %d", c.exists, pageMails)
				}
			} else if c.hears(t) {
				t.Log("this Dovecot looks again by itself: instant_idle.c need not")
			}
		})
	}
}

// write writes a message that is to be delivered, with a long name.
func (d *instance) write(t *testing.T, user string) (path string) {
	t.Helper()
	d.mails++
	path = filepath.Join(d.dir, "mail", user, "tmp", fmt.Sprintf("1.M%d.%s", d.mails, strings.Repeat("x", longName)))
	if err := os.WriteFile(path, []byte("Subject: [...]\r\n\r\nhello\r\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// move delivers it, which needs no room.
func move(t *testing.T, path string) {
	t.Helper()
	if err := os.Rename(path, filepath.Join(filepath.Dir(path), "..", "new", filepath.Base(path))); err != nil {
		t.Fatal(err)
	}
}

// fill leaves no room in a file system, until room is called.
func fill(t *testing.T, dir string) (room func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, pageSize))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Fatal(err)
		}
	}
}
