package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/safefs"
)

// Roles of a machine in the directory.
const (
	writer = "writer"
	copies = "copy"
	silent = "silent" // it does not answer
	// joining: it has no copy yet, and is not expected to answer. lost: it is not asked any more.
	joining = "joining"
	lost    = "lost"
)

// machineState is what status tells of a machine.
type machineState struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Role     string `json:"role"`
	Lag      int64  `json:"lag"` // bytes of the log that a copy lacks; -1: not known
	Accounts int    `json:"accounts"`
	// Of the disk of the mailboxes, in bytes; 0: not known.
	DiskFree int64              `json:"disk_free"`
	DiskSize int64              `json:"disk_size"`
	Standing directory.Standing `json:"standing"`
	Version  string             `json:"version"` // of chatmaild; "": not known
	Ahead    float64            `json:"ahead"`   // by how many seconds its clock is ahead of this machine's
	Here     bool               `json:"here"`

	position uint64
	ahead    time.Duration
	confirms bool // it is one of those of which a majority confirms what the writer commits
}

// clusterState is what status tells.
type clusterState struct {
	Machines []machineState `json:"machines"`
	Advice   []string       `json:"advice"` // what to do, each a sentence
}

// state asks all machines.
func (c *cluster) state(ctx context.Context) clusterState {
	s := clusterState{Advice: []string{}}
	if givenUp(c.conf) {
		s.Advice = append(s.Advice, "this machine was given up, and serves no mailbox: it can only join under another name; if it is to pass on those who connect to it, run here: chatmaild cluster rejoin")
	}
	homes, disks := c.registered(ctx)
	have := versions(ctx, c.conf)
	var head uint64
	writers, followers, confirming := 0, 0, 0
	for _, m := range config.Members(c.conf) {
		state := machineState{
			Name: m.Name, Address: m.Addr.String(), Role: silent, Lag: -1, Accounts: homes[m.Name], Here: m.Name == c.conf.Cluster.Name,
			DiskFree: disks[m.Name].DiskFree, DiskSize: disks[m.Name].DiskSize, Standing: cmp.Or(disks[m.Name].Standing, directory.Open),
			Version: have[m.Name], confirms: m.Confirms(),
		}
		if m.Joining {
			state.Role = joining
			s.Advice = append(s.Advice, fmt.Sprintf("machine %s joins, or its join was interrupted: to resume it, run the same command there again; to give it up, on the machine of the writer, run: chatmaild cluster remove %[1]s", m.Name))
		}
		if m.Lost {
			state.Role = lost
		} else if found, err := c.ask(ctx, m); err == nil {
			state.Role, state.position, state.ahead = copies, found.Position, found.Ahead
			state.Ahead = found.Ahead.Round(time.Millisecond).Seconds()
			if found.Writer {
				state.Role, writers, head, followers = writer, writers+1, max(head, found.Position), found.Followers
			}
			s.Advice = append(s.Advice, forgotten(m.Name, found.Slots)...)
		}
		if state.confirms && state.Role != silent {
			confirming++
		}
		s.Machines = append(s.Machines, state)
	}
	answering, lags := 0, false
	enough := confirming >= majority(len(config.Confirming(c.conf)))
	for i := range s.Machines {
		m := &s.Machines[i]
		if m.Standing == directory.Lost || m.Standing == directory.Draining && m.Accounts == 0 {
			when := "once DNS has forgotten it"
			if m.Standing == directory.Lost { // until then it hears that it is lost, if it is back
				when += " and it cannot come back"
			}
			s.Advice = append(s.Advice, fmt.Sprintf("machine %s can be taken off the list, %s: on the machine of the writer, run: chatmaild cluster remove %[1]s", m.Name, when))
		}
		if m.Standing == directory.Draining && m.Accounts > 0 {
			s.Advice = append(s.Advice, fmt.Sprintf("machine %s is drained, and has %d accounts yet; if that does not go on, run: chatmaild cluster drain %[1]s; to go back: chatmaild cluster open %[1]s", m.Name, m.Accounts))
		}
		if m.Role == joining || m.Role == lost {
			continue
		}
		if m.Role == silent {
			if m.Standing != directory.Lost {
				s.Advice = append(s.Advice, c.silence(m, writers, enough))
			}
			continue
		}
		answering++
		if writers == 1 {
			m.Lag = int64(head) - int64(min(head, m.position))
		}
		if m.Lag > logKept {
			lags = true
			s.Advice = append(s.Advice, fmt.Sprintf("machine %s lacks %s of the directory, more than the writer keeps of what changed; if that does not become less, run there: chatmaild cluster rejoin",
				m.Name, command.FormatSize(m.Lag)))
		}
	}
	s.Advice = append(s.Advice, differing(s.Machines)...)
	switch {
	case writers == 1 && followers < answering-1 && !lags:
		s.Advice = append(s.Advice, fmt.Sprintf("%d machines have a copy of the directory, and %d follow the writer; on the one whose lag does not become less, run: chatmaild cluster rejoin", answering-1, followers))
	case writers == 0 && enough:
		s.Advice = append(s.Advice, "no machine is the writer: new accounts wait; on a machine that answers, run: chatmaild cluster promote")
	case writers == 0:
		s.Advice = append(s.Advice, "no machine is the writer, and too few answer to make another one: new accounts wait until more are back; "+forGood(s.Machines))
	case writers == 1 && !enough:
		s.Advice = append(s.Advice, "too few machines copy the writer: new accounts wait until more are back; "+forGood(s.Machines))
	case writers > 1:
		s.Advice = append(s.Advice, "two machines take themselves for the writer; only one has others that copy it. On the other one, run: chatmaild cluster rejoin (it refuses on the right one)")
	}
	for _, name := range slices.Sorted(maps.Keys(homes)) {
		// Those of one that was lost get other homes as they come.
		listed := slices.ContainsFunc(s.Machines, func(m machineState) bool { return m.Name == name })
		if !listed && disks[name].Standing != directory.Lost {
			s.Advice = append(s.Advice, fmt.Sprintf("%d accounts are at home on machine %s, which is not in the list: to have it again, restore its backup, and run join there; to give it up, run: chatmaild cluster lost %[2]s", homes[name], name))
		}
	}
	s.Advice = append(s.Advice, clocks(s.Machines)...)
	return s
}

// logKept is how much of the log a server keeps for a copy that comes back: wal_keep_size of
// packaging/postgresql. A slot that has it keep more is worth a look.
const logKept = 512 << 20

// forgotten says what to do about slots of a machine.
func forgotten(machine string, all []postgres.Slot) (advice []string) {
	for _, slot := range all {
		if slot.Kept > logKept {
			advice = append(advice, fmt.Sprintf("replication slot %s on machine %s keeps %s of the directory's log for a program that does not come for it; if none needs it, run there: runuser -u postgres -- psql -c \"SELECT pg_drop_replication_slot('%[1]s')\"",
				slot.Name, machine, command.FormatSize(slot.Kept)))
		}
	}
	return advice
}

// versions are those of chatmaild, by the names of the machines.
func versions(ctx context.Context, conf *config.Config) (all map[string]string) {
	_ = safefs.As(conf.MailboxesDir, func() (err error) {
		all, err = postgres.Versions(ctx, accounts.Copy(accounts.Role))
		return err
	})
	return all
}

// differing says that machines have different versions of chatmaild.
func differing(machines []machineState) []string {
	with := map[string][]string{}
	for _, m := range machines {
		// The first versions did not say which they are.
		if m.Version != "" || m.Role == copies || m.Role == writer {
			version := cmp.Or(m.Version, "an earlier one")
			with[version] = append(with[version], m.Name)
		}
	}
	if len(with) < 2 {
		return nil
	}
	var each []string
	for _, version := range slices.Sorted(maps.Keys(with)) {
		each = append(each, version+" on "+strings.Join(with[version], ", "))
	}
	return []string{"the machines have different versions of chatmaild: " + strings.Join(each, "; ") + "; upgrade the package on each"}
}

// registered returns what the directory has of the machines: their accounts, their disks and
// their standings. What it cannot say is left out; what is wrong is seen by asking each.
func (c *cluster) registered(ctx context.Context) (homes map[string]int, disks map[string]postgres.Registered) {
	disks = map[string]postgres.Registered{}
	_ = safefs.As(c.conf.MailboxesDir, func() (err error) {
		if homes, err = postgres.Homes(ctx, accounts.Copy(accounts.Role)); err != nil {
			return err
		}
		all, err := postgres.MachineDisks(ctx, accounts.Copy(accounts.Role))
		for _, m := range all {
			disks[m.Name] = m
		}
		return err
	})
	return homes, disks
}

// forGood says what to do if all that do not answer are gone.
func forGood(machines []machineState) string {
	var away []string
	for _, m := range machines {
		if m.confirms && m.Role == silent && m.Standing != directory.Lost {
			away = append(away, m.Name)
		}
	}
	verb := "is"
	if len(away) > 1 {
		verb = "are"
	}
	return fmt.Sprintf("if %s %s gone for good, run: chatmaild cluster lost %s", strings.Join(away, " and "), verb, strings.Join(away, " "))
}

// silence says what to do about a machine whose server does not answer. Where so few answer that
// one alone cannot be given up, what helps is said of all.
func (c *cluster) silence(m *machineState, writers int, enough bool) string {
	switch {
	case m.Here && writers > 0 && !c.copying():
		return "this machine was the writer before another one was promoted; run here: chatmaild cluster rejoin"
	case m.Here:
		return "PostgreSQL does not answer here: " + desired.Look(c.server.Unit())
	}
	advice := fmt.Sprintf("PostgreSQL of machine %s does not answer; if the machine is up, run there: chatmaild cluster status", m.Name)
	if enough {
		advice += "; if it is gone for good, run: chatmaild cluster lost " + m.Name
	}
	return advice
}

// majority is how many of n machines are more than half.
func majority(n int) int { return n/2 + 1 }

func (c *cluster) status(ctx context.Context) error {
	s := c.state(ctx)
	if c.json {
		return command.PrintJSON(c.env.Stdout, s)
	}
	table := command.NewTable(c.env.Stdout)
	fmt.Fprintln(table, "MACHINE\tADDRESS\tDIRECTORY\tLAG\tACCOUNTS\tFREE\tVERSION\t")
	for _, m := range s.Machines {
		lag := "-"
		if m.Lag >= 0 {
			lag = fmt.Sprintf("%d bytes", m.Lag)
		}
		here := ""
		if m.Here {
			here = " (here)"
		}
		free, standing := "-", ""
		if m.DiskSize > 0 {
			free = command.FormatSize(m.DiskFree) + " of " + command.FormatSize(m.DiskSize)
		}
		if m.Standing != directory.Open {
			standing = string(m.Standing)
		}
		fmt.Fprintf(table, "%s%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", m.Name, here, m.Address, m.Role, lag, m.Accounts, free, cmp.Or(m.Version, "-"), standing)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, advice := range s.Advice {
		fmt.Fprintln(c.env.Stdout, advice)
	}
	return nil
}

// Survey asks all machines of a relay how they are. It returns that in a line, whether
// accounts can be created, and what to do, each a sentence.
func Survey(ctx context.Context, conf *config.Config, machine host.Host) (line string, creates bool, advice []string) {
	c := &cluster{conf: conf, machine: machine, server: host.PostgreSQL(machine), ask: examine}
	s := c.state(ctx)
	var each []string
	writers := 0
	for _, m := range s.Machines {
		each = append(each, m.Name+" "+m.Role)
		if m.Role == writer {
			writers++
		}
	}
	return strings.Join(each, ", "), writers == 1, s.Advice
}
