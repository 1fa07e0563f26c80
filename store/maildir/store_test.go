package maildir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
)

const domain = "chat.example"

var noon = time.Date(2026, 11, 22, 12, 34, 56, 789, time.UTC)

func newStore(t *testing.T) *Store {
	t.Helper()
	return New(t.TempDir(), domain)
}

func address(t testing.TB, local string) mailaddr.Address {
	t.Helper()
	addr, err := mailaddr.Parse(local+"@"+domain, domain)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestCreate(t *testing.T) {
	s := newStore(t)
	alice := address(t, "alice")
	if _, err := s.Password(alice); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("before: %v", err)
	}
	if err := s.Create(alice, auth.Account{Stored: "{PLAIN}first", EncryptedOnly: true}, noon); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(alice, auth.Account{Stored: "{PLAIN}second", EncryptedOnly: true}, noon); !errors.Is(err, auth.ErrExists) {
		t.Errorf("again: %v", err)
	}
	if got, err := s.Password(alice); got != "{PLAIN}first" || err != nil {
		t.Errorf("stored is %q, %v", got, err)
	}
	if got, want := names(t, s.dir), []string{"alice@chat.example"}; !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
	if got, want := names(t, s.Home(alice)), []string{"enforceE2EEincoming", "password"}; !slices.Equal(got, want) {
		t.Errorf("the mailbox holds %q, want %q", got, want)
	}
	for path, want := range map[string]os.FileMode{"": 0o700 | os.ModeDir, "password": 0o600, "enforceE2EEincoming": 0o600} {
		info, err := os.Stat(filepath.Join(s.Home(alice), path))
		if err != nil || info.Mode() != want {
			t.Errorf("%q has mode %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	if got, err := s.LastLogin(alice); !got.Equal(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)) || err != nil {
		t.Errorf("the last login is %v, %v", got, err)
	}
}

// Whatever lies there already is neither replaced nor taken for a mailbox.
func TestCreateReplacesNothing(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"an empty directory": func(p string) error { return os.Mkdir(p, 0o700) },
		"a file":             func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"a dead link":        func(p string) error { return os.Symlink("nowhere", p) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			alice := address(t, "alice")
			if err := make(s.Home(alice)); err != nil {
				t.Fatal(err)
			}
			if err := s.Create(alice, auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true}, noon); !errors.Is(err, auth.ErrExists) {
				t.Errorf("got %v, want %v", err, auth.ErrExists)
			}
			if _, err := s.Password(alice); err == nil || errors.Is(err, auth.ErrNoMailbox) {
				t.Errorf("the password's error is %v", err)
			}
			if got := names(t, s.dir); len(got) != 1 {
				t.Errorf("the directory holds %q", got)
			}
		})
	}
}

// A creation that fails leaves nothing behind.
func TestCreateFails(t *testing.T) {
	s := newStore(t)
	alice := address(t, "alice")
	s.dir = filepath.Join(s.dir, "missing")
	if err := s.Create(alice, auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true}, noon); err == nil {
		t.Error("an account was made in a missing directory")
	}
	if _, err := s.Password(alice); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("got %v", err)
	}
}

func TestDamagedPasswordFiles(t *testing.T) {
	alice := address(t, "alice")
	for _, tt := range []struct {
		name  string
		make  func(path string) error
		want  string
		wrong bool  // some error
		err   error // this one
	}{
		{"missing", func(string) error { return nil }, "", true, auth.ErrNoPassword},
		{"empty", func(p string) error { return os.WriteFile(p, nil, 0o600) }, "", false, nil},
		{"edited", func(p string) error { return os.WriteFile(p, []byte("{PLAIN}x\n"), 0o600) }, "{PLAIN}x", false, nil},
		{"a directory", func(p string) error { return os.Mkdir(p, 0o700) }, "", true, nil},
		{"a link", func(p string) error { return os.Symlink("/etc/passwd", p) }, "", true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			if err := os.Mkdir(s.Home(alice), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := tt.make(s.Home(alice) + "/password"); err != nil {
				t.Fatal(err)
			}
			got, err := s.Password(alice)
			if got != tt.want || (err != nil) != tt.wrong || tt.err != nil && !errors.Is(err, tt.err) || errors.Is(err, auth.ErrNoMailbox) {
				t.Errorf("got %q, %v; want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
	s := newStore(t)
	if err := s.Create(alice, auth.Account{Stored: string(make([]byte, 10*maxPassword)), EncryptedOnly: true}, noon); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Password(alice); len(got) != maxPassword+1 || err != nil {
		t.Errorf("of an overlong file, %d bytes and %v", len(got), err)
	}
}

// At any moment of a creation, someone who looks sees no mailbox or all of it;
// of many who make it at once, one does.
func TestCreateIsAtomic(t *testing.T) {
	s := newStore(t)
	for round := range 20 {
		addr := address(t, fmt.Sprint("user", round))
		var all sync.WaitGroup
		var mu sync.Mutex
		made := 0
		done := make(chan struct{})
		var watcher sync.WaitGroup
		watcher.Go(func() {
			for {
				stored, err := s.Password(addr)
				if err != nil && !errors.Is(err, auth.ErrNoMailbox) || err == nil && stored != "{PLAIN}x" {
					t.Errorf("half a mailbox: %q, %v", stored, err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
		for range 8 {
			all.Go(func() {
				err := s.Create(addr, auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true}, noon)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made++
				} else if !errors.Is(err, auth.ErrExists) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		close(done)
		watcher.Wait()
		if made != 1 {
			t.Fatalf("made %d times", made)
		}
	}
}

func TestLastLogin(t *testing.T) {
	s := newStore(t)
	alice := address(t, "alice")
	if err := s.SetLastLogin(alice, noon); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("without a mailbox: %v", err)
	}
	if err := s.Create(alice, auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true}, noon); err != nil {
		t.Fatal(err)
	}
	path := s.Home(alice) + "/password"
	change := func() (mtime, ctime time.Time) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime(), ctimeOf(info)
	}
	_, before := change()
	if err := s.SetLastLogin(alice, noon.Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, after := change(); !after.Equal(before) {
		t.Error("the file was written though the day is the same")
	}
	for _, tt := range []struct{ at, want time.Time }{
		{noon.AddDate(0, 0, 1), time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)},
		{time.Date(2026, 11, 24, 1, 0, 0, 0, time.FixedZone("east", 2*3600)), time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)},
		{time.Unix(0, 0), time.Unix(0, 0)},
	} {
		if err := s.SetLastLogin(alice, tt.at); err != nil {
			t.Fatal(err)
		}
		if got, _ := change(); !got.Equal(tt.want) {
			t.Errorf("a login at %v is noted as %v, want %v", tt.at, got, tt.want)
		}
	}
	if err := s.SetPassword(alice, "{PLAIN}y", noon); err != nil {
		t.Fatal(err)
	}
	if got, _ := change(); !got.Equal(time.Unix(0, 0)) {
		t.Errorf("a new password changed the last login to %v", got)
	}
	if got, err := s.Password(alice); got != "{PLAIN}y" || err != nil {
		t.Errorf("the new password is %q, %v", got, err)
	}
	os.Remove(path)
	if err := s.SetLastLogin(alice, noon); !errors.Is(err, auth.ErrNoPassword) {
		t.Errorf("without a password: %v", err)
	}
	if err := s.SetPassword(alice, "{PLAIN}z", noon); err != nil {
		t.Fatal(err)
	}
	if got, _ := change(); !got.Equal(dayOf(noon)) {
		t.Errorf("the last login of a fixed mailbox is %v", got)
	}
}

func TestRemove(t *testing.T) {
	s := newStore(t)
	alice := address(t, "alice")
	if err := s.Remove(alice); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("nobody: %v", err)
	}
	if err := s.Create(alice, auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true}, noon); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.Home(alice)+"/cur/deep", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(alice); err != nil {
		t.Fatal(err)
	}
	if got := names(t, s.dir); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
	if err := s.Create(alice, auth.Account{Stored: "{PLAIN}y", EncryptedOnly: true}, noon); err != nil {
		t.Errorf("the address is not free: %v", err)
	}
}

func TestRemoveLeftovers(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{".new-1", ".gone-2", ".new-fresh", ".other", "alice@chat.example"} {
		if err := os.MkdirAll(filepath.Join(s.dir, name, "deep"), 0o700); err != nil {
			t.Fatal(err)
		}
		at := noon.Add(-2 * time.Hour)
		if name == ".new-fresh" {
			at = noon.Add(-time.Minute)
		}
		if err := os.Chtimes(filepath.Join(s.dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	n, err := s.RemoveLeftovers(noon)
	if n != 2 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	if got, want := names(t, s.dir), []string{".new-fresh", ".other", "alice@chat.example"}; !slices.Equal(got, want) {
		t.Errorf("left: %q, want %q", got, want)
	}
}

func TestEach(t *testing.T) {
	s := newStore(t)
	want := map[string]bool{}
	for i := range 50 {
		addr := address(t, fmt.Sprint("user", i))
		if err := s.Create(addr, auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true}, noon); err != nil {
			t.Fatal(err)
		}
		want[addr.String()] = true
	}
	for _, name := range []string{"empty@chat.example", "UPPER@chat.example", ".new-1", "x@other.example"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	if err := s.Each(func(addr mailaddr.Address) error {
		if !want[addr.String()] {
			t.Errorf("found %s", addr)
		}
		got++
		return nil
	}); err != nil || got != len(want) {
		t.Errorf("found %d of %d, %v", got, len(want), err)
	}
	enough := errors.New("enough")
	if err := s.Each(func(mailaddr.Address) error { return enough }); err != enough {
		t.Errorf("got %v", err)
	}
	if err := New(filepath.Join(s.dir, "missing"), domain).Each(nil); err == nil {
		t.Error("a missing directory has no error")
	}
}

func BenchmarkPassword(b *testing.B) {
	s := New(b.TempDir(), domain)
	alice := address(b, "alice")
	if err := s.Create(alice, auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true}, noon); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Password(alice); err != nil {
			b.Fatal(err)
		}
	}
}

func ctimeOf(info os.FileInfo) time.Time {
	return time.Unix(info.Sys().(*syscall.Stat_t).Ctim.Unix())
}

func BenchmarkCreate(b *testing.B) {
	s := New(b.TempDir(), domain)
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(5)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Create(address(b, fmt.Sprint("user", n.Add(1))), auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true}, noon); err != nil {
				b.Error(err)
			}
		}
	})
}
