package auth

import (
	"context"
	"errors"

	"chatmaild/auth/mailaddr"
)

// Account is what is kept of an account beside its mail.
type Account struct {
	Stored        string // the password as it is stored, "{SCHEME}hash"; see Block
	EncryptedOnly bool   // cleartext from outside is refused

	// Home names the machine on whose disk the mailbox lies, and MovingTo the one that
	// gets it next: nobody opens it meanwhile. A relay that is one machine has neither.
	Home, MovingTo string
}

// Errors of Accounts.
var (
	ErrNoMailbox = errors.New("no such mailbox")
	ErrExists    = errors.New("the mailbox exists")
	// ErrNoPassword says that there is a mailbox, but no password in it: an
	// operator took it away, or another program made the directory.
	ErrNoPassword = errors.New("the mailbox has no password file")
)

// Accounts keeps the accounts. Its implementations are in store/directory.
type Accounts interface {
	// Account returns what is kept of addr now. It fails with ErrNoMailbox,
	// ErrNoPassword, or for a reason that may pass.
	Account(ctx context.Context, addr mailaddr.Address) (Account, error)
	// Create makes an account, durably, wholly or not at all. It fails with
	// ErrExists if there is one.
	Create(ctx context.Context, addr mailaddr.Address, a Account) error
}
