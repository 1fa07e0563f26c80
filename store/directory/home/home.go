// Package home is the directory as one of several machines uses it: it places new
// accounts, and keeps the mailboxes of those that are at home here.
//
// A mailbox is made when it is first asked for, by its account's row. Its files that are
// ours, the password and whether cleartext is refused, are copies of the row: the day of
// the last login is noted at the password's, and expiry looks there. The copies are what
// is left of the directory when nothing of it can be reached, neither this machine's copy
// nor the writer: then they serve the users whose mailboxes are here, and nobody else.
package home

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

// Accounts are those of a relay of several machines, as one of them sees them. Its methods
// may be called concurrently, by several processes.
type Accounts struct {
	Here      string             // the name of this machine
	Directory directory.Accounts // of all machines
	Mailboxes *maildir.Store     // of this machine
	// Place returns the name of the machine on which a new account is at home.
	Place func(address string) (string, error)
	Now   func() time.Time
}

var _ directory.Accounts = (*Accounts)(nil)

// Account implements directory.Accounts.
func (h *Accounts) Account(ctx context.Context, addr mailaddr.Address) (auth.Account, error) {
	a, err := h.Directory.Account(ctx, addr)
	if !errors.Is(err, directory.ErrUnavailable) {
		return a, err
	}
	kept, keptErr := h.kept(addr)
	if keptErr != nil {
		return auth.Account{}, err
	}
	return kept, nil
}

// kept is an account by what its mailbox here has of it.
func (h *Accounts) kept(addr mailaddr.Address) (a auth.Account, err error) {
	if a.Stored, err = h.Mailboxes.Password(addr); err != nil {
		return auth.Account{}, err
	}
	if a.EncryptedOnly, err = h.Mailboxes.EncryptedOnly(addr); err != nil {
		return auth.Account{}, err
	}
	a.Home = h.Here
	return a, nil
}

// Create implements directory.Accounts. An account without a home gets one.
func (h *Accounts) Create(ctx context.Context, addr mailaddr.Address, a auth.Account) error {
	if a.Home == "" {
		home, err := h.Place(addr.String())
		if err != nil {
			return fmt.Errorf("choosing a machine for a new account: %w", err)
		}
		a.Home = home
	}
	return h.Directory.Create(ctx, addr, a)
}

// Change implements directory.Accounts. The copies in the mailbox follow when it is next
// asked for.
func (h *Accounts) Change(ctx context.Context, addr mailaddr.Address, from, to auth.Account) error {
	return h.Directory.Change(ctx, addr, from, to)
}

// Remove implements directory.Accounts. The row goes first: a mailbox without one is
// nobody's. One on another machine is that machine's expiry's.
func (h *Accounts) Remove(ctx context.Context, addr mailaddr.Address) error {
	if err := h.Directory.Remove(ctx, addr); err != nil {
		return err
	}
	if err := h.Mailboxes.Remove(addr); err != nil && !errors.Is(err, auth.ErrNoMailbox) {
		return err
	}
	return nil
}

// Each implements directory.Accounts, for the accounts of all machines.
func (h *Accounts) Each(ctx context.Context, yield func(mailaddr.Address) error) error {
	return h.Directory.Each(ctx, yield)
}

// Open makes the mailbox of an account, whose row is a and which is at home here, or has
// its copies follow the row.
func (h *Accounts) Open(addr mailaddr.Address, a auth.Account) error {
	kept, err := h.kept(addr)
	switch {
	case errors.Is(err, auth.ErrNoMailbox):
		err = h.Mailboxes.Create(addr, a, h.Now())
		if errors.Is(err, auth.ErrExists) { // another login was faster
			return nil
		}
		return err
	case errors.Is(err, auth.ErrNoPassword): // Dovecot was faster, or a mailbox was copied here
		kept.EncryptedOnly = !a.EncryptedOnly
	case err != nil:
		return err
	}
	if kept.EncryptedOnly != a.EncryptedOnly {
		if err := h.Mailboxes.SetEncryptedOnly(addr, a.EncryptedOnly); err != nil {
			return err
		}
	}
	if kept.Stored != a.Stored {
		return h.Mailboxes.SetPassword(addr, a.Stored, h.Now())
	}
	return nil
}
