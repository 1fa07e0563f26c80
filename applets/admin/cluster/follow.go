package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/postfix/queue"
	"chatmaild/store/directory"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/safefs"
)

// follower has this machine do what all machines of the relay share.
type follower struct{ *cluster }

// run has this machine do what all machines share: the list of them, and what an operator
// has set for all. chatmail-cluster.timer runs it every few seconds.
func (f follower) run(ctx context.Context) error {
	heeded := f.heed(ctx)
	if err := errors.Join(f.passwords(), f.upToDate(ctx)); err != nil {
		return errors.Join(heeded, err)
	}
	if err := f.follow(ctx); !postgres.IsOlder(err) {
		return errors.Join(heeded, err)
	}
	return heeded // the writer's machine will bring the directory up to date, once it has this version
}

// upToDate brings the directory of an earlier version up to date, if this machine has the
// writer. Machines of that version work on with it.
func (f follower) upToDate(ctx context.Context) error {
	password, err := f.password()
	if err != nil {
		return err
	}
	return membership.AsPostgres(func(address func(string) string) error {
		older, err := postgres.Older(ctx, address(accounts.Database))
		if err != nil || !older {
			return nil // if it does not answer, another one may be the writer, and this one follows
		}
		f.say("bring the directory up to date")
		found := postgres.Found{Owner: address, Database: accounts.Database, Roles: roles(password)}
		return found.Create(ctx)
	})
}

// passwords are written that an earlier version had not.
func (f follower) passwords() error {
	if f.machine.IsFile(config.InvitesPassword) {
		return nil
	}
	password, err := f.password()
	if err != nil {
		return err
	}
	return f.writePassword(password)
}

func (f follower) follow(ctx context.Context) error {
	settings, err := membership.Settings(ctx, f.conf)
	if err != nil {
		return err
	}
	peers, err := postgres.Peers(ctx, membership.Nearest(f.conf))
	if err != nil {
		return err
	}
	return errors.Join(f.here().FollowMesh(ctx, peers), f.door(settings), f.mail(ctx, settings), f.echobot(ctx), f.disk(ctx), f.version(ctx), f.here().Follow(ctx))
}

// tells is by what part of a disk's size its free space must have changed to be worth a row.
const tells = 100

// disk tells the others how full the mailboxes' disk is. That it cannot, without a writer, is no
// fault: it is tried again.
func (f follower) disk(ctx context.Context) error {
	usage, err := f.machine.Disk(f.conf.MailboxesDir)
	if err != nil {
		return err
	}
	all, err := postgres.MachineDisks(ctx, membership.Nearest(f.conf))
	if err != nil {
		return err
	}
	for _, m := range all {
		if change := m.DiskFree - usage.Free; m.Name == f.conf.Cluster.Name && (m.DiskSize != usage.Size || max(change, -change) > usage.Size/tells) {
			_ = postgres.SetDisk(ctx, accounts.Writer(f.conf), m.Name, usage.Free, usage.Size)
		}
	}
	return nil
}

// version tells the others which one this machine has, likewise.
func (f follower) version(ctx context.Context) error {
	all, err := postgres.Versions(ctx, membership.Nearest(f.conf))
	if err != nil {
		return err
	}
	if told, registered := all[f.conf.Cluster.Name]; registered && told != f.env.Version {
		_ = postgres.SetVersion(ctx, accounts.Writer(f.conf), f.conf.Cluster.Name, f.env.Version)
	}
	return nil
}

// door has new accounts stopped, or not, as on all machines. A file that an operator has
// put there for this machine stays.
func (f follower) door(settings map[string]string) error {
	door := desired.File{Path: f.conf.NocreateFile, Content: []byte(membership.Shut), Mode: 0o644, Owner: "root", Group: "root"}
	text, err := f.machine.ReadFile(door.Path)
	there := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for the nocreate file: %w", err)
	}
	door.Absent = settings[membership.NoCreate] == ""
	if there != door.Absent || door.Absent && string(text) != membership.Shut {
		return nil
	}
	return f.machine.Write(door)
}

// errNotHere says that the echo bot runs on another machine.
var errNotHere = errors.New("the echo bot's account is at home on another machine")

// botHere fails unless the echo bot's account is at home here: the bot is one for all machines, and
// systemd asks that before it starts this one's. An account that is missing is made: nobody
// else can have it, since the name is reserved.
func (f follower) botHere(ctx context.Context) error {
	rows, err := accounts.Open(f.conf, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	addr, err := mailaddr.Parse(config.EchoBot(f.conf).Address(), f.conf.AddressDomain())
	if err != nil {
		return err
	}
	id, err := keyfiles.EchoBot(f.conf, f.machine)
	if err != nil || id == nil {
		return err
	}
	return safefs.As(f.conf.MailboxesDir, func() error {
		a, err := rows.Account(ctx, addr)
		if errors.Is(err, auth.ErrNoMailbox) {
			a = auth.Account{EncryptedOnly: true, Home: f.conf.Cluster.Name}
			if a.Stored, err = auth.Hash(id.Password, f.conf.BcryptCost); err == nil {
				err = rows.Create(ctx, addr, a)
			}
		}
		if err == nil && directory.WhoseIs(a, f.conf.Cluster.Name) != directory.Ours {
			err = errNotHere
		}
		return err
	})
}

// echobot has the echo bot run where its account is at home, and nowhere else.
func (f follower) echobot(ctx context.Context) error {
	if !f.conf.Echobot {
		return nil
	}
	err := f.botHere(ctx)
	if err != nil && !errors.Is(err, errNotHere) {
		return err
	}
	units, unitsErr := f.machine.Systemd().Units(ctx, desired.Echobot)
	if unitsErr != nil {
		return unitsErr
	}
	switch runs := units[0].Active == "active" || units[0].Active == "activating"; {
	case err == nil && !runs:
		return f.machine.Systemd().Systemctl(ctx, "start", desired.Echobot)
	case err != nil && runs:
		return f.machine.Systemd().Systemctl(ctx, "stop", desired.Echobot)
	}
	return nil
}

// mail has destinations held or discarded as on all machines.
func (f follower) mail(ctx context.Context, settings map[string]string) error {
	rules, err := host.MailRules(f.machine)
	if err != nil {
		return err
	}
	wanted := map[string]queue.Rule{}
	for destination, rule := range rules.All() {
		if rule.Word() != "" {
			wanted[destination] = queue.Deliver
		}
	}
	for name, value := range settings {
		if destination, ok := strings.CutPrefix(name, membership.Mail); ok {
			wanted[destination] = queue.Rule(value)
		}
	}
	var errs []error
	changed, retry := false, false
	for destination, rule := range wanted {
		if rules.All()[destination] == rule {
			continue
		}
		next, err := rules.Set(destination, rule)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rules, changed, retry = next, true, retry || rule != queue.Hold
	}
	if changed {
		errs = append(errs, host.SetMailRules(ctx, f.machine, rules))
	}
	if retry {
		errs = append(errs, f.machine.Postfix().Flush(ctx))
	}
	return errors.Join(errs...)
}
