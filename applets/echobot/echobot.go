// Package echobot is the wiring of the echo bot: bot thinks, session talks to the relay.
package echobot

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"chatmaild/applets/chat/mailbox"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/echobot/bot"
	"chatmaild/applets/echobot/session"
	"chatmaild/applets/service"
	"chatmaild/mailfilter/ratelimit"
)

// What one person gets answered, and all of another relay together: more than people
// type, less than programs send. Both leave room for others in what the relay lets any
// account send.
const (
	answersPerMinute      = 12
	answersBurst          = 20
	relayAnswersPerMinute = 24
	relayAnswersBurst     = 24
)

// sourcesAtOnce is how many people, and relays, the bot distinguishes while they write
// faster than that.
const sourcesAtOnce = 4096

// Command answers on echo@DOMAIN.
var Command = command.Command{
	Name: "echobot", Kind: command.Daemon,
	Synopsis: "answers on echo@DOMAIN, end-to-end encrypted",
	Description: `It echoes text and files, and answers /ping with the time that a message took. In
groups it answers when it is addressed, without files, and only to members who have
written to it. It does not answer programs. It answers a person up to twelve times a
minute, and another relay up to twenty-four times. Every few minutes it sends itself a
message, to verify that the relay works.`,
	Bind: func(flags *flag.FlagSet) command.Run {
		invite := flags.Bool("invite", false, "print the bot's invite link, and exit")
		return command.Configured(func(ctx context.Context, env *command.Env, cfg *config.Config) error {
			if !cfg.Echobot {
				return noEchobot(env, *invite)
			}
			identity, err := readIdentity(cfg)
			if err != nil {
				return err
			}
			if *invite {
				_, err := fmt.Fprintln(env.Stdout, identity.InviteLink(cfg.AddressDomain()))
				return err
			}
			return runEchobot(ctx, env, cfg, identity)
		})
	},
}

// noEchobot ends the daemon at once, and well.
func noEchobot(env *command.Env, invite bool) error {
	if invite {
		return command.WithHint(errors.New("this relay has no echo bot"), "echobot = true in chatmail.toml, then: chatmaild run")
	}
	env.Log().Info("this relay has no echo bot: echobot = false")
	return nil
}

// readIdentity reads who the bot is. "chatmaild run" has made that, and its
// account.
func readIdentity(cfg *config.Config) (*bot.Identity, error) {
	text, err := os.ReadFile(config.EchoBot(cfg).Identity())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, command.WithHint(fmt.Errorf("the echo bot does not exist yet: %w", err), "chatmaild run")
	case errors.Is(err, fs.ErrPermission):
		return nil, command.WithHint(err, "run it as root")
	case err != nil:
		return nil, err
	}
	id, err := bot.ParseIdentity(text)
	if err != nil {
		return nil, command.WithHint(fmt.Errorf("%s: %w", config.EchoBot(cfg).Identity(), err),
			"restore it from a backup; or move it away, and chatmaild run creates a new bot, which nobody knows yet")
	}
	return id, nil
}

func runEchobot(ctx context.Context, env *command.Env, cfg *config.Config, identity *bot.Identity) error {
	log := env.Log()
	domain := cfg.AddressDomain()
	contacts, err := session.OpenContacts(filepath.Join(config.EchoBot(cfg).Dir(), "contacts"), time.Now)
	if err != nil {
		return err
	}
	// Where versions before this one kept keys, of strangers too.
	if err := os.RemoveAll(filepath.Join(config.EchoBot(cfg).Dir(), "keys")); err != nil {
		return fmt.Errorf("removing keys of people who have not written: %w", err)
	}
	start := time.Now()
	fair, err := newAnswers(domain, func() time.Duration { return time.Since(start) })
	if err != nil {
		return err
	}
	// Below what the relay lets any account send, so that it never has to say no.
	// The rest is for probes.
	all, err := ratelimit.New(ratelimit.Options{
		PerMinute: max(1, cfg.MaxUserSendPerMinute*3/4), Burst: max(1, cfg.MaxUserSendBurstSize/2), Senders: 1,
		Now: func() time.Duration { return time.Since(start) },
	})
	if err != nil {
		return err
	}
	self := identity.Self(domain)
	metrics := service.NewMetrics("echobot", time.Now())
	s := session.New(session.Options{
		Bot:      bot.New(bot.Options{Identity: identity, Domain: domain, Contacts: contacts, Answers: fair}),
		Server:   ownServer(cfg),
		Addr:     self.Addr,
		Password: identity.Password,
		Send:     all,
		Probe:    cfg.ProbeInterval.Duration(),
		Events:   NewEvents(metrics, config.EchoBot(cfg).ProbeResult(), log),
		Now:      time.Now,
		Log:      log,
	})
	daemon := service.Service{
		Name: "echobot", Background: s.Run, Log: log,
		Metrics: metrics, MetricsSocket: cfg.MetricsSocket("echobot"),
	}
	return daemon.Run(ctx)
}

// ownServer is the relay on this machine. Who else would answer on its loopback
// interface? The certificate is looked at by status and test.
func ownServer(cfg *config.Config) *mailbox.Server {
	return mailbox.New("127.0.0.1", &tls.Config{ServerName: config.Host(cfg), InsecureSkipVerify: true})
}
