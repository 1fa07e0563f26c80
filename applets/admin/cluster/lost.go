package cluster

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/directory/postgres"
)

// lose gives machines up. It refuses while any port of one answers. Where those that are left are
// a majority, the writer says so; where they are not, they go on without one.
func (c fleet) lose(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := c.mayLose(ctx, name); err != nil {
			return err
		}
	}
	var err error
	if left, gone := c.parted(ctx, names); c.isMajority(left) {
		if len(gone) > 0 && (c.incomplete || c.dump != nil) { // else it is run again
			return command.Usagef("of the machines a majority is left, which has all accounts: want neither --incomplete nor --load")
		}
		err = c.asVmail(func(rows *accounts.Directory) error {
			for _, name := range names {
				if err := c.stand(ctx, rows, name, directory.Lost); err != nil {
					return err
				}
			}
			return nil
		})
	} else {
		err = c.remain(ctx, left, gone, names)
	}
	if err != nil {
		return err
	}
	c.gaveUp(ctx, names)
	return nil
}

// mayLose fails unless a machine can be given up.
func (c fleet) mayLose(ctx context.Context, name string) error {
	if name == c.conf.Cluster.Name {
		return errors.New("this is that machine")
	}
	m, err := c.named(name)
	if err != nil {
		// One that is not in the list was there before all were lost.
		if homes, _ := c.registered(ctx); homes[name] > 0 {
			return nil
		}
		return err
	}
	if port := answers(ctx, m); port != 0 {
		return command.WithHint(fmt.Errorf("machine %s answers on port %d", name, port), "to empty it: chatmaild cluster drain %s", name)
	}
	return nil
}

// gaveUp says what becomes of machines that are given up.
func (c fleet) gaveUp(ctx context.Context, names []string) {
	homes, _ := c.registered(ctx)
	for _, name := range names {
		fmt.Fprintf(c.env.Stdout, `machine %[1]s is given up
its %[2]d accounts get other homes as their users and their mail come: same address, same password, no mail
remove its addresses from the A and AAAA records of %[3]s
if it comes back, it serves no mailbox: it can only join under another name
`, name, homes[name], c.conf.MailDomain)
		if _, err := c.named(name); err == nil {
			fmt.Fprintf(c.env.Stdout, "once it cannot come back, take it off the list, on the machine of the writer: chatmaild cluster remove %s\n", name)
		}
	}
}

// parted returns the machines that confirm changes: those that are left when some are given up,
// and those that are gone, with the ones that were given up before.
func (c fleet) parted(ctx context.Context, names []string) (left, gone []config.Member) {
	_, known := c.registered(ctx)
	for _, m := range config.Confirming(c.conf) {
		if slices.Contains(names, m.Name) || known[m.Name].Standing == directory.Lost {
			gone = append(gone, m)
		} else {
			left = append(left, m)
		}
	}
	return left, gone
}

// isMajority reports whether these are more than half of the machines that confirm changes.
func (c fleet) isMajority(machines []config.Member) bool {
	return len(machines) >= majority(len(config.Confirming(c.conf)))
}

// remain has those machines that are left be all that confirm changes, of which this one is the
// writer, without a word of those that are gone: they were so many that no writer can say it.
//
// What was answered is on the writer and half of the others. So where fewer are gone than that,
// it is on one of those that are left; else it may not be, and the operator has to know. One that was
// given up before may have been back, and have confirmed.
//
// What is known beside the copy comes before the others confirm nothing any more: from then on,
// accounts can be created.
func (c fleet) remain(ctx context.Context, left, gone []config.Member, names []string) error {
	here, err := c.furthest(ctx, left, names)
	if err != nil {
		return err
	}
	most := c.isMajority(gone)
	if most && !here.Writer && !c.incomplete {
		return c.lacking(ctx, names)
	}
	var own iter.Seq2[mailaddr.Address, auth.Account]
	if most {
		if own, err = c.here().Mailboxes(ctx); err != nil {
			return err
		}
	}
	err = membership.AsPostgres(func(address func(string) string) error {
		if !here.Writer {
			c.say("make this machine the writer of the directory")
			if err := postgres.Promote(ctx, address("postgres")); err != nil {
				return err
			}
		}
		owner := address(accounts.Database)
		if err := c.complete(ctx, postgres.Unconfirmed(owner), own); err != nil {
			return err
		}
		abandoned := slices.Clone(names)
		for _, m := range gone {
			abandoned = append(abandoned, m.Name)
		}
		slices.Sort(abandoned)
		return postgres.Abandon(ctx, owner, slices.Compact(abandoned)...)
	})
	if err != nil {
		return err
	}
	if err := c.here().Follow(ctx); err != nil {
		return err
	}
	c.conf, err = c.env.Config()
	return err
}

// furthest returns how this machine's server is, if it is the one of those that are left that may
// become the writer: all answer, and none is it already, or has more of the log.
func (c fleet) furthest(ctx context.Context, left []config.Member, names []string) (here postgres.State, err error) {
	states := map[string]postgres.State{}
	for _, m := range left {
		state, err := c.ask(ctx, m)
		switch {
		case err != nil && m.Name == c.conf.Cluster.Name:
			return here, command.WithHint(fmt.Errorf("this machine's copy of the directory does not answer: %w", err), "%s", desired.Look(c.server.Unit()))
		case err != nil:
			return here, command.WithHint(fmt.Errorf("PostgreSQL of machine %s does not answer, which may have accounts that the others lack: %w", m.Name, err),
				"if that machine is gone for good, too: chatmaild cluster lost %s %s", strings.Join(names, " "), m.Name)
		}
		states[m.Name] = state
	}
	here = states[c.conf.Cluster.Name]
	for name, state := range states {
		switch more := int64(state.Position) - int64(here.Position); {
		case name == c.conf.Cluster.Name:
		case state.Writer:
			return here, command.WithHint(fmt.Errorf("machine %s is the writer", name), "run the command there")
		case more > 0 && !here.Writer:
			return here, command.WithHint(fmt.Errorf("machine %s has %d bytes of the directory's log that this one lacks", name, more), "run the command there")
		}
	}
	return here, nil
}

// lacking says what may have been on those that are gone alone.
func (c fleet) lacking(ctx context.Context, names []string) error {
	ends := "a time that PostgreSQL does not know any more"
	_ = membership.AsPostgres(func(address func(string) string) error {
		last, err := postgres.LastChange(ctx, address("postgres"))
		if err == nil && !last.IsZero() {
			ends = last.Format(time.DateTime)
		}
		return err
	})
	again := "chatmaild cluster lost " + strings.Join(names, " ") + " --incomplete"
	return command.WithHint(fmt.Errorf("this machine's copy of the directory ends at %s: an account that is newer may have been on those machines alone, and its address would be given to the next who asks for it; passwords and blocks that are newer are gone, too", ends),
		"if that is accepted: %s; if there is a newer dump of the directory: %[1]s --load FILE", again)
}

// complete adds what is known beside this machine's copy: what a dump has, and own accounts, whose
// mailboxes are here; nil: the copy has these.
func (c fleet) complete(ctx context.Context, owner string, own iter.Seq2[mailaddr.Address, auth.Account]) error {
	if c.dump != nil {
		n, err := postgres.Load(ctx, owner, c.dump)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.env.Stdout, "%d rows of the dump were added\n", n)
	}
	if own == nil {
		return nil
	}
	n, err := postgres.Import(ctx, owner, own)
	if n > 0 {
		fmt.Fprintf(c.env.Stdout, "%d accounts were added, whose mailboxes are here\n", n)
	}
	return err
}
