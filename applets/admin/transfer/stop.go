package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
)

// ErrInterrupted takes the place of context.Canceled, which is not a failure for daemons.
var ErrInterrupted = errors.New("interrupted")

// NoteEach is how often a command that writes for hours notes how far it came.
const NoteEach = 5 * time.Second

// StopRelay stops mail and then our daemons, until the next run, also after a reboot.
func StopRelay(ctx context.Context, progress io.Writer, machine host.Host) error {
	names := slices.Concat([]string{desired.Target, "chatmaild-expire.service", machine.PostfixInstance()}, desired.MailUnits(), desired.SubmissionSockets())
	names = slices.Compact(names) // the instance may be Postfix's unit itself
	units, err := machine.Systemd().Units(ctx, names...)
	if err != nil {
		return err
	}
	var enabled []string
	for _, u := range units {
		if u.Enabled == "enabled" {
			enabled = append(enabled, u.Name)
		}
	}
	say := func(format string, args ...any) { fmt.Fprintf(progress, "  "+format+"\n", args...) }
	if len(enabled) > 0 {
		say("disable %s", strings.Join(enabled, " "))
		if err := machine.Systemd().Systemctl(ctx, "disable", enabled...); err != nil {
			return err
		}
	}
	say("stop mail and chatmaild")
	if err := machine.StopMail(ctx, say); err != nil {
		return err
	}
	return machine.Systemd().Systemctl(ctx, "stop", desired.Target, "chatmaild-expire.service")
}
