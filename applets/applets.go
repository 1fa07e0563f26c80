package applets

import (
	"chatmaild/applets/admin"
	"chatmaild/applets/command"
	"chatmaild/applets/echobot"
	"chatmaild/applets/web"
)

// All returns every name that chatmaild answers to, in the order of the help
// text. Nothing registers itself elsewhere.
func All() []command.Command {
	daemons := []command.Command{
		filtermailOut,
		filtermailIn,
		doveauth,
		metadata,
		lastlogin,
		echobot.Command,
		web.Command,
		acmeDaemon,
		metrics,
		expire,
		quotaExpire,
		certificate,
		clock,
	}
	return append(daemons, admin.Commands()...)
}
