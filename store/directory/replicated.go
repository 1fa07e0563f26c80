package directory

import (
	"context"
	"errors"
	"fmt"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
)

// ErrUnavailable says that the directory cannot tell, or cannot be changed, for now.
var ErrUnavailable = errors.New("the directory is not available")

// Row is an account as a copy of the directory has it.
type Row struct {
	auth.Account
	// Answered says that the insertion of the row is known to be on two machines. A
	// writer that crashed and came back shows rows of which nobody knows that.
	Answered bool
}

// Copy is the directory as this machine has it. It may lag.
type Copy interface {
	// Read returns a row. It fails with auth.ErrNoMailbox if this copy has none.
	Read(ctx context.Context, addr mailaddr.Address) (Row, error)
	// Each is that of Accounts.
	Each(ctx context.Context, yield func(mailaddr.Address) error) error
}

// Writer is the one copy that takes changes, wherever it is. Its methods return without
// an error when what they say is on two machines, so that no writer says it that was
// replaced by another one and does not know.
type Writer interface {
	// Word returns a row, or auth.ErrNoMailbox.
	Word(ctx context.Context, addr mailaddr.Address) (Row, error)
	// Answer notes of a row, of which that is known, that it is on two machines.
	Answer(ctx context.Context, addr mailaddr.Address) error
	// Insert adds a row that is not answered, or fails with auth.ErrExists.
	Insert(ctx context.Context, addr mailaddr.Address, a auth.Account) error
	// Replace writes to in the place of from, even if they are the same, and reports
	// whether the row was from.
	Replace(ctx context.Context, addr mailaddr.Address, from, to auth.Account) (bool, error)
	// Delete removes a row, and reports whether there was one.
	Delete(ctx context.Context, addr mailaddr.Address) (bool, error)
}

// Replicated is a directory on several machines: each reads its own copy, and one of them
// is the writer. Nothing of it is remembered here.
type Replicated struct {
	Copy   Copy
	Writer Writer
}

var _ Accounts = (*Replicated)(nil)

// Account implements Accounts. That there is no such account is only ever the writer's
// word: this machine's copy may lag.
func (r *Replicated) Account(ctx context.Context, addr mailaddr.Address) (auth.Account, error) {
	row, err := r.Copy.Read(ctx, addr)
	if err == nil && row.Answered {
		return row.Account, nil
	}
	word, wordErr := r.Writer.Word(ctx, addr)
	switch {
	case wordErr == nil && !word.Answered:
		r.answer(ctx, addr)
		fallthrough
	case wordErr == nil:
		return word.Account, nil
	case errors.Is(wordErr, auth.ErrNoMailbox):
		return auth.Account{}, auth.ErrNoMailbox
	}
	if err != nil && !errors.Is(err, auth.ErrNoMailbox) {
		return auth.Account{}, fmt.Errorf("%w: the copy: %w; the writer: %w", ErrUnavailable, err, wordErr)
	}
	return auth.Account{}, fmt.Errorf("%w: %w", ErrUnavailable, wordErr)
}

// Create implements Accounts. The insertion decides who has the address, and nothing
// else. One that is in doubt is a fault; the next look-up tells what became of it.
func (r *Replicated) Create(ctx context.Context, addr mailaddr.Address, a auth.Account) error {
	err := r.Writer.Insert(ctx, addr, a)
	if errors.Is(err, auth.ErrExists) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r.answer(ctx, addr)
	return nil
}

// answer notes that a row is on two machines, after the writer has said so: in one
// change with its word, the note could be seen where the word was never given. That it
// fails costs the next look-up another word.
func (r *Replicated) answer(ctx context.Context, addr mailaddr.Address) {
	_ = r.Writer.Answer(ctx, addr)
}

// Change implements Accounts. To change a row to itself asks whether it is durable as it
// is.
func (r *Replicated) Change(ctx context.Context, addr mailaddr.Address, from, to auth.Account) error {
	changed, err := r.Writer.Replace(ctx, addr, from, to)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if changed {
		return nil
	}
	return r.refused(ctx, addr)
}

// Remove implements Accounts.
func (r *Replicated) Remove(ctx context.Context, addr mailaddr.Address) error {
	removed, err := r.Writer.Delete(ctx, addr)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if removed {
		return nil
	}
	return r.refused(ctx, addr)
}

// refused says why nothing was changed.
func (r *Replicated) refused(ctx context.Context, addr mailaddr.Address) error {
	_, err := r.Writer.Word(ctx, addr)
	switch {
	case err == nil:
		return ErrChanged
	case errors.Is(err, auth.ErrNoMailbox):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Each implements Accounts, with the accounts of this machine's copy.
func (r *Replicated) Each(ctx context.Context, yield func(mailaddr.Address) error) error {
	return r.Copy.Each(ctx, yield)
}
