package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"chatmaild/applets/admin/membership"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
)

// promote makes this machine's copy the writer. It refuses unless a majority of the machines
// answers, none of which is the writer or has more of the log: whatever was answered is on
// one of them. The former writer cannot commit any more, since the others follow this one.
func (c *cluster) promote(ctx context.Context) error {
	s := c.state(ctx)
	answering := 0
	var here machineState
	for _, m := range s.Machines {
		switch {
		case m.Role == writer && m.Here:
			return errors.New("this machine is the writer already")
		case m.Role == writer:
			return fmt.Errorf("machine %s is the writer, and answers", m.Name)
		case m.Role == copies && m.confirms:
			answering++
		}
		if m.Here {
			here = m
		}
	}
	if here.Role != copies {
		return command.WithHint(errors.New("this machine's copy of the directory does not answer"), "promote another machine")
	}
	all := len(config.Confirming(c.conf))
	if need := majority(all); answering < need {
		return command.WithHint(fmt.Errorf("%d of %d machines answer: want %d, for one of the others may have accounts that this one lacks, or follow another writer",
			answering, all, need), "%s", forGood(s.Machines))
	}
	for _, m := range s.Machines {
		if m.Role == copies && m.position > here.position {
			return command.WithHint(fmt.Errorf("machine %s has %d bytes of the directory's log that this one lacks", m.Name, m.position-here.position),
				"run there: chatmaild cluster promote")
		}
	}
	if err := membership.AsPostgres(func(address func(string) string) error { return postgres.Promote(ctx, address("postgres")) }); err != nil {
		return err
	}
	c.say("wait until %d others copy this machine", all/2)
	if err := c.awaitFollowers(ctx, all/2); err != nil {
		return err
	}
	fmt.Fprintf(c.env.Stdout, "machine %s is the writer of the directory\n", here.Name)
	return nil
}

// awaitFollowers waits until so many copy this machine: then accounts can be made.
func (c *cluster) awaitFollowers(ctx context.Context, want int) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	return membership.AsPostgres(func(address func(string) string) error {
		for {
			names, err := postgres.Followers(ctx, address("postgres"))
			if err == nil && len(names) >= want {
				return nil
			}
			select {
			case <-time.After(upAgain):
			case <-ctx.Done():
				return command.WithHint(fmt.Errorf("this machine is the writer, but %d others copy it: want %d; new accounts wait", len(names), want),
					"chatmaild cluster status")
			}
		}
	})
}

// copying reports whether the data of this machine's server are a copy's.
func (c *cluster) copying() bool {
	return c.machine.IsFile(filepath.Join(c.server.Data(), standbySignal))
}

// check fails if this machine's data are a writer's, and another machine is the writer. It
// would find nobody to commit with, but others might turn to it.
func (c *cluster) check(ctx context.Context) error {
	if c.copying() {
		return nil
	}
	for _, m := range config.Asked(c.conf) {
		if m.Name == c.conf.Cluster.Name {
			continue
		}
		if state, err := c.ask(ctx, m); err == nil && state.Writer {
			return command.WithHint(fmt.Errorf("machine %s has become the writer of the directory", m.Name), "chatmaild cluster rejoin")
		}
	}
	return nil
}
