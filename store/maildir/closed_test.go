package maildir

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
)

// house is a store with the mailbox of alice, in which is a message.
func house(t *testing.T) (s Transit, dir string, alice mailaddr.Address) {
	t.Helper()
	dir = t.TempDir()
	s = Transit{New(dir, "chat.example")}
	alice, err := mailaddr.Parse("alice@chat.example", "chat.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(alice, auth.Account{Stored: "{PLAIN}x"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, alice, "1")
	return s, dir, alice
}

// deliver does what Dovecot does, with what it knows of the place.
func deliver(t *testing.T, s Transit, addr mailaddr.Address, name string) {
	t.Helper()
	if err := delivery(s, addr, name); err != nil {
		t.Fatal(err)
	}
}

func delivery(s Transit, addr mailaddr.Address, name string) error {
	for _, in := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(s.Home(addr), in), 0o700); err != nil {
			return err
		}
	}
	temp := filepath.Join(s.Home(addr), "tmp", name)
	if err := os.WriteFile(temp, []byte(name), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(s.Home(addr), "new", name))
}

func messages(t *testing.T, path string) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(path, "new"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return len(entries)
}

// TestClosed: nobody can use a mailbox that is closed, or make another in its place, and
// what was in it stays.
func TestClosed(t *testing.T) {
	s, _, alice := house(t)
	for range 2 { // again is no fault
		if err := s.Close(alice); err != nil {
			t.Fatal(err)
		}
	}
	if delivery(s, alice, "2") == nil {
		t.Error("a message is delivered")
	}
	if _, err := s.Password(alice); err == nil || errors.Is(err, auth.ErrNoMailbox) || errors.Is(err, auth.ErrNoPassword) {
		t.Errorf("its password: %v", err)
	}
	if err := s.Create(alice, auth.Account{Stored: "{PLAIN}y"}, time.Now()); !errors.Is(err, auth.ErrExists) {
		t.Errorf("another one is made: %v", err)
	}
	if _, err := s.LastLogin(alice); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("its last login: %v", err)
	}
	path, err := s.Closed(alice)
	if err != nil || messages(t, path) != 1 {
		t.Fatalf("%q has %d messages, %v", path, messages(t, path), err)
	}
	for range 2 {
		if err := s.Reopen(alice); err != nil {
			t.Fatal(err)
		}
	}
	deliver(t, s, alice, "2")
	if n := messages(t, s.Home(alice)); n != 2 {
		t.Errorf("then there are %d messages", n)
	}
	if path, err := s.Closed(alice); path != "" || err != nil {
		t.Errorf("still closed: %q, %v", path, err)
	}
}

// TestNeverUsed: where there is no mailbox, none is made.
func TestNeverUsed(t *testing.T) {
	s, _, _ := house(t)
	bob, err := mailaddr.Parse("bob@chat.example", "chat.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(bob); err != nil {
		t.Fatal(err)
	}
	if path, err := s.Closed(bob); path != "" || err != nil {
		t.Errorf("got %q, %v", path, err)
	}
	if delivery(s, bob, "1") == nil {
		t.Error("a message is delivered")
	}
	if err := s.Reopen(bob); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, bob, "1")
}

// TestLeft: the place of a mailbox that has left stays closed until it is lifted.
func TestLeft(t *testing.T) {
	s, _, alice := house(t)
	if err := s.Close(alice); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.RemoveClosed(alice); err != nil {
			t.Fatal(err)
		}
	}
	if delivery(s, alice, "2") == nil {
		t.Error("a message is delivered")
	}
	seen := 0
	err := s.EachClosed(func(addr mailaddr.Address, since time.Time, left bool) error {
		seen++
		if addr != alice || !left || time.Since(since) > time.Minute {
			t.Errorf("got %v, %v, %v", addr, since, left)
		}
		return nil
	})
	if err != nil || seen != 1 {
		t.Errorf("%d have left, %v", seen, err)
	}
	if err := s.Lift(alice); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, alice, "3")
	if n := messages(t, s.Home(alice)); n != 1 {
		t.Errorf("the new one has %d messages", n)
	}
	if err := s.Lift(alice); err != nil || messages(t, s.Home(alice)) != 1 {
		t.Errorf("lifted again: %v", err)
	}
}

// TestArrived: a mailbox that comes takes the place of whatever is there.
func TestArrived(t *testing.T) {
	for name, before := range map[string]func(s Transit, addr mailaddr.Address) error{
		"a stale one":  func(Transit, mailaddr.Address) error { return nil },
		"a closed one": func(s Transit, addr mailaddr.Address) error { return s.Close(addr) },
		"one that has left": func(s Transit, addr mailaddr.Address) error {
			return errors.Join(s.Close(addr), s.RemoveClosed(addr))
		},
		"nothing": func(s Transit, addr mailaddr.Address) error { return s.Remove(addr) },
	} {
		s, dir, alice := house(t)
		if err := before(s, alice); err != nil {
			t.Fatal(err)
		}
		path, err := s.Arrive(alice)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, PasswordFile), []byte("{PLAIN}z"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Arrived(alice); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Password(alice); got != "{PLAIN}z" || err != nil || messages(t, s.Home(alice)) != 0 {
			t.Errorf("%s: got %q, %v, and %d messages", name, got, err, messages(t, s.Home(alice)))
		}
		for _, aside := range []string{MovingDir, arrivingDir} {
			if left, _ := os.ReadDir(filepath.Join(dir, aside)); len(left) > 0 {
				t.Errorf("%s: %s has %v", name, aside, left)
			}
		}
		if err := s.Gone(alice); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Password(alice); !errors.Is(err, auth.ErrNoMailbox) {
			t.Errorf("%s: gone, it has a password: %v", name, err)
		}
	}
}

// TestID: a store keeps its id, and another one has another.
func TestID(t *testing.T) {
	s, dir, _ := house(t)
	if id, err := s.ID(false); id != "" || err != nil {
		t.Errorf("got %q, %v", id, err)
	}
	id, err := s.ID(true)
	if err != nil || id == "" {
		t.Fatal(id, err)
	}
	if again, err := New(dir, "chat.example").ID(true); again != id || err != nil {
		t.Errorf("got %q, %v", again, err)
	}
	other, _, _ := house(t)
	ids := make(chan string)
	for range 8 {
		go func() {
			id, _ := other.ID(true)
			ids <- id
		}()
	}
	first := <-ids
	for range 7 {
		if id := <-ids; id != first || id == "" {
			t.Errorf("several at once get %q and %q", first, id)
		}
	}
	if got, err := other.ID(true); got == id || err != nil {
		t.Errorf("another store has the same id, %v", err)
	}
}
