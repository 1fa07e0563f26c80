// Package clock is the job that restarts what waits for a time that comes later, after
// the clock was set back.
package clock

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// setBack is how far the clock may go back before Dovecot 2.3 cannot stand it. Up to five
// seconds its processes wait; beyond, they end, and it starts no new ones for up to three
// minutes (src/lib/ioloop.c, src/master/main.c).
const setBack = 5 * time.Second

// Command has the servers continue after the clock was set back.
var Command = command.Command{
	Name: "clock", Kind: command.Oneshot,
	Synopsis: "reloads the servers after the clock jumps backwards",
	Description: `Otherwise Dovecot and Postfix would wait until the clock has caught up. chatmaild-clock.timer
starts it.`,
	Bind: func(*flag.FlagSet) command.Run {
		return command.Configured(func(ctx context.Context, env *command.Env, _ *config.Config) error {
			return restart(ctx, host.Host{}, env.Log())
		})
	},
}

// restart has the servers continue after the clock was set. Forward, they do by themselves.
func restart(ctx context.Context, machine host.Host, log *slog.Logger) error {
	before, err := machine.Systemd().LastRun(ctx, desired.Clock, desired.ClockTimer)
	if err != nil {
		return err
	}
	// Again, because systemd starts nothing for what happens while we are at it.
	for {
		now, err := host.Now()
		if err != nil {
			return err
		}
		ahead := before.Set(now)
		if ahead.Abs() < time.Second {
			return nil
		}
		log.Warn("the clock was set", "ahead", ahead.Round(time.Millisecond))
		if ahead < -setBack {
			if err := afterSetBack(ctx, machine); err != nil {
				return err
			}
			log.Info("the servers continue")
		}
		before = now
	}
}

// afterSetBack frees what waits for a time that was already, users first: Dovecot,
// which starts processes again once it has reloaded, and keeps its ports open
// meanwhile; the messages that its dying processes did not take; then Postfix, whose
// timers are times of day, and what it was to try again at one; systemd's timer, which
// waits for the day after its last run. What is off, as after run --disable-mail,
// stays off.
func afterSetBack(ctx context.Context, machine host.Host) error {
	return errors.Join(
		machine.Systemd().Systemctl(ctx, "try-reload-or-restart", desired.Dovecot),
		freeMail(ctx, machine),
		machine.Systemd().Systemctl(ctx, "try-restart", desired.ExpireTimer),
	)
}

func freeMail(ctx context.Context, machine host.Host) error {
	units, err := machine.Systemd().Units(ctx, machine.PostfixInstance())
	if err != nil || len(units) != 1 || units[0].Active != "active" {
		return err
	}
	return errors.Join(
		machine.Postfix().Flush(ctx),
		machine.Systemd().Systemctl(ctx, "try-reload-or-restart", machine.PostfixInstance()),
		machine.Postfix().Flush(ctx),
	)
}
