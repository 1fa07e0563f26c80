package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"chatmaild/applets/admin/wanted"
	"chatmaild/applets/command"
	"chatmaild/applets/echobot/bot"
	"chatmaild/applets/echobot/session"
	"chatmaild/auth"
)

// echoBot returns who the bot is: the one that is there, else a new one; nil if
// the relay has none. A bot that is there is never replaced: its contacts know its
// key.
func (p *planner) echoBot() (*bot.Identity, error) {
	id, err := p.echoBotThere()
	if errors.Is(err, fs.ErrNotExist) {
		return bot.NewIdentity(p.conf.AddressDomain(), p.now)
	}
	return id, err
}

// echoBotThere fails with fs.ErrNotExist while there is none yet.
func (p *planner) echoBotThere() (*bot.Identity, error) {
	if !p.conf.Echobot {
		return nil, nil
	}
	path := p.conf.EchobotIdentity()
	text, err := p.machine.ReadFile(path)
	if err != nil {
		return nil, err
	}
	id, err := bot.ParseIdentity(text)
	if err != nil {
		return nil, command.WithHint(fmt.Errorf("%s: %w", path, err),
			"restore it from a backup; or move it away, and a new bot is made, which nobody knows yet")
	}
	return id, nil
}

// echoBotFiles are the bot's identity and its account: nobody else can get that
// one, since the name is reserved, and no limit on names or passwords is asked
// about.
func (p *planner) echoBotFiles(id *bot.Identity) ([]wanted.File, error) {
	if id == nil {
		return nil, nil
	}
	text, err := id.Marshal()
	if err != nil {
		return nil, err
	}
	home := p.conf.EchobotMailbox()
	password, err := p.echoBotPassword(filepath.Join(home, "password"), id.Password)
	if err != nil {
		return nil, err
	}
	password.Path = filepath.Join(home, "password")
	return []wanted.File{
		{
			Path: p.conf.EchobotIdentity(), Content: text, Mode: 0o600, Owner: wanted.EchobotUser, Group: wanted.EchobotUser,
			Unit: wanted.Echobot, Secret: true,
		},
		{Path: filepath.Join(home, "enforceE2EEincoming"), Mode: 0o600, Owner: "vmail", Group: "vmail"},
		password,
	}, nil
}

// echoBotPassword leaves what is there if the bot can log in with it, or if an
// operator has blocked the account.
func (p *planner) echoBotPassword(path, password string) (wanted.File, error) {
	file := wanted.File{Mode: 0o600, Owner: "vmail", Group: "vmail", Secret: true}
	stored, err := p.machine.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if auth.IsBlocked(string(stored)) || auth.Matches(string(stored), password) {
		file.Content = stored
		return file, nil
	}
	hash, err := auth.Hash(password, p.conf.BcryptCost)
	file.Content = []byte(hash)
	return file, err
}

// echoBotInvite returns the bot's invite link, "" if there is no bot, or none yet.
func (p *planner) echoBotInvite() string {
	id, err := p.echoBotThere()
	if err != nil || id == nil {
		return ""
	}
	return id.InviteLink(p.conf.AddressDomain())
}

// echoBot says how the bot is reached, and how its last probe went.
func (e *examiner) echoBot() {
	if !e.conf.Echobot {
		return
	}
	id, err := e.echoBotThere()
	if err != nil {
		e.say("echo bot", trouble, "chatmaild run", "%v", err)
		return
	}
	e.say("echo bot", fine, "", "%s", id.InviteLink(e.conf.AddressDomain()))
	interval := e.conf.ProbeInterval.Duration()
	if interval == 0 {
		return
	}
	const look = "journalctl -u " + wanted.Echobot + " -n 50; chatmaild test " // and the domain
	text, err := e.machine.ReadFile(e.conf.ProbeResult())
	if errors.Is(err, fs.ErrNotExist) {
		e.say("probe", notice, "", "none yet: the first comes with the echo bot's first connection")
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
