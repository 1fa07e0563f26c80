// Package logs is the command log: it shows, for a while, what the servers log, and
// says which pseudonym an address has in the log. (Go has its own use for the name.)
package logs

import (
	"context"
	"flag"
	"fmt"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/maillog/control"
)

// Command is chatmaild log.
var Command = command.Command{
	Name: "log", Kind: command.Admin, Args: "[ADDRESS ...]",
	Synopsis: "shows the servers' log without pseudonyms, or the pseudonym of an address",
	Description: `In the journal (journalctl -u chatmaild-maillog), Postfix, Dovecot and nginx
log pseudonyms for addresses, IP addresses, message IDs and user names. They change
at midnight UTC. An ADDRESS can be any of these.

With --plain, new lines are shown as the servers wrote them. None of it is
stored, and there is nothing to switch off afterwards.`,
	Examples: command.Examples{
		{"log --plain 10m", "watch for ten minutes"},
		{"log alice@chat.example.org", "alice's pseudonym in today's log"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		plain := fs.Duration("plain", 0, "show new lines as they were written, for a `DURATION` of up to 24h")
		fs.Lookup("plain").DefValue = "" // none is not a default to speak of
		return func(ctx context.Context, env *command.Env, args []string) error {
			return show(ctx, env, control.Socket, *plain, args)
		}
	},
}

// show asks the maillog daemon, since nobody else can: its key is in memory only, and what
// --plain shows is stored nowhere, neither before nor after.
func show(ctx context.Context, env *command.Env, socket string, plain time.Duration, args []string) error {
	switch {
	case plain == 0 && len(args) == 0:
		return command.WithHint(command.Usagef("missing --plain DURATION, or an ADDRESS"),
			"to read the log, with pseudonyms: journalctl -u chatmaild-maillog")
	case plain != 0 && len(args) > 0:
		return command.Usagef("--plain shows all lines: it takes no ADDRESS")
	// Bounded, so that it is not left running for weeks.
	case plain != 0 && (plain < time.Second || plain > control.MaxWatch):
		return command.Usagef("--plain %v: want a duration from 1s to %v", plain, control.MaxWatch)
	}
	if plain != 0 {
		fmt.Fprintf(env.Stderr, "showing new lines until %s, or until interrupted\n", time.Now().Add(plain).Format(time.TimeOnly))
		return daemon(control.Watch(ctx, socket, plain, env.Stdout))
	}
	for _, name := range args {
		pseudonym, err := control.Name(ctx, socket, name)
		if err != nil {
			return daemon(err)
		}
		if _, err := fmt.Fprintln(env.Stdout, pseudonym); err != nil {
			return err
		}
	}
	return nil
}

// daemon says what to do about an error of asking the daemon.
func daemon(err error) error {
	if err == nil {
		return nil
	}
	return command.WithHint(err, "is the daemon running, and are you root? (see: systemctl status chatmaild-maillog)")
}
