// Package move moves this relay to another machine while it runs.
//
// Mail must never be on at two machines at once: both would accept and change the same
// mailboxes, and one side's changes would be lost. So the move goes through phases that
// are recorded on this side, and the order is: copy while mail is on, stop here, copy
// what changed, start there, hold what is left here. At every moment it is certain which
// side may be on, and what to do to go back.
//
// The other machine is reached by the operator's own ssh(1): keys, agents, jump hosts
// and known hosts work as they are used to.
package move

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/relocation"
	"chatmaild/applets/admin/ssh"
	"chatmaild/applets/admin/statedir"
	"chatmaild/applets/admin/transfer"
	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// While mail is on, what changed is copied again until that takes no longer than
// shortPass, and so the difference will not either, but not more often than maxPasses.
const (
	shortPass = 30 * time.Second
	maxPasses = 4
)

// Command is chatmaild move.
var Command = command.Command{
	Name: "move", Kind: command.Admin, Args: "root@NEW",
	Synopsis: "moves this relay to another machine while it runs",
	Description: `That machine needs the same package, and is reached by ssh(1). Mail is copied while
the relay runs; then mail is turned off here, the difference and Postfix's queue are
copied, and mail is turned on there. Senders keep their mail meanwhile. To resume, run
the same command again; run reverts it, as long as mail is not on there. After that,
move on the other machine brings the relay back, with all mail that has arrived since.`,
	Examples: command.Examples{
		{"move root@new.example.org", "copy, switch, and say what to change in DNS"},
	},
	Bind: func(*flag.FlagSet) command.Run {
		return func(ctx context.Context, env *command.Env, args []string) error {
			if len(args) != 1 || strings.HasPrefix(args[0], "-") {
				return command.Usagef("missing root@NEW, the other machine, as ssh(1) expects it")
			}
			conf, err := env.Config()
			if err != nil {
				return err
			}
			m := move{env: env, conf: conf, machine: host.Host{}, there: args[0]}
			return m.run(ctx)
		}
	},
}

// move is a relay on its way to another machine. At every moment one side's mail is on
// at most, and what no side has taken yet waits at its sender.
type move struct {
	env     *command.Env
	conf    *config.Config
	machine host.Host
	there   string // as ssh takes it
	ssh     *ssh.Connection
	record  relocation.Move
	resumed bool // an earlier run has copied something

	offSince time.Time // when mail was turned off, if that was now
}

// run does the steps from the phase on in which an earlier run ended. The hint of an
// error says where mail is, which is what matters then.
func (m *move) run(ctx context.Context) (err error) {
	if err := m.machine.RequireRoot(); err != nil {
		return err
	}
	if err := statedir.Require(m.conf, m.machine); err != nil {
		return err
	}
	if err := m.load(ctx); err != nil {
		return err
	}
	if m.ssh, err = ssh.Connect(ctx, m.there, m.env.Stderr); err != nil {
		return command.WithHint(err, "try: ssh %s true; %s", m.there, m.advice())
	}
	defer m.ssh.Close()
	for _, step := range []struct {
		until relocation.Phase // the phase that the step ends
		what  string
		do    func(context.Context) error
	}{
		// Copying covers three steps: until mail is off, an interrupted move begins with all of
		// them again, which costs only what changed since.
		{relocation.Copying, "check " + m.there, m.check},
		{relocation.Copying, "copy, while mail is on", m.copy},
		{relocation.Copying, "turn mail off here", m.off},
		{relocation.Off, "copy the difference", m.difference},
		{relocation.Handing, "turn mail on there", m.on},
		{relocation.Handing, "keep this side off", m.keepOff},
	} {
		if relocation.Order(m.record.Phase) > relocation.Order(step.until) {
			continue
		}
		m.say("%s", step.what)
		if err := step.do(ctx); err != nil {
			if ctx.Err() != nil {
				err = transfer.ErrInterrupted
			}
			return command.WithHint(fmt.Errorf("%s: %w", step.what, err), "%s", m.advice())
		}
	}
	return m.farewell(ctx)
}

// say prints a step with the time: how long mail was off is read from these lines.
func (m *move) say(format string, args ...any) {
	fmt.Fprintf(m.env.Stderr, "%s %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// load finds out whether an earlier move was interrupted.
func (m *move) load(ctx context.Context) error {
	found, err := relocation.MoveIn(m.conf, m.machine).Read(&m.record)
	if err != nil {
		return err
	}
	if !found {
		m.record = relocation.Move{ID: archive.NewID(), To: m.there, Phase: relocation.Copying}
		return nil
	}
	// Another machine than last time: allowed while mail has never been on there.
	if m.record.To != m.there {
		if relocation.Order(m.record.Phase) >= relocation.Order(relocation.Handing) {
			return relocation.RequireSettled(m.conf, m.machine)
		}
		m.record = relocation.Move{ID: archive.NewID(), To: m.there, Phase: relocation.Copying}
		return nil
	}
	m.resumed = true
	if m.record.Phase == relocation.Off {
		// Has an operator gone back meanwhile, by "chatmaild run"?
		on, err := m.mailIsOn(ctx)
		if err != nil {
			return err
		}
		if on {
			m.record.Phase = relocation.Copying
		}
	}
	return nil
}

// enter notes that a phase begins.
func (m *move) enter(p relocation.Phase) error {
	m.record.Phase = p
	return relocation.MoveIn(m.conf, m.machine).Write(m.record)
}

// advice says how to continue or go back after an error.
func (m *move) advice() string {
	switch m.record.Phase {
	case relocation.Copying:
		return "mail is on here as before; to resume, run the same command again"
	case relocation.Off:
		return "mail is off on both sides, and senders retry it; to resume, run the same command again; \"chatmaild run\" here goes back"
	}
	return fmt.Sprintf("everything is copied, and mail may be on at %s already; fix the cause and run the same command again; "+
		"\"chatmaild move root@THIS\" there brings it back", m.there)
}

// farewell says what remains for the operator.
func (m *move) farewell(ctx context.Context) error {
	fmt.Fprintf(m.env.Stdout, "%s is on %s now. Senders retry their mail until DNS points there:\n", m.conf.MailDomain, m.there)
	fmt.Fprintf(m.env.Stdout, "  the A and AAAA records of %s name the addresses of that machine", config.Host(m.conf))
	if len(m.record.Addresses) > 0 {
		fmt.Fprintf(m.env.Stdout, " (%s)", strings.Join(m.record.Addresses, ", "))
	}
	fmt.Fprintf(m.env.Stdout, "\n  and so do SPF and the reverse DNS names at the new machine's provider\n")
	// Asked there, since the records have to name that machine's addresses now.
	if !m.conf.SelfSigned() {
		fmt.Fprintf(m.env.Stdout, "What DNS says now, as seen from there:\n\n")
		if err := m.ssh.Show(ctx, m.env.Stdout, "chatmaild", "dns"); err != nil {
			m.say("asking for the records failed: %v", err)
		}
	}
	fmt.Fprintf(m.env.Stdout, "Until DNS caches expire, this machine can pass connections on: chatmaild proxy-config\n")
	return nil
}
