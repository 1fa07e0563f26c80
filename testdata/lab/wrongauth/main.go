// Command wrongauth is a doveauth with a fault, for a relay of the lab: in the place of
// the real one, at its sockets, with its accounts.
//
//	wrongauth any    lets in all who ask, with any password, of any domain
//	wrongauth once   lets each account in once
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/doveauth/policy"
	"chatmaild/applets/service"
	"chatmaild/auth"
	"chatmaild/auth/machine"
	"chatmaild/packaging/dovecot/authserver"
	"chatmaild/store/directory/files"
	"chatmaild/store/maildir"
)

func main() {
	faults := map[string]func(user string, ok bool) bool{"any": always, "once": once()}
	if len(os.Args) != 2 || faults[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: wrongauth any|once")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx, faults[os.Args[1]]); err != nil {
		fmt.Fprintln(os.Stderr, "wrongauth:", err)
		os.Exit(1)
	}
}

func always(string, bool) bool { return true }

func once() func(user string, ok bool) bool {
	var mu sync.Mutex
	seen := make(map[string]bool)
	return func(user string, ok bool) bool {
		mu.Lock()
		defer mu.Unlock()
		if !ok || seen[user] {
			return false
		}
		seen[user] = true
		return true
	}
}

func run(ctx context.Context, fault func(user string, ok bool) bool) error {
	cfg, err := config.Load(config.DefaultPath)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	key := make([]byte, 32)
	rand.Read(key)
	rows := files.New(maildir.New(cfg.MailboxesDir, cfg.AddressDomain()), time.Now)
	rules := policy.New(config.DefaultPath, cfg, log).Current
	accounts := auth.New(auth.Options{
		Domain:   cfg.AddressDomain(),
		Accounts: rows,
		Machine:  &machine.Machine{Mailboxes: cfg.MailboxesDir, NoCreate: cfg.NocreateFile, Now: time.Now},
		Policy:   rules,
		Limiter:  auth.NewRates(rules, time.Now),
		Now:      time.Now,
		Key:      key,
		Remember: 1,
		Workers:  runtime.GOMAXPROCS(0),
	})
	dovecot := &authserver.Server{Handler: &handler{accounts, rows, fault}, Log: log, PID: os.Getpid()}
	daemon := service.Service{Name: "wrongauth", Log: log, More: []service.Endpoint{
		{Name: "auth-login", Serve: dovecot.ServeLogin},
		{Name: "auth-master", Serve: dovecot.ServeMaster},
		{Name: "auth-userdb", Serve: dovecot.ServeUserdb},
		{Name: "auth-submission", Serve: dovecot.ServeSASL},
		{Name: "auth-sasl", Handed: true, Serve: dovecot.ServeSASL},
	}}
	return daemon.Run(ctx)
}
