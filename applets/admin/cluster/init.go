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
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/directory/files"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/invites"
	"chatmaild/store/maildir"
	"chatmaild/store/safefs"
)

// first writes [cluster] with this machine alone, if the configuration has none; with
// wireguard, it makes the network of the machines before that, and returns its end of it.
func first(ctx context.Context, here *membership.Here, name, address, endpoint string, wireguard bool) (*postgres.Peer, error) {
	conf := here.Conf
	if self := config.Self(conf); config.Clustered(conf) {
		if name != "" && name != self.Name || address != "" && address != self.Addr.String() {
			return nil, fmt.Errorf("this is machine %s %s by %s", self.Name, self.Addr, here.Env.ConfigPath)
		}
		return nil, nil
	}
	if !wireguard {
		self, err := membership.Self(name, address, nil)
		if err != nil {
			return nil, err
		}
		return nil, here.Write(self.Name, []config.Member{self})
	}
	if address != "" {
		return nil, command.Usagef("--wireguard chooses the addresses itself")
	}
	peer, err := membership.NewPeer(here.Machine, name, endpoint, nil)
	if err != nil {
		return nil, err
	}
	if err := here.Mesh(ctx, peer, nil); err != nil {
		return nil, err
	}
	return &peer, here.Write(peer.Name, []config.Member{peer.Member})
}

// founding makes this machine the first of several.
type founding struct{ *cluster }

// init makes the directory on this machine, which is the writer then, and adds the accounts
// whose mailboxes are here. Meanwhile none are made: what doveauth made before it is started
// again is not in the directory. It can be run again.
func (c founding) init(ctx context.Context) error {
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
	open, err := c.closeDoor()
	if err != nil {
		return err
	}
	defer open()
	here, err := c.mailboxes(ctx)
	if err != nil {
		return err
	}
	var added int64
	err = membership.AsPostgres(func(address func(string) string) error {
		found := postgres.Found{
			Owner: address, Database: accounts.Database, Roles: roles(password),
		}
		if err := found.Create(ctx); err != nil {
			return err
		}
		if err := postgres.SetMembers(ctx, address(accounts.Database), config.Members(c.conf)); err != nil {
			return err
		}
		if c.peer != nil {
			if err := postgres.SetPeer(ctx, address(accounts.Database), *c.peer); err != nil {
				return err
			}
		}
		added, err = postgres.Import(ctx, address(accounts.Database), here)
		return err
	})
	if err != nil {
		return err
	}
	if err := c.here().Run(ctx, "run", "--skip-dns-check"); err != nil {
		return err
	}
	if err := inviteKey(c.conf); err != nil {
		return err
	}
	fmt.Fprintf(c.env.Stdout, "%d accounts were added to the directory of machine %s\non each other machine, run: chatmaild join root@HOST, this one\n",
		added, c.conf.Cluster.Name)
	return nil
}

// roles are who may do what in the directory, over the network by a password.
func roles(password string) []postgres.Role {
	return []postgres.Role{
		{Name: accounts.Role, Group: "chatmaild_writer", Password: password},
		{Name: desired.Replication, Group: postgres.Replication, Password: password},
		{Name: accounts.InvitesRole, Group: "chatmaild_inviter", Password: derived(password, accounts.InvitesRole)},
		{Name: accounts.CertificateRole, Group: "chatmaild_certifier"},
	}
}

// inviteKey makes the key of the invites before another machine needs the same.
func inviteKey(conf *config.Config) error {
	return safefs.As(conf.InvitesDir(), func() error {
		store, err := invites.Open(conf.InvitesDir())
		if err == nil {
			_, err = store.Key()
		}
		return err
	})
}

// closeDoor has no accounts be created until open is called.
func (c founding) closeDoor() (open func(), err error) {
	there, err := c.machine.Exists(c.conf.NocreateFile)
	if there || err != nil {
		return func() {}, err
	}
	door := desired.File{Path: c.conf.NocreateFile, Content: []byte("chatmaild cluster init\n"), Mode: 0o644, Owner: "root", Group: "root"}
	if err := c.machine.Write(door); err != nil {
		return nil, err
	}
	return func() {
		door.Absent = true
		if err := c.machine.Write(door); err != nil {
			c.say("no new accounts until %s is removed: %v", c.conf.NocreateFile, err)
		}
	}, nil
}

// mailboxes are the accounts whose mailboxes are on this machine. All are read before the first
// is added: that is done with other rights.
func (c founding) mailboxes(ctx context.Context) (iter.Seq2[mailaddr.Address, auth.Account], error) {
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
