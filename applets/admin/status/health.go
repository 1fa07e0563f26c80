package status

import (
	"context"
	"slices"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/relocation"
)

// relayPart is the part of a finding on the relay as a whole.
const relayPart = "relay"

// health looks at what a relay cannot be without, and asks nobody outside of it. What is off
// on purpose in a container is well: its runtime may end one that is not, and so break off
// the restore or the move that it is off for, and the next one would be as it was.
func health(ctx context.Context, e *examiner) {
	if e.machine.Systemd().Supervised() {
		if why := off(ctx, e); why != "" {
			e.say(relayPart, notice, "", "%s", why)
			return
		}
	}
	e.units(ctx)
	e.ports()
}

// off says what a command has turned off until the next run, and why; "" if nothing.
func off(ctx context.Context, e *examiner) string {
	if err := relocation.RequireSettled(e.conf, e.machine); err != nil {
		return err.Error()
	}
	units, err := e.machine.Systemd().Units(ctx, append(desired.MailUnits(), desired.Target)...)
	if i := slices.IndexFunc(units, func(u host.Unit) bool { return u.Enabled == "disabled" }); err == nil && i >= 0 {
		return units[i].Name + " is off until: chatmaild run"
	}
	return ""
}
