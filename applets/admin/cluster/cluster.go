// Package cluster makes this machine one of several of a relay, and says how they are: the
// PostgreSQL of each has the directory of accounts, that of one machine is its writer, and
// the others copy it. chatmaild-cluster(7) is its manual.
package cluster

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/admin/rehome"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory"
	"chatmaild/store/directory/postgres"
)

// Command is chatmaild cluster.
var Command = command.Command{
	Name: "cluster", Kind: command.Admin, Args: "status | init | rejoin | promote | upgrade | drain MACHINE | open MACHINE | rebalance | lost MACHINE... | remove MACHINE | dump | load",
	Synopsis: "shows and changes the machines of a relay that is several",
	Description: `init makes a relay that is one machine the first of several: it creates the directory of
accounts, with those that the machine has. Each other one is added by "chatmaild join".
rejoin makes this machine's copy of the directory, or makes it again; promote makes this
machine the directory's writer when the former one is lost; upgrade takes the directory to
the PostgreSQL of a new Debian. dump writes the directory to standard output, for a backup,
and load adds what a dump has; init --load begins again with it, on a machine that was
restored after all were lost.

drain moves the accounts of a machine to the others, and it gets no new ones; open has it
get some again. rebalance moves as few accounts as it takes for each machine to have its
share, by its memory. To resume, run the same command again. lost gives machines up
that are gone for good: their accounts get other homes, without their mail. All that are
gone are named at once where those that are left are no majority. remove takes one that is
empty, or lost, off the list, on the machine with the writer.
See chatmaild-cluster(7).`,
	Examples: command.Examples{
		{"cluster status", "how the machines are, and what to do"},
		{"cluster init --address 10.7.0.1", "on a relay that is to be several machines"},
		{"cluster promote", "on another machine, when the writer is lost"},
		{"cluster dump >accounts.sql", "a backup of the directory"},
		{"cluster init --load accounts.sql", "after all machines were lost, on one that was restored"},
		{"cluster rejoin", "on the former writer, when it is back"},
		{"cluster lost a b", "on c, when both others of three are gone for good"},
		{"cluster drain c", "empty machine c while the relay runs"},
		{"cluster rebalance --dry-run", "what would move after a machine was added"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		asJSON := fs.Bool("json", false, "with status: print JSON, for programs")
		dryRun := fs.Bool("dry-run", false, "with rebalance: show what would move, and move nothing")
		pace := fs.Int("pace", 0, "with drain and rebalance: move `N` mailboxes a second; by default 6 for each processor, which keeps texts quick")
		name := fs.String("name", "", "with init: call this machine `NAME`; by default its host name")
		address := fs.String("address", "", "with init: its `ADDRESS` in the network of the machines")
		wireguard := fs.Bool("wireguard", false, "with init: the machines make their network themselves, by WireGuard")
		load := fs.String("load", "", "with init: begin with the directory that \"cluster dump\" wrote to `FILE`; with lost --incomplete: add what it has")
		incomplete := fs.Bool("incomplete", false, "with lost: go on without the accounts that only the lost machines had")
		endpoint := fs.String("endpoint", "", "with init --wireguard: the other machines reach this one at `ADDRESS`; by default its public one")
		return func(ctx context.Context, env *command.Env, args []string) error {
			conf, err := env.Config()
			if err != nil {
				return err
			}
			what, rest, err := command.Subcommand(args, "status", "init", "rejoin", "promote", "upgrade", "check", "bot", "follow", "offer", "admit", "confirm", "dump", "load", "drain", "open", "rebalance", "lost", "remove")
			if err != nil {
				return err
			}
			machines := 0
			if what == "drain" || what == "open" || what == "lost" || what == "remove" {
				machines = 1
			}
			if len(rest) < machines {
				return command.Usagef("%s: missing MACHINE", what)
			}
			if len(rest) > machines && what != "lost" {
				return command.Usagef("unexpected argument %q", rest[machines])
			}
			if *pace < 0 {
				return command.Usagef("--pace %d: want a positive number of mailboxes a second", *pace)
			}
			machine := host.Host{}
			if err := machine.RequireRoot(); err != nil {
				return err
			}
			var peer *postgres.Peer
			var dump *os.File
			if (what == "init" || what == "lost") && *load != "" {
				if dump, err = os.Open(*load); err != nil {
					return err
				}
				defer dump.Close()
			}
			if what == "init" {
				as := &founder{&membership.Here{Env: env, Conf: conf, Machine: machine}, *name, *address, *endpoint, *wireguard, dump != nil}
				if peer, err = as.first(ctx); err != nil {
					return err
				}
				if conf, err = env.Config(); err != nil {
					return err
				}
			}
			if !config.Clustered(conf) {
				return command.WithHint(errors.New("this relay is one machine"),
					"to make it the first of several: chatmaild cluster init --address ADDRESS; see chatmaild-cluster(7)")
			}
			c := &cluster{
				env: env, conf: conf, machine: machine, server: host.PostgreSQL(machine), json: *asJSON, dryRun: *dryRun,
				pace: cmp.Or(*pace, rehome.Pace()), incomplete: *incomplete, peer: peer, dump: dump,
			}
			c.ask, c.machines, c.sessions = examine, machinesOf, sessions
			f := fleet{c}
			if what == "lost" {
				return f.lose(ctx, rest)
			}
			if machines > 0 {
				return map[string]func(context.Context, string) error{"drain": f.drain, "open": f.open, "remove": admission{c}.remove}[what](ctx, rest[0])
			}
			return map[string]func(context.Context) error{
				"status": c.status, "init": founding{c}.init, "rejoin": returning{c}.rejoin, "promote": c.promote, "upgrade": c.upgrade, "dump": saved{c}.dump, "load": saved{c}.load, "rebalance": f.rebalance,
				// What systemd, and join on another machine, run.
				"check": c.check, "bot": follower{c}.botHere, "follow": follower{c}.run, "offer": admission{c}.offer, "admit": admission{c}.admit, "confirm": admission{c}.confirm,
			}[what](ctx)
		}
	},
}

// cluster is what the subcommands work with.
type cluster struct {
	env     *command.Env
	conf    *config.Config
	machine host.Host
	server  desired.PostgreSQL
	json    bool
	dryRun  bool
	pace    int            // mailboxes that move in a second
	peer    *postgres.Peer // with init: this machine in the network that it makes; nil: there is one
	dump    *os.File       // with init and lost: a dump of the directory; nil: there is none
	// incomplete says that accounts may be missing after lost.
	incomplete bool
	// ask asks the server of a machine how it is.
	ask func(ctx context.Context, m config.Member) (postgres.State, error)
	// machines asks it what it knows of all machines.
	machines func(ctx context.Context, m config.Member) ([]directory.Machine, error)
	// sessions are the users who have one here.
	sessions func(ctx context.Context) ([]string, error)
}

// askTimeout is how long a server may take to say how it is.
const askTimeout = 3 * time.Second

// examine asks the server of a machine. It is asked over the network, as the other
// machines do; so is this one.
func examine(ctx context.Context, m config.Member) (postgres.State, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return postgres.Examine(ctx, accounts.Server(m))
}

// here is what the list of machines is changed by.
func (c *cluster) here() *membership.Here {
	return &membership.Here{Env: c.env, Conf: c.conf, Machine: c.machine}
}

// say tells what is done.
func (c *cluster) say(format string, args ...any) {
	fmt.Fprintf(c.env.Stderr, "  "+format+"\n", args...)
}

// start starts this machine's server, which Debian's package has made.
func (c *cluster) start(ctx context.Context) error {
	if !c.machine.IsFile(c.server.Dir() + "/postgresql.conf") {
		return command.WithHint(errors.New("PostgreSQL is not installed"), "apt install postgresql")
	}
	return c.machine.Systemd().Systemctl(ctx, "start", c.server.Unit())
}

// passwordFiles are the forms of the password that all machines share: for the daemons and
// commands, and for PostgreSQL, which takes none that others may read.
func passwordFiles(password string) []desired.File {
	return []desired.File{
		{Path: config.DirectoryPassword, Content: accounts.PasswordFile(password), Mode: 0o640, Owner: "root", Group: "vmail", Secret: true},
		{Path: desired.ReplicationPassword, Content: accounts.PasswordFile(password), Mode: 0o600, Owner: "postgres", Group: "postgres", Secret: true},
		{Path: config.InvitesPassword, Content: accounts.PasswordFile(derived(password, accounts.InvitesRole)), Mode: 0o640, Owner: "root", Group: "chatmaild", Secret: true},
	}
}

// derived is the password of a role that must not know that of all others.
func derived(password, role string) string {
	mac := hmac.New(sha256.New, []byte(password))
	mac.Write([]byte(role))
	return hex.EncodeToString(mac.Sum(nil))
}

// password reads the password that all machines share.
func (c *cluster) password() (string, error) {
	text, err := c.machine.ReadFile(config.DirectoryPassword)
	if err != nil {
		return "", err
	}
	return accounts.Password(text)
}

// writePassword writes it, for all who read it.
func (c *cluster) writePassword(password string) error {
	for _, f := range passwordFiles(password) {
		if err := c.machine.Write(f); err != nil {
			return err
		}
	}
	return nil
}
