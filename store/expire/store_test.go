package expire

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/store/maildir"

	"golang.org/x/sys/unix"
)

// testStore is a store in a temporary directory, beside a directory that is not its.
type testStore struct {
	*testing.T
	dir     string
	outside string
}

func newTestStore(t *testing.T) testStore {
	t.Helper()
	base := t.TempDir()
	s := testStore{t, filepath.Join(base, "mail"), filepath.Join(base, "outside")}
	s.must(os.Mkdir(s.dir, 0o755))
	s.must(os.Mkdir(s.outside, 0o755))
	return s
}

func (s testStore) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// file writes a file of that many bytes and sets its time.
func (s testStore) file(path string, mtime int64, size int) {
	s.Helper()
	full := s.path(path)
	s.must(os.MkdirAll(filepath.Dir(full), 0o755))
	s.must(os.WriteFile(full, make([]byte, size), 0o644))
	s.touch(path, mtime)
}

func (s testStore) touch(path string, mtime int64) {
	s.Helper()
	at := time.Unix(mtime, 0)
	s.must(os.Chtimes(s.path(path), at, at))
}

// mailbox makes one as Dovecot leaves it.
func (s testStore) mailbox(addr string, login int64) {
	s.Helper()
	for _, in := range []string{"cur", "new", "tmp"} {
		s.must(os.MkdirAll(s.path(addr, in), 0o755))
	}
	s.file(addr+"/password", login, 20)
	for _, name := range []string{"dovecot-uidlist", "dovecot-uidvalidity", "dovecot.index.log", "maildirsize"} {
		s.file(addr+"/"+name, ago(300), 10)
	}
}

func (s testStore) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

func (s testStore) exists(path string) bool {
	_, err := os.Lstat(s.path(path))
	return err == nil
}

// all lists what is in the store.
func (s testStore) all() map[string]bool {
	s.Helper()
	found := map[string]bool{}
	s.must(filepath.WalkDir(s.dir, func(path string, _ fs.DirEntry, err error) error {
		if path != s.dir {
			found[strings.TrimPrefix(path, s.dir+"/")] = true
		}
		return err
	}))
	return found
}

func (s testStore) open() *Store {
	s.Helper()
	store, err := Open(s.dir)
	s.must(err)
	s.Cleanup(store.Close)
	return store
}

// expire runs once; dry or for real.
func (s testStore) expire(dry bool) (Summary, *maildir.Faults) {
	s.Helper()
	return s.expireTo(limits, dry)
}

func (s testStore) expireTo(limits Limits, dry bool) (Summary, *maildir.Faults) {
	s.Helper()
	store, plan := s.open(), NewPlan(now, limits)
	var faults maildir.Faults
	remover := store.DryRun()
	if !dry {
		d, err := store.Deleter(plan, &faults)
		s.must(err)
		defer d.Close()
		remover = d
	}
	sum, err := store.Expire(s.Context(), plan, remover, &maildir.Progress{}, &faults)
	s.must(err)
	return sum, &faults
}

// name makes the name of a message that came then.
func name(at int64, n, size int) string {
	return fmt.Sprintf("%d.M%06dP1.host,S=%d,W=%d", at, n, size, size+size/60)
}

// TestSparing keeps a mailbox that nobody has logged into for long, not its mail.
func TestSparing(t *testing.T) {
	s := newTestStore(t)
	const bot = "echo@x.test"
	s.mailbox(bot, ago(1000))
	old := bot + "/cur/" + name(ago(30), 1, 500)
	s.file(old, ago(30), 500)
	store := s.open()
	plan := NewPlan(now, limits).Sparing(bot)
	d, err := store.Deleter(plan, &maildir.Faults{})
	s.must(err)
	defer d.Close()
	_, err = store.Expire(t.Context(), plan, d, &maildir.Progress{}, &maildir.Faults{})
	s.must(err)
	if got := s.all(); !got[bot+"/password"] || got[old] {
		t.Errorf("got %v", got)
	}
}

// TestBlocked keeps a blocked mailbox that nobody has logged into for long, not its mail:
// without it, anyone's first login would have the address.
func TestBlocked(t *testing.T) {
	s := newTestStore(t)
	const addr = "spammer@x.test"
	s.mailbox(addr, ago(1000))
	s.must(os.WriteFile(s.path(addr, "password"), []byte("!{BLF-CRYPT}x"), 0o600))
	s.touch(addr+"/password", ago(1000))
	old := addr + "/cur/" + name(ago(30), 1, 500)
	s.file(old, ago(30), 500)
	for _, dry := range []bool{true, false} {
		if sum, faults := s.expire(dry); sum.Deleted[Inactive].Count != 0 || sum.Deleted[Old].Count != 1 || faults.Total() != 0 {
			t.Errorf("dry %v: got %+v, %d faults", dry, sum, faults.Total())
		}
	}
	if got := s.all(); !got[addr+"/password"] || got[old] {
		t.Errorf("got %v", got)
	}
	s.must(os.WriteFile(s.path(addr, "password"), []byte("{BLF-CRYPT}x"), 0o600))
	s.touch(addr+"/password", ago(1000))
	if sum, _ := s.expire(false); sum.Deleted[Inactive].Count != 1 {
		t.Errorf("once it is not blocked any more: got %+v", sum)
	}
}

func TestExpire(t *testing.T) {
	s := newTestStore(t)
	const a, b = "a@x.test", "b@x.test"
	s.mailbox(a, ago(1))
	s.mailbox(b, ago(200))
	s.mailbox("c@x.test", ago(1))
	old, young, week := ago(30), ago(2), ago(8)

	gone := []string{
		a + "/cur/" + name(old, 1, 500) + ":2,S",
		a + "/cur/" + name(old, 2, 500) + ":2,",
		a + "/new/" + name(old, 3, 500),
		a + "/tmp/" + name(old, 4, 500),
		a + "/.Sent/cur/" + name(old, 5, 500) + ":2,S",
		a + "/.DeltaChat/new/" + name(old, 6, 500),
		a + "/cur/any \xff\xfe\n name:\x01",
		a + "/cur/" + name(ago(-3000), 7, 500) + ":2,S", // its mtime is old
	}
	for _, path := range gone {
		s.file(path, old, 500)
	}
	large := a + "/cur/" + name(week, 8, 300_000) + ":2,S"
	s.file(large, week, 1000)
	s.file(b+"/.Sent/cur/"+name(old, 9, 500), old, 500)
	s.file(b+"/deep/er/file", old, 500)
	s.must(os.Symlink(s.outside, s.path(b, "link")))
	s.must(os.Mkdir(s.path("empty@x.test"), 0o755))
	s.touch("empty@x.test", old)
	s.mailbox("skeleton@x.test", old)
	s.must(os.Remove(s.path("skeleton@x.test/password")))
	s.file("skeleton@x.test/.Sent/maildirfolder", old, 0)
	s.touch("skeleton@x.test", old)

	stay := []string{
		a + "/cur/" + name(young, 1, 500) + ":2,S",
		a + "/new/" + name(young, 2, 900_000),
		a + "/new/" + name(week, 3, 300_000),
		a + "/cur/" + name(week, 4, 200_000) + ":2,S",
		a + "/.Sent/cur/" + name(young, 5, 500),
	}
	for _, path := range stay {
		s.file(path, young, 500)
	}
	foreign := []string{
		a + "/cur/.hidden", a + "/cur/dovecot-keywords", a + "/notes.txt", a + "/.Sent/maildirfolder",
		a + "/.Sent/dovecot-uidlist", a + "/.Sent/notes", a + "/.hidden", a + "/enforceE2EEincoming", a + "/sieve/cur/" + name(old, 1, 5),
		a + "/cur/directory/" + name(old, 2, 5), a + "/.Sent/.Deeper/cur/" + name(old, 3, 5), a + "/20261122-1.in",
		"no-address/cur/" + name(old, 4, 5), ".hidden@x.test/cur/" + name(old, 5, 5), "file@x.test",
		"nologin@x.test/cur/" + name(young, 6, 5), "backup@x.test/mail.tar", "directory@x.test/directory/file",
	}
	for _, path := range foreign {
		s.file(path, old, 300)
	}
	// Links stay, and what they point to is out of reach.
	for _, path := range []string{"secret@x.test/cur", "cur", "dir"} {
		s.must(os.MkdirAll(filepath.Join(s.outside, path), 0o755))
	}
	secret := filepath.Join(s.outside, "cur", name(old, 1, 500))
	s.must(os.WriteFile(secret, nil, 0o644))
	s.must(os.Chtimes(secret, time.Unix(old, 0), time.Unix(old, 0)))
	s.must(os.Symlink(s.outside, s.path("link@x.test")))
	s.must(os.Symlink(secret, s.path(a, "cur", name(old, 99, 5))))
	s.must(os.Symlink(filepath.Dir(secret), s.path(a, ".Link")))
	s.must(os.Mkdir(s.path(a, ".Folder"), 0o755))
	s.must(os.Symlink(filepath.Dir(secret), s.path(a, ".Folder", "cur")))
	s.must(os.Mkdir(s.path("fresh@x.test"), 0o755)) // not a day old
	s.must(os.Mkdir(s.path("new@x.test"), 0o755))
	s.file("new@x.test/dovecot.index.log", old, 5)
	for _, path := range []string{"backup@x.test", "directory@x.test", "nologin@x.test"} {
		s.touch(path, old)
	}

	before := s.all()
	dry, faults := s.expire(true)
	if faults.Total() != 0 {
		t.Errorf("dry run: faults %+v", faults.Kinds())
	}
	if !maps.Equal(s.all(), before) {
		t.Error("the dry run changed something")
	}

	sum, faults := s.expire(false)
	if faults.Total() != 0 {
		t.Errorf("faults %+v", faults.Kinds())
	}
	if sum != dry {
		t.Errorf("the dry run said %+v, and then it was %+v", dry, sum)
	}
	want := before
	for path := range before {
		if slices.Contains(gone, path) || path == large || path == b || strings.HasPrefix(path, b+"/") ||
			path == "empty@x.test" || strings.HasPrefix(path, "skeleton@x.test") || path == a+"/maildirsize" {
			delete(want, path)
		}
	}
	got := s.all()
	for path := range want {
		if !got[path] {
			t.Errorf("%q is gone", path)
		}
	}
	for path := range got {
		if !want[path] {
			t.Errorf("%q is there", path)
		}
	}
	if _, err := os.Stat(secret); err != nil {
		t.Errorf("outside of the store: %v", err)
	}
	wantSum := Summary{Mailboxes: 10, Messages: sum.Messages}
	wantSum.Deleted[Old] = Tally{8, 8 * 500}
	wantSum.Deleted[Large] = Tally{1, 1000}
	wantSum.Deleted[Inactive] = Tally{1, 20 + 4*10 + 500 + 500 + int64(len(s.outside))}
	wantSum.Deleted[Empty] = Tally{2, 4 * 10}
	if sum != wantSum {
		t.Errorf("got %+v, want %+v", sum, wantSum)
	}
	if again, _ := s.expire(false); again.Freed() != 0 {
		t.Errorf("a second run deleted %+v", again.Deleted)
	}
}

func TestExpireKeepsTheQuotaSumOfAnUnchangedMailbox(t *testing.T) {
	s := newTestStore(t)
	s.mailbox("a@x.test", ago(1))
	s.file("a@x.test/cur/"+name(ago(1), 1, 5), ago(1), 5)
	s.expire(false)
	if !s.exists("a@x.test/maildirsize") {
		t.Error("maildirsize is gone, though no message is")
	}
}

// TestUndated: what cannot be dated stays, and is named.
func TestUndated(t *testing.T) {
	s := newTestStore(t)
	s.mailbox("a@x.test", -86400)
	s.mailbox("b@x.test", ago(-30))
	s.file("a@x.test/cur/one", -5, 5)
	s.file("a@x.test/cur/two", ago(-5), 5)
	sum, faults := s.expire(false)
	if sum.Freed() != 0 {
		t.Errorf("deleted %+v", sum.Deleted)
	}
	if kinds := faults.Kinds(); len(kinds) != 2 || faults.Total() != 4 || faults.Err() == nil {
		t.Errorf("got faults %+v, want two kinds, each met twice", kinds)
	}
}

// TestLargeDirectory: a directory that does not fit into the buffer of a reader.
func TestLargeDirectory(t *testing.T) {
	s := newTestStore(t)
	s.mailbox("a@x.test", ago(1))
	const n = 5000
	for i := range n {
		at := ago(1)
		if i%2 == 0 {
			at = ago(30)
		}
		s.file("a@x.test/cur/"+name(at, i, 5), at, 5)
	}
	sum, _ := s.expire(false)
	if got, want := sum.Deleted[Old].Count, int64(n/2); got != want || sum.Messages != n {
		t.Errorf("deleted %d of %d, want %d of %d", got, sum.Messages, want, n)
	}
	if left, err := os.ReadDir(s.path("a@x.test/cur")); err != nil || len(left) != n/2 {
		t.Errorf("%d are left, %v; want %d", len(left), err, n/2)
	}
}

func TestOpenNothing(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestResolve(t *testing.T) {
	s := newTestStore(t)
	s.file("file", 1, 1)
	s.must(os.Mkdir(s.path("dir"), 0o755))
	s.must(os.Symlink("file", s.path("link")))
	for name, want := range map[string]uint8{"file": unix.DT_REG, "dir": unix.DT_DIR, "link": unix.DT_UNKNOWN, "none": unix.DT_UNKNOWN} {
		e := maildir.Entry{Kind: unix.DT_UNKNOWN, Name: []byte(name)}
		if s.open().top.Resolve(&e); e.Kind != want {
			t.Errorf("%s: got type %d, want %d", name, e.Kind, want)
		}
	}
}
