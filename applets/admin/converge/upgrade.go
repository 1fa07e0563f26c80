package converge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
)

// runs reports whether the machine is a relay whose operator has not stopped it, nor its
// mail.
func runs(ctx context.Context, machine host.Host) (bool, error) {
	units, err := machine.Systemd().Units(ctx, append([]string{desired.Target}, desired.MailUnits()...)...)
	if err != nil {
		return false, err
	}
	// disableMail disables what it stops, so that mail stays off after a reboot.
	disabled := slices.ContainsFunc(units, func(u host.Unit) bool { return u.Enabled == "disabled" })
	return units[0].Active == "active" && !disabled, nil
}

// managed refuses a plan that would replace what the operator edited by hand: the servers
// go on with it, all of it, since a half of what belongs together is in no test. A server
// that rejects what it has now would not start again with it, so the plan is better.
func managed(ctx context.Context, machine host.Host, todo *Plan) error {
	if len(todo.Edited) == 0 || machine.CheckConfigs(ctx) != nil {
		return nil
	}
	return command.WithHint(
		fmt.Errorf("edited by hand since chatmaild run wrote it: %s; nothing was changed", strings.Join(todo.Edited, ", ")),
		"chatmaild run --dry-run shows what is new; chatmaild run replaces all files, and keeps yours in %s", desired.Backups)
}
