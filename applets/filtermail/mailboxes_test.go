package filtermail

import (
	"context"
	"errors"
	"testing"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
)

type rows struct{ directory.Accounts }

func (rows) Account(_ context.Context, addr mailaddr.Address) (auth.Account, error) {
	switch addr.Local() {
	case "open":
		return auth.Account{Home: "b"}, nil
	case "strict":
		return auth.Account{Home: "b", EncryptedOnly: true}, nil
	case "lost":
		return auth.Account{}, directory.ErrUnavailable
	}
	return auth.Account{}, auth.ErrNoMailbox
}

// TestHomed: whether a mailbox takes cleartext is known of those on other machines, too, and
// nothing is let in while it is not.
func TestHomed(t *testing.T) {
	h := &homed{rows{}, "chat.example"}
	for local, want := range map[string]struct {
		enforces bool
		err      error
	}{"open": {false, nil}, "strict": {true, nil}, "nobody": {true, nil}, "lost": {true, directory.ErrUnavailable}} {
		got, err := h.EnforcesEncryption(local + "@chat.example")
		if got != want.enforces || !errors.Is(err, want.err) {
			t.Errorf("%s: got %t, %v; want %t, %v", local, got, err, want.enforces, want.err)
		}
	}
}
