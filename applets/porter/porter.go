// Package porter is the daemon that carries mailboxes between the machines of a relay. It
// does what the directory of accounts says: a row that says "moving" is a mailbox that its home's
// porter closes, sends to that of the new home, and removes (store/directory/move). So
// changing the row begins a move, and nothing is stored elsewhere; a porter that starts resumes
// where the last one stopped.
package porter

import (
	"context"
	"flag"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/store/directory/move"
	"chatmaild/store/disk"
	"chatmaild/store/maildir"
)

// Command carries mailboxes between machines.
var Command = command.Command{
	Name: "porter", Kind: command.Daemon,
	Synopsis: "carries mailboxes between the machines of a relay that is several",
	Description: `It moves the mailboxes of accounts that get another home ("user move",
"cluster drain", "cluster rebalance").`,
	Bind: func(*flag.FlagSet) command.Run { return command.Configured(run) },
}

// syncPause is the least time between two syncs of the disk, which mail that is delivered
// meanwhile waits for: mailboxes that arrive at the same time share one.
const syncPause = 100 * time.Millisecond

func run(ctx context.Context, env *command.Env, conf *config.Config) error {
	if !config.Clustered(conf) {
		return command.Usagef("this relay is one machine: it has nothing to carry")
	}
	log := env.Log()
	rows, err := accounts.Open(conf, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	secret, err := readSecret(config.DirectoryPassword)
	if err != nil {
		return command.WithHint(err, "chatmaild-cluster(7) says where it comes from")
	}
	store := maildir.Transit{Store: maildir.New(conf.MailboxesDir, conf.AddressDomain())}
	if err := store.Make(); err != nil {
		return err
	}
	if err := store.Unfinished(); err != nil {
		return err
	}
	locks := newLocks()
	metadata := metadataSocket(conf.Socket("metadata"))
	s := &sender{
		conf: conf, rows: rows.Rows, secret: secret, metadata: metadata, store: store, locks: locks, log: log,
		sessions: newDovecot(), client: newClient(config.Self(conf)), lost: rows.Roll.Lost,
	}
	s.mover = move.Mover{Here: conf.Cluster.Name, Copy: rows.Rows.Copy, Writer: rows.Rows.Writer, Mailboxes: s}
	r := &receiver{
		conf: conf, writer: rows.Rows.Writer, secret: secret, metadata: metadata, store: store, locks: locks, log: log,
		admitted: rows.Roll.Admitted, sync: &disk.Syncer{Dir: conf.MailboxesDir, Pause: syncPause},
	}
	metrics := service.NewMetrics("porter", time.Now())
	s.moved = NewMetrics(metrics)
	daemon := service.Service{
		Name: "porter", Address: address(conf), Serve: r.serve, Log: log,
		Background: func(ctx context.Context) error {
			go rows.Roll.Run(ctx)
			return s.run(ctx)
		},
		Metrics: metrics, MetricsSocket: conf.MetricsSocket("porter"),
	}
	return daemon.Run(ctx)
}

// address is where the other machines find it.
func address(conf *config.Config) service.Address {
	return service.Address{Network: "tcp", Addr: hostPort(config.Self(conf))}
}
