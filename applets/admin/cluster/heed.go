package cluster

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/config"
	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/program"
	"chatmaild/store/directory"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/maildir"
	"chatmaild/store/safefs"
)

// sessionsEnded is there once a machine that was given up has ended the sessions that were open
// when it heard of it.
const sessionsEnded = "/run/chatmaild-lost"

// heedTimeout is how long the others may take to answer. They are asked again soon.
const heedTimeout = time.Second

// givenUp reports whether this machine has noted that it is lost.
func givenUp(conf *config.Config) bool { return maildir.GivenUp(conf.MailboxesDir, conf.Cluster.Name) }

// heed has this machine serve no mailbox any more, once another one says that it is lost. One that
// was only cut off from them, and was the writer, would not learn that from its own copy of the
// directory. The daemons see the note within a second; what is open then ends the next time.
func (f follower) heed(ctx context.Context) error {
	if givenUp(f.conf) {
		return f.endSessions(ctx)
	}
	if !f.lost(ctx) {
		return nil
	}
	f.say("this machine was given up: it serves no mailbox any more (chatmaild-cluster(7))")
	return safefs.As(f.conf.MailboxesDir, func() error { return maildir.GiveUp(f.conf.MailboxesDir, f.conf.Cluster.Name) })
}

// endSessions ends once what is open of the mailboxes that are on this machine. With Dovecot 2.3
// nothing but a restart ends the sessions that hibernate; all others come again, and are passed on.
func (f follower) endSessions(ctx context.Context) error {
	done := desired.File{Path: sessionsEnded, Mode: 0o600, Owner: "root", Group: "root"}
	there, err := f.machine.Exists(done.Path)
	if there || err != nil {
		return err
	}
	users, err := f.sessions(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(users, f.hasMailbox) {
		if err := f.machine.Systemd().Systemctl(ctx, "restart", desired.Dovecot); err != nil {
			return err
		}
	}
	return f.machine.Write(done)
}

// hasMailbox reports whether a user's mailbox is on this machine.
func (f follower) hasMailbox(user string) bool {
	addr, err := mailaddr.Parse(user, f.conf.AddressDomain())
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(f.conf.MailboxesDir, addr.String()))
	return err == nil
}

// sessions returns who has a session: doveadm prints a line for each, which begins with the user.
func sessions(ctx context.Context) (users []string, err error) {
	out, err := program.Output(ctx, "/", "doveadm", "who", "-1")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(out)) {
		user, _, _ := strings.Cut(line, " ")
		users = append(users, user)
	}
	return users, nil
}

// lost asks all machines at once whether this one is lost. The word of one that is lost itself, by the
// word of any that does not say so of this one, counts only where those that are left were no
// majority when they gave it up: it may have been right.
func (f follower) lost(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, heedTimeout)
	defer cancel()
	members := config.Members(f.conf)
	answers := map[string][]directory.Machine{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, m := range members {
		all.Go(func() {
			known, err := f.machines(ctx, m)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				answers[m.Name] = known
			}
		})
	}
	all.Wait()
	here := f.conf.Cluster.Name
	return slices.ContainsFunc(members, func(m config.Member) bool {
		return says(answers[m.Name], here) && (m.Lost || !slices.ContainsFunc(members, func(other config.Member) bool {
			return says(answers[other.Name], m.Name) && !says(answers[other.Name], here)
		}))
	})
}

// says reports whether one of these machines is called so, and lost.
func says(all []directory.Machine, name string) bool {
	return slices.ContainsFunc(all, func(m directory.Machine) bool { return m.Name == name && m.Standing == directory.Lost })
}

// machinesOf asks the server of a machine what it knows of all.
func machinesOf(ctx context.Context, m config.Member) ([]directory.Machine, error) {
	return postgres.MachinesOf(ctx, accounts.Server(m))
}
