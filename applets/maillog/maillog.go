package maillog

import (
	"context"
	"flag"

	"chatmaild/applets/command"
	"chatmaild/applets/maillog/control"
	"chatmaild/applets/service"
)

// Where the servers' lines come in, and where they go. Both are what /dev/log leads to.
const (
	socket  = "/run/chatmaild/log/dev-log"
	journal = "/run/systemd/journal/dev-log"
)

// Command passes the servers' log on. It reads no configuration: whatever is wrong
// there, the servers must be able to log.
var Command = command.Command{
	Name: "maillog", Kind: command.Daemon, Synopsis: "passes the servers' log on to the journal, with pseudonyms",
	Description: `It replaces addresses, IP addresses, message IDs and user names in the lines of
Postfix, Dovecot and nginx.
The key of the pseudonyms is kept in memory; it changes at midnight UTC, and
when the daemon restarts.
It reads no configuration.`,
	Bind: func(*flag.FlagSet) command.Run { return run },
}

func run(ctx context.Context, env *command.Env, _ []string) error {
	log := env.Log()
	d := newDaemon(journal, log)
	return (&service.Service{
		Name: "maillog", Address: service.Address{Network: "unix", Addr: control.Socket, Mode: 0o600}, Serve: d.inquiries,
		More: []service.Endpoint{{Name: "log", Address: service.Address{Network: "unixgram", Addr: socket}, Datagrams: d.serve}},
		Log:  log,
	}).Run(ctx)
}
