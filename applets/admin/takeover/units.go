package takeover

import (
	"context"
	"path"

	"chatmaild/applets/admin/takeover/journal"
)

const unitDir = "/etc/systemd/system"

// units are those of the old relay, and the servers that both relays use.
type units struct{ *importer }

// stopOld ends mail first, so that nothing is in progress when the filters go.
func (im units) stopOld(ctx context.Context) error {
	im.say("stop Postfix and Dovecot for a moment")
	if err := im.machine.StopMail(ctx, im.say); err != nil {
		return err
	}
	// Masked and not only disabled: Debian's packages and timers would start some of them again.
	if err := im.mask(ctx, im.journal.Units); err != nil {
		return err
	}
	if err := files(im).clear(); err != nil {
		return err
	}
	return im.machine.Systemd().Systemctl(ctx, "daemon-reload")
}

// mask stops units and keeps them from being started by anything. A mask takes the
// place of a file in /etc/systemd/system, so that goes aside first. All at once: each
// call of systemctl takes longer than all of its work.
func (im units) mask(ctx context.Context, units []journal.Unit) error {
	var stop, disable []string
	for _, u := range units {
		if im.machine.IsLink(path.Join(unitDir, u.Name), "/dev/null") {
			continue
		}
		im.say("stop and mask %s", u.Name)
		stop = append(stop, u.Name)
		if u.Enabled {
			disable = append(disable, u.Name)
		}
	}
	if len(stop) > 0 {
		if err := im.machine.Systemd().Systemctl(ctx, "stop", stop...); err != nil {
			return err
		}
	}
	if len(disable) > 0 {
		if err := im.machine.Systemd().Systemctl(ctx, "disable", disable...); err != nil {
			return err
		}
	}
	for _, u := range units {
		file := path.Join(unitDir, u.Name)
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
