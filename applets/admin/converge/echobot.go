package converge

import (
	"errors"
	"io/fs"
	"path/filepath"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/echobot/bot"
	"chatmaild/auth"
	"chatmaild/store/maildir"
)

// echoBot returns who the bot is: the one that is there, else a new one; nil if
// the relay has none. A bot that is there is never replaced: its contacts know its
// key.
func (p *Planner) echoBot() (*bot.Identity, error) {
	id, err := keyfiles.EchoBot(p.Conf, p.Machine)
	if errors.Is(err, fs.ErrNotExist) && len(config.Members(p.Conf)) > 1 {
		return nil, command.WithHint(errors.New("the relay's machines share one echo bot, and this one does not have its identity"),
			"copy %s from a machine that has it, with its owner and mode; or set echobot = false", config.EchoBot(p.Conf).Identity())
	}
	if errors.Is(err, fs.ErrNotExist) {
		return bot.NewIdentity(p.Conf.AddressDomain(), p.Now)
	}
	return id, err
}

// echoBotFiles are the bot's identity and its account: nobody else can get that
// one, since the name is reserved, and no limit on names or passwords is asked
// about.
func (p *Planner) echoBotFiles(id *bot.Identity) ([]desired.File, error) {
	if id == nil {
		return nil, nil
	}
	text, err := id.Marshal()
	if err != nil {
		return nil, err
	}
	identity := desired.File{
		Path: config.EchoBot(p.Conf).Identity(), Content: text, Mode: 0o600, Owner: desired.EchobotUser, Group: desired.EchobotUser,
		Unit: desired.Echobot, Secret: true,
	}
	// Its account is a row like any other: "cluster follow" makes it.
	if config.Clustered(p.Conf) {
		return []desired.File{identity}, nil
	}
	home := config.EchoBot(p.Conf).Mailbox()
	password, err := p.echoBotPassword(filepath.Join(home, maildir.PasswordFile), id.Password)
	if err != nil {
		return nil, err
	}
	password.Path = filepath.Join(home, maildir.PasswordFile)
	return []desired.File{
		identity,
		{Path: filepath.Join(home, maildir.EnforceFile), Mode: 0o600, Owner: "vmail", Group: "vmail"},
		password,
	}, nil
}

// echoBotPassword leaves what is there if the bot can log in with it, or if an
// operator has blocked the account.
func (p *Planner) echoBotPassword(path, password string) (desired.File, error) {
	file := desired.File{Mode: 0o600, Owner: "vmail", Group: "vmail", Secret: true}
	stored, err := p.Machine.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	// Compared first: each hash has a salt of its own, so a new one would be a change.
	if auth.IsBlocked(string(stored)) || auth.Matches(string(stored), password) {
		file.Content = stored
		return file, nil
	}
	hash, err := auth.Hash(password, p.Conf.BcryptCost)
	file.Content = []byte(hash)
	return file, err
}

// echoBotInvite returns the bot's invite link, "" if there is no bot, or none yet.
func (p *Planner) echoBotInvite() string {
	id, err := keyfiles.EchoBot(p.Conf, p.Machine)
	if err != nil || id == nil {
		return ""
	}
	return id.InviteLink(p.Conf.AddressDomain())
}
