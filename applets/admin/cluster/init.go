package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/invites"
	"chatmaild/store/safefs"
)

// founder is who this machine is to be as the first one.
type founder struct {
	*membership.Here
	name, address, endpoint string // "" for what is found out
	wireguard               bool   // the machines make their network themselves
	again                   bool   // all machines were lost, and this one was restored
}

// first writes [cluster] with this machine alone, if the configuration has none; with
// wireguard, it makes the network of the machines before that, and returns its end of it.
func (f *founder) first(ctx context.Context) (*postgres.Peer, error) {
	if config.Clustered(f.Conf) {
		if err := f.former(ctx); err != nil || !f.again {
			return nil, err
		}
	}
	if !f.wireguard {
		self, err := membership.Self(f.name, f.address, nil)
		if err != nil {
			return nil, err
		}
		return nil, f.Write(self.Name, []config.Member{self})
	}
	if f.address != "" {
		return nil, command.Usagef("--wireguard chooses the addresses itself")
	}
	peer, err := membership.NewPeer(f.Machine, f.name, f.endpoint, nil)
	if err != nil {
		return nil, err
	}
	if err := f.Mesh(ctx, peer, nil); err != nil {
		return nil, err
	}
	return &peer, f.Write(peer.Name, []config.Member{peer.Member})
}

// former looks at what the configuration says of the machines: an init that was interrupted is
// resumed. After a restore this one keeps its name, by which its accounts are known, and may
// have another address. None of the others may be there: they would have the directory.
func (f *founder) former(ctx context.Context) error {
	self, members := config.Self(f.Conf), config.Members(f.Conf)
	if f.name != "" && f.name != self.Name || !f.again && f.address != "" && f.address != self.Addr.String() {
		return fmt.Errorf("this is machine %s %s by %s", self.Name, self.Addr, f.Env.ConfigPath)
	}
	if !f.again && len(members) > 1 {
		return command.WithHint(errors.New("this relay is several machines"),
			"chatmaild cluster status; if all were lost, and this one was restored from its backup: chatmaild cluster init --load FILE, which cluster dump wrote")
	}
	if f.name = self.Name; f.again && f.address == "" && !f.wireguard {
		here, err := membership.Has(self.Addr)
		if err != nil {
			return err
		}
		if !here {
			return command.Usagef("this machine does not have the address %v, which %s gives machine %s: say by --address which one it has in the network of the machines", self.Addr, f.Env.ConfigPath, self.Name)
		}
		f.address = self.Addr.String()
	}
	for _, m := range members {
		if !f.again || m == self {
			continue
		}
		if port := answers(ctx, m); port != 0 {
			return command.WithHint(fmt.Errorf("machine %s answers on port %d, and may have the directory", m.Name, port), "run there: chatmaild cluster status")
		}
	}
	return nil
}

// founding makes this machine the first of several.
type founding struct{ *cluster }

// init makes the directory on this machine, which is the writer then, and adds the accounts
// whose mailboxes are here. Meanwhile none are made: what doveauth made before it is started
// again is not in the directory. It can be run again. The rows of an earlier directory come first:
// before they are there, none of their addresses may be given.
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
	here, err := c.here().Mailboxes(ctx)
	if err != nil {
		return err
	}
	var added, loaded int64
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
		if c.dump != nil {
			if loaded, err = postgres.Load(ctx, address(accounts.Database), c.dump); err != nil {
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
	if c.dump != nil {
		fmt.Fprintf(c.env.Stdout, "%d rows of the former directory were added\n", loaded)
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
