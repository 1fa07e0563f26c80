// Package join makes a fresh machine one of several of a relay: chatmaild-cluster(7).
//
// It asks a machine of the relay, over the operator's own ssh(1), for the configuration and
// all keys, writes them here, has that machine add this one to the list, and makes this
// machine what the configuration says, with a copy of the directory. Every step can be done
// again: to resume an interrupted join, run the same command again.
//
// The relay's machines notice nothing of it: this one may copy the directory as soon as they
// know it, gets no accounts before it serves any, and confirms what the writer commits only once
// it has all of it.
//
// A machine that was restored, after all were lost, joins by its former name. The rows of
// the mailboxes that came with it are added, if there are none.
package join

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/admin/ssh"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/maildir"
)

// Command is chatmaild join.
var Command = command.Command{
	Name: "join", Kind: command.Admin, Args: "root@HOST",
	Synopsis: "makes this machine one of several of a relay",
	Description: `HOST is the machine of the relay that has the writer of the directory, as ssh(1) expects
it. This machine needs the same packages, PostgreSQL too, and an address in the network of
the machines. Configuration and keys are copied; no mail is. The other machines follow
within seconds. To resume, run the same command again. See chatmaild-cluster(7).`,
	Examples: command.Examples{
		{"join root@10.7.0.1", "called as its host name, by its address beside 10.7.0.1"},
		{"join --name d --address 10.7.0.4 root@10.7.0.1", "as told"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		name := fs.String("name", "", "call this machine `NAME`; by default its host name")
		address := fs.String("address", "", "its `ADDRESS` in the network of the machines; by default that of the interface there")
		endpoint := fs.String("endpoint", "", "where the machines make their network by WireGuard: they reach this one at `ADDRESS`; by default its public one")
		return func(ctx context.Context, env *command.Env, args []string) error {
			if len(args) != 1 || strings.HasPrefix(args[0], "-") {
				return command.Usagef("missing root@HOST, a machine of the relay, as ssh(1) expects it")
			}
			j := join{env: env, there: args[0], name: *name, address: *address, endpoint: *endpoint}
			return j.run(ctx)
		}
	},
}

// join is this machine on its way into a relay.
type join struct {
	env     *command.Env
	machine host.Host
	there   string // as ssh takes it
	// As the operator wants them; "" for what is found out.
	name, address, endpoint string

	ssh   *ssh.Connection
	offer membership.Offer
	self  postgres.Peer
	// restored says that this machine has a configuration of the relay, by a backup, or by a join
	// that was interrupted.
	restored bool
	// confirms says that the others wait for this machine: its join was interrupted at its end.
	confirms bool
	conf     *config.Config // with this machine
}

func (j *join) run(ctx context.Context) (err error) {
	if err := errors.Join(j.machine.RequireRoot(), j.machine.RequireDebian(), j.machine.RequirePackages()); err != nil {
		return err
	}
	if !j.machine.IsFile(host.PostgreSQL(j.machine).Dir() + "/postgresql.conf") {
		return command.WithHint(errors.New("PostgreSQL is not installed"), "apt install postgresql")
	}
	if j.ssh, err = ssh.Connect(ctx, j.there, j.env.Stderr); err != nil {
		return command.WithHint(err, "try: ssh %s true", j.there)
	}
	defer j.ssh.Close()
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"ask " + j.there, j.ask},
		{"write the configuration and the keys", j.write},
		{"look for mailboxes that are here", j.mailboxes},
		{"have the relay's machines know this one", j.admit},
		{"make this machine what the configuration says", func(ctx context.Context) error { return j.here().Run(ctx, "run", "--skip-dns-check") }},
		{"copy the directory", j.copy},
		{"have this machine be one of those that confirm new accounts", j.confirm},
	} {
		fmt.Fprintf(j.env.Stderr, "%s\n", step.what)
		if err := step.do(ctx); err != nil {
			if ctx.Err() != nil {
				err = errors.New("interrupted")
			}
			return hinted(fmt.Errorf("%s: %w", step.what, err))
		}
	}
	return j.farewell()
}

// hinted adds how to go on, where the error does not say what to do.
func hinted(err error) error {
	if _, ok := errors.AsType[*command.HintError](err); ok {
		return err
	}
	return command.WithHint(err, "fix the cause, and run the same command again")
}

// here is this machine by its new configuration.
func (j *join) here() *membership.Here {
	return &membership.Here{Env: j.env, Conf: j.conf, Machine: j.machine}
}

// ask gets the other side's offer, and finds out who this machine is to be.
func (j *join) ask(ctx context.Context) error {
	var out bytes.Buffer
	if err := j.ssh.Run(ctx, strings.NewReader(""), &out, "chatmaild", "cluster", "offer"); err != nil {
		return err
	}
	if err := json.Unmarshal(out.Bytes(), &j.offer); err != nil {
		return fmt.Errorf("reading its answer: %w", err)
	}
	conf, err := config.Parse("the configuration of the other side", j.offer.Config)
	if err != nil {
		return err
	}
	former, err := j.former(conf)
	if err != nil {
		return err
	}
	j.restored = former != nil
	members := config.Members(conf)
	if err := j.who(members, former); err != nil {
		return err
	}
	if err := j.check(conf, former); err != nil {
		return err
	}
	if j.confirms = slices.Contains(members, j.self.Member); !j.confirms {
		members = slices.DeleteFunc(members, func(m config.Member) bool {
			return m.Joining && m.Name == j.self.Name || m.Lost && m.Addr == j.self.Addr
		})
		self := j.self.Member
		self.Joining = true
		members = append(members, self)
	}
	if err := config.CheckMembers(members); err != nil {
		return err
	}
	text, err := config.WithMembers(j.offer.Config, j.self.Name, members)
	if err != nil {
		return err
	}
	j.offer.Config = text
	j.conf, err = config.Parse("the configuration with this machine", text)
	return err
}

// who finds out who this machine is to be.
func (j *join) who(members []config.Member, former *config.Config) (err error) {
	if former != nil {
		j.name = cmp.Or(j.name, former.Cluster.Name)
		self := config.Self(former)
		// One that was restored may have another address.
		if here, err := membership.Has(self.Addr); err == nil && here && j.name == self.Name {
			j.address = cmp.Or(j.address, self.Addr.String())
		}
	}
	if len(j.offer.Peers) == 0 {
		j.self.Member, err = membership.Self(j.name, j.address, members)
		return err
	}
	if j.self, err = membership.NewPeer(j.machine, j.name, j.endpoint, members); err != nil || j.address == "" {
		return err
	}
	j.self.Member, err = membership.Self(j.self.Name, j.address, members)
	return err
}

// former is the configuration of a join that was interrupted; nil if there is none. What is
// here of another relay, or of this one before it was several machines, stays.
func (j *join) former(there *config.Config) (*config.Config, error) {
	text, err := j.machine.ReadFile(j.env.ConfigPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	here, err := config.Parse(j.env.ConfigPath, string(text))
	if err == nil && (here.MailDomain != there.MailDomain || !config.Clustered(here)) {
		err = fmt.Errorf("this machine has the configuration of a relay, %s", here.MailDomain)
	}
	if err != nil {
		return nil, command.WithHint(err, "a machine that joins has none: move %s away, and the mailboxes too", j.env.ConfigPath)
	}
	return here, nil
}

// check refuses what could not work, or would serve empty mailboxes in the place of others.
func (j *join) check(there, former *config.Config) error {
	if j.offer.Version != j.env.Version {
		return fmt.Errorf("%s has chatmaild %s, and this is %s: install the same package on both", j.there, j.offer.Version, j.env.Version)
	}
	if here := host.PostgreSQL(j.machine); j.offer.PostgreSQL != here {
		return fmt.Errorf("%s has the directory in PostgreSQL %s, and this machine has %s, which cannot copy it", j.there, j.offer.PostgreSQL, here)
	}
	if j.self.Member == config.Self(there) {
		return command.Usagef("%s is machine %s: run join on another one", j.there, j.self.Name)
	}
	if n := j.offer.Accounts[j.self.Name]; n > 0 && former == nil {
		return command.WithHint(fmt.Errorf("%d accounts are at home on machine %s, and their mail is not here", n, j.self.Name),
			"if that machine is lost, say so by \"chatmaild cluster lost %s\" on another one, and join by another name: --name NAME", j.self.Name)
	}
	store, err := maildir.New(there.MailboxesDir, there.AddressDomain()).ID(false)
	if err != nil {
		return err
	}
	if had := j.offer.Stores[j.self.Name]; had != "" && had != store {
		return command.WithHint(fmt.Errorf("machine %s had other mailboxes than those that are here", j.self.Name),
			"say that they are lost by \"chatmaild cluster lost %s\" on another one, and join by another name: --name NAME", j.self.Name)
	}
	return membership.Accept(there, j.offer.Files)
}

// write writes what was offered. The configuration is last: with it, what is here counts as
// a machine of the relay.
func (j *join) write(context.Context) error {
	for _, f := range append(j.offer.Files, membership.ConfigFile(j.env.ConfigPath, []byte(j.offer.Config))) {
		if err := j.machine.Write(f); err != nil {
			return err
		}
	}
	return nil
}

// mailboxes has the directory know the mailboxes that a restore has brought here, as far as it has
// no rows of them. Without a row, another user might be given the address; so it comes first.
func (j *join) mailboxes(ctx context.Context) error {
	if !j.restored {
		return nil
	}
	all, err := j.here().Mailboxes(ctx)
	if err != nil {
		return err
	}
	var dump bytes.Buffer
	if err := postgres.DumpAccounts(&dump, all); err != nil {
		return err
	}
	return j.ssh.Run(ctx, &dump, nil, "chatmaild", "cluster", "load")
}

// admit has the other side add this machine to the list, and to the network that the
// machines make.
func (j *join) admit(ctx context.Context) error {
	if j.self.Key != "" {
		if err := j.here().Mesh(ctx, j.self, j.offer.Peers); err != nil {
			return err
		}
	}
	return j.ssh.Run(ctx, strings.NewReader(membership.PeerText(j.self)+"\n"), nil, "chatmaild", "cluster", "admit")
}

// copy makes this machine's copy of the directory. One that others wait for is not made again.
func (j *join) copy(ctx context.Context) error {
	if j.confirms {
		state, err := postgres.Examine(ctx, accounts.Server(config.Self(j.conf)))
		if err == nil && !state.Writer {
			return nil
		}
	}
	return j.here().Run(ctx, "cluster", "rejoin")
}

// confirm has the other side count on this machine.
func (j *join) confirm(ctx context.Context) error {
	return j.ssh.Run(ctx, strings.NewReader(membership.PeerText(j.self)+"\n"), nil, "chatmaild", "cluster", "confirm")
}

// farewell says what remains for the operator.
func (j *join) farewell() error {
	addrs, err := host.Addresses()
	if err != nil {
		return err
	}
	fmt.Fprintf(j.env.Stdout, "machine %s is one of the %d of %s\n", j.self.Name, len(config.Members(j.conf)), j.conf.MailDomain)
	for _, addr := range addrs {
		if !addr.IsGlobalUnicast() || addr == j.self.Addr || addr.IsPrivate() {
			continue
		}
		kind := "A"
		if addr.Is6() {
			kind = "AAAA"
		}
		fmt.Fprintf(j.env.Stdout, "add to the DNS, so that clients and other relays use it: %s %s %s\n", config.Host(j.conf), kind, addr)
	}
	return nil
}
