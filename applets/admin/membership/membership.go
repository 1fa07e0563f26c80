// Package membership is which machines a relay consists of, as the commands that add one or
// take one away change it: join, drain and lost.
//
// The list is in the directory, where the superuser of the writer's machine alone changes
// it, and in the configuration of each machine, which has to know the others before
// PostgreSQL runs. Change writes both on the machine of the writer; each other machine
// follows within seconds (chatmaild cluster follow).
//
// Machines may have different lists meanwhile. By one machine at a time that does no harm: a
// majority of the one list and a majority of the other have a machine in common, so two
// writers cannot both commit.
package membership

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/safefs"
)

// AsPostgres does something as the superuser of this machine's server.
func AsPostgres(do func(address func(database string) string) error) error {
	return safefs.As("/var/lib/postgresql", func() error {
		return do(func(database string) string {
			return fmt.Sprintf("host=%s dbname=%s user=postgres", accounts.Sockets, database)
		})
	})
}

// Here is this machine, whose configuration a command changes.
type Here struct {
	Env     *command.Env
	Conf    *config.Config
	Machine host.Host
}

// changeTimeout is for how long a change of the list waits for others to confirm it.
const changeTimeout = 30 * time.Second

// Change makes these the relay's machines, of which one may be new in the network that they
// make. It has to run on that of the writer, and fails elsewhere. All is written before the
// configuration, by which the writer may have to wait for a machine that is not there yet.
//
// It is finished also if the process that asked for it is gone, as where join is interrupted on another
// machine: half of it might have to be made up for by a restart of Dovecot, which all would notice.
func (h *Here) Change(ctx context.Context, members []config.Member, peer *postgres.Peer) error {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	unlock, err := h.lock()
	if err != nil {
		return err
	}
	defer unlock()
	sort(members)
	within, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	err = AsPostgres(func(address func(string) string) error {
		owner := address(accounts.Database)
		if err := postgres.SetMembers(within, owner, members); err != nil || peer == nil {
			return err
		}
		return postgres.SetPeer(within, owner, *peer)
	})
	if err != nil {
		return command.WithHint(fmt.Errorf("changing the list of machines: %w", err), "chatmaild cluster status")
	}
	peers, err := postgres.Peers(ctx, accounts.Server(config.Self(h.Conf)))
	if err != nil {
		return err
	}
	if err := h.FollowMesh(ctx, peers); err != nil {
		return err
	}
	return h.follow(ctx, members)
}

// Follow makes the machines that the directory has those of this one's configuration. The rest
// of it stays; chatmaild run applies it.
func (h *Here) Follow(ctx context.Context) error {
	unlock, err := h.lock()
	if err != nil {
		return err
	}
	defer unlock()
	members, err := postgres.Members(ctx, Nearest(h.Conf))
	if err != nil || len(members) == 0 { // a directory of an earlier version
		return err
	}
	return h.follow(ctx, members)
}

func (h *Here) follow(ctx context.Context, members []config.Member) error {
	sort(members)
	conf, err := h.Env.Config() // another command may have changed it
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(members, func(m config.Member) bool { return m.Name == conf.Cluster.Name }) {
		return command.WithHint(fmt.Errorf("machine %s is not one of the relay's any more", conf.Cluster.Name),
			"chatmaild run --disable-mail stops it; chatmaild-cluster(7) says how it joins again")
	}
	mark := desired.File{Path: filepath.Join(conf.StateDir, unapplied), Content: []byte("chatmaild run\n"), Mode: 0o600, Owner: "root", Group: "root"}
	left, err := h.Machine.Exists(mark.Path)
	if err != nil {
		return err
	}
	former := config.Members(conf)
	sort(former)
	same := slices.Equal(former, members)
	if same && !left {
		return nil
	}
	if err := h.Machine.Write(mark); err != nil {
		return err
	}
	if !same {
		if err := h.Write(conf.Cluster.Name, members); err != nil {
			return err
		}
	}
	if err := h.Run(ctx, "run", "--skip-dns-check"); err != nil {
		return err
	}
	mark.Absent = true
	return h.Machine.Write(mark)
}

// unapplied is the file in the state directory that is there from before the list changes in the
// configuration until run has applied it. Else a run that was cut off would leave a writer that
// waits for none of the machines that it should: the next one to follow runs it again.
const unapplied = "members.unapplied"

// lock keeps other commands from changing the list on this machine meanwhile.
func (h *Here) lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(h.Machine.Root, "/run/chatmaild-cluster.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		for err = syscall.EINTR; err == syscall.EINTR; {
			err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("locking the list of machines: %w", err)
	}
	return func() { f.Close() }, nil
}

// Write writes the configuration with these machines, of which this one is called name.
func (h *Here) Write(name string, members []config.Member) error {
	text, err := h.Machine.ReadFile(h.Env.ConfigPath)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	changed, err := config.WithMembers(string(text), name, members)
	if err != nil {
		return err
	}
	return h.Machine.Write(ConfigFile(h.Env.ConfigPath, []byte(changed)))
}

// ConfigFile is the configuration as init has it.
func ConfigFile(path string, text []byte) desired.File {
	return desired.File{Path: path, Content: text, Mode: 0o644, Owner: "root", Group: "root"}
}

func sort(members []config.Member) {
	slices.SortFunc(members, func(a, b config.Member) int { return strings.Compare(a.Name, b.Name) })
}

// program is this one.
const program = "/usr/sbin/chatmaild"

// unread is a writer whose reader may be gone, which is no reason to end.
type unread struct{ to io.Writer }

func (u unread) Write(text []byte) (int, error) {
	_, _ = u.to.Write(text)
	return len(text), nil
}

// Run runs a command of chatmaild by the configuration as it is now, and shows what it says
// while it does.
func (h *Here) Run(ctx context.Context, words ...string) error {
	name := program
	if h.Machine.Root != "" { // a test's
		name = filepath.Join(h.Machine.Root, program)
	}
	cmd := exec.CommandContext(ctx, name, append([]string{words[0], "--config", h.Env.ConfigPath}, words[1:]...)...)
	cmd.Stdout, cmd.Stderr, cmd.Env = nil, h.Env.Stderr, os.Environ()
	if !command.IsTerminal(h.Env.Stderr) {
		cmd.Stderr = unread{h.Env.Stderr}
	}
	if err := cmd.Run(); err != nil {
		if _, failed := errors.AsType[*exec.ExitError](err); failed {
			err = errors.New("it failed")
		}
		return fmt.Errorf("chatmaild %s: %w", strings.Join(words, " "), err)
	}
	return nil
}
