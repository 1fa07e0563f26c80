package maildir

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestRecover has messages of which a power failure left all, a part, or nothing, indexes, and
// a mailbox in which nothing has happened for longer.
func TestRecover(t *testing.T) {
	plain := bytes.Repeat([]byte("of a message\n"), 100)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(plain)
	z.Close()
	size := fmt.Sprintf(",S=%d", len(plain))
	whole := map[string][]byte{
		"cur/1.plain" + size + ":2,S":           plain,
		"new/2.zipped" + size + ",W=1400":       zipped.Bytes(),
		"new/3.nosize":                          nil,
		"new/4.longer,S=5":                      plain,
		"tmp/5.being.written" + size:            plain[:5],
		".Archive/cur/6.subfolder" + size:       plain,
		"cur/dovecot-uidlist" + size:            nil,
		"subscriptions":                         nil,
		"dovecot-keywords":                      nil,
		"new/7.empty,S=0":                       nil,
		"new/8.strange,S=99999999999999999999x": plain,
	}
	torn := map[string][]byte{
		"new/11.empty" + size:              nil,
		"cur/12.part" + size + ":2,":       plain[:len(plain)-1],
		"new/13.zipped" + size:             zipped.Bytes()[:zipped.Len()-1],
		"new/14.magic" + size:              zipped.Bytes()[:2],
		"new/15.otherzip,S=17":             zipped.Bytes(),
		".Archive/new/16.subfolder" + size: plain[:10],
		"dovecot.index.log":                nil,
		"dovecot-uidlist.lock":             []byte("17:plug"),
		"dovecot-uidlist.tmp":              nil,
		"dovecot-keywords.lock":            nil,
		"dovecot.index":                    nil,
		"dovecot-uidlist":                  nil,
		".Archive/dovecot-uidlist":         []byte("of no version\n"),
		".Archive/dovecot.index.cache":     nil,
	}
	dir := t.TempDir()
	s := New(dir, "chat.example")
	home := filepath.Join(dir, "alice@chat.example")
	for _, files := range []map[string][]byte{whole, torn} {
		for name, content := range files {
			path := filepath.Join(home, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	link := filepath.Join(home, "new/9.link"+size)
	if err := os.Symlink("/etc/hostname", link); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "bob@chat.example", "new", "1.old"+size)
	if err := os.MkdirAll(filepath.Dir(old), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-2 * unsynced)
	if err := os.Chtimes(filepath.Dir(old), before, before); err != nil {
		t.Fatal(err)
	}
	const indexes = 8
	want := Recovered{Mailboxes: 1, Messages: int64(len(torn) - indexes)}
	if got, err := s.Recover(t.Context()); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := os.Stat(old); err != nil {
		t.Error("what was on the disk long before is gone")
	}
	var left []string
	filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
		if !d.IsDir() && path != link {
			name, _ := filepath.Rel(home, path)
			left = append(left, name)
			if _, ok := whole[name]; !ok {
				t.Errorf("%s is still there", name)
			}
		}
		return err
	})
	if len(left) != len(whole) || !slices.ContainsFunc(left, func(name string) bool { return name == "new/3.nosize" }) {
		t.Errorf("left: %q", left)
	}
	if _, err := os.Lstat(link); err != nil {
		t.Error("a link that is not Dovecot's was removed")
	}
}

// TestUse follows a store through boots that end in order, and one that does not.
func TestUse(t *testing.T) {
	u := UseOf(t.TempDir())
	for _, step := range []struct {
		boot        string
		end         bool // at its end
		interrupted bool // what it finds
	}{
		{"first", true, false},
		{"second", false, false},
		{"second", false, false}, // the daemon alone ended
		{"third", true, true},
		{"fourth", true, false},
	} {
		if got, err := u.Interrupted(step.boot); err != nil || got != step.interrupted {
			t.Errorf("%s: interrupted %v, %v", step.boot, got, err)
		}
		if err := u.Begin(step.boot); err != nil {
			t.Fatal(err)
		}
		if step.end {
			if err := u.End(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
