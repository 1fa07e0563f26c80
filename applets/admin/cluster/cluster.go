// Package cluster makes this machine one of several of a relay, and says how they are: the
// PostgreSQL of each has the directory of accounts, that of one machine is its writer, and
// the others copy it. chatmaild-cluster(7) is its manual.
package cluster

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/safefs"
)

// Command is chatmaild cluster.
var Command = command.Command{
	Name: "cluster", Kind: command.Admin, Args: "status | init | rejoin | promote | upgrade | check | drain MACHINE | open MACHINE | rebalance | lost MACHINE",
	Synopsis: "shows and changes the machines of a relay that is several",
	Description: `init makes the directory of accounts on the first machine, with the accounts that it has;
rejoin makes this machine's copy of the directory, or makes it again; promote makes this
machine the directory's writer when the former one is lost; upgrade takes the directory to
the PostgreSQL of a new Debian. check fails if another machine has become the writer in
this one's place: systemd asks that before it starts PostgreSQL.

drain moves the accounts of a machine to the others, and it gets no new ones; open has it
get some again. rebalance moves as few accounts as it takes for each machine to have its
share, by its memory. What is cut off goes on by the same command. lost gives a machine up
that is gone for good: its accounts get other homes, without their mail.
See chatmaild-cluster(7).`,
	Examples: command.Examples{
		{"cluster status", "which machine is the writer, and what the others lack"},
		{"cluster promote", "on another machine, when the writer is lost"},
		{"cluster rejoin", "on the former writer, when it is back"},
		{"cluster drain c", "empty machine c while the relay runs"},
		{"cluster rebalance --dry-run", "what would move after a machine was added"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		asJSON := fs.Bool("json", false, "with status: print JSON, for programs")
		dryRun := fs.Bool("dry-run", false, "with rebalance: show what would move, and move nothing")
		return func(ctx context.Context, env *command.Env, args []string) error {
			conf, err := env.Config()
			if err != nil {
				return err
			}
			what, rest, err := command.Subcommand(args, "status", "init", "rejoin", "promote", "upgrade", "check", "drain", "open", "rebalance", "lost")
			if err != nil {
				return err
			}
			machines := 0
			if what == "drain" || what == "open" || what == "lost" {
				machines = 1
			}
			if len(rest) < machines {
				return command.Usagef("%s: missing MACHINE", what)
			}
			if len(rest) > machines {
				return command.Usagef("unexpected argument %q", rest[machines])
			}
			if !config.Clustered(conf) {
				return command.WithHint(errors.New("this relay is one machine"),
					"to make it several, see chatmaild-cluster(7)")
			}
			machine := host.Host{}
			if err := machine.RequireRoot(); err != nil {
				return err
			}
			c := &cluster{env: env, conf: conf, machine: machine, server: host.PostgreSQL(machine), json: *asJSON, dryRun: *dryRun}
			c.ask = examine
			f := fleet{c}
			if machines > 0 {
				return map[string]func(context.Context, string) error{"drain": f.drain, "open": f.open, "lost": f.lose}[what](ctx, rest[0])
			}
			return map[string]func(context.Context) error{
				"status": c.status, "init": c.init, "rejoin": c.rejoin, "promote": c.promote, "upgrade": c.upgrade, "check": c.check, "rebalance": f.rebalance,
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
	// ask asks the server of a machine how it is.
	ask func(ctx context.Context, m config.Member) (postgres.State, error)
}

// askTimeout is how long a server may take to say how it is.
const askTimeout = 3 * time.Second

// examine asks the server of a machine. It is asked over the network, as the other
// machines do; so is this one.
func examine(ctx context.Context, m config.Member) (postgres.State, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return postgres.Examine(ctx, fmt.Sprintf("host=%s dbname=%s user=%s passfile=%s sslmode=disable",
		m.Addr, accounts.Database, accounts.Role, config.DirectoryPassword))
}

// asPostgres does something as the superuser of this machine's server.
func asPostgres(do func(address func(database string) string) error) error {
	return safefs.As("/var/lib/postgresql", func() error {
		return do(func(database string) string {
			return fmt.Sprintf("host=%s dbname=%s user=postgres", accounts.Sockets, database)
		})
	})
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
	content := []byte("*:*:*:*:" + password + "\n")
	return []desired.File{
		{Path: config.DirectoryPassword, Content: content, Mode: 0o640, Owner: "root", Group: "vmail", Secret: true},
		{Path: desired.ReplicationPassword, Content: content, Mode: 0o600, Owner: "postgres", Group: "postgres", Secret: true},
	}
}

// password reads the password that all machines share.
func (c *cluster) password() (string, error) {
	text, err := c.machine.ReadFile(config.DirectoryPassword)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	password, ok := strings.CutPrefix(line, "*:*:*:*:")
	if !ok || password == "" {
		return "", fmt.Errorf("%s: want *:*:*:*: and the password", config.DirectoryPassword)
	}
	return password, nil
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
