// Package admin holds the commands that an operator runs over SSH, a file each.
package admin

import (
	"chatmaild/applets/admin/initialize"
	"chatmaild/applets/admin/qr"
	"chatmaild/applets/admin/report"
	"chatmaild/applets/admin/top"
	"chatmaild/applets/command"
)

// Commands returns the admin commands in the order of the help text.
func Commands() []command.Command {
	return []command.Command{
		initialize.Command,
		runCommand,
		statusCommand,
		report.Command,
		userCommand,
		inviteCommand,
		nocreateCommand,
		queueCommand,
		dnsCommand,
		firewallCommand,
		proxyConfigCommand,
		testCommand,
		benchCommand,
		qr.Command,
		pushCommand,
		top.Command,
		webdevCommand,
		importCommand,
		backupCommand,
		restoreCommand,
		moveCommand,
	}
}
