// Package admin holds the commands that an operator runs over SSH, a file each.
package admin

import "chatmaild/applets/command"

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
		benchCommand,
		qrCommand,
		pushCommand,
		topCommand,
		webdevCommand,
		importCommand,
		backupCommand,
		restoreCommand,
		moveCommand,
	}
}
