package applets

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/auth/dict"
	"chatmaild/push"
	"chatmaild/push/gateway"
	"chatmaild/store"
)

var metadata = command.Command{
	Name: "metadata", Kind: command.Daemon,
	Synopsis: "keeps IMAP METADATA and sends push notifications",
	Bind: func(flags *flag.FlagSet) command.Run {
		reset := flags.Bool("reset", false, "begin with an empty database; the old file is kept aside")
		return func(ctx context.Context, env *command.Env, _ []string) (err error) {
			conf, err := env.Config()
			if err != nil {
				return err
			}
			log := env.Log()
			db, err := openStore(conf, log, *reset)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()

			notifier := push.NewNotifier(push.Options{
				Queue:     db,
				Endpoints: notificationServices(conf, env.Version),
				Mailboxes: db.Mailboxes,
				Events:    pushEvents{log},
				Now:       time.Now,
				Jitter:    rand.Float64,
			})
			server := dict.Server{Log: log, Handler: metadataHandler{
				notifier: notifier,
				service: &push.Service{
					Registry: db,
					Values:   serverMetadata(conf),
					Fresh:    notifier.Fresh,
					Now:      time.Now,
				},
			}}
			daemon := service.Service{
				Name: "metadata", Address: service.Unix(conf.Socket("metadata")),
				Serve: server.Serve, Background: notifier.Run, Log: log,
			}
			return daemon.Run(ctx)
		}
	},
}

// openStore opens the database of tokens and notifications.
func openStore(conf *config.Config, log *slog.Logger, reset bool) (*store.DB, error) {
	path := conf.MetadataDB()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	if reset {
		aside, err := store.Reset(path, time.Now())
		if err != nil {
			return nil, err
		}
		log.Warn("beginning with an empty database: devices are notified once they have connected again", "old", aside)
	}
	db, err := store.Open(path, store.Options{
		Mailboxes: store.MailFolder(conf.MailboxesDir),
		Now:       time.Now,
		Log:       log,
	})
	switch {
	case errors.Is(err, store.ErrDamaged), errors.Is(err, store.ErrForeign):
		return nil, command.WithHint(err, "restore it from a backup, or begin with an empty one: chatmaild metadata --reset (as user vmail; the old file is kept)")
	case errors.Is(err, store.ErrNewer):
		return nil, command.WithHint(err, "install that chatmaild again, or begin with an empty database: chatmaild metadata --reset (as user vmail; the old file is kept)")
	case errors.Is(err, store.ErrInUse):
		return nil, command.WithHint(err, "is chatmaild-metadata.service running? (see: systemctl status chatmaild-metadata)")
	}
	return db, err
}

// serverMetadata is what clients read below /shared/vendor/deltachat/ on the server.
// /shared/admin and /shared/comment are settings of Dovecot.
func serverMetadata(conf *config.Config) map[string]string {
	values := map[string]string{"maxsmtprecipients": strconv.Itoa(conf.MaxSMTPRecipients)}
	if conf.IrohRelay != "" {
		values["irohrelay"] = conf.IrohRelay
	}
	return values
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

// pushEvents is the operator's log of the notifier. Errors of a service name its URL,
// and no token.
type pushEvents struct{ log *slog.Logger }

var _ push.Events = pushEvents{}

// ServiceDead implements push.Events.
func (e pushEvents) ServiceDead(name string, err error) {
	e.log.Warn("a notification service seems dead: notifications wait, it is asked now and then", "service", name, "error", err)
}

// ServiceAlive implements push.Events.
func (e pushEvents) ServiceAlive(name string, down time.Duration) {
	e.log.Info("a notification service is back", "service", name, "down", down.Round(time.Second).String())
}

// Expired implements push.Events.
func (e pushEvents) Expired(entries int) {
	e.log.Debug("notifications were given up", "count", entries)
}

// Fault implements push.Events.
func (e pushEvents) Fault(err error) {
	e.log.Error("the database of notifications fails", "error", err)
}
