package expire

import (
	"context"
	"errors"
	"flag"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/expire"
	"chatmaild/store/maildir"
	"chatmaild/store/safefs"
)

// QuotaCommand deletes the oldest messages of one full mailbox.
var QuotaCommand = command.Command{
	Name: "quota-expire", Kind: command.Oneshot, Args: "ADDRESS",
	Synopsis:    "deletes the oldest messages of one full mailbox",
	Description: "Dovecot starts it.",
	Bind: func(*flag.FlagSet) command.Run {
		return shrink
	},
}

// shrink is called by Dovecot's quota_warning when a delivery or an upload takes
// a mailbox over the threshold; many run at once, for different users.
func shrink(ctx context.Context, env *command.Env, args []string) error {
	if len(args) != 1 {
		return command.Usagef("missing ADDRESS")
	}
	conf, err := env.Config()
	if err != nil {
		return err
	}
	return safefs.As(conf.MailboxesDir, func() error { return shrinkOne(ctx, env, conf, args[0]) })
}

func shrinkOne(ctx context.Context, env *command.Env, conf *config.Config, addr string) error {
	now := time.Now()
	if err := checkClock(now, expiryStamp(conf), false); err != nil {
		return err
	}
	mail, err := expire.Open(conf.MailboxesDir)
	if err != nil {
		return err
	}
	defer mail.Close()

	log := env.Log()
	var faults maildir.Faults
	deleted, err := mail.Shrink(ctx, addr, expire.SizeLimit(int64(conf.MaxMailboxSize)), now, &faults)
	if errors.Is(err, expire.ErrBusy) {
		log.Debug("another quota-expire is running on this mailbox", "mailbox", addr)
		return nil
	}
	logFaults(log, &faults)
	// Dovecot logs whatever its scripts say as an error: what went well is not said.
	log.Debug("quota expiry finished", "mailbox", addr, "messages", deleted.Count, "freed", deleted.Size,
		"took", time.Since(now).Round(time.Millisecond))
	if err != nil {
		return err
	}
	return faultsError(&faults)
}
