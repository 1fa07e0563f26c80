package applets

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/auth/dict"
	"chatmaild/push"
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

			server := dict.Server{Log: log, Handler: metadataHandler{&push.Service{
				Registry: db,
				Values:   serverMetadata(conf),
				Fresh:    func([]push.Key) {},
				Now:      time.Now,
			}}}
			daemon := service.Service{
				Name: "metadata", Address: service.Unix(conf.Socket("metadata")),
				Serve: server.Serve, Log: log,
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

// metadataHandler makes a push.Service a dict.Handler.
type metadataHandler struct{ *push.Service }

var _ dict.Handler = metadataHandler{}

// Lookup implements dict.Handler.
func (h metadataHandler) Lookup(_ context.Context, key, user string) (string, bool, error) {
	return h.Service.Lookup(key, user)
}

// Iterate implements dict.Handler. Dovecot does so to list a mailbox's entries: ours
// are not listed, clients know their names.
func (h metadataHandler) Iterate(context.Context, string, string, func(key, value string) error) error {
	return nil
}

// Commit implements dict.Handler.
func (h metadataHandler) Commit(_ context.Context, user string, changes []dict.Change) error {
	for _, c := range changes {
		var err error
		if c.Unset {
			err = h.Unset(c.Key, user)
		} else {
			err = h.Set(c.Key, user, c.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
