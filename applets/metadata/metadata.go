// Package metadata is the daemon that keeps IMAP METADATA for Dovecot and sends push
// notifications.
package metadata

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/metadata/appversions"
	"chatmaild/applets/service"
	"chatmaild/mailfilter/ratelimit"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
	"chatmaild/push/gateway"
	"chatmaild/store/disk"
	"chatmaild/store/maildir"
	"chatmaild/store/tokens"
)

// Command keeps IMAP METADATA and sends push notifications.
var Command = command.Command{
	Name: "metadata", Kind: command.Daemon,
	Synopsis:    "keeps IMAP METADATA and sends push notifications",
	Description: "Lost tokens are set again when their clients connect.",
	Bind: func(flags *flag.FlagSet) command.Run {
		reset := flags.Bool("reset", false, "move the database aside, for an empty one at the next start, and exit")
		return func(ctx context.Context, env *command.Env, _ []string) (err error) {
			conf, err := env.Config()
			if err != nil {
				return err
			}
			if *reset {
				return resetStore(env, conf)
			}
			log := env.Log()
			db, err := openStore(conf, log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()

			turn, err := turnCredentials(conf, log)
			if err != nil {
				return err
			}
			tokens, err := newTokens()
			if err != nil {
				return err
			}
			metrics := service.NewMetrics("metadata", time.Now())
			notifications := NewMetrics(metrics)
			notifier := push.NewNotifier(push.Options{
				Queue:     db,
				Endpoints: notificationServices(conf, env.Version),
				Mailboxes: db.Mailboxes,
				Events:    &events{log: log},
				Now:       time.Now,
				Jitter:    rand.Float64,
				Delivered: notifications.delivered,
			})
			notifications.follow(metrics, notifier)
			server := dict.Server{Log: log, Handler: handler{
				notifier: notifier,
				copy:     db.Copy,
				mail: &delivered{
					messages: &maildir.Delivered{Dir: conf.MailboxesDir, Now: time.Now},
					all:      &disk.Syncer{Dir: conf.MailboxesDir, Pause: syncPause}, deliveries: notifications.deliveries, log: log,
				},
				service: &push.Metadata{
					Registry:    db,
					Values:      serverMetadata(conf),
					Turn:        turn,
					AppVersions: appVersions(conf, log),
					Fresh:       notifier.Fresh,
					NewToken:    notifications.bounded(tokens.Allow),
					Now:         time.Now,
				},
			}}
			daemon := service.Service{
				Name: "metadata", Address: service.Unix(conf.Socket("metadata")),
				Serve: server.Serve, Background: notifier.Run, Log: log,
				Metrics: metrics, MetricsSocket: conf.MetricsSocket("metadata"),
			}
			return daemon.Run(ctx)
		}
	},
}

// syncPause is the least time between two syncs of the mailboxes: deliveries at the same
// time share one, which costs less and holds each of them for no longer than this.
const syncPause = 20 * time.Millisecond

// newTokenSenders is how many accounts may register new tokens at the same time without
// sharing an allowance: 256 KiB.
const newTokenSenders = 1 << 14

// newTokens bounds how often an account may register a new push token.
func newTokens() (*ratelimit.Limiter, error) {
	start := time.Now()
	return ratelimit.New(ratelimit.Options{
		PerMinute: push.NewTokensPerMinute,
		Burst:     push.MaxTokens,
		Senders:   newTokenSenders,
		Now:       func() time.Duration { return time.Since(start) },
	})
}

// openStore opens the database of tokens and notifications.
func openStore(conf *config.Config, log *slog.Logger) (*tokens.DB, error) {
	path := conf.MetadataDB()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	db, err := tokens.Open(path, tokens.Options{
		Mailboxes: tokens.MailDir(conf.MailboxesDir),
		Now:       time.Now,
		Log:       log,
	})
	const reset = "start with an empty one: chatmaild metadata --reset (devices are notified again once they have connected)"
	switch {
	case errors.Is(err, tokens.ErrDamaged), errors.Is(err, tokens.ErrForeign):
		return nil, command.WithHint(err, "restore it from a backup, or %s", reset)
	case errors.Is(err, tokens.ErrNewer):
		return nil, command.WithHint(err, "install the newer chatmaild again, or %s", reset)
	case errors.Is(err, tokens.ErrInUse):
		return nil, command.WithHint(err, "is the daemon already running? (see: systemctl status chatmaild-metadata)")
	}
	return db, err
}

// resetStore moves the database aside. It is never done automatically: the tokens in it are
// what wakes the devices of people who wait for their next message.
func resetStore(env *command.Env, conf *config.Config) error {
	aside, err := tokens.Reset(conf.MetadataDB(), time.Now())
	if errors.Is(err, tokens.ErrInUse) {
		return command.WithHint(err, "stop the daemon first: systemctl stop chatmaild-metadata")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "the old database is now %s\nstart the daemon: %s\n", aside, command.Hint("systemctl start chatmaild-metadata"))
	return err
}

// serverMetadata is what clients read below /shared/vendor/deltachat/ on the server.
// /shared/admin and /shared/comment are settings of Dovecot.
func serverMetadata(conf *config.Config) map[string]string {
	values := map[string]string{"maxsmtprecipients": strconv.Itoa(conf.MaxSMTPRecipients)}
	// This is of iroh 0.35. iroh 1.0 cannot use such a relay, and its clients will read
	// another entry (chatmail/relay#1010): its place is here.
	if url := config.Iroh(conf).URL(); url != "" {
		values["irohrelay"] = url
	}
	return values
}

// appVersions returns what returns the entry that tells clients of new versions; nil if
// there is no file of them.
func appVersions(conf *config.Config, log *slog.Logger) func() string {
	if conf.AppVersionsFile == "" {
		return nil
	}
	return appversions.Follow(conf.AppVersionsFile, log).Value
}

// notificationServices are the services of notify_url. Several share nothing.
func notificationServices(conf *config.Config, version string) []push.Endpoint {
	var services []push.Endpoint
	for _, url := range conf.NotifyURL {
		sender := gateway.New(url, gateway.Options{UserAgent: "chatmaild/" + version, Now: time.Now})
		services = append(services, push.Endpoint{Name: url, Sender: sender})
	}
	return services
}

// events is the operator's log of the notifier. Errors of a service name its URL,
// and no token.
type events struct {
	log     *slog.Logger
	faultAt atomic.Int64 // when a fault was logged last, in Unix seconds
}

// faultInterval is how often a fault of the disk is logged, in seconds. While a disk is
// full, each notification meets it.
const faultInterval = 10

var _ push.Events = (*events)(nil)

// ServiceDead implements push.Events.
func (e *events) ServiceDead(name string, err error) {
	e.log.Warn("a notification service seems down: notifications wait, and it is retried now and then", "service", name, "error", err)
}

// ServiceAlive implements push.Events.
func (e *events) ServiceAlive(name string, down time.Duration) {
	e.log.Info("a notification service is back", "service", name, "down", down.Round(time.Second).String())
}

// Expired implements push.Events.
func (e *events) Expired(entries int) {
	e.log.Debug("notifications were given up", "count", entries)
}

// Fault implements push.Events.
func (e *events) Fault(err error) {
	now, last := time.Now().Unix(), e.faultAt.Load()
	if now-last >= faultInterval && e.faultAt.CompareAndSwap(last, now) {
		e.log.Error("the notification database fails", "error", err)
	}
}
