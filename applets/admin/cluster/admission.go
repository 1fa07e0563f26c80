package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/admin/wait"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory"
	"chatmaild/store/directory/postgres"
)

// requireWriter fails unless this machine has the writer, naming the one that has: only its
// superuser can change the list of machines.
func (c *cluster) requireWriter(ctx context.Context) error {
	here := false
	for _, m := range config.Asked(c.conf) {
		state, err := c.ask(ctx, m)
		switch {
		case err != nil || !state.Writer:
		case m.Name == c.conf.Cluster.Name:
			here = true
		default:
			return command.WithHint(fmt.Errorf("machine %s (%v) is the writer of the directory, not %s", m.Name, m.Addr, c.conf.Cluster.Name),
				"run the command with that machine")
		}
	}
	if !here {
		return command.WithHint(errors.New("no machine is the writer of the directory"), "chatmaild cluster status")
	}
	return nil
}

// admission is what this machine does when another one joins.
type admission struct{ *cluster }

// offer prints what a new machine needs, all secrets too, for "chatmaild join" there.
func (c admission) offer(ctx context.Context) error {
	if command.IsTerminal(c.env.Stdout) {
		return command.Usagef("it prints the relay's keys: join on another machine runs it")
	}
	if err := c.requireWriter(ctx); err != nil {
		return err
	}
	text, err := c.machine.ReadFile(c.env.ConfigPath)
	if err != nil {
		return err
	}
	homes, err := postgres.Homes(ctx, accounts.Server(config.Self(c.conf)))
	if err != nil {
		return err
	}
	peers, err := postgres.Peers(ctx, accounts.Server(config.Self(c.conf)))
	if err != nil {
		return err
	}
	files, err := membership.Files(c.conf, c.machine)
	if err != nil {
		return err
	}
	known, err := postgres.MachinesOf(ctx, accounts.Server(config.Self(c.conf)))
	if err != nil {
		return err
	}
	stores := map[string]string{}
	for _, m := range known {
		stores[m.Name] = m.Store
	}
	return json.NewEncoder(c.env.Stdout).Encode(membership.Offer{
		Version: c.env.Version, PostgreSQL: c.server, Config: string(text), Files: files, Peers: peers, Accounts: homes, Stores: stores,
	})
}

// maxRequest bounds what admit and confirm read, in bytes.
const maxRequest = 1 << 10

// request reads the machine on standard input.
func (c admission) request(ctx context.Context) (m postgres.Peer, err error) {
	text, err := io.ReadAll(io.LimitReader(c.env.Stdin, maxRequest))
	if err != nil {
		return m, fmt.Errorf("reading the machine's name: %w", err)
	}
	if m, err = membership.ParsePeer(string(text)); err != nil {
		return m, err
	}
	return m, c.requireWriter(ctx)
}

// admit adds the machine on its standard input to the list: it may copy the directory, and
// confirms nothing until it has. One that is in the list already, under the same address, may
// be: its join is run again.
func (c admission) admit(ctx context.Context) error {
	m, err := c.request(ctx)
	if err != nil {
		return err
	}
	if _, disks := c.registered(ctx); disks[m.Name].Standing == directory.Lost {
		return fmt.Errorf("machine %s was lost, and others may have its accounts: want another name", m.Name)
	}
	members := config.Members(c.conf)
	if !slices.Contains(members, m.Member) {
		// What a join left that was given up, maybe on another machine of that name; and a lost
		// machine that this one has taken the place of.
		members = slices.DeleteFunc(members, func(other config.Member) bool {
			return other.Joining && other.Name == m.Name || other.Lost && other.Addr == m.Addr
		})
		if i := slices.IndexFunc(members, func(other config.Member) bool { return other.Joining }); i >= 0 {
			return command.WithHint(fmt.Errorf("machine %s joins, and machines join one after the other", members[i].Name),
				"to resume that, run join there again; to give it up, run on the machine of the writer: chatmaild cluster remove %s", members[i].Name)
		}
		m.Joining = true
		members = append(members, m.Member)
	}
	if err := config.CheckMembers(members); err != nil {
		return err
	}
	var peer *postgres.Peer
	if m.Key != "" {
		peer = &m
	}
	return c.here().Change(ctx, members, peer)
}

// confirm has the machine on standard input, which was admitted and copies the directory by
// now, confirm what the writer commits, like all others.
func (c admission) confirm(ctx context.Context) error {
	m, err := c.request(ctx)
	if err != nil {
		return err
	}
	members := config.Members(c.conf)
	i := slices.IndexFunc(members, func(other config.Member) bool { return other.Name == m.Name })
	if i < 0 {
		return command.WithHint(fmt.Errorf("machine %s is not in the list", m.Name), "run join there again")
	}
	if err := c.awaitFollower(ctx, m.Name); err != nil {
		return err
	}
	members[i].Joining = false
	return c.here().Change(ctx, members, nil)
}

// awaitFollower waits until a machine of that name copies this one.
func (c admission) awaitFollower(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	return membership.AsPostgres(func(address func(string) string) error {
		err := wait.Until(ctx, upAgain, func() (bool, error) {
			names, err := postgres.Followers(ctx, address("postgres"))
			if err == nil && !slices.Contains(names, name) {
				return false, fmt.Errorf("%d others do", len(names))
			}
			return err == nil, err
		})
		if err != nil {
			err = command.WithHint(fmt.Errorf("machine %s does not copy this one: %w", name, err), "run join there again")
		}
		return err
	})
}

// remove takes a machine off the list that is empty, or lost. The others follow. One that is off it
// already may not be forgotten yet: it can be run again after an interruption.
func (c admission) remove(ctx context.Context, name string) error {
	members := config.Members(c.conf)
	_, registered := c.registered(ctx)
	_, known := registered[name]
	left := slices.DeleteFunc(slices.Clone(members), func(m config.Member) bool { return m.Name == name })
	switch {
	case len(left) == len(members) && !known:
		return command.Usagef("%q is not a machine of this relay: want one that [cluster] of %s names", name, config.DefaultPath)
	case name == c.conf.Cluster.Name:
		return errors.New("this is the machine itself, which has the writer: promote another one, and run the command there")
	}
	if err := c.requireWriter(ctx); err != nil {
		return err
	}
	if m, err := fleet(c).named(name); err == nil && m.Confirms() && len(config.Confirming(c.conf)) == 2 && answers(ctx, m) == 0 {
		return command.WithHint(fmt.Errorf("machine %s does not answer, and of two machines this one commits nothing without it", name),
			"if it is gone for good, run: chatmaild cluster lost %s", name)
	}
	homes, disks := c.registered(ctx)
	if n := homes[name]; n > 0 && disks[name].Standing != directory.Lost {
		return command.WithHint(fmt.Errorf("%d accounts are at home on machine %s", n, name),
			"chatmaild cluster drain %s moves them; if the machine is gone for good: chatmaild cluster lost %[1]s", name)
	}
	if err := c.here().Change(ctx, left, nil); err != nil {
		return err
	}
	if disks[name].Standing != directory.Lost {
		retire := func(rows *accounts.Directory) error { return rows.Rows.Retire(ctx, name) }
		if err := fleet(c).asVmail(retire); err != nil && !errors.Is(err, directory.ErrChanged) {
			return err
		}
	}
	_, err := fmt.Fprintf(c.env.Stdout, "machine %s is off the list; the others follow within seconds\n", name)
	return err
}
