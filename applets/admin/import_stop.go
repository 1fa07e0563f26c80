package admin

import (
	"context"
	"fmt"
	"path"
	"time"

	"chatmaild/applets/admin/takeover"
	"chatmaild/applets/admin/wanted"
)

const (
	unitFolder = "/etc/systemd/system"

	postfixPrograms = "/usr/lib/postfix/sbin"

	// drainTimeout is how long Postfix may take for the messages under way.
	drainTimeout = 20 * time.Second
	drainPoll    = 50 * time.Millisecond
)

// stopOld ends mail first, so that nothing is under way when the filters go.
func (im *importer) stopOld(ctx context.Context) error {
	im.say("stop Postfix and Dovecot for a moment")
	if err := im.stopMail(ctx); err != nil {
		return err
	}
	for _, u := range im.journal.Units {
		im.say("stop and mask %s", u.Name)
		if err := im.mask(ctx, u); err != nil {
			return err
		}
	}
	for _, cron := range takeover.Crons {
		if there, err := im.machine.Exists(cron); err != nil {
			return err
		} else if there {
			im.say("move %s away", cron)
			im.journal.Crons = append(im.journal.Crons, cron)
			if err := im.writeJournal(); err != nil {
				return err
			}
		}
	}
	for _, cron := range im.journal.Crons {
		if err := im.machine.Move(cron, path.Join(importMoved, cron)); err != nil {
			return err
		}
	}
	return im.machine.Systemctl(ctx, "daemon-reload")
}

// stopMail stops Postfix, and Dovecot only when the last message under way has been
// delivered: one that Dovecot breaks off waits for minutes, or comes twice.
func (im *importer) stopMail(ctx context.Context) error {
	// postfix.service only stands for its instance.
	if err := im.machine.Systemctl(ctx, "stop", wanted.Postfix, postfixInstance); err != nil {
		return err
	}
	until, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	err := poll(until, drainPoll, func() (bool, error) {
		n := im.machine.Processes(postfixPrograms)
		return n == 0, fmt.Errorf("%d processes of Postfix are still at work", n)
	})
	if err != nil {
		im.say("%v; going on", err)
	}
	return im.machine.Systemctl(ctx, "stop", wanted.Dovecot)
}

// mask stops a unit and keeps it from being started, by whomever. A mask takes the
// place of a file in /etc/systemd/system, so that goes aside first.
func (im *importer) mask(ctx context.Context, u takeover.OldUnit) error {
	file := path.Join(unitFolder, u.Name)
	if im.machine.IsLink(file, "/dev/null") {
		return nil
	}
	if err := im.machine.Systemctl(ctx, "stop", u.Name); err != nil {
		return err
	}
	if u.Enabled {
		if err := im.machine.Systemctl(ctx, "disable", u.Name); err != nil {
			return err
		}
	}
	if u.Moved {
		if err := im.machine.Move(file, path.Join(importMoved, file)); err != nil {
			return err
		}
	}
	return im.machine.Symlink("/dev/null", file)
}
