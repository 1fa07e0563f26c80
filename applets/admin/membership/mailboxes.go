package membership

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/directory/files"
	"chatmaild/store/maildir"
	"chatmaild/store/safefs"
)

// Mailboxes are the accounts whose mailboxes are on this machine. All are read before the first
// is added: that is done with other rights.
func (h *Here) Mailboxes(ctx context.Context) (iter.Seq2[mailaddr.Address, auth.Account], error) {
	type account struct {
		addr mailaddr.Address
		auth.Account
	}
	var all []account
	var rows directory.Accounts = files.New(maildir.New(h.Conf.MailboxesDir, h.Conf.AddressDomain()), time.Now)
	err := safefs.As(h.Conf.MailboxesDir, func() error {
		return rows.Each(ctx, func(addr mailaddr.Address) error {
			a, err := rows.Account(ctx, addr)
			if errors.Is(err, auth.ErrNoMailbox) || errors.Is(err, auth.ErrNoPassword) {
				return nil
			}
			a.Home = h.Conf.Cluster.Name
			all = append(all, account{addr, a})
			return err
		})
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the accounts of this machine: %w", err)
	}
	return func(yield func(mailaddr.Address, auth.Account) bool) {
		for _, a := range all {
			if !yield(a.addr, a.Account) {
				return
			}
		}
	}, nil
}
