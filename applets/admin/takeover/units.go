package takeover

import (
	"context"
	"fmt"
	"path"
	"time"

	"chatmaild/applets/admin/takeover/journal"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/admin/wait"
	"chatmaild/applets/admin/wanted"
)

const (
	unitFolder = "/etc/systemd/system"

	// drainTimeout is how long Postfix may take for the messages under way.
	drainTimeout = 20 * time.Second
	drainPoll    = 50 * time.Millisecond
)

// units are those of the old relay, and the servers that both relays use.
type units struct{ *importer }

// stopOld ends mail first, so that nothing is under way when the filters go.
func (im units) stopOld(ctx context.Context) error {
	im.say("stop Postfix and Dovecot for a moment")
	if err := im.stopMail(ctx); err != nil {
		return err
	}
	if err := im.mask(ctx, im.journal.Units); err != nil {
		return err
	}
	for _, cron := range pythonrelay.Crons {
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

// stopMail ends mail in such an order that nothing is lost and nothing comes twice:
// Postfix takes no more, delivers what is under way, and only then ends. It would
// kill a delivery in its middle, and make it once more.
func (im units) stopMail(ctx context.Context) error {
	units, err := im.machine.Units(ctx, wanted.PostfixInstance)
	if err != nil {
		return err
	}
	if units[0].Active == "active" {
		if err := im.machine.CloseMail(ctx); err != nil {
			return err
		}
		im.drain(ctx)
	}
	// postfix.service only stands for its instance.
	if err := im.machine.Systemctl(ctx, "stop", wanted.Postfix, wanted.PostfixInstance); err != nil {
		return err
	}
	return im.machine.Systemctl(ctx, "stop", wanted.Dovecot)
}

// drain waits for the messages under way. Some may be for a server that does not
// answer: after a while they are left to the next Postfix.
func (im units) drain(ctx context.Context) {
	until, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	err := wait.Until(until, drainPoll, func() (bool, error) {
		n, err := im.machine.UnderWay()
		if err == nil && n > 0 {
			err = fmt.Errorf("%d messages are still under way", n)
		}
		return err == nil, err
	})
	if err != nil {
		im.say("%v; going on", err)
	}
}

// mask stops units and keeps them from being started, by whomever. A mask takes the
// place of a file in /etc/systemd/system, so that goes aside first. All at once: each
// call of systemctl takes longer than all of its work.
func (im units) mask(ctx context.Context, units []journal.Unit) error {
	var stop, disable []string
	for _, u := range units {
		if im.machine.IsLink(path.Join(unitFolder, u.Name), "/dev/null") {
			continue
		}
		im.say("stop and mask %s", u.Name)
		stop = append(stop, u.Name)
		if u.Enabled {
			disable = append(disable, u.Name)
		}
	}
	if len(stop) > 0 {
		if err := im.machine.Systemctl(ctx, "stop", stop...); err != nil {
			return err
		}
	}
	if len(disable) > 0 {
		if err := im.machine.Systemctl(ctx, "disable", disable...); err != nil {
			return err
		}
	}
	for _, u := range units {
		file := path.Join(unitFolder, u.Name)
		if im.machine.IsLink(file, "/dev/null") {
			continue
		}
		if u.Moved {
			if err := im.machine.Move(file, path.Join(importMoved, file)); err != nil {
				return err
			}
		}
		if err := im.machine.Symlink("/dev/null", file); err != nil {
			return err
		}
	}
	return nil
}
