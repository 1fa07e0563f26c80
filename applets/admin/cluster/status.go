package cluster

import (
	"context"
	"fmt"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/safefs"
)

// Roles of a machine in the directory.
const (
	writer = "writer"
	copies = "copy"
	silent = "silent" // it does not answer
)

// machineState is what status tells of a machine.
type machineState struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Role     string `json:"role"`
	Lag      int64  `json:"lag"` // bytes of the log that a copy lacks; -1: not known
	Accounts int    `json:"accounts"`
	Here     bool   `json:"here"`

	position uint64
}

// clusterState is what status tells.
type clusterState struct {
	Machines []machineState `json:"machines"`
	Advice   []string       `json:"advice"` // what to do, each a sentence
}

// state asks all machines.
func (c *cluster) state(ctx context.Context) clusterState {
	s := clusterState{Advice: []string{}}
	var homes map[string]int
	if err := safefs.As(c.conf.MailboxesDir, func() (err error) {
		homes, err = postgres.Homes(ctx, accounts.Copy(accounts.Role))
		return err
	}); err != nil {
		homes = nil // what is wrong is said below
	}
	var head uint64
	writers := 0
	for _, m := range config.Members(c.conf) {
		state := machineState{
			Name: m.Name, Address: m.Addr.String(), Role: silent, Lag: -1, Accounts: homes[m.Name], Here: m.Name == c.conf.Cluster.Name,
		}
		if found, err := c.ask(ctx, m); err == nil {
			state.Role, state.position = copies, found.Position
			if found.Writer {
				state.Role, writers, head = writer, writers+1, max(head, found.Position)
			}
		}
		s.Machines = append(s.Machines, state)
	}
	answering := 0
	for i := range s.Machines {
		m := &s.Machines[i]
		if m.Role == silent {
			s.Advice = append(s.Advice, c.silence(m, writers))
			continue
		}
		answering++
		if writers == 1 {
			m.Lag = int64(head) - int64(min(head, m.position))
		}
	}
	switch {
	case writers == 0 && answering >= majority(len(s.Machines)):
		s.Advice = append(s.Advice, "no machine is the writer: new accounts wait; on a machine that answers, run: chatmaild cluster promote")
	case writers == 0:
		s.Advice = append(s.Advice, "no machine is the writer, and too few answer to make another one: new accounts wait until more are back")
	case writers > 1:
		s.Advice = append(s.Advice, "two machines take themselves for the writer; only one has others that copy it. On the other one, run: chatmaild cluster rejoin (it refuses on the right one)")
	}
	return s
}

// silence says what to do about a machine whose server does not answer.
func (c *cluster) silence(m *machineState, writers int) string {
	switch {
	case m.Here && writers > 0 && !c.copying():
		return "this machine was the writer before another one was promoted; run here: chatmaild cluster rejoin"
	case m.Here:
		return "PostgreSQL does not answer here: " + desired.Look(c.server.Unit())
	}
	return fmt.Sprintf("PostgreSQL of machine %s does not answer; if the machine is up, run there: chatmaild cluster status", m.Name)
}

// majority is how many of n machines are more than half.
func majority(n int) int { return n/2 + 1 }

func (c *cluster) status(ctx context.Context) error {
	s := c.state(ctx)
	if c.json {
		return command.PrintJSON(c.env.Stdout, s)
	}
	table := command.NewTable(c.env.Stdout)
	fmt.Fprintln(table, "MACHINE\tADDRESS\tDIRECTORY\tLAG\tACCOUNTS")
	for _, m := range s.Machines {
		lag := "-"
		if m.Lag >= 0 {
			lag = fmt.Sprintf("%d bytes", m.Lag)
		}
		here := ""
		if m.Here {
			here = " (here)"
		}
		fmt.Fprintf(table, "%s%s\t%s\t%s\t%s\t%d\n", m.Name, here, m.Address, m.Role, lag, m.Accounts)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, advice := range s.Advice {
		fmt.Fprintln(c.env.Stdout, advice)
	}
	return nil
}
