package applets

import (
	"chatmaild/applets/acme"
	"chatmaild/applets/admin"
	"chatmaild/applets/certificate"
	"chatmaild/applets/clock"
	"chatmaild/applets/command"
	"chatmaild/applets/doveauth"
	"chatmaild/applets/echobot"
	"chatmaild/applets/expire"
	"chatmaild/applets/filtermail"
	"chatmaild/applets/iroh"
	"chatmaild/applets/lastlogin"
	"chatmaild/applets/maillog"
	"chatmaild/applets/metadata"
	"chatmaild/applets/metrics"
	"chatmaild/applets/porter"
	"chatmaild/applets/queuewatch"
	"chatmaild/applets/supervise"
	"chatmaild/applets/transport"
	"chatmaild/applets/turn"
	"chatmaild/applets/web"
	"chatmaild/applets/websocket"
)

// All returns every name that chatmaild answers to, in the order of the help
// text. Nothing registers itself elsewhere.
func All() []command.Command {
	daemons := []command.Command{
		filtermail.Outgoing,
		filtermail.Incoming,
		doveauth.Command,
		metadata.Command,
		lastlogin.Command,
		echobot.Command,
		web.Command,
		acme.Command,
		metrics.Command,
		maillog.Command,
		transport.Command,
		turn.Command,
		iroh.Command,
		websocket.Command,
		porter.Command,
		expire.Command,
		expire.QuotaCommand,
		certificate.Command,
		clock.Command,
		queuewatch.Command,
	}
	return append(append(daemons, admin.Commands()...), supervise.Command)
}
