// Package move gives a mailbox another home. The one who moves is the old home: nobody
// else can say that the mailbox is closed there.
//
//	row says           the old home does               next
//	home               nothing, once it is open again  Begin: closed to new sessions everywhere
//	moving             settle: until its own copy of the directory says so, too; then it
//	                   ends the sessions and deliveries that are open
//	moving, settled    copy: to the new home, under another name; synced; renamed
//	moving, copied     switch: row says the new home   open there
//	elsewhere          remove its own mailbox
//
// What was done is known from the row alone, by the writer's word: a move that was
// interrupted at any place is resumed by the same call. What the row does not tell is done again:
// a copy that was not seen to be complete is made again, which is the same one, since the
// mailbox is closed. Until the switch, the old home has all mail; after it, the new one.
package move

import (
	"context"
	"errors"
	"fmt"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
)

// ErrLagging says that this machine's copy of the directory does not know of the move
// yet: a session may still be opened here. To be tried again in a moment.
var ErrLagging = errors.New("this machine's copy of the directory lags behind the move")

// Mailboxes are those of the old home.
type Mailboxes interface {
	// Close ends the sessions of a mailbox and the deliveries to it, and returns when
	// there are none.
	Close(ctx context.Context, addr mailaddr.Address) error
	// Reopen undoes Close.
	Reopen(ctx context.Context, addr mailaddr.Address) error
	// Copy makes the mailbox that another machine has the same as ours, durably. A copy
	// that was begun before and may still be at work is ended first.
	Copy(ctx context.Context, addr mailaddr.Address, to string) error
	// Remove deletes the mailbox here, if there is one.
	Remove(ctx context.Context, addr mailaddr.Address) error
}

// Mover moves mailboxes away from a machine. The caller locks the address on this
// machine, and who receives a mailbox does the same there: nobody moves a mailbox twice
// at once, or takes back one that is still being removed.
type Mover struct {
	Here      string
	Copy      directory.Copy
	Writer    directory.Writer
	Mailboxes Mailboxes
}

// step is a part of a move, as an error names it.
type step string

const (
	reopen   step = "reopen"
	settle   step = "settle"
	transfer step = "copy"
	turn     step = "switch"
	remove   step = "remove"
	wait     step = "wait"
)

// errComing says that there is nothing to move yet.
var errComing = errors.New("the mailbox is being moved here")

// next says what comes next for a mailbox, by its row; settle stands for all up to the switch.
func next(row auth.Account, here string) step {
	switch {
	case row.Home != here && row.MovingTo == here:
		return wait
	case row.Home != here:
		return remove
	case row.MovingTo == "":
		return reopen
	}
	return settle
}

// Begin has the row say that addr, at home on from, moves to another machine. Every client
// that may change rows can do that; the rest is the old home's (Finish). It fails with
// directory.ErrChanged if the mailbox has another home, or moves already.
func Begin(ctx context.Context, w directory.Writer, addr mailaddr.Address, from, to string) error {
	word, err := w.Word(ctx, addr)
	if err != nil {
		return err
	}
	row := word.Account
	switch {
	case row.Home == to:
		return ErrThere
	case row.Home == from && row.MovingTo == to:
		return nil
	case row.Home != from || row.MovingTo != "":
		return directory.ErrChanged
	}
	moving := row
	moving.MovingTo = to
	done, err := w.Replace(ctx, addr, row, moving)
	if err == nil && !done {
		err = directory.ErrChanged
	}
	return err
}

// ErrThere says that a mailbox is where it should move to.
var ErrThere = errors.New("the mailbox is there")

// Move gives addr, which is here, the home to.
func (m *Mover) Move(ctx context.Context, addr mailaddr.Address, to string) error {
	err := Begin(ctx, m.Writer, addr, m.Here, to)
	switch {
	case errors.Is(err, directory.ErrChanged), errors.Is(err, auth.ErrNoMailbox): // for Finish to look
	case errors.Is(err, ErrThere) && to != m.Here:
	case err != nil:
		return fmt.Errorf("moving a mailbox: %w", err)
	}
	return m.Finish(ctx, addr)
}

// Finish does what the row of addr says, whatever became of an earlier call: it moves the
// mailbox, opens it again if the move was cancelled, or removes it if it has another home
// already. After an error, the same call resumes.
func (m *Mover) Finish(ctx context.Context, addr mailaddr.Address) error {
	for {
		word, err := m.Writer.Word(ctx, addr)
		if errors.Is(err, auth.ErrNoMailbox) { // deleted: the mail goes, too
			return m.Mailboxes.Remove(ctx, addr)
		}
		if err != nil {
			return fmt.Errorf("moving a mailbox: %w", err)
		}
		what, changed, err := m.do(ctx, addr, word.Account)
		if err != nil {
			return fmt.Errorf("moving a mailbox, at %s: %w", what, err)
		}
		if !changed {
			return nil
		}
	}
}

// Cancel has the row say that addr stays at home, as when the other machine is lost. It
// reports whether there was a move that had not been switched.
func Cancel(ctx context.Context, w directory.Writer, addr mailaddr.Address) (bool, error) {
	word, err := w.Word(ctx, addr)
	row := word.Account
	if err != nil || row.MovingTo == "" {
		return false, err
	}
	back := row
	back.MovingTo = ""
	return w.Replace(ctx, addr, row, back)
}

// do does what comes next, to the end, and returns how far it came. If the row was changed
// meanwhile, what comes next is to be looked up again.
func (m *Mover) do(ctx context.Context, addr mailaddr.Address, row auth.Account) (what step, changed bool, err error) {
	switch what = next(row, m.Here); what {
	case wait:
		return what, false, errComing
	case reopen:
		return what, false, m.Mailboxes.Reopen(ctx, addr)
	case remove:
		return what, false, m.Mailboxes.Remove(ctx, addr)
	}
	seen, err := m.Copy.Read(ctx, addr)
	if err == nil && (seen.Home != m.Here || seen.MovingTo != row.MovingTo) {
		err = ErrLagging
	}
	if err == nil {
		err = m.Mailboxes.Close(ctx, addr)
	}
	if err != nil {
		return settle, false, err
	}
	if err := m.Mailboxes.Copy(ctx, addr, row.MovingTo); err != nil {
		return transfer, false, err
	}
	moved := row
	moved.Home, moved.MovingTo = row.MovingTo, ""
	done, err := m.Writer.Replace(ctx, addr, row, moved)
	if err != nil || !done {
		return turn, err == nil, err
	}
	return remove, false, m.Mailboxes.Remove(ctx, addr)
}

// Rescue gives addr, whose row is given, a home again if its own is lost for good, or if
// it was being moved to a machine that is. Its password stays; what was on the lost
// machine is gone, and the mailbox is an empty one. It returns the row as it is then.
func Rescue(ctx context.Context, w directory.Writer, addr mailaddr.Address, row auth.Account, lost func(machine string) bool, place func() (string, error)) (auth.Account, error) {
	saved := row
	switch {
	case lost(row.Home):
		home, err := place()
		if err != nil {
			return row, err
		}
		saved.Home, saved.MovingTo = home, ""
	case row.MovingTo != "" && lost(row.MovingTo):
		saved.MovingTo = ""
	default:
		return row, nil
	}
	if done, err := w.Replace(ctx, addr, row, saved); err != nil || done {
		return saved, err
	}
	word, err := w.Word(ctx, addr) // another machine was faster
	return word.Account, err
}
