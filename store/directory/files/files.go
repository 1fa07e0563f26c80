// Package files is the directory of a relay that is one machine: each account is what
// lies in its mailbox, in the Python relay's layout (store/maildir). It has no process,
// no cache and nothing to configure.
package files

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/maildir"
)

// Accounts are the accounts of the mailboxes in a directory. Its methods may be called
// concurrently, by several processes. They do everything as the current user; root uses
// them within safefs.As.
type Accounts struct {
	mailboxes *maildir.Store
	now       func() time.Time // a mailbox keeps the day of its last login
}

var _ directory.Accounts = (*Accounts)(nil)

// New returns the accounts of a store.
func New(mailboxes *maildir.Store, now func() time.Time) *Accounts {
	return &Accounts{mailboxes, now}
}

// errHome is a fault of the caller.
var errHome = errors.New("a relay that is one machine has no other home for a mailbox")

// Account implements directory.Accounts. With auth.ErrNoPassword it returns the rest of
// the account.
func (f *Accounts) Account(_ context.Context, addr mailaddr.Address) (a auth.Account, err error) {
	if a.Stored, err = f.mailboxes.Password(addr); err != nil && !errors.Is(err, auth.ErrNoPassword) {
		return auth.Account{}, err
	}
	only, enforceErr := f.mailboxes.EncryptedOnly(addr)
	if enforceErr != nil {
		return auth.Account{}, enforceErr
	}
	a.EncryptedOnly = only
	return a, err
}

// Create implements directory.Accounts.
func (f *Accounts) Create(_ context.Context, addr mailaddr.Address, a auth.Account) error {
	if a.Home != "" || a.MovingTo != "" {
		return errHome
	}
	return f.mailboxes.Create(addr, a, f.now())
}

// Change implements directory.Accounts. The mailbox is locked meanwhile, so that of two
// operators who change it at once the second is refused.
func (f *Accounts) Change(ctx context.Context, addr mailaddr.Address, from, to auth.Account) error {
	if to.Home != "" || to.MovingTo != "" {
		return errHome
	}
	unlock, err := f.mailboxes.Lock(addr)
	if err != nil {
		return err
	}
	defer unlock()
	now, err := f.Account(ctx, addr)
	if err != nil && !errors.Is(err, auth.ErrNoPassword) {
		return err
	}
	if now != from {
		return directory.ErrChanged
	}
	if to.EncryptedOnly != now.EncryptedOnly {
		if err := f.mailboxes.SetEncryptedOnly(addr, to.EncryptedOnly); err != nil {
			return err
		}
	}
	if to.Stored == now.Stored {
		return nil
	}
	return f.mailboxes.SetPassword(addr, to.Stored, f.now())
}

// Remove implements directory.Accounts. The mail goes with the account.
func (f *Accounts) Remove(_ context.Context, addr mailaddr.Address) error {
	return f.mailboxes.Remove(addr)
}

// Each implements directory.Accounts.
func (f *Accounts) Each(ctx context.Context, yield func(mailaddr.Address) error) error {
	return f.mailboxes.Each(func(addr mailaddr.Address) error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing all accounts: %w", err)
		}
		return yield(addr)
	})
}
