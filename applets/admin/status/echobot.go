package status

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/config"
	"chatmaild/applets/echobot/session"
)

// echoBot says how the bot is reached, and how its last probe went.
func (e *examiner) echoBot(ctx context.Context) {
	if !e.conf.Echobot {
		return
	}
	id, err := keyfiles.EchoBot(e.conf, e.machine)
	if err != nil {
		e.say("echo bot", trouble, "chatmaild run", "%v", err)
		return
	}
	if config.Clustered(e.conf) {
		units, err := e.machine.Systemd().Units(ctx, desired.Echobot)
		if err == nil && units[0].Active == "inactive" {
			e.say("echo bot", fine, "", "its account is at home on another machine")
			return
		}
	}
	e.say("echo bot", fine, "", "%s", id.InviteLink(e.conf.AddressDomain()))
	interval := e.conf.ProbeInterval.Duration()
	if interval == 0 {
		return
	}
	const look = "journalctl -u " + desired.Echobot + " -n 50; chatmaild test " // and the domain
	text, err := e.machine.ReadFile(config.EchoBot(e.conf).ProbeResult())
	if errors.Is(err, fs.ErrNotExist) {
		e.say("probe", notice, "", "none yet: the first follows the echo bot's first connection")
		return
	}
	var probe session.Probe
	if err == nil {
		probe, err = session.ParseProbe(text)
	}
	ago := e.ago(probe.Time)
	switch {
	case err != nil:
		e.say("probe", trouble, look+e.conf.MailDomain, "%v", err)
	// One probe may be late or be repeated; two are missing for a reason.
	case e.now.Sub(probe.Time) > 2*interval+time.Minute:
		e.say("probe", trouble, look+e.conf.MailDomain, "none for %s: is the echo bot running?", ago)
	case !probe.OK && probe.LastSuccess.IsZero():
		e.say("probe", trouble, look+e.conf.MailDomain, "%s ago a message from the bot to itself failed: %s", ago, probe.Error)
	case !probe.OK:
		e.say("probe", trouble, look+e.conf.MailDomain, "%s ago a message from the bot to itself failed: %s; the last good one was %s ago",
			ago, probe.Error, e.ago(probe.LastSuccess))
	default:
		e.say("probe", fine, "", "%s ago a message from the bot to itself took %.0f ms", ago, probe.Seconds*1000)
	}
}
