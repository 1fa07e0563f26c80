// Package lastlogin is the daemon that notes on which day an account was used last.
package lastlogin

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/store/maildir"
)

// Command notes the day of the last login.
var Command = command.Command{
	Name: "lastlogin", Kind: command.Daemon,
	Synopsis: "records the day of the last login",
	Bind:     func(*flag.FlagSet) command.Run { return command.Configured(run) },
}

func run(ctx context.Context, env *command.Env, cfg *config.Config) error {
	log := env.Log()
	metrics := service.NewMetrics("lastlogin", time.Now())
	server := dict.Server{Log: log, Handler: &handler{
		metrics:   NewMetrics(metrics),
		mailboxes: maildir.New(cfg.MailboxesDir, cfg.AddressDomain()),
		domain:    cfg.AddressDomain(),
		log:       log,
	}}
	daemon := service.Service{
		Name: "lastlogin", Address: service.Unix(cfg.Socket("lastlogin")),
		Serve: server.Serve, Log: log,
		Metrics: metrics, MetricsSocket: cfg.MetricsSocket("lastlogin"),
	}
	return daemon.Run(ctx)
}

// keyPrefix is that of the keys that Dovecot's last_login plugin sets
// (doc.dovecot.org, "last-login plugin"); the address follows.
const keyPrefix = "shared/last-login/"

// maxSeconds is the last second of the year 9999.
const maxSeconds = 253402300799

// handler notes logins.
type handler struct {
	mailboxes *maildir.Store
	domain    string
	log       *slog.Logger
	metrics   *Metrics
}

var _ dict.Handler = (*handler)(nil)

// Lookup implements dict.Handler; nobody asks, since the day is in the file.
func (h *handler) Lookup(context.Context, string, string) (string, bool, error) {
	return "", false, nil
}

// Iterate implements dict.Handler.
func (h *handler) Iterate(context.Context, string, string, func(key, value string) error) error {
	return nil
}

// Commit implements dict.Handler.
func (h *handler) Commit(_ context.Context, _ string, changes []dict.Change) error {
	for _, c := range changes {
		user, ok := strings.CutPrefix(c.Key, keyPrefix)
		if !ok || c.Unset {
			h.log.Warn("unknown key of a last login")
			continue
		}
		if err := h.set(user, c.Value); err != nil {
			return err
		}
	}
	return nil
}

func (h *handler) set(user, value string) error {
	addr, err := mailaddr.Parse(user, h.domain)
	if err != nil {
		return err
	}
	at, err := strconv.ParseInt(value, 10, 64)
	if err != nil || at < 0 || at > maxSeconds {
		return errors.New("the time of a last login is not in seconds: last_login_precision must be s")
	}
	err = h.mailboxes.SetLastLogin(addr, time.Unix(at, 0))
	switch {
	case errors.Is(err, auth.ErrNoMailbox), errors.Is(err, auth.ErrNoPassword):
		// Deleted while its session began, or never one of ours.
		h.log.Debug("last login without a mailbox", "user", user)
		return nil
	case err != nil:
		h.metrics.faults.Add(1)
		h.log.Error("cannot record a login", "error", err)
		return errors.New("lastlogin: temporary failure")
	}
	h.metrics.noted.Add(1)
	return nil
}
