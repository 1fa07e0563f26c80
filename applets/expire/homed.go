package expire

import (
	"context"
	"errors"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory/home"
	"chatmaild/store/expire"
)

// homed are the accounts of a relay of several machines, for the mailboxes of this one.
type homed struct {
	ctx      context.Context
	accounts *home.Accounts
	domain   string
}

var _ expire.Accounts = (*homed)(nil)

// Orphaned implements expire.Accounts. What is not an address of ours is left alone.
func (h *homed) Orphaned(name string) (bool, error) {
	addr, err := mailaddr.Parse(name, h.domain)
	if err != nil {
		return false, nil
	}
	a, err := h.accounts.Directory.Account(h.ctx, addr)
	if errors.Is(err, auth.ErrNoMailbox) {
		return true, nil
	}
	return err == nil && a.Home != h.accounts.Here && a.MovingTo != h.accounts.Here, err
}

// Remove implements expire.Accounts. The row alone is removed here, and only if it is still
// the one that was looked at: an operator may have blocked the account on another machine.
func (h *homed) Remove(name string) (bool, error) {
	addr, err := mailaddr.Parse(name, h.domain)
	if err != nil {
		return true, nil
	}
	a, err := h.accounts.Directory.Account(h.ctx, addr)
	switch {
	case errors.Is(err, auth.ErrNoMailbox):
		return true, nil
	case err != nil:
		return false, err
	case auth.IsBlocked(a.Stored) || a.MovingTo != "":
		return false, nil
	}
	// By the writer's word: this machine's copy may lag.
	if err := h.accounts.Directory.Change(h.ctx, addr, a, a); err != nil {
		return false, err
	}
	return true, h.accounts.Directory.Remove(h.ctx, addr)
}
