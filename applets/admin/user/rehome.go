package user

import (
	"context"
	"errors"
	"fmt"

	"chatmaild/applets/admin/rehome"
	"chatmaild/applets/command"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory/move"
)

// move gives a mailbox another home, or has one stay that is being moved.
func (u *users) move(ctx context.Context, addr mailaddr.Address) (done any, err error) {
	if u.here == "" {
		return nil, command.WithHint(errors.New("this relay is one machine"), "to move it to another one: chatmaild move")
	}
	if u.to == "" {
		return nil, command.Usagef("missing --to MACHINE")
	}
	err = u.asOwner(func() error {
		done, err = u.rehome(ctx, addr)
		return err
	})
	return done, err
}

func (u *users) rehome(ctx context.Context, addr mailaddr.Address) (any, error) {
	row, err := u.accounts.Account(ctx, addr)
	if err != nil {
		return nil, err
	}
	if row.Home == u.to && row.MovingTo == "" {
		return nil, fmt.Errorf("its mailbox is on machine %s", u.to)
	}
	if row.Home == u.to {
		cancelled, err := move.Cancel(ctx, u.rows.Writer, addr)
		if err != nil || !cancelled {
			return nil, errors.Join(err, errors.New("it was moved meanwhile"))
		}
		return changed{addr.String(), "stays on machine " + u.to, ""}, nil
	}
	for _, machine := range []string{row.Home, u.to} {
		if err := rehome.Ready(ctx, u.cfg, machine); err != nil {
			return nil, err
		}
	}
	if err := u.rows.Takes(ctx, u.to); err != nil {
		return nil, err
	}
	one := rehome.Move{Addr: addr, From: row.Home, To: u.to}
	next := func() (rehome.Move, bool, error) {
		m := one
		one = rehome.Move{}
		return m, m.To != "", nil
	}
	var refused error
	if err := rehome.Run(ctx, *u.rows, rehome.Pace(), next, func(_ rehome.Move, err error) { refused = err }); err != nil {
		return nil, command.WithHint(err, "to have it stay: chatmaild user move %s --to %s", addr, row.Home)
	}
	if refused != nil {
		return nil, refused
	}
	return changed{addr.String(), "moved to machine " + u.to, "chatmaild user move " + addr.String() + " --to " + row.Home}, nil
}
