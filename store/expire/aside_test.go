package expire

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"chatmaild/store/maildir"

	"golang.org/x/sys/unix"
)

const addr = "a@x.test"

// inactive makes a store with one mailbox that has to go, and an open Deleter.
func inactive(t *testing.T) (testStore, *Deleter) {
	t.Helper()
	s := newTestStore(t)
	s.mailbox(addr, ago(200))
	s.file(addr+"/cur/"+name(ago(100), 1, 5), ago(100), 5)
	d, err := s.open().Deleter(NewPlan(now, limits), &maildir.Faults{})
	s.must(err)
	t.Cleanup(d.Close)
	return s, d
}

// remove removes the mailbox, with something happening while it is set aside.
func remove(t *testing.T, d *Deleter, meanwhile func()) bool {
	t.Helper()
	d.renamed = meanwhile
	_, removed, err := d.mailbox(addr)
	if err != nil {
		t.Fatal(err)
	}
	return removed
}

func TestRemoveMailbox(t *testing.T) {
	s, d := inactive(t)
	told := ""
	d.Gone = func(addr string) { told += addr }
	seen := true
	if !remove(t, d, func() { seen = s.exists(addr) }) || s.exists(addr) || s.exists(asideName+"/"+addr) {
		t.Error("the mailbox is still there")
	}
	if seen {
		t.Error("the mailbox could be seen while it was taken apart")
	}
	if told != addr {
		t.Errorf("told that %q is gone, want %q", told, addr)
	}
	d.Close()
	if s.exists(asideName) {
		t.Errorf("%s is still there", asideName)
	}
}

// TestLoginBeforeRemoval: the login came between the walk and the rename.
func TestLoginBeforeRemoval(t *testing.T) {
	s, d := inactive(t)
	before := s.all()
	d.Gone = func(string) { t.Error("told that a mailbox is gone that is not") }
	if remove(t, d, func() { s.touch(asideName+"/"+addr+"/password", ago(0)) }) {
		t.Error("removed, despite a login")
	}
	for path := range before {
		if path != asideName && !s.exists(path) {
			t.Errorf("%s is gone", path)
		}
	}
}

// TestLoginAndDelivery: Dovecot made the directory again for the session, and a
// message came into it, before the old mailbox was put back.
func TestLoginAndDelivery(t *testing.T) {
	s, d := inactive(t)
	delivered := addr + "/new/" + name(ago(0), 2, 7)
	seen := addr + "/cur/" + name(ago(0), 3, 7) + ":2,S"
	if remove(t, d, func() {
		s.touch(asideName+"/"+addr+"/password", ago(0))
		s.file(delivered, ago(0), 7)
		s.file(seen, ago(0), 7)
		s.file(addr+"/dovecot-uidlist", ago(0), 99)
	}) {
		t.Error("removed, despite a login")
	}
	for _, path := range []string{delivered, seen, addr + "/password", addr + "/cur/" + name(ago(100), 1, 5)} {
		if !s.exists(path) {
			t.Errorf("%s is gone", path)
		}
	}
	if info, err := os.Stat(s.path(addr, "dovecot-uidlist")); err != nil || info.Size() != 10 {
		t.Errorf("the old dovecot-uidlist is not in its place: %v", err)
	}
	if s.exists(asideName + "/" + addr) {
		t.Error("the fresh directory was left aside")
	}
}

// TestMergeAfterCrash: the run ended after the two changed places, or just before.
func TestMergeAfterCrash(t *testing.T) {
	for _, exchanged := range []bool{true, false} {
		s := newTestStore(t)
		old, made := addr, asideName+"/"+addr
		if !exchanged {
			old, made = made, old
		}
		delivered := "/new/" + name(ago(0), 2, 7)
		s.mailbox(old, ago(0))
		s.file(made+delivered, ago(0), 7)
		s.file(made+"/"+mergeFile, ago(0), 0)
		if _, faults := s.expire(false); faults.Total() != 0 {
			t.Errorf("faults %+v", faults.Kinds())
		}
		if !s.exists(addr+delivered) || !s.exists(addr+"/password") || s.exists(asideName) || s.exists(addr+"/"+mergeFile) {
			t.Errorf("exchanged %v: got %v", exchanged, s.all())
		}
	}
}

// TestNewAccountMeanwhile: the address is a new account already. It stays whole,
// and the old mailbox goes whatever its last login says.
func TestNewAccountMeanwhile(t *testing.T) {
	s, d := inactive(t)
	delivered := addr + "/new/" + name(ago(0), 2, 7)
	if !remove(t, d, func() {
		s.touch(asideName+"/"+addr+"/password", ago(0))
		s.mailbox(addr, ago(0))
		s.file(delivered, ago(0), 7)
	}) {
		t.Error("the old mailbox was not removed")
	}
	if !s.exists(delivered) || s.exists(addr+"/cur/"+name(ago(100), 1, 5)) || s.exists(asideName+"/"+addr) {
		t.Errorf("two mailboxes became one: %v", s.all())
	}
}

// TestLeftovers: what a crash left is finished by the next run.
func TestLeftovers(t *testing.T) {
	tests := []struct {
		why      string
		login    int64
		password bool
		back     bool
	}{
		{"set aside, not decided on", ago(200), true, false},
		{"set aside after a login", ago(1), true, true},
		{"half removed", ago(1), false, false},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			s := newTestStore(t)
			left := asideName + "/" + addr
			s.mailbox(left, tt.login)
			if !tt.password {
				s.must(os.Remove(s.path(left, "password")))
			}
			if _, faults := s.expire(false); faults.Total() != 0 {
				t.Errorf("faults %+v", faults.Kinds())
			}
			if s.exists(asideName) || s.exists(addr) != tt.back {
				t.Errorf("got %v", s.all())
			}
		})
	}
}

func TestOneDeleterAtATime(t *testing.T) {
	s, _ := inactive(t)
	if _, err := s.open().Deleter(NewPlan(now, limits), &maildir.Faults{}); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
}

func TestAsideIsALink(t *testing.T) {
	s := newTestStore(t)
	s.mailbox(addr, ago(200))
	s.must(os.Symlink(s.outside, s.path(asideName)))
	if d, err := s.open().Deleter(NewPlan(now, limits), &maildir.Faults{}); err == nil {
		d.Close()
		t.Error("mailboxes would be moved to where a link points")
	}
}

// TestSwappedDirectories: an attacker who can rename in the store cannot make a run delete
// anything outside of it.
func TestSwappedDirectories(t *testing.T) {
	s := newTestStore(t)
	s.mailbox(addr, ago(1))
	victim := filepath.Join(s.outside, name(ago(30), 1, 5))
	s.must(os.WriteFile(victim, nil, 0o644))
	s.must(os.Chtimes(victim, now.AddDate(0, 0, -30), now.AddDate(0, 0, -30)))
	s.must(os.Symlink(s.outside, s.path(addr, "link")))

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		cur, link := s.path(addr, "cur"), s.path(addr, "link")
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, cur, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
			}
		}
	}()
	for i := range 200 {
		// A file of the victim's name in the real directory makes the deletion likely.
		_ = os.WriteFile(s.path(addr, "cur", filepath.Base(victim)), nil, 0o644)
		s.must(os.Chtimes(victim, now.AddDate(0, 0, -30), now.AddDate(0, 0, -30)))
		s.expire(i%2 == 0)
	}
	close(stop)
	<-stopped
	if _, err := os.Stat(victim); err != nil {
		t.Errorf("outside of the store: %v", err)
	}
}

// asNobody is what an ordinary user's child process runs of this test binary.
const asNobody = "EXPIRE_TEST_STORE"

// TestPermissions: directories that may not be read are counted, named once, and the
// rest continues.
func TestPermissions(t *testing.T) {
	if dir := os.Getenv(asNobody); dir != "" {
		s := testStore{t, dir, ""}
		sum, faults := s.expire(false)
		if got := sum.Deleted[Old].Count; got != 1 {
			t.Errorf("deleted %d, want the one that may be deleted", got)
		}
		want := map[string]int64{
			"opening a directory: permission denied": 2, "opening a mailbox: permission denied": 1,
			"deleting a message: permission denied": 1, "removing the old quota sum: permission denied": 0,
		}
		for _, k := range faults.Kinds() {
			if n, ok := want[k.Doing+": "+k.Error]; !ok || n != k.Count {
				t.Errorf("fault %+v, want %d", k, n)
			}
			delete(want, k.Doing+": "+k.Error)
		}
		if len(want) != 1 {
			t.Errorf("missing: %v", want)
		}
		return
	}
	s := newTestStore(t)
	for _, a := range []string{"a@x.test", "b@x.test", "c@x.test", "d@x.test"} {
		s.mailbox(a, ago(1))
		s.file(a+"/new/"+name(ago(30), 1, 5), ago(30), 5)
	}
	s.must(os.Chmod(s.path("a@x.test/new"), 0))
	s.must(os.Chmod(s.path("a@x.test/cur"), 0))
	s.must(os.Chmod(s.path("b@x.test"), 0))
	s.must(os.Chmod(s.path("c@x.test/new"), 0o555))
	s.Cleanup(func() {
		for _, path := range []string{"b@x.test", "a@x.test/new", "a@x.test/cur", "c@x.test/new"} {
			_ = os.Chmod(s.path(path), 0o755)
		}
	})
	cmd := exec.Command(os.Args[0], "-test.run=^TestPermissions$")
	if os.Geteuid() == 0 {
		// Root may do anything: let someone else try.
		const nobody = 65534
		s.must(filepath.Walk(filepath.Dir(s.dir), func(path string, _ os.FileInfo, err error) error {
			return errors.Join(err, os.Lchown(path, nobody, nobody))
		}))
		for dir := s.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			s.must(os.Chmod(dir, 0o755))
		}
		binary := filepath.Join(filepath.Dir(s.dir), "expire.test")
		text, err := os.ReadFile(os.Args[0])
		s.must(err)
		s.must(os.WriteFile(binary, text, 0o755))
		cmd.Path, cmd.Dir = binary, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	cmd.Env = append(os.Environ(), asNobody+"="+s.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// failing is a Remover over a disk that fails for every other file.
type failing struct {
	Remover
	calls int
}

func (f *failing) message(d maildir.Dir, name string) error {
	if f.calls++; f.calls%2 == 0 {
		return unix.EIO
	}
	return f.Remover.message(d, name)
}

func TestFailingDisk(t *testing.T) {
	s := newTestStore(t)
	s.mailbox(addr, ago(1))
	for i := range 10 {
		s.file(addr+"/cur/"+name(ago(30), i, 5), ago(30), 5)
	}
	store, faults := s.open(), &maildir.Faults{}
	plan := NewPlan(now, limits)
	d, err := store.Deleter(plan, faults)
	s.must(err)
	defer d.Close()
	sum, err := store.Expire(t.Context(), plan, &failing{Remover: d}, &maildir.Progress{}, faults)
	s.must(err)
	kinds := faults.Kinds()
	if len(kinds) != 1 || kinds[0].Count != 5 || sum.Deleted[Old].Count != 5 {
		t.Errorf("got %+v, deleted %+v; want one kind of fault, met 5 times, and 5 deleted", kinds, sum.Deleted[Old])
	}
}

// rowsOf are the accounts of several machines, of which one test says how they are.
type rowsOf struct {
	orphaned, stays bool
	fault           error
	removed         int
}

func (r *rowsOf) Orphaned(string) (bool, error) { return r.orphaned, r.fault }

func (r *rowsOf) Remove(string) (bool, error) {
	if !r.stays {
		r.removed++
	}
	return !r.stays, nil
}

// TestSeveralMachines has an account go before its mailbox, a mailbox that is nobody's go in
// any case unless it is new, and one stay whose account is not known.
func TestSeveralMachines(t *testing.T) {
	for _, test := range []struct {
		name     string
		login    float64 // days ago
		rows     rowsOf
		gone     bool
		accounts int // that go
		faults   int64
	}{
		{"in use", 3, rowsOf{}, false, 0, 0},
		{"inactive", 200, rowsOf{}, true, 1, 0},
		{"blocked on another machine", 200, rowsOf{stays: true}, false, 0, 0},
		{"moved, or deleted on another machine", 3, rowsOf{orphaned: true}, true, 0, 0},
		{"on its way here", 0, rowsOf{orphaned: true}, false, 0, 0},
		{"the directory is away", 200, rowsOf{fault: errors.New("no answer")}, false, 0, 2},
		{"the directory is away, in use", 3, rowsOf{fault: errors.New("no answer")}, false, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newTestStore(t)
			s.mailbox(addr, ago(test.login))
			store := s.open()
			store.Accounts = &test.rows
			var faults maildir.Faults
			plan := NewPlan(now, limits)
			d, err := store.Deleter(plan, &faults)
			s.must(err)
			defer d.Close()
			_, err = store.Expire(t.Context(), plan, d, &maildir.Progress{}, &faults)
			s.must(err)
			if s.exists(addr) == test.gone || test.rows.removed != test.accounts || faults.Total() != test.faults {
				t.Errorf("the mailbox is there: %t; %d accounts removed, %d faults", s.exists(addr), test.rows.removed, faults.Total())
			}
		})
	}
}
