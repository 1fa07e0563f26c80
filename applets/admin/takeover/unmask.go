package takeover

import (
	"context"
	"path"
	"slices"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/takeover/journal"
)

// unmask puts the files of units and timers back where they were.
func (im units) unmask(ctx context.Context) error {
	for _, u := range im.journal.Units {
		file := path.Join(unitDir, u.Name)
		if !im.machine.IsLink(file, "/dev/null") {
			// The file itself may have been moved, and the mask not made yet.
			if err := im.machine.MoveBack(path.Join(importMoved, file), file); err != nil {
				return err
			}
			continue
		}
		if err := im.machine.Remove(file); err != nil {
			return err
		}
		if err := im.machine.MoveBack(path.Join(importMoved, file), file); err != nil {
			return err
		}
	}
	return im.machine.Systemd().Systemctl(ctx, "daemon-reload")
}

// startOld starts the units as they were, in the reverse order of their end, and
// then the servers that talk to them.
func (im units) startOld(ctx context.Context) error {
	if !im.reached(journal.StepStop) {
		return nil
	}
	old := slices.Clone(im.journal.Units)
	slices.Reverse(old)
	if err := im.restore(ctx, "start", old); err != nil {
		return err
	}
	if err := im.machine.Systemd().Systemctl(ctx, "restart", desired.Journald); err != nil {
		return err
	}
	// One after the other: a Postfix without Dovecot would put mail off for minutes.
	for _, u := range im.journal.Servers {
		if err := im.restore(ctx, "restart", []journal.Unit{u}); err != nil {
			return err
		}
	}
	return nil
}

// restore makes units as enabled and as active as they were.
func (im units) restore(ctx context.Context, verb string, units []journal.Unit) error {
	calls := map[string][]string{}
	for _, u := range units {
		switch {
		case u.Enabled:
			calls["enable"] = append(calls["enable"], u.Name)
		default:
			calls["disable"] = append(calls["disable"], u.Name)
		}
		switch {
		case !u.Active:
			calls["stop"] = append(calls["stop"], u.Name)
		case !oneshots[u.Name]:
			im.say("%s %s", verb, u.Name)
			calls[verb] = append(calls[verb], u.Name)
		}
	}
	for _, call := range []string{"enable", "disable", "stop", verb} {
		if len(calls[call]) == 0 {
			continue
		}
		if err := im.machine.Systemd().Systemctl(ctx, call, calls[call]...); err != nil {
			return err
		}
	}
	return nil
}

// oneshots are jobs that timers start: one that was just at work is not begun again.
var oneshots = map[string]bool{
	"chatmail-expire.service": true, "chatmail-fsreport.service": true, "acmetool-reconcile.service": true,
	"acmetool.service": true, "expunge.service": true, "metrics.service": true, "tls-cert-reload.service": true,
}
