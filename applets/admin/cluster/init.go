package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/desired"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/directory/files"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/maildir"
	"chatmaild/store/safefs"
)

// init makes the directory on this machine, which is the writer then, and adds the accounts
// whose mailboxes are here. It can be run again.
func (c *cluster) init(ctx context.Context) error {
	if err := c.start(ctx); err != nil {
		return err
	}
	password, err := c.password()
	if errors.Is(err, fs.ErrNotExist) {
		password, err = rand.Text(), nil
	}
	if err != nil {
		return err
	}
	if err := c.writePassword(password); err != nil {
		return err
	}
	here, err := c.here(ctx)
	if err != nil {
		return err
	}
	var added int64
	err = asPostgres(func(address func(string) string) error {
		found := postgres.Found{
			Owner: address, Database: accounts.Database, Password: password,
			Roles: map[string]string{accounts.Role: "chatmaild_writer", desired.Replication: postgres.Replication},
		}
		if err := found.Create(ctx); err != nil {
			return err
		}
		added, err = postgres.Import(ctx, address(accounts.Database), here)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.env.Stdout, "%d accounts were added to the directory of machine %s\n", added, c.conf.Cluster.Name)
	return nil
}

// here are the accounts whose mailboxes are on this machine. All are read before the first
// is added: that is done with other rights.
func (c *cluster) here(ctx context.Context) (iter.Seq2[mailaddr.Address, auth.Account], error) {
	type account struct {
		addr mailaddr.Address
		auth.Account
	}
	var all []account
	var rows directory.Accounts = files.New(maildir.New(c.conf.MailboxesDir, c.conf.AddressDomain()), time.Now)
	err := safefs.As(c.conf.MailboxesDir, func() error {
		return rows.Each(ctx, func(addr mailaddr.Address) error {
			a, err := rows.Account(ctx, addr)
			if errors.Is(err, auth.ErrNoMailbox) || errors.Is(err, auth.ErrNoPassword) {
				return nil
			}
			a.Home = c.conf.Cluster.Name
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
