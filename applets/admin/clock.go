package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/wanted"
)

const (
	// setBack is how far the clock may go back before Dovecot 2.3 cannot stand it.
	// Up to five seconds its processes wait; beyond, they end, and it starts no
	// new ones for up to three minutes (src/lib/ioloop.c, src/master/main.c).
	setBack = 5 * time.Second

	// clockNews is by how much a clock has to be set for status to speak of it:
	// more than a time service corrects at a start.
	clockNews = 5 * time.Second
)

// ClockSet has the servers go on after somebody has set the clock. Forward, they
// do by themselves.
func ClockSet(ctx context.Context, log *slog.Logger) error {
	return clockSet(ctx, host.Host{}, log)
}

func clockSet(ctx context.Context, machine host.Host, log *slog.Logger) error {
	before, err := machine.LastRun(ctx, wanted.Clock, wanted.ClockTimer)
	if err != nil {
		return err
	}
	// Again, because systemd starts nothing for what happens while we are at it.
	for {
		now, err := machine.Moment()
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
			log.Info("the servers go on")
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
		machine.Systemctl(ctx, "try-reload-or-restart", wanted.Dovecot),
		freeMail(ctx, machine),
		machine.Systemctl(ctx, "try-restart", wanted.ExpireTimer),
	)
}

func freeMail(ctx context.Context, machine host.Host) error {
	units, err := machine.Units(ctx, wanted.PostfixInstance)
	if err != nil || len(units) != 1 || units[0].Active != "active" {
		return err
	}
	return errors.Join(
		machine.FlushMail(ctx),
		machine.Systemctl(ctx, "try-reload-or-restart", wanted.PostfixInstance),
		machine.FlushMail(ctx),
	)
}

// clock tells of a clock that was set, or that nobody keeps.
func (e *examiner) clock(ctx context.Context) {
	kept, err := e.machine.ClockKept()
	if err != nil {
		e.say("clock", notice, "", "%v", err)
		return
	}
	ahead, err := e.clockSet(ctx)
	if err != nil {
		e.say("clock", trouble, "is this machine up? systemctl status", "%v", err)
		return
	}
	e.findings = append(e.findings, clockFinding(e.now, ahead, kept))
}

// clockSet is by how much the clock was set since the machine started.
func (e *examiner) clockSet(ctx context.Context) (time.Duration, error) {
	started, err := e.machine.Started(ctx)
	if err != nil {
		return 0, err
	}
	now, err := e.machine.Moment()
	return started.Set(now), err
}

// clockFinding judges a clock that was set so far ahead since the machine started.
// One that a time service keeps may have been set right.
func clockFinding(now time.Time, ahead time.Duration, kept bool) finding {
	const hint = "timedatectl shows it; a time service keeps it right: apt install systemd-timesyncd"
	told := now.UTC().Format("2006-01-02 15:04:05 MST")
	switch {
	case kept:
		return finding{"clock", fine, told + ", kept by a time service", ""}
	case ahead >= clockNews:
		return finding{"clock", notice, fmt.Sprintf("%s, set %s ahead since this machine started, and no time service keeps it", told, span(ahead)), hint}
	case ahead <= -clockNews:
		return finding{"clock", notice, fmt.Sprintf("%s, set %s back since this machine started, and no time service keeps it", told, span(-ahead)), hint}
	}
	return finding{"clock", fine, told + "; no time service keeps it", ""}
}
