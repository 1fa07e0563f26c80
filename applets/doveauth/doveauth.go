// Package doveauth is the daemon that Dovecot and Postfix ask for accounts: who may log
// in, and which recipients there are. It is the relay's authentication server, in
// place of Dovecot's own: see packaging/dovecot/authserver.
package doveauth

import (
	"context"
	"crypto/rand"
	"flag"
	"log/slog"
	"os"
	"runtime"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/doveauth/policy"
	"chatmaild/applets/service"
	"chatmaild/auth"
	"chatmaild/auth/machine"
	"chatmaild/packaging/dovecot/authserver"
	"chatmaild/store/census"
	"chatmaild/store/directory/files"
	"chatmaild/store/maildir"
)

// rememberLogins is how many verified logins doveauth keeps in mind: all of a
// large relay's users, for some 30 MB.
const rememberLogins = 400_000

// startingPerProcessor is how many imap processes may start at a time: enough to keep a
// processor busy, and few enough that everything else gets its turn.
const startingPerProcessor = 4

// Command checks logins for Dovecot and Postfix, and creates accounts.
var Command = command.Command{
	Name: "doveauth", Kind: command.Daemon,
	Synopsis: "checks logins for Dovecot and Postfix, and creates accounts",
	Description: `An account is created by its first login. Dovecot's own auth service never runs. When a
message is delivered, it says which recipients exist; mail to the others bounces.`,
	Bind: func(*flag.FlagSet) command.Run { return command.Configured(run) },
}

func run(ctx context.Context, env *command.Env, cfg *config.Config) error {
	log := env.Log()
	mailboxes := maildir.New(cfg.MailboxesDir, cfg.AddressDomain())
	if err := mailboxes.Make(); err != nil {
		return err
	}
	use := maildir.UseOf(cfg.MailboxesDir)
	repair(ctx, mailboxes, use, machine.Boot(), log)
	rules := policy.New(env.ConfigPath, cfg, log)
	key := make([]byte, 32)
	rand.Read(key)
	rows := files.New(mailboxes, time.Now)
	accounts := auth.New(auth.Options{
		Domain:   cfg.AddressDomain(),
		Accounts: rows,
		Machine:  &machine.Machine{Mailboxes: cfg.MailboxesDir, NoCreate: cfg.NocreateFile, Now: time.Now},
		Policy:   rules.Current,
		Now:      time.Now,
		Key:      key,
		Remember: rememberLogins,
		Workers:  runtime.GOMAXPROCS(0),
	})
	metrics := service.NewMetrics("doveauth", time.Now())
	numbers, count := NewMetrics(metrics), census.New(cfg.MailboxesDir, cfg.AddressDomain())
	numbers.follow(metrics, cfg, rules, accounts, count)
	dovecot := &authserver.Server{
		Handler: &handler{accounts: accounts, rows: rows, log: log, took: numbers.login},
		Log:     log, PID: os.Getpid(), Starting: startingPerProcessor * runtime.NumCPU(),
	}
	daemon := service.Service{
		Name: "doveauth", Background: background(rules, count, log), Log: log,
		Metrics: metrics, MetricsSocket: cfg.MetricsSocket("doveauth"),
		More: []service.Endpoint{
			{Name: "auth-login", Address: service.Unix(cfg.Socket("auth-login")), Serve: dovecot.ServeLogin},
			{Name: "auth-master", Address: service.Unix(cfg.Socket("auth-master")), Serve: dovecot.ServeMaster},
			{Name: "auth-userdb", Address: service.Unix(cfg.Socket("auth-userdb")), Serve: dovecot.ServeUserdb},
			{Name: "auth-sasl", Address: service.Unix(cfg.Socket("auth-sasl")), Serve: dovecot.ServeSASL},
		},
	}
	if err := daemon.Run(ctx); err != nil {
		return err
	}
	return use.End()
}

// background follows the policy and counts the mailboxes. Logins continue when counting
// fails.
func background(rules *policy.Policy, mailboxes *census.Census, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		counting := make(chan struct{})
		go func() {
			defer close(counting)
			if err := mailboxes.Run(ctx); err != nil {
				log.Warn("the metrics no longer count the accounts", "error", err)
			}
		}()
		err := rules.Watch(ctx)
		<-counting
		return err
	}
}
