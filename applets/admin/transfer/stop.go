package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/wanted"
)

// ErrInterrupted takes the place of context.Canceled, which is no failure for daemons.
var ErrInterrupted = errors.New("interrupted")

// NoteEach is how often a command that writes for hours notes how far it came.
const NoteEach = 5 * time.Second

// StopRelay turns off mail and our daemons, until the next run.
func StopRelay(ctx context.Context, progress io.Writer, machine host.Host) error {
	// Debian's postfix.service is a name for postfix@-, and does not wait for it.
	names := append([]string{wanted.Target, "chatmaild-expire.service", wanted.PostfixInstance}, wanted.MailUnits()...)
	units, err := machine.Units(ctx, names...)
	if err != nil {
		return err
	}
	var enabled, running []string
	for _, u := range units {
		if u.Enabled == "enabled" {
			enabled = append(enabled, u.Name)
		}
		if u.Load == "loaded" && u.Active != "inactive" && u.Active != "failed" {
			running = append(running, u.Name)
		}
	}
	for _, step := range []struct {
		verb  string
		units []string
	}{{"disable", enabled}, {"stop", running}} {
		if len(step.units) == 0 {
			continue
		}
		fmt.Fprintf(progress, "  %s %s\n", step.verb, strings.Join(step.units, " "))
		if err := machine.Systemctl(ctx, step.verb, step.units...); err != nil {
			return err
		}
	}
	return nil
}
