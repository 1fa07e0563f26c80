// Package doveauth is the daemon that Dovecot and filtermail-out ask for accounts: who may log
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
	"sync"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/doveauth/member"
	"chatmaild/applets/doveauth/policy"
	"chatmaild/applets/service"
	"chatmaild/auth"
	"chatmaild/auth/machine"
	"chatmaild/packaging/dovecot/authserver"
	"chatmaild/packaging/postfix/socketmap"
	"chatmaild/store/census"
	"chatmaild/store/maildir"
)

// rememberLogins is how many verified logins doveauth keeps in mind: all of a
// large relay's users, for some 30 MB.
const rememberLogins = 400_000

// startingPerProcessor is how many logins may begin at a time, each for startingTime: enough to
// keep half of a processor busy, at some 8 ms each, and few enough that everything else gets its
// turn.
const (
	startingPerProcessor = 4
	startingTime         = 60 * time.Millisecond
)

// Command checks logins for Dovecot and filtermail-out, and creates accounts.
var Command = command.Command{
	Name: "doveauth", Kind: command.Daemon,
	Synopsis: "checks logins for IMAP and submission, and creates accounts",
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
	watch := member.NewWatch(cfg)
	rows, err := accounts.Open(cfg, watch.Alive)
	if err != nil {
		return err
	}
	defer rows.Close()
	more := []service.Endpoint{}
	var limiter auth.Limiter = auth.NewRates(rules.Current, time.Now)
	if config.Clustered(cfg) {
		all := newShared(cfg, limiter)
		limiter, more = all, append(more, all.Endpoint("signup", log))
	}
	logins := auth.New(auth.Options{
		Domain:   cfg.AddressDomain(),
		Accounts: rows,
		Machine:  &machine.Machine{Mailboxes: cfg.MailboxesDir, NoCreate: cfg.NocreateFile, Now: time.Now},
		Policy:   rules.Current,
		Limiter:  limiter,
		Now:      time.Now,
		Key:      key,
		Remember: rememberLogins,
		Workers:  runtime.GOMAXPROCS(0),
	})
	metrics := service.NewMetrics("doveauth", time.Now())
	numbers, count := NewMetrics(metrics), census.New(cfg.MailboxesDir, cfg.AddressDomain())
	numbers.follow(metrics, cfg, rules, logins, count)
	answers := &handler{accounts: logins, rows: rows, log: log, took: numbers.login}
	beside := []func(context.Context){watch.Run}
	if rows.Home != nil {
		machines := NewMachinesMetrics(metrics, config.MemberNames(cfg)...)
		machines.follow(metrics, cfg, rows.Roll)
		rows.Rows.Observe(machines.observe)
		beside = append(beside, rows.Roll.Run, func(ctx context.Context) { machines.count(ctx, cfg, log) })
		rows.Roll.Look(ctx) // for the first logins, too
		answers.member = member.New(cfg, rows.Home, rows.Rows.Writer, rows.Roll)
		tables := &socketmap.Server{Handler: member.Tables{Member: answers.member, Log: log}, Log: log}
		more = append(more, service.Endpoint{Name: "homes", Address: service.Unix(cfg.Socket("homes")), Serve: tables.Serve})
	}
	dovecot := &authserver.Server{
		Handler: answers, Log: log, PID: os.Getpid(), Starting: startingPerProcessor * runtime.NumCPU(), Stay: startingTime,
	}
	daemon := service.Service{
		Name: "doveauth", Background: background(rules, count, log, beside...), Log: log,
		Metrics: metrics, MetricsSocket: cfg.MetricsSocket("doveauth"),
		More: append(more, []service.Endpoint{
			{Name: "auth-login", Address: service.Unix(cfg.Socket("auth-login")), Serve: dovecot.ServeLogin},
			{Name: "auth-master", Address: service.Unix(cfg.Socket("auth-master")), Serve: dovecot.ServeMaster},
			{Name: "auth-userdb", Address: service.Unix(cfg.Socket("auth-userdb")), Serve: dovecot.ServeUserdb},
			{Name: "auth-submission", Address: service.Unix(cfg.Socket("auth-submission")), Serve: dovecot.ServeSASL},
			// Where Postfix asks until an upgrade from a version in which it served users' clients is done.
			{Name: "auth-sasl", Handed: true, Serve: dovecot.ServeSASL},
		}...),
	}
	if err := daemon.Run(ctx); err != nil {
		return err
	}
	return use.End()
}

// background follows the policy, counts the mailboxes, and does what is to be done beside.
// Logins continue when counting fails.
func background(rules *policy.Policy, mailboxes *census.Census, log *slog.Logger, beside ...func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		var all sync.WaitGroup
		for _, task := range beside {
			all.Go(func() { task(ctx) })
		}
		all.Go(func() {
			if err := mailboxes.Run(ctx); err != nil {
				log.Warn("the metrics no longer count the accounts", "error", err)
			}
		})
		err := rules.Watch(ctx)
		all.Wait()
		return err
	}
}
