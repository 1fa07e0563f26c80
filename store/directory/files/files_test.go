package files

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chatmaild/auth"
	"chatmaild/store/directory"
	"chatmaild/store/directory/directorytest"
	"chatmaild/store/maildir"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func open(dir string) *Accounts {
	return New(maildir.New(dir, directorytest.Domain), func() time.Time { return noon })
}

func TestContract(t *testing.T) {
	directorytest.Accounts(t, func(t *testing.T) directory.Accounts { return open(t.TempDir()) })
}

// TestNoPassword gives a mailbox a password that has lost its own.
func TestNoPassword(t *testing.T) {
	dir := t.TempDir()
	f, alice := open(dir), directorytest.Address(t, "alice")
	if err := f.Create(t.Context(), alice, auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, alice.String(), maildir.PasswordFile)); err != nil {
		t.Fatal(err)
	}
	old, err := f.Account(t.Context(), alice)
	if want := (auth.Account{EncryptedOnly: true}); old != want || !errors.Is(err, auth.ErrNoPassword) {
		t.Errorf("without a password: got %+v, %v", old, err)
	}
	if err := f.Change(t.Context(), alice, old, auth.Account{Stored: "{PLAIN}y", EncryptedOnly: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Account(t.Context(), alice); got.Stored != "{PLAIN}y" || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestFaults holds that what cannot be read is a fault, and not an account that is not
// there.
func TestFaults(t *testing.T) {
	dir := t.TempDir()
	f, alice := open(dir), directorytest.Address(t, "alice")
	if err := os.WriteFile(filepath.Join(dir, alice.String()), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Account(t.Context(), alice); err == nil || errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("a file in the place of a mailbox: %v", err)
	}
	if err := f.Change(t.Context(), alice, auth.Account{}, auth.Account{Stored: "{PLAIN}x"}); err == nil || errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("changing it: %v", err)
	}
	if err := open(filepath.Join(dir, "none")).Create(t.Context(), alice, auth.Account{}); err == nil || errors.Is(err, auth.ErrExists) {
		t.Errorf("without a directory: %v", err)
	}
}
