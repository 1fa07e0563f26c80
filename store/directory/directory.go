package directory

import (
	"context"
	"errors"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
)

// ErrChanged says that an account is not any more what it was when it was looked at.
// Nothing was done.
var ErrChanged = errors.New("the account was changed meanwhile")

// Accounts is the directory: one row for each account. Its methods may be called
// concurrently. What they return without an error is durable.
type Accounts interface {
	// Account and Create, for which first logins compete.
	auth.Accounts
	// Change replaces a row that is still from by to. It fails with ErrChanged, or with
	// auth.ErrNoMailbox. To give a mailbox a password that had none, from is what
	// Account returned beside auth.ErrNoPassword.
	Change(ctx context.Context, addr mailaddr.Address, from, to auth.Account) error
	// Remove deletes a row. It fails with auth.ErrNoMailbox.
	Remove(ctx context.Context, addr mailaddr.Address) error
	// Each calls yield with the address of each account, in no order, until it fails,
	// and returns its error. It sees an account that comes or goes meanwhile or not.
	Each(ctx context.Context, yield func(mailaddr.Address) error) error
}
