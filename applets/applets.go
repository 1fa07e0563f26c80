package applets

import (
	"chatmaild/applets/acme"
	"chatmaild/applets/admin"
	"chatmaild/applets/command"
	"chatmaild/applets/echobot"
	"chatmaild/applets/expire"
	"chatmaild/applets/lastlogin"
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
		lastlogin.Command,
		echobot.Command,
		web.Command,
		acme.Command,
		metrics,
		expire.Command,
		expire.QuotaCommand,
		certificate,
		clock,
	}
	return append(daemons, admin.Commands()...)
}
