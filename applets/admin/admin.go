// Package admin is the list of the commands that an operator runs over SSH. Each has a
// package named as it is called; run is converge, test is selftest, import is takeover
// and init is initialize, since Go has its own use for these words. What several of them
// share stands beside them.
package admin

import (
	"chatmaild/applets/admin/backup"
	"chatmaild/applets/admin/bench"
	"chatmaild/applets/admin/cluster"
	"chatmaild/applets/admin/converge"
	"chatmaild/applets/admin/dns"
	"chatmaild/applets/admin/firewall"
	"chatmaild/applets/admin/initialize"
	"chatmaild/applets/admin/invite"
	"chatmaild/applets/admin/join"
	"chatmaild/applets/admin/logs"
	"chatmaild/applets/admin/move"
	"chatmaild/applets/admin/nocreate"
	"chatmaild/applets/admin/proxyconfig"
	"chatmaild/applets/admin/push"
	"chatmaild/applets/admin/qr"
	"chatmaild/applets/admin/queue"
	"chatmaild/applets/admin/report"
	"chatmaild/applets/admin/restore"
	"chatmaild/applets/admin/selftest"
	"chatmaild/applets/admin/status"
	"chatmaild/applets/admin/takeover"
	"chatmaild/applets/admin/top"
	"chatmaild/applets/admin/user"
	"chatmaild/applets/admin/webdev"
	"chatmaild/applets/command"
)

// Commands returns the admin commands in the order of the help text.
func Commands() []command.Command {
	return []command.Command{
		initialize.Command,
		converge.Command,
		status.Command,
		report.Command,
		user.Command,
		invite.Command,
		logs.Command,
		nocreate.Command,
		cluster.Command,
		join.Command,
		queue.Command,
		dns.Command,
		firewall.Command,
		proxyconfig.Command,
		selftest.Command,
		bench.Command,
		qr.Command,
		push.Command,
		top.Command,
		webdev.Command,
		takeover.Command,
		backup.Command,
		restore.Command,
		move.Command,
	}
}
