// Package expire is the wiring of the jobs that delete: expire for the whole store, by
// a timer, and quota-expire for one full mailbox, by Dovecot.
package expire

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/atomicfile"
	"chatmaild/store/expire"
	"chatmaild/store/maildir"
	"chatmaild/store/safefs"
)

// Command deletes old messages and the mailboxes of inactive users.
var Command = command.Command{
	Name: "expire", Kind: command.Oneshot,
	Synopsis: "deletes old and large messages, and mailboxes of inactive users",
	Description: `chatmaild-expire.timer starts it daily. A mailbox above 70 % of max_mailbox_size loses
its oldest messages, but none of the last 24 hours. It stops when the clock cannot be right:
before chatmaild was built, more than a week after the last run, or set ahead by more
than a day since then.`,
	Examples: command.Examples{
		{"expire --dry-run", "show what would be deleted"},
		{"expire --clock-is-right", "after the clock was corrected"},
	},
	Bind: func(flags *flag.FlagSet) command.Run {
		var job expiry
		flags.BoolVar(&job.dryRun, "dry-run", false, "show what would be deleted, and delete nothing")
		flags.BoolVar(&job.json, "json", false, "print JSON, for programs")
		flags.BoolVar(&job.trustClock, "clock-is-right", false, "continue although the clock has jumped ahead")
		return command.Configured(job.run)
	},
}

// expiry is one run over the whole store.
type expiry struct{ dryRun, json, trustClock bool }

// run works with the rights of whom the mailboxes belong to, also if root starts it.
func (job *expiry) run(ctx context.Context, env *command.Env, conf *config.Config) error {
	if _, err := safefs.Stat(conf.MailboxesDir); errors.Is(err, fs.ErrNotExist) {
		env.Log().Warn("there are no mailboxes yet", "mailboxes_dir", conf.MailboxesDir)
		return nil
	}
	return safefs.As(conf.MailboxesDir, func() error { return job.expire(ctx, env, conf) })
}

func (job *expiry) expire(ctx context.Context, env *command.Env, conf *config.Config) error {
	log := env.Log()
	start := time.Now()
	lastRun := expiryStamp(conf)
	if err := checkClock(start, lastRun, job.trustClock); err != nil {
		return err
	}
	mail, err := expire.Open(conf.MailboxesDir)
	if err != nil {
		return err
	}
	defer mail.Close()
	rows, err := accounts.Open(conf, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Home != nil {
		mail.Accounts = &homed{ctx, rows.Home, conf.AddressDomain()}
	}

	plan := expire.NewPlan(start, expire.NewLimits(conf.DeleteMailsAfter, conf.DeleteLargeAfter,
		conf.DeleteInactiveUsersAfter, int64(conf.MaxMailboxSize)))
	if conf.Echobot {
		plan = plan.Sparing(config.EchoBot(conf).Address())
	}
	var faults maildir.Faults
	remover := mail.DryRun()
	full := false // the disk, so that not even the time of this run can be written
	if !job.dryRun {
		deleter, err := mail.Deleter(plan, &faults)
		if err != nil {
			return err
		}
		defer deleter.Close()
		traces := &traces{socket: conf.Socket("metadata"), log: log}
		deleter.Gone = func(addr string) { traces.forget(ctx, addr) }
		remover = deleter
		err = lastRun.write(start)
		if full = atomicfile.NoRoom(err); full {
			log.Warn("the disk is full: this run is recorded when it has made room", "error", err)
		} else if err != nil {
			return err
		}
	}
	var progress maildir.Progress
	stop := showProgress(env, mail, &progress)
	sum, err := mail.Expire(ctx, plan, remover, &progress, &faults)
	stop()
	if full {
		err = errors.Join(err, lastRun.write(start))
	}

	done := expire.NewOutcome(job.dryRun, sum, &faults, time.Since(start))
	if printErr := job.print(env, done); printErr != nil {
		return printErr
	}
	if !job.dryRun {
		if recordErr := expire.WriteRecord(expire.RecordFile(conf.ExpireDir()), done, time.Now()); recordErr != nil {
			log.Warn("the metrics will not show this run", "error", recordErr)
		}
	}
	logFaults(log, &faults)
	log.Info("expiry finished", "dry_run", job.dryRun, "mailboxes", sum.Mailboxes, "messages", sum.Messages,
		"old", sum.Deleted[expire.Old].Count, "large", sum.Deleted[expire.Large].Count,
		"full", sum.Deleted[expire.Full].Count, "over", sum.Over, "still_over", sum.StillOver,
		"inactive", sum.Deleted[expire.Inactive].Count, "empty", sum.Deleted[expire.Empty].Count,
		"freed", sum.Freed(), "faults", faults.Total(), "took", time.Since(start).Round(time.Millisecond))
	if err != nil {
		return err
	}
	return faultsError(&faults)
}

func faultsError(faults *maildir.Faults) error {
	if err := faults.Err(); err != nil {
		return command.WithHint(err, "chatmaild expire --dry-run --debug names the mailboxes")
	}
	return nil
}

// logFaults names each kind of fault once. Only a log for debugging holds whose
// mailbox it was.
func logFaults(log *slog.Logger, faults *maildir.Faults) {
	for _, k := range faults.Kinds() {
		log.Warn("a part of the store could not be processed", "doing", k.Doing, "error", k.Error, "count", k.Count, "first", k.Name)
		log.Debug("the first of them", "doing", k.Doing, "mailbox", k.Mailbox)
	}
}

func expiryStamp(conf *config.Config) runStamp {
	return runStamp{filepath.Join(conf.ExpireDir(), "expire.json")}
}
