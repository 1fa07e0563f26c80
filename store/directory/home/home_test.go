package home

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/directory/directorytest"
	"chatmaild/store/maildir"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// rows is a directory in memory, which may be away.
type rows struct {
	directory.Accounts
	all  map[mailaddr.Address]auth.Account
	away bool
}

func (r *rows) Account(_ context.Context, addr mailaddr.Address) (auth.Account, error) {
	if r.away {
		return auth.Account{}, directory.ErrUnavailable
	}
	a, ok := r.all[addr]
	if !ok {
		return auth.Account{}, auth.ErrNoMailbox
	}
	return a, nil
}

func (r *rows) Create(_ context.Context, addr mailaddr.Address, a auth.Account) error {
	r.all[addr] = a
	return nil
}

func (r *rows) Remove(_ context.Context, addr mailaddr.Address) error {
	if r.away {
		return directory.ErrUnavailable
	}
	delete(r.all, addr)
	return nil
}

func open(t *testing.T) (*Accounts, *rows, string) {
	dir, all := t.TempDir(), &rows{all: map[mailaddr.Address]auth.Account{}}
	return &Accounts{
		Here: "a", Directory: all, Mailboxes: maildir.New(dir, directorytest.Domain),
		Place: func(string) (string, error) { return "b", nil },
		Now:   func() time.Time { return noon },
	}, all, dir
}

func TestPlaced(t *testing.T) {
	h, all, _ := open(t)
	alice, bob := directorytest.Address(t, "alice"), directorytest.Address(t, "bob")
	if err := errors.Join(h.Create(t.Context(), alice, auth.Account{Stored: "x"}), h.Create(t.Context(), bob, auth.Account{Home: "c"})); err != nil {
		t.Fatal(err)
	}
	if all.all[alice] != (auth.Account{Stored: "x", Home: "b"}) || all.all[bob].Home != "c" {
		t.Errorf("the rows are %+v", all.all)
	}
	h.Place = func(string) (string, error) { return "", errors.New("no machine") }
	if err := h.Create(t.Context(), directorytest.Address(t, "carol"), auth.Account{}); err == nil {
		t.Error("an account has no home")
	}
}

// TestOpen has the mailbox follow its row, and keep the day of the last login.
func TestOpen(t *testing.T) {
	h, _, dir := open(t)
	alice := directorytest.Address(t, "alice")
	yesterday := noon.Add(-24 * time.Hour)
	for i, row := range []auth.Account{
		{Stored: "{PLAIN}x", EncryptedOnly: true, Home: "a"},
		{Stored: "{PLAIN}x", EncryptedOnly: true, Home: "a"},
		{Stored: "!{PLAIN}x", Home: "a"},
		{Stored: "{PLAIN}y", EncryptedOnly: true, Home: "a"},
	} {
		if err := h.Open(alice, row); err != nil {
			t.Fatal(err)
		}
		if got, err := h.kept(alice); got != row || err != nil {
			t.Errorf("got %+v, %v; want %+v", got, err, row)
		}
		if i == 0 {
			if err := h.Mailboxes.SetLastLogin(alice, yesterday); err != nil {
				t.Fatal(err)
			}
		}
	}
	if day, err := h.Mailboxes.LastLogin(alice); err != nil || day.UTC().Day() != yesterday.Day() {
		t.Errorf("the day of the last login is %v, %v", day, err)
	}
	if err := os.Remove(filepath.Join(dir, alice.String(), maildir.PasswordFile)); err != nil {
		t.Fatal(err)
	}
	row := auth.Account{Stored: "{PLAIN}z", Home: "a"}
	if err := h.Open(alice, row); err != nil {
		t.Fatal(err)
	}
	if got, err := h.kept(alice); got != row || err != nil {
		t.Errorf("without a password: got %+v, %v", got, err)
	}
}

// TestAway serves whose mailbox is here, and nobody else.
func TestAway(t *testing.T) {
	h, all, _ := open(t)
	alice, bob := directorytest.Address(t, "alice"), directorytest.Address(t, "bob")
	row := auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true, Home: "a"}
	if err := h.Open(alice, row); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Account(t.Context(), alice); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("the mailbox is taken for its row: %v", err)
	}
	all.away = true
	if got, err := h.Account(t.Context(), alice); got != row || err != nil {
		t.Errorf("got %+v, %v; want %+v", got, err, row)
	}
	if _, err := h.Account(t.Context(), bob); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("somebody without a mailbox: %v", err)
	}
	if err := h.Remove(t.Context(), alice); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("removing: %v", err)
	}
	if _, err := h.Mailboxes.Password(alice); err != nil {
		t.Errorf("the mailbox is gone before its row: %v", err)
	}
	all.away = false
	if err := h.Remove(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Mailboxes.Password(alice); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("the mailbox is there without its row: %v", err)
	}
}
