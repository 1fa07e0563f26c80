// Package admin holds the commands that an operator runs over SSH, a file each.
package admin

import (
	"context"
	"errors"
	"flag"

	"chatmaild/applets/command"
)

// Commands returns the admin commands in the order of the help text.
func Commands() []command.Command {
	return []command.Command{
		initCommand,
		runCommand,
		statusCommand,
		reportCommand,
		userCommand,
		inviteCommand,
		nocreateCommand,
		queueCommand,
		dnsCommand,
		firewallCommand,
		proxyConfigCommand,
		testCommand,
		notBuilt("bench", "DOMAIN", "measures a running relay"),
		qrCommand,
		pushCommand,
		webdevCommand,
		importCommand,
		backupCommand,
		restoreCommand,
		moveCommand,
	}
}

func notBuilt(name, args, synopsis string) command.Command {
	return command.Command{
		Name: name, Kind: command.Admin, Args: args, Synopsis: synopsis + " (not built yet)",
		Bind: func(*flag.FlagSet) command.Run {
			return func(context.Context, *command.Env, []string) error { return errors.New("not built yet") }
		},
	}
}
